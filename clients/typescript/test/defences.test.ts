// What the whole deeds refuse, and what they leave behind, against a service that lies in one thing at a time.

import assert from "node:assert/strict";
import {
  createCipheriv,
  createHash,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  sign,
} from "node:crypto";
import { describe, test } from "node:test";

import { type Asked, check, type Claim, SigningKeyPin } from "../src/attest.js";
import type { CallOptions, ClientOptions } from "../src/call.js";
import { Client } from "../src/client.js";
import { p1363Of } from "../src/der.js";
import { encrypt, encryptFile, JWE_PLAINTEXT_BYTES_MAX } from "../src/encrypt.js";
import { openJwe } from "../src/jwe.js";
import { RecipientKey } from "../src/openpgp.js";
import { Secret } from "../src/secret.js";
import type { WebCrypto } from "../src/webcrypto.js";
import { verifyWebhook } from "../src/webhook.js";
import { answer, bodyOf, canned, faultOf, listen } from "./stage.js";
import { vectors } from "./vectors.js";

const { rsa4096, ed25519 } = vectors("keys.json");
const NOW_MS = Date.parse("2026-03-01T00:00:00Z");
const VALID_FROM = "2026-01-01T00:00:00.000Z";
const USER_ID = "user-1";

type Json = Record<string, any>;

/** Canonical for texts (RFC 8785). */
function canonical(members: Record<string, string>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** A signing key of the enclave's, or of nobody's. */
class Signer {
  readonly #pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly kid: string;

  constructor(kid: string) {
    this.kid = kid;
  }

  jwk(changes: Json = {}): any {
    const { x, y } = this.#pair.publicKey.export({ format: "jwk" });
    const kind = { kty: "EC", crv: "P-256", alg: "ES256", use: "sig", kid: this.kid, x, y };
    return {
      ...kind,
      "coincover:purposes": ["assignment-sig"],
      "coincover:validFrom": VALID_FROM,
      ...changes,
    };
  }

  get publicKey(): KeyObject {
    return this.#pair.publicKey;
  }

  sign(text: string): string {
    return sign("sha256", Buffer.from(text), this.#pair.privateKey).toString("base64");
  }

  /** A claim of these members, and what was asked for. */
  claim(members: Record<string, string>): { claim: Claim; asked: Asked } {
    const text = canonical(members);
    const fields = Object.keys(members).filter((name) => name !== "public_key") as Asked["signWith"] & string[];
    const public_key = members.public_key ?? "";
    return {
      claim: { public_key, signature: this.sign(text), signed_payload: text, signed_fields: fields },
      asked: { signWith: fields },
    };
  }
}

/** A service that does as it should, but for what a test changes. */
class Service {
  readonly seen: Array<{ call: string; headers: Headers; body: Json; init: RequestInit }> = [];
  readonly signer = new Signer("current");
  jwks = [this.signer.jwk()];
  publicKey = rsa4096.public_key;
  /** What the enclave signs in place of what it should. */
  signed: Record<string, string> = {};
  /** What an answer says in place of what it should; by the path's end. */
  changes: Record<string, Json> = {};
  /** What refuses the assignment of a key: the key is there already, as it is listed so. */
  listed: Json | undefined;
  readonly #keyId = "key-1";

  client(options: Partial<ClientOptions> = {}): Client {
    return new Client({
      baseUrl: "https://h",
      credential: "k",
      fetch: this.fetch,
      now: () => NOW_MS,
      ...options,
    });
  }

  count(end: string): number {
    return this.seen.filter(({ call }) => call.endsWith(end)).length;
  }

  readonly fetch = (async (url: unknown, init: RequestInit = {}): Promise<Response> => {
    const path = new URL(String(url)).pathname;
    const body = typeof init.body === "string" ? JSON.parse(init.body) : { file: init.body };
    this.seen.push({ call: `${init.method} ${path}`, headers: new Headers(init.headers), body, init });
    if (path === "/v1/partner/keys" && init.method === "POST" && this.listed) {
      const refusal = { message: "m", error: "e", code: "key-already-assigned", request_id: "r" };
      return answer(409, refusal)();
    }
    const end = Object.keys(this.changes).find((name) => path.endsWith(name)) ?? "";
    return answer(200, { ...this.#answerTo(path, init.method ?? "", body), ...this.changes[end] })();
  }) as typeof fetch;

  #answerTo(path: string, method: string, body: Json): Json {
    if (path.endsWith("jwks.json")) return { keys: this.jwks };
    if (path.endsWith("/store")) {
      const items = body.backup as Json[];
      return { backup: items.map(({ item_key }, at) => ({ item_key, backup_id: `b-${at}` })) };
    }
    if (path.endsWith("/secure/data")) return { backup_id: "b", data_size: 512 };
    if (path.endsWith("/secure/file")) {
      const form = Buffer.from(body.file as Uint8Array);
      const file = form.subarray(form.lastIndexOf("octet-stream\r\n\r\n") + 16, form.lastIndexOf("\r\n--holdfast-"));
      return { backup_id: "b", sha256: createHash("sha256").update(file).digest("hex") };
    }
    if (method === "GET") return { data: [this.listed] };
    return this.key(body);
  }

  /** The answer to whoever asks for a key. */
  key({ sign_with: fields = [], organisation, package: filed, key_environment }: Json): Json {
    const facts: Record<string, string> = {
      key_id: this.#keyId,
      user_id: USER_ID,
      key_fingerprint: createHash("sha256").update(Buffer.from(this.publicKey, "hex")).digest("hex"),
      external_customer_id: organisation?.customer_id,
      external_package_id: filed?.package_id,
      ...this.signed,
    };
    const members = Object.fromEntries((fields as string[]).map((field) => [field, facts[field] ?? ""]));
    const text = canonical({ ...members, public_key: this.publicKey });
    const isBound = fields.length > 0;
    return {
      key_id: this.#keyId,
      kid: this.signer.kid,
      key_environment,
      public_key: this.publicKey,
      signature: this.signer.sign(isBound ? text : this.publicKey),
      ...(isBound && { signed_payload: text, signed_fields: fields }),
    };
  }
}

const wallet = { userIdentifier: "u", verificationId: "v", items: [{ name: "words", secret: "secret" }] };
const filed = { organisation: { customer_id: "c" }, package: { package_id: "p" }, keyEnvironment: "HOT" as const };
const deposit = { userIdentifier: "u", secret: "secret" as Uint8Array | string, ...filed };
/** Each deed, and where it stores. */
const DEEDS: Record<string, [(client: Client, more?: Json, options?: CallOptions) => Promise<unknown>, string]> = {
  wallet: [(client, more, options) => client.backup({ ...wallet, ...more }, options), "/store"],
  partner: [(client, more, options) => client.partner.backup({ ...deposit, ...more }, options), "/secure/data"],
  institution: [(client, more, options) => client.institution.backup({ ...deposit, ...more }, options), "/secure/data"],
};

for (const [name, [deed, store]] of Object.entries(DEEDS)) {
  describe(`the deed of a ${name}`, () => {
    /** What it is refused with; nothing was stored. */
    const refused = async (change: (service: Service) => void, more: Json = {}) => {
      const service = new Service();
      change(service);
      const { code } = await faultOf(deed(service.client(), more));
      assert.equal(service.count("/store") + service.count("/data") + service.count("/file"), 0);
      return code;
    };

    test("is done where nothing is wrong, and says no more than the ciphertext and the plaintext's checksum", async () => {
      const service = new Service();
      await deed(service.client(), { userId: USER_ID });
      const { body } = service.seen.at(-1) ?? assert.fail();
      const [data, checksum] = body.backup
        ? [body.backup[0].item_value, body.backup[0].item_checksum]
        : [body.data, body.checksum];
      assert.equal(checksum, createHash("sha256").update("secret").digest("hex"));
      assert.equal(Buffer.from(data, "base64").length, 512);
      assert.doesNotMatch(JSON.stringify(service.seen), /secret"|c2VjcmV0/);
    });

    test("is refused a key that is another's in one thing", async () => {
      const member = "attestation-member";
      assert.equal(await refused((service) => (service.signed = { key_id: "key-2" })), member);
      assert.equal(await refused((service) => (service.signed = { user_id: "" })), member);
      assert.equal(await refused((service) => (service.signed = { key_fingerprint: "00" })), member);
      assert.equal(await refused(() => {}, { userId: "user-2" }), member);
      if (name !== "wallet") {
        assert.equal(await refused((service) => (service.signed = { external_customer_id: "d" })), member);
        assert.equal(await refused((service) => (service.signed = { external_package_id: "q" })), member);
        const cold = (service: Service) => (service.changes = { "/keys": { key_environment: "COLD" } });
        assert.equal(await refused(cold), "attestation-key-environment");
      }
      assert.equal(await refused((service) => (service.publicKey = ed25519.public_key)), "attestation-key-type");
      const bare = { signed_payload: undefined, signed_fields: undefined };
      const changes = { "/generate": bare, "/keys": bare };
      assert.equal(await refused((service) => (service.changes = changes)), "attestation-payload-presence");
    });

    test("gives each of its calls a name of its own, whatever its caller calls it", async () => {
      const service = new Service();
      await deed(service.client(), {}, { idempotencyKey: "mine", requestId: "r-1" });
      const named = service.seen.filter(({ call }) => call.startsWith("POST"));
      const names = new Set(named.map(({ headers }) => headers.get("idempotency-key")));
      assert.ok(named.length >= 2 && !names.has("mine"));
      assert.equal(names.size, named.length);
      assert.ok(service.seen.every(({ headers, call }) => headers.get("x-request-id") === "r-1" || /jwks/.test(call)));
    });

    test("wipes its copy of the secret, and not its caller's", async () => {
      for (const fails of [false, true]) {
        const service = new Service();
        if (fails) service.signed = { user_id: "" };
        const copies: Uint8Array[] = [];
        const from = Secret.from;
        Secret.from = (value) => {
          const copy = from(value);
          copies.push(copy.expose());
          return copy;
        };
        const mine = new TextEncoder().encode("secret");
        try {
          await deed(service.client(), { secret: mine, items: [{ name: "words", secret: mine }] }).catch(() => {});
        } finally {
          Secret.from = from;
        }
        assert.ok(copies.length > 0);
        for (const copy of copies) assert.deepEqual(copy, new Uint8Array(6));
        assert.equal(Buffer.from(mine).toString(), "secret");
      }
    });

    test("believes no store of something else", async () => {
      const service = new Service();
      const lies = {
        "/store": { backup: [{ item_key: "other", backup_id: "b" }] },
        "/secure/data": { data_size: 511 },
        "/secure/file": { sha256: "00" },
      };
      service.changes = lies;
      assert.equal((await faultOf(deed(service.client()))).code, "not-as-sent");
      assert.equal(service.count(store), 1);
      if (name === "wallet") {
        service.changes = { "/store": { backup: [1, 2].map(() => ({ item_key: "words", backup_id: "b" })) } };
        assert.equal((await faultOf(deed(service.client()))).code, "not-as-sent");
      } else {
        const error = await faultOf(deed(service.client(), { secret: new Uint8Array(447) }));
        assert.equal(error.code, "not-as-sent");
      }
    });
  });
}

test("a wallet asks nothing of the service for what it would refuse", async () => {
  const service = new Service();
  const code = async (...items: Array<[string, number]>) => {
    const given = items.map(([name, size]) => ({ name, secret: new Uint8Array(size) }));
    return (await faultOf(service.client().backup({ ...wallet, items: given }))).code;
  };
  assert.deepEqual(
    [await code(), await code(["a", 1], ["a", 2]), await code(["a", 1], ["b", 447])],
    ["items", "items", "too-long"],
  );
  assert.deepEqual(service.seen, []);
});

test("a deposit goes in the form that fits its size, and one that fits none goes nowhere", async () => {
  for (const [size, end] of [
    [446, "/secure/data"],
    [447, "/secure/file"],
    [JWE_PLAINTEXT_BYTES_MAX, "/secure/file"],
  ] as const) {
    for (const [deed] of [DEEDS.partner, DEEDS.institution] as Array<NonNullable<(typeof DEEDS)[string]>>) {
      const service = new Service();
      await deed(service.client(), { secret: new Uint8Array(size) });
      assert.equal(service.count(end), 1, String(size));
      const service2 = new Service();
      const error = await faultOf(deed(service2.client(), { secret: new Uint8Array(JWE_PLAINTEXT_BYTES_MAX + 1) }));
      assert.deepEqual([error.code, service2.seen.length], ["too-long", 0]);
    }
  }
});

describe("a key that a user has already", () => {
  const found = (fields: string[], signed: Record<string, string> = {}) => {
    const service = new Service();
    service.signed = signed;
    service.listed = service.key({ ...filed, sign_with: fields, key_environment: "HOT" });
    return service;
  };
  const code = async (service: Service, more: Json = {}) =>
    (await faultOf(service.client().partner.backup({ ...deposit, ...more }))).code;

  test("is taken if the enclave said whose it is, in whatever order and however much more", async () => {
    const service = found(["external_customer_id", "key_fingerprint", "key_id"]);
    await service.client().partner.backup(deposit);
    assert.equal(service.count("/secure/data"), 1);
  });

  test("is refused where it said less, or something else", async () => {
    assert.equal(await code(found([])), "attestation-payload-presence");
    assert.equal(await code(found(["key_id"])), "attestation-payload-presence");
    assert.equal(await code(found(["external_customer_id"])), "attestation-payload-presence");
    const whole = ["key_id", "external_customer_id"];
    assert.equal(await code(found(whole), { userId: USER_ID }), "attestation-payload-presence");
    assert.equal(await code(found([...whole, "user_id"]), { userId: "user-2" }), "attestation-member");
    assert.equal(await code(found(whole, { external_customer_id: "d" })), "attestation-member");
  });
});

describe("the signing keys", () => {
  const attest = async (service: Service, client: Client) =>
    await client.attest(service.key({ key_environment: "HOT" }) as Claim, {});

  test("are kept for ten minutes by the clock, and not by one that was set back", async () => {
    const service = new Service();
    let now = NOW_MS;
    const client = service.client({ now: () => now });
    for (const [at, fetched] of [
      [0, 1],
      [599_999, 1],
      [600_000, 2],
      [599_999, 3],
    ] as const) {
      now = NOW_MS + at;
      await attest(service, client);
      assert.equal(service.count("jwks.json"), fetched, String(at));
    }
  });

  test("are fetched once, however many ask at the same moment", async () => {
    const service = new Service();
    const client = service.client();
    await Promise.all([1, 2, 3].map(() => attest(service, client)));
    assert.equal(service.count("jwks.json"), 1);
  });

  test("are looked at once more where a newer list might help, and nowhere else", async () => {
    const next = new Signer("next");
    const service = new Service();
    const client = service.client();
    const rotated = { ...service.key({}), kid: "next", signature: next.sign(service.publicKey) } as unknown as Claim;
    await attest(service, client);
    service.jwks.push(next.jwk());
    await client.attest(rotated, {});
    assert.equal(service.count("jwks.json"), 2, "a kid that is not listed");
    const unnamed = { ...rotated, kid: undefined, signature: new Signer("stranger").sign(service.publicKey) };
    assert.equal((await faultOf(client.attest(unnamed, {}))).code, "attestation-signature");
    assert.equal(service.count("jwks.json"), 3, "a signature by none of those");
    assert.equal((await faultOf(client.attest(rotated, { keyType: "ed25519" }))).code, "attestation-key-type");
    assert.equal(service.count("jwks.json"), 3, "what no list can mend");
    service.jwks = [];
    const empty = service.client();
    assert.equal((await faultOf(empty.attest(unnamed, {}))).code, "attestation-no-signing-key");
    service.jwks = [next.jwk()];
    await empty.attest({ ...rotated, kid: undefined }, {});
    assert.equal(service.count("jwks.json"), 5, "a list that was empty");
  });

  test("are not asked for where keys are pinned", async () => {
    const service = new Service();
    const pem = service.signer.publicKey.export({ format: "pem", type: "spki" }).toString();
    await attest(service, service.client({ pinnedSigningKeys: [pem] }));
    assert.equal(service.count("jwks.json"), 0);
    const other = new Signer("other").publicKey.export({ format: "pem", type: "spki" }).toString();
    const fault = await faultOf(attest(service, service.client({ pinnedSigningKeys: [other] })));
    assert.deepEqual([fault.code, service.count("jwks.json")], ["attestation-signature", 0]);
  });

  test("that are no list of objects are none", async () => {
    for (const keys of [undefined, {}, [1], [null]]) {
      const service = new Service();
      service.changes = { "jwks.json": { keys } };
      assert.equal((await faultOf(attest(service, service.client()))).code, "unreadable-answer");
    }
  });

  test("count by kind, purpose and the instant from which they are valid", async () => {
    const signer = new Signer("current");
    const { claim, asked } = signer.claim({ public_key: ed25519.public_key, key_id: "k" });
    const judge = (changes: Json) => check(claim, asked, { jwks: { keys: [signer.jwk(changes)] } }, NOW_MS, crypto);
    const from = (ms: number) => ({ "coincover:validFrom": new Date(NOW_MS + ms).toISOString() });
    for (const good of [{}, from(300_000), { "coincover:validFrom": "2026-01-01T00:00:00+00:00" }]) await judge(good);
    for (const bad of [
      { kty: "OKP" },
      { crv: "P-384" },
      { alg: "ES384" },
      { use: "enc" },
      { "coincover:purposes": ["receipt-sig"] },
      { "coincover:purposes": "assignment-sig" },
      from(300_001),
      { "coincover:validFrom": "2026-01-01T00:00:00+01:00" },
      { "coincover:validFrom": "2026-01-01" },
    ]) {
      assert.equal((await faultOf(judge(bad))).code, "attestation-no-signing-key", JSON.stringify(bad));
    }
  });
});

describe("an attested key", () => {
  const signer = new Signer("current");
  const anchor = { jwks: { keys: [signer.jwk()] } };
  const judge = async ({ claim, asked }: { claim: Claim; asked: Asked }) =>
    await check(claim, asked, anchor, NOW_MS, crypto);

  test("has signed only what can be asked for, in texts that are texts", async () => {
    const members = { public_key: ed25519.public_key, key_id: "k" };
    assert.equal((await judge(signer.claim(members))).signed.key_id, "k");
    const unknown = signer.claim({ ...members, anything: "1" });
    assert.equal((await faultOf(judge(unknown))).code, "attestation-fields");
    const halved = signer.claim({ ...members, key_id: "\ud800" });
    assert.equal((await faultOf(judge(halved))).code, "attestation-payload-form");
  });

  test("is not changed by who holds its bytes", async () => {
    const key = await judge(signer.claim({ public_key: rsa4096.public_key, key_id: "k" }));
    key.bytes().fill(0);
    assert.equal(Buffer.from(key.bytes()).toString("hex"), rsa4096.public_key);
  });

  test("is encrypted to only if it is RSA", async () => {
    const signs = await judge(signer.claim({ public_key: ed25519.public_key, key_id: "k" }));
    const secret = Secret.from("a");
    for (const tried of [encrypt(signs, secret, crypto), encryptFile(signs, secret, crypto)]) {
      assert.equal((await faultOf(tried)).code, "key-type");
    }
    const damaged = `${"00".repeat(8)}${rsa4096.public_key.slice(16)}`;
    const none = await judge(signer.claim({ public_key: damaged, key_id: "k" }));
    assert.equal((await faultOf(encrypt(none, secret, crypto))).code, "key");
    const rsa = await judge(signer.claim({ public_key: rsa4096.public_key, key_id: "k" }));
    const long = Secret.holding(new Uint8Array(JWE_PLAINTEXT_BYTES_MAX + 1));
    assert.equal((await faultOf(encryptFile(rsa, long, crypto))).code, "too-long");
  });
});

test("DER is read to the byte", () => {
  const good = "3006020101020102";
  const read = Buffer.from(p1363Of(Buffer.from(good, "hex")) ?? []).toString("hex");
  assert.equal(read, `${"00".repeat(31)}01${"00".repeat(31)}02`);
  for (const bad of [
    "3106020101020102",
    "3006030101020102",
    "3006020101030102",
    "3007020101020102",
    "300602010102010200",
    "300702010102010200",
    "3006020181020102",
    "3006020100020102",
    "300702020001020102",
  ]) {
    assert.equal(p1363Of(Buffer.from(bad, "hex")), undefined, bad);
  }
});

test("a pin is an uncompressed point of P-256, in a whole block", () => {
  const pem = new Signer("k").publicKey.export({ format: "pem", type: "spki" }).toString();
  assert.equal(SigningKeyPin.fromPem(pem).point.length, 65);
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const changed = (at: number, to: number) => {
    const bytes = Buffer.from(der);
    bytes[at] = to;
    return `-----BEGIN PUBLIC KEY-----\n${bytes.toString("base64")}\n-----END PUBLIC KEY-----`;
  };
  assert.equal(SigningKeyPin.fromPem(changed(26, 4)).point.length, 65);
  for (const bad of [changed(22, 6), changed(26, 3), pem.replace("BEGIN", "begin"), pem.replace("END", "end")]) {
    assert.throws(() => SigningKeyPin.fromPem(bad), { code: "pin" });
  }
});

test("a JWE of another size of key, IV or tag than A256GCM's is not opened", async () => {
  const header = Buffer.from(vectors("jwe.json").header).toString("base64url");
  const made = (keyBytes: number, ivBytes: number, tagBytes: number) => {
    const [key, iv] = [Buffer.alloc(keyBytes, 1), Buffer.alloc(ivBytes, 2)];
    const options = { authTagLength: tagBytes };
    const cipher = createCipheriv(keyBytes === 32 ? "aes-256-gcm" : "aes-128-gcm", key, iv, options);
    cipher.setAAD(Buffer.from(header));
    const sealed = Buffer.concat([cipher.update("secret"), cipher.final()]);
    const wrapped = publicEncrypt({ key: rsa4096.public_key_pem, oaepHash: "sha256" }, key);
    const parts = [wrapped, iv, sealed, cipher.getAuthTag()].map((part) => part.toString("base64url"));
    return openJwe([header, ...parts].join("."), rsa4096.private_key_pkcs8);
  };
  assert.equal((await made(32, 12, 16)).exposeText(), "secret");
  assert.equal((await faultOf(made(16, 12, 16))).code, "jwe-open");
  assert.equal((await faultOf(made(32, 16, 16))).code, "jwe-form");
  assert.equal((await faultOf(made(32, 12, 12))).code, "jwe-form");
});

test("a private key that a JWE was opened with is wiped", async () => {
  const one = vectors("jwe.json").cases.find(({ opens }) => opens) ?? assert.fail();
  const imported: Uint8Array[] = [];
  const { subtle } = crypto;
  const importKey = async (...given: Parameters<SubtleCrypto["importKey"]>) => {
    if (given[0] === "pkcs8") imported.push(given[1] as Uint8Array);
    return await subtle.importKey(...given);
  };
  const watching = { importKey, decrypt: subtle.decrypt.bind(subtle) } as unknown as SubtleCrypto;
  const watched: WebCrypto = { subtle: watching, getRandomValues: (array) => crypto.getRandomValues(array) };
  await openJwe(one.compact, rsa4096.private_key_pkcs8, watched);
  assert.ok(imported.length === 1 && imported[0]?.every((byte) => byte === 0));
});

test("a secret is a copy, and differs wherever it differs", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const secret = Secret.from(bytes);
  bytes.fill(0);
  assert.deepEqual(secret.expose(), Uint8Array.of(1, 2, 3));
  for (const other of [[9, 2, 3], [1, 9, 3], [1, 2, 9], [1, 2], []]) {
    assert.ok(!secret.equals(Secret.from(Uint8Array.from(other))), String(other));
  }
});

test("a secret OpenPGP block that is locked is refused before it is relied on", async () => {
  const { decryptKey, encryptKey, readPrivateKey } = await import("openpgp");
  const block = (await RecipientKey.generate()).secretBlock().exposeText() ?? "";
  const privateKey = await readPrivateKey({ armoredKey: block });
  const locked = await encryptKey({ privateKey, passphrase: "p" });
  assert.equal((await faultOf(RecipientKey.fromSecretBlock(locked.armor()))).code, "secret-block");
  const again = await decryptKey({ privateKey: locked, passphrase: "p" });
  assert.ok(await RecipientKey.fromSecretBlock(again.armor()));
});

describe("a webhook", () => {
  const [one] = vectors("webhooks.json").cases;
  const { now_s } = vectors("webhooks.json");
  const given = one ?? assert.fail();
  const code = async (changes: Partial<Parameters<typeof verifyWebhook>[0]>) =>
    (await faultOf(verifyWebhook({ ...given, now: () => now_s * 1000, ...changes }))).code;
  const signed = Number(/t=(\d+)/.exec(given.headers["Coincover-Signature"] ?? "")?.[1]);

  test("is taken for five minutes each way, if nobody says otherwise", async () => {
    for (const [seconds, isTaken] of [
      [-300, true],
      [300, true],
      [-301, false],
      [301, false],
    ] as const) {
      const now = () => (signed + seconds) * 1000;
      if (isTaken) await verifyWebhook({ ...given, now });
      else assert.equal(await code({ now }), "webhook-time", String(seconds));
    }
  });

  test("is refused with more signatures than a rotation brings, or with such as are none", async () => {
    const headers = (text: string) => ({ ...given.headers, "webhook-signature": text });
    const good = given.headers["webhook-signature"] ?? assert.fail();
    await verifyWebhook({ ...given, now: () => now_s * 1000, headers: headers(`v2,other ${good}`) });
    const many = headers(Array.from({ length: 11 }, () => good).join(" "));
    assert.equal(await code({ headers: many }), "webhook-headers-form");
    const short = headers(`${good} v1,${Buffer.alloc(31).toString("base64")}`);
    assert.equal(await code({ headers: short }), "webhook-headers-form");
    const { "Coincover-Signature": _, ...standard } = given.headers;
    assert.equal(await code({ headers: standard, secrets: "whsec_" }), "webhook-secret");
    const { "webhook-signature": __, ...others } = given.headers;
    const twice = { ...others, "webhook-signature": [good, good] };
    assert.equal(await code({ headers: twice }), "webhook-headers-missing", "which of two would count");
  });
});

test("a call takes no cookies along and nothing from a cache", async () => {
  const service = new Service();
  await service.client().jwks();
  const { init } = service.seen[0] ?? assert.fail();
  assert.deepEqual(
    [init.credentials, init.cache, init.redirect, init.referrerPolicy],
    ["omit", "no-store", "manual", "no-referrer"],
  );
});

test("an answer without a stream has the same limit, and a browser's veiled redirect is one", async () => {
  const call = async (response: object) => {
    const { fetch } = canned(() => response as Response);
    return await faultOf(new Client({ baseUrl: "https://h", credential: "k", fetch }).jwks());
  };
  const headers = new Headers();
  const large = { status: 200, headers, text: async () => `{"keys":[],"x":"${"x".repeat(16 * 1024 * 1024)}"}` };
  assert.match((await call(large)).message, /too large/);
  assert.equal((await call({ status: 0, type: "opaqueredirect", headers, text: async () => "" })).code, "redirect");
});

test("what its caller aborted is not tried again", async () => {
  let calls = 0;
  const server = await listen(async (request, response) => {
    calls += 1;
    await bodyOf(request);
    controller.abort();
    setTimeout(() => response.end("{}"), 50);
  });
  const controller = new AbortController();
  try {
    const client = new Client({ baseUrl: server.base, credential: "k" });
    assert.equal((await faultOf(client.jwks({ signal: controller.signal }))).code, "aborted");
    assert.equal(calls, 1);
  } finally {
    await server.end();
  }
});
