// Bytes as text and back, strictly: what could be read two ways is not read at all.

/** Bytes that WebCrypto takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PAD = 0x3d;

/** UTF-8. */
export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text) as Bytes;
}

/** The text that these bytes are in UTF-8; nothing when they are not. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The same bytes in a buffer of their own. */
export function copyOf(bytes: Uint8Array): Bytes {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

/** All of them, one after the other. */
export function concat(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Overwrites with zeros. Copies that the engine made for itself are out of reach. */
export function wipe(...buffers: Array<Uint8Array | undefined>): void {
  for (const buffer of buffers) buffer?.fill(0);
}

/** Whether the bytes are the same; the time it takes tells no more than the lengths. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= (a[at] as number) ^ (b[at] as number);
  return difference === 0;
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The bytes that lower-case hexadecimal spells; nothing when it is not that. */
export function fromHex(text: string): Bytes | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(at * 2, at * 2 + 2), 16));
}

/** Standard base64, padded. */
export function base64(bytes: Uint8Array): string {
  return latin1(encode(bytes, STANDARD, true));
}

/** base64url without padding, as ASCII bytes: a file's worth of it is better not a string. */
export function base64UrlBytes(bytes: Uint8Array): Bytes {
  return encode(bytes, URL_SAFE, false);
}

/** base64url without padding. */
export function base64Url(bytes: Uint8Array): string {
  return latin1(base64UrlBytes(bytes));
}

/** The bytes that padded standard base64 spells; nothing when it is not that, to the last bit. */
export function fromBase64(text: string): Bytes | undefined {
  if (text.length % 4 !== 0) return undefined;
  const digits = text.endsWith("==") ? text.length - 2 : text.endsWith("=") ? text.length - 1 : text.length;
  return decode(text, digits, STANDARD);
}

/** The bytes that unpadded base64url spells; nothing when it is not that, to the last bit. */
export function fromBase64Url(text: string): Bytes | undefined {
  return decode(text, text.length, URL_SAFE);
}

function encode(bytes: Uint8Array, alphabet: string, isPadded: boolean): Bytes {
  const codes = Uint8Array.from(alphabet, (digit) => digit.charCodeAt(0));
  const digits = Math.ceil((bytes.length * 4) / 3);
  const out = new Uint8Array(isPadded ? Math.ceil(bytes.length / 3) * 4 : digits).fill(PAD);
  for (let at = 0, to = 0; at < bytes.length; at += 3, to += 4) {
    const three = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let digit = 0; digit < 4 && to + digit < digits; digit++) {
      out[to + digit] = codes[(three >> (18 - 6 * digit)) & 63] as number;
    }
  }
  return out;
}

function decode(text: string, digits: number, alphabet: string): Bytes | undefined {
  if (digits % 4 === 1) return undefined;
  const values = new Int8Array(128).fill(-1);
  for (let at = 0; at < 64; at++) values[alphabet.charCodeAt(at)] = at;
  const out = new Uint8Array(Math.floor((digits * 3) / 4));
  let held = 0;
  let bits = 0;
  for (let at = 0, to = 0; at < digits; at++) {
    const value = values[text.charCodeAt(at)] ?? -1;
    if (value < 0) return undefined;
    held = ((held << 6) | value) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[to++] = (held >> bits) & 0xff;
    }
  }
  // Bits that spell nothing are zero, or two texts would mean the same bytes.
  return (held & ((1 << bits) - 1)) === 0 ? out : undefined;
}

function latin1(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  }
  return parts.join("");
}
