/**
 * A sub-agent: makes a key of its own, narrows the token it was handed, hands it on, uses it.
 *
 *     npm run build; alias sub-agent='node --experimental-wasm-modules dist/sub-agent.js'
 *     sub-agent new-key agent.key                       # prints the public half
 *     sub-agent delegate --root ROOT --key agent.key --to PUBLIC --name agent:next \
 *         --grants '{"tool": "crm/get", "args": {"id": {"max": 20}}}' < token > next.token
 *     sub-agent call --root ROOT --key agent.key --tool stripe/refund \
 *         --url http://127.0.0.1:8080/refunds --args '{"amount": 10}' < token
 *
 * ROOT and PUBLIC are written `ed25519/…`. Narrowing and handing on are offline. Exit codes: 0 done
 * or allowed, 1 failure, 3 denied.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { headers, present } from "./hardtack/proofs.js";
import type { Call } from "./hardtack/proofs.js";
import { delegate, HolderKey, publicKey, publicText } from "./hardtack/tokens.js";

const text = { type: "string" } as const;
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    root: text, key: text, to: text, name: text, grants: text, for: text, tool: text, url: text,
    args: text,
  },
});

function wanted(name: keyof typeof values): string {
  const value = values[name];
  if (value === undefined) throw new Error(`\`--${name}\` is missing`);
  return value;
}

const now = () => Math.floor(Date.now() / 1000);

async function main(): Promise<number> {
  const [command, file] = positionals;
  if (command === "new-key" && file !== undefined) {
    const key = HolderKey.generate();
    key.write(file);
    console.log(publicText(key.public));
    return 0;
  }
  if (command !== "delegate" && command !== "call") {
    throw new Error("what to do is `new-key FILE`, `delegate` or `call`");
  }
  const [token, key] = [readFileSync(0, "utf8").trim(), HolderKey.read(wanted("key"))];
  if (command === "delegate") {
    const narrowing = {
      expires: now() + Number(values.for ?? 300),
      ...(values.grants === undefined ? {} : { grants: JSON.parse(values.grants) as unknown }),
    };
    const to = publicKey(wanted("to"));
    console.log(delegate(token, wanted("root"), key, to, wanted("name"), narrowing));
    return 0;
  }
  const args = values.args ?? "{}";
  const call = { method: "POST", url: wanted("url"), tool: wanted("tool"), args };
  const answer = await send(token, wanted("root"), key, call);
  console.log(await answer.text());
  return answer.ok ? 0 : 3;
}

/** Makes the call, and once more where the gateway asks for a nonce (RFC 9449, section 8). */
async function send(token: string, root: string, key: HolderKey, call: Call): Promise<Response> {
  const attempt = async (nonce?: string) => {
    const sent = headers(await present(token, root, key, call, now(), nonce));
    const { method, url, args: body } = call;
    return fetch(url, { method, body, headers: { ...sent, "Content-Type": "application/json" } });
  };
  const answer = await attempt();
  const nonce = answer.headers.get("DPoP-Nonce");
  return answer.status === 401 && nonce !== null ? attempt(nonce) : answer;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`sub-agent: ${error instanceof Error ? error.message : "failed"}`);
  process.exitCode = 1;
}
