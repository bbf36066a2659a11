import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { check } from "../src/attest.js";
import { wipe } from "../src/bytes.js";
import { encryptFile } from "../src/encrypt.js";
import { HoldfastError } from "../src/error.js";
import type { RecoveredItem } from "../src/generated/types.js";
import { openJwe } from "../src/jwe.js";
import { Secret } from "../src/secret.js";
import type { WebCrypto } from "../src/webcrypto.js";
import { openAll, type Recipient } from "../src/whole.js";
import { vectors } from "./vectors.js";

const { jwks, now_ms, cases } = vectors("attestation.json");

test("a secret compares, does not print, and is wiped", () => {
  const secret = Secret.from("abandon");
  assert.ok(secret.equals(Secret.from(new TextEncoder().encode("abandon"))));
  assert.ok(!secret.equals(Secret.from("abandoN")));
  assert.ok(!secret.equals(Secret.from("abandon ")));
  for (const shown of [
    inspect(secret),
    inspect({ secret }, { showHidden: true }),
    `${secret}`,
    JSON.stringify({ secret }),
  ]) {
    assert.match(shown, /Secret\(7 bytes\)/);
    assert.doesNotMatch(shown, /abandon|61 62/);
  }
  const copy = Secret.from(secret);
  secret.wipe();
  assert.deepEqual(secret.expose(), new Uint8Array(7));
  assert.equal(copy.exposeText(), "abandon");
  const bytes = Uint8Array.of(1, 2);
  wipe(bytes, undefined);
  assert.deepEqual(bytes, new Uint8Array(2));
  assert.equal(Secret.from(Uint8Array.of(0xff)).exposeText(), undefined);
});

test("the keys of a file's content are wiped, here and there", async () => {
  const one = cases.find((one) => one.accepted && one.asked.sign_with.length === 0);
  assert.ok(one);
  const key = await check(one.claim, {}, { jwks }, now_ms, crypto);
  const made: Uint8Array[] = [];
  const watched: WebCrypto = {
    subtle: crypto.subtle,
    getRandomValues: (array) => {
      made.push(array as unknown as Uint8Array);
      return crypto.getRandomValues(array);
    },
  };
  const file = await encryptFile(key, Secret.from(new Uint8Array(500).fill(1)), watched);
  const contentKey = made.find((bytes) => bytes.length === 32);
  assert.deepEqual(contentKey, new Uint8Array(32));

  const opened: Uint8Array[] = [];
  const { subtle } = crypto;
  const watching = {
    importKey: subtle.importKey.bind(subtle),
    decrypt: async (...given: Parameters<SubtleCrypto["decrypt"]>) => {
      const data = await subtle.decrypt(...given);
      opened.push(new Uint8Array(data));
      return data;
    },
  } as unknown as SubtleCrypto;
  const { private_key_pkcs8 } = vectors("keys.json").rsa4096;
  const secret = await openJwe(file, private_key_pkcs8, { ...watched, subtle: watching });
  assert.deepEqual(opened[0], new Uint8Array(32));
  assert.equal(secret.expose()[0], 1);
});

test("what a recovery brings is taken only if it is what was stored", async () => {
  const plaintext = vectors("checksums.json").cases[1];
  assert.ok(plaintext);
  const given: Uint8Array[] = [];
  const device: Recipient = {
    publicBlock: "",
    openMessage: async (armoured) => {
      if (armoured !== "message") throw new Error("another's");
      given.push(new Uint8Array(Buffer.from(plaintext.plaintext, "base64")));
      return given.at(-1) as Uint8Array;
    },
  };
  const data = Buffer.from("message").toString("base64");
  const whole: RecoveredItem = {
    backup_id: "b",
    item_key: "words",
    backup_item_key: "words",
    recovery_package: { algorithm: "gpg", data },
    item_checksum: plaintext.checksum.toUpperCase(),
  };
  const fault = async (changes: Partial<RecoveredItem>) => {
    const { secrets, failed } = await openAll(
      { user_identifier: "u", verification_id: "v", backup: [{ ...whole, ...changes }] },
      device,
      crypto,
    );
    assert.equal(secrets.length + failed.length, 1);
    assert.ok(failed.every(({ error }) => error instanceof HoldfastError && error.hint));
    return failed[0]?.error.code;
  };
  assert.equal(await fault({}), undefined);
  assert.equal(await fault({ recovery_package: undefined, item_value: data }), undefined, "the other edition's member");
  assert.equal(await fault({ item_checksum: "00".repeat(32) }), "package-checksum");
  assert.deepEqual(given.at(-1), new Uint8Array(3), "what is not to be used is wiped");
  assert.equal(await fault({ item_checksum: undefined }), "package");
  assert.equal(await fault({ recovery_package: undefined }), "package");
  assert.equal(await fault({ recovery_package: { algorithm: "gpg", data: "!" } }), "package");
  assert.equal(await fault({ recovery_package: { algorithm: "gpg", data: "AAAA" } }), "package-open");
  assert.equal(await fault({ error: "damaged" }), "item-failed");
});
