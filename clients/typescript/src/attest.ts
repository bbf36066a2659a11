// The enclave's signature, checked before anything is encrypted.
//
// Signature first, then meaning: no member of a payload is looked at before the bytes it stands in are known to be the
// enclave's. What passes is an AttestedKey, and there is no other way to make one.

import { type Bytes, fromBase64, fromBase64Url, fromHex, hex, utf8 } from "./bytes.js";
import { p1363Of, pointOfPem } from "./der.js";
import { HoldfastError, setupFault } from "./error.js";
import type { GenerateKeyRequest, Jwk, Jwks } from "./generated/types.js";
import { sha256, type WebCrypto } from "./webcrypto.js";

/** The purpose that a signing key must have to vouch for customer keys. */
const PURPOSE = "assignment-sig";
/** How far the service's clock may be ahead of this device's. */
const CLOCK_SKEW_MS = 5 * 60 * 1000;
/** DER of the exponent 65537, the last member of an RSA key. */
const RSA_EXPONENT = "0203010001";
/** Of an RSA key of 4096 bits. */
const RSA_SPKI_BYTES = 550;

/** The kinds of customer keys. One encrypts to `rsa4096` only. */
export type KeyType = "rsa4096" | "secp256k1" | "ed25519";

/** What the enclave may sign beside a key. */
export type Field = NonNullable<GenerateKeyRequest["sign_with"]>[number];

const FIELDS: readonly string[] = [
  "external_customer_id",
  "external_package_id",
  "pulled_by_id",
  "pulled_by_type",
  "user_id",
  "key_id",
  "key_fingerprint",
] satisfies Field[];

/** Why a key is not attested; `code` of the error is `attestation-` and this. */
export type AttestationReason =
  /** The key's text is not lower-case hexadecimal of a known kind of key. */
  | "public-key"
  /** The key is of another kind than was asked for. */
  | "key-type"
  /** The key is HOT and COLD was asked for, or the other way round. */
  | "key-environment"
  /** The signature's text is not padded standard base64. */
  | "signature-encoding"
  /** The JWKS lists no key that may vouch for customer keys. */
  | "no-signing-key"
  /** The JWKS does not list the signing key that the answer names, or not for this. */
  | "unknown-signing-key"
  /** The signature is not that of the enclave over what was answered. */
  | "signature"
  /** `signed_payload` is there and was not asked for, or the other way round. */
  | "payload-presence"
  /** `signed_payload` is not the one text that its content has. */
  | "payload-form"
  /** The fields signed are not those asked for. */
  | "fields"
  /** A signed member has another value than it must have. */
  | "member";

/** What the service claims about a key: the parts of its answer that the check needs. */
export interface Claim {
  public_key: string;
  signature: string;
  signed_payload?: string | null;
  signed_fields?: readonly string[] | null;
  /** Where the answer names the signing key. */
  kid?: string | null;
  /** Where the answer names it. */
  key_environment?: string | null;
}

/** What was asked for, and what is known of the answer beforehand. */
export interface Asked {
  /** The fields, in the request's order. */
  signWith?: readonly string[];
  keyType?: KeyType | undefined;
  keyEnvironment?: "HOT" | "COLD" | undefined;
  /** What the signed fields must say; a field whose value is not known beforehand may say anything but nothing. */
  facts?: Partial<Record<Field, string>>;
}

const MADE_BY_CHECK = Symbol("made by check");

/** A public key that the service's enclave vouches for. Only the check makes one. */
export class AttestedKey {
  /** The key as it travels: lower-case hexadecimal. */
  readonly publicKey: string;
  readonly keyType: KeyType;
  /** Which signing key vouched; nothing where a pinned one did and the answer did not name it. */
  readonly kid: string | undefined;
  /** What the enclave signed beside the key. */
  readonly signed: Readonly<Partial<Record<Field, string>>>;
  readonly #bytes: Bytes;

  /** Not for callers: `check` makes these. */
  constructor(maker: symbol, bytes: Bytes, keyType: KeyType, kid: string | undefined, signed: Record<string, string>) {
    if (maker !== MADE_BY_CHECK) throw setupFault("not-attested", "only the check of its signature attests a key");
    this.#bytes = bytes;
    this.publicKey = hex(bytes);
    this.keyType = keyType;
    this.kid = kid;
    this.signed = Object.freeze({ ...signed });
    Object.freeze(this);
  }

  /** The key's bytes, a copy. */
  bytes(): Bytes {
    return this.#bytes.slice();
  }
}

/** A signing key that is believed without asking the service for its JWKS. */
export class SigningKeyPin {
  /** The uncompressed point. */
  readonly point: Bytes;

  private constructor(point: Bytes) {
    this.point = point;
  }

  /** From the PEM that `/.well-known/verification-key.pem` serves. */
  static fromPem(pem: string): SigningKeyPin {
    const point = pointOfPem(pem);
    if (point) return new SigningKeyPin(point);
    const hint = "take it from /.well-known/verification-key.pem, over a way that you trust";
    throw setupFault("pin", "the pinned signing key is not a P-256 public key in PEM", hint);
  }
}

/** What vouches: the service's JWKS, or pinned keys in its place. */
export type Anchor = { jwks: Jwks } | { pins: readonly SigningKeyPin[] };

interface Candidate {
  kid: string | undefined;
  point: Bytes;
}

/** Checks a claim against what vouches, at a time in milliseconds since the epoch. Rejects with the reason. */
export async function check(
  claim: Claim,
  asked: Asked,
  anchor: Anchor,
  nowMs: number,
  crypto: WebCrypto,
): Promise<AttestedKey> {
  const bytes = fromHex(claim.public_key);
  const keyType = bytes && keyTypeOf(bytes, claim.public_key);
  if (!bytes || !keyType) {
    throw fault("public-key", "the public key is not lower-case hexadecimal of a known kind of key");
  }
  const message = messageOf(claim, asked.signWith ?? []);
  const kid = await checkSignature(claim, message, anchor, nowMs, crypto);
  if (asked.keyType !== undefined && asked.keyType !== keyType) {
    throw fault("key-type", `the key is ${keyType}, asked for was ${asked.keyType}`);
  }
  if (asked.keyEnvironment !== undefined && asked.keyEnvironment !== claim.key_environment) {
    const what = `the key is ${claim.key_environment ?? "of no environment"}, asked for was ${asked.keyEnvironment}`;
    throw fault("key-environment", what);
  }
  const isBound = typeof claim.signed_payload === "string";
  const signed = isBound ? checkPayload(message, claim, asked, hex(await sha256(crypto, bytes))) : {};
  return new AttestedKey(MADE_BY_CHECK, bytes, keyType, kid, signed);
}

/** The kind that these bytes are of. */
function keyTypeOf(bytes: Uint8Array, text: string): KeyType | undefined {
  if (bytes.length === RSA_SPKI_BYTES && text.endsWith(RSA_EXPONENT)) return "rsa4096";
  if (bytes.length === 33 && (bytes[0] === 2 || bytes[0] === 3)) return "secp256k1";
  return bytes.length === 32 ? "ed25519" : undefined;
}

/** The text that is signed: the payload where fields were asked for, the key's hexadecimal elsewhere. */
function messageOf(claim: Claim, signWith: readonly string[]): string {
  const payload = claim.signed_payload ?? undefined;
  if (signWith.length > 0 && payload === undefined) {
    throw fault("payload-presence", "signed_payload is missing and was asked for");
  }
  if (signWith.length === 0 && payload !== undefined) {
    throw fault("payload-presence", "signed_payload is there and was not asked for");
  }
  return payload ?? claim.public_key;
}

/** The id of the signing key that signed `message`. */
async function checkSignature(
  claim: Claim,
  message: string,
  anchor: Anchor,
  nowMs: number,
  crypto: WebCrypto,
): Promise<string | undefined> {
  const der = fromBase64(claim.signature);
  if (!der) throw fault("signature-encoding", "the signature is not padded standard base64");
  const candidates = candidatesOf(claim, anchor, nowMs);
  if (candidates.length === 0) throw noSigningKey(claim.kid, nowMs);
  const signature = p1363Of(der);
  if (!signature) {
    const form = der.length === 64 ? "64 bytes, as JOSE writes it, and not DER" : "not DER";
    throw fault("signature", `the signature is ${form}`);
  }
  const data = utf8(message);
  for (const { kid, point } of candidates) {
    if (await verify(crypto, point, signature, data)) return kid;
  }
  throw fault("signature", "the signature is not the enclave's over what was answered");
}

async function verify(crypto: WebCrypto, point: Bytes, signature: Bytes, data: Bytes): Promise<boolean> {
  try {
    const kind = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("raw", point, kind, false, ["verify"]);
    return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, data);
  } catch {
    // A point that is not on the curve is nobody's key.
    return false;
  }
}

/** The signing keys that may have signed this claim. */
function candidatesOf(claim: Claim, anchor: Anchor, nowMs: number): Candidate[] {
  if ("pins" in anchor) return anchor.pins.map((pin) => ({ kid: claim.kid ?? undefined, point: pin.point }));
  const named = anchor.jwks.keys.filter(
    (jwk) => claim.kid === undefined || claim.kid === null || jwk.kid === claim.kid,
  );
  return named.flatMap((jwk) => {
    const point = pointOf(jwk, nowMs);
    return point ? [{ kid: jwk.kid, point }] : [];
  });
}

/** The point of a signing key that may vouch for customer keys now. */
function pointOf(jwk: Jwk, nowMs: number): Bytes | undefined {
  const isKind = jwk.kty === "EC" && jwk.crv === "P-256" && jwk.alg === "ES256" && jwk.use === "sig";
  const purposes: unknown = jwk["coincover:purposes"];
  const validFromMs = instantOf(jwk["coincover:validFrom"]);
  const isForThis = Array.isArray(purposes) && purposes.includes(PURPOSE);
  // NaN, which is no instant, compares as false.
  if (!isKind || !isForThis || !(validFromMs <= nowMs + CLOCK_SKEW_MS)) return undefined;
  const [x, y] = [jwk.x, jwk.y].map((text) => (typeof text === "string" ? fromBase64Url(text) : undefined));
  if (x?.length !== 32 || y?.length !== 32) return undefined;
  return Uint8Array.of(4, ...x, ...y) as Bytes;
}

/** RFC 3339 in UTC, as milliseconds. */
function instantOf(text: unknown): number {
  const isUtc = typeof text === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)$/.test(text);
  return isUtc ? Date.parse(text) : Number.NaN;
}

/** The signed fields, each compared with what is known. */
function checkPayload(payload: string, claim: Claim, asked: Asked, fingerprint: string): Record<string, string> {
  const members = membersOf(payload);
  if (!members) throw fault("payload-form", "signed_payload is not canonical JSON of an object of texts");
  const wanted = asked.signWith ?? [];
  const differ = (answered: readonly string[]) =>
    fault("fields", `the fields signed are [${answered.join(", ")}], asked for were [${wanted.join(", ")}]`);
  const answered = claim.signed_fields ?? [];
  const isKnown = wanted.every((name) => FIELDS.includes(name)) && new Set(wanted).size === wanted.length;
  if (!isKnown || !isSame(answered, wanted)) throw differ(answered);
  const names = [...members.keys()].sort();
  if (!isSame(names, [...wanted, "public_key"].sort())) throw differ(names);

  const facts: Record<string, string | undefined> = { ...asked.facts, key_fingerprint: fingerprint };
  facts.public_key = claim.public_key;
  const signed: Record<string, string> = {};
  for (const [name, value] of members) {
    const fact = facts[name];
    if (fact === undefined ? value === "" : value !== fact) {
      throw fault("member", `${name} in signed_payload is ${JSON.stringify(value)}, not ${fact ?? "a value"}`);
    }
    if (name !== "public_key") signed[name] = value;
  }
  return signed;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}

/** The members of a payload that is canonical (RFC 8785) to the byte and holds texts only. */
function membersOf(payload: string): Map<string, string> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const members = Object.entries(value as Record<string, unknown>);
  const isText = (text: unknown) => typeof text === "string" && !/[\ud800-\udfff]/u.test(text);
  if (!members.every(([name, text]) => isText(name) && isText(text))) return undefined;
  // RFC 8785 sorts by UTF-16 code units and writes texts as ECMAScript does, which is what happens here. A name that
  // stands twice would be there once.
  const sorted = members.sort(([a], [b]) => (a < b ? -1 : 1));
  const canonical = `{${sorted.map(([name, text]) => `${JSON.stringify(name)}:${JSON.stringify(text)}`).join(",")}}`;
  return canonical === payload ? new Map(sorted as Array<[string, string]>) : undefined;
}

function noSigningKey(kid: string | null | undefined, nowMs: number): HoldfastError {
  const clock = new Date(nowMs).toISOString();
  const hint = `check that the base URL is the service's, and this device's clock: it says ${clock}`;
  if (kid === undefined || kid === null) {
    return fault("no-signing-key", `the service's JWKS lists no usable key for ${PURPOSE}`, hint);
  }
  return fault("unknown-signing-key", `the service's JWKS lists no usable signing key ${JSON.stringify(kid)}`, hint);
}

function fault(reason: AttestationReason, what: string, hint?: string): HoldfastError {
  const message = `the key is not attested, nothing was encrypted to it: ${what}`;
  const details = { hint: hint ?? "do not use the key, and report it to whoever runs the service" };
  return new HoldfastError("attestation", `attestation-${reason}`, message, details);
}

/** Whether a newer JWKS might clear it. */
export function mayBeOldJwks(error: unknown): boolean {
  const codes = ["attestation-no-signing-key", "attestation-unknown-signing-key", "attestation-signature"];
  return error instanceof HoldfastError && codes.includes(error.code);
}
