/**
 * A holder's proof for one call: made and checked with jose.
 *
 * A proof is a DPoP proof (RFC 9449) with two more claims, `tool` and `args`. It is good for one
 * call, at one address, for a minute. Whoever checks one has to remember its `jti` for 70 s, and
 * refuse it the second time; nothing here remembers anything.
 */

import { randomBytes } from "node:crypto";

import canonicalize from "canonicalize";
import { compactVerify, importJWK, SignJWT } from "jose";

import { digest, holders, seal, TokenError, verified } from "./tokens.js";
import type { HolderKey } from "./tokens.js";

const PROOF_BYTES_MAX = 4096;
const AGE_SECS_MAX = 65;
const SKEW_SECS = 5;

/** The one call that a proof is for. `args` is the JSON text of all of its arguments. */
export interface Call {
  readonly method: string;
  readonly url: string;
  readonly tool: string;
  readonly args: string;
}

/** A sealed token and its holder's proof for one call. Both are secrets. */
export interface Presentation {
  readonly token: string;
  readonly proof: string;
}

export const FAULTS = [
  "request-malformed", "unbound", "missing", "too-long", "encoding", "json", "type", "algorithm",
  "critical", "key", "holder", "signature", "method", "uri", "token", "issued-at", "old", "early",
  "id", "nonce", "tool", "args",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Why a proof is refused: one word, as the verdicts of `tests/vectors/proofs.json`. */
export class ProofFault extends Error {
  override name = "ProofFault";

  constructor(readonly fault: Fault) {
    super(fault);
  }
}

function refuse(fault: Fault): never {
  throw new ProofFault(fault);
}

/** The two headers of a call. */
export function headers({ token, proof }: Presentation): Record<string, string> {
  return { Authorization: `DPoP ${token}`, DPoP: proof };
}

/** Seals a bound token and proves that its holder makes this call, now (seconds since 1970). */
export async function present(
  token: string,
  root: string,
  holder: HolderKey,
  call: Call,
  now: number,
  nonce?: string,
): Promise<Presentation> {
  if (!holders(verified(token, root)).at(-1)?.equals(holder.public)) {
    throw new TokenError("the key given is not that of the token's current holder");
  }
  const sealed = seal(token, root);
  return { token: sealed, proof: await prove(sealed, holder, call, now, nonce) };
}

/** The proof alone, for a token that is sealed already. */
export async function prove(
  token: string,
  holder: HolderKey,
  call: Call,
  now: number,
  nonce?: string,
  jti: string = randomBytes(16).toString("base64url"),
): Promise<string> {
  const claims = {
    htm: call.method,
    htu: address(call.url) ?? refuse("uri"),
    iat: now,
    jti,
    ath: digest(token).toString("base64url"),
    tool: call.tool,
    args: argsDigest(call.args),
    ...(nonce === undefined ? {} : { nonce }),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ typ: "dpop+jwt", alg: "EdDSA", jwk: jwk(holder.public) })
    .sign(holder.signer());
}

/**
 * The claims of a proof for this token and call by `holder`, the last of `holders(token)`.
 *
 * Throws `ProofFault`. The rules and their order are those of `src/verify/proof.rs`.
 */
export async function checkProof(
  proof: string | null,
  holder: Buffer | undefined,
  token: string,
  call: Call,
  nowMillis: number,
  nonces: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const args = argsDigest(call.args);
  if (holder === undefined) refuse("unbound");
  if (proof === null) refuse("missing");
  const claims = await signedClaims(proof, holder);
  if (claims["htm"] !== call.method) refuse("method");
  const htu = typeof claims["htu"] === "string" ? address(claims["htu"]) : undefined;
  if (htu === undefined || htu !== address(call.url)) refuse("uri");
  if (claims["ath"] !== digest(token).toString("base64url")) refuse("token");
  const issued = claims["iat"];
  if (typeof issued !== "number" || !Number.isSafeInteger(issued)) refuse("issued-at");
  if (issued < 0) refuse("issued-at");
  if (nowMillis > (issued + AGE_SECS_MAX) * 1000) refuse("old");
  if (issued * 1000 > nowMillis + SKEW_SECS * 1000) refuse("early");
  const { jti, nonce } = claims;
  if (typeof jti !== "string" || !/^[!-~]{1,128}$/.test(jti)) refuse("id");
  if (nonces.length > 0 && !(typeof nonce === "string" && nonces.includes(nonce))) refuse("nonce");
  if (claims["tool"] !== call.tool) refuse("tool");
  if (claims["args"] !== args) refuse("args");
  return claims;
}

async function signedClaims(proof: string, holder: Buffer): Promise<Record<string, unknown>> {
  if (Buffer.byteLength(proof) > PROOF_BYTES_MAX) refuse("too-long");
  const parts = proof.split(".");
  if (parts.length !== 3) refuse("encoding");
  const [rawHeader, rawClaims] = parts.map(decoded) as [Buffer, Buffer, Buffer];
  const header = object(rawHeader);
  if (header["typ"] !== "dpop+jwt") refuse("type");
  if (header["alg"] !== "EdDSA") refuse("algorithm");
  if (Object.hasOwn(header, "crit")) refuse("critical");
  const key = header["jwk"];
  if (typeof key !== "object" || key === null) refuse("key");
  const { kty, crv, x, ...rest } = key as Record<string, unknown>;
  const isKey = kty === "OKP" && crv === "Ed25519" && Object.keys(rest).length === 0;
  if (!isKey || typeof x !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(x)) refuse("key");
  if (x !== jwk(holder).x) refuse("holder");
  try {
    await compactVerify(proof, await importJWK(jwk(holder), "EdDSA"), { algorithms: ["EdDSA"] });
  } catch {
    refuse("signature");
  }
  return object(rawClaims);
}

function jwk(key: Buffer) {
  return { crv: "Ed25519", kty: "OKP", x: key.toString("base64url") };
}

/** SHA-256, in base64url, of the RFC 8785 form of arguments, which are one strict JSON object. */
export function argsDigest(args: string): string {
  const value = strict(args);
  if (!isObject(value)) refuse("request-malformed");
  return digest(canonicalize(value) ?? "").toString("base64url");
}

/** An address without query and fragment, in the form in which two are compared. */
export function address(url: string): string | undefined {
  const found = /^(https?):\/\/([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{0,5}))?(\/[!-~]*)?$/i.exec(
    url.split(/[?#]/)[0] ?? "",
  );
  if (!found) return undefined;
  const [, scheme = "", host = "", digits = "", path = "/"] = found.map((part) => part);
  const port = Number(digits);
  const own = scheme.toLowerCase() === "https" ? 443 : 80;
  const shown = port === 0 || port === own ? "" : `:${port}`;
  return `${scheme.toLowerCase()}://${host.toLowerCase()}${shown}${path}`;
}

/** Base64url without padding, in the one form that says these bytes. */
function decoded(part: string): Buffer {
  const data = Buffer.from(part, "base64url");
  return data.toString("base64url") === part ? data : refuse("encoding");
}

function object(data: Buffer): Record<string, unknown> {
  const text = data.toString();
  const value = Buffer.from(text).equals(data) ? strict(text) : undefined;
  return isObject(value) ? value : refuse("json");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * I-JSON (RFC 7493): no name twice, no number that others read otherwise, whole characters;
 * `undefined` for anything else.
 */
export function strict(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return hasNameTwice(text) || !isPlain(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Whether an object in a text that is known to be JSON has a name twice. */
function hasNameTwice(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : null);
    else if (token === "}" || token === "]") open.pop();
    else if (token.endsWith(":")) {
      const name = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)) as string;
      if (open.at(-1)?.has(name)) return true;
      open.at(-1)?.add(name);
    }
  }
  return false;
}

function isPlain(value: unknown): boolean {
  if (typeof value === "string") return !/\p{Surrogate}/u.test(value);
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([name, inner]) => isPlain(name) && isPlain(inner));
}
