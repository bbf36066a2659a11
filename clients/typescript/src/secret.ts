// What must not leak: not printed, not serialised, wiped when its holder says so.

import { copyOf, isEqual, textOf, utf8, wipe } from "./bytes.js";

/**
 * A secret of the user. Prints its length and nothing else.
 *
 * `wipe` overwrites the bytes held here. JavaScript can do no more: a secret that was ever a string stays in memory
 * until the engine lets go of it, and the engine may have moved bytes and left the old ones behind. So give bytes
 * where you have them.
 */
export class Secret {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A copy of these bytes, or of the text in UTF-8. Whoever holds the original wipes it. */
  static from(value: Uint8Array | string | Secret): Secret {
    if (value instanceof Secret) return new Secret(copyOf(value.#bytes));
    return new Secret(typeof value === "string" ? utf8(value) : copyOf(value));
  }

  /** These bytes themselves: a wipe wipes them. */
  static holding(bytes: Uint8Array): Secret {
    return new Secret(bytes);
  }

  /** How many bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  /** The bytes, not a copy. Whoever copies them wipes the copy. */
  expose(): Uint8Array {
    return this.#bytes;
  }

  /** The text that the bytes are in UTF-8; nothing when they are not. The string cannot be wiped. */
  exposeText(): string | undefined {
    return textOf(this.#bytes);
  }

  /** Whether both hold the same bytes; in constant time for equal lengths. */
  equals(other: Secret): boolean {
    return isEqual(this.#bytes, other.#bytes);
  }

  /** Overwrites the bytes with zeros. */
  wipe(): void {
    wipe(this.#bytes);
  }

  toString(): string {
    return `Secret(${this.#bytes.length} bytes)`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** What Node prints. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}
