// Made from docs/reference/openapi.json by scripts/generate.js; do not edit.

/** Asks for a key for one user of one organisation. */
export interface AssignKeyRequest {
  /** `HOT` or `COLD`; fixed for the life of the key. */ key_environment: "HOT" | "COLD";
  /** `rsa4096` (the default), `secp256k1` or `ed25519`. */
  key_type?: "rsa4096" | "secp256k1" | "ed25519" | null;
  /** The tenant's own customer. */ organisation: Organisation;
  /** The product package the key is filed under. */ package: Package;
  /** Fields to sign beside the public key. */
  sign_with?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint"> | null;
  /** The tenant's name for the user. */ user_identifier: string;
}

/** An assigned key. */
export interface AssignKeyResponse {
  /** When, RFC 3339. */ assigned_at: string;
  /** As asked. */ customer_id: string;
  /** `HOT` or `COLD`. */ key_environment: "HOT" | "COLD";
  /** Its id. */ key_id: string;
  /** The kind of pair. */ key_type: "rsa4096" | "secp256k1" | "ed25519";
  /** Which signing key signed; see `/.well-known/jwks.json`. */ kid: string;
  /** The names, as asked. */ metadata: AssignmentMetadata;
  /** As asked. */ package_id: string;
  /** Lower-case hexadecimal: DER for RSA, the compressed point for secp256k1, 32 bytes for Ed25519. */
  public_key: string;
  /** ES256, DER, standard base64. */ signature: string;
  /** The fields asked for, in the request's order. */
  signed_fields?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint">;
  /** What was signed, when `sign_with` asked for fields. */ signed_payload?: string;
}

/** The names that a key is filed under. */
export interface AssignmentMetadata {
  /** The organisation's name. */ customer_name?: string;
  /** The package's name. */ package_name?: string;
}

/** One try. */
export interface Attempt {
  /** The HTTP status of the answer, if one came. The rest of the answer is not kept. */
  answer_code: number | null;
  /** How long it took. */ duration_ms: number;
  /** From 1. */ number: number;
  /** `acknowledged`, `refused`, `redirected`, `gone`, `timed-out`, `not-resolved`, `target-refused`, `not-connected`, `tls-failed` or `broken`. */
  status: "acknowledged" | "refused" | "redirected" | "gone" | "timed-out" | "not-resolved" | "target-refused" | "not-connected" | "tls-failed" | "broken";
  /** When it began, RFC 3339. */ time: string;
}

/** A log's size and root, signed. */
export interface AuditCheckpoint {
  /** The enclave's key, where the note has its signature too (C2SP tlog-cosignature). Keep the first one: the enclave signs only what goes on from all that it signed of this log before. */
  enclave_key?: string;
  /** The key that it is checked with, as C2SP signed-note spells it. Keep the first one, or ask the operator: whoever can forge a checkpoint can name another key with it. */
  key: string;
  /** When it was made, RFC 3339. This is not signed. */ made_at: string;
  /** The whole of it as C2SP signed-note: what `text/plain` is. Keep it: it proves what the log was. */
  note: string;
  /** Which log. */ origin: string;
  /** The root of the RFC 6962 tree over them, standard base64. */ root: string;
  /** How many entries it covers: those up to this `seq`. */ size: number;
}

/** One act. */
export interface AuditEntry {
  /** What, such as `key.assigned`. */ action: string;
  /** Who: a credential's id, a keyed hash of the `sub` of a token of the tenant's own issuer, a person's id, a provider's name, or `service`. */
  actor: string;
  /** `api_key`, `user_credentials`, `person` (who signed in to Control), `identity_provider`, `service`, or `operator`: who administers the installation. */
  actor_type: "api_key" | "user_credentials" | "person" | "operator" | "identity_provider" | "service";
  /** The backup concerned. */ backup_id: string | null;
  /** The organisation concerned. */ customer_id: string | null;
  /** The key concerned. */ key_id: string | null;
  /** The package concerned. */ package_id: string | null;
  /** Lower-case hexadecimal SHA-256 of the entry before this one; zeros at the first. */ prev_hash: string;
  /** The stable code of a refusal; the id of a credential that was made or revoked. */ reason: string | null;
  /** The recovery concerned. */ recovery_id: string | null;
  /** The call that did it. */ request_id: string;
  /** `ok`, `refused` or `failed`. */ result: "ok" | "refused" | "failed";
  /** Its place in that log, from 1, without gaps. */ seq: number;
  /** Whose log it is. */ tenant: string;
  /** When, RFC 3339. */ time: string;
  /** The inquiry concerned. */ verification_id: string | null;
}

/** A page of the log, ascending. */
export interface AuditPage {
  /** The entries. */ data: Array<AuditEntry>;
  /** Hand this back as `cursor` for the next page; none at the end. */ next_cursor: string | null;
}

/** A page of backups, newest first. */
export interface BackupPage {
  /** The backups. */ data: Array<BackupShown>;
  /** Where the next page begins; null at the end. */ next_cursor: string | null;
}

/** What is known about a backup; never its ciphertext or its plaintext's checksum. */
export interface BackupShown {
  /** Its id. */ backup_id: string;
  /** `data` or `file`. */ backup_type: "data" | "file";
  /** `verified`, `unverified-cold`, `check-failed`; a file's: `not-checked`. */
  check: "verified" | "unverified-cold" | "check-failed" | "not-checked";
  /** The organisation its key is filed under; null where there is none. */ customer_id: string | null;
  /** Bytes stored. */ data_size: number;
  /** When it will be deleted; null unless that was asked for. */ delete_after: string | null;
  /** The caller's name for it. */ item_key?: string;
  /** `HOT` or `COLD`. */ key_environment: "HOT" | "COLD";
  /** The key it is encrypted to. */ key_id: string;
  /** What came with it, and `stored_at`. */ metadata: Record<string, unknown>;
  /** The package its key is filed under; null where there is none. */ package_id: string | null;
  /** A file's: SHA-256 of the bytes stored. */ sha256?: string;
  /** `unconfirmed`, `confirmed`, `delete-pending` or `deleted`. */
  status: "unconfirmed" | "confirmed" | "delete-pending" | "deleted";
  /** When it last changed, RFC 3339. */ updated_at: string;
  /** The tenant's name for its user. */ user_identifier: string;
}

/** Whether a backup is whole. */
export interface BackupVerdict {
  /** Whether it is what was stored, and opens. */ is_backup_valid: boolean;
  /** In words. */ message: string;
}

/** The offline enclave has done what waited for it. */
export interface CeremonyResponse {
  /** COLD keys that came into the pool. */ keys_added: number;
  /** Always true. */ ok: boolean;
}

/** A new credential. */
export interface CreateCredentialRequest {
  /** From when it is refused, RFC 3339; never, when left out. */ expires_at?: string | null;
  /** The tenant's own label. */ name: string;
  /** What it may be used for; nothing that the credential of this call may not. */
  scopes: Array<"retail" | "partner" | "keys" | "audit" | "webhooks" | "sandbox" | "credentials">;
}

/** `POST /v1/webhooks`. */
export interface CreateWebhookRequest {
  /** Your own words, up to 255 characters. */ description?: string | null;
  /** Which types; all when left out or empty. */
  events?: Array<"inquiry.created" | "inquiry.started" | "inquiry.completed" | "inquiry.failed" | "inquiry.expired" | "inquiry.approved" | "inquiry.declined" | "inquiry.marked-for-review" | "verification.passed" | "verification.failed" | "key.assigned" | "key.rotated" | "key.destroy-pending" | "key.kept" | "key.destroyed" | "backup.stored" | "backup.confirmed" | "backup.deleted" | "backup.check-failed" | "recovery.requested" | "recovery.approved" | "recovery.declined" | "recovery.released" | "recovery.expired" | "acl.changed" | "acl.change-waiting" | "acl.change-stopped" | "policy.changed" | "tenant.frozen" | "tenant.thawed" | "webhook.disabled"> | null;
  /** Where events are posted to: https, and in a sandbox also http. */ url: string;
}

/** A new credential, with its text. It is shown this once. */
export interface CreatedCredential {
  /** The text: what `X-API-Key` takes. */ api_key: string;
  /** When it was made. */ created_at: string;
  /** From when it is refused. */ expires_at: string | null;
  /** By which people recognise it: its prefix and its last four characters. */ hint: string;
  /** Its id. */ id: string;
  /** The tenant's own label. */ name: string;
  /** What it may be used for. */
  scopes: Array<"retail" | "partner" | "keys" | "audit" | "webhooks" | "sandbox" | "credentials">;
}

/** A credential, without its text. */
export interface Credential {
  /** When it was made. */ created_at: string;
  /** From when it is refused. */ expires_at: string | null;
  /** By which people recognise it: its prefix and its last four characters. */ hint: string;
  /** Its id. */ id: string;
  /** The tenant's own label. */ name: string;
  /** When it was revoked. */ revoked_at: string | null;
  /** What it may be used for. */
  scopes: Array<"retail" | "partner" | "keys" | "audit" | "webhooks" | "sandbox" | "credentials">;
}

/** A page of credentials, newest first, the revoked and the expired among them. */
export interface CredentialPage {
  /** The credentials. */ data: Array<Credential>;
  /** Hand this back as `cursor` for the next page; none at the end. */ next_cursor: string | null;
}

/** Makes one item fail at its recovery. */
export interface DamageRequest {
  /** The item. */ backup_id: string;
}

/** It will fail. */
export interface DamageResponse {
  /** The item. */ backup_id: string;
  /** Always true. */ ok: boolean;
}

/** It will be deleted. */
export interface DeleteResponse {
  /** From then on, RFC 3339; until then it can be restored. */ delete_after: string;
}

/** An event on its way to an endpoint. */
export interface Delivery {
  /** Every try so far, in order. */ attempts: Array<Attempt>;
  /** When the event happened, RFC 3339. */ created_at: string;
  /** The event's id, which is also `webhook-id`; the same on every try. */ id: string;
  /** When it is tried next, RFC 3339; none when it is not pending. */ next_attempt_at: string | null;
  /** `pending`, `delivered` or `parked`. */ state: "pending" | "delivered" | "parked";
  /** The event's type. */ type: string;
}

/** A page of deliveries, newest first. */
export interface DeliveryPage {
  /** The deliveries. */ data: Array<Delivery>;
  /** Hand this back as `cursor` for the next page; none at the end. */ next_cursor: string | null;
}

/** Why a call was refused or failed. */
export interface ErrorBody {
  /** For a program; never changes. */ code: string;
  /** The status' reason phrase. */ error: string;
  /** For each field at fault, by its JSON path, what is wrong with it. */
  errors?: Record<string, Array<string>>;
  /** What is wrong and what to do, for a person. */ message: string;
  /** The call's id, also in `X-Request-Id` and in the service's log. */ request_id: string;
}

/** The event was genuine; it need not be sent again. */
export interface EventResponse {
  /** Always true. */ ok: boolean;
}

/** Have nothing leave for a time. */
export interface FreezeRequest {
  /** For how many hours from now; 72 when left out. What is frozen for longer stays so. */
  hours?: number | null;
}

/** Whether anything leaves. */
export interface FreezeState {
  /** Nothing does. */ frozen: boolean;
  /** Until when, if so; later where the service stands still meanwhile. An owner may end it before. */
  frozen_until: string | null;
}

/** Asks for a new key pair for one user. */
export interface GenerateKeyRequest {
  /** Fields to sign beside the public key. */
  sign_with?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint"> | null;
  /** The tenant's name for the user. */ user_identifier: string;
  /** An inquiry of this user that is not declined, failed or expired. */ verification_id: string;
}

/** A new key. */
export interface GenerateKeyResponse {
  /** Its id. */ key_id: string;
  /** Lower-case hexadecimal of the DER `SubjectPublicKeyInfo`. */ public_key: string;
  /** ES256, DER, standard base64. */ signature: string;
  /** The fields asked for, in the request's order. */
  signed_fields?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint">;
  /** What was signed, when `sign_with` asked for fields. */ signed_payload?: string;
}

/** The process runs. */
export interface Health {
  /** Always `ok`. */ status: "ok";
}

/** A tenant's own issuer of tokens, as it is registered. */
export interface Issuer {
  /** For whom its tokens are. */ audience: string;
  /** When the tenant first had one. */ created_at: string;
  /** Its name: the claim `iss` of its tokens. */ issuer: string;
  /** Where its public keys are. */ jwks_uri: string;
  /** What its tokens may hold at most. */
  scopes: Array<"retail" | "partner" | "keys" | "audit" | "webhooks" | "sandbox" | "credentials">;
  /** When it was last set. */ updated_at: string;
}

/** One encrypted item. */
export interface ItemToStore {
  /** SHA-256 of the plaintext, hexadecimal. */ item_checksum: string;
  /** Its name, 1 to 128 characters. */ item_key: string;
  /** The RSA-OAEP ciphertext, standard base64. */ item_value: string;
}

/** One public key: ECDSA on P-256. */
export interface Jwk {
  /** Always `ES256`. */ alg: string;
  /** What it signs: `assignment-sig` or `receipt-sig`. */ "coincover:purposes": Array<string>;
  /** Since when, RFC 3339. */ "coincover:validFrom": string;
  /** Always `P-256`. */ crv: string;
  /** Unique; different in every environment. */ kid: string;
  /** Always `EC`. */ kty: string;
  /** Always `sig`. */ use: string;
  /** base64url. */ x: string;
  /** base64url. */ y: string;
}

/** A JWK set. */
export interface Jwks {
  /** The keys. */ keys: Array<Jwk>;
}

/** Something that was done to a key. */
export interface KeyAct {
  /** What, as the audit log names it, such as `key.assigned`. */ action: string;
  /** Who. */ actor: string;
  /** What the actor is. */
  actor_type: "api_key" | "user_credentials" | "person" | "operator" | "identity_provider" | "service";
  /** When, RFC 3339. */ time: string;
}

/** One key, and what was done to it. */
export type KeyDetails = KeyShown & { history: Array<KeyAct>; };

/** A page of keys, newest first. */
export interface KeyPage {
  /** The keys. */ data: Array<KeyShown>;
  /** Where the next page begins; null at the end. */ next_cursor: string | null;
}

/** A key, with what its assignment answered. */
export interface KeyShown {
  /** When it was assigned, RFC 3339. */ assigned_at: string;
  /** How many backups it guards, deleted ones not counted. */ backups_count: number;
  /** The organisation it is filed under; null where there is none. */ customer_id: string | null;
  /** `HOT` or `COLD`. */ key_environment: "HOT" | "COLD";
  /** Its id. */ key_id: string;
  /** The kind of pair. */ key_type: "rsa4096" | "secp256k1" | "ed25519";
  /** Which signing key signed. */ kid: string;
  /** Their names. */ metadata: AssignmentMetadata;
  /** The package it is filed under; null where there is none. */ package_id: string | null;
  /** As first answered. */ public_key: string;
  /** As first answered. */ signature: string;
  /** As first answered. */
  signed_fields?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint">;
  /** As first answered. */ signed_payload?: string;
  /** `active`, `superseding`, `superseded`, `released`, `destroy-pending` or `destroyed`. */
  status: "active" | "superseding" | "superseded" | "released" | "destroy-pending" | "destroyed";
  /** The key that replaced it; null where there is none. */ superseded_by: string | null;
  /** The key that it replaced; null where there is none. */ supersedes: string | null;
  /** The tenant's name for its user. */ user_identifier: string;
}

/** Whether a key is whole. */
export interface KeyVerdict {
  /** Whether the enclave rebuilt the key and its halves fit. */ is_key_valid: boolean;
  /** In words. */ message: string;
}

/** Asks for a key for one user; every call makes a new one. */
export interface NewKeyRequest {
  /** `HOT`, the default, or `COLD`; fixed for the life of the key. */ key_environment?: "HOT" | "COLD" | null;
  /** `rsa4096`, `secp256k1` or `ed25519`. */ key_type: "rsa4096" | "secp256k1" | "ed25519";
   organisation?: Organisation | null;
   package?: Package | null;
  /** Fields to sign beside the public key. */
  sign_with?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint"> | null;
  /** The tenant's name for the user. */ user_identifier: string;
}

/** A new key. */
export interface NewKeyResponse {
  /** When, RFC 3339. */ assigned_at: string;
  /** As asked. */ customer_id?: string;
  /** `HOT` or `COLD`. */ key_environment: "HOT" | "COLD";
  /** Its id. */ key_id: string;
  /** The kind of pair. */ key_type: "rsa4096" | "secp256k1" | "ed25519";
  /** Which signing key signed; see `/.well-known/jwks.json`. */ kid: string;
  /** The names, as asked. */ metadata: AssignmentMetadata;
  /** As asked. */ package_id?: string;
  /** Lower-case hexadecimal: DER for RSA, the compressed point for secp256k1, 32 bytes for Ed25519. */
  public_key: string;
  /** ES256, DER, standard base64. */ signature: string;
  /** The fields asked for, in the request's order. */
  signed_fields?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint">;
  /** What was signed, when `sign_with` asked for fields. */ signed_payload?: string;
}

/** The tenant's own customer. */
export interface Organisation {
  /** Its id, the tenant's choice. */ customer_id: string;
  /** Its name. */ customer_name?: string | null;
}

/** A product package. */
export interface Package {
  /** Its id, the tenant's choice. */ package_id: string;
  /** Its name. */ package_name?: string | null;
}

/** What the page sends on which one plays the person who is checked. White space around a name is cut off. */
export interface PlayForm {
  /** What happens to the inquiry. */
  action: "start_inquiry" | "complete_inquiry" | "fail_inquiry" | "expire_inquiry" | "mark_for_review_inquiry" | "approve_inquiry" | "decline_inquiry" | "create_passed_verification" | "create_failed_verification" | "close_window";
  /** `YYYY-MM-DD`. */ birthdate: string;
  /** Whom one plays. */ first_name: string;
  /** Whom one plays. */ last_name: string;
}

/** Everything that is needed is there. */
export interface Readiness {
  /** `whole`; `foreign`: somebody wrote entries for audit logs past the service, and they got no place there, or the head of one, and nothing is added to that log; or `forked`: a tenant's audit log does not go on from what the enclave signed of it. Somebody put back an old copy of the database or wrote a history anew. All goes on, and the operator should look. */
  audit_logs: "whole" | "foreign" | "forked";
  /** `sandbox` or `production`. */ environment: "production" | "sandbox";
  /** `ready`, or `away`: files can be neither stored nor checked, and all else goes on. As of ten seconds ago at most. */
  files: "ready" | "away";
  /** Always `ready`. */ status: "ready";
  /** How it stands with those outside who sign the audit logs' checkpoints too: `none` of them is set, or `well`, or one is `away`, or one is `forked`: he knows another history of a log than this service has. */
  witnesses: "none" | "well" | "away" | "forked";
}

/** Asks for everything a user has stored, encrypted to his own key. */
export interface RecoverRequest {
  /** An ASCII-armoured OpenPGP certificate. */ gpg_public_key: string;
  /** Your own signature for this recovery, where your policy asks for one: a compact JWS (RFC 7515) by ES256 over the RFC 8785 form of `{"openpgp_fpr", "user_identifier", "verification_id"}`, made with a key of that policy. `openpgp_fpr` is the certificate's primary fingerprint in upper-case hexadecimal. */
  request_signature?: string | null;
  /** The tenant's name for the user. */ user_identifier: string;
  /** An approved inquiry of this user, inside its window. */ verification_id: string;
}

/** The user's items, newest first. */
export interface RecoverResponse {
  /** One for each item. */ backup: Array<RecoveredItem>;
  /** What the enclave signed of this release, for `holdfast verify-record`: a compact JWS. None: nothing went out. */
  release_record?: string;
  /** The tenant's name for the user. */ user_identifier: string;
  /** The inquiry that was used. */ verification_id: string;
}

/** One item: recovered, or failed with `error`. Both published editions of the answer at once. */
export interface RecoveredItem {
  /** Its id. */ backup_id: string;
  /** The same name, as the other edition calls it. */ backup_item_key: string;
  /** As stored. */ content_type?: string;
  /** Why this item could not be recovered. */ error?: string;
  /** The checksum as stored. */ item_checksum?: string;
  /** Its name. */ item_key: string;
  /** The same base64, as the other edition has it. */ item_value?: string;
  /** As stored, with `recovered_at`. */ metadata?: Record<string, unknown>;
  /** As stored. */ original_filename?: string;
  /** Bytes of the plaintext, as text. */ original_size?: string;
  /** Names this release. */ recovery_id?: string;
  /** The OpenPGP message. */ recovery_package?: RecoveryPackage;
}

/** An OpenPGP message of one item's plaintext. */
export interface RecoveryPackage {
  /** Always `gpg`. */ algorithm: string;
  /** Base64 of the ASCII-armoured message. */ data: string;
}

/** The tenant has begun anew. */
export interface ResetResponse {
  /** Always true. */ ok: boolean;
}

/** Asks for a new key in the place of one. */
export interface RotateKeyRequest {
  /** Fields to sign beside the new public key. */
  sign_with?: Array<"external_customer_id" | "external_package_id" | "pulled_by_id" | "pulled_by_type" | "user_id" | "key_id" | "key_fingerprint"> | null;
}

/** The new key, as its assignment would have answered it. */
export type RotateKeyResponse = NewKeyResponse & { supersedes: string; };

/** A tenant's own issuer of tokens. */
export interface SetIssuerRequest {
  /** For whom its tokens are: their claim `aud`, alone or in a list. */ audience: string;
  /** Its name: the claim `iss` of its tokens. */ issuer: string;
  /** Where its public keys are: a JWK Set with at least one key for ES256. It is fetched at once. */
  jwks_uri: string;
}

/** Plays the identity provider (sandbox only). */
export interface SimulateRequest {
  /** What happens to it. */
  action: "start_inquiry" | "complete_inquiry" | "fail_inquiry" | "expire_inquiry" | "mark_for_review_inquiry" | "approve_inquiry" | "decline_inquiry" | "create_passed_verification" | "create_failed_verification" | "close_window";
  /** The inquiry. */ verification_id: string;
}

/** It happened. */
export interface SimulateResponse {
  /** The inquiry. */ inquiryId: string;
  /** Always true. */ ok: boolean;
}

/** Begins an identity check of one user. */
export interface StartRequest {
  /** Binds the recovery to this OpenPGP key from the start: 40 or 64 hexadecimal digits. */
  gpg_fingerprint?: string | null;
  /** The tenant's name for the user, 1 to 255 characters, no control characters. */ user_identifier: string;
}

/** The check has begun. */
export interface StartResponse {
  /** The identity provider's id of the inquiry. */ verification_id: string;
}

/** Where a check stands. */
export interface StatusResponse {
  /** The inquiry's own state, one of eight. */
  inquiry_status: "CREATED" | "PENDING" | "COMPLETED" | "NEEDS_REVIEW" | "FAILED" | "APPROVED" | "DECLINED" | "EXPIRED";
  /** `pending`, `approved`, `declined` or `review`. */ status: "pending" | "approved" | "declined" | "review";
  /** When it last changed, RFC 3339. */ updated_at: string;
  /** The inquiry. */ verification_id: string;
}

/** Stores one ciphertext under an assigned key. */
export interface StoreDataRequest {
  /** SHA-256 of the plaintext, hexadecimal. */ checksum: string;
  /** The RSA-OAEP ciphertext, standard base64. */ data: string;
  /** Free members, 16 KiB in all. */
  metadata?: { content_type?: string | null; description?: string | null; original_filename?: string | null; } & Record<string, unknown> | null;
  /** `OAEP`, the default. */ padding_type?: "OAEP" | null;
  /** The key, hexadecimal in any case. */ public_key: string;
}

/** The ciphertext is stored. */
export interface StoreDataResponse {
  /** Its id. */ backup_id: string;
  /** Always `data`. */ backup_type: "data";
  /** The checksum as sent. */ checksum: string;
  /** Bytes of the decoded ciphertext. */ data_size: number;
  /** The request's members and `stored_at`; for a COLD key also `check`: `unverified-cold`. */
  metadata: Record<string, unknown>;
}

/** Stores one encrypted file under an assigned key. The service adds no encryption and opens nothing. */
export interface StoreFileForm {
  /** The file, of type `application/octet-stream`; 1 byte to 10 MiB. */ file: string;
  /** A JSON object of free members, 16 KiB in all. */ metadata?: string;
  /** The key, hexadecimal in any case. */ public_key: string;
}

/** The file is stored. */
export interface StoreFileResponse {
  /** Its id. */ backup_id: string;
  /** Always `file`. */ backup_type: "file";
  /** Bytes of the file. */ data_size: number;
  /** The request's members and `stored_at`. */ metadata: Record<string, unknown>;
  /** SHA-256 of these bytes, hexadecimal. */ sha256: string;
}

/** Stores one ciphertext under a key. */
export interface StoreOwnRequest {
  /** SHA-256 of the plaintext, hexadecimal. Left out, the enclave only sees whether the ciphertext opens. */
  checksum?: string | null;
  /** The RSA-OAEP ciphertext, standard base64. */ data: string;
  /** Free members, 16 KiB in all. */
  metadata?: { content_type?: string | null; description?: string | null; original_filename?: string | null; } & Record<string, unknown> | null;
  /** `OAEP`, the default. */ padding_type?: "OAEP" | null;
  /** The key, hexadecimal in any case. */ public_key: string;
}

/** The ciphertext is stored. */
export interface StoreOwnResponse {
  /** Its id. */ backup_id: string;
  /** Always `data`. */ backup_type: "data";
  /** The checksum as sent; left out where none was. */ checksum?: string;
  /** Bytes of the decoded ciphertext. */ data_size: number;
  /** The request's members and `stored_at`; for a COLD key also `check`: `unverified-cold`. */
  metadata: Record<string, unknown>;
}

/** Stores 1 to 3 encrypted items. */
export interface StoreRequest {
  /** The items; each name once. */ backup: Array<ItemToStore>;
  /** Free members; `description`, `content_type` and `original_filename` are strings. 16 KiB in all. */
  metadata?: { content_type?: string | null; description?: string | null; original_filename?: string | null; } & Record<string, unknown> | null;
  /** The user's key, hexadecimal in any case. */ public_key: string;
  /** The tenant's name for the user. */ user_identifier: string;
  /** The inquiry under which the items are stored. */ verification_id: string;
}

/** The items are stored. */
export interface StoreResponse {
  /** One for each item. */ backup: Array<StoredItem>;
  /** Always `data`. */ backup_type: "data";
  /** The request's members, `api_key_entity_type`, `stored_at` and `backup_items_count`. */
  metadata: Record<string, unknown>;
}

/** One stored item. */
export interface StoredItem {
  /** Its id. */ backup_id: string;
  /** The checksum as sent. */ checksum: string;
  /** Bytes of the decoded ciphertext. */ data_size: number;
  /** Its name. */ item_key: string;
}

/** `POST /v1/webhooks/{id}/test`. */
export interface TestWebhookResponse {
  /** The delivery, and the event in it. */ delivery_id: string;
  /** `webhook.test`. */ type: string;
}

/** A bearer token. */
export interface TokenResponse {
  /** When it ends, RFC 3339. */ expires_at: string;
  /** For how long it is good, seconds. */ expires_in: number;
  /** Its text: what `Authorization: Bearer` takes. */ token: string;
  /** `Bearer`. */ token_type: string;
}

/** `PATCH /v1/webhooks/{id}`; what is left out stays. */
export interface UpdateWebhookRequest {
  /** Your own words; none when empty. */ description?: string | null;
  /** `false` switches it off and parks what waits, `true` switches it on again. */ enabled?: boolean | null;
  /** Which types; all when empty. */
  events?: Array<"inquiry.created" | "inquiry.started" | "inquiry.completed" | "inquiry.failed" | "inquiry.expired" | "inquiry.approved" | "inquiry.declined" | "inquiry.marked-for-review" | "verification.passed" | "verification.failed" | "key.assigned" | "key.rotated" | "key.destroy-pending" | "key.kept" | "key.destroyed" | "backup.stored" | "backup.confirmed" | "backup.deleted" | "backup.check-failed" | "recovery.requested" | "recovery.approved" | "recovery.declined" | "recovery.released" | "recovery.expired" | "acl.changed" | "acl.change-waiting" | "acl.change-stopped" | "policy.changed" | "tenant.frozen" | "tenant.thawed" | "webhook.disabled"> | null;
  /** Where events are posted to. */ url?: string | null;
}

/** A webhook endpoint. */
export interface Webhook {
  /** When it was made, RFC 3339. */ created_at: string;
  /** Your own words. */ description: string;
  /** Why not: `asked`, `gone` (it answered 410) or `failing` (for five days). */
  disabled_reason: "asked" | "gone" | "failing" | null;
  /** Whether it gets events. */ enabled: boolean;
  /** Which types; empty for all. */
  events: Array<"inquiry.created" | "inquiry.started" | "inquiry.completed" | "inquiry.failed" | "inquiry.expired" | "inquiry.approved" | "inquiry.declined" | "inquiry.marked-for-review" | "verification.passed" | "verification.failed" | "key.assigned" | "key.rotated" | "key.destroy-pending" | "key.kept" | "key.destroyed" | "backup.stored" | "backup.confirmed" | "backup.deleted" | "backup.check-failed" | "recovery.requested" | "recovery.approved" | "recovery.declined" | "recovery.released" | "recovery.expired" | "acl.changed" | "acl.change-waiting" | "acl.change-stopped" | "policy.changed" | "tenant.frozen" | "tenant.thawed" | "webhook.disabled">;
  /** Since when every try has failed, RFC 3339. */ failing_since: string | null;
  /** Its id. */ id: string;
  /** Until when the secret before the last rotation signs too, RFC 3339. */
  previous_secret_until: string | null;
  /** When it was last changed, RFC 3339. */ updated_at: string;
  /** Where events are posted to. */ url: string;
}

/** A page of webhook endpoints, newest first. */
export interface WebhookPage {
  /** The endpoints. */ data: Array<Webhook>;
  /** Hand this back as `cursor` for the next page; none at the end. */ next_cursor: string | null;
}

/** A webhook endpoint with its secret, which is shown this once. */
export type WebhookWithSecret = Webhook & { secret: string; };
