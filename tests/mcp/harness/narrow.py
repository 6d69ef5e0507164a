"""A token that grants little: what it grants works and is listed, all else is neither."""

# What the gateway says no with: its own number, or what client libraries make of its status. Without
# its definition a client does not know which arguments of a tool go into headers: -32020.
REFUSED = {7403, 403, "InsufficientScopeError", -32020}

EVERYTHING = [
    {"tool": "get-sum", "args": {"a": {"max": 2}, "b": {"any": True}}},
    {"tool": "trigger-long-running-operation"},
    {"tool": "mcp:prompts/get", "args": {"name": {"eq": "simple-prompt"}}},
    {"tool": "mcp:resources/read", "args": {"uri": {"prefix": "demo://resource/static/"}}},
]
DEMO = [
    {"tool": "list_files"},
    {"tool": "read_file", "args": {"path": {"under": "/notes"}}},
    {"tool": "mcp:resources/read", "args": {"uri": {"prefix": "demo:///notes/"}}},
]
FILES = [
    {"tool": "read_text_file"},
    {"tool": "list_allowed_directories"},
]
PLANS = {"everything": EVERYTHING, "demo": DEMO, "filesystem": FILES}

# Methods that every genuine token may use.
FREE = ("list", "ping", "level")
LISTS = {
    "list tools": lambda name, grants: any(grant["tool"] == name for grant in grants),
    "list prompts": lambda name, grants: _may(name, grants, "mcp:prompts/get", "name"),
    "list resources": lambda uri, grants: _may(uri, grants, "mcp:resources/read", "uri"),
}


def grants(server):
    return [grant | {"tool": f"{server.name}/{grant['tool']}"} for grant in PLANS[server.plan]]


def granted(step, server):
    """Whether this step of the walk is one that the token grants."""
    known = {grant["tool"]: grant.get("args", {}) for grant in PLANS[server.plan]}
    if "call" in step:
        args = known.get(step["call"])
        return args is not None and all(_holds(args[name], step["arguments"].get(name)) for name in args)
    for kind, tool, name in [("prompt", "mcp:prompts/get", "name"), ("read", "mcp:resources/read", "uri")]:
        if kind in step:
            return tool in known and _holds(known[tool][name], step[kind])
    return any(kind in step for kind in FREE)


def _may(value, grants, tool, argument):
    return any(grant["tool"] == tool and _holds(grant["args"][argument], value) for grant in grants)


def _holds(constraint, value):
    """As far as the tokens above need it."""
    (kind, bound), = constraint.items()
    if kind == "any":
        return value is not None
    if kind == "max":
        return value is not None and value <= bound
    if not isinstance(value, str):
        return False
    return {"eq": value == bound, "prefix": value.startswith(bound), "under": value.startswith(f"{bound}/")}[kind]


def faults(server, plan, direct, got):
    """What a walk with the narrow token should not have come to."""
    if len(direct) != len(got):
        return [f"{len(got)} steps instead of {len(direct)}: {got[-1]}"]
    found = []
    for step, wanted, line in zip([{"list": "nothing"}, *plan], direct, got):
        what = line["what"]
        if what.startswith("list ") and not wanted["ok"]:
            if line != wanted:
                found.append(f"{wanted} became {line}")
        elif what in LISTS:
            shown = [name for name in wanted["names"] if LISTS[what](name, PLANS[server.plan])]
            if line.get("names") != shown:
                found.append(f"{what} has {line.get('names', line)} instead of {shown}")
        elif what.startswith("list "):
            if not set(line.get("names", ())) <= set(wanted.get("names", ())):
                found.append(f"{what} has more than there is: {line}")
        elif not line["ok"] and line == wanted and not isinstance(line["code"], int):
            # Such a step never leaves the client.
            pass
        elif granted(step, server):
            # What others did not get to do may show in the answer.
            if (line["ok"], line.get("code")) != (wanted["ok"], wanted.get("code")):
                found.append(f"{wanted} became {line}")
        elif line["ok"] or line["code"] not in REFUSED:
            found.append(f"{what} was not refused: {line}")
    return found
