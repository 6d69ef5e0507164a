"""A request as facts of Hardtack's vocabulary, for Biscuit's own authorizer.

These are the plain facts alone. What a token asks about an argument by a pattern, and all oracles
(`under`, `host`, `cidr` …), are for a gateway to answer: a check that asks for them fails here.

This is no guard: it knows no revocations, limits or canonical encoding, and a token that says
`reject if` of what is not answered here passes. It is for tests, and for agents that want to know
beforehand what their own token allows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable, Iterator

from biscuit_auth import AuthorizationError, AuthorizerBuilder, Biscuit, Rule

from .proofs import args_digest, strict
from .query import date, escaped, quoted
from .tokens import holders, patient
from .values import decimal, in_micros, integer

VERSION = 1


def facts(
    tool: str, args: str, now: datetime, audience: str, labels: Iterable[str] = ()
) -> list[str]:
    """What is said of one call: of `args`, a JSON text, every argument."""
    server, _, name = tool.partition("/")
    arguments = strict(args)
    names = ", ".join(quoted(name) for name in sorted(arguments)) or ","
    return [
        f"call({quoted(server)}, {quoted(name)})",
        f"time({date(int(now.timestamp()))})",
        f"weekday({now.isoweekday()})",
        f"minute_of_day({now.hour * 60 + now.minute})",
        f"audience({quoted(audience)})",
        *(f"label({quoted(label)})" for label in sorted(set(labels))),
        f"args_digest(hex:{args_digest(args).hex()})",
        f"arg_names({{{names}}})",
        *(fact for name, value in arguments.items() for fact in _argument(escaped(name), value)),
    ]


def allows(token: Biscuit, said: Iterable[str]) -> bool:
    """Whether a token allows what is said of a call; `holders` must not refuse it."""
    keys = holders(token)
    hops = len(keys) - 1 if keys else token.block_count() - 1
    said = [*said, f"depth({hops})", *(f"presenter(hex:{key.hex()})" for key in keys[-1:])]
    code = "".join(f"{fact};\n" for fact in said) + "allow if granted($grant);"
    authorizer = patient(AuthorizerBuilder(code)).build(token)
    version = authorizer.query(Rule("version($v) <- hardtack($v)"))
    try:
        authorizer.authorize()
    except AuthorizationError:
        return False
    return [fact.terms for fact in version] == [[VERSION]]


def _argument(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _argument(f"{path}/{escaped(name)}", inner)
        return
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _argument(f"{path}/{index}", inner)
        terms = [_term(item) for item in value]
        if None not in terms:
            members = ", ".join(dict.fromkeys(terms)) or ","  # type: ignore[arg-type]
            yield f"arg({quoted(path)}, {{{members}}})"
        return
    if (term := _term(value)) is not None:
        yield f"arg({quoted(path)}, {term})"
    if not isinstance(value, (bool, str)) and value is not None:
        if (micros := in_micros(decimal(value, path))) is not None:
            yield f"number({quoted(path)}, {micros})"


def _term(value: Any) -> str | None:
    """A scalar as a term; numbers with a fraction have none."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (int, float)):
        whole = integer(decimal(value, "argument"))
        return None if whole is None else str(whole)
    return None
