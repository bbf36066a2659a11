// The signing keys: fetched, kept for as long as the service allows, and used for the check.

import { type Asked, type AttestedKey, check, type Claim, mayBeOldJwks, SigningKeyPin } from "./attest.js";
import type { CallOptions, Caller } from "./call.js";
import { HoldfastError } from "./error.js";
import type { Jwks } from "./generated/types.js";

/** As long as the service lets its JWKS be kept. */
const AGE_MS_MAX = 10 * 60 * 1000;

/** What vouches, for one client. */
export class SigningKeys {
  readonly #caller: Caller;
  readonly #pins: readonly SigningKeyPin[];
  #kept: { sinceMs: number; jwks: Jwks } | undefined;
  #fetching: Promise<Jwks> | undefined;

  constructor(caller: Caller, pems: readonly string[]) {
    this.#caller = caller;
    this.#pins = pems.map(SigningKeyPin.fromPem);
  }

  /**
   * Checks a claim. The JWKS may be one kept from before; a failure that a newer one might clear, such as a signing
   * key that came by a rotation, is checked once more against one fetched now.
   */
  async attest(claim: Claim, asked: Asked, options: CallOptions = {}): Promise<AttestedKey> {
    const { crypto, now } = this.#caller;
    if (this.#pins.length > 0) return await check(claim, asked, { pins: this.#pins }, now(), crypto);
    const kept = this.#find();
    if (kept) {
      try {
        return await check(claim, asked, { jwks: kept }, now(), crypto);
      } catch (error) {
        if (!mayBeOldJwks(error)) throw error;
      }
    }
    return await check(claim, asked, { jwks: await this.fetch(options) }, now(), crypto);
  }

  /** The JWKS, fetched now; once, however many ask at the same moment. */
  async fetch({ signal, timeoutMs }: CallOptions = {}): Promise<Jwks> {
    // One caller's abort would end another's wait: who brings a signal fetches for himself.
    if (signal) return await this.#fetch({ signal, timeoutMs });
    this.#fetching ??= this.#fetch({ timeoutMs }).finally(() => {
      this.#fetching = undefined;
    });
    return await this.#fetching;
  }

  async #fetch(options: CallOptions): Promise<Jwks> {
    const jwks = await this.#caller.call("jwks", {}, options);
    if (!Array.isArray(jwks.keys) || jwks.keys.some((key) => typeof key !== "object" || key === null)) {
      throw new HoldfastError("unreadable", "unreadable-answer", "what the service gives as its JWKS is none");
    }
    this.#kept = { sinceMs: this.#caller.now(), jwks };
    return jwks;
  }

  #find(): Jwks | undefined {
    const age = this.#kept ? this.#caller.now() - this.#kept.sinceMs : -1;
    // A clock that was set back makes it neither old nor young.
    return age >= 0 && age < AGE_MS_MAX ? this.#kept?.jwks : undefined;
  }
}
