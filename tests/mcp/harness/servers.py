"""The servers that are walked through: real ones, and the demo's."""

import json
import shutil
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field

from .process import EVERYTHING, FILESYSTEM, HERE, Running, free_port, node


@dataclass(frozen=True)
class Server:
    """A server, with the plan of the walk through it."""

    name: str
    plan: str
    # Its command: for stdio, or for HTTP with a port to come.
    command: tuple = field(compare=False)
    is_http: bool = False
    # Whether it speaks the era without sessions too.
    is_modern: bool = False

    def plan_file(self):
        return HERE / "plans" / f"{self.plan}.json"

    def steps(self):
        return json.loads(self.plan_file().read_text(encoding="utf-8"))


def all_servers(hardtack, folder):
    everything = (node(), EVERYTHING)
    demo = (hardtack, "demo", "mcp-server")
    return [
        Server("everything", "everything", (*everything, "streamableHttp"), is_http=True),
        Server("everything-stdio", "everything", (*everything, "stdio")),
        Server("files", "filesystem", (node(), FILESYSTEM, str(folder))),
        Server("demo", "demo", demo, is_http=True, is_modern=True),
        Server("demo-stdio", "demo", (*demo, "--stdio"), is_modern=True),
    ]


@contextmanager
def serving(server, work, log=None):
    """Starts a server that listens, and gives its URL."""
    port = free_port()
    command, env = list(server.command), {}
    if server.plan == "everything":
        env["PORT"] = port
    else:
        command += ["--http", f"127.0.0.1:{port}", *(["--log", str(log)] if log else [])]
    with Running(command, work / f"{server.name}.log", **env) as running:
        running.says(r"listening on")
        url = f"http://127.0.0.1:{port}/mcp"
        answering(url)
        yield url


def answering(url):
    """Waits until something answers there, whatever it says."""
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)


def emptied(folder):
    """The folder of the filesystem server, as it is at the beginning of each walk."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("a note\n", encoding="utf-8")
