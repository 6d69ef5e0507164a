// The same as typescript.mjs with @modelcontextprotocol/sdk, which knows the stateful era alone.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { plan, failure, say, walk, headers, answers, capabilities, childEnvironment } from "./common.mjs";

const [, , ...place] = process.argv.slice(2);
const client = new Client({ name: "walk", version: "1" }, {
    capabilities,
});
const schemas = {
    "sampling/createMessage": types.CreateMessageRequestSchema,
    "elicitation/create": types.ElicitRequestSchema,
    "roots/list": types.ListRootsRequestSchema,
};
for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(schemas[method], answer);

const transport = place[0] === "--"
    ? new StdioClientTransport({ command: place[1], args: place.slice(2), stderr: "inherit", env: childEnvironment() })
    : new StreamableHTTPClientTransport(new URL(place[0]), { requestInit: { headers } });

const all = async (ask, key) => {
    const names = [];
    let cursor;
    do {
        const page = await ask(cursor === undefined ? {} : { cursor });
        names.push(...page[key].map((item) => item.uri ?? item.name));
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return names;
};
const lists = {
    tools: () => all((params) => client.listTools(params), "tools"),
    prompts: () => all((params) => client.listPrompts(params), "prompts"),
    resources: () => all((params) => client.listResources(params), "resources"),
    templates: () => all((params) => client.listResourceTemplates(params), "resourceTemplates"),
};

const steps = {
    list: async ({ list }) => ({ names: await lists[list]() }),
    ping: () => client.ping(),
    level: ({ level }) => client.setLoggingLevel(level),
    call: ({ call, arguments: given, ...how }, control) =>
        client.callTool({ name: call, arguments: given }, undefined, control(how)),
    prompt: ({ prompt, arguments: given }) => client.getPrompt({ name: prompt, arguments: given }),
    read: ({ read }) => client.readResource({ uri: read }),
    complete: ({ complete, argument }) => client.complete({ ref: complete, argument }),
    subscribe: ({ subscribe }) => client.subscribeResource({ uri: subscribe }),
    unsubscribe: ({ unsubscribe }) => client.unsubscribeResource({ uri: unsubscribe }),
    raw: ({ raw }) => client.request({ method: raw, params: {} }, z.looseObject({})),
    listen: () => { throw new Error("not in this era"); },
};

try {
    await client.connect(transport);
    // Which version was agreed on it tells of HTTP alone.
    say({ what: "connect", ok: true, server: client.getServerVersion()?.name });
    await walk(plan, steps);
} catch (error) {
    say({ what: "connect", ...failure(error) });
}
await transport.terminateSession?.().catch(() => {});
await client.close();
process.exit(0);
