"""A sub-agent: makes a key of its own, narrows the token it was handed, hands it on, uses it.

    python sub_agent.py new-key agent.key                       # prints the public half
    python sub_agent.py delegate --root ROOT --key agent.key --to PUBLIC --name agent:next \\
        --grants '{"tool": "crm/get", "args": {"id": {"max": 20}}}' < token > next.token
    python sub_agent.py call --root ROOT --key agent.key --tool stripe/refund \\
        --url http://127.0.0.1:8080/refunds --args '{"amount": 10}' < token

ROOT and PUBLIC are written `ed25519/…`. Narrowing and handing on are offline. Exit codes: 0 done or
allowed, 1 failure, 3 denied.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request

from hardtack import proofs, tokens
from hardtack.grants import GrantError


def main() -> int:
    parser = argparse.ArgumentParser(description="A sub-agent with a Hardtack token")
    commands = parser.add_subparsers(dest="command", required=True)
    new_key = commands.add_parser("new-key")
    new_key.add_argument("file")
    delegate, call = commands.add_parser("delegate"), commands.add_parser("call")
    for command in (delegate, call):
        command.add_argument("--root", required=True)
        command.add_argument("--key", required=True, metavar="FILE")
    delegate.add_argument("--to", required=True, metavar="PUBLIC")
    delegate.add_argument("--name", required=True)
    delegate.add_argument("--grants", type=json.loads, metavar="JSON")
    delegate.add_argument("--for", type=int, dest="seconds", default=300, metavar="SECONDS")
    call.add_argument("--tool", required=True)
    call.add_argument("--url", required=True)
    call.add_argument("--args", default="{}", metavar="JSON")
    args = parser.parse_args()
    if args.command == "new-key":
        key = tokens.HolderKey.generate()
        key.write(args.file)
        print(tokens.public_text(key.public))
        return 0
    token, key = sys.stdin.read().strip(), tokens.HolderKey.read(args.key)
    if args.command == "delegate":
        to, expires = tokens.public_key(args.to), int(time.time()) + args.seconds
        narrowing = {"grants": args.grants, "expires": expires}
        print(tokens.delegate(token, args.root, key, to, args.name, **narrowing))
        return 0
    status, body = send(
        token, args.root, key, proofs.Call("POST", args.url, args.tool, args.args)
    )
    print(body)
    return 0 if status < 400 else 3


def send(token: str, root: str, key: tokens.HolderKey, call: proofs.Call) -> tuple[int, str]:
    """Makes the call, and once more where the gateway asks for a nonce (RFC 9449, section 8)."""
    nonce = None
    while True:
        sent = proofs.present(token, root, key, call, int(time.time()), nonce)
        headers = {**sent.headers(), "Content-Type": "application/json"}
        request = urllib.request.Request(call.url, call.args.encode(), headers, method=call.method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            asked = refused.headers.get("DPoP-Nonce")
            if nonce is not None or asked is None:
                return refused.code, refused.read().decode()
            nonce = asked


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (GrantError, tokens.TokenError, proofs.ProofFault, OSError) as error:
        sys.exit(f"sub_agent: {error}")
