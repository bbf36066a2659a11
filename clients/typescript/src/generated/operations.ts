// Made from docs/reference/openapi.json by scripts/generate.js; do not edit.

import type {
  AssignKeyRequest,
  AssignKeyResponse,
  AuditCheckpoint,
  AuditPage,
  BackupPage,
  BackupShown,
  BackupVerdict,
  CeremonyResponse,
  CreateCredentialRequest,
  CreateWebhookRequest,
  CreatedCredential,
  CredentialPage,
  DamageRequest,
  DamageResponse,
  DeleteResponse,
  Delivery,
  DeliveryPage,
  FreezeRequest,
  FreezeState,
  GenerateKeyRequest,
  GenerateKeyResponse,
  Issuer,
  Jwks,
  KeyDetails,
  KeyPage,
  KeyVerdict,
  NewKeyRequest,
  NewKeyResponse,
  RecoverRequest,
  RecoverResponse,
  ResetResponse,
  RotateKeyRequest,
  RotateKeyResponse,
  SetIssuerRequest,
  SimulateRequest,
  SimulateResponse,
  StartRequest,
  StartResponse,
  StatusResponse,
  StoreDataRequest,
  StoreDataResponse,
  StoreFileForm,
  StoreFileResponse,
  StoreOwnRequest,
  StoreOwnResponse,
  StoreRequest,
  StoreResponse,
  TestWebhookResponse,
  TokenResponse,
  UpdateWebhookRequest,
  Webhook,
  WebhookPage,
  WebhookWithSecret,
} from "./types.js";

/** What each operation takes and answers. */
export interface Operations {
  /** The signing keys as a JWK set. */
  jwks: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: Jwks;
  };
  /** The current assignment key as PEM, for partners who pin one. */
  pem: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: string;
  };
  /** Lists acts, ascending. */
  list: {
    path: undefined;
    query: { customer_id?: string; package_id?: string; key_id?: string; backup_id?: string; action?: string; from?: string; to?: string; limit?: number; cursor?: string; };
    body: undefined;
    answer: AuditPage;
  };
  /** The newest signed checkpoint of the log, which covers every act that was answered before. */
  checkpoint: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: AuditCheckpoint;
  };
  /** The whole log as JSON lines: the entries of `GET /v1/audit`, one a line, ascending, all that were answered before. */
  export: {
    path: undefined;
    query: { customer_id?: string; package_id?: string; key_id?: string; backup_id?: string; action?: string; from?: string; to?: string; };
    body: undefined;
    answer: string;
  };
  /** Shows the tenant's own issuer of tokens. */
  read_issuer: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: Issuer;
  };
  /** Registers the tenant's own issuer of tokens, in the place of the one before. */
  set_issuer: {
    path: undefined;
    query: undefined;
    body: SetIssuerRequest;
    answer: Issuer;
  };
  /** Ends the tenant's own issuer: its tokens are refused from the next call on. */
  delete_issuer: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: void;
  };
  /** Exchanges the API key of this call for a bearer token of half an hour. */
  exchange_token: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: TokenResponse;
  };
  /** Releases everything a user has stored, encrypted to his own OpenPGP key. */
  recover: {
    path: undefined;
    query: undefined;
    body: RecoverRequest;
    answer: RecoverResponse;
  };
  /** Stores 1 to 3 encrypted items. */
  store: {
    path: undefined;
    query: undefined;
    body: StoreRequest;
    answer: StoreResponse;
  };
  /** Lists backups, newest first, deleted ones too. */
  list_own_backups: {
    path: undefined;
    query: { user_identifier?: string; key_id?: string; customer_id?: string; package_id?: string; status?: "unconfirmed" | "confirmed" | "delete-pending" | "deleted"; backup_type?: "data" | "file"; limit?: number; cursor?: string; };
    body: undefined;
    answer: BackupPage;
  };
  /** Reads what is known about one backup. */
  read_own_backup: {
    path: { backup_id: string; };
    query: undefined;
    body: undefined;
    answer: BackupShown;
  };
  /** Has a backup deleted after thirty days; until then nobody gets it, and it can be restored. */
  delete_own_backup: {
    path: { backup_id: string; };
    query: undefined;
    body: undefined;
    answer: DeleteResponse;
  };
  /** Keeps a backup whose deletion was asked for. */
  restore_own_backup: {
    path: { backup_id: string; };
    query: undefined;
    body: undefined;
    answer: BackupShown;
  };
  /** Has the enclave open a backup and compare its checksum. */
  verify_backup: {
    path: { backup_id: string; };
    query: undefined;
    body: undefined;
    answer: BackupVerdict;
  };
  /** Lists the tenant's credentials, newest first, without their texts. */
  list_credentials: {
    path: undefined;
    query: { limit?: number; cursor?: string; };
    body: undefined;
    answer: CredentialPage;
  };
  /** Makes a credential; its text is shown this once. */
  create_credential: {
    path: undefined;
    query: undefined;
    body: CreateCredentialRequest;
    answer: CreatedCredential;
  };
  /** Revokes a credential; the next call with it is refused. */
  revoke_credential: {
    path: { id: string; };
    query: undefined;
    body: undefined;
    answer: void;
  };
  /** Says whether the account is frozen, by the enclave's own word. */
  read_freeze: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: FreezeState;
  };
  /** Has the enclave release nothing of this account for a time, whoever asks and whatever was approved. Checks, stores and rotations go on. */
  freeze: {
    path: undefined;
    query: undefined;
    body: FreezeRequest;
    answer: FreezeState;
  };
  /** Makes a key pair for one user, in the enclave. */
  generate: {
    path: undefined;
    query: undefined;
    body: GenerateKeyRequest;
    answer: GenerateKeyResponse;
  };
  /** Lists keys, newest first, superseded ones too. */
  list_own_keys: {
    path: undefined;
    query: { user_identifier?: string; customer_id?: string; package_id?: string; status?: "active" | "superseding" | "superseded" | "released" | "destroy-pending" | "destroyed"; key_environment?: "HOT" | "COLD"; limit?: number; cursor?: string; };
    body: undefined;
    answer: KeyPage;
  };
  /** Assigns a new key to a user. */
  new_key: {
    path: undefined;
    query: undefined;
    body: NewKeyRequest;
    answer: NewKeyResponse;
  };
  /** Reads one key, with its history. */
  read_own_key: {
    path: { key_id: string; };
    query: undefined;
    body: undefined;
    answer: KeyDetails;
  };
  /** Replaces a key by a new one, which all that it guards answers to from then on. */
  rotate_own_key: {
    path: { key_id: string; };
    query: undefined;
    body: RotateKeyRequest;
    answer: RotateKeyResponse;
  };
  /** Has the enclave rebuild a key and prove its pair. */
  verify_key: {
    path: { key_id: string; };
    query: undefined;
    body: undefined;
    answer: KeyVerdict;
  };
  /** Lists backups, newest first, deleted ones too. */
  list_backups: {
    path: undefined;
    query: { user_identifier?: string; key_id?: string; customer_id?: string; package_id?: string; status?: "unconfirmed" | "confirmed" | "delete-pending" | "deleted"; backup_type?: "data" | "file"; limit?: number; cursor?: string; };
    body: undefined;
    answer: BackupPage;
  };
  /** Reads what is known about one backup. */
  read_backup: {
    path: { backup_id: string; };
    query: undefined;
    body: undefined;
    answer: BackupShown;
  };
  /** Has a backup deleted after thirty days; until then nobody gets it, and it can be restored. */
  delete_backup: {
    path: { backup_id: string; };
    query: undefined;
    body: undefined;
    answer: DeleteResponse;
  };
  /** Keeps a backup whose deletion was asked for. */
  restore_backup: {
    path: { backup_id: string; };
    query: undefined;
    body: undefined;
    answer: BackupShown;
  };
  /** Lists keys, newest first, superseded ones too. */
  list_keys: {
    path: undefined;
    query: { user_identifier?: string; customer_id?: string; package_id?: string; status?: "active" | "superseding" | "superseded" | "released" | "destroy-pending" | "destroyed"; key_environment?: "HOT" | "COLD"; limit?: number; cursor?: string; };
    body: undefined;
    answer: KeyPage;
  };
  /** Assigns a key to a user of an organisation. */
  assign_key: {
    path: undefined;
    query: undefined;
    body: AssignKeyRequest;
    answer: AssignKeyResponse;
  };
  /** Reads one key, with its history. */
  read_key: {
    path: { key_id: string; };
    query: undefined;
    body: undefined;
    answer: KeyDetails;
  };
  /** Replaces a key by a new one, which all that it guards answers to from then on. */
  rotate_key: {
    path: { key_id: string; };
    query: undefined;
    body: RotateKeyRequest;
    answer: RotateKeyResponse;
  };
  /** Stores one ciphertext under an assigned key. */
  store_data: {
    path: undefined;
    query: undefined;
    body: StoreDataRequest;
    answer: StoreDataResponse;
  };
  /** Stores one encrypted file under an assigned key. */
  store_file: {
    path: undefined;
    query: undefined;
    body: StoreFileForm;
    answer: StoreFileResponse;
  };
  /** Has the offline enclave do now what waits for it, and answers when it is done. */
  ceremony: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: CeremonyResponse;
  };
  /** Makes an item fail at its recovery. */
  damage: {
    path: undefined;
    query: undefined;
    body: DamageRequest;
    answer: DamageResponse;
  };
  /** Begins anew: users, keys, verifications, backups, recoveries and deliveries of the calling tenant are gone; credentials, webhooks and settings stay. A new log begins, whose first entry names the end of the old. */
  reset: {
    path: undefined;
    query: undefined;
    body: undefined;
    answer: ResetResponse;
  };
  /** Stores one ciphertext under a key. */
  store_own_data: {
    path: undefined;
    query: undefined;
    body: StoreOwnRequest;
    answer: StoreOwnResponse;
  };
  /** Stores one encrypted file under a key. */
  store_own_file: {
    path: undefined;
    query: undefined;
    body: StoreFileForm;
    answer: StoreFileResponse;
  };
  /** Plays the identity provider (sandbox only). */
  simulate: {
    path: undefined;
    query: undefined;
    body: SimulateRequest;
    answer: SimulateResponse;
  };
  /** Begins an identity check. */
  start: {
    path: undefined;
    query: undefined;
    body: StartRequest;
    answer: StartResponse;
  };
  /** Says where an identity check stands. */
  status: {
    path: undefined;
    query: { verification_id: string; };
    body: undefined;
    answer: StatusResponse;
  };
  /** Lists endpoints, newest first. */
  list_webhooks: {
    path: undefined;
    query: { limit?: number; cursor?: string; };
    body: undefined;
    answer: WebhookPage;
  };
  /** Registers an endpoint. Its secret is in the answer and is never shown again. */
  create_webhook: {
    path: undefined;
    query: undefined;
    body: CreateWebhookRequest;
    answer: WebhookWithSecret;
  };
  /** Shows one endpoint. */
  read_webhook: {
    path: { id: string; };
    query: undefined;
    body: undefined;
    answer: Webhook;
  };
  /** Changes an endpoint, or switches it on or off. */
  update_webhook: {
    path: { id: string; };
    query: undefined;
    body: UpdateWebhookRequest;
    answer: Webhook;
  };
  /** Deletes an endpoint, with what waits for it. */
  delete_webhook: {
    path: { id: string; };
    query: undefined;
    body: undefined;
    answer: void;
  };
  /** Lists what an endpoint was sent, newest first, with every try. */
  list_deliveries: {
    path: { id: string; };
    query: { limit?: number; cursor?: string; };
    body: undefined;
    answer: DeliveryPage;
  };
  /** Has an event sent again, now, under the same id. */
  redeliver: {
    path: { id: string; delivery_id: string; };
    query: undefined;
    body: undefined;
    answer: Delivery;
  };
  /** Gives an endpoint a new secret; for 24 hours the one before signs too. */
  rotate_webhook_secret: {
    path: { id: string; };
    query: undefined;
    body: undefined;
    answer: WebhookWithSecret;
  };
  /** Sends an endpoint an event of the type `webhook.test`. */
  test_webhook: {
    path: { id: string; };
    query: undefined;
    body: undefined;
    answer: TestWebhookResponse;
  };
}

/** Method, path, and whether the operation reads an `Idempotency-Key`. */
export const OPERATIONS = {
  jwks: ["GET", "/.well-known/jwks.json", false],
  pem: ["GET", "/.well-known/verification-key.pem", false],
  list: ["GET", "/v1/audit", false],
  checkpoint: ["GET", "/v1/audit/checkpoint", false],
  export: ["GET", "/v1/audit/export", false],
  read_issuer: ["GET", "/v1/auth/issuer", false],
  set_issuer: ["PUT", "/v1/auth/issuer", false],
  delete_issuer: ["DELETE", "/v1/auth/issuer", false],
  exchange_token: ["POST", "/v1/auth/token", false],
  recover: ["POST", "/v1/backup/recover", false],
  store: ["POST", "/v1/backup/store", true],
  list_own_backups: ["GET", "/v1/backups", false],
  read_own_backup: ["GET", "/v1/backups/{backup_id}", false],
  delete_own_backup: ["DELETE", "/v1/backups/{backup_id}", false],
  restore_own_backup: ["POST", "/v1/backups/{backup_id}/restore", true],
  verify_backup: ["GET", "/v1/backups/{backup_id}/verify", false],
  list_credentials: ["GET", "/v1/credentials", false],
  create_credential: ["POST", "/v1/credentials", true],
  revoke_credential: ["DELETE", "/v1/credentials/{id}", false],
  read_freeze: ["GET", "/v1/freeze", false],
  freeze: ["POST", "/v1/freeze", true],
  generate: ["POST", "/v1/key/generate", true],
  list_own_keys: ["GET", "/v1/keys", false],
  new_key: ["POST", "/v1/keys", true],
  read_own_key: ["GET", "/v1/keys/{key_id}", false],
  rotate_own_key: ["POST", "/v1/keys/{key_id}/rotate", true],
  verify_key: ["GET", "/v1/keys/{key_id}/verify", false],
  list_backups: ["GET", "/v1/partner/backups", false],
  read_backup: ["GET", "/v1/partner/backups/{backup_id}", false],
  delete_backup: ["DELETE", "/v1/partner/backups/{backup_id}", false],
  restore_backup: ["POST", "/v1/partner/backups/{backup_id}/restore", true],
  list_keys: ["GET", "/v1/partner/keys", false],
  assign_key: ["POST", "/v1/partner/keys", true],
  read_key: ["GET", "/v1/partner/keys/{key_id}", false],
  rotate_key: ["POST", "/v1/partner/keys/{key_id}/rotate", true],
  store_data: ["POST", "/v1/partner/secure/data", true],
  store_file: ["POST", "/v1/partner/secure/file", true],
  ceremony: ["POST", "/v1/sandbox/ceremony", true],
  damage: ["POST", "/v1/sandbox/damage", true],
  reset: ["POST", "/v1/sandbox/reset", true],
  store_own_data: ["POST", "/v1/secure/data", true],
  store_own_file: ["POST", "/v1/secure/file", true],
  simulate: ["POST", "/v1/verification/simulate", true],
  start: ["POST", "/v1/verification/start", true],
  status: ["GET", "/v1/verification/status", false],
  list_webhooks: ["GET", "/v1/webhooks", false],
  create_webhook: ["POST", "/v1/webhooks", true],
  read_webhook: ["GET", "/v1/webhooks/{id}", false],
  update_webhook: ["PATCH", "/v1/webhooks/{id}", false],
  delete_webhook: ["DELETE", "/v1/webhooks/{id}", false],
  list_deliveries: ["GET", "/v1/webhooks/{id}/deliveries", false],
  redeliver: ["POST", "/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver", true],
  rotate_webhook_secret: ["POST", "/v1/webhooks/{id}/rotate-secret", true],
  test_webhook: ["POST", "/v1/webhooks/{id}/test", true],
} as const;
