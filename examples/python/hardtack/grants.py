"""Grants, the language that people use, as Biscuit Datalog in Hardtack's vocabulary.

    >>> check({"tool": "stripe/refund", "args": {"amount": {"max": 20}}, "other_args": "allow"})
    'check if call("stripe", "refund"), number("amount", $amount), $amount <= 20000000'

Takes what `json.loads` gives. The same grants give the same text as in Rust, to the letter;
`tests/vectors/grants.json` holds both to that.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from . import values as v
from .query import Constraint, List, Path, Query, Test, order, quoted, written
from .values import GrantError, fail

__all__ = ["GrantError", "check", "rules"]

GRANTS_MAX = 32
RULES_MAX = 64
QUERIES_MAX = 32
REGEXES_MAX = 8
SEGMENTS_MAX = 16
PATH_BYTES_MAX = 256


def check(grants: Any) -> str:
    """The check of a later block that leaves only the calls of these grants."""
    bodies = [body for _, body in _bodies(grants, QUERIES_MAX)]
    return "check if " + " or ".join(bodies)


def rules(grants: Any) -> list[str]:
    """The rules of block 0 that permit the calls of these grants."""
    return [f"granted({index}) <- {body}" for index, body in _bodies(grants, RULES_MAX)]


def _bodies(grants: Any, most: int) -> list[tuple[int, str]]:
    if isinstance(grants, dict):
        grants = grants["grants"] if list(grants) == ["grants"] else [grants]
    if not isinstance(grants, list) or not 1 <= len(grants) <= GRANTS_MAX:
        fail("grants", f"is not an array of 1 to {GRANTS_MAX} grants")
    bodies: list[tuple[int, str]] = []
    regexes: set[str] = set()
    for index, grant in enumerate(grants):
        for query in _queries(grant, f"grants[{index}]"):
            bodies.append((index, query.text(f"grants[{index}]")))
            regexes |= query.regexes
    if len(bodies) > most or len(regexes) > REGEXES_MAX:
        fail("grants", f"needs more than {most} queries, or {REGEXES_MAX} regular expressions")
    return bodies


def _queries(grant: Any, at: str) -> list[Query]:
    """One query for each server that the grant names."""
    known = {"tool", "tools", "server", "labels", "args", "other_args"}
    for name in _members(grant, at):
        if name not in known:
            fail(f"{at}.{name}", "is not a field of a grant, or does not work yet")
    if len(known & grant.keys() & {"tool", "tools", "server"}) != 1:
        fail(at, "needs one of `tool`, `tools`, and `server` with `labels`")
    if ("server" in grant and "labels" not in grant) or (
        grant.get("other_args") == "allow" and "args" not in grant
    ):
        fail(at, "has `server` without `labels`, or `other_args` without `args`")
    if "tools" in grant:
        tools = [_tool(t, f"{at}.tools") for t in v.array(grant["tools"], f"{at}.tools")]
    elif "tool" in grant:
        tools = [_tool(grant["tool"], f"{at}.tool")]
    else:
        tools = [_tool(v.text(grant["server"], f"{at}.server") + "/*", f"{at}.server")]
    labels = v.array(grant["labels"], f"{at}.labels") if "labels" in grant else []
    labels = sorted({v.nonempty(label, f"{at}.labels") for label in labels})
    args = _arguments(grant["args"], f"{at}.args") if "args" in grant else None
    other_args = grant.get("other_args", "deny")
    if other_args not in ("allow", "deny"):
        fail(f"{at}.other_args", "is neither `allow` nor `deny`")
    queries = []
    for server in sorted({server for server, _ in tools}):
        query = Query()
        query.call(server, sorted({name for s, name in tools if s == server}))
        query.predicates += [f"label({quoted(label)})" for label in labels]
        for path, constraint in (args or {}).items():
            query.constraint(path, constraint)
        if args is not None and other_args == "deny":
            query.close(args)
        queries.append(query)
    return queries


def _members(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        fail(at, "is not an object")
    return value


_PART = r"[!#-)+-\[\]-~]{1,128}"


def _tool(value: Any, at: str) -> tuple[str, str]:
    server, _, name = v.text(value, at).partition("/")
    if not re.fullmatch(_PART, server) or not re.fullmatch(rf"\*|{_PART}", name):
        fail(at, "is not of the form `server/tool` in plain ASCII")
    return server, name


def _arguments(value: Any, at: str) -> dict[Path, Constraint]:
    args: dict[Path, Constraint] = {}
    for name, inner in _members(value, at).items():
        path = _path(name, f"{at}.{name}")
        if path in args:
            fail(f"{at}.{name}", "is another spelling of a path that stands here too")
        constraint = _constraint(inner, f"{at}.{name}", None in path)
        levels = _levels(constraint.tests)
        size = len(written(path).encode()) + 2 * levels
        if len(path) + levels > SEGMENTS_MAX or size > PATH_BYTES_MAX:
            fail(f"{at}.{name}", "looks too many levels deep")
        args[path] = constraint
    return dict(sorted(args.items(), key=lambda item: order(item[0])))


def _path(name: str, at: str) -> Path:
    v.well_formed(name, at)
    if not name or len(name.encode()) > PATH_BYTES_MAX or re.search(r"[\0-\x1f\x7f-\x9f]", name):
        fail(at, "is empty, longer than 256 bytes, or holds control characters")
    if re.search(r"~(?![012])", name) or name.count("/") >= SEGMENTS_MAX:
        fail(at, "has a `~` that is none of `~0`, `~1`, `~2`, or more than 16 segments")
    marks = {"~0": "~", "~1": "/", "~2": "*"}
    path = [
        None if part == "*" else re.sub("~[012]", lambda mark: marks[mark[0]], part)
        for part in name.split("/")
    ]
    if path[0] is None:
        fail(at, "begins with `*`")
    return tuple(path)


def _levels(tests: list[Test]) -> int:
    """How many levels of elements the tests look into."""
    below = [1 + _levels(test.operand) for test in tests if test.name == "each"]
    below += [1 for test in tests if test.name in ("subset_of", "contains_all")]
    return max(below, default=0)


def _flag(fields: dict[str, Any], name: str, at: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        fail(f"{at}.{name}", "is neither `true` nor `false`")
    return value


def _constraint(value: Any, at: str, every: bool) -> Constraint:
    optional = _flag(_members(value, at), "optional", at)
    constraint = Constraint(optional, _tests(value, at, every, False))
    if not constraint.tests:
        fail(at, 'asks nothing; write `{"any": true}` to allow any value')
    if constraint.has("any", "absent") and (len(constraint.tests) > 1 or optional):
        fail(at, "has `any` or `absent` beside something else")
    if optional and constraint.has("present"):
        fail(at, "is both `present` and `optional`")
    return constraint


def _tests(fields: dict[str, Any], at: str, every: bool, inside: bool) -> list[Test]:
    ignore_case, bare = _flag(fields, "ignore_case", at), _flag(fields, "bare", at)
    tests: list[Test] = []
    for name, value in fields.items():
        if name == "optional" and inside:
            fail(f"{at}.{name}", "has no meaning inside `each`")
        if name not in ("optional", "ignore_case", "bare"):
            tests += _test(name, value, f"{at}.{name}", every, (ignore_case, bare))
    found = {test.name for test in tests}
    if "ignore_case" in fields and not found & {"one_of", "not_one_of"}:
        fail(at, "has `ignore_case` without `eq`, `one_of` or `not_one_of`")
    if "bare" in fields and not found & {"host", "scheme", "public_host"}:
        fail(at, "has `bare` without `scheme`, `host` or `public_host`")
    if "on" in fields and {"after", "before"} & fields.keys():
        fail(at, "has `on` beside `after` or `before`, which it is short for")
    bounds = {test.name: test.operand for test in tests}
    for low, high in (("min", "max"), ("after", "before"), ("min_items", "max_items")):
        if low in bounds and high in bounds and bounds[low] > bounds[high]:
            fail(at, "has a lower bound above its upper bound")
    return tests


def _test(name: str, value: Any, at: str, every: bool, flags: tuple[bool, bool]) -> list[Test]:
    ignore_case, bare = flags
    if name in ("eq", "one_of", "not_one_of"):
        items = [value] if name == "eq" else v.array(value, at)
        return [Test("one_of" if name == "eq" else name, _scalars(items, at, ignore_case))]
    if name in ("min", "max"):
        return [Test(name, v.micros(value, at))]
    if name in ("prefix", "suffix", "contains"):
        return [Test(name, v.nonempty(value, at))]
    if name == "matches":
        return [Test(name, v.regex(value, at))]
    if name in ("max_length", "min_items", "max_items"):
        return [Test(name, v.count(value, at))]
    if name in ("after", "before", "on"):
        first, last = v.moment(value, at)
        found = {"after": [Test("after", first)], "before": [Test("before", last)]}
        return found.get(name) or found["after"] + found["before"]
    if name in ("present", "absent", "any", "public_host"):
        if value is not True:
            fail(at, "can only be `true`")
        return [Test(name, [], bare)]
    if name in v.ORACLES:
        items = [value] if isinstance(value, str) else v.array(value, at)
        constants = {v.constant(name, v.nonempty(item, at), at) for item in items}
        return [Test(name, sorted(constants), bare and name in ("host", "scheme"))]
    if name == "subset_of" or (name == "contains_all" and not every):
        return [Test(name, _scalars(v.array(value, at), at, False))]
    if name == "each":
        inner = _tests(_members(value, at), at, True, True)
        if not inner or any(test.name in ("absent", "any") for test in inner):
            fail(at, "asks nothing of an element")
        return [Test(name, inner)]
    fail(at, "is not a constraint, does not work here, or does not work yet")


def _scalars(items: list[Any], at: str, ignore_case: bool) -> List:
    read: list[Any] = []
    for item in items:
        if isinstance(item, str):
            read.append(v.text(item, at))
        elif isinstance(item, (bool, int, float, Decimal)):
            read.append(item if isinstance(item, bool) else v.decimal(item, at))
        else:
            fail(at, "holds something that is no text, number or boolean")
    numbers = [item for item in read if isinstance(item, Decimal)]
    is_decimal = len(numbers) == len(read) and all(v.in_micros(n) is not None for n in numbers)
    if not is_decimal and any(v.integer(number) is None for number in numbers):
        fail(at, "mixes a number with a fraction with others, or has more than six decimals")
    if ignore_case and not all(isinstance(item, str) and _is_plain_case(item) for item in read):
        fail(at, "has `ignore_case` for other values than texts, or for letters such as `ß`")

    def term(item: Any) -> str:
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, str):
            return quoted(item.lower() if ignore_case else item)
        return str(v.in_micros(item) if is_decimal else v.integer(item))

    kind = {str: "string", bool: "bool", Decimal: "integer"}
    relation = "arg_lower" if ignore_case else "number" if is_decimal else "arg"
    terms = list(dict.fromkeys(term(item) for item in read))
    return List(terms, sorted({kind[type(item)] for item in read}), relation)


def _is_plain_case(text: str) -> bool:
    return text.upper().lower() == text.lower()
