// What exists in a sandbox only. Playing the identity provider is among the calls of retail.

import type { CallOptions, Caller } from "./call.js";
import type { CeremonyResponse, DamageRequest, DamageResponse, ResetResponse } from "./generated/types.js";

/** The calls of scope `sandbox`. */
export class Sandbox {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Holds a ceremony of the offline enclave now; takes up to 100 seconds. */
  async ceremony(options?: CallOptions): Promise<CeremonyResponse> {
    return await this.#caller.call("ceremony", {}, { timeoutMs: 120_000, ...options });
  }

  /** Makes an item fail at its recovery, to rehearse that. */
  async damage(request: DamageRequest, options?: CallOptions): Promise<DamageResponse> {
    return await this.#caller.call("damage", { body: request }, options);
  }

  /** Removes the tenant's users, keys, verifications and backups. */
  async reset(options?: CallOptions): Promise<ResetResponse> {
    return await this.#caller.call("reset", {}, options);
  }
}
