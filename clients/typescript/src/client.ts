// The client: the groups of calls, and the whole deeds.

import type { Asked, AttestedKey, Claim } from "./attest.js";
import { Audit } from "./audit.js";
import { type CallOptions, Caller, type ClientOptions } from "./call.js";
import { Credentials } from "./credentials.js";
import type {
  AssignKeyRequest,
  AssignKeyResponse,
  GenerateKeyRequest,
  GenerateKeyResponse,
  Jwks,
} from "./generated/types.js";
import { Institution } from "./institution.js";
import { Partner } from "./partner.js";
import { Retail } from "./retail.js";
import { Sandbox } from "./sandbox.js";
import { SigningKeys } from "./signing-keys.js";
import { Webhooks } from "./webhooks.js";
import { type BackedUp, backup, type BackupRequest, openAll, type RecoverAllRequest, type Recovered } from "./whole.js";

/** A connection to the service, with one tenant's credential. */
export class Client {
  readonly retail: Retail;
  readonly partner: Partner;
  readonly institution: Institution;
  readonly audit: Audit;
  readonly webhooks: Webhooks;
  readonly credentials: Credentials;
  readonly sandbox: Sandbox;
  readonly #caller: Caller;
  readonly #signingKeys: SigningKeys;

  constructor(options: ClientOptions) {
    this.#caller = new Caller(options);
    this.#signingKeys = new SigningKeys(this.#caller, options.pinnedSigningKeys ?? []);
    this.retail = new Retail(this.#caller);
    this.partner = new Partner(this.#caller, this.#signingKeys);
    this.institution = new Institution(this.#caller, this.#signingKeys);
    this.audit = new Audit(this.#caller);
    this.webhooks = new Webhooks(this.#caller);
    this.credentials = new Credentials(this.#caller);
    this.sandbox = new Sandbox(this.#caller);
  }

  /** The address that the calls go to, without a slash at its end. */
  get baseUrl(): string {
    return this.#caller.baseUrl;
  }

  /**
   * Backs a wallet's secrets up under a new key, in one call: has the key made, checks the enclave's word for it,
   * encrypts on this device, stores. Partners and institutions: `client.partner.backup`, `client.institution.backup`.
   */
  async backup(request: BackupRequest, options?: CallOptions): Promise<BackedUp> {
    return await backup(this.retail, this.#signingKeys, this.#caller.crypto, request, options);
  }

  /** Recovers everything that a wallet's user stored, to this device, in one call. */
  async recover(request: RecoverAllRequest, options?: CallOptions): Promise<Recovered> {
    const { userIdentifier: user_identifier, verificationId: verification_id, device, requestSignature } = request;
    const signed = requestSignature === undefined ? {} : { request_signature: requestSignature };
    const body = { user_identifier, verification_id, gpg_public_key: device.publicBlock, ...signed };
    return await openAll(await this.retail.recover(body, options), device, this.#caller.crypto);
  }

  /** The service's signing keys, fetched now. */
  async jwks(options?: CallOptions): Promise<Jwks> {
    return await this.#signingKeys.fetch(options);
  }

  /** PEM of the current signing key, for who pins one. Fetch it over a way that you trust, not at each start. */
  async verificationKeyPem(options?: CallOptions): Promise<string> {
    return await this.#caller.call("pem", {}, options);
  }

  /** Checks a claim against the service's signing keys, or the pinned ones. */
  async attest(claim: Claim, asked: Asked, options?: CallOptions): Promise<AttestedKey> {
    return await this.#signingKeys.attest(claim, asked, options);
  }

  /** Checks the answer to `retail.generateKey`. */
  async attestGenerated(
    request: GenerateKeyRequest,
    answer: GenerateKeyResponse,
    options?: CallOptions,
  ): Promise<AttestedKey> {
    const facts = { key_id: answer.key_id };
    return await this.attest(answer, { signWith: request.sign_with ?? [], keyType: "rsa4096", facts }, options);
  }

  /** Checks the answer to `partner.assignKey`. */
  async attestAssigned(
    request: AssignKeyRequest,
    answer: AssignKeyResponse,
    options?: CallOptions,
  ): Promise<AttestedKey> {
    const asked: Asked = {
      signWith: request.sign_with ?? [],
      keyType: request.key_type ?? "rsa4096",
      keyEnvironment: request.key_environment,
      facts: {
        key_id: answer.key_id,
        external_customer_id: request.organisation.customer_id,
        external_package_id: request.package.package_id,
      },
    };
    return await this.attest(answer, asked, options);
  }

  toString(): string {
    return `Client(${this.baseUrl})`;
  }
}
