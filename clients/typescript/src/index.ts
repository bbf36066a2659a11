// Back a secret up to a Holdfast key recovery service, and get it back.

export {
  type Asked,
  type Anchor,
  type AttestationReason,
  AttestedKey,
  check,
  type Claim,
  type Field,
  type KeyType,
  SigningKeyPin,
} from "./attest.js";
export type { Audit, AuditFilter } from "./audit.js";
export { wipe } from "./bytes.js";
export type { CallOptions, ClientOptions, Exchange } from "./call.js";
export { Client } from "./client.js";
export type { Credentials } from "./credentials.js";
export type { InstitutionBackupRequest, KeptBackup, PartnerBackupRequest } from "./deposit.js";
export {
  checksum,
  type Ciphertext,
  encrypt,
  encryptFile,
  FILE_BYTES_MAX,
  formOf,
  JWE_PLAINTEXT_BYTES_MAX,
  OAEP_PLAINTEXT_BYTES_MAX,
} from "./encrypt.js";
export { type ErrorDetails, type ErrorKind, HoldfastError } from "./error.js";
export type { FileToStore } from "./file.js";
export type * from "./generated/types.js";
export type { Institution } from "./institution.js";
export { openJwe } from "./jwe.js";
export type { BackupFilter, KeyFilter, Partner } from "./partner.js";
export type { Action, Retail } from "./retail.js";
export type { Sandbox } from "./sandbox.js";
export { Secret } from "./secret.js";
export type { WebCrypto } from "./webcrypto.js";
export {
  type HeaderSource,
  verifyWebhook,
  type WebhookEvent,
  type WebhookInput,
  type WebhookReason,
} from "./webhook.js";
export type { Paging, Webhooks } from "./webhooks.js";
export {
  type BackedUp,
  type BackupRequest,
  type Item,
  openAll,
  openItem,
  type Recipient,
  type RecoverAllRequest,
  type Recovered,
} from "./whole.js";
