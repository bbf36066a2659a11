// The cryptography of the platform, which may be handed in.

import { type Bytes, hex } from "./bytes.js";
import { setupFault } from "./error.js";

/** What is used of WebCrypto. Where the platform has none (React Native), hand one in that has this shape. */
export type WebCrypto = Pick<Crypto, "subtle" | "getRandomValues">;

/** The one handed in, or the platform's. */
export function webCrypto(given?: WebCrypto): WebCrypto {
  const crypto = given ?? (globalThis as { crypto?: WebCrypto }).crypto;
  if (crypto?.subtle && typeof crypto.getRandomValues === "function") return crypto;
  const hint =
    "a browser has it on https pages and on localhost only; React Native needs a package for it, given as `crypto`";
  throw setupFault("no-webcrypto", "there is no WebCrypto (crypto.subtle) here", hint);
}

/** SHA-256. */
export async function sha256(crypto: WebCrypto, bytes: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Bytes));
}

/** Random bytes. */
export function randomBytes(crypto: WebCrypto, length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length)) as Bytes;
}

/** A name that nobody else comes upon: 128 random bits. */
export function randomName(crypto: WebCrypto): string {
  return hex(randomBytes(crypto, 16));
}
