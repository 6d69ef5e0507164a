// A server with what the conformance suite asks for, in both eras, made with @modelcontextprotocol/server.
//
//   node fixture.mjs        # listens on a free port of 127.0.0.1 and says where
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import {
    createMcpHandler,
    hostHeaderValidationResponse,
    isLegacyRequest,
    localhostAllowedHostnames,
    localhostAllowedOrigins,
    MissingRequiredClientCapabilityError,
    originValidationResponse,
    ProtocolError,
    Server,
    WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";

const INVALID_PARAMS = -32602;
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
const PAUSE_MS = 50;

const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const said = (...content) => ({ content });
const object = (properties = {}, required = Object.keys(properties)) => ({ type: "object", properties, required });
const string = { type: "string" };

// What a client answers in the era without sessions comes with the next call.
const key = randomBytes(32);
const sealed = (words) => `${words}.${createHmac("sha256", key).update(words).digest("hex")}`;
const opened = (state) => {
    const words = state?.split(".")[0];
    if (state === undefined || sealed(words) !== state) throw new ProtocolError(INVALID_PARAMS, "the state is not ours");
    return words;
};
const form = (message, properties) => ({ method: "elicitation/create", params: { mode: "form", message, requestedSchema: object(properties) } });
const sample = (words, maxTokens) => ({ method: "sampling/createMessage", params: { messages: [{ role: "user", content: text(words) }], maxTokens } });
const roots = { method: "roots/list", params: {} };
const asks = (inputRequests, requestState) => ({ resultType: "input_required", inputRequests, ...(requestState && { requestState }) });
/** Asks for what was not answered yet; with all answers, does what is to be done. */
const asking = (requests, then, state) => ({ mcpReq }) => {
    const answers = mcpReq.inputResponses ?? {};
    const missing = Object.keys(requests).filter((name) => typeof answers[name] !== "object");
    if (missing.length > 0) return asks(requests, state && sealed(state));
    if (state) opened(mcpReq.requestState());
    return said(text(then(answers)));
};
const NAME = { user_name: form("What is your name?", { name: string }) };
const CAPABILITIES = { elicitation: form("Which?", { which: string }), sampling: sample("Which?", 10), roots };

const DEFAULTS = object({
    name: { ...string, default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { ...string, enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
}, []);
const options = ["option1", "option2", "option3"];
const titled = ["First", "Second", "Third"].map((title, i) => ({ const: `value${i + 1}`, title: `${title} Option` }));
const ENUMS = object({
    untitledSingle: { ...string, enum: options },
    titledSingle: { ...string, oneOf: titled },
    legacyEnum: { ...string, enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] },
    untitledMulti: { type: "array", items: { ...string, enum: options } },
    titledMulti: { type: "array", items: { anyOf: titled } },
}, []);
const elicits = (message, requestedSchema, lead) => async ({ mcpReq }) => {
    const { action, content } = await mcpReq.elicitInput({ mode: "form", message, requestedSchema });
    return said(text(`${lead}: action=${action}, content=${JSON.stringify(content ?? {})}`));
};

/** Name to what a tool does; with arguments, to these and what it does with them. */
const TOOLS = {
    test_simple_text: () => said(text("This is a simple text response for testing.")),
    test_image_content: () => said(image),
    test_audio_content: () => said({ type: "audio", data: WAV, mimeType: "audio/wav" }),
    test_embedded_resource: () => said({
        type: "resource",
        resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "This is an embedded resource content." },
    }),
    test_multiple_content_types: () => said(text("Multiple content types test:"), image, {
        type: "resource",
        resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data","value":123}' },
    }),
    test_error_handling: () => ({ isError: true, ...said(text("This tool intentionally returns an error for testing")) }),
    test_tool_with_logging: async ({ mcpReq }) => {
        for (const words of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
            await mcpReq.log("info", words);
            await sleep(PAUSE_MS);
        }
        return said(text("done"));
    },
    test_logging_tool: async ({ mcpReq }) => {
        await mcpReq.log("info", "heard by whoever asked for it");
        return said(text("done"));
    },
    test_tool_with_progress: async ({ mcpReq }) => {
        const progressToken = mcpReq._meta?.progressToken;
        for (const progress of [0, 50, 100]) {
            if (progressToken !== undefined) {
                await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
            }
            await sleep(PAUSE_MS);
        }
        return said(text("done"));
    },
    test_sampling: [{ prompt: string }, async ({ mcpReq }, { prompt }) => {
        const answer = await mcpReq.requestSampling({ messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 });
        return said(text(`LLM response: ${answer.content.text}`));
    }],
    test_elicitation: [{ message: string }, (context, { message }) =>
        elicits(message, object({ username: string, email: string }), "User response")(context)],
    test_elicitation_sep1034_defaults: elicits("Defaults", DEFAULTS, "Elicitation completed"),
    test_elicitation_sep1330_enums: elicits("Enums", ENUMS, "Elicitation completed"),
    test_input_required_result_elicitation: asking(NAME, ({ user_name }) => `Hello, ${user_name.content?.name}!`),
    test_input_required_result_sampling: asking({ capital_question: sample("What is the capital of France?", 100) },
        ({ capital_question }) => capital_question.content.text),
    test_input_required_result_list_roots: asking({ client_roots: roots }, ({ client_roots }) => JSON.stringify(client_roots.roots)),
    test_input_required_result_request_state: asking({ confirm: form("Please confirm", { ok: { type: "boolean" } }) }, () => "state-ok", "state"),
    test_input_required_result_multiple_inputs: asking({ ...NAME, greeting: sample("Generate a greeting", 50), client_roots: roots }, () => "all there", "several"),
    test_input_required_result_multi_round: ({ mcpReq }) => {
        const state = mcpReq.requestState();
        if (state === undefined) return asks({ step1: form("Step 1: What is your name?", { name: string }) }, sealed("one"));
        if (opened(state) === "one") return asks({ step2: form("Step 2: What is your favorite color?", { color: string }) }, sealed("two"));
        return said(text("both told"));
    },
    test_input_required_result_tampered_state: asking({ confirm: form("Please confirm", { ok: { type: "boolean" } }) }, () => "whole", "whole"),
    test_input_required_result_capabilities: ({ mcpReq }) => {
        const can = mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
        return asks(Object.fromEntries(Object.entries(CAPABILITIES).filter(([name]) => name in can)));
    },
    test_missing_capability: ({ mcpReq }) => {
        const can = mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
        if (!("sampling" in can)) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
        return said(text("sampling is declared"));
    },
    test_streaming_elicitation: asking(NAME, () => "told"),
    test_trigger_tool_change: () => { handler.notify.toolsChanged(); return said(text("changed")); },
    test_trigger_prompt_change: () => { handler.notify.promptsChanged(); return said(text("changed")); },
    test_custom_headers: [{ region: { ...string, "x-mcp-header": "Region" } }, (_, { region }) => said(text(`in ${region}`))],
};

const message = (content) => ({ role: "user", content });
const PROMPTS = {
    test_simple_prompt: [[], () => [message(text("This is a simple prompt for testing."))]],
    test_prompt_with_arguments: [["arg1", "arg2"], ({ arg1, arg2 }) => [message(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))]],
    test_prompt_with_embedded_resource: [["resourceUri"], ({ resourceUri }) => [
        message({ type: "resource", resource: { uri: resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." } }),
        message(text("Please process the embedded resource above.")),
    ]],
    test_prompt_with_image: [[], () => [message(image), message(text("Please analyze the image above."))]],
    test_input_required_result_prompt: [[], (_, { mcpReq }) => {
        const context = mcpReq.inputResponses?.user_context?.content?.context;
        return context === undefined ? undefined : [message(text(`Use ${context}.`))];
    }],
};
const RESOURCES = {
    "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
    "test://static-binary": { mimeType: "image/png", blob: PNG },
};

function make() {
    const capabilities = {
        tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true }, logging: {}, completions: {},
    };
    const server = new Server({ name: "conformance-fixture", version: "1" }, { capabilities });
    const missing = (uri) => new ProtocolError(INVALID_PARAMS, "no such resource", { uri });
    server.setRequestHandler("tools/list", () => ({
        tools: Object.entries(TOOLS).map(([name, tool]) => ({ name, description: name, inputSchema: object(Array.isArray(tool) ? tool[0] : {}) })),
    }));
    server.setRequestHandler("tools/call", async ({ params }, context) => {
        const tool = TOOLS[params.name];
        if (tool === undefined) throw new ProtocolError(INVALID_PARAMS, `there is no tool ${params.name}`);
        return (Array.isArray(tool) ? tool[1] : tool)(context, params.arguments ?? {});
    });
    server.setRequestHandler("prompts/list", () => ({
        prompts: Object.entries(PROMPTS).map(([name, [names]]) => ({ name, description: name, arguments: names.map((name) => ({ name, required: true })) })),
    }));
    server.setRequestHandler("prompts/get", ({ params }, context) => {
        if (!(params.name in PROMPTS)) throw new ProtocolError(INVALID_PARAMS, `there is no prompt ${params.name}`);
        const messages = PROMPTS[params.name][1](params.arguments ?? {}, context);
        return messages ? { messages } : asks({ user_context: form("What context should the prompt use?", { context: string }) });
    });
    server.setRequestHandler("resources/list", () => ({ resources: Object.entries(RESOURCES).map(([uri, { mimeType }]) => ({ uri, name: uri, mimeType })) }));
    server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "data", mimeType: "application/json" }] }));
    server.setRequestHandler("resources/read", ({ params: { uri } }) => {
        const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
        const made = id && { mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
        const found = made ?? RESOURCES[uri];
        if (found === undefined) throw missing(uri);
        return { contents: [{ uri, ...found }] };
    });
    server.setRequestHandler("resources/subscribe", () => ({}));
    server.setRequestHandler("resources/unsubscribe", () => ({}));
    server.setRequestHandler("completion/complete", () => ({ completion: { values: ["paris", "park", "party"], total: 3, hasMore: false } }));
    return server;
}

const handler = createMcpHandler(make, { legacy: "reject" });
const sessions = new Map();

async function legacy(request) {
    const id = request.headers.get("mcp-session-id");
    if (id !== null) {
        const session = sessions.get(id);
        if (session === undefined) return new Response(null, { status: 404 });
        return session.handleRequest(request);
    }
    const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void sessions.set(id, transport),
        onsessionclosed: (id) => void sessions.delete(id),
    });
    await make().connect(transport);
    return transport.handleRequest(request);
}

async function answer(request) {
    const refused =
        hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
        originValidationResponse(request, localhostAllowedOrigins());
    if (refused) return refused;
    return (await isLegacyRequest(request.clone())) ? legacy(request) : handler.fetch(request);
}

const http = createServer(async (incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.on("close", () => gone.abort());
    try {
        const chunks = [];
        for await (const chunk of incoming) chunks.push(chunk);
        const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
            method: incoming.method,
            headers: Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
            signal: gone.signal,
            ...(incoming.method === "POST" && { body: Buffer.concat(chunks) }),
        });
        const response = await answer(request);
        outgoing.writeHead(response.status, Object.fromEntries(response.headers));
        outgoing.flushHeaders();
        for await (const chunk of response.body ?? []) outgoing.write(chunk);
        outgoing.end();
    } catch (error) {
        if (!gone.signal.aborted) console.error(error);
        outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(500).end();
    }
});
http.listen(0, "127.0.0.1", () => console.error(`listening on http://127.0.0.1:${http.address().port}/mcp`));
