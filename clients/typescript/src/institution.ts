// Institutions: one method per call.

import type { CallOptions, Caller } from "./call.js";
import { backUpForInstitution, type InstitutionBackupRequest, type KeptBackup } from "./deposit.js";
import { type FileToStore, storeFile } from "./file.js";
import type {
  BackupPage,
  BackupShown,
  BackupVerdict,
  DeleteResponse,
  KeyDetails,
  KeyPage,
  KeyVerdict,
  NewKeyRequest,
  NewKeyResponse,
  RotateKeyRequest,
  RotateKeyResponse,
  StoreFileResponse,
  StoreOwnRequest,
  StoreOwnResponse,
} from "./generated/types.js";
import { checkKeyForm, checkStore } from "./hints.js";
import type { BackupFilter, KeyFilter } from "./partner.js";
import type { SigningKeys } from "./signing-keys.js";
import { sha256 } from "./webcrypto.js";

/** The calls of scope `keys`. */
export class Institution {
  readonly #caller: Caller;
  readonly #signingKeys: SigningKeys;

  constructor(caller: Caller, signingKeys: SigningKeys) {
    this.#caller = caller;
    this.#signingKeys = signingKeys;
  }

  /**
   * Backs one secret of up to about 7.5 MiB up under a new key, in one call: has the key made, checks the enclave's
   * word for it, encrypts on this device in the form that fits the size, stores.
   */
  async backup(request: InstitutionBackupRequest, options?: CallOptions): Promise<KeptBackup> {
    return await backUpForInstitution(this, this.#signingKeys, this.#caller.crypto, request, options);
  }

  /** Makes a key; a new one at every call. It must be attested before anything is encrypted to it. */
  async newKey(request: NewKeyRequest, options?: CallOptions): Promise<NewKeyResponse> {
    return await this.#caller.call("new_key", { body: request }, options);
  }

  /** One page of keys, newest first. */
  async listKeys(filter: KeyFilter = {}, options?: CallOptions): Promise<KeyPage> {
    return await this.#caller.call("list_own_keys", { query: filter }, options);
  }

  /** One key, and what was done to it. */
  async readKey(keyId: string, options?: CallOptions): Promise<KeyDetails> {
    return await this.#caller.call("read_own_key", { path: { key_id: keyId } }, options);
  }

  /** Puts a new key in the place of one; its backups move to the new one. */
  async rotateKey(keyId: string, request: RotateKeyRequest = {}, options?: CallOptions): Promise<RotateKeyResponse> {
    return await this.#caller.call("rotate_own_key", { path: { key_id: keyId }, body: request }, options);
  }

  /** Whether the enclave can rebuild the key and prove the pair. */
  async verifyKey(keyId: string, options?: CallOptions): Promise<KeyVerdict> {
    return await this.#caller.call("verify_key", { path: { key_id: keyId } }, options);
  }

  /** Stores one ciphertext, after a look at what would be refused. The service knows a repeat. */
  async storeData(request: StoreOwnRequest, options?: CallOptions): Promise<StoreOwnResponse> {
    checkKeyForm(request.public_key);
    await checkStore(request.data, request.checksum, (bytes) => sha256(this.#caller.crypto, bytes));
    return await this.#caller.call("store_own_data", { body: request }, options);
  }

  /** Stores one encrypted file of up to 10 MiB. The service knows a repeat. */
  async storeFile(request: FileToStore, options?: CallOptions): Promise<StoreFileResponse> {
    return await storeFile(this.#caller, "store_own_file", request, options);
  }

  /** One page of backups, newest first; never their ciphertext. */
  async listBackups(filter: BackupFilter = {}, options?: CallOptions): Promise<BackupPage> {
    return await this.#caller.call("list_own_backups", { query: filter }, options);
  }

  /** What is known about a backup. */
  async readBackup(backupId: string, options?: CallOptions): Promise<BackupShown> {
    return await this.#caller.call("read_own_backup", { path: { backup_id: backupId } }, options);
  }

  /** Whether the enclave can open it to what was stored; a file: whether it is still the bytes that were stored. */
  async verifyBackup(backupId: string, options?: CallOptions): Promise<BackupVerdict> {
    return await this.#caller.call("verify_backup", { path: { backup_id: backupId } }, options);
  }

  /** Asks for a backup's deletion, in 30 days. */
  async deleteBackup(backupId: string, options?: CallOptions): Promise<DeleteResponse> {
    return await this.#caller.call("delete_own_backup", { path: { backup_id: backupId } }, options);
  }

  /** Takes a deletion back. */
  async restoreBackup(backupId: string, options?: CallOptions): Promise<BackupShown> {
    return await this.#caller.call("restore_own_backup", { path: { backup_id: backupId } }, options);
  }
}
