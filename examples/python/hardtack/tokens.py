"""What a holder does with a token, offline: narrow it, hand it on, seal it for a call.

biscuit-python needs the public root key for that, because it verifies what it reads.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any, Callable, Iterable

from biscuit_auth import (
    Algorithm,
    AuthorizerBuilder,
    Biscuit,
    BlockBuilder,
    Fact,
    PrivateKey,
    PublicKey,
    Rule,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .grants import check
from .query import date, quoted

BLOCKS_MAX = 16
NAME_BYTES_MAX = 512
_PRIVATE = "ed25519-holder-private/"
_PUBLIC = "ed25519/"


class TokenError(ValueError):
    """Why nothing can be done with a token. No message holds token bytes or key material."""


class HolderKey:
    """A holder's key: hands tokens on and signs proofs. Nothing prints the private half."""

    def __init__(self, seed: bytes) -> None:
        self.signer = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.signer.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> HolderKey:
        return cls(os.urandom(32))

    @classmethod
    def read(cls, path: str) -> HolderKey:
        """Reads the file that `hardtack key new --holder` and `write` make."""
        with open(path, encoding="ascii") as file:
            # Asked of the open file, so that it cannot be swapped in between.
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise TokenError(f"`{path}` can be read by others: run `chmod 600` on it first")
            return cls.parse(file.read())

    @classmethod
    def parse(cls, text: str) -> HolderKey:
        found = re.fullmatch(_PRIVATE + "([0-9a-fA-F]{64})", text.strip())
        if found is None:
            raise TokenError(f"a holder's private key is `{_PRIVATE}` and 64 hexadecimal digits")
        return cls(bytes.fromhex(found[1]))

    def write(self, path: str) -> None:
        """Writes the key to a new file that only its owner can read."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{_PRIVATE}{self.signer.private_bytes_raw().hex()}\n")

    def to_biscuit(self) -> PrivateKey:
        return PrivateKey.from_bytes(self.signer.private_bytes_raw(), Algorithm.Ed25519)

    def __repr__(self) -> str:
        return f"HolderKey({public_text(self.public)})"


def public_text(key: bytes) -> str:
    return _PUBLIC + key.hex()


def public_key(text: str) -> bytes:
    """The bytes of a public key that is written `ed25519/` and 64 hexadecimal digits."""
    try:
        PublicKey(text.strip())
        return bytes.fromhex(text.strip().removeprefix(_PUBLIC))
    except Exception:
        raise TokenError(f"a public key is `{_PUBLIC}` and 64 hexadecimal digits") from None


def verified(token: str, root: str) -> Biscuit:
    """The token, if its signatures lead to the root key."""
    try:
        return Biscuit.from_base64(token.strip(), PublicKey(root.strip()))
    except Exception as error:
        raise TokenError(f"the token is not one of this root key: {type(error).__name__}") from None


def holders(token: Biscuit) -> list[bytes]:
    """The keys that have held a token, its current holder last; none for a bearer token.

    A block moves the token on if the holder at that point has signed it. Raises `TokenError` where
    any block says `delegate` otherwise: then every verifier refuses the token.
    """
    wrong = TokenError("the token's blocks do not hand it on from holder to holder")
    moves: list[Fact] = []
    keys: list[bytes] = []
    rule = "holder($key) <- holder($key)"
    while len(moves) <= BLOCKS_MAX and (found := _query(token, rule)):
        [key, *_] = found[0].terms
        if len(found) > 1 or not isinstance(key, bytes) or len(key) != 32 or key in keys:
            raise wrong
        moves.append(found[0])
        keys.append(key)
        scope = f"trusting {public_text(key)}"
        rule = f"delegate($key, $name) <- delegate($key, $name) {scope}"
    # Whatever else is said of it, in another order or by somebody else, stands in its block too.
    said = [line for block in range(token.block_count()) for line in _moves(token, block)]
    if said != [f"{move};" for move in moves]:
        raise wrong
    return keys


def _moves(token: Biscuit, block: int) -> list[str]:
    words = ("delegate(",) if block else ("delegate(", "holder(")
    return [line for line in token.block_source(block).split("\n") if line.startswith(words)]


def _query(token: Biscuit, rule: str) -> list[Fact]:
    try:
        return patient(AuthorizerBuilder()).build(token).query(Rule(rule))
    except Exception as error:
        raise TokenError(f"the token cannot be read: {type(error).__name__}") from None


def patient(builder: AuthorizerBuilder) -> AuthorizerBuilder:
    """The builder with a second to run. Biscuit's one millisecond fails on a busy machine."""
    limits = builder.limits()
    limits.max_time = timedelta(seconds=1)
    builder.set_limits(limits)
    return builder


def narrow(token: str, root: str, **narrowing: Any) -> str:
    """Appends a block that takes away what `checks` says: for bearer tokens, or for oneself."""
    block = checks(**narrowing)
    if not block:
        raise TokenError("the narrowing takes nothing away")
    biscuit = verified(token, root)
    if biscuit.block_count() >= BLOCKS_MAX:
        raise TokenError(f"the token has {BLOCKS_MAX} blocks, as many as fit")
    return _appended(lambda: biscuit.append(BlockBuilder(block)))


def delegate(
    token: str, root: str, holder: HolderKey, to: bytes, name: str, **narrowing: Any
) -> str:
    """Hands a bound token on, less what `checks` says: from now on `to` proves each call."""
    biscuit = verified(token, root)
    keys = holders(biscuit)
    if keys[-1:] != [holder.public]:
        raise TokenError("the key given is not that of the token's current holder")
    if to in keys:
        raise TokenError("the next holder holds the token, or has held it before")
    if biscuit.block_count() >= BLOCKS_MAX:
        raise TokenError(f"the token has {BLOCKS_MAX} blocks, as many as fit")
    if not 1 <= len(name.encode()) <= NAME_BYTES_MAX or not name.isprintable():
        raise TokenError("the name is empty, too long or not printable")
    public_key(public_text(to))
    code = f"delegate(hex:{to.hex()}, {quoted(name)});\n{checks(**narrowing)}"

    def append() -> Biscuit:
        request = biscuit.third_party_request()
        block = request.create_block(holder.to_biscuit(), BlockBuilder(code))
        return biscuit.append_third_party(PublicKey(public_text(holder.public)), block)

    return _appended(append)


def _appended(append: Callable[[], Biscuit]) -> str:
    try:
        return append().to_base64()
    except Exception as error:
        raise TokenError(f"nothing can be appended: {type(error).__name__}") from None


def checks(
    grants: Any = None,
    expires: int | None = None,
    audience: Iterable[str] | None = None,
    depth: int | None = None,
) -> str:
    """The checks of a block: only these calls, until this second, at these gateways, so deep."""
    lines = [] if grants is None else [check(grants)]
    if expires is not None:
        lines.append(f"check if time($time), $time < {date(expires)}")
    if audience is not None:
        names = ", ".join(quoted(name) for name in sorted(set(audience)))
        if not names:
            raise TokenError("the audience is empty, so that no gateway could accept the token")
        lines.append(f"check if audience($audience), {{{names}}}.contains($audience)")
    if depth is not None:
        lines.append(f"check if depth($depth), $depth <= {int(depth)}")
    return "".join(f"{line};\n" for line in lines)


# ---- Sealing. biscuit-python does not, and it is one signature: of the last block's bytes, its
# next key and its signature, by the private key that ends the token and that it replaces.
# Source: Biscuit specification, "Sealed tokens"; schema.proto.

_SECRET = bytes([0x22, 34, 0x0A, 32])
_SIGNATURE = bytes([0x22, 66, 0x12, 64])
_ED25519 = bytes(4)


def seal(token: str) -> str:
    """Seals a token: whoever holds the result can append nothing."""
    try:
        data = urlsafe_b64decode(token)
        body, start, secret = data[:-36], data[-36:-32], data[-32:]
        *_, last = _parts(body)
        block, next_key, signature, *_ = _parts(last)
        *_, key = _parts(next_key)
    except (ValueError, IndexError):
        raise TokenError("the token is none") from None
    if start != _SECRET:
        raise TokenError("the token is sealed already")
    signed = Ed25519PrivateKey.from_private_bytes(secret).sign(block + _ED25519 + key + signature)
    return urlsafe_b64encode(body + _SIGNATURE + signed).decode()


def _parts(message: bytes) -> list[bytes]:
    """The fields of a protobuf message that are bytes, in order."""
    parts, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        is_bytes, value = varint() & 7 == 2, varint()
        if is_bytes:
            parts.append(message[at : at + value])
            at += value
    return parts


def digest(text: str) -> bytes:
    """SHA-256 of a text: of a token's, it is how a proof names the token."""
    return hashlib.sha256(text.encode()).digest()
