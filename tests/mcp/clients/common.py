"""What the two Python walks share: the plan, the answers to a server's questions, and how a step is told."""

import hashlib
import json
import os
import sys

DEADLINE_SECS = 20
# What an agent may not say through a gateway, and says here only if it is told to.
ROOTS = os.environ.get("WALK_ROOTS")


def plan():
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.loads(file.read().replace("$DIR", os.environ.get("WALK_DIR", "/nonexistent")))


def headers():
    token = os.environ.get("TOKEN")
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def child_environment():
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | ({"HARDTACK_TOKEN": os.environ["TOKEN"]} if "TOKEN" in os.environ else {})


def filled(schema):
    """The required members of a form, with the first thing that fits."""
    fitting = {"string": "text", "boolean": True, "integer": 1, "number": 1.5}
    content = {}
    for name in schema.get("required", []):
        member = schema["properties"][name]
        content[name] = (member.get("enum") or [fitting.get(member.get("type"), "text")])[0]
    return content


def say(**line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


def digest(result):
    """The same for the same result."""
    text = json.dumps(result, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def failure(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    inner = getattr(error, "error", None)
    code = getattr(inner, "code", None)
    response = getattr(error, "response", None)
    if code is None and response is not None:
        code = response.status_code
    line = {"ok": False, "code": type(error).__name__ if code is None else code}
    if "WALK_VERBOSE" in os.environ:
        line |= {"message": str(error), "data": str(getattr(inner, "data", None))}
    return line


async def walk(steps):
    """Each step of the plan; a step is a function of its fields and of what counts progress."""
    for step in plan():
        kind = next(kind for kind in steps if kind in step)
        value = step[kind]
        named = (value.get("name") or value.get("uri")) if isinstance(value, dict) else value
        what = f"{kind} {json.dumps(named) if isinstance(named, bool) else named}"
        seen = []
        try:
            result = await steps[kind](step, seen)
        except Exception as error:
            line = failure(error)
            if "cancel" in step:
                line["cancelled"] = bool(seen)
            say(what=what, **line)
            continue
        line = {"ok": True}
        if isinstance(result, dict) and "names" in result:
            line |= result
        elif result is not None:
            told = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            if told.get("isError"):
                line["isError"] = True
            if "opaque" not in step:
                line["digest"] = digest(told)
            if "WALK_VERBOSE" in os.environ:
                line["result"] = told
        if "progress" in step:
            line["progress"] = bool(seen)
        say(what=what, **line)
