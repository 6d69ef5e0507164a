/**
 * Grants, the language that people use, as Biscuit Datalog in Hardtack's vocabulary.
 *
 * Takes what `JSON.parse` gives. The same grants give the same text as in Rust, to the letter;
 * `tests/vectors/grants.json` holds both to that.
 */

import { comparePaths, date, every, Expr, notOneOf, oneOf, Query } from "./query.js";
import { quoted, set, written } from "./query.js";
import type { At, List, Path } from "./query.js";
import * as v from "./values.js";
import { fail } from "./values.js";

export { GrantError } from "./values.js";

const GRANTS_MAX = 32;
const RULES_MAX = 64;
const QUERIES_MAX = 32;
const REGEXES_MAX = 8;
const SEGMENTS_MAX = 16;
const PATH_BYTES_MAX = 256;

/** The check of a later block that leaves only the calls of these grants. */
export function check(grants: unknown): string {
  const bodies = bodiesOf(grants, QUERIES_MAX).map(([, body]) => body);
  return `check if ${bodies.join(" or ")}`;
}

/** The rules of block 0 that permit the calls of these grants. */
export function rules(grants: unknown): string[] {
  return bodiesOf(grants, RULES_MAX).map(([index, body]) => `granted(${index}) <- ${body}`);
}

/** One thing asked of an argument: its name in the language, and how a query asks it. */
interface Test {
  readonly name: string;
  /** How many levels of elements it looks into. */
  readonly levels: number;
  /** What it compares with, if it is a bound. */
  readonly bound?: bigint;
  ask(query: Query, at: At): void;
}

interface Constraint {
  readonly path: Path;
  readonly optional: boolean;
  readonly tests: readonly Test[];
}

type Members = Record<string, unknown>;

const namedBy = (constraint: Constraint) => ({
  path: constraint.path,
  needed: !constraint.optional && !has(constraint, "any", "absent"),
  wholly: has(constraint, "any", "present"),
});
const has = (constraint: Constraint, ...names: string[]) =>
  constraint.tests.some((test) => names.includes(test.name));

// ---- Reading

function bodiesOf(value: unknown, most: number): [number, string][] {
  const isGrants = isMembers(value) && Object.keys(value).join() === "grants";
  const grants = isGrants ? value["grants"] : isMembers(value) ? [value] : value;
  if (!Array.isArray(grants) || grants.length < 1 || grants.length > GRANTS_MAX) {
    fail("grants", `is not an array of 1 to ${GRANTS_MAX} grants`);
  }
  const regexes = new Set<string>();
  const bodies = grants.flatMap((grant: unknown, index) => {
    const at = `grants[${index}]`;
    return queriesOf(grant, at, regexes).map((query): [number, string] => [index, query.text(at)]);
  });
  if (bodies.length > most || regexes.size > REGEXES_MAX) {
    fail("grants", `needs more than ${most} queries, or ${REGEXES_MAX} regular expressions`);
  }
  return bodies;
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function members(value: unknown, at: string): Members {
  return isMembers(value) ? value : fail(at, "is not an object");
}

/** One query for each server that the grant names. */
function queriesOf(value: unknown, at: string, regexes: Set<string>): Query[] {
  const grant = members(value, at);
  const known = ["tool", "tools", "server", "labels", "args", "other_args"];
  for (const name of Object.keys(grant)) {
    if (!known.includes(name)) {
      fail(`${at}.${name}`, "is not a field of a grant, or does not work yet");
    }
  }
  const named = ["tool", "tools", "server"].filter((name) => Object.hasOwn(grant, name));
  if (named.length !== 1) fail(at, "needs one of `tool`, `tools`, and `server` with `labels`");
  const { other_args: others = "deny" } = grant;
  if (others !== "allow" && others !== "deny") {
    fail(`${at}.other_args`, "is neither `allow` nor `deny`");
  }
  const hasArgs = Object.hasOwn(grant, "args");
  if ((named[0] === "server" && !("labels" in grant)) || (others === "allow" && !hasArgs)) {
    fail(at, "has `server` without `labels`, or `other_args` without `args`");
  }
  const tools = toolsOf(grant, at);
  const labels = "labels" in grant ? v.array(grant["labels"], `${at}.labels`) : [];
  const labelTexts = v.sorted(labels.map((label) => v.nonempty(label, `${at}.labels`)));
  const args = hasArgs ? argumentsOf(grant["args"], `${at}.args`) : undefined;
  return v.sorted(tools.map(([server]) => server)).map((server) => {
    const query = new Query(regexes);
    query.call(server, v.sorted(tools.filter(([s]) => s === server).map(([, name]) => name)));
    query.predicates.push(...labelTexts.map((label) => `label(${quoted(label)})`));
    for (const { path, optional, tests } of args ?? []) {
      const at = { path, optionalTo: optional ? path.length : 0 };
      for (const test of tests) test.ask(query, at);
    }
    if (args && others === "deny") query.close(args.map(namedBy));
    return query;
  });
}

function toolsOf(grant: Members, at: string): [string, string][] {
  if ("tools" in grant) {
    return v.array(grant["tools"], `${at}.tools`).map((tool) => toolOf(tool, `${at}.tools`));
  }
  if ("tool" in grant) return [toolOf(grant["tool"], `${at}.tool`)];
  return [toolOf(`${v.text(grant["server"], `${at}.server`)}/*`, `${at}.server`)];
}

function toolOf(value: unknown, at: string): [string, string] {
  const [, server = "", name = ""] = /^([^/]*)\/(.*)$/s.exec(v.text(value, at)) ?? [];
  const isPart = (part: string) => /^[!#-)+-\[\]-~]{1,128}$/.test(part);
  if (!isPart(server) || !(name === "*" || isPart(name))) {
    fail(at, "is not of the form `server/tool` in plain ASCII");
  }
  return [server, name];
}

function argumentsOf(value: unknown, at: string): Constraint[] {
  const args = new Map<string, Constraint>();
  for (const [name, inner] of Object.entries(members(value, at))) {
    const here = `${at}.${name}`;
    const path = pathOf(name, here);
    const key = written(path);
    if (args.has(key)) fail(here, "is another spelling of a path that stands here too");
    const constraint = constraintOf(inner, path, here);
    const levels = Math.max(0, ...constraint.tests.map((test) => test.levels));
    const bytes = Buffer.byteLength(key) + 2 * levels;
    if (path.length + levels > SEGMENTS_MAX || bytes > PATH_BYTES_MAX) {
      fail(here, "looks too many levels deep");
    }
    args.set(key, constraint);
  }
  return [...args.values()].sort((one, other) => comparePaths(one.path, other.path));
}

function pathOf(name: string, at: string): Path {
  v.wellFormed(name, at);
  if (name === "" || Buffer.byteLength(name) > PATH_BYTES_MAX || /\p{Cc}/u.test(name)) {
    fail(at, "is empty, longer than 256 bytes, or holds control characters");
  }
  if (/~(?![012])/.test(name) || name.split("/").length > SEGMENTS_MAX) {
    fail(at, "has a `~` that is none of `~0`, `~1`, `~2`, or more than 16 segments");
  }
  const plain = (mark: string) => (mark === "~0" ? "~" : mark === "~1" ? "/" : "*");
  const path = name.split("/").map((s) => (s === "*" ? null : s.replace(/~[012]/g, plain)));
  if (path[0] === null) fail(at, "begins with `*`");
  return path;
}

function flag(fields: Members, name: string, at: string): boolean {
  const value = Object.hasOwn(fields, name) ? fields[name] : false;
  return typeof value === "boolean"
    ? value
    : fail(`${at}.${name}`, "is neither `true` nor `false`");
}

function constraintOf(value: unknown, path: Path, at: string): Constraint {
  const fields = members(value, at);
  const optional = flag(fields, "optional", at);
  const tests = testsOf(fields, at, { every: path.includes(null), inside: false });
  const constraint = { path, optional, tests };
  if (tests.length === 0) fail(at, 'asks nothing; write `{"any": true}` to allow any value');
  if (has(constraint, "any", "absent") && (tests.length > 1 || optional)) {
    fail(at, "has `any` or `absent` beside something else");
  }
  if (optional && has(constraint, "present")) fail(at, "is both `present` and `optional`");
  return constraint;
}

/** Where tests stand: below `*` or inside `each`, and inside `each`. */
interface Place {
  readonly every: boolean;
  readonly inside: boolean;
}

function testsOf(fields: Members, at: string, place: Place): Test[] {
  const modifiers = { ignoreCase: flag(fields, "ignore_case", at), bare: flag(fields, "bare", at) };
  const names = Object.keys(fields);
  if (place.inside && names.includes("optional")) fail(at, "has `optional` inside `each`");
  const tests = names
    .filter((name) => !["optional", "ignore_case", "bare"].includes(name))
    .flatMap((name) => testOf(name, fields[name], `${at}.${name}`, place, modifiers));
  const found = (...wanted: string[]) => tests.some((test) => wanted.includes(test.name));
  if (names.includes("ignore_case") && !found("one_of", "not_one_of")) {
    fail(at, "has `ignore_case` without `eq`, `one_of` or `not_one_of`");
  }
  if (names.includes("bare") && !found("host", "scheme", "public_host")) {
    fail(at, "has `bare` without `scheme`, `host` or `public_host`");
  }
  if (names.includes("on") && (names.includes("after") || names.includes("before"))) {
    fail(at, "has `on` beside `after` or `before`, which it is short for");
  }
  const bound = (name: string) => tests.find((test) => test.name === name)?.bound;
  for (const [low, high] of [["min", "max"], ["after", "before"], ["min_items", "max_items"]]) {
    const [from, to] = [bound(low as string), bound(high as string)];
    if (from !== undefined && to !== undefined && from > to) {
      fail(at, "has a lower bound above its upper bound");
    }
  }
  return tests;
}

const BOUNDS: Record<string, [string, string]> = {
  min: ["number", ">="],
  max: ["number", "<="],
  max_length: ["arg_length", "<="],
  min_items: ["arg_count", ">="],
  max_items: ["arg_count", "<="],
};
const TEXTS: Record<string, string> = {
  prefix: "starts_with",
  suffix: "ends_with",
  contains: "contains",
  matches: "matches",
};

function testOf(
  name: string,
  value: unknown,
  at: string,
  place: Place,
  { ignoreCase, bare }: { ignoreCase: boolean; bare: boolean },
): Test[] {
  const test = (ask: Test["ask"], more: Partial<Test> = {}): Test[] => [
    { name, levels: 0, ...more, ask },
  ];
  if (name === "eq" || name === "one_of" || name === "not_one_of") {
    const list = scalars(name === "eq" ? [value] : v.array(value, at), at, ignoreCase);
    const body = name === "not_one_of" ? notOneOf : oneOf;
    const ask: Test["ask"] = (query, here) => query.ask(here, list.relation, (x) => body(list, x));
    return test(ask, { name: name === "eq" ? "one_of" : name });
  }
  if (Object.hasOwn(BOUNDS, name)) {
    const [relation, sign] = BOUNDS[name] as [string, string];
    const bound = relation === "number" ? v.micros(value, at) : v.count(value, at);
    const to = new Expr(String(bound));
    return test((query, here) => query.ask(here, relation, (x) => x.compare(sign, to)), { bound });
  }
  if (Object.hasOwn(TEXTS, name)) {
    const text = name === "matches" ? v.regex(value, at) : v.nonempty(value, at);
    const [method, operand] = [TEXTS[name] as string, new Expr(quoted(text))];
    return test((query, here) => {
      if (name === "matches") query.regexes.add(text);
      query.ask(here, "arg", (x) => x.isType("string").and(x.call(method, operand)));
    });
  }
  if (name === "after" || name === "before" || name === "on") {
    const [first, last] = v.moment(value, at);
    const from = new Expr(date(first));
    const to = new Expr(date(last));
    const after = (query: Query, here: At) =>
      query.ask(here, "arg_time", (x) => x.compare(">=", from));
    const before = (query: Query, here: At) =>
      query.ask(here, "arg_time", (x) => x.compare("<=", to), 1);
    return [
      ...(name === "before" ? [] : test(after, { name: "after", bound: first })),
      ...(name === "after" ? [] : test(before, { name: "before", bound: last })),
    ];
  }
  if (["present", "absent", "any", "public_host"].includes(name)) {
    if (value !== true) fail(at, "can only be `true`");
    const rest = name === "public_host" && bare ? [quoted("bare")] : [];
    return test((query, here) => name === "any" || query.state(`arg_${name}`, here, rest));
  }
  if (v.ORACLES.has(name)) {
    const items = typeof value === "string" ? [value] : v.array(value, at);
    const constants = v.sorted(items.map((item) => v.constant(name, v.nonempty(item, at), at)));
    const [only = ""] = constants;
    const rest = [constants.length === 1 ? quoted(only) : set(constants).text];
    if (bare && (name === "host" || name === "scheme")) rest.push(quoted("bare"));
    return test((query, here) => query.state(`arg_${name}`, here, rest));
  }
  if (name === "subset_of" || (name === "contains_all" && !place.every)) {
    const list = scalars(v.array(value, at), at, false);
    const ask: Test["ask"] = (query, here) =>
      name === "subset_of" ? query.subsetOf(here, list) : query.containsAll(here, list);
    return test(ask, { levels: 1 });
  }
  if (name === "each") {
    const inner = testsOf(members(value, at), at, { every: true, inside: true });
    if (inner.length === 0 || inner.some((one) => one.name === "absent" || one.name === "any")) {
      fail(at, "asks nothing of an element");
    }
    const ask: Test["ask"] = (query, here) => {
      query.bind("arg_count", here);
      for (const one of inner) one.ask(query, every(here));
    };
    return test(ask, { levels: 1 + Math.max(...inner.map((one) => one.levels)) });
  }
  return fail(at, "is not a constraint, does not work here, or does not work yet");
}

function scalars(items: unknown[], at: string, ignoreCase: boolean): List {
  const read = items.map((item): string | number | boolean => {
    if (typeof item === "string") return v.text(item, at);
    if (typeof item === "boolean") return item;
    if (typeof item === "number") return v.decimal(item, at);
    return fail(at, "holds something that is no text, number or boolean");
  });
  const numbers = read.filter((item) => typeof item === "number");
  const isDecimal =
    numbers.length === read.length && numbers.every((n) => v.inMicros(n) !== undefined);
  if (!isDecimal && !numbers.every(Number.isInteger)) {
    fail(at, "mixes a number with a fraction with others, or has more than six decimals");
  }
  if (ignoreCase && !read.every((item) => typeof item === "string" && isPlainCase(item))) {
    fail(at, "has `ignore_case` for other values than texts, or for letters such as `ß`");
  }
  const term = (item: string | number | boolean) => {
    if (typeof item === "string") return quoted(ignoreCase ? item.toLowerCase() : item);
    return String(typeof item === "number" && isDecimal ? v.inMicros(item) : item);
  };
  const kinds: Record<string, string> = { string: "string", boolean: "bool", number: "integer" };
  const relation = ignoreCase ? "arg_lower" : isDecimal ? "number" : "arg";
  return {
    terms: [...new Set(read.map(term))],
    kinds: v.sorted(read.map((item) => kinds[typeof item] as string)),
    relation,
  };
}

function isPlainCase(text: string): boolean {
  return text.toUpperCase().toLowerCase() === text.toLowerCase();
}
