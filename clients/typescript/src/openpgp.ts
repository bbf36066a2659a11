// The device's own OpenPGP key, to which a recovery is encrypted, and the opening of what comes back.
// Needs the package `openpgp` (OpenPGP.js), which is the caller's to install.

import { config as defaults, decrypt, generateKey, type PrivateKey, readMessage, readPrivateKey } from "openpgp";

import { HoldfastError } from "./error.js";
import { Secret } from "./secret.js";
import type { Recipient } from "./whole.js";

/** Nothing that the service gives is larger: a message that unpacks to more is not the service's. */
const MESSAGE_BYTES_MAX = 512 * 1024 * 1024;

/** What the key says about its holder: nothing. */
const USER_ID = { name: "recovery" };

/** A device's OpenPGP key pair (Curve25519). Made afresh for a recovery, and kept until all is well. */
export class RecipientKey implements Recipient {
  /** The armoured public block: what a recovery is asked with. */
  readonly publicBlock: string;
  /** The primary key's fingerprint, upper-case hexadecimal. */
  readonly fingerprint: string;
  readonly #key: PrivateKey;

  private constructor(key: PrivateKey) {
    this.#key = key;
    this.publicBlock = key.toPublic().armor();
    this.fingerprint = key.getFingerprint().toUpperCase();
  }

  /** A new pair, in the form that every OpenPGP program since GnuPG 2.1 reads. */
  static async generate(): Promise<RecipientKey> {
    const config = { ...defaults, v6Keys: false, aeadProtect: false };
    const how = { type: "ecc", curve: "curve25519Legacy", format: "object", config } as const;
    return new RecipientKey((await generateKey({ ...how, userIDs: [USER_ID] })).privateKey);
  }

  /** A pair kept from before with `secretBlock`: the same recovery may be asked for again only with the same key. */
  static async fromSecretBlock(armoured: string): Promise<RecipientKey> {
    let key: PrivateKey;
    try {
      key = await readPrivateKey({ armoredKey: armoured.trim() });
      if (!key.isDecrypted()) throw new Error("it is locked with a passphrase");
    } catch (cause) {
      const hint = "give the whole block, BEGIN and END lines included, of a key without a passphrase";
      throw new HoldfastError("openpgp", "secret-block", "this is not an OpenPGP secret key", { hint, cause });
    }
    return new RecipientKey(key);
  }

  /** The armoured secret block, unencrypted. Keep it where secrets are kept. */
  secretBlock(): Secret {
    return Secret.from(this.#key.armor());
  }

  /** Opens an armoured OpenPGP message: a recovered item, or what Control gave to download. */
  async openMessage(armoured: string): Promise<Uint8Array> {
    const config = { ...defaults, maxDecompressedMessageSize: MESSAGE_BYTES_MAX };
    const message = await readMessage({ armoredMessage: armoured, config });
    // Without a signature by design: the service's word for the content is the checksum.
    const { data } = await decrypt({ message, decryptionKeys: this.#key, format: "binary", config });
    return data as Uint8Array;
  }

  toString(): string {
    return `RecipientKey(${this.fingerprint})`;
  }
}
