// Walks through a server with @modelcontextprotocol/client: what the plan says, one line of JSON a step.
//
//   node typescript.mjs PLAN ERA URL
//   node typescript.mjs PLAN ERA -- COMMAND ARGUMENT…
//
// ERA: legacy, auto or modern. TOKEN in the environment goes along as a bearer token.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { z } from "zod";
import { plan, failure, say, walk, headers, answers, capabilities, childEnvironment } from "./common.mjs";

const [, era, ...place] = process.argv.slice(2);
const modes = { legacy: "legacy", auto: "auto", modern: { pin: "2026-07-28" } };
const client = new Client({ name: "walk", version: "1" }, {
    capabilities,
    versionNegotiation: { mode: modes[era] },
});
for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(method, answer);

const transport = place[0] === "--"
    ? new StdioClientTransport({ command: place[1], args: place.slice(2), stderr: "inherit", env: childEnvironment() })
    : new StreamableHTTPClientTransport(new URL(place[0]), { requestInit: { headers } });

const all = async (ask, key) => {
    const names = [];
    let cursor;
    do {
        const page = await ask({ cursor }, { cacheMode: "bypass" });
        names.push(...page[key].map((item) => item.uri ?? item.name));
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return names;
};
const lists = {
    tools: () => all((params, options) => client.listTools(params, options), "tools"),
    prompts: () => all((params, options) => client.listPrompts(params, options), "prompts"),
    resources: () => all((params, options) => client.listResources(params, options), "resources"),
    templates: () => all((params, options) => client.listResourceTemplates(params, options), "resourceTemplates"),
};

const steps = {
    list: async ({ list }) => ({ names: await lists[list]() }),
    ping: () => client.ping(),
    level: ({ level }) => client.setLoggingLevel(level),
    call: ({ call, arguments: given, ...how }, control) =>
        client.callTool({ name: call, arguments: given }, control(how)),
    prompt: ({ prompt, arguments: given }) => client.getPrompt({ name: prompt, arguments: given }),
    read: ({ read }) => client.readResource({ uri: read }, { cacheMode: "bypass" }),
    complete: ({ complete, argument }) => client.complete({ ref: complete, argument }),
    subscribe: ({ subscribe }) => client.subscribeResource({ uri: subscribe }),
    unsubscribe: ({ unsubscribe }) => client.unsubscribeResource({ uri: unsubscribe }),
    raw: ({ raw }) => client.request({ method: raw, params: {} }, z.looseObject({})),
    listen: async ({ listen }) => {
        const heard = await client.listen({ resourceSubscriptions: [listen], toolsListChanged: true });
        const honored = heard.honoredFilter;
        await heard.close();
        return { honored };
    },
};

try {
    await client.connect(transport);
    say({ what: "connect", ok: true, version: client.getNegotiatedProtocolVersion(), server: client.getServerVersion()?.name });
    await walk(plan, steps);
} catch (error) {
    say({ what: "connect", ...failure(error) });
}
await transport.terminateSession?.().catch(() => {});
await client.close();
process.exit(0);
