/**
 * The values inside a constraint: numbers, dates, regular expressions, constants of oracles.
 *
 * What this file takes, every verifier takes, but for a regular expression that compiles to too
 * much: that is for the verifier to say. It is stricter than the Rust crate where judging takes more
 * than a few lines: constants of oracles are plain ASCII, an address as a `host` is plain IPv4, and a
 * regular expression has the constructs of `REGEX` alone.
 */

import { isIPv4, isIPv6 } from "node:net";

const COLLECTION_MAX = 1024;
const REGEX_BYTES_MAX = 256;
const CONSTANT_BYTES_MAX = 4096;
const COUNT_MAX = 2 ** 32 - 1;
const MICROS_MAX = 2n ** 63n;

/** Why a grant is refused: the field, and what is wrong with it. */
export class GrantError extends Error {
  override name = "GrantError";
}

export function fail(at: string, why: string): never {
  throw new GrantError(`\`${at}\`: ${why}`);
}

/** The order of UTF-8, which is that of code points; JavaScript's own is by UTF-16 units. */
export function compare(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

export function sorted(texts: Iterable<string>): string[] {
  return [...new Set(texts)].sort(compare);
}

export function array(value: unknown, at: string): unknown[] {
  if (!Array.isArray(value)) fail(at, "is not an array");
  if (value.length < 1 || value.length > COLLECTION_MAX) {
    fail(at, `is empty, or holds more than ${COLLECTION_MAX} values`);
  }
  return value;
}

export function text(value: unknown, at: string): string {
  if (typeof value !== "string") fail(at, "is not a string");
  if (value.startsWith("$list:")) {
    fail(at, "is reserved for a later version and does not work yet");
  }
  return wellFormed(value, at);
}

export function wellFormed(value: string, at: string): string {
  if (/\p{Surrogate}/u.test(value)) fail(at, "holds half of a surrogate pair");
  return value;
}

export function nonempty(value: unknown, at: string): string {
  return text(value, at) || fail(at, "is empty");
}

/** A number by its decimal value, as I-JSON (RFC 7493) has it. */
export function decimal(value: unknown, at: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) fail(at, "is not a finite number");
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    fail(at, `is an integer beyond ±${Number.MAX_SAFE_INTEGER}`);
  }
  return value;
}

/** The number in millionths, exactly, where that is a whole number of 64 bits. */
export function inMicros(number: number): bigint | undefined {
  const [, sign, whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(number)) ?? [];
  const digits = BigInt(sign + whole + fraction);
  const shift = Number(exponent) - fraction.length + 6;
  const unit = 10n ** BigInt(Math.abs(shift));
  if (shift < 0 && digits % unit !== 0n) return undefined;
  const micros = shift < 0 ? digits / unit : digits * unit;
  return -MICROS_MAX <= micros && micros < MICROS_MAX ? micros : undefined;
}

export function micros(value: unknown, at: string): bigint {
  return (
    inMicros(decimal(value, at)) ??
    fail(at, "has more than six decimals, or is beyond ±9223372036854")
  );
}

export function count(value: unknown, at: string): bigint {
  const found = decimal(value, at);
  if (!Number.isInteger(found) || found < 0 || found > COUNT_MAX) {
    fail(at, `is not a count from 0 to ${COUNT_MAX}`);
  }
  return BigInt(found);
}

const MOMENT =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.0+)?(?=.))?([Zz]|[+-]\d\d:\d\d)?$/;
const SECONDS_MAX = 253_402_300_799;

/** The first and the last second, since 1970, of an RFC 3339 instant or a date. */
export function moment(value: unknown, at: string): [bigint, bigint] {
  const found = MOMENT.exec(text(value, at));
  if (!found) fail(at, "is neither an RFC 3339 instant in whole seconds nor a date");
  const [, year, month, day, hour = "00", minute = "00", second = "00", zone = "Z"] = found;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const local = new Date(iso);
  // A month of thirty days has no thirty-first, and no day an hour 24.
  if (Number.isNaN(local.getTime()) || local.toISOString() !== iso) {
    fail(at, "is no moment of the calendar");
  }
  let offset = 0;
  if (zone.length === 6) {
    const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4))];
    if (hours > 23 || minutes > 59) fail(at, "has no offset of a time zone");
    offset = (zone[0] === "-" ? -60 : 60) * (hours * 60 + minutes);
  }
  const first = local.getTime() / 1000 - offset;
  const last = first + (found[4] === undefined ? 86_399 : 0);
  if (first < 0 || last > SECONDS_MAX) fail(at, "is before 1970 or after 9999");
  return [BigInt(first), BigInt(last)];
}

const QUANTITY = String.raw`(?:(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??)?`;
const ESCAPE = String.raw`\\[\^$.*+?()\[\]{}|\/\\-]`;
const ITEM = String.raw`(?:[A-Za-z0-9]-[A-Za-z0-9]|[^\\\[\]^&~\-]|\\[dws]|${ESCAPE})`;
const ATOM = String.raw`(?:[^\\^$.*+?()\[\]{}\|]|\.|\\[dwsDWS]|${ESCAPE}|\[\^?${ITEM}+-?\]|\))`;
const REGEX = new RegExp(String.raw`^(?:${ATOM}${QUANTITY}|\((?:\?:)?|\|)*$`, "u");
const CLASSES: Record<string, string> = { d: "0-9", w: "0-9A-Za-z_", s: "\\t\\n\\f\\r\\x20" };

/**
 * A regular expression as the one that stands in the Datalog: of the whole value, with `\d`, `\w`
 * and `\s` written out in ASCII, as RE2 means them.
 */
export function regex(value: unknown, at: string): string {
  const source = nonempty(value, at);
  if (!REGEX.test(source)) {
    fail(at, "has a construct that this helper does not judge; `^` and `$` are not needed");
  }
  try {
    new RegExp(source);
  } catch {
    fail(at, "is not a regular expression");
  }
  let [written, brackets, escaped] = ["", 0, false];
  for (const c of source) {
    const inside = escaped ? CLASSES[c.toLowerCase()] : undefined;
    if (inside !== undefined) {
      written += brackets > 0 ? inside : `[${c === c.toUpperCase() ? "^" : ""}${inside}]`;
    } else if (escaped) {
      written += `\\${c}`;
    } else if (c !== "\\") {
      brackets += c === "[" ? 1 : c === "]" ? -1 : 0;
      written += c;
    }
    escaped = c === "\\" && !escaped;
  }
  const whole = `\\A(?:${written})\\z`;
  if (Buffer.byteLength(whole) > REGEX_BYTES_MAX) {
    fail(at, `is longer than ${REGEX_BYTES_MAX - 8} bytes, its classes written out`);
  }
  return whole;
}

const PORT = String.raw`(?::([1-9]\d{0,4}))?`;
const LABEL = "(?![Xx][Nn]--)[A-Za-z0-9_-]{1,63}";
const NAME = String.raw`(?=.{1,253}(?:$|:))(?:${LABEL}\.)*(?=[A-Za-z])${LABEL}`;
const WORD = "[A-Za-z0-9_.+@,=-]+";
const SEGMENT = `(?=[^/]*[A-Za-z0-9_])${WORD}(?: ${WORD})*`;
const CONSTANTS: Record<string, string> = {
  under: String.raw`\.|/|/?${SEGMENT}(?:/${SEGMENT})*`,
  glob: String.raw`(?:[A-Za-z0-9_.+@,=: /*?-]|\[[!^]?(?:[A-Za-z0-9_.](?:-[A-Za-z0-9_.])?)+\])+`,
  cidr: String.raw`[0-9A-Fa-f:.]+(?:/\d{1,3})?`,
  host: String.raw`(?:\*\.)?${NAME}${PORT}|(?:\d{1,3}\.){3}\d{1,3}${PORT}`,
  scheme: "https?|wss?|ftp",
  domain: String.raw`(?:\*\.)?${NAME}`,
  command: "(?!-)(?=.*[A-Za-z0-9])[A-Za-z0-9_./:,@+-]+",
};

/** The questions that a gateway answers by reading a text as its target would. */
export const ORACLES: ReadonlySet<string> = new Set([...Object.keys(CONSTANTS), "public_host"]);

/** A constant that an oracle is asked about. */
export function constant(oracle: string, value: string, at: string): string {
  const found = new RegExp(`^(?:${CONSTANTS[oracle]})$`).exec(value);
  if (!found || value.length > CONSTANT_BYTES_MAX) {
    fail(at, `is no constant of \`${oracle}\`, or one that this helper does not judge`);
  }
  if (oracle === "cidr" && !isNetwork(value)) {
    fail(at, "is neither an address nor a network without bits beyond its prefix");
  }
  if (oracle === "host") {
    const [address = ""] = value.split(":");
    const badPort = found.slice(1).some((port) => Number(port ?? 0) > 65_535);
    if (badPort || (/^[\d.]+$/.test(address) && !isIPv4(address))) {
      fail(at, "is no address, or has no port");
    }
  }
  if (oracle === "glob") {
    const classes = [...value.matchAll(/\[[!^]?([^\]]*)\]/g)].map(([, inside]) => inside);
    const ranges = [...classes.join("").matchAll(/(.)-(.)/g)];
    if (value.length > REGEX_BYTES_MAX || ranges.some(([, low = "", high = ""]) => low > high)) {
      fail(at, `is longer than ${REGEX_BYTES_MAX} bytes, or has a range that goes down`);
    }
    if (value.split("/").some((segment) => segment === "." || segment === "..")) {
      fail(at, "has a segment `.` or `..`, which no value that matches has");
    }
  }
  return value;
}

function isNetwork(value: string): boolean {
  const [address = "", prefix] = value.split("/");
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : 0;
  const length = prefix === undefined ? bits : Number(prefix);
  if (bits === 0 || length > bits) return false;
  const number = addressNumber(address);
  const mapped = bits === 128 && length >= 96 && number >> 32n === 0xffffn;
  return !mapped && number % (1n << BigInt(bits - length)) === 0n;
}

/** An address as a number; it is known to be one. */
function addressNumber(address: string): bigint {
  const join = (parts: number[], base: bigint) =>
    parts.reduce((sum, part) => sum * base + BigInt(part), 0n);
  const octets = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const low = octets ? join(octets.slice(1).map(Number), 256n) : undefined;
  if (octets && low !== undefined && !address.includes(":")) return low;
  // A dotted end stands for two groups.
  const groups = octets ? address.replace(octets[0], "0:0") : address;
  const [head = "", tail] = groups.split("::");
  const read = (text: string) => (text === "" ? [] : text.split(":").map((g) => parseInt(g, 16)));
  const [first, last] = [read(head), read(tail ?? "")];
  const gap = Array<number>(8 - first.length - last.length).fill(0);
  return join([...first, ...gap, ...last], 65_536n) + (low ?? 0n);
}
