"""The walks: each client library through a server, one line a step."""

from dataclasses import dataclass

from .process import HERE, Failed, lines, node, python, run


@dataclass(frozen=True)
class Client:
    """A client library, in an era."""

    name: str
    command: tuple
    era: str

    @property
    def is_modern(self):
        return self.era == "modern"


def _typescript(name, file, era):
    return Client(name, (node(), str(HERE / "clients" / file)), era)


def _python(name, version, file, era):
    return Client(name, (python(version), str(HERE / "clients" / file)), era)


CLIENTS = [
    _typescript("npm client 2", "typescript.mjs", "auto"),
    _typescript("npm client 2 modern", "typescript.mjs", "modern"),
    _typescript("npm client 2 legacy", "typescript.mjs", "legacy"),
    _typescript("npm sdk 1", "typescript-v1.mjs", "legacy"),
    _python("PyPI mcp 2", "v2", "python_v2.py", "auto"),
    _python("PyPI mcp 2 modern", "v2", "python_v2.py", "modern"),
    _python("PyPI mcp 2 legacy", "v2", "python_v2.py", "legacy"),
    _python("PyPI mcp 1", "v1", "python_v1.py", "legacy"),
]


def clients_of(server):
    """Those that make a difference: where there is one era alone, all end up in it."""
    named = {"npm client 2", "npm sdk 1", "PyPI mcp 2", "PyPI mcp 1"}
    modern = {"npm client 2 modern", "npm client 2 legacy", "PyPI mcp 2 modern", "PyPI mcp 2 legacy"}
    wanted = named | modern if server.is_modern else named
    return [client for client in CLIENTS if client.name in wanted]


def walk(client, server, place, folder, token=None, plan=None, **more):
    """Walks; gives the lines.

    `place`: a URL, or a command as a tuple.
    """
    to = [place] if isinstance(place, str) else ["--", *place]
    env = {"WALK_DIR": folder} | more | ({"TOKEN": token} if token else {})
    told = lines(run([*client.command, plan or server.plan_file(), client.era, *to], **env))
    if not told or told[0].get("what") != "connect":
        raise Failed(f"{client.name} said nothing of {server.name}")
    return told


def differences(wanted, got):
    """What two walks do not have in common, a sentence each."""
    if len(wanted) != len(got):
        return [f"{len(got)} steps instead of {len(wanted)}: {got[-1]}"]
    return [f"{a} became {b}" for a, b in zip(wanted, got) if a != b]
