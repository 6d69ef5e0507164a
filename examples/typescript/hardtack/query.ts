/** One query of a check, or the body of a rule: the predicates and expressions of one grant. */

import * as v from "./values.js";
import { fail } from "./values.js";

const PREDICATES_MAX = 24;
const OPERATIONS_MAX = 128;

/** A string of Datalog. Biscuit's parser knows three escapes and takes all else as it is. */
export function quoted(text: string): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `"${escaped}"`;
}

/** A date of Datalog, from seconds since 1970. */
export function date(secs: bigint | number): string {
  return new Date(Number(secs) * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

/** An expression, how tightly it binds, and how many operations it is. */
export class Expr {
  constructor(
    readonly text: string,
    readonly level = 9,
    readonly ops = 1,
  ) {}

  held(level: number): string {
    return this.level >= level ? this.text : `(${this.text})`;
  }

  call(method: string, to: Expr): Expr {
    return new Expr(`${this.held(9)}.${method}(${to.text})`, 9, this.ops + to.ops + 1);
  }

  compare(sign: string, to: Expr): Expr {
    return new Expr(`${this.held(4)} ${sign} ${to.held(4)}`, 3, this.ops + to.ops + 1);
  }

  and(to: Expr): Expr {
    return this.lazy("&&", 2, to);
  }

  or(to: Expr): Expr {
    return this.lazy("||", 1, to);
  }

  not(): Expr {
    return new Expr(`!${this.held(9)}`, 8, this.ops + 1);
  }

  all(body: Expr): Expr {
    return new Expr(`${this.held(9)}.all($x -> ${body.text})`, 9, this.ops + body.ops + 2);
  }

  isType(name: string): Expr {
    const type = new Expr(`${this.held(9)}.type()`, 9, this.ops + 1);
    return type.compare("==", new Expr(quoted(name)));
  }

  isNull(): Expr {
    return this.compare("==", new Expr("null"));
  }

  private lazy(sign: string, level: number, to: Expr): Expr {
    const text = `${this.held(level)} ${sign} ${to.held(level + 1)}`;
    return new Expr(text, level, this.ops + to.ops + 2);
  }
}

/** Segments from the top; `null` stands for every element, written `*`. */
export type Path = readonly (string | null)[];

/** A path, and how many of its segments may be missing. */
export interface At {
  readonly path: Path;
  readonly optionalTo: number;
}

export const escaped = (name: string) =>
  name === "*" ? "~2" : name.replaceAll("~", "~0").replaceAll("/", "~1");
export const written = (path: Path) =>
  path.map((name) => (name === null ? "*" : escaped(name))).join("/");
const isPattern = (at: At) => at.path.includes(null);
export const every = (at: At): At => ({ path: [...at.path, null], optionalTo: at.optionalTo });

/** A path as it stands in questions, with a mark where it may end early. */
function marked(at: At): string {
  const name = (segment: string | null, index: number) =>
    (segment === null ? "*" : escaped(segment).replaceAll("?", "~3")) +
    (index + 1 === at.optionalTo ? "?" : "");
  return at.path.map(name).join("/");
}

export function comparePaths(one: Path, other: Path): number {
  for (let i = 0; i < Math.min(one.length, other.length); i += 1) {
    const [a, b] = [one[i] ?? null, other[i] ?? null];
    if (a === b) continue;
    return a === null ? -1 : b === null ? 1 : v.compare(a, b);
  }
  return one.length - other.length;
}

/** A path that a grant names. */
export interface Named {
  readonly path: Path;
  /** Whether something has to be there. */
  readonly needed: boolean;
  /** Whether everything below it is free. */
  readonly wholly: boolean;
}

/** Values to compare with: their terms, each once, what kinds they are, in which relation. */
export interface List {
  readonly terms: string[];
  readonly kinds: string[];
  readonly relation: string;
}

/** One query under construction: the same in a check and in a rule. */
export class Query {
  readonly predicates: string[] = [];
  private readonly expressions: Expr[] = [];
  private readonly bound = new Map<string, string[]>();
  /** `x` is the parameter of every closure. */
  private readonly variables = new Set(["x"]);

  constructor(readonly regexes: Set<string>) {}

  text(at: string): string {
    if (this.predicates.length > PREDICATES_MAX) {
      fail(at, `asks for more than ${PREDICATES_MAX} facts`);
    }
    if (this.expressions.reduce((sum, expr) => sum + expr.ops, 0) > OPERATIONS_MAX) {
      fail(at, `takes more than ${OPERATIONS_MAX} operations`);
    }
    return [...this.predicates, ...this.expressions.map((expr) => expr.text)].join(", ");
  }

  call(server: string, names: string[]): void {
    const [only = ""] = names;
    let tool = quoted(only);
    if (names.includes("*") || names.length > 1) {
      tool = this.variable("tool");
      if (!names.includes("*")) {
        this.expressions.push(set(names).call("contains", new Expr(tool)));
      }
    }
    this.predicates.push(`call(${quoted(server)}, ${tool})`);
  }

  /** Refuses names that no path of the arguments runs through, in every object on its way. */
  close(args: readonly Named[]): void {
    interface Rule {
      path: Path;
      optional: boolean;
      allowed: string[];
    }
    const found = new Map<string, Rule>([["", { path: [], optional: false, allowed: [] }]]);
    const wholly = args.filter((named) => named.wholly).map((named) => named.path);
    const opened = new Set(wholly.map((path) => JSON.stringify(path)));
    for (const { path: whole, needed } of args) {
      whole.forEach((segment, depth) => {
        const path = whole.slice(0, depth);
        const key = depth === 0 ? "" : JSON.stringify(path);
        const rule = found.get(key) ?? { path, optional: true, allowed: [] };
        rule.optional &&= !needed && depth > 0;
        if (segment === null) opened.add(JSON.stringify(path));
        else rule.allowed.push(segment);
        found.set(key, rule);
      });
    }
    const isBelow = (path: Path, above: Path) => above.every((name, i) => path[i] === name);
    const closed = [...found.values()].filter(
      ({ path }) =>
        !opened.has(JSON.stringify(path)) &&
        !wholly.some((above) => above.length <= path.length && isBelow(path, above)),
    );
    closed.sort((one, other) => comparePaths(one.path, other.path));
    for (const rule of closed) this.names(rule.path, rule.optional, v.sorted(rule.allowed));
  }

  private names(path: Path, optional: boolean, allowed: string[]): void {
    const within = (names: string) => set(allowed).call("contains", new Expr(names));
    if (path.length === 0) {
      const names = this.variable("names");
      this.predicates.push(`arg_names(${names})`);
      this.expressions.push(within(names));
      return;
    }
    const at = { path, optionalTo: optional ? path.length : 0 };
    const [names] = this.bind("arg_names", at);
    const mayBeNull = optional && !isPattern(at);
    this.expressions.push(mayBeNull ? new Expr(names).isNull().or(within(names)) : within(names));
  }

  subsetOf(at: At, list: List): void {
    if (list.relation === "number" || isPattern(at)) {
      this.bind("arg_count", at);
      this.ask(every(at), list.relation, (x) => oneOf(list, x));
    } else {
      const each = oneOf(list, new Expr("$x"));
      this.ask(at, "arg", (x) => x.isType("set").and(x.all(each)));
    }
  }

  containsAll(at: At, list: List): void {
    const hasAll = (x: Expr) =>
      list.terms.map((term) => x.call("contains", new Expr(term))).reduce((a, b) => a.and(b));
    if (list.relation !== "number") {
      this.ask(at, "arg", (x) => x.isType("set").and(hasAll(x)));
      return;
    }
    const [count] = this.bind("arg_count", at);
    const found = hasAll(new Expr(this.bind("number", every(at))[0]));
    this.expressions.push(at.optionalTo > 0 ? new Expr(count).isNull().or(found) : found);
  }

  /** A predicate without open terms. */
  state(name: string, at: At, rest: string[]): void {
    this.predicates.push(`${name}(${[quoted(marked(at)), ...rest].join(", ")})`);
  }

  /**
   * Asks something of a relation's value: of every element where the path has `*`, and only if
   * there is one where it is optional.
   */
  ask(at: At, relation: string, body: (x: Expr) => Expr, nth: 0 | 1 = 0): void {
    const bound = new Expr(this.bind(relation, at)[nth] ?? "");
    if (isPattern(at)) this.expressions.push(bound.all(body(new Expr("$x"))));
    else if (at.optionalTo > 0) this.expressions.push(bound.isNull().or(body(bound)));
    else this.expressions.push(body(bound));
  }

  /** The variables of a relation's open terms at a place, its predicate added once. */
  bind(relation: string, at: At): [string, string?] {
    const key = `${relation} ${marked(at)}`;
    let bound = this.bound.get(key);
    if (!bound) {
      const isPlain = at.optionalTo === 0 && !isPattern(at);
      const isValue = relation === "arg" || relation === "number";
      const name = isValue && !isPlain ? `${relation}_at` : relation;
      const path = isValue && isPlain ? written(at.path) : marked(at);
      const named = at.path.findLast((segment) => segment !== null) ?? "";
      const hint = /^[a-z][A-Za-z0-9_]{0,31}$/.test(named) ? named : "arg";
      const count = relation === "arg_time" ? 2 : 1;
      bound = Array.from({ length: count }, () => this.variable(hint));
      this.predicates.push(`${name}(${[quoted(path), ...bound].join(", ")})`);
      this.bound.set(key, bound);
    }
    return bound as [string, string?];
  }

  private variable(hint: string): string {
    let name = hint;
    for (let n = 2; this.variables.has(name); n += 1) name = `${hint}${n}`;
    this.variables.add(name);
    return `$${name}`;
  }
}

export function set(texts: string[]): Expr {
  return new Expr(`{${texts.map(quoted).join(", ") || ","}}`);
}

export function oneOf(list: List, x: Expr): Expr {
  const [only = ""] = list.terms;
  if (list.terms.length === 1) return x.compare("==", new Expr(only));
  return new Expr(`[${list.terms.join(", ")}]`).call("contains", x);
}

/** Never true for a kind that the list is not about: a tool might read it as a refused value. */
export function notOneOf(list: List, x: Expr): Expr {
  const none = new Expr(`[${list.terms.join(", ")}]`).call("contains", x).not();
  if (list.relation !== "arg") return none;
  return list.kinds.map((kind) => x.isType(kind)).reduce((a, b) => a.or(b)).and(none);
}
