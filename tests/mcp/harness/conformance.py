"""The conformance suite: directly and through the gateway, check by check."""

import json
from collections import defaultdict

from .process import CONFORMANCE, Running, node, run

REVISIONS = ("2025-11-25", "2026-07-28")


def suite(url, revision, out):
    """The checks of a revision, with their statuses in order, by scenario and check."""
    command = [node(), CONFORMANCE, "server", "--url", url, "--requirements", revision, "-o", out]
    # It ends with 1 where any check fails: that is compared below.
    try:
        run(command)
    except Exception as error:  # noqa: BLE001
        if not out.is_dir():
            raise error
    found = defaultdict(list)
    for file in sorted(out.glob("*/checks.json")):
        # server-SCENARIO-TIME
        scenario = file.parent.name.removeprefix("server-").split("-2026-")[0].split("-2027-")[0]
        for check in json.loads(file.read_text(encoding="utf-8")):
            if check["status"] != "INFO":
                found[f"{scenario}: {check['id']}"].append(check["status"])
                if check["status"] == "FAILURE":
                    found[f"{scenario}: {check['id']}", "why"].append(check.get("errorMessage", ""))
    return dict(found)


def forwarder(target, log, token=None):
    """Adds a token, which the suite has no way to send."""
    env = {"TOKEN": token} if token else {}
    from .process import HERE

    return Running([node(), HERE / "forwarder.mjs", target], log, **env)


def compared(direct, through):
    """Each check that came out otherwise: its name, and both outcomes."""
    names = sorted(name for name in direct.keys() | through.keys() if isinstance(name, str))
    for name in names:
        if direct.get(name) != through.get(name):
            why = "; ".join(through.get((name, "why"), [])[:2])
            yield name, direct.get(name), through.get(name), why
