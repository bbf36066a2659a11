// Whole deeds of retail: a backup from the secret to the stored item, a recovery from the check to the secret.

import type { AttestedKey, Field } from "./attest.js";
import { fromBase64 } from "./bytes.js";
import type { CallOptions } from "./call.js";
import { only } from "./deposit.js";
import { checkSize, checksum, encrypt } from "./encrypt.js";
import { HoldfastError, setupFault } from "./error.js";
import type { RecoveredItem, RecoverResponse, StoredItem, StoreRequest } from "./generated/types.js";
import type { Retail } from "./retail.js";
import { Secret } from "./secret.js";
import type { SigningKeys } from "./signing-keys.js";
import type { WebCrypto } from "./webcrypto.js";

/** One call stores at most this many items. */
const ITEMS_PER_CALL_MAX = 3;
/** What the enclave is asked to sign beside a new key. */
const SIGN_WITH: Field[] = ["key_id", "user_id", "key_fingerprint"];

/** A secret, and the name by which it comes back. */
export interface Item {
  /** 1 to 128 characters, each name once. */
  name: string;
  /** Up to 446 bytes. Not wiped: it is the caller's. */
  secret: Secret | Uint8Array | string;
}

/** What a wallet backs up. */
export interface BackupRequest {
  userIdentifier: string;
  /** From `startVerification`. The approval need not have come yet. */
  verificationId: string;
  items: readonly Item[];
  /** Free members, 16 KiB in all. */
  metadata?: StoreRequest["metadata"];
  /** The service's own id of the user, from an earlier backup's `key.signed.user_id`: another user's key is refused. */
  userId?: string;
}

/** What a backup left behind. */
export interface BackedUp {
  keyId: string;
  /** The key that guards it, as the enclave vouched for it. */
  key: AttestedKey;
  /** One for each secret, in the order given. */
  items: StoredItem[];
}

/** Who receives a recovery: `RecipientKey` of `@holdfast/client/openpgp`, or another OpenPGP library in this shape. */
export interface Recipient {
  /** The armoured public block. */
  readonly publicBlock: string;
  /** Opens an armoured OpenPGP message; the plaintext is the caller's to wipe. */
  openMessage(armoured: string): Promise<Uint8Array>;
}

/** Whose secrets are to come back, and to whom. */
export interface RecoverAllRequest {
  userIdentifier: string;
  /** An approved verification, inside its window. */
  verificationId: string;
  /** Keep it until all is well: the same recovery may be asked for twice more, with the same key only. */
  device: Recipient;
  /** Your own signature, where your policy asks for one; see `RecoverRequest.request_signature`. */
  requestSignature?: string;
}

/** What a recovery brought back. */
export interface Recovered {
  /** Opened, and equal to what was stored. */
  secrets: Array<{ name: string; backupId: string; secret: Secret }>;
  /** Not recovered; the others are none the worse for it. */
  failed: Array<{ name: string; backupId: string; error: HoldfastError }>;
}

export async function backup(
  retail: Retail,
  signingKeys: SigningKeys,
  crypto: WebCrypto,
  request: BackupRequest,
  options: CallOptions = {},
): Promise<BackedUp> {
  const held = request.items.map(({ name, secret }) => ({ name, secret: Secret.from(secret) }));
  try {
    checkItems(held);
    const { userIdentifier: user_identifier, verificationId: verification_id, metadata } = request;
    const asked = { user_identifier, verification_id, sign_with: SIGN_WITH };
    const answer = await retail.generateKey(asked, only(options));
    const facts = { key_id: answer.key_id, ...(request.userId !== undefined && { user_id: request.userId }) };
    const key = await signingKeys.attest(answer, { signWith: SIGN_WITH, keyType: "rsa4096", facts }, only(options));
    const items: StoredItem[] = [];
    for (let at = 0; at < held.length; at += ITEMS_PER_CALL_MAX) {
      const backup = [];
      for (const { name, secret } of held.slice(at, at + ITEMS_PER_CALL_MAX)) {
        const { data, checksum } = await encrypt(key, secret, crypto);
        backup.push({ item_key: name, item_value: data, item_checksum: checksum });
      }
      const body = { user_identifier, verification_id, public_key: key.publicKey, backup, metadata };
      const stored = (await retail.storeBackup(body, only(options))).backup;
      const isAsSent = backup.every((sent, place) => stored[place]?.item_key === sent.item_key);
      if (!isAsSent || stored.length !== backup.length) throw notAsSent();
      items.push(...stored);
    }
    return { keyId: answer.key_id, key, items };
  } finally {
    for (const { secret } of held) secret.wipe();
  }
}

/** Opens every item of an answer. */
export async function openAll(answer: RecoverResponse, device: Recipient, crypto: WebCrypto): Promise<Recovered> {
  const recovered: Recovered = { secrets: [], failed: [] };
  for (const item of answer.backup) {
    const { item_key: name, backup_id: backupId } = item;
    try {
      recovered.secrets.push({ name, backupId, secret: await openItem(item, device, crypto) });
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      recovered.failed.push({ name, backupId, error });
    }
  }
  return recovered;
}

/** Opens one recovered item and compares it with the checksum it was stored with. */
export async function openItem(item: RecoveredItem, device: Recipient, crypto: WebCrypto): Promise<Secret> {
  const name = JSON.stringify(item.item_key);
  const fault = (code: string, what: string, hint: string, cause?: unknown) =>
    new HoldfastError("openpgp", code, `${name} ${what}`, { hint, cause });
  if (item.error !== undefined) {
    const what = `could not be recovered by the service: ${item.error}`;
    throw fault("item-failed", what, "show its backup id to whoever runs the service");
  }
  const data = fromBase64(item.recovery_package?.data ?? item.item_value ?? "");
  if (!data?.length || !item.item_checksum) {
    throw fault("package", "came without a package and a checksum", "recover again with the same OpenPGP key");
  }
  let secret: Secret;
  try {
    secret = Secret.holding(await device.openMessage(new TextDecoder().decode(data)));
  } catch (cause) {
    const hint = "it was encrypted to another OpenPGP key: use the one that the recovery was asked with";
    throw fault("package-open", "does not open with this OpenPGP key", hint, cause);
  }
  if ((await checksum(secret, crypto)) === item.item_checksum.toLowerCase()) return secret;
  secret.wipe();
  const hint = "do not use it, and show its backup id to whoever runs the service";
  throw fault("package-checksum", "opened, but is not what was stored", hint);
}

/** What would be refused is refused before a key is made for it. */
function checkItems(items: ReadonlyArray<{ name: string; secret: Secret }>): void {
  if (items.length === 0) throw setupFault("items", "there is nothing to back up; give at least one secret");
  const names = new Set<string>();
  for (const { name, secret } of items) {
    checkSize(secret);
    if (names.has(name)) {
      throw setupFault("items", `two secrets are called ${JSON.stringify(name)}; give each its own name`);
    }
    names.add(name);
  }
}

function notAsSent(): HoldfastError {
  const hint = "do not rely on this backup: make it again, and report it to whoever runs the service";
  return new HoldfastError("unreadable", "not-as-sent", "the service says that it stored something else", { hint });
}
