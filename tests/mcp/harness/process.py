"""Processes of the harness: each started by it, each ended by its own id."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
DEADLINE_SECS = 30


class Failed(Exception):
    """Something is not as it should be."""


def node():
    """A Node of version 22 or newer: the conformance suite needs one."""
    for found in sorted(HERE.glob("node_modules/node-linux-*/bin/node")):
        return str(found)
    return shutil.which("node") or "node"


def python(version):
    return str(HERE / ".venv" / version / "bin" / "python")


def package(name):
    return str(HERE / "node_modules" / name)


EVERYTHING = package("@modelcontextprotocol/server-everything/dist/index.js")
FILESYSTEM = package("@modelcontextprotocol/server-filesystem/dist/index.js")
CONFORMANCE = package("@modelcontextprotocol/conformance/dist/index.js")


def environment(**more):
    """What a child gets to see: nothing that it does not need."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | {name: str(value) for name, value in more.items()}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Running:
    """A process in the background, its output in a file."""

    def __init__(self, command, log, **env):
        self.log = Path(log)
        with open(self.log, "w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=environment(**env),
            )

    def address(self, pattern=r"listening on (http://[^\s]+)"):
        """Where it says that it listens."""
        return self.says(pattern).group(1)

    def says(self, pattern):
        end = time.monotonic() + DEADLINE_SECS
        while time.monotonic() < end:
            text = self.log.read_text(encoding="utf-8", errors="replace")
            found = re.search(pattern, text)
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise Failed(f"{self.log.name} never said `{pattern}`: {self.log.read_text(errors='replace')[-2000:]}")

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def run(command, stdin=None, deadline=300, **env):
    """What a command writes to stdout; it has to end well."""
    ran = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=deadline,
        env=environment(**env),
        check=False,
    )
    if ran.returncode != 0:
        raise Failed(f"{command[0]} … ended with {ran.returncode}: {ran.stderr[-2000:]}")
    return ran.stdout


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.strip()]
