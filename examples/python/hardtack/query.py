"""One query of a check, or the body of a rule: the predicates and expressions of one grant."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple, Optional

from . import values as v
from .values import fail

PREDICATES_MAX = 24
OPERATIONS_MAX = 128

Path = tuple[Optional[str], ...]
"""Segments from the top; `None` stands for every element, written `*`."""


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


class At(NamedTuple):
    """A path, and how many of its segments may be missing."""

    path: Path
    optional_to: int = 0

    def __str__(self) -> str:
        names = [escaped(s).replace("?", "~3") if s is not None else "*" for s in self.path]
        if self.optional_to:
            names[self.optional_to - 1] += "?"
        return "/".join(names)

    def every(self) -> At:
        return At((*self.path, None), self.optional_to)


def escaped(name: str) -> str:
    return "~2" if name == "*" else name.replace("~", "~0").replace("/", "~1")


def written(path: Path) -> str:
    return "/".join("*" if segment is None else escaped(segment) for segment in path)


def order(path: Path) -> list[tuple[bool, str]]:
    return [(segment is not None, segment or "") for segment in path]


class List(NamedTuple):
    """Values to compare with: their terms, each once, what kinds they are, in which relation."""

    terms: list[str]
    kinds: list[str]
    relation: str


class Test(NamedTuple):
    """One thing asked of an argument: its name in the language, and its operand as it is asked."""

    name: str
    operand: Any = None
    bare: bool = False


class Constraint(NamedTuple):
    """All that is asked of one argument."""

    optional: bool
    tests: list[Test]

    def has(self, *names: str) -> bool:
        return any(test.name in names for test in self.tests)


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
        optional: dict[Path, bool] = {(): False}
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
        for parent in sorted(allowed, key=order):
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
            if operand:
                terms.append(quoted(operand[0]) if len(operand) == 1 else _set(operand).text)
            if test.bare:
                terms.append(quoted("bare"))
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
            name, path = (relation, written(at.path)) if is_plain else (f"{relation}_at", path)
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
