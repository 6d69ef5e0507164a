"""An authority, a gateway in front of all servers, and tokens for it."""

import json
from contextlib import ExitStack, contextmanager

from . import servers
from .process import Running, free_port, run

AUDIENCE = "tools-gateway"


def toml(value):
    """A value as TOML; for texts and lists of them JSON's form is the same."""
    return json.dumps(value)


class Gateway:
    """A gateway under way."""

    def __init__(self, lab, servers_, address, root, source, work):
        self.lab, self.servers, self.address = lab, servers_, address
        self.root, self.source, self.work = root, source, work

    def url(self, server):
        return f"http://{self.address}/mcp/{server.name}"

    def token(self, grants, *more):
        """A token with these grants."""
        return run(
            [self.lab.hardtack, "mint", "--key", self.work / "authority" / "root.key", "--grants", "-"]
            + ["--agent", "agent:walk", "--principal", "user:lab@example.com", "--audience", AUDIENCE, *more],
            stdin=json.dumps(grants),
        ).strip()

    def full_token(self):
        """A token that grants everything of every server."""
        return self.token([{"tool": f"{server.name}/*"} for server in self.servers])

    def wrapped(self, server):
        """The command of a server with the gateway inside."""
        return (
            self.lab.hardtack, "mcp", "wrap", "--server", server.name, "--gateway", AUDIENCE, "--root", self.root,
            "--from", self.source, "--records", str(self.work / "wrapped"), "--", *server.command,
        )

    def records(self):
        with open(self.work / "records.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def settings(lab, known, address, source, root, urls):
    parts = [
        f"gateway = {toml(AUDIENCE)}",
        f"[listen]\naddress = {toml(address)}",
        f"[authority]\nsources = [{toml(source)}]\nroots = [{toml(root)}]",
        '[records]\nfile = "records.jsonl"\nsync = "never"',
        "[limits]\ntask_calls_max = 4096",
    ]
    for server in known:
        part = [f"[[server]]\nname = {toml(server.name)}\nlabels = [\"read\"]"]
        if server.is_http:
            part.append(f'kind = "mcp-http"\nurl = {toml(urls[server.name])}')
        else:
            part.append(f'kind = "mcp-stdio"\ncommand = {toml([str(word) for word in server.command])}')
            if server.name == "files":
                part.append(f"roots = [{toml(f'file://{lab.folder}')}]")
        if server.plan == "filesystem":
            part += [
                f"[server.tool.{tool}]\narguments = {{ {', '.join(f'{toml(path)} = {toml(kind)}' for path, kind in kinds.items())} }}"
                for tool, kinds in path_arguments().items()
            ]
        parts.append("\n".join(part))
    return "\n".join(parts) + "\n"


def path_arguments():
    """What of the filesystem server's tools is a path: on this machine, and through no link."""
    one = {tool: ["path"] for tool in [
        "read_file", "read_text_file", "read_media_file", "write_file", "edit_file", "create_directory",
        "list_directory", "list_directory_with_sizes", "directory_tree", "search_files", "get_file_info",
    ]}
    named = one | {"read_multiple_files": ["paths/*"], "move_file": ["source", "destination"]}
    return {tool: {path: "local-path" for path in paths} for tool, paths in named.items()}


@contextmanager
def gateway(lab, of=None, urls=None):
    """A gateway in front of all servers, or of these; `urls` has those that listen already."""
    known = lab.servers if of is None else of
    with ExitStack() as stack:
        urls = dict(urls or {})
        for server in known:
            if server.is_http and server.name not in urls:
                urls[server.name] = stack.enter_context(servers.serving(server, lab.work))
        work = lab.work / f"gateway-{len(list(lab.work.glob('gateway-*')))}"
        work.mkdir()
        (work / "wrapped").mkdir()
        data = work / "authority"
        run([lab.hardtack, "init", data])
        authority = Running([lab.hardtack, "serve", data, "--listen", "127.0.0.1:0"], work / "authority.log")
        source = stack.enter_context(authority).address()
        root = run([lab.hardtack, "key", "public", data / "root.key"]).strip()
        address = f"127.0.0.1:{free_port()}"
        file = work / "gateway.toml"
        file.write_text(settings(lab, known, address, source, root, urls), encoding="utf-8")
        running = stack.enter_context(Running([lab.hardtack, "gateway", file], work / "gateway.log"))
        running.says(r"listening on")
        servers.answering(f"http://{address}/")
        yield Gateway(lab, known, address, root, source, work)
