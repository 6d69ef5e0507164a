"""The values inside a constraint: numbers, dates, regular expressions, constants of oracles.

What this file takes, every verifier takes, but for a regular expression that compiles to too much:
that is for the verifier to say. It is stricter than the Rust crate where judging takes more than a
few lines: constants of oracles are plain ASCII, an address as a `host` is plain IPv4, and a regular
expression has the constructs of `_REGEX` alone.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

COLLECTION_MAX = 1024
REGEX_BYTES_MAX = 256
CONSTANT_BYTES_MAX = 4096
INTEGER_MAX = 2**53 - 1
COUNT_MAX = 2**32 - 1


class GrantError(ValueError):
    """Why a grant is refused: the field, and what is wrong with it."""


def fail(at: str, why: str) -> NoReturn:
    raise GrantError(f"`{at}`: {why}")


def array(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        fail(at, "is not an array")
    if not 1 <= len(value) <= COLLECTION_MAX:
        fail(at, f"is empty, or holds more than {COLLECTION_MAX} values")
    return value


def text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        fail(at, "is not a string")
    if value.startswith("$list:"):
        fail(at, "is reserved for a later version and does not work yet")
    return well_formed(value, at)


def well_formed(value: str, at: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in value):
        fail(at, "holds half of a surrogate pair")
    return value


def nonempty(value: Any, at: str) -> str:
    return text(value, at) or fail(at, "is empty")


def decimal(value: Any, at: str) -> Decimal:
    """A number by its decimal value, as I-JSON (RFC 7493) has it."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        fail(at, "is not a number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        fail(at, "is not finite")
    if number == number.to_integral_value():
        if abs(number) > INTEGER_MAX:
            fail(at, f"is an integer beyond ±{INTEGER_MAX}")
    elif Decimal(repr(float(number))) != number:
        fail(at, "has more digits than a double holds")
    return number


def integer(number: Decimal) -> int | None:
    return int(number) if number == number.to_integral_value() else None


def in_micros(number: Decimal) -> int | None:
    """The number in millionths, exactly, where that is a whole number of 64 bits."""
    micros = Fraction(number) * 1_000_000
    return int(micros) if micros.denominator == 1 and -(2**63) <= micros < 2**63 else None


def micros(value: Any, at: str) -> int:
    found = in_micros(decimal(value, at))
    if found is None:
        fail(at, "has more than six decimals, or is beyond ±9223372036854")
    return found


def count(value: Any, at: str) -> int:
    found = integer(decimal(value, at))
    if found is None or not 0 <= found <= COUNT_MAX:
        fail(at, f"is not a count from 0 to {COUNT_MAX}")
    return found


_TIME = r"[Tt ](\d\d):(\d\d):(\d\d)(?:\.0+)?(?=.)"
_MOMENT = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)(?:{_TIME})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECONDS_MAX = 253_402_300_799


def moment(value: Any, at: str) -> tuple[int, int]:
    """The first and the last second, since 1970, of an RFC 3339 instant or a date."""
    found = _MOMENT.fullmatch(text(value, at))
    if found is None:
        fail(at, "is neither an RFC 3339 instant in whole seconds nor a date")
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            tzinfo=timezone.utc,
        )
    except ValueError:
        fail(at, "is no moment of the calendar")
    offset = timedelta()
    if zone not in (None, "Z", "z"):
        if int(zone[1:3]) > 23 or int(zone[4:]) > 59:
            fail(at, "has no offset of a time zone")
        offset = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[4:]))
    first = (local - _EPOCH - offset) // timedelta(seconds=1)
    last = first + (86_399 if hour is None else 0)
    if first < 0 or last > _SECONDS_MAX:
        fail(at, "is before 1970 or after 9999")
    return first, last


_QUANTITY = r"(?:(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??)?"
_ESCAPE = r"\\[\^$.*+?()\[\]{}|/\\-]"
_ITEM = rf"(?:[A-Za-z0-9]-[A-Za-z0-9]|[^\\\[\]^&~-]|\\[dws]|{_ESCAPE})"
_ATOM = rf"(?:[^\\^$.*+?()\[\]{{}}|]|\.|\\[dwsDWS]|{_ESCAPE}|\[\^?{_ITEM}+-?\]|\))"
_REGEX = re.compile(rf"(?:{_ATOM}{_QUANTITY}|\((?:\?:)?|\|)*")
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r\\x20"}


def regex(value: Any, at: str) -> str:
    """A regular expression as the one that stands in the Datalog: of the whole value, with
    `\\d`, `\\w` and `\\s` written out in ASCII, as RE2 means them."""
    source = nonempty(value, at)
    if not _REGEX.fullmatch(source):
        fail(at, "has a construct that this helper does not judge; `^` and `$` are not needed")
    try:
        re.compile(source)
    except (re.error, OverflowError, RecursionError):
        fail(at, "is not a regular expression")
    written, brackets, escaped = [], 0, False
    for c in source:
        if escaped and c.lower() in _CLASSES:
            inside = _CLASSES[c.lower()]
            written.append(inside if brackets else f"[{'^' if c.isupper() else ''}{inside}]")
        elif escaped:
            written.append("\\" + c)
        elif c != "\\":
            brackets += {"[": 1, "]": -1}.get(c, 0)
            written.append(c)
        escaped = c == "\\" and not escaped
    whole = rf"\A(?:{''.join(written)})\z"
    if len(whole.encode()) > REGEX_BYTES_MAX:
        fail(at, f"is longer than {REGEX_BYTES_MAX - 8} bytes, its classes written out")
    return whole


_PORT = r"(?::([1-9]\d{0,4}))?"
_LABEL = r"(?![Xx][Nn]--)[A-Za-z0-9_-]{1,63}"
_NAME = rf"(?=.{{1,253}}(?:$|:))(?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL}"
_WORD = r"[A-Za-z0-9_.+@,=-]+"
_SEGMENT = rf"(?=[^/]*[A-Za-z0-9_]){_WORD}(?: {_WORD})*"
_CONSTANTS = {
    "under": rf"\.|/|/?{_SEGMENT}(?:/{_SEGMENT})*",
    "glob": r"(?:[A-Za-z0-9_.+@,=: /*?-]|\[[!^]?(?:[A-Za-z0-9_.](?:-[A-Za-z0-9_.])?)+\])+",
    "cidr": r"[0-9A-Fa-f:.]+(?:/\d{1,3})?",
    "host": rf"(?:\*\.)?{_NAME}{_PORT}|(?:\d{{1,3}}\.){{3}}\d{{1,3}}{_PORT}",
    "scheme": r"https?|wss?|ftp",
    "domain": rf"(?:\*\.)?{_NAME}",
    "command": r"(?!-)(?=.*[A-Za-z0-9])[A-Za-z0-9_./:,@+-]+",
}
ORACLES = frozenset(_CONSTANTS) | {"public_host"}


def constant(oracle: str, value: str, at: str) -> str:
    """A constant that an oracle is asked about."""
    found = re.fullmatch(_CONSTANTS[oracle], value, re.ASCII)
    if found is None or len(value) > CONSTANT_BYTES_MAX:
        fail(at, f"is no constant of `{oracle}`, or one that this helper does not judge")
    if oracle == "cidr" and not _is_network(value):
        fail(at, "is neither an address nor a network without bits beyond its prefix")
    if oracle == "host":
        address, bad_port = value.split(":")[0], any(int(p) > 65535 for p in found.groups() if p)
        if bad_port or (address.replace(".", "").isdigit() and not _is_network(address)):
            fail(at, "is no address, or has no port")
    if oracle == "glob":
        ranges = re.findall(r"(.)-(.)", "".join(re.findall(r"\[[!^]?([^]]*)\]", value)))
        if len(value) > REGEX_BYTES_MAX or any(low > high for low, high in ranges):
            fail(at, f"is longer than {REGEX_BYTES_MAX} bytes, or has a range that goes down")
        if not {".", ".."}.isdisjoint(value.split("/")):
            fail(at, "has a segment `.` or `..`, which no value that matches has")
    return value


def _is_network(value: str) -> bool:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        return False
    mapped = network.version == 6 and getattr(network.network_address, "ipv4_mapped", None)
    return not (mapped and network.prefixlen >= 96)
