// Credentials, tokens, and the tenant's own issuer of tokens.

import type { CallOptions, Caller } from "./call.js";
import type {
  CreateCredentialRequest,
  CreatedCredential,
  CredentialPage,
  FreezeRequest,
  FreezeState,
  Issuer,
  SetIssuerRequest,
  TokenResponse,
} from "./generated/types.js";
import type { Paging } from "./webhooks.js";

/** The calls of scope `credentials`, and the exchange of an API key for a token. */
export class Credentials {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Makes an API key. Its text is in this answer and nowhere else. */
  async create(request: CreateCredentialRequest, options?: CallOptions): Promise<CreatedCredential> {
    return await this.#caller.call("create_credential", { body: request }, options);
  }

  /** One page of credentials. */
  async list(paging: Paging = {}, options?: CallOptions): Promise<CredentialPage> {
    return await this.#caller.call("list_credentials", { query: paging }, options);
  }

  /** Revokes a credential: it is refused from the next call on. */
  async revoke(id: string, options?: CallOptions): Promise<void> {
    await this.#caller.call("revoke_credential", { path: { id } }, options);
  }

  /** A token of 30 minutes for this client's API key. */
  async exchangeToken(options?: CallOptions): Promise<TokenResponse> {
    return await this.#caller.call("exchange_token", {}, options);
  }

  /** Has nothing leave of the account for a time: 72 hours, unless `hours` says otherwise. */
  async freeze(request: FreezeRequest = {}, options?: CallOptions): Promise<FreezeState> {
    return await this.#caller.call("freeze", { body: request }, options);
  }

  /** Whether the account is frozen, and until when. */
  async readFreeze(options?: CallOptions): Promise<FreezeState> {
    return await this.#caller.call("read_freeze", {}, options);
  }

  /** The tenant's own issuer of tokens. */
  async readIssuer(options?: CallOptions): Promise<Issuer> {
    return await this.#caller.call("read_issuer", {}, options);
  }

  /** Registers the tenant's own issuer, or another in its place. */
  async setIssuer(request: SetIssuerRequest, options?: CallOptions): Promise<Issuer> {
    return await this.#caller.call("set_issuer", { body: request }, options);
  }

  /** Removes it: its tokens are refused from the next call on. */
  async deleteIssuer(options?: CallOptions): Promise<void> {
    await this.#caller.call("delete_issuer", {}, options);
  }
}
