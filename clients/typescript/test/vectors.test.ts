import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Asked, AttestedKey, check, SigningKeyPin } from "../src/attest.js";
import { base64, fromBase64, fromHex, hex, utf8 } from "../src/bytes.js";
import { fromPem } from "../src/der.js";
import { checksum, encrypt, encryptFile } from "../src/encrypt.js";
import { openJwe } from "../src/jwe.js";
import { Secret } from "../src/secret.js";
import { verifyWebhook } from "../src/webhook.js";
import { faultOf } from "./stage.js";
import { type AttestationCase, vectors } from "./vectors.js";

const crypto = globalThis.crypto;
const keys = vectors("keys.json");
const attestations = vectors("attestation.json");

function judge(one: AttestationCase): Promise<AttestedKey> {
  const { sign_with: signWith, key_type: keyType, key_environment: keyEnvironment, facts } = one.asked;
  const asked: Asked = { signWith, keyType, keyEnvironment, facts };
  const anchor = one.pins ? { pins: one.pins.map(SigningKeyPin.fromPem) } : { jwks: one.jwks ?? attestations.jwks };
  return check(one.claim, asked, anchor, one.now_ms ?? attestations.now_ms, crypto);
}

async function attested(): Promise<AttestedKey> {
  const one = attestations.cases.find((one) => one.accepted && one.asked.sign_with.length > 0);
  assert.ok(one);
  return await judge(one);
}

async function openOaep(ciphertext: string): Promise<Uint8Array> {
  const der = fromPem(keys.rsa4096.private_key_pkcs8, "PRIVATE KEY");
  assert.ok(der);
  const how = { name: "RSA-OAEP", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", der, how, false, ["decrypt"]);
  const data = fromBase64(ciphertext);
  assert.ok(data);
  return new Uint8Array(await crypto.subtle.decrypt({ name: "RSA-OAEP" }, key, data));
}

describe("attestation", () => {
  for (const one of attestations.cases) {
    test(`${one.accepted ? "takes" : "refuses"}: ${one.name}`, async () => {
      if (one.accepted) {
        const key = await judge(one);
        assert.equal(key.publicKey, one.claim.public_key);
        if (one.kid) assert.equal(key.kid, one.kid);
        assert.deepEqual(Object.keys(key.signed).sort(), [...one.asked.sign_with].sort());
      } else {
        const error = await faultOf(judge(one));
        assert.deepEqual([error.kind, error.code], ["attestation", `attestation-${one.reason}`], error.message);
        assert.ok(error.hint);
      }
    });
  }

  test("the vectors hold at least twenty refusals, and each reason once", () => {
    const refused = attestations.cases.filter((one) => !one.accepted);
    assert.ok(refused.length >= 20);
    assert.equal(new Set(refused.map((one) => one.reason)).size, 11);
  });

  test("only the check makes an attested key", async () => {
    const bytes = fromHex(keys.rsa4096.public_key);
    assert.ok(bytes);
    assert.throws(() => new AttestedKey(Symbol("made by check"), bytes, "rsa4096", "k", {}), { code: "not-attested" });
    const looksLikeOne = Object.create(null, { publicKey: { value: keys.rsa4096.public_key } }) as AttestedKey;
    const error = await faultOf(encrypt(looksLikeOne, Secret.from("a"), crypto));
    assert.equal(error.code, "not-attested");
  });
});

describe("keys", () => {
  test("hexadecimal, PEM and base64 of one key are the same bytes", async () => {
    const { rsa4096 } = keys;
    const der = fromHex(rsa4096.public_key);
    assert.ok(der);
    assert.deepEqual(fromPem(rsa4096.public_key_pem, "PUBLIC KEY"), der);
    assert.equal(base64(der), rsa4096.public_key_base64);
    assert.equal(hex(new Uint8Array(await crypto.subtle.digest("SHA-256", der))), rsa4096.key_fingerprint);
  });

  test("a pin is a P-256 key in PEM and nothing else", () => {
    assert.equal(SigningKeyPin.fromPem(keys.signing_key.pem).point.length, 65);
    for (const pem of [keys.rsa4096.public_key_pem, "", "-----BEGIN PUBLIC KEY-----", keys.rsa4096.public_key]) {
      assert.throws(() => SigningKeyPin.fromPem(pem), { code: "pin" });
    }
  });
});

describe("oaep", () => {
  for (const one of vectors("oaep.json").cases) {
    test(`${one.opens ? "opens" : "does not open"}: ${one.name}`, async () => {
      if (!one.opens) return await assert.rejects(openOaep(one.ciphertext));
      assert.equal(base64(await openOaep(one.ciphertext)), one.plaintext);
    });
  }

  test("every size up to the limit is opened again, and each ciphertext is another", async () => {
    const key = await attested();
    for (const size of [0, 1, 445, 446]) {
      const secret = Secret.from(new Uint8Array(size).fill(7));
      const sealed = await encrypt(key, secret, crypto);
      assert.deepEqual(await openOaep(sealed.data), secret.expose());
      assert.notEqual((await encrypt(key, secret, crypto)).data, sealed.data);
    }
    assert.equal((await faultOf(encrypt(key, Secret.from(new Uint8Array(447)), crypto))).code, "too-long");
  });
});

describe("jwe", () => {
  for (const one of vectors("jwe.json").cases) {
    test(`${one.opens ? "opens" : "does not open"}: ${one.name}`, async () => {
      const opened = openJwe(one.compact, keys.rsa4096.private_key_pkcs8);
      if (!one.opens) {
        const error = await faultOf(opened);
        assert.equal(error.code, `jwe-${one.reason}`);
        return;
      }
      assert.equal(base64((await opened).expose()), one.plaintext);
    });
  }

  test("what is made here is opened here, from PEM and from DER", async () => {
    const key = await attested();
    const secret = Secret.from(new Uint8Array(100_000).fill(3));
    const file = await encryptFile(key, secret, crypto);
    const { header } = vectors("jwe.json");
    assert.equal(Buffer.from(Buffer.from(file).toString().split(".")[0] ?? "", "base64url").toString(), header);
    assert.ok((await openJwe(file, keys.rsa4096.private_key_pkcs8)).equals(secret));
    const der = fromPem(keys.rsa4096.private_key_pkcs8, "PRIVATE KEY");
    assert.ok(der && (await openJwe(file, der)).equals(secret));
    assert.ok(
      der.some((byte) => byte !== 0),
      "the caller's key is the caller's to wipe",
    );
    assert.equal((await faultOf(openJwe(file, keys.rsa4096.public_key_pem))).code, "private-key");
  });
});

describe("checksums", () => {
  for (const one of vectors("checksums.json").cases) {
    test(one.name, async () => {
      const bytes = fromBase64(one.plaintext);
      assert.ok(bytes);
      assert.equal(await checksum(Secret.from(bytes), crypto), one.checksum);
    });
  }
});

describe("webhooks", () => {
  const { now_s, tolerance_s: toleranceS, cases } = vectors("webhooks.json");
  for (const one of cases) {
    test(`${one.accepted ? "takes" : "refuses"}: ${one.name}`, async () => {
      const { headers, secrets } = one;
      const now = () => (one.now_s ?? now_s) * 1000;
      const sources = [headers, new Headers(headers), (name: string) => new Headers(headers).get(name)];
      for (const source of sources) {
        for (const body of [one.body, utf8(one.body), utf8(one.body).buffer]) {
          const verified = verifyWebhook({ body, headers: source, secrets, toleranceS, now });
          if (one.accepted) assert.equal((await verified).type, "inquiry.approved");
          else {
            const error = await faultOf(verified);
            assert.deepEqual([error.kind, error.code], ["webhook", `webhook-${one.reason}`], error.message);
          }
        }
      }
    });
  }

  test("a body that was parsed cannot be verified, and says how to get the raw one", async () => {
    const [one] = cases;
    assert.ok(one);
    const body = JSON.parse(one.body) as string;
    const error = await faultOf(verifyWebhook({ body, headers: one.headers, secrets: one.secrets }));
    assert.equal(error.code, "webhook-body");
    assert.match(error.hint ?? "", /raw/);
  });

  test("a header that is there twice is refused", async () => {
    const [one] = cases;
    assert.ok(one);
    const twice = { ...one.headers, "COINCOVER-SIGNATURE": one.headers["Coincover-Signature"] };
    assert.equal(
      (await faultOf(verifyWebhook({ body: one.body, headers: twice, secrets: one.secrets }))).code,
      "webhook-headers-form",
    );
  });
});
