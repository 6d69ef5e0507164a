"""Holds `hardtack/` to the vectors that Rust and TypeScript pass too.

    python test_vectors.py            # tests/vectors, against what is kept
    python test_vectors.py --write    # makes made-by-python.json again; its blocks have new keys
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import tempfile
from datetime import datetime
from decimal import Decimal
from typing import Any, Callable

from biscuit_auth import BlockBuilder, Fact

from hardtack import facts, grants, proofs, tokens

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "tests" / "vectors"
PLAIN = {"call", "time", "weekday", "minute_of_day", "audience", "label"}
PLAIN |= {"arg", "number", "args_digest"}
OF_THE_TOKEN = {"depth", "presenter"}
NO_POINT = 2  # thirty-two of it are no point of the curve


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def same(name: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise AssertionError(f"{name}\n  found    {found!r}\n  expected {expected!r}")


def outcome(refusal: type[Exception], run: Callable[..., Any], *args: Any) -> Any:
    """What a run gives, or the refusal; any other error is a mistake here."""
    try:
        return run(*args)
    except refusal as refused:
        return refused


def test_grants() -> int:
    vectors = read("grants.json")
    for case in vectors["compiled"]:
        name, found = case["name"], outcome(grants.GrantError, grants.check, case["grants"])
        if "scope" in case:
            same(name, type(found), grants.GrantError)
            continue
        same(name, found, case["check"])
        same(name, grants.rules(case["grants"]), case["rules"])
        BlockBuilder(found + ";")
    for case in vectors["refused"]:
        if "scope" not in case:
            found = outcome(grants.GrantError, grants.check, case["grants"])
            same(case["name"], type(found), grants.GrantError)
    return len(vectors["compiled"]) + len(vectors["refused"])


def test_narrowings() -> int:
    vectors = read("grants.json")["narrowings"]
    for case in vectors:
        narrowing = case["narrowing"]
        if "expires" in narrowing:
            narrowing["expires"] = int(datetime.fromisoformat(narrowing["expires"]).timestamp())
        expected = "".join(f"{check};\n" for check in case["checks"])
        same(case["name"], tokens.checks(**narrowing), expected)
    return len(vectors)


def test_decisions() -> int:
    vectors = read("decisions.json")
    for case in vectors["decisions"]:
        found = outcome(tokens.TokenError, decision, case, vectors["root"])
        same(case["name"], "allow" if found is True else "deny", case["decision"])
    return len(vectors["decisions"])


def decision(case: dict[str, Any], root: str) -> bool:
    token, request = tokens.verified(case["token"], root), case["request"]
    now = datetime.fromisoformat(request["time"])
    ours = facts.facts(
        request["tool"], request["args"], now, request["audience"], request["labels"]
    )
    # As Biscuit prints them: sets have an order of their own.
    shown = {str(Fact(fact)) for fact in ours}
    given = {str(Fact(fact)): fact for fact in case["facts"] if word(fact) not in OF_THE_TOKEN}
    plain = {fact for fact in given if word(fact) in PLAIN or fact.startswith("arg_names({")}
    same(f"facts of {case['name']}", sorted(plain - shown), [])
    return facts.allows(token, ours + [given[fact] for fact in given.keys() - plain])


def word(fact: str) -> str:
    return fact.split("(")[0]


def test_proofs() -> int:
    vectors = read("proofs.json")
    for case in vectors["proofs"]:
        text = vectors["tokens"].get(case["token"], case["token"])
        keys = tokens.holders(tokens.verified(text, vectors["root"]))
        call = proofs.Call(case["method"], case["url"], case["tool"], case["args"])
        now = round(datetime.fromisoformat(case["time"]).timestamp() * 1000)
        holder, nonces = keys[-1] if keys else None, case["nonces"]
        sent = (case["proof"], holder, text, call, now, nonces)
        found = outcome(proofs.ProofFault, proofs.check_proof, *sent)
        verdict = "ok" if isinstance(found, dict) else str(found)
        same(case["name"], verdict, case["verdict"])
    return len(vectors["proofs"])


def test_refusals() -> int:
    """What is refused before anything is made."""
    shared = read("shared.json")
    root, bearer, bound = shared["root"], shared["bearer"], shared["bound"]["python"]
    mine, next_ = (
        tokens.HolderKey.parse(shared["holders"][name]["private"]) for name in ("python", "other")
    )
    handed = tokens.delegate(bound, root, mine, next_.public, "agent:other")
    full, full_bound = bearer, bound
    for _ in range(tokens.BLOCKS_MAX - 1):
        full, full_bound = (tokens.narrow(token, root, depth=15) for token in (full, full_bound))
    call = proofs.Call("POST", "https://api.example.com/refunds", "stripe/refund", "{}")
    refused: list[Callable[[], Any]] = [
        lambda: tokens.delegate(bearer, root, mine, next_.public, "agent:other"),
        lambda: tokens.delegate(bound, root, next_, next_.public, "agent:other"),
        lambda: tokens.delegate(handed, root, mine, next_.public, "agent:other"),
        lambda: tokens.delegate(handed, root, next_, mine.public, "agent:python"),
        lambda: tokens.delegate(bound, root, mine, mine.public, "agent:python"),
        lambda: tokens.delegate(bound, root, mine, next_.public, ""),
        lambda: tokens.delegate(bound, root, mine, next_.public, "a\n"),
        lambda: tokens.delegate(bound, root, mine, next_.public, "a" * 513),
        lambda: tokens.delegate(bound, root, mine, next_.public, "a", audience=[]),
        lambda: tokens.delegate(bound, root, mine, bytes([NO_POINT] * 32), "a"),
        lambda: tokens.delegate(tokens.seal(bound), root, mine, next_.public, "a"),
        lambda: tokens.narrow(bearer, root),
        lambda: tokens.narrow(full, root, depth=1),
        lambda: tokens.delegate(full_bound, root, mine, next_.public, "a"),
        lambda: tokens.narrow(bearer, tokens.public_text(mine.public), depth=1),
        lambda: tokens.seal(tokens.seal(bearer)),
        lambda: proofs.present(bound, root, next_, call, 0),
        lambda: proofs.present(bearer, root, mine, call, 0),
        lambda: tokens.HolderKey.parse("ed25519-private/" + "01" * 32),
        lambda: tokens.HolderKey.parse("ed25519-holder-private/" + "01" * 31),
        lambda: tokens.public_key("ed25519/" + "01" * 31),
    ]
    for number, run in enumerate(refused):
        same(f"refusal {number}", type(outcome(tokens.TokenError, run)), tokens.TokenError)
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/agent.key"
        mine.write(path)
        same("a key that was written", tokens.HolderKey.read(path).public, mine.public)
        same("a key is not overwritten", type(outcome(OSError, mine.write, path)), FileExistsError)
        os.chmod(path, 0o640)
        exposed = outcome(tokens.TokenError, tokens.HolderKey.read, path)
        same("a key that others can read", type(exposed), tokens.TokenError)
    for limit in (float("nan"), float("inf"), Decimal("9223372036854.775807")):
        grant = {"tool": "a/b", "args": {"x": {"max": limit}}}
        same(str(limit), type(outcome(grants.GrantError, grants.check, grant)), grants.GrantError)
    secret = shared["holders"]["python"]["private"].rpartition("/")[2]
    same("no key is printed", secret in f"{mine!r} {mine} {vars(mine)}", False)
    return len(refused)


def write() -> None:
    shared = read("shared.json")
    root, now = shared["root"], datetime.fromisoformat(shared["time"])
    expires = datetime.fromisoformat(shared["narrowing"]["expires"])
    left = {"grants": shared["narrowing"]["grants"], "expires": int(expires.timestamp())}
    mine, next_, last = (
        tokens.HolderKey.parse(shared["holders"][name]["private"])
        for name in ("python", "typescript", "other")
    )
    bearer = tokens.narrow(shared["bearer"], root, **left)
    bound = shared["bound"]["python"]
    one = tokens.delegate(bound, root, mine, next_.public, "agent:typescript", **left)
    two = tokens.delegate(one, root, next_, last.public, "agent:\"other\" \\ é", depth=2)
    made = {
        "bearer": bearer,
        "bearer, sealed": tokens.seal(bearer),
        "one hop": one,
        "two hops, sealed": tokens.seal(two),
        "no hop, sealed": tokens.seal(bound),
    }
    holder_of = {"one hop": next_, "two hops, sealed": last, "no hop, sealed": mine}
    calls = ['{"amount": 12.5, "currency": "usd"}', '{"\\ue000": 1e2, "\\ud83d\\ude00": -0.0}']
    kept = []
    for name, holder in holder_of.items():
        for index, args in enumerate(calls):
            call = proofs.Call("POST", "https://api.example.com/refunds", "stripe/refund", args)
            nonce, jti = "n" if index else None, f"python-{index}"
            proof = proofs.prove(made[name], holder, call, int(now.timestamp()), nonce, jti)
            entry = {"name": f"{name}, {args}", "token": name, "proof": proof}
            kept.append({**entry, "args": args, "nonce": nonce})
    text = json.dumps({"tokens": made, "proofs": kept}, indent=1, ensure_ascii=False)
    (VECTORS / "made-by-python.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    for test in (test_grants, test_narrowings, test_decisions, test_proofs, test_refusals):
        print(f"{test.__name__}: {test()} vectors")
