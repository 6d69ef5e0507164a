"""Real counterparts of MCP: walks through real servers, directly and through the gateway.

    python3 -m harness TARGET_DIR [CHAPTER…]

SERVERS in the environment leaves out all but those that it names.
"""

import json
import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import conformance, narrow, servers, traversal, walks
from .gateway import gateway
from .process import FILESYSTEM, HERE, Failed, Running, lines, node

WORKERS = 2


class Lab:
    """What all chapters share."""

    def __init__(self, target, work):
        self.target, self.work = target, work
        self.hardtack = str(target / "hardtack")
        self.folder = work / "folder"
        wanted = os.environ.get("SERVERS", "").split()
        known = servers.all_servers(self.hardtack, self.folder)
        self.servers = [server for server in known if not wanted or server.name in wanted]
        # Lines of direct walks, by server and client.
        self.direct = {}
        # What is known to be otherwise through the gateway, each with its reason.
        self.known = json.loads((HERE / "differences.json").read_text(encoding="utf-8"))
        self.met = set()

    def is_known(self, where, what):
        """Whether this is listed to be otherwise."""
        for number, known in enumerate(self.known):
            if known["where"] in where and known["what"] in what:
                self.met.add(number)
                return True
        return False

    def walk_all(self, server, place, token=None):
        """Every client through a server: one after the other where they share what is in it."""

        def one(client):
            if server.plan == "filesystem":
                servers.emptied(self.folder)
            return client, walks.walk(client, server, place, self.folder, token)

        shared = server.plan in ("filesystem", "demo")
        with ThreadPoolExecutor(1 if shared else WORKERS) as pool:
            return list(pool.map(one, walks.clients_of(server)))

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

    def walk_through(self):
        """With a full token, all is as it was; with a narrow one, what it grants."""
        self.direct or self.walk_directly()
        faults = []
        with gateway(self) as guarded:
            full = guarded.full_token()
            for server in self.servers:
                little = guarded.token(narrow.grants(server))
                for client, told in self.walk_all(server, guarded.url(server), full):
                    where = f"{server.name}, {client.name}"
                    found = walks.differences(self.direct[server.name, client.name], told)
                    faults += [f"{where}: {words}" for words in found if not self.is_known(where, words)]
                    print(f"   {where}: {len(told)} steps, {len(found)} otherwise", flush=True)
                for client, told in self.walk_all(server, guarded.url(server), little):
                    where = f"{server.name}, {client.name}, narrow"
                    found = narrow.faults(server, server.steps(), self.direct[server.name, client.name], told)
                    faults += [f"{where}: {words}" for words in found if not self.is_known(where, words)]
                    print(f"   {where}: {len(told)} steps, {len(found)} otherwise", flush=True)
            print(f"   {len(guarded.records())} records", flush=True)
        report(faults)

    def conform(self):
        """The same outcome of each check with the gateway in between."""
        faults = []
        with Running([node(), HERE / "fixture.mjs"], self.work / "fixture.log") as fixture:
            target = fixture.address()
            server = servers.Server("fixture", "fixture", (), is_http=True)
            with gateway(self, of=[server], urls={"fixture": target}) as guarded:
                token = guarded.full_token()
                with conformance.forwarder(guarded.url(server), self.work / "forwarder.log", token) as forwarder:
                    for revision in conformance.REVISIONS:
                        direct = conformance.suite(target, revision, self.work / f"direct-{revision}")
                        through = conformance.suite(forwarder.address(), revision, self.work / f"through-{revision}")
                        checks = [status for name, all in direct.items() if isinstance(name, str) for status in all]
                        good = checks.count("SUCCESS")
                        other = list(conformance.compared(direct, through))
                        print(f"   {revision}: {len(checks)} checks, {good} good directly, {len(other)} otherwise", flush=True)
                        for name, before, after, why in other:
                            if not self.is_known(f"conformance {revision}", name):
                                faults.append(f"{revision}: {name}: {before} became {after}: {why}")
        report(faults)

    def lead_out(self):
        """No path leads out of the granted folder, and no refused call reaches the server."""
        inside, _ = traversal.arranged(self.work)
        log = self.work / "arrived"
        command = (node(), HERE / "tee.mjs", log, node(), FILESYSTEM, inside.parent)
        server = servers.Server("fs", "filesystem", command)
        outside = inside.parent / "private"
        paths = traversal.corpus(inside, outside)
        faults = []
        with gateway(self, of=[server]) as guarded:
            session = traversal.Session(guarded.url(server), guarded.token(traversal.grants("fs", inside)))
            good = session.call("read_file", {"path": str(inside / "ok.txt")})
            if "fine" not in json.dumps(good):
                raise Failed(f"what is granted does not work: {good}")
            before, shown = traversal.listing(inside.parent), len(lines(log.read_text()))
            count, faults = traversal.attempt(session, inside, paths)
            arrived = lines(log.read_text())[shown:]
            faults += traversal.unharmed(self.work, arrived, inside, before)
            denied = sum(record.get("decision") == "deny" and "tool" in record for record in guarded.records())
            if denied != count:
                faults.append(f"{denied} records of {count} refusals")
            for path in traversal.plain_names(inside):
                told = session.call("read_file", {"path": path})
                if "ENOENT" not in json.dumps(told):
                    faults.append(f"{path!r} came to {told}")
            faults += traversal.unharmed(self.work, [], inside, before)
            # The server would have done it: with a token for all, the plainest path works.
            full = traversal.Session(guarded.url(server), guarded.token([{"tool": "fs/*"}]))
            plain = full.call("read_file", {"path": str(outside / "secret.txt")})
            if traversal.CANARY not in json.dumps(plain):
                faults.append(f"the canary cannot be read at all: {plain}")
            if '"secret.txt"' not in log.read_text().replace("/", '"'):
                faults.append("what reaches the server is not written down")
        print(f"   {len(paths)} paths, {count} calls, {denied} records of refusals", flush=True)
        report(faults)

    def name_roots(self):
        """An agent cannot tell a server what it may use."""
        server = next((server for server in self.servers if server.name == "files"), None)
        if server is None:
            return
        servers.emptied(self.folder)
        wide = self.work / "wide.json"
        # The server asks for the roots while the first of these are under way; the last one counts.
        steps = [{"list": "tools"}] + 30 * [{"ping": True}, {"call": "list_allowed_directories", "arguments": {}}]
        wide.write_text(json.dumps(steps), encoding="utf-8")
        with gateway(self, of=[server]) as guarded:
            token = guarded.token([{"tool": "files/*"}])
            for client in walks.clients_of(server):
                told = [
                    walks.walk(client, server, place, self.folder, token, plan=wide, WALK_ROOTS="/", WALK_VERBOSE="1")[-1]
                    for place in (server.command, guarded.url(server))
                ]
                texts = [line["result"]["content"][0]["text"].splitlines()[1:] for line in told]
                print(f"   {client.name}: {texts[0]} directly, {texts[1]} through the gateway", flush=True)
                if texts != [["/"], [str(self.folder)]]:
                    raise Failed(f"{client.name}: {texts}")

    def wrap(self):
        """An agent that starts its servers itself has the gateway in between."""
        self.direct or self.walk_directly()
        faults = []
        for server in self.servers:
            if server.is_http:
                continue
            with gateway(self, of=[server]) as guarded:
                for client, told in self.walk_all(server, guarded.wrapped(server), guarded.full_token()):
                    where = f"wrap {server.name}, {client.name}"
                    found = walks.differences(self.direct[server.name, client.name], told)
                    faults += [f"{where}: {words}" for words in found if not self.is_known(where, words)]
                    print(f"   {where}: {len(told)} steps, {len(found)} otherwise", flush=True)
        report(faults)


def report(faults):
    if faults:
        raise Failed(f"{len(faults)} surprises:\n  " + "\n  ".join(faults))


def chapters(lab):
    return {
        "direct": lab.walk_directly,
        "through": lab.walk_through,
        "wrap": lab.wrap,
        "roots": lab.name_roots,
        "paths": lab.lead_out,
        "conformance": lab.conform,
    }


def main():
    # What was started is ended, whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("mcp: asked to end"))
    target, wanted = Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.TemporaryDirectory() as work:
        lab = Lab(target, Path(work))
        known = chapters(lab)
        for name in wanted or known:
            print(f"\n-- {name}", flush=True)
            known[name]()
        unmet = [known for number, known in enumerate(lab.known) if number not in lab.met]
        if unmet and not wanted:
            raise Failed(f"no longer otherwise, but listed in differences.json: {unmet}")
    print("\nall as expected", flush=True)


try:
    main()
except Failed as failure:
    sys.exit(f"mcp: {failure}")
