// The few DER and PEM forms that are needed to hand keys and signatures to WebCrypto.

import { type Bytes, fromBase64 } from "./bytes.js";

const INTEGER = 0x02;
const SEQUENCE = 0x30;
/** Bytes of a P-256 coordinate, and of each half of a signature. */
const SCALAR_BYTES = 32;
/** What stands before the point in a P-256 `SubjectPublicKeyInfo`. */
const P256_SPKI_PREFIX = [
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
  0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/**
 * A DER `ECDSA-Sig-Value` (RFC 3279, 2.2.3) as the 64 bytes r || s that WebCrypto verifies (IEEE P1363); nothing when
 * it is not DER to the byte.
 */
export function p1363Of(der: Uint8Array): Bytes | undefined {
  // Two integers of 33 bytes at most: the lengths fit into one byte.
  if (der.length < 8 || der[0] !== SEQUENCE || der[1] !== der.length - 2) return undefined;
  const rLength = der[3] as number;
  const sAt = 4 + rLength;
  if (der[2] !== INTEGER || der[sAt] !== INTEGER || sAt + 2 + (der[sAt + 1] as number) !== der.length) return undefined;
  const r = scalarOf(der.subarray(4, sAt));
  const s = scalarOf(der.subarray(sAt + 2));
  if (!r || !s) return undefined;
  const out = new Uint8Array(2 * SCALAR_BYTES);
  out.set(r, SCALAR_BYTES - r.length);
  out.set(s, 2 * SCALAR_BYTES - s.length);
  return out;
}

/** A positive integer without its sign byte; nothing when it is written longer than need be, negative or too large. */
function scalarOf(bytes: Uint8Array): Uint8Array | undefined {
  const [first, second] = bytes;
  if (first === undefined || first > 0x7f) return undefined;
  if (first !== 0) return bytes.length <= SCALAR_BYTES ? bytes : undefined;
  const hasSignByte = second !== undefined && second > 0x7f;
  return hasSignByte && bytes.length <= SCALAR_BYTES + 1 ? bytes.subarray(1) : undefined;
}

/** The bytes in a PEM block of that label (RFC 7468); nothing when the text is not one such block. */
export function fromPem(text: string, label: string): Bytes | undefined {
  const body = text.trim();
  const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`];
  if (!body.startsWith(begin) || !body.endsWith(end)) return undefined;
  return fromBase64(body.slice(begin.length, -end.length).replace(/\s+/g, ""));
}

/** The uncompressed point in the PEM of a P-256 public key; nothing when it is another kind of key. */
export function pointOfPem(pem: string): Bytes | undefined {
  const der = fromPem(pem, "PUBLIC KEY");
  const isP256 = der?.length === P256_SPKI_PREFIX.length + 65 && P256_SPKI_PREFIX.every((byte, at) => der[at] === byte);
  return isP256 && der[P256_SPKI_PREFIX.length] === 4 ? der.slice(P256_SPKI_PREFIX.length) : undefined;
}
