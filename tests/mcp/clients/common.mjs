// What the two TypeScript walks share: the plan, the answers to a server's questions, and how a step is told.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

// Stdout is for the lines alone.
console.debug = console.error;
const DEADLINE_MS = 20_000;

export const plan = JSON.parse(
    readFileSync(process.argv[2], "utf8").replaceAll("$DIR", process.env.WALK_DIR ?? "/nonexistent"),
);
const token = process.env.TOKEN;
export const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };

/** What a child gets to see: nothing that the walk was not told to hand on. */
export const childEnvironment = () =>
    Object.fromEntries(["PATH", "HOME"].filter((name) => name in process.env).map((name) => [name, process.env[name]]).concat(token ? [["HARDTACK_TOKEN", token]] : []));

// What an agent may not say through a gateway, and says here only if it is told to.
const { WALK_ROOTS: roots } = process.env;
export const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, ...(roots && { roots: { listChanged: true } }) };

export const answers = {
    "sampling/createMessage": () => ({
        role: "assistant",
        model: "none",
        stopReason: "endTurn",
        content: { type: "text", text: "an answer" },
    }),
    "elicitation/create": (request) =>
        request.params.mode === "url" ? { action: "accept" } : { action: "accept", content: filled(request.params.requestedSchema) },
    ...(roots && { "roots/list": () => ({ roots: [{ uri: `file://${roots}`, name: "walk" }] }) }),
};

/** The required members of a form, with the first thing that fits. */
function filled(schema) {
    const content = {};
    for (const name of schema.required ?? []) {
        const property = schema.properties[name];
        content[name] = property.enum?.[0] ?? { string: "text", boolean: true, integer: 1, number: 1.5 }[property.type] ?? "text";
    }
    return content;
}

export const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

export const failure = (error) => ({ ok: false, code: error.code ?? error.status ?? error.name, ...(process.env.WALK_VERBOSE && { message: String(error.message), data: error.data }) });

/** The same for the same result, whatever the time and the random names in it. */
const digest = (result) => createHash("sha256").update(canonical(result)).digest("hex").slice(0, 12);
const canonical = (value) => {
    if (Array.isArray(value)) return `[${value.map(canonical)}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    return `{${Object.keys(value).sort().filter((key) => value[key] !== undefined).map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)}}`;
};

export async function walk(plan, steps) {
    for (const step of plan) {
        const kind = Object.keys(steps).find((kind) => kind in step);
        const what = `${kind} ${typeof step[kind] === "object" ? step[kind].name ?? step[kind].uri : step[kind]}`;
        let progress = 0;
        const control = ({ progress: counted, cancel }) => {
            const abort = new AbortController();
            return {
                timeout: DEADLINE_MS,
                signal: abort.signal,
                ...((counted || cancel) && {
                    onprogress: () => {
                        progress += 1;
                        if (cancel) abort.abort("enough");
                    },
                }),
            };
        };
        try {
            const result = await steps[kind](step, control);
            const told = result.names ? { names: result.names } : step.opaque ? {} : { digest: digest(result) };
            say({ what, ok: true, ...(result.isError && { isError: true }), ...told, ...(step.progress && { progress: progress > 0 }), ...(process.env.WALK_VERBOSE && { result }) });
        } catch (error) {
            say({ what, ...failure(error), ...(step.cancel && { cancelled: progress > 0 }) });
        }
    }
}
