"""Paths that mean to lead out of the granted folder, against the real filesystem server.

The server may use the whole work folder; the token grants one folder in it. Around that lie canaries,
which nothing may read or change, and what reaches the server is written down on its way.
"""

import json
import urllib.error
import urllib.request
from pathlib import Path

from .process import Failed

CANARY = "canary 7f3a9"
TOOLS_OF_ONE_PATH = ("read_file", "read_text_file", "write_file", "list_directory", "get_file_info")


def arranged(work):
    """The granted folder, canaries around it, and links that lead out."""
    inside, outside = work / "tree" / "data", work / "tree" / "private"
    for folder in (inside / "sub", outside, work / "tree" / "data-too"):
        folder.mkdir(parents=True)
    (inside / "ok.txt").write_text("fine\n", encoding="utf-8")
    (outside / "secret.txt").write_text(CANARY, encoding="utf-8")
    (work / "tree" / "data-too" / "secret.txt").write_text(CANARY, encoding="utf-8")
    (inside / "link").symlink_to(outside)
    (inside / "link.txt").symlink_to(outside / "secret.txt")
    (inside / "sub" / "up").symlink_to("../..")
    return inside, outside


def corpus(inside, outside):
    """Paths, each of which names something outside, or would to somebody who reads it generously."""
    data, secret = str(inside), "private/secret.txt"
    up = f"{data}/../{secret}"
    escapes = [
        str(outside / "secret.txt"), str(outside), f"{inside.parent}/data-too/secret.txt",
        up, f"{data}/sub/../../{secret}", f"{data}/./../{secret}", f"{data}//..//{secret}",
        f"{data}/sub/./.././../{secret}", f"{data}/..", f"{data}/../", f"{data}/../data-too/secret.txt",
        # Encodings that some layer undoes.
        f"{data}/%2e%2e/{secret}", f"{data}/%2E%2E%2F{secret}", f"{data}/..%2f{secret}", f"{data}/..%5c{secret}",
        f"{data}/%252e%252e/{secret}", f"{data}/..%c0%af{secret}", f"{data}/..%u2215{secret}", f"{data}/%00/../{secret}",
        f"{data}/\\u002e\\u002e/{secret}", f"file://{data}/../{secret}", f"file://{outside}/secret.txt",
        # Links that lie in the folder.
        f"{data}/link/secret.txt", f"{data}/link.txt", f"{data}/link", f"{data}/sub/up/{secret}", f"{data}/sub/up/data/link.txt",
        # Look-alikes of dot and slash, and forms that normalize to them.
        f"{data}/\uff0e\uff0e/{secret}", f"{data}/\u2024\u2024/{secret}", f"{data}/..\u2215{secret}", f"{data}/..\u2044{secret}",
        f"{data}/..\uff0f{secret}", f"{data}/.\u200b./{secret}", f"{data}/.\u00ad./{secret}", f"{data}/\u2025/{secret}",
        # Control characters, backslashes, other roots.
        f"{data}/../{secret}\u0000.txt", f"{data}/ok.txt\u0000/../../{secret}", f"{data}/\n../{secret}", f"{data}/..\t/{secret}",
        f"{data}\\..\\private\\secret.txt", f"{data}/..\\{secret}", f"{data}/.. /{secret}", f"{data}/... /../{secret}",
        "~/secret.txt", "~root/.profile", "~", f"{data}/~/../../{secret}", "$HOME", f"{data}/$HOME/../../{secret}", "${HOME}/x",
        "../private/secret.txt", "private/secret.txt", "./private/secret.txt", "", ".", "..", "/", "//", "///etc/hostname",
        f"/proc/self/root{outside}/secret.txt", "/proc/self/cwd/private/secret.txt", "/proc/self/environ", "/dev/stdin", "/dev/fd/0",
        f"//{str(outside)[1:]}/secret.txt", f"\\\\?\\{outside}\\secret.txt", f"C:{outside}/secret.txt", f" {outside}/secret.txt", f"{data} /../{secret}",
        f"{data.upper()}/ok.txt", f"{data}\u0301/ok.txt", f"{data[:-1]}\uff41/ok.txt", f"{data}./ok.txt", f"{data}/sub/../ok.txt",
        "/etc/hostname", "/etc/passwd", "etc/passwd", f"{data}/sub/" + "../" * 40 + "etc/hostname", "/" + "a/" * 2000 + "b",
    ]
    return list(dict.fromkeys(escapes))


def plain_names(inside):
    """Names that lie in the folder, whoever reads them: granted, and harmless."""
    return [f"{inside}/&#46;&#46;/private/secret.txt", f"{inside}/.\u0307./private/secret.txt"]


class Session:
    """A session with a server at a URL: raw messages, so that nobody tidies a path up."""

    def __init__(self, url, token):
        self.url, self.token, self.id, self.count = url, token, None, 0
        opened = self.ask("initialize", {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "corpus", "version": "1"},
        })
        if "result" not in opened:
            raise Failed(f"no session: {opened}")
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method, params):
        self.count += 1
        return self.post({"jsonrpc": "2.0", "id": self.count, "method": method, "params": params})

    def call(self, tool, arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def post(self, message):
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
        }
        if self.id:
            headers |= {"Mcp-Session-Id": self.id, "MCP-Protocol-Version": "2025-11-25"}
        request = urllib.request.Request(self.url, json.dumps(message).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.id = self.id or answer.headers.get("Mcp-Session-Id")
                return read(answer.read().decode())
        except urllib.error.HTTPError as error:
            return read(error.read().decode()) | {"status": error.code}


def read(text):
    """The response in an answer: JSON, or the last event of a stream that has one."""
    for line in reversed(text.splitlines()):
        line = line.removeprefix("data:").strip()
        if line.startswith("{"):
            return json.loads(line)
    return {}


def calls(path):
    """Each tool that takes this path, where the server would use it."""
    for tool in TOOLS_OF_ONE_PATH:
        yield tool, {"path": path} | ({"content": "overwritten"} if tool == "write_file" else {})
    yield "read_multiple_files", {"paths": ["$OK", path]}
    yield "move_file", {"source": "$OK", "destination": path}
    yield "move_file", {"source": path, "destination": "$NEW"}
    yield "edit_file", {"path": path, "edits": [{"oldText": CANARY, "newText": "gone"}]}


def attempt(session, inside, paths):
    """Tries all; gives how many there were, and what was not refused."""
    told, count = [], 0
    for path in paths:
        for tool, arguments in calls(path):
            text = json.dumps(arguments).replace("$OK", str(inside / "ok.txt")).replace("$NEW", str(inside / "new.txt"))
            answer = session.call(tool, json.loads(text))
            count += 1
            if "error" not in answer or CANARY in json.dumps(answer):
                told.append(f"{tool} {path!r} came to {json.dumps(answer)[:200]}")
    return count, told


def grants(server, inside):
    under = {"under": str(inside)}
    one = [{"tool": f"{server}/{tool}", "args": {"path": under}} for tool in TOOLS_OF_ONE_PATH if tool != "write_file"]
    return one + [
        {"tool": f"{server}/write_file", "args": {"path": under, "content": {"any": True}}},
        {"tool": f"{server}/read_multiple_files", "args": {"paths/*": under}},
        {"tool": f"{server}/move_file", "args": {"source": under, "destination": under}},
        {"tool": f"{server}/edit_file", "args": {"path": under}, "other_args": "allow"},
    ]


def unharmed(work, arrived, inside, before):
    """What shows that a call got through: canaries, the folder, and what reached the server."""
    told = []
    for name in ("private", "data-too"):
        folder = work / "tree" / name
        if [file.name for file in folder.iterdir()] != ["secret.txt"] or (folder / "secret.txt").read_text() != CANARY:
            told.append(f"{name} was changed")
    if listing(work / "tree") != before:
        told.append(f"files came or went: {listing(work / 'tree')}")
    called = [message for message in arrived if message.get("method") == "tools/call"]
    if called:
        told.append(f"{len(called)} calls reached the server, the first {called[0]}")
    return told


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))
