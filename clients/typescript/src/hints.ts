// The mistakes that people make when they go live, and what to do about each.

import { fromBase64, hex, type Bytes } from "./bytes.js";
import { setupFault } from "./error.js";

/** What is known of the call that was refused. */
export interface Circumstances {
  path: string;
  baseUrl: string;
  /** The environment that the credential names, if it names one. */
  environment: string | undefined;
}

const KEY_FORM =
  "give public_key as the service answered it: hexadecimal of the DER, one line without spaces; not PEM, not base64 " +
  "(from a PEM: take the base64 between the lines, decode it, write it as hexadecimal)";
const CHECK_FAILED =
  "one of four is wrong: the checksum (SHA-256 of the plaintext, before encryption, not of the ciphertext), the " +
  "padding (RSA-OAEP with SHA-256 for the hash and for MGF1, empty label; many libraries take SHA-1 if not told), " +
  "the key (another than public_key names), or the encoding (standard base64 of the 512 bytes). Each failed check " +
  "counts against a budget";

const HINTS: Record<string, string> = {
  "check-failed": CHECK_FAILED,
  "scope-missing":
    "the credential is genuine and lacks the scope that the message names; use the one made for this API",
  "sandbox-only": "nothing is simulated in production: leave the override header out, and let the person be checked",
  "verification-not-approved":
    "wait until the verification is approved (its webhook, or verificationStatus) and repeat",
  "verification-window-closed": "start another verification; the time after an approval is limited",
  "recovery-delayed": "the account's policy has recoveries wait: repeat the call when the time that it names is over",
  "request-signature-required": "sign the recovery with a key of your policy, and give it as requestSignature",
  "request-signature-invalid":
    "sign the canonical JSON of openpgp_fpr, user_identifier and verification_id by ES256, with a key of your policy",
  "verification-used":
    "one verification serves one recovery with one OpenPGP key, three deliveries; start another verification",
  "key-already-assigned": "the user has a key already: find it with listKeys and status active, or rotate it",
  "key-superseded": "use the key that errors.superseded_by names",
  "idempotency-mismatch": "use a new idempotency key for each deed, and the same one only to repeat the same bytes",
  "idempotency-secret-shown":
    "the first try succeeded and its answer with the secret was lost: revoke what it made and make another, or rotate",
  "file-content-type": "the part named file needs a content type of its own: application/octet-stream",
  "content-type": "a JSON body needs content-type: application/json",
  "no-backup": "nothing confirmed is there: was the backup stored under another user_identifier, or never approved?",
};

/** What to do about a refusal, where it is known. */
export function hintOf(code: string, status: number, fields: string[], known: Circumstances): string | undefined {
  if (code === "wrong-environment") {
    const names = known.environment ? ` of the environment "${known.environment}"` : "";
    return `the credential${names} is not for ${known.baseUrl}: change base URL and credential together`;
  }
  if (code === "unauthenticated") {
    return "the credential is missing, mistyped, expired or revoked; a whole one begins with hf_ and has no spaces";
  }
  if (code === "no-such-path" || (status === 404 && code === "unreadable-answer")) {
    return `nothing is at ${known.path} below ${known.baseUrl}: give the base URL without /v1, as it was given to you`;
  }
  if (fields.some((field) => field.endsWith("public_key") && !field.includes("gpg"))) return KEY_FORM;
  if (fields.some((field) => field.endsWith("checksum"))) return "give SHA-256 of the plaintext: 64 hexadecimal digits";
  return HINTS[code];
}

/** The environment that a credential names. */
export function environmentOf(credential: string): string | undefined {
  return /^hf_([a-z]+)_/.exec(credential)?.[1];
}

/** Refuses a key that is not written as the service writes it. */
export function checkKeyForm(publicKey: string): void {
  if (/^(?:[0-9a-f]{2})+$/i.test(publicKey)) return;
  const is = publicKey.includes("-----BEGIN") ? "PEM" : fromBase64(publicKey.trim()) ? "base64" : "not hexadecimal";
  throw setupFault("public-key-form", `public_key is ${is}, nothing was sent`, KEY_FORM);
}

/** Refuses a ciphertext that is not base64, and a checksum of the ciphertext, before they cost a check. */
export async function checkStore(
  data: string,
  checksum: string | null | undefined,
  sha256: (bytes: Bytes) => Promise<Uint8Array>,
): Promise<void> {
  // 512 bytes in hexadecimal happen to be base64, too, of something else.
  const bytes = /^[0-9a-f]{1024}$/i.test(data) ? undefined : fromBase64(data);
  if (!bytes) {
    const hint = "give the ciphertext in standard base64 with padding: not hexadecimal, not base64url, no line breaks";
    throw setupFault("ciphertext-form", "the ciphertext is not standard base64, nothing was sent", hint);
  }
  if (checksum && [hex(await sha256(bytes)), hex(await sha256(asciiOf(data)))].includes(checksum.toLowerCase())) {
    const hint = "give SHA-256 of the plaintext, taken before it is encrypted";
    throw setupFault("checksum-over-ciphertext", "the checksum is the ciphertext's, nothing was sent", hint);
  }
}

function asciiOf(text: string): Bytes {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
