// Encryption on the device, to an attested key and no other.

import { AttestedKey } from "./attest.js";
import { base64, base64Url, base64UrlBytes, type Bytes, concat, hex, utf8, wipe } from "./bytes.js";
import { HoldfastError } from "./error.js";
import type { Secret } from "./secret.js";
import { randomBytes, sha256, type WebCrypto } from "./webcrypto.js";

/** What fits into one RSA-OAEP ciphertext: 512 bytes less two SHA-256 and two. */
export const OAEP_PLAINTEXT_BYTES_MAX = 446;
/** What the service takes as one file. */
export const FILE_BYTES_MAX = 10 * 1024 * 1024;
/** Of an RSA-4096 ciphertext. */
export const RSA_CIPHERTEXT_BYTES = 512;

const RSA_BITS = 4096;
const CONTENT_KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** The protected header, the same for every file. */
const HEADER = base64Url(utf8('{"alg":"RSA-OAEP-256","enc":"A256GCM"}'));

/** Digits that base64url without padding takes for so many bytes. */
const digitsOf = (bytes: number) => Math.ceil((bytes * 4) / 3);
/** What a JWE adds to its content: header, content key, IV, tag, four dots. */
const JWE_BYTES = HEADER.length + digitsOf(RSA_CIPHERTEXT_BYTES) + digitsOf(IV_BYTES) + digitsOf(TAG_BYTES) + 4;
/** The largest secret whose JWE is still one file. */
export const JWE_PLAINTEXT_BYTES_MAX = Math.floor(((FILE_BYTES_MAX - JWE_BYTES) * 3) / 4);

/** An encrypted secret, and the checksum by which the service sees that it can be opened. */
export interface Ciphertext {
  /** Standard base64. */
  data: string;
  /** SHA-256 of the plaintext, lower-case hexadecimal. */
  checksum: string;
}

/** In which form a secret of this size is stored; a size that fits neither is refused. */
export function formOf(bytes: number): "oaep" | "jwe" {
  if (bytes <= OAEP_PLAINTEXT_BYTES_MAX) return "oaep";
  if (bytes <= JWE_PLAINTEXT_BYTES_MAX) return "jwe";
  throw tooLong(bytes, JWE_PLAINTEXT_BYTES_MAX, "split it into several backups");
}

/** Whether a secret fits into one ciphertext; asked before a key is made for it. */
export function checkSize(secret: Secret): void {
  if (secret.length <= OAEP_PLAINTEXT_BYTES_MAX) return;
  throw tooLong(secret.length, OAEP_PLAINTEXT_BYTES_MAX, "store a shorter form of it, or several parts");
}

/** SHA-256, lower-case hexadecimal. */
export async function checksum(secret: Secret, crypto: WebCrypto): Promise<string> {
  return hex(await sha256(crypto, secret.expose()));
}

/** Encrypts up to 446 bytes: RSA-OAEP with SHA-256 for the hash and for MGF1, empty label (RFC 8017, 7.1). */
export async function encrypt(key: AttestedKey, secret: Secret, crypto: WebCrypto): Promise<Ciphertext> {
  checkSize(secret);
  const rsa = await importKey(key, crypto);
  const data = await crypto.subtle.encrypt({ name: "RSA-OAEP" }, rsa, secret.expose() as Bytes);
  return { data: base64(new Uint8Array(data)), checksum: await checksum(secret, crypto) };
}

/** Encrypts a larger secret: a compact JWE (RFC 7516) of `RSA-OAEP-256` and `A256GCM`, as the bytes of a file. */
export async function encryptFile(key: AttestedKey, secret: Secret, crypto: WebCrypto): Promise<Bytes> {
  if (secret.length > JWE_PLAINTEXT_BYTES_MAX) formOf(secret.length);
  const rsa = await importKey(key, crypto);
  const contentKey = randomBytes(crypto, CONTENT_KEY_BYTES);
  try {
    const iv = randomBytes(crypto, IV_BYTES);
    const aes = await crypto.subtle.importKey("raw", contentKey, { name: "AES-GCM" }, false, ["encrypt"]);
    const how = { name: "AES-GCM", iv, additionalData: utf8(HEADER), tagLength: TAG_BYTES * 8 };
    const sealed = new Uint8Array(await crypto.subtle.encrypt(how, aes, secret.expose() as Bytes));
    const wrapped = new Uint8Array(await crypto.subtle.encrypt({ name: "RSA-OAEP" }, rsa, contentKey));
    const parts = [wrapped, iv, sealed.subarray(0, -TAG_BYTES), sealed.subarray(-TAG_BYTES)];
    return concat(utf8(HEADER), ...parts.flatMap((part) => [utf8("."), base64UrlBytes(part)]));
  } finally {
    wipe(contentKey);
  }
}

async function importKey(key: AttestedKey, crypto: WebCrypto): Promise<CryptoKey> {
  if (!(key instanceof AttestedKey)) {
    const hint = "attest the service's answer first: client.attest(claim, asked)";
    throw new HoldfastError("encryption", "not-attested", "the key was not checked, nothing was encrypted", { hint });
  }
  if (key.keyType !== "rsa4096") {
    const hint = "ask for an rsa4096 key: one signs with the others";
    throw new HoldfastError("encryption", "key-type", `one does not encrypt to a key of type ${key.keyType}`, { hint });
  }
  try {
    const kind = { name: "RSA-OAEP", hash: "SHA-256" };
    const rsa = await crypto.subtle.importKey("spki", key.bytes(), kind, false, ["encrypt"]);
    const bits = (rsa.algorithm as { modulusLength?: number }).modulusLength;
    if (bits !== undefined && bits !== RSA_BITS) throw new Error(`${bits} bits`);
    return rsa;
  } catch (cause) {
    const message = "the key is attested, but its bytes are no RSA key of 4096 bits; do not use it, and report it";
    throw new HoldfastError("encryption", "key", message, { cause });
  }
}

function tooLong(bytes: number, most: number, hint: string): HoldfastError {
  const message = `the secret has ${bytes} bytes and at most ${most} fit; nothing was sent`;
  return new HoldfastError("encryption", "too-long", message, { hint });
}
