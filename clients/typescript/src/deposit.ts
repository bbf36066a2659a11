// The whole deed for partners and institutions: from the secret to the stored backup, whatever its size.

import type { Asked, AttestedKey, Claim, Field } from "./attest.js";
import { hex } from "./bytes.js";
import type { CallOptions } from "./call.js";
import { encrypt, encryptFile, formOf, RSA_CIPHERTEXT_BYTES } from "./encrypt.js";
import { HoldfastError } from "./error.js";
import type { KeyShown, Organisation, Package, StoreDataRequest } from "./generated/types.js";
import type { Institution } from "./institution.js";
import type { Partner } from "./partner.js";
import { Secret } from "./secret.js";
import type { SigningKeys } from "./signing-keys.js";
import { sha256, type WebCrypto } from "./webcrypto.js";

/** What the enclave is asked to sign beside a new key. */
const SIGN_WITH: readonly Field[] = ["key_id", "user_id", "key_fingerprint"];

const SIGN_USER: readonly Field[] = ["user_id"];

/** What both kinds of backup say. */
interface DepositRequest {
  /** The tenant's name for the user. */
  userIdentifier: string;
  /** 0 bytes to about 7.5 MiB. Not wiped: it is the caller's. */
  secret: Secret | Uint8Array | string;
  /** Free members, 16 KiB in all. */
  metadata?: Record<string, unknown>;
  /** The service's own id of the user, from an earlier backup's `key.signed.user_id`: another user's key is refused. */
  userId?: string;
}

/** What a partner backs up. */
export interface PartnerBackupRequest extends DepositRequest {
  organisation: Organisation;
  package: Package;
  /** No default: a COLD key's private half is offline. */
  keyEnvironment: "HOT" | "COLD";
}

/** What an institution backs up. */
export interface InstitutionBackupRequest extends DepositRequest {
  organisation?: Organisation;
  package?: Package;
  /** `HOT` when left out. */
  keyEnvironment?: "HOT" | "COLD";
}

/** What such a backup left behind. */
export interface KeptBackup {
  keyId: string;
  /** The key that guards it, as the enclave vouched for it. */
  key: AttestedKey;
  backupId: string;
  /** How it is stored: one RSA-OAEP ciphertext, or a file that is a JWE. */
  form: "oaep" | "jwe";
}

type KeyAnswer = Claim & { key_id: string };
type Group = Pick<Partner | Institution, "storeFile"> & {
  storeData(request: StoreDataRequest, options?: CallOptions): Promise<{ backup_id: string; data_size: number }>;
};

export async function backUpForPartner(
  partner: Partner,
  signingKeys: SigningKeys,
  crypto: WebCrypto,
  request: PartnerBackupRequest,
  options: CallOptions = {},
): Promise<KeptBackup> {
  const form = formOf(sizeOf(request));
  const signWith: Field[] = [...SIGN_WITH, "external_customer_id", "external_package_id"];
  const { userIdentifier, organisation, keyEnvironment } = request;
  let answer: KeyAnswer;
  let fields: readonly Field[] = signWith;
  try {
    const body = {
      user_identifier: userIdentifier,
      organisation,
      package: request.package,
      key_type: "rsa4096" as const,
    };
    answer = await partner.assignKey({ ...body, key_environment: keyEnvironment, sign_with: signWith }, only(options));
  } catch (error) {
    if (!(error instanceof HoldfastError && error.code === "key-already-assigned")) throw error;
    const found = await findKey(partner, request, options);
    [answer, fields] = [found, found.signed_fields ?? []];
  }
  const key = await signingKeys.attest(answer, askedOf(request, answer, fields), only(options));
  return await deposit(partner, crypto, form, key, answer.key_id, request, options);
}

export async function backUpForInstitution(
  institution: Institution,
  signingKeys: SigningKeys,
  crypto: WebCrypto,
  request: InstitutionBackupRequest,
  options: CallOptions = {},
): Promise<KeptBackup> {
  const form = formOf(sizeOf(request));
  const { userIdentifier, organisation, keyEnvironment = "HOT" } = request;
  const filed: Field[] = organisation ? ["external_customer_id"] : [];
  if (request.package) filed.push("external_package_id");
  const signWith = [...SIGN_WITH, ...filed];
  const body = { user_identifier: userIdentifier, key_type: "rsa4096" as const, key_environment: keyEnvironment };
  const where = { organisation, package: request.package };
  const answer = await institution.newKey({ ...body, ...where, sign_with: signWith }, only(options));
  const key = await signingKeys.attest(
    answer,
    askedOf({ ...request, keyEnvironment }, answer, signWith),
    only(options),
  );
  return await deposit(institution, crypto, form, key, answer.key_id, request, options);
}

/** The key that the user has already, with what its assignment answered. */
async function findKey(partner: Partner, request: PartnerBackupRequest, options: CallOptions): Promise<KeyShown> {
  const { userIdentifier: user_identifier, organisation } = request;
  const filter = { user_identifier, customer_id: organisation.customer_id, status: "active" as const };
  const [found] = (await partner.listKeys(filter, only(options))).data;
  if (!found) {
    const message = "the user has a key in this organisation, and it cannot be found";
    throw new HoldfastError("api", "key-already-assigned", message, { hint: "it was rotated just now: try again" });
  }
  // What the enclave said when it was assigned must say whose it is; more fields, and another order, do no harm.
  const wanted: Field[] = ["key_id", "external_customer_id", ...(request.userId === undefined ? [] : SIGN_USER)];
  if (!wanted.every((field) => found.signed_fields?.includes(field))) {
    const hint = `rotate it with rotateKey("${found.key_id}", { sign_with: [${wanted.join(", ")}] })`;
    const message = `the enclave's signature of the user's key does not say whose it is (${wanted.join(", ")})`;
    throw new HoldfastError("attestation", "attestation-payload-presence", message, { hint });
  }
  return found;
}

function askedOf(
  request: PartnerBackupRequest | InstitutionBackupRequest,
  answer: KeyAnswer,
  signWith: readonly Field[],
): Asked {
  const facts: Asked["facts"] = { key_id: answer.key_id };
  if (request.userId !== undefined) facts.user_id = request.userId;
  if (request.organisation) facts.external_customer_id = request.organisation.customer_id;
  if (request.package) facts.external_package_id = request.package.package_id;
  return { signWith, keyType: "rsa4096", keyEnvironment: request.keyEnvironment, facts };
}

async function deposit(
  group: Group,
  crypto: WebCrypto,
  form: "oaep" | "jwe",
  key: AttestedKey,
  keyId: string,
  request: DepositRequest,
  options: CallOptions,
): Promise<KeptBackup> {
  const secret = Secret.from(request.secret);
  const { metadata } = request;
  try {
    if (form === "oaep") {
      const sealed = await encrypt(key, secret, crypto);
      const stored = await group.storeData({ public_key: key.publicKey, ...sealed, metadata }, only(options));
      if (stored.data_size !== RSA_CIPHERTEXT_BYTES) throw notAsSent();
      return { keyId, key, backupId: stored.backup_id, form };
    }
    const file = await encryptFile(key, secret, crypto);
    // Whoever recovers the file sees by this how to open it.
    const described = { content_type: "application/jose", ...metadata };
    const stored = await group.storeFile({ public_key: key.publicKey, file, metadata: described }, only(options));
    if (stored.sha256 !== hex(await sha256(crypto, file))) throw notAsSent();
    return { keyId, key, backupId: stored.backup_id, form };
  } finally {
    secret.wipe();
  }
}

function sizeOf({ secret }: DepositRequest): number {
  const copy = Secret.from(secret);
  copy.wipe();
  return copy.length;
}

/** One deed is several calls: each gets an idempotency key of its own. */
export function only({ idempotencyKey: _, ...options }: CallOptions): CallOptions {
  return options;
}

function notAsSent(): HoldfastError {
  const hint = "do not rely on this backup: make it again, and report it to whoever runs the service";
  return new HoldfastError("unreadable", "not-as-sent", "the service says that it stored something else", { hint });
}
