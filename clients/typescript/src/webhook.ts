// Whether a webhook is genuine: from the raw body and the headers, in both dialects that the service signs in.

import { type Bytes, concat, fromBase64, fromHex, isEqual, textOf, utf8 } from "./bytes.js";
import { HoldfastError } from "./error.js";
import { webCrypto, type WebCrypto } from "./webcrypto.js";

/** How far an event's time may be from this machine's, either way. */
const TOLERANCE_S = 5 * 60;
/** More signatures than a rotation brings are somebody's attempt. */
const SIGNATURES_MAX = 10;

/** Where headers are found: `Headers`, Node's `request.headers`, or a function. */
export type HeaderSource =
  | { get(name: string): string | null }
  | Record<string, string | readonly string[] | undefined>
  | ((name: string) => string | null | undefined);

/** What arrived, and how it is judged. */
export interface WebhookInput {
  /** The body exactly as it came, before anything parsed it. */
  body: Uint8Array | ArrayBuffer | string;
  headers: HeaderSource;
  /** The endpoint's secret, `whsec_` included; during a change of it, both. */
  secrets: string | readonly string[];
  /** How far the event's time may be from this machine's, either way, in seconds; 300 when left out. */
  toleranceS?: number;
  /** Milliseconds since the epoch; the system's clock when left out. */
  now?: () => number;
  crypto?: WebCrypto;
}

/** A genuine event. */
export interface WebhookEvent {
  /** The same on every try: an `id` that was seen is a repeat. */
  id: string;
  type: string;
  created_at: string;
  environment: string;
  data: Record<string, unknown>;
}

/** Why an event is not taken; `code` of the error is `webhook-` and this. */
export type WebhookReason =
  /** No dialect's headers are there, or not all of one's. */
  | "headers-missing"
  /** A header is not written as the service writes it. */
  | "headers-form"
  /** Older or newer than the tolerance allows: a replay, or a clock that is off. */
  | "time"
  /** No signature is that of a secret over this body. */
  | "signature"
  /** The secret is not one. */
  | "secret"
  /** The body was parsed already, or is not an event. */
  | "body";

interface Signed {
  seconds: number;
  message: Bytes;
  signatures: Bytes[];
  keyOf: (secret: string) => Bytes | undefined;
}

/**
 * Verifies an event and reads it. Whichever dialect is there must hold: `Coincover-Signature`, the three headers of
 * Standard Webhooks, or both. Rejects with a `HoldfastError` of kind `webhook`; answer such a request with 400.
 */
export async function verifyWebhook(input: WebhookInput): Promise<WebhookEvent> {
  const body = bodyOf(input.body);
  const secrets = [input.secrets].flat().filter((secret) => typeof secret === "string" && secret !== "");
  if (secrets.length === 0) throw refuse("secret", "there is no secret to verify with", "is its variable set?");
  const header = headerReader(input.headers);
  const found = [coincover(header, body), standard(header, body)].filter((dialect) => dialect !== undefined);
  if (found.length === 0) {
    const hint = "hand in the headers as they came; a proxy in between may drop some";
    throw refuse("headers-missing", "neither Coincover-Signature nor webhook-signature is there", hint);
  }
  const { subtle } = webCrypto(input.crypto);
  const toleranceS = input.toleranceS ?? TOLERANCE_S;
  const nowS = Math.floor((input.now ?? Date.now)() / 1000);
  for (const dialect of found) {
    await checkSignature(dialect, secrets, subtle);
    const ageS = nowS - dialect.seconds;
    if (!(Math.abs(ageS) <= toleranceS)) {
      const where = ageS > 0 ? `${ageS} s old` : `${-ageS} s ahead`;
      const hint = `it is a replay, or this machine's clock is off: it says ${new Date(nowS * 1000).toISOString()}`;
      throw refuse("time", `the event is genuine, but ${where}, and ${toleranceS} s are allowed`, hint);
    }
  }
  return eventOf(body, header);
}

/** The published dialect: `t=<seconds>,v1=<hex>[,v1=<hex>]` over `<t>.<body>`, keyed with the secret's text. */
function coincover(header: (name: string) => string | undefined, body: Bytes): Signed | undefined {
  const text = header("coincover-signature");
  if (text === undefined) return undefined;
  const parts = /^t=(\d{1,12})((?:,v1=[0-9a-f]{64})+)$/.exec(text);
  const signatures = (parts?.[2] ?? "").split(",v1=").slice(1).map(fromHex);
  if (!parts || signatures.length > SIGNATURES_MAX) {
    throw refuse("headers-form", "Coincover-Signature is not t=<seconds>,v1=<hex>");
  }
  const [, seconds] = parts as unknown as [string, string];
  const message = concat(utf8(`${seconds}.`), body);
  return { seconds: Number(seconds), message, signatures: signatures as Bytes[], keyOf: utf8 };
}

/** Standard Webhooks: `v1,<base64>[ v1,<base64>]` over `<id>.<timestamp>.<body>`, keyed with the secret's bytes. */
function standard(header: (name: string) => string | undefined, body: Bytes): Signed | undefined {
  const [id, timestamp, text] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header);
  if (id === undefined && timestamp === undefined && text === undefined) return undefined;
  if (id === undefined || timestamp === undefined || text === undefined) {
    throw refuse("headers-missing", "webhook-id, webhook-timestamp and webhook-signature go together");
  }
  const words = text.split(" ");
  // Other versions are passed over, as the standard says.
  const signatures = words.filter((word) => word.startsWith("v1,")).map((word) => fromBase64(word.slice(3)));
  const isForm = /^\d{1,12}$/.test(timestamp) && signatures.every((one) => one?.length === 32);
  if (!isForm || signatures.length === 0 || words.length > SIGNATURES_MAX) {
    throw refuse("headers-form", "webhook-timestamp or webhook-signature is not what Standard Webhooks says");
  }
  const message = concat(utf8(`${id}.${timestamp}.`), body);
  const keyOf = (secret: string) => fromBase64(secret.replace(/^whsec_/, ""));
  return { seconds: Number(timestamp), message, signatures: signatures as Bytes[], keyOf };
}

async function checkSignature(dialect: Signed, secrets: readonly string[], subtle: SubtleCrypto): Promise<void> {
  let isGenuine = false;
  for (const secret of secrets) {
    const bytes = dialect.keyOf(secret);
    if (!bytes?.length) {
      const hint = "copy it again, as it was shown when the webhook was made: whsec_ and base64";
      throw refuse("secret", "the secret is not one that the service gives", hint);
    }
    const key = await subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const expected = new Uint8Array(await subtle.sign("HMAC", key, dialect.message));
    // All are compared, whichever holds.
    for (const signature of dialect.signatures) isGenuine = isEqual(signature, expected) || isGenuine;
  }
  if (isGenuine) return;
  const hint =
    "the body must be the bytes as they came (a framework that parsed and re-serialised it changes them), and the " +
    "secret that of this endpoint";
  throw refuse("signature", "no signature is that of the secret over this body", hint);
}

function bodyOf(body: unknown): Bytes {
  if (typeof body === "string") return utf8(body);
  if (body instanceof Uint8Array) return body as Bytes;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  const hint =
    "take the raw body: express.raw({ type: '*/*' }), await request.arrayBuffer(), or what your framework has";
  throw refuse("body", "the body was parsed already, and what was signed cannot be told from that", hint);
}

function headerReader(source: HeaderSource): (name: string) => string | undefined {
  if (typeof source === "function") return (name) => source(name) ?? undefined;
  if (typeof (source as Headers).get === "function") return (name) => (source as Headers).get(name) ?? undefined;
  const all = new Map<string, string>();
  for (const [name, value] of Object.entries(source)) {
    if (value === undefined) continue;
    const lower = name.toLowerCase();
    // Which of two would count is anybody's guess.
    if (Array.isArray(value) && value.length !== 1) continue;
    if (all.has(lower)) throw refuse("headers-form", `${lower} is there twice`);
    all.set(lower, typeof value === "string" ? value : (value[0] as string));
  }
  return (name) => all.get(name);
}

function eventOf(body: Bytes, header: (name: string) => string | undefined): WebhookEvent {
  let event: WebhookEvent | undefined;
  try {
    event = JSON.parse(textOf(body) ?? "");
  } catch {
    // Said below.
  }
  const isEvent = typeof event?.id === "string" && typeof event.type === "string" && typeof event.data === "object";
  if (!event || !isEvent) throw refuse("body", "the body is signed, but is no event");
  const id = header("webhook-id");
  if (id !== undefined && id !== event.id) throw refuse("body", "the body's id is not webhook-id");
  return event;
}

function refuse(reason: WebhookReason, what: string, hint?: string): HoldfastError {
  return new HoldfastError("webhook", `webhook-${reason}`, what, { hint });
}
