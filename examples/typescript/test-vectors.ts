/**
 * Holds `hardtack/` to the vectors that Rust and Python pass too.
 *
 *     npm run build && node --experimental-wasm-modules dist/test-vectors.js ../../tests/vectors
 *
 * With `--write` after it, makes made-by-typescript.json again; its blocks have new keys.
 */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect, isDeepStrictEqual } from "node:util";

import { biscuit } from "./hardtack/biscuit.js";
import { allows, facts } from "./hardtack/facts.js";
import { check, GrantError, rules } from "./hardtack/grants.js";
import { checkProof, present, ProofFault, prove } from "./hardtack/proofs.js";
import { checks, delegate, holders, HolderKey, narrow, publicKey } from "./hardtack/tokens.js";
import { publicText, seal, TokenError, verified } from "./hardtack/tokens.js";

const [directory = "../../tests/vectors", mode] = process.argv.slice(2);
const PLAIN = ["call", "time", "weekday", "minute_of_day", "audience", "label"];
const OF_ARGUMENTS = ["arg", "number", "args_digest"];
const OF_THE_TOKEN = ["depth", "presenter"];
// Thirty-two of it are no point of the curve.
const NO_POINT = 2;

// The vectors are data of this repository: their shape is what their README says.
function read(name: string): any {
  return JSON.parse(readFileSync(join(directory, name), "utf8"));
}

function same(name: string, found: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(found, expected)) {
    const [one, other] = [found, expected].map((value) => JSON.stringify(value) ?? String(value));
    throw new Error(`${name}\n  found    ${one}\n  expected ${other}`);
  }
}

/** What a run gives, or the refusal; any other error is a mistake here. */
async function outcome<T, R extends Error>(
  run: () => T | Promise<T>,
  refusal: new (...args: never[]) => R,
): Promise<T | R> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof refusal) return error;
    throw error;
  }
}

async function testGrants(): Promise<number> {
  const { compiled, refused } = read("grants.json");
  for (const { name, scope, grants, check: expected, rules: expectedRules } of compiled) {
    const found = await outcome(() => check(grants), GrantError);
    if (scope !== undefined) {
      same(name, found instanceof GrantError, true);
      continue;
    }
    same(name, found instanceof GrantError ? found.message : found, expected);
    same(name, rules(grants), expectedRules);
    biscuit.Check.fromString(String(found));
  }
  for (const { name, scope, grants } of refused) {
    const found = await outcome(() => check(grants), GrantError);
    if (scope === undefined) same(name, found instanceof GrantError, true);
  }
  return compiled.length + refused.length;
}

async function testNarrowings(): Promise<number> {
  const { narrowings } = read("grants.json");
  for (const { name, narrowing, checks: expected } of narrowings) {
    const { expires, ...rest } = narrowing;
    const end = expires === undefined ? {} : { expires: Date.parse(expires) / 1000 };
    same(name, checks({ ...rest, ...end }), expected.map((one: string) => `${one};\n`).join(""));
  }
  return narrowings.length;
}

async function testDecisions(): Promise<number> {
  const { root, decisions } = read("decisions.json");
  for (const { name, token, request, facts: known, decision } of decisions) {
    const decide = () => {
      const found = verified(token, root);
      const ours = facts({ ...request, now: new Date(request.time) });
      const shown = new Map(ours.map((fact) => [display(fact), fact]));
      const given = (known as string[]).filter((fact) => !OF_THE_TOKEN.includes(word(fact)));
      const isPlain = (fact: string) =>
        [...PLAIN, ...OF_ARGUMENTS].includes(word(fact)) || fact.startsWith("arg_names({");
      const missing = given.filter((fact) => isPlain(fact) && !shown.has(display(fact)));
      same(`facts of ${name}`, missing, []);
      return allows(found, [...ours, ...given.filter((fact) => !isPlain(fact))]);
    };
    same(name, (await outcome(decide, TokenError)) === true ? "allow" : "deny", decision);
  }
  return decisions.length;
}

/** A fact as Biscuit prints it: sets have an order of their own. */
function display(fact: string): string {
  return biscuit.Fact.fromString(fact).toString();
}

function word(fact: string): string {
  return fact.slice(0, fact.indexOf("("));
}

async function testProofs(): Promise<number> {
  const { root, tokens, proofs } = read("proofs.json");
  for (const { name, token, proof, method, url, tool, args, time, nonces, verdict } of proofs) {
    const text = tokens[token] ?? token;
    const holder = holders(verified(text, root)).at(-1);
    const call = { method, url, tool, args };
    const run = () => checkProof(proof, holder, text, call, Date.parse(time), nonces);
    const found = await outcome(run, ProofFault);
    same(name, found instanceof ProofFault ? found.fault : "ok", verdict);
  }
  return proofs.length;
}

/** What is refused before anything is made. */
async function testRefusals(): Promise<number> {
  const { root, holders: known, bearer, bound } = read("shared.json");
  const [mine, next] = ["typescript", "other"].map((name) => HolderKey.parse(known[name].private)) as [
    HolderKey,
    HolderKey,
  ];
  const start = bound.typescript;
  const hand = (token: string, from: HolderKey, to: HolderKey, name = "agent:x", more = {}) =>
    delegate(token, root, from, to.public, name, more);
  const handed = hand(start, mine, next);
  let [full, fullBound] = [bearer, start];
  for (let i = 1; i < 16; i += 1) {
    [full, fullBound] = [full, fullBound].map((token) => narrow(token, root, { depth: 15 })) as [
      string,
      string,
    ];
  }
  const url = "https://api.example.com/refunds";
  const call = { method: "POST", url, tool: "stripe/refund", args: "{}" };
  const refused: (() => unknown)[] = [
    () => hand(bearer, mine, next),
    () => hand(start, next, next),
    () => hand(handed, mine, next),
    () => hand(handed, next, mine),
    () => hand(start, mine, mine),
    () => hand(start, mine, next, ""),
    () => hand(start, mine, next, "a\n"),
    () => hand(start, mine, next, "a".repeat(513)),
    () => hand(start, mine, next, "a", { audience: [] }),
    () => hand(start, mine, next, "a", { depth: 1.5 }),
    () => delegate(start, root, mine, Buffer.alloc(32, NO_POINT), "a"),
    () => hand(seal(start, root), mine, next),
    () => narrow(bearer, root, {}),
    () => narrow(full, root, { depth: 1 }),
    () => hand(fullBound, mine, next),
    () => narrow(bearer, publicText(mine.public), { depth: 1 }),
    () => seal(seal(bearer, root), root),
    () => present(start, root, next, call, 0),
    () => present(bearer, root, mine, call, 0),
    () => HolderKey.parse(`ed25519-private/${"01".repeat(32)}`),
    () => HolderKey.parse(`ed25519-holder-private/${"01".repeat(31)}`),
    () => publicKey(`ed25519/${"01".repeat(31)}`),
  ];
  for (const [number, run] of refused.entries()) {
    same(`refusal ${number}`, (await outcome(run, TokenError)) instanceof TokenError, true);
  }
  const folder = mkdtempSync(join(tmpdir(), "hardtack-"));
  try {
    const path = join(folder, "agent.key");
    mine.write(path);
    same("a key that was written", HolderKey.read(path).public, mine.public);
    const again = await outcome(() => mine.write(path), Error);
    same("a key is not overwritten", again instanceof Error, true);
    chmodSync(path, 0o640);
    const exposed = await outcome(() => HolderKey.read(path), TokenError);
    same("a key that others can read", exposed instanceof TokenError, true);
  } finally {
    rmSync(folder, { recursive: true });
  }
  for (const number of [NaN, Infinity, 1n, "1"]) {
    const refusal = await outcome(() => check({ tool: "a/b", args: { x: { max: number } } }), GrantError);
    same(String(number), refusal instanceof GrantError, true);
  }
  const secret = known.typescript.private.split("/")[1];
  const shown = inspect(mine, { depth: 9, showHidden: true }) + JSON.stringify(mine);
  same("no key is printed", shown.includes(secret), false);
  return refused.length;
}

async function write(): Promise<void> {
  const { root, time, narrowing, holders: known, ...starts } = read("shared.json");
  const now = Date.parse(time) / 1000;
  const left = { grants: narrowing.grants, expires: Date.parse(narrowing.expires) / 1000 };
  const key = (name: string) => HolderKey.parse(known[name].private);
  const [mine, next, last] = [key("typescript"), key("python"), key("other")];
  const bearer = narrow(starts.bearer, root, left);
  const bound = starts.bound.typescript;
  const one = delegate(bound, root, mine, next.public, "agent:python", left);
  const two = delegate(one, root, next, last.public, 'agent:"other" \\ é', { depth: 2 });
  const tokens: Record<string, string> = {
    bearer,
    "bearer, sealed": seal(bearer, root),
    "one hop": one,
    "two hops, sealed": seal(two, root),
    "no hop, sealed": seal(bound, root),
  };
  const proofs = [];
  for (const [token, holder] of [
    ["one hop", next],
    ["two hops, sealed", last],
    ["no hop, sealed", mine],
  ] as const) {
    for (const [index, args] of [
      '{"amount": 12.5, "currency": "usd"}',
      '{"\\ue000": 1e2, "\\ud83d\\ude00": -0.0}',
    ].entries()) {
      const url = "https://api.example.com/refunds";
      const call = { method: "POST", url, tool: "stripe/refund", args };
      const [nonce, jti] = [index === 0 ? undefined : "n", `typescript-${index}`];
      const proof = await prove(tokens[token] ?? "", holder, call, now, nonce, jti);
      proofs.push({ name: `${token}, ${args}`, token, proof, args, nonce: nonce ?? null });
    }
  }
  const text = JSON.stringify({ tokens, proofs }, null, 1);
  writeFileSync(join(directory, "made-by-typescript.json"), `${text}\n`);
}

if (mode === "--write") await write();
for (const test of [testGrants, testNarrowings, testDecisions, testProofs, testRefusals]) {
  console.log(`${test.name}: ${await test()} vectors`);
}
