"""Real counterparts of MCP: walks through real servers, directly and through the gateway.

    python3 -m harness TARGET_DIR [CHAPTER…]
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import servers, walks
from .process import Failed

WORKERS = 2


class Lab:
    """What all chapters share."""

    def __init__(self, target, work):
        self.target, self.work = target, work
        self.hardtack = str(target / "hardtack")
        self.folder = work / "folder"
        self.servers = servers.all_servers(self.hardtack, self.folder)
        # Lines of direct walks, by server and client.
        self.direct = {}

    def walk_all(self, server, place, token=None):
        """Every client through a server: one after the other where they share a folder."""
        clients = walks.clients_of(server)

        def one(client):
            if server.plan == "filesystem":
                servers.emptied(self.folder)
            return client, walks.walk(client, server, place, self.folder, token)

        with ThreadPoolExecutor(1 if server.plan == "filesystem" else WORKERS) as pool:
            return list(pool.map(one, clients))

    def walk_directly(self):
        for server in self.servers:
            if server.is_http:
                with servers.serving(server, self.work) as url:
                    walked = self.walk_all(server, url)
            else:
                walked = self.walk_all(server, server.command)
            for client, told in walked:
                good = sum(line["ok"] for line in told)
                print(f"   {server.name}: {client.name}: {len(told)} steps, {good} good", flush=True)
                if not told[0]["ok"] or good < len(told) * 0.6:
                    raise Failed(f"the walk itself fails: {told}")
                self.direct[server.name, client.name] = told


def chapters(lab):
    return {"direct": lab.walk_directly}


def main():
    target, wanted = Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.TemporaryDirectory() as work:
        lab = Lab(target, Path(work))
        known = chapters(lab)
        for name in wanted or known:
            print(f"\n-- {name}", flush=True)
            known[name]()
    print("\nall as expected", flush=True)


try:
    main()
except Failed as failure:
    sys.exit(f"mcp: {failure}")
