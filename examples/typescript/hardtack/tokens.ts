/**
 * What a holder does with a token, offline: narrow it, hand it on, seal it for a call.
 *
 * biscuit-wasm needs the public root key for that, because it verifies what it reads.
 */

import { createHash, createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from "node:fs";

import type { Biscuit, Fact, PublicKey } from "@biscuit-auth/biscuit-wasm";

import { biscuit, patiently } from "./biscuit.js";
import { check } from "./grants.js";
import { date, quoted } from "./query.js";
import { sorted } from "./values.js";

const BLOCKS_MAX = 16;
const NAME_BYTES_MAX = 512;
const PRIVATE = /^ed25519-holder-private\/([0-9a-fA-F]{64})$/;
const PUBLIC = /^(?:ed25519\/)?([0-9a-fA-F]{64})$/;
/** What goes before 32 bytes to make PKCS #8 of them (RFC 8410). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** Why nothing can be done with a token. No message holds token bytes or key material. */
export class TokenError extends Error {
  override name = "TokenError";
}

/** A holder's key: hands tokens on and signs proofs. Nothing prints the private half. */
export class HolderKey {
  readonly #seed: Buffer;
  /** The public half, 32 bytes. */
  readonly public: Buffer;

  constructor(seed: Buffer) {
    if (seed.length !== 32) throw new TokenError("a holder's private key has 32 bytes");
    this.#seed = seed;
    const { x } = createPublicKey(this.signer()).export({ format: "jwk" });
    this.public = Buffer.from(x ?? "", "base64url");
  }

  static generate(): HolderKey {
    return new HolderKey(randomBytes(32));
  }

  /** Reads the file that `hardtack key new --holder` and `write` make. */
  static read(path: string): HolderKey {
    const file = openSync(path, "r");
    try {
      // Asked of the open file, so that it cannot be swapped in between.
      if (process.platform !== "win32" && fstatSync(file).mode & 0o077) {
        throw new TokenError(`\`${path}\` can be read by others: run \`chmod 600\` on it first`);
      }
      return HolderKey.parse(readFileSync(file, "ascii"));
    } finally {
      closeSync(file);
    }
  }

  static parse(text: string): HolderKey {
    const [, hex] = PRIVATE.exec(text.trim()) ?? [];
    if (hex === undefined) {
      throw new TokenError(
        "a holder's private key is `ed25519-holder-private/` and 64 hexadecimal digits",
      );
    }
    return new HolderKey(Buffer.from(hex, "hex"));
  }

  /** Writes the key to a new file that only its owner can read. */
  write(path: string): void {
    const text = `ed25519-holder-private/${this.#seed.toString("hex")}\n`;
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
  }

  signer(): KeyObject {
    const key = Buffer.concat([PKCS8, this.#seed]);
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  }

  toBiscuit() {
    return biscuit.PrivateKey.fromBytes(this.#seed, biscuit.SignatureAlgorithm.Ed25519);
  }
}

export function publicText(key: Buffer): string {
  return `ed25519/${key.toString("hex")}`;
}

/** The bytes of a public key that is written `ed25519/` and 64 hexadecimal digits. */
export function publicKey(text: string): Buffer {
  const [, hex] = PUBLIC.exec(text.trim()) ?? [];
  if (hex === undefined) {
    throw new TokenError("a public key is `ed25519/` and 64 hexadecimal digits");
  }
  const key = Buffer.from(hex, "hex");
  toBiscuit(key);
  return key;
}

function toBiscuit(key: Buffer): PublicKey {
  return attempt("the bytes are no public key", () =>
    biscuit.PublicKey.fromBytes(key, biscuit.SignatureAlgorithm.Ed25519),
  );
}

/** Runs something of biscuit-wasm, which throws plain objects that may hold what it read. */
function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch {
    throw new TokenError(what);
  }
}

/** The token, if its signatures lead to the root key. */
export function verified(token: string, root: string): Biscuit {
  const key = toBiscuit(publicKey(root));
  const what = "the token is not one of this root key";
  return attempt(what, () => biscuit.Biscuit.fromBase64(token.trim(), key));
}

/**
 * The keys that have held a token, its current holder last; none for a bearer token.
 *
 * A block moves the token on if the holder at that point has signed it. Throws `TokenError` where
 * any block says `delegate` otherwise: then every verifier refuses the token.
 */
export function holders(token: Biscuit): Buffer[] {
  const wrong = new TokenError("the token's blocks do not hand it on from holder to holder");
  const moves: string[] = [];
  const keys: Buffer[] = [];
  let found = query(token, "holder($key) <- holder($key)");
  while (found[0] && moves.length <= BLOCKS_MAX) {
    const [bytes] = found[0].terms() as unknown[];
    const key = Array.isArray(bytes) ? Buffer.from(bytes) : Buffer.alloc(0);
    if (found.length > 1 || key.length !== 32 || keys.some((one) => one.equals(key))) throw wrong;
    moves.push(`${found[0].toString()};`);
    keys.push(key);
    const scope = `trusting ${publicText(key)}`;
    found = query(token, `delegate($key, $name) <- delegate($key, $name) ${scope}`);
  }
  // Whatever else is said of it, in another order or by somebody else, stands in its block too.
  const blocks = Array.from({ length: token.countBlocks() }, (_, i) => token.getBlockSource(i));
  const said = blocks.flatMap((source, block) => {
    const words = block === 0 ? ["delegate(", "holder("] : ["delegate("];
    return source.split("\n").filter((line) => words.some((word) => line.startsWith(word)));
  });
  if (said.join("\n") !== moves.join("\n")) throw wrong;
  return keys;
}

function query(token: Biscuit, rule: string): Fact[] {
  return attempt("the token cannot be read", () =>
    patiently((limits) => {
      const authorizer = new biscuit.AuthorizerBuilder().buildAuthenticated(token);
      return authorizer.queryWithLimits(biscuit.Rule.fromString(rule), limits);
    }),
  );
}

/** What a block takes away: only these calls, until this second, at these gateways, so deep. */
export interface Narrowing {
  grants?: unknown;
  /** Seconds since 1970. */
  expires?: number;
  audience?: Iterable<string>;
  depth?: number;
}

/** Appends a block that takes something away: for bearer tokens, or for oneself. */
export function narrow(token: string, root: string, narrowing: Narrowing): string {
  const code = checks(narrowing);
  if (code === "") throw new TokenError("the narrowing takes nothing away");
  const found = open(token, root);
  return attempt("nothing can be appended", () => found.appendBlock(block(code)).toBase64());
}

/** Hands a bound token on, less what is taken away: from now on `to` proves each call. */
export function delegate(
  token: string,
  root: string,
  holder: HolderKey,
  to: Buffer,
  name: string,
  narrowing: Narrowing = {},
): string {
  const found = open(token, root);
  const keys = holders(found);
  if (!keys.at(-1)?.equals(holder.public)) {
    throw new TokenError("the key given is not that of the token's current holder");
  }
  if (keys.some((key) => key.equals(to))) {
    throw new TokenError("the next holder holds the token, or has held it before");
  }
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > NAME_BYTES_MAX || /[\p{Cc}\p{Surrogate}]/u.test(name)) {
    throw new TokenError("the name is empty, too long or holds control characters");
  }
  publicKey(publicText(to));
  const code = `delegate(hex:${to.toString("hex")}, ${quoted(name)});\n${checks(narrowing)}`;
  return attempt("nothing can be appended", () => {
    const signed = found.getThirdPartyRequest().createBlock(holder.toBiscuit(), block(code));
    return found.appendThirdPartyBlock(toBiscuit(holder.public), signed).toBase64();
  });
}

function open(token: string, root: string): Biscuit {
  const found = verified(token, root);
  if (found.countBlocks() >= BLOCKS_MAX) {
    throw new TokenError(`the token has ${BLOCKS_MAX} blocks, as many as fit`);
  }
  return found;
}

function block(code: string) {
  const builder = new biscuit.BlockBuilder();
  builder.addCode(code);
  return builder;
}

/** The checks of a block. */
export function checks({ grants, expires, audience, depth }: Narrowing): string {
  const lines = grants === undefined ? [] : [check(grants)];
  if (expires !== undefined) lines.push(`check if time($time), $time < ${date(expires)}`);
  if (audience !== undefined) {
    const names = sorted(audience).map(quoted).join(", ");
    if (names === "") {
      throw new TokenError("the audience is empty, so that no gateway could accept the token");
    }
    lines.push(`check if audience($audience), {${names}}.contains($audience)`);
  }
  if (depth !== undefined) {
    if (!Number.isSafeInteger(depth)) throw new TokenError("the depth is no whole number");
    lines.push(`check if depth($depth), $depth <= ${depth}`);
  }
  return lines.map((line) => `${line};\n`).join("");
}

/** Seals a token: whoever holds the result can append nothing. */
export function seal(token: string, root: string): string {
  const found = verified(token, root);
  return attempt("the token is sealed already", () => found.sealToken().toBase64());
}

/** SHA-256 of a text: of a token's, it is how a proof names the token. */
export function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
