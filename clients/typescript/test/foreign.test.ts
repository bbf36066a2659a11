// What this client makes, opened by implementations that are none of ours; and the other way round.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { type AttestedKey, check } from "../src/attest.js";
import { encrypt, encryptFile } from "../src/encrypt.js";
import { RecipientKey } from "../src/openpgp.js";
import { Secret } from "../src/secret.js";
import { ROOT, vectors } from "./vectors.js";

const OPEN = `
import base64, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from jwcrypto import jwe, jwk
pem, oaep, file = (open(name, "rb").read() for name in sys.argv[1:])
how = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
small = serialization.load_pem_private_key(pem, None).decrypt(base64.b64decode(oaep), how)
token = jwe.JWE()
token.deserialize(file.decode(), jwk.JWK.from_pem(pem))
sys.stdout.write(base64.b64encode(small).decode() + " " + base64.b64encode(token.payload).decode())
`;

function python(...given: string[]): string {
  const program = process.env.HOLDFAST_PYTHON;
  assert.ok(program, "HOLDFAST_PYTHON must name a Python with cryptography, jwcrypto, standardwebhooks and stripe");
  return execFileSync(program, given, { encoding: "utf8", env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } });
}

async function attested(): Promise<AttestedKey> {
  const { jwks, now_ms, cases } = vectors("attestation.json");
  const one = cases.find((one) => one.accepted && one.asked.sign_with.length === 0);
  assert.ok(one);
  return await check(one.claim, {}, { jwks }, now_ms, crypto);
}

async function inFolder(play: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-foreign-"));
  try {
    await play(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the vectors are what the foreign implementations make", () => {
  python(fileURLToPath(new URL("testdata/make", ROOT)), "--check");
});

test("Python opens what this client encrypts", async () => {
  await inFolder(async (folder) => {
    const key = await attested();
    const [small, large] = [Secret.from("small"), Secret.from(new Uint8Array(70_001).fill(200))];
    const names = ["key.pem", "oaep", "jwe"].map((name) => join(folder, name)) as [string, string, string];
    writeFileSync(names[0], vectors("keys.json").rsa4096.private_key_pkcs8);
    writeFileSync(names[1], (await encrypt(key, small, crypto)).data);
    writeFileSync(names[2], await encryptFile(key, large, crypto));
    const opened = python("-c", OPEN, ...names).split(" ");
    assert.deepEqual(
      opened,
      [small, large].map((secret) => Buffer.from(secret.expose()).toString("base64")),
    );
  });
});

test("GnuPG takes the device's key, and the device opens what GnuPG makes", async () => {
  await inFolder(async (home) => {
    const device = await RecipientKey.generate();
    const file = join(home, "device.asc");
    writeFileSync(file, device.publicBlock);
    const gpg = (given: string[], input?: string) =>
      execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--trust-model", "always", ...given], { input });
    const shown = gpg(["--with-colons", "--show-keys", file]).toString();
    assert.ok(shown.includes(`fpr:::::::::${device.fingerprint}:`), shown);
    const armoured = gpg(["--armor", "--recipient-file", file, "--encrypt"], "from GnuPG");
    assert.equal(Buffer.from(await device.openMessage(armoured.toString())).toString(), "from GnuPG");
    const other = await RecipientKey.generate();
    await assert.rejects(other.openMessage(armoured.toString()));
    for (const block of ["", device.publicBlock]) {
      await assert.rejects(RecipientKey.fromSecretBlock(block), { code: "secret-block" });
    }
    assert.doesNotMatch(String(device) + JSON.stringify(device), /PRIVATE/);
  });
});

test("a small message that unpacks to more than any recovery is not unpacked", async () => {
  await inFolder(async (home) => {
    const device = await RecipientKey.generate();
    const [file, zeros] = [join(home, "device.asc"), join(home, "zeros")];
    writeFileSync(file, device.publicBlock);
    writeFileSync(zeros, "");
    truncateSync(zeros, 512 * 1024 * 1024 + 1);
    const how = ["--homedir", home, "--batch", "--quiet", "--trust-model", "always"];
    const pack = ["--compress-algo", "zlib", "-z", "1", "--output", "-"];
    const bomb = execFileSync("gpg", [...how, ...pack, "--armor", "--recipient-file", file, "--encrypt", zeros], {
      maxBuffer: 16 * 1024 * 1024,
    });
    await assert.rejects(device.openMessage(bomb.toString()), /decompressed/);
  });
});
