"""The same as python_v2.py with `mcp` 1.x, which knows the stateful era alone."""

import sys
import warnings
from contextlib import AsyncExitStack
from datetime import timedelta

import anyio
import httpx
from mcp import ClientSession, types
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

import common

warnings.simplefilter("ignore")


async def sampling(_context, _params):
    content = types.TextContent(type="text", text="an answer")
    return types.CreateMessageResult(role="assistant", model="none", stopReason="endTurn", content=content)


async def elicitation(_context, params):
    schema = getattr(params, "requestedSchema", None)
    return types.ElicitResult(action="accept", content=common.filled(schema) if schema else None)


async def roots(_context):
    uri = f"file://{common.ROOTS}"
    return types.ListRootsResult(roots=[types.Root(uri=uri, name="walk")])


async def paged(ask, key):
    names, cursor = [], None
    while True:
        page = await ask(params=types.PaginatedRequestParams(cursor=cursor))
        names += [str(getattr(item, "uri", item.name)) for item in getattr(page, key)]
        cursor = page.nextCursor
        if cursor is None:
            return {"names": names}


def reference(ref):
    known = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
    return known.model_validate(ref)


def steps_of(session):
    lists = {
        "tools": lambda: paged(session.list_tools, "tools"),
        "prompts": lambda: paged(session.list_prompts, "prompts"),
        "resources": lambda: paged(session.list_resources, "resources"),
        "templates": lambda: paged(session.list_resource_templates, "resourceTemplates"),
    }

    async def call(step, seen):
        ident = session._request_id

        async def progress(*_):
            if not seen and "cancel" in step:
                params = types.CancelledNotificationParams(requestId=ident, reason="enough")
                await session.send_notification(
                    types.ClientNotification(types.CancelledNotification(params=params))
                )
            seen.append(True)

        wait = 2 if "cancel" in step else common.DEADLINE_SECS
        return await session.call_tool(
            step["call"],
            step["arguments"],
            read_timeout_seconds=timedelta(seconds=wait),
            progress_callback=progress if "progress" in step or "cancel" in step else None,
        )

    async def raw(step, _):
        request = types.ClientRequest.model_construct(root=types.Request(method=step["raw"], params=None))
        return await session.send_request(request, types.EmptyResult)

    async def listen(*_):
        raise RuntimeError("not in this era")

    return {
        "list": lambda step, _: lists[step["list"]](),
        "ping": lambda *_: session.send_ping(),
        "level": lambda step, _: session.set_logging_level(step["level"]),
        "call": call,
        "prompt": lambda step, _: session.get_prompt(step["prompt"], step.get("arguments")),
        "read": lambda step, _: session.read_resource(AnyUrl(step["read"])),
        "complete": lambda step, _: session.complete(reference(step["complete"]), step["argument"]),
        "subscribe": lambda step, _: session.subscribe_resource(AnyUrl(step["subscribe"])),
        "unsubscribe": lambda step, _: session.unsubscribe_resource(AnyUrl(step["unsubscribe"])),
        "raw": raw,
        "listen": listen,
    }


async def main():
    place = sys.argv[3:]
    is_open = False
    try:
        async with AsyncExitStack() as stack:
            if place[0] == "--":
                server = StdioServerParameters(command=place[1], args=place[2:], env=common.child_environment())
                read, write = await stack.enter_async_context(stdio_client(server))
            else:
                http = httpx.AsyncClient(headers=common.headers(), timeout=httpx.Timeout(30, read=300))
                read, write, _ = await stack.enter_async_context(streamable_http_client(place[0], http_client=http))
            session = await stack.enter_async_context(
                ClientSession(
                    read,
                    write,
                    read_timeout_seconds=timedelta(seconds=common.DEADLINE_SECS),
                    sampling_callback=sampling,
                    elicitation_callback=elicitation,
                    list_roots_callback=roots if common.ROOTS else None,
                )
            )
            opened = await session.initialize()
            is_open = True
            common.say(what="connect", ok=True, version=opened.protocolVersion, server=opened.serverInfo.name)
            await common.walk(steps_of(session))
    except Exception as error:
        # Once the walk is over, closing what the server closed too is no news.
        if not is_open:
            common.say(what="connect", **common.failure(error))


anyio.run(main)
