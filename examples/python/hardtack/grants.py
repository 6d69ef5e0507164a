"""Grants, the language that people use, as Biscuit Datalog in Hardtack's vocabulary.

    >>> check({"tool": "stripe/refund", "args": {"amount": {"max": 20}}})
    'check if call("stripe", "refund"), number("amount", $amount), arg_names($names), $amount <= 20000000, {"amount"}.contains($names)'

Takes what `json.loads` gives. The same grants give the same text as in Rust, to the letter;
`tests/vectors/grants.json` holds both to that.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Callable, NamedTuple, Optional

from . import values as v
from .values import GrantError, fail

__all__ = ["GrantError", "check", "rules", "quoted", "date"]

GRANTS_MAX = 32
RULES_MAX = 64
QUERIES_MAX = 32
PREDICATES_MAX = 24
OPERATIONS_MAX = 128
REGEXES_MAX = 8
SEGMENTS_MAX = 16
PATH_BYTES_MAX = 256

Path = tuple[Optional[str], ...]
"""Segments from the top; `None` stands for every element, written `*`."""


def check(grants: Any) -> str:
    """The check of a later block that leaves only the calls of these grants."""
    bodies = [body for _, body in _bodies(grants, QUERIES_MAX)]
    return "check if " + " or ".join(bodies)


def rules(grants: Any) -> list[str]:
    """The rules of block 0 that permit the calls of these grants."""
    return [f"granted({index}) <- {body}" for index, body in _bodies(grants, RULES_MAX)]


def quoted(text: str) -> str:
    """A string of Datalog. Biscuit's parser knows three escapes and takes all else as it is."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def date(secs: int) -> str:
    """A date of Datalog, from seconds since 1970."""
    moment = datetime.fromtimestamp(secs, timezone.utc).replace(tzinfo=None)
    return moment.isoformat(timespec="seconds") + "Z"


class Expr(NamedTuple):
    """An expression, how tightly it binds, and how many operations it is."""

    text: str
    level: int = 9
    ops: int = 1

    def held(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"

    def call(self, method: str, to: Expr) -> Expr:
        return Expr(f"{self.held(9)}.{method}({to.text})", 9, self.ops + to.ops + 1)

    def compare(self, sign: str, to: Expr) -> Expr:
        return Expr(f"{self.held(4)} {sign} {to.held(4)}", 3, self.ops + to.ops + 1)

    def lazy(self, sign: str, level: int, to: Expr) -> Expr:
        text = f"{self.held(level)} {sign} {to.held(level + 1)}"
        return Expr(text, level, self.ops + to.ops + 2)

    def and_(self, to: Expr) -> Expr:
        return self.lazy("&&", 2, to)

    def or_(self, to: Expr) -> Expr:
        return self.lazy("||", 1, to)

    def not_(self) -> Expr:
        return Expr(f"!{self.held(9)}", 8, self.ops + 1)

    def all(self, body: Expr) -> Expr:
        return Expr(f"{self.held(9)}.all($x -> {body.text})", 9, self.ops + body.ops + 2)

    def is_type(self, name: str) -> Expr:
        return Expr(f"{self.held(9)}.type()", 9, self.ops + 1).compare("==", Expr(quoted(name)))


class Test(NamedTuple):
    """One thing asked of an argument: its name in the language, and its operand read."""

    name: str
    operand: Any = None
    flag: bool = False


class Constraint(NamedTuple):
    optional: bool
    tests: list[Test]

    def has(self, *names: str) -> bool:
        return any(test.name in names for test in self.tests)


class At(NamedTuple):
    """A path, and how many of its segments may be missing."""

    path: Path
    optional_to: int = 0

    def __str__(self) -> str:
        marks = ["?" if i + 1 == self.optional_to else "" for i in range(len(self.path))]
        names = [_escaped(s).replace("?", "~3") if s is not None else "*" for s in self.path]
        return "/".join(name + mark for name, mark in zip(names, marks))

    def every(self) -> At:
        return At((*self.path, None), self.optional_to)


def _escaped(name: str) -> str:
    return "~2" if name == "*" else name.replace("~", "~0").replace("/", "~1")


def _written(path: Path) -> str:
    return "/".join("*" if segment is None else _escaped(segment) for segment in path)


def _order(path: Path) -> list[tuple[bool, str]]:
    return [(segment is not None, segment or "") for segment in path]


# ---- Reading


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
        size = len(_written(path).encode()) + 2 * levels
        if len(path) + levels > SEGMENTS_MAX or size > PATH_BYTES_MAX:
            fail(f"{at}.{name}", "looks too many levels deep")
        args[path] = constraint
    return dict(sorted(args.items(), key=lambda item: _order(item[0])))


def _path(name: str, at: str) -> Path:
    v.well_formed(name, at)
    if not name or len(name.encode()) > PATH_BYTES_MAX or re.search(r"[\0-\x1f\x7f-\x9f]", name):
        fail(at, "is empty, longer than 256 bytes, or holds control characters")
    if re.search(r"~(?![012])", name) or name.count("/") >= SEGMENTS_MAX:
        fail(at, "has a `~` that is none of `~0`, `~1`, `~2`, or more than 16 segments")
    marks = {"~0": "~", "~1": "/", "~2": "*"}
    path = [re.sub("~[012]", lambda m: marks[m[0]], s) if s != "*" else None for s in name.split("/")]
    if path[0] is None:
        fail(at, "begins with `*`")
    return tuple(path)


def _levels(tests: list[Test]) -> int:
    below = {"each": lambda t: 1 + _levels(t.operand), "subset_of": lambda t: 1}
    below["contains_all"] = below["subset_of"]
    return max((below[test.name](test) for test in tests if test.name in below), default=0)


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
        return [Test("one_of" if name == "eq" else name, _scalars(items, at, ignore_case), ignore_case)]
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


class List(NamedTuple):
    """Values to compare with: their terms, each once, what kinds they are, in which relation."""

    terms: list[str]
    kinds: list[str]
    relation: str


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


# ---- Writing


class Query:
    """One query under construction: the same in a check and in a rule."""

    def __init__(self) -> None:
        self.predicates: list[str] = []
        self.expressions: list[Expr] = []
        self.regexes: set[str] = set()
        self._bound: dict[tuple[str, At], list[str]] = {}
        self._variables = {"x"}  # the parameter of every closure

    def text(self, at: str) -> str:
        if len(self.predicates) > PREDICATES_MAX:
            fail(at, f"asks for more than {PREDICATES_MAX} facts")
        if sum(expression.ops for expression in self.expressions) > OPERATIONS_MAX:
            fail(at, f"takes more than {OPERATIONS_MAX} operations")
        return ", ".join(self.predicates + [expression.text for expression in self.expressions])

    def call(self, server: str, names: list[str]) -> None:
        tool = quoted(names[0])
        if "*" in names or len(names) > 1:
            tool = self._variable("tool")
            if "*" not in names:
                self.expressions.append(_set(names).call("contains", Expr(tool)))
        self.predicates.append(f"call({quoted(server)}, {tool})")

    def constraint(self, path: Path, constraint: Constraint) -> None:
        at = At(path, len(path) if constraint.optional else 0)
        for test in constraint.tests:
            self._test(at, test)

    def close(self, args: dict[Path, Constraint]) -> None:
        """Refuses names that no path of the arguments runs through, in every object on its way."""
        allowed: dict[Path, set[str]] = {(): set()}
        optional = {(): False}
        wholly = {path for path, constraint in args.items() if constraint.has("any", "present")}
        opened = set(wholly)
        for path, constraint in args.items():
            needed = not constraint.optional and not constraint.has("any", "absent")
            for depth, segment in enumerate(path):
                parent = path[:depth]
                allowed.setdefault(parent, set())
                optional[parent] = optional.get(parent, True) and not needed and depth > 0
                if segment is None:
                    opened.add(parent)
                else:
                    allowed[parent].add(segment)
        for parent in sorted(allowed, key=_order):
            below = any(parent[: len(path)] == path for path in wholly)
            if parent not in opened and not below:
                self._names(parent, optional[parent], allowed[parent])

    def _names(self, parent: Path, optional: bool, allowed: set[str]) -> None:
        within = _set(sorted(allowed))
        if not parent:
            names = self._variable("names")
            self.predicates.append(f"arg_names({names})")
            self.expressions.append(within.call("contains", Expr(names)))
            return
        names = self._bind("arg_names", At(parent, len(parent) if optional else 0))[0]
        expression = within.call("contains", Expr(names))
        if optional and None not in parent:
            expression = Expr(names).compare("==", Expr("null")).or_(expression)
        self.expressions.append(expression)

    def _test(self, at: At, test: Test) -> None:
        name, operand = test.name, test.operand
        if name == "one_of":
            self._ask(at, operand.relation, lambda x: _one_of(operand, x))
        elif name == "not_one_of":
            self._ask(at, operand.relation, lambda x: _not_one_of(operand, x))
        elif name in _BOUNDS:
            relation, sign = _BOUNDS[name]
            self._ask(at, relation, lambda x: x.compare(sign, Expr(str(operand))))
        elif name == "after":
            self._ask(at, "arg_time", lambda x: x.compare(">=", Expr(date(operand))))
        elif name == "before":
            self._ask(at, "arg_time", lambda x: x.compare("<=", Expr(date(operand))), 1)
        elif name in _TEXTS:
            self.regexes |= {operand} if name == "matches" else set()
            method = Expr(quoted(operand))
            self._ask(at, "arg", lambda x: x.is_type("string").and_(x.call(_TEXTS[name], method)))
        elif name == "subset_of":
            if operand.relation == "number" or None in at.path:
                self._bind("arg_count", at)
                self._ask(at.every(), operand.relation, lambda x: _one_of(operand, x))
            else:
                every = _one_of(operand, Expr("$x"))
                self._ask(at, "arg", lambda x: x.is_type("set").and_(x.all(every)))
        elif name == "contains_all":
            self._contains_all(at, operand)
        elif name == "each":
            self._bind("arg_count", at)
            for inner in operand:
                self._test(at.every(), inner)
        elif name in ("present", "absent"):
            self.predicates.append(f"arg_{name}({quoted(str(at))})")
        elif name in v.ORACLES:
            terms = [quoted(str(at))]
            terms += [quoted(operand[0]) if len(operand) == 1 else _set(operand).text] if operand else []
            terms += [quoted("bare")] if test.flag else []
            self.predicates.append(f"arg_{name}({', '.join(terms)})")

    def _contains_all(self, at: At, operand: List) -> None:
        def has_all(x: Expr) -> Expr:
            first, *rest = [x.call("contains", Expr(term)) for term in operand.terms]
            for has in rest:
                first = first.and_(has)
            return first

        if operand.relation != "number":
            return self._ask(at, "arg", lambda x: x.is_type("set").and_(has_all(x)))
        count = self._bind("arg_count", at)[0]
        found = has_all(Expr(self._bind("number", at.every())[0]))
        if at.optional_to:
            found = Expr(count).compare("==", Expr("null")).or_(found)
        self.expressions.append(found)

    def _ask(self, at: At, relation: str, body: Callable[[Expr], Expr], nth: int = 0) -> None:
        """Asks something of a relation's value: of every element where the path has `*`, and only
        if there is one where it is optional."""
        bound = Expr(self._bind(relation, at)[nth])
        if None in at.path:
            self.expressions.append(bound.all(body(Expr("$x"))))
        elif at.optional_to:
            self.expressions.append(bound.compare("==", Expr("null")).or_(body(bound)))
        else:
            self.expressions.append(body(bound))

    def _bind(self, relation: str, at: At) -> list[str]:
        """The variables of a relation's open terms at a place, its predicate added once."""
        if (relation, at) in self._bound:
            return self._bound[relation, at]
        name, path = relation, str(at)
        if relation in ("arg", "number"):
            is_plain = not at.optional_to and None not in at.path
            name, path = (relation, _written(at.path)) if is_plain else (f"{relation}_at", path)
        named = next((segment for segment in reversed(at.path) if segment is not None), "")
        hint = named if re.fullmatch(r"[a-z][A-Za-z0-9_]{0,31}", named) else "arg"
        bound = [self._variable(hint) for _ in range(2 if relation == "arg_time" else 1)]
        self.predicates.append(f"{name}({', '.join([quoted(path), *bound])})")
        self._bound[relation, at] = bound
        return bound

    def _variable(self, hint: str) -> str:
        name, n = hint, 2
        while name in self._variables:
            name, n = f"{hint}{n}", n + 1
        self._variables.add(name)
        return f"${name}"


_BOUNDS = {
    "min": ("number", ">="),
    "max": ("number", "<="),
    "max_length": ("arg_length", "<="),
    "min_items": ("arg_count", ">="),
    "max_items": ("arg_count", "<="),
}
_TEXTS = {
    "prefix": "starts_with",
    "suffix": "ends_with",
    "contains": "contains",
    "matches": "matches",
}


def _set(texts: list[str]) -> Expr:
    return Expr("{" + (", ".join(quoted(text) for text in texts) or ",") + "}")


def _one_of(values: List, x: Expr) -> Expr:
    if len(values.terms) == 1:
        return x.compare("==", Expr(values.terms[0]))
    return Expr(f"[{', '.join(values.terms)}]").call("contains", x)


def _not_one_of(values: List, x: Expr) -> Expr:
    """Never true for a kind that the list is not about: a tool might read it as a refused value."""
    none = Expr(f"[{', '.join(values.terms)}]").call("contains", x).not_()
    if values.relation != "arg":
        return none
    first, *rest = [x.is_type(kind) for kind in values.kinds]
    for kind in rest:
        first = first.or_(kind)
    return first.and_(none)
