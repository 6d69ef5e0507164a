"""A holder's proof for one call: made with PyJWT, and checked.

A proof is a DPoP proof (RFC 9449) with two more claims, `tool` and `args`. It is good for one call,
at one address, for a minute. Whoever checks one has to remember its `jti` for 70 s, and refuse it
the second time; nothing here remembers anything.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Collection, NamedTuple, NoReturn

import jwt
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .tokens import HolderKey, TokenError, digest, holders, seal, verified

PROOF_BYTES_MAX = 4096
AGE_SECS_MAX = 65
SKEW_SECS = 5
INTEGER_MAX = 2**53 - 1


class Call(NamedTuple):
    """The one call that a proof is for. `args` is the JSON text of all of its arguments."""

    method: str
    url: str
    tool: str
    args: str


class Presentation(NamedTuple):
    """A sealed token and its holder's proof for one call. Both are secrets."""

    token: str
    proof: str

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"DPoP {self.token}", "DPoP": self.proof}

    def __repr__(self) -> str:
        return f"Presentation(token of {len(self.token)} bytes, proof of {len(self.proof)})"


class ProofFault(ValueError):
    """Why a proof is refused: one word, as the verdicts of `tests/vectors/proofs.json`."""


def present(
    token: str, root: str, holder: HolderKey, call: Call, now: int, nonce: str | None = None
) -> Presentation:
    """Seals a bound token and proves that its holder makes this call, now (seconds since 1970)."""
    if holders(verified(token, root))[-1:] != [holder.public]:
        raise TokenError("the key given is not that of the token's current holder")
    sealed = seal(token)
    return Presentation(sealed, prove(sealed, holder, call, now, nonce))


def prove(
    token: str,
    holder: HolderKey,
    call: Call,
    now: int,
    nonce: str | None = None,
    jti: str | None = None,
) -> str:
    """The proof alone, for a token that is sealed already."""
    claims = {
        "htm": call.method,
        "htu": address(call.url) or refuse("uri"),
        "iat": now,
        "jti": jti or secrets.token_urlsafe(16),
        "ath": b64(digest(token)),
        "tool": call.tool,
        "args": b64(args_digest(call.args)),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    headers = {"typ": "dpop+jwt", "jwk": jwk(holder.public)}
    return jwt.encode(claims, holder.signer, algorithm="EdDSA", headers=headers)


def check_proof(
    proof: str | None,
    holder: bytes | None,
    token: str,
    call: Call,
    now_millis: int,
    nonces: Collection[str] = (),
) -> dict[str, Any]:
    """The claims of a proof for this token and call by `holder`, the last of `holders(token)`.

    Raises `ProofFault`. The rules and their order are those of `src/verify/proof.rs`.
    """
    args = b64(args_digest(call.args))
    if holder is None:
        refuse("unbound")
    if proof is None:
        refuse("missing")
    claims = _signed_claims(proof, holder)

    def text(name: str) -> str | None:
        return value if isinstance(value := claims.get(name), str) else None

    if text("htm") != call.method:
        refuse("method")
    if (htu := address(text("htu") or "")) is None or htu != address(call.url):
        refuse("uri")
    if text("ath") != b64(digest(token)):
        refuse("token")
    issued = claims.get("iat")
    if type(issued) is not int or issued < 0:
        refuse("issued-at")
    if now_millis > (issued + AGE_SECS_MAX) * 1000:
        refuse("old")
    if issued * 1000 > now_millis + SKEW_SECS * 1000:
        refuse("early")
    if not re.fullmatch(r"[!-~]{1,128}", text("jti") or ""):
        refuse("id")
    if nonces and text("nonce") not in nonces:
        refuse("nonce")
    if text("tool") != call.tool:
        refuse("tool")
    if text("args") != args:
        refuse("args")
    return claims


def _signed_claims(proof: str, holder: bytes) -> dict[str, Any]:
    if len(proof.encode()) > PROOF_BYTES_MAX:
        refuse("too-long")
    parts = proof.split(".")
    if len(parts) != 3:
        refuse("encoding")
    raw_header, raw_claims, _ = [_unb64(part) for part in parts]
    header = _object(raw_header)
    if header.get("typ") != "dpop+jwt":
        refuse("type")
    if header.get("alg") != "EdDSA":
        refuse("algorithm")
    if "crit" in header:
        refuse("critical")
    key = header.get("jwk")
    if not isinstance(key, dict) or key.keys() != {"kty", "crv", "x"}:
        refuse("key")
    if not isinstance(key["x"], str) or not re.fullmatch("[A-Za-z0-9_-]{43}", key["x"]):
        refuse("key")
    if (key["kty"], key["crv"]) != ("OKP", "Ed25519"):
        refuse("key")
    if key != jwk(holder):
        refuse("holder")
    verifier = Ed25519PublicKey.from_public_bytes(holder)
    try:
        jwt.PyJWS(algorithms=["EdDSA"]).decode(proof, verifier, algorithms=["EdDSA"])
    except jwt.PyJWTError:
        refuse("signature")
    return _object(raw_claims)


def refuse(fault: str) -> NoReturn:
    raise ProofFault(fault)


def jwk(key: bytes) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": b64(key)}


def args_digest(args: str) -> bytes:
    """SHA-256 of the RFC 8785 form of arguments, which are one strict JSON object."""
    try:
        value = strict(args)
        if not isinstance(value, dict):
            refuse("request-malformed")
        return hashlib.sha256(rfc8785.dumps(value)).digest()
    except (ValueError, RecursionError):
        refuse("request-malformed")


def address(url: str) -> str | None:
    """An address without query and fragment, in the form in which two are compared."""
    found = re.fullmatch(
        r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{0,5}))?(/[!-~]*)?",
        re.split("[?#]", url)[0],
        re.ASCII | re.IGNORECASE,
    )
    if found is None:
        return None
    scheme, host, port, path = found.groups()
    scheme, port = scheme.lower(), int(port or 0)
    shown = f":{port}" if port and port != {"http": 80, "https": 443}[scheme] else ""
    return f"{scheme}://{host.lower()}{shown}{path or '/'}"


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(part: str) -> bytes:
    """Base64url without padding, in the one form that says these bytes."""
    if not re.fullmatch("[A-Za-z0-9_-]*", part) or len(part) % 4 == 1:
        refuse("encoding")
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return data if b64(data) == part else refuse("encoding")


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = strict(data.decode())
    except (ValueError, RecursionError):
        refuse("json")
    return value if isinstance(value, dict) else refuse("json")


def strict(text: str) -> Any:
    """I-JSON (RFC 7493): no name twice, no number that others read otherwise, whole characters."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in members}) < len(members):
            raise ValueError("a name stands twice")
        return dict(members)

    def real(text: str) -> float:
        number = float(text)
        if abs(number) > INTEGER_MAX:
            raise ValueError("a number is too large")
        return number

    def whole(text: str) -> int:
        number = int(text) if len(text) <= 20 else INTEGER_MAX + 1
        if abs(number) > INTEGER_MAX:
            raise ValueError("a number is too large")
        return number

    def constant(text: str) -> NoReturn:
        raise ValueError(text)

    value = json.loads(
        text, object_pairs_hook=pairs, parse_float=real, parse_int=whole, parse_constant=constant
    )
    json.dumps(value, ensure_ascii=False).encode()
    return value
