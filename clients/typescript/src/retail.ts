// Retail: one method per call.

import type { CallOptions, Caller } from "./call.js";
import type {
  GenerateKeyRequest,
  GenerateKeyResponse,
  RecoverRequest,
  RecoverResponse,
  SimulateRequest,
  SimulateResponse,
  StartRequest,
  StartResponse,
  StatusResponse,
  StoreRequest,
  StoreResponse,
} from "./generated/types.js";
import { checkKeyForm, checkStore } from "./hints.js";
import { sha256 } from "./webcrypto.js";

/** What the sandbox plays on an inquiry. */
export type Action = SimulateRequest["action"];

/** The calls of scope `retail`. */
export class Retail {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Begins an identity check of a user. */
  async startVerification(request: StartRequest, options?: CallOptions): Promise<StartResponse> {
    return await this.#caller.call("start", { body: request }, options);
  }

  /** Begins an identity check and plays `action` on it at once (sandbox only). */
  async startVerificationWith(request: StartRequest, action: Action, options?: CallOptions): Promise<StartResponse> {
    const headers = { "x-override-status": action };
    return await this.#caller.call("start", { body: request }, options, { headers });
  }

  /** Where a check stands. */
  async verificationStatus(verificationId: string, options?: CallOptions): Promise<StatusResponse> {
    return await this.#caller.call("status", { query: { verification_id: verificationId } }, options);
  }

  /** Plays the identity provider (sandbox only). */
  async simulate(request: SimulateRequest, options?: CallOptions): Promise<SimulateResponse> {
    return await this.#caller.call("simulate", { body: request }, options);
  }

  /** Makes a key for a user. `attestGenerated` must pass before anything is encrypted to it. */
  async generateKey(request: GenerateKeyRequest, options?: CallOptions): Promise<GenerateKeyResponse> {
    return await this.#caller.call("generate", { body: request }, options);
  }

  /** Stores 1 to 3 ciphertexts, after a look at what would be refused. The service knows a repeat. */
  async storeBackup(request: StoreRequest, options?: CallOptions): Promise<StoreResponse> {
    checkKeyForm(request.public_key);
    for (const item of request.backup) {
      await checkStore(item.item_value, item.item_checksum, (bytes) => sha256(this.#caller.crypto, bytes));
    }
    return await this.#caller.call("store", { body: request }, options);
  }

  /** Asks for everything that a user stored. Not repeated by itself: each answer counts, and there are three. */
  async recover(request: RecoverRequest, options?: CallOptions): Promise<RecoverResponse> {
    return await this.#caller.call("recover", { body: request }, options);
  }
}
