"""Walks through a server with the `mcp` package, 2.x: what the plan says, one line of JSON a step.

    python python_v2.py PLAN ERA URL
    python python_v2.py PLAN ERA -- COMMAND ARGUMENT…

ERA: legacy, auto or modern. TOKEN in the environment goes along as a bearer token.
"""

import sys
import warnings

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

import common

warnings.simplefilter("ignore")
MODES = {"legacy": "legacy", "auto": "auto", "modern": "2026-07-28"}


async def sampling(_context, _params):
    content = types.TextContent(type="text", text="an answer")
    return types.CreateMessageResult(role="assistant", model="none", stopReason="endTurn", content=content)


async def elicitation(_context, params):
    schema = getattr(params, "requested_schema", None)
    return types.ElicitResult(action="accept", content=common.filled(schema) if schema else None)


async def roots(_context):
    uri = f"file://{common.ROOTS}"
    return types.ListRootsResult(roots=[types.Root(uri=uri, name="walk")])


async def paged(ask, key):
    names, cursor = [], None
    while True:
        page = await ask(cursor=cursor, cache_mode="bypass")
        names += [str(getattr(item, "uri", item.name)) for item in getattr(page, key)]
        cursor = page.next_cursor
        if cursor is None:
            return {"names": names}


def reference(ref):
    known = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
    return known.model_validate(ref)


def steps_of(client):
    lists = {
        "tools": lambda: paged(client.list_tools, "tools"),
        "prompts": lambda: paged(client.list_prompts, "prompts"),
        "resources": lambda: paged(client.list_resources, "resources"),
        "templates": lambda: paged(client.list_resource_templates, "resource_templates"),
    }

    async def call(step, seen):
        reached = anyio.Event()

        async def progress(*_):
            seen.append(True)
            reached.set()

        watch = progress if "progress" in step or "cancel" in step else None
        asked = client.call_tool(
            step["call"], step["arguments"], read_timeout_seconds=common.DEADLINE_SECS, progress_callback=watch
        )
        if "cancel" not in step:
            return await asked
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def stop():
                    await reached.wait()
                    scope.cancel()

                group.start_soon(stop)
                await asked
        raise RuntimeError("cancelled")

    async def listen(step, _):
        async with client.listen(resource_subscriptions=[step["listen"]], tools_list_changed=True) as heard:
            return heard.honored

    async def raw(step, _):
        request = types.Request(method=step["raw"], params=None)
        return await client.session.send_request(request, types.Result)

    return {
        "list": lambda step, _: lists[step["list"]](),
        "ping": lambda *_: client.send_ping(),
        "level": lambda step, _: client.set_logging_level(step["level"]),
        "call": call,
        "prompt": lambda step, _: client.get_prompt(step["prompt"], step.get("arguments")),
        "read": lambda step, _: client.read_resource(step["read"], cache_mode="bypass"),
        "complete": lambda step, _: client.complete(reference(step["complete"]), step["argument"]),
        "subscribe": lambda step, _: client.subscribe_resource(step["subscribe"]),
        "unsubscribe": lambda step, _: client.unsubscribe_resource(step["unsubscribe"]),
        "raw": raw,
        "listen": listen,
    }


async def main():
    era, *place = sys.argv[2:]
    if place[0] == "--":
        server = StdioServerParameters(command=place[1], args=place[2:], env=common.child_environment())
    else:
        server = streamable_http_client(place[0], http_client=create_mcp_http_client(headers=common.headers()))
    try:
        async with Client(
            server,
            mode=MODES[era],
            sampling_callback=sampling,
            elicitation_callback=elicitation,
            list_roots_callback=roots if common.ROOTS else None,
        ) as client:
            name = client.server_info and client.server_info.name
            common.say(what="connect", ok=True, version=client.protocol_version, server=name)
            await common.walk(steps_of(client))
    except Exception as error:
        common.say(what="connect", **common.failure(error))


anyio.run(main)
