/**
 * A request as facts of Hardtack's vocabulary, for Biscuit's own authorizer.
 *
 * These are the plain facts alone. What a token asks about an argument by a pattern, and all
 * oracles (`under`, `host`, `cidr` …), are for a gateway to answer: a check that asks for them fails
 * here.
 *
 * This is no guard: it knows no revocations, limits or canonical encoding, and a token that
 * says `reject if` of what is not answered here passes. It is for tests, and for agents that want to
 * know beforehand what their own token allows.
 */

import type { Biscuit } from "@biscuit-auth/biscuit-wasm";

import { biscuit, patiently } from "./biscuit.js";
import { argsDigest, strict } from "./proofs.js";
import { date, escaped, quoted } from "./query.js";
import { holders } from "./tokens.js";
import { inMicros, sorted } from "./values.js";

const VERSION = "1";

/** One call, as a gateway sees it. `args` is the JSON text of all of its arguments. */
export interface Request {
  readonly tool: string;
  readonly args: string;
  readonly now: Date;
  readonly audience: string;
  readonly labels: readonly string[];
}

/** What is said of one call: of its arguments, every one. */
export function facts({ tool, args, now, audience, labels }: Request): string[] {
  const [server = "", ...name] = tool.split("/");
  const digest = Buffer.from(argsDigest(args), "base64url").toString("hex");
  const members = Object.entries(strict(args) as Record<string, unknown>);
  const names = sorted(members.map(([key]) => key)).map(quoted).join(", ") || ",";
  return [
    `call(${quoted(server)}, ${quoted(name.join("/"))})`,
    `time(${date(Math.floor(now.getTime() / 1000))})`,
    `weekday(${now.getUTCDay() || 7})`,
    `minute_of_day(${now.getUTCHours() * 60 + now.getUTCMinutes()})`,
    `audience(${quoted(audience)})`,
    ...sorted(labels).map((label) => `label(${quoted(label)})`),
    `args_digest(hex:${digest})`,
    `arg_names({${names}})`,
    ...members.flatMap(([key, value]) => argument(escaped(key), value)),
  ];
}

/** Whether a token allows what is said of a call; `holders` must not refuse it. */
export function allows(token: Biscuit, said: readonly string[]): boolean {
  const keys = holders(token);
  const hops = keys.length > 0 ? keys.length - 1 : token.countBlocks() - 1;
  const bearing = keys.slice(-1).map((key) => `presenter(hex:${key.toString("hex")})`);
  const code = [...said, `depth(${hops})`, ...bearing, "allow if granted($grant)"];
  const authorizer = () => {
    const builder = new biscuit.AuthorizerBuilder();
    builder.addCode(code.map((statement) => `${statement};\n`).join(""));
    return builder.buildAuthenticated(token);
  };
  const rule = biscuit.Rule.fromString("version($v) <- hardtack($v)");
  const versions = patiently((limits) => authorizer().queryWithLimits(rule, limits));
  try {
    patiently((limits) => authorizer().authorizeWithLimits(limits));
  } catch (error) {
    if (!isDenial(error)) throw error;
    return false;
  }
  return versions.map((fact) => String(fact.terms())).join() === VERSION;
}

/** What biscuit-wasm throws where a check, a policy or an expression fails. */
function isDenial(error: unknown): boolean {
  const isObject = typeof error === "object" && error !== null;
  return isObject && ("FailedLogic" in error || "Execution" in error);
}

function argument(path: string, value: unknown): string[] {
  const at = quoted(path);
  if (Array.isArray(value)) {
    const terms = value.map(term);
    const members = [...new Set(terms)].join(", ") || ",";
    return [
      ...value.flatMap((inner: unknown, index) => argument(`${path}/${index}`, inner)),
      ...(terms.includes(undefined) ? [] : [`arg(${at}, {${members}})`]),
    ];
  }
  if (typeof value === "object" && value !== null) {
    const inside = Object.entries(value);
    return inside.flatMap(([name, inner]) => argument(`${path}/${escaped(name)}`, inner));
  }
  const plain = term(value);
  const micros = typeof value === "number" ? inMicros(value) : undefined;
  return [
    ...(plain === undefined ? [] : [`arg(${at}, ${plain})`]),
    ...(micros === undefined ? [] : [`number(${at}, ${micros})`]),
  ];
}

/** A scalar as a term; numbers with a fraction have none. */
function term(value: unknown): string | undefined {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : undefined;
  return value === null || typeof value === "boolean" ? String(value) : undefined;
}

