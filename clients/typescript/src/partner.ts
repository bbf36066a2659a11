// Partner Key Service: one method per call.

import type { CallOptions, Caller } from "./call.js";
import { backUpForPartner, type KeptBackup, type PartnerBackupRequest } from "./deposit.js";
import { type FileToStore, storeFile } from "./file.js";
import type { Operations } from "./generated/operations.js";
import type {
  AssignKeyRequest,
  AssignKeyResponse,
  BackupPage,
  BackupShown,
  DeleteResponse,
  KeyDetails,
  KeyPage,
  RotateKeyRequest,
  RotateKeyResponse,
  StoreDataRequest,
  StoreDataResponse,
  StoreFileResponse,
} from "./generated/types.js";
import { checkKeyForm, checkStore } from "./hints.js";
import type { SigningKeys } from "./signing-keys.js";
import { sha256 } from "./webcrypto.js";

/** Which keys; all, when nothing is set. */
export type KeyFilter = Operations["list_keys"]["query"];
/** Which backups; all, when nothing is set. */
export type BackupFilter = Operations["list_backups"]["query"];

/** The calls of scope `partner`. */
export class Partner {
  readonly #caller: Caller;
  readonly #signingKeys: SigningKeys;

  constructor(caller: Caller, signingKeys: SigningKeys) {
    this.#caller = caller;
    this.#signingKeys = signingKeys;
  }

  /**
   * Backs one secret of up to about 7.5 MiB up, in one call: has a key assigned or finds the user's, checks the
   * enclave's word for it, encrypts on this device in the form that fits the size, stores.
   */
  async backup(request: PartnerBackupRequest, options?: CallOptions): Promise<KeptBackup> {
    return await backUpForPartner(this, this.#signingKeys, this.#caller.crypto, request, options);
  }

  /** Assigns a key to a user of an organisation. `attestAssigned` must pass before anything is encrypted to it. */
  async assignKey(request: AssignKeyRequest, options?: CallOptions): Promise<AssignKeyResponse> {
    return await this.#caller.call("assign_key", { body: request }, options);
  }

  /** One page of keys, newest first. */
  async listKeys(filter: KeyFilter = {}, options?: CallOptions): Promise<KeyPage> {
    return await this.#caller.call("list_keys", { query: filter }, options);
  }

  /** One key, and what was done to it. */
  async readKey(keyId: string, options?: CallOptions): Promise<KeyDetails> {
    return await this.#caller.call("read_key", { path: { key_id: keyId } }, options);
  }

  /** Puts a new key in the place of one; its backups move to the new one. */
  async rotateKey(keyId: string, request: RotateKeyRequest = {}, options?: CallOptions): Promise<RotateKeyResponse> {
    return await this.#caller.call("rotate_key", { path: { key_id: keyId }, body: request }, options);
  }

  /** Stores one ciphertext, after a look at what would be refused. The service knows a repeat. */
  async storeData(request: StoreDataRequest, options?: CallOptions): Promise<StoreDataResponse> {
    checkKeyForm(request.public_key);
    await checkStore(request.data, request.checksum, (bytes) => sha256(this.#caller.crypto, bytes));
    return await this.#caller.call("store_data", { body: request }, options);
  }

  /** Stores one encrypted file of up to 10 MiB. The service knows a repeat. */
  async storeFile(request: FileToStore, options?: CallOptions): Promise<StoreFileResponse> {
    return await storeFile(this.#caller, "store_file", request, options);
  }

  /** One page of backups, newest first; never their ciphertext. */
  async listBackups(filter: BackupFilter = {}, options?: CallOptions): Promise<BackupPage> {
    return await this.#caller.call("list_backups", { query: filter }, options);
  }

  /** What is known about a backup. */
  async readBackup(backupId: string, options?: CallOptions): Promise<BackupShown> {
    return await this.#caller.call("read_backup", { path: { backup_id: backupId } }, options);
  }

  /** Asks for a backup's deletion, in 30 days. */
  async deleteBackup(backupId: string, options?: CallOptions): Promise<DeleteResponse> {
    return await this.#caller.call("delete_backup", { path: { backup_id: backupId } }, options);
  }

  /** Takes a deletion back. */
  async restoreBackup(backupId: string, options?: CallOptions): Promise<BackupShown> {
    return await this.#caller.call("restore_backup", { path: { backup_id: backupId } }, options);
  }
}
