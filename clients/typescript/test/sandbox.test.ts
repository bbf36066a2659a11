import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { after, before, describe, test } from "node:test";

import type { Client } from "../src/client.js";
import { JWE_PLAINTEXT_BYTES_MAX } from "../src/encrypt.js";
import { HoldfastError } from "../src/error.js";
import { RecipientKey } from "../src/openpgp.js";
import type { PartnerBackupRequest } from "../src/deposit.js";
import type { AssignKeyResponse } from "../src/generated/types.js";
import { verifyWebhook } from "../src/webhook.js";
import { bodyOf, type Deed, faultOf, type Kind, listen, Proxy, SandboxProcess } from "./stage.js";

let sandbox: SandboxProcess;
let users = 0;

before(async () => {
  sandbox = await SandboxProcess.start();
  await sandbox.addPartners(12);
});
after(async () => {
  await sandbox.end();
});

const newUser = () => `user-${++users}`;

async function approved(client: Client, user: string): Promise<string> {
  const start = await client.retail.startVerificationWith({ user_identifier: user }, "approve_inquiry");
  return start.verification_id;
}

function partnerBackup(user: string, secret: Uint8Array | string): PartnerBackupRequest {
  const filed = { organisation: { customer_id: "c-1", customer_name: "C" }, package: { package_id: "p-1" } };
  return { userIdentifier: user, secret, keyEnvironment: "HOT", ...filed };
}

/** A client whose calls pass a proxy that meddles. */
async function meddled<T>(
  kind: Kind,
  plan: (call: string, nth: number) => Deed | undefined,
  play: (client: Client, proxy: Proxy) => Promise<T>,
): Promise<T> {
  const proxy = await Proxy.to(sandbox.base, plan);
  try {
    return await play(sandbox.client(kind, { baseUrl: proxy.base }), proxy);
  } finally {
    await proxy.end();
  }
}

const isAt = (call: string, deed: Deed) => (seen: string, nth: number) =>
  seen === call && nth === 1 ? deed : undefined;
const JWKS = "GET /.well-known/jwks.json";
const GENERATE = "POST /v1/key/generate";
const ASSIGN = "POST /v1/partner/keys";
const DATA = "POST /v1/partner/secure/data";
const FILE = "POST /v1/partner/secure/file";
const STORE = "POST /v1/backup/store";
const RECOVER = "POST /v1/backup/recover";

describe("a wallet", () => {
  test("backs up and recovers, on another device", async () => {
    const client = sandbox.client("retail", { environment: "sandbox" });
    const user = newUser();
    const items = [
      { name: "words", secret: "correct horse battery staple" },
      { name: "nothing", secret: "" },
      { name: "long", secret: randomBytes(446) },
      { name: "fourth", secret: "that takes a second call" },
    ];
    const stored = await client.backup({ userIdentifier: user, verificationId: await approved(client, user), items });
    assert.deepEqual(
      stored.items.map((item) => item.item_key),
      items.map((item) => item.name),
    );
    assert.equal(stored.key.signed.key_id, stored.keyId);

    const device = await RecipientKey.generate();
    const request = { userIdentifier: user, verificationId: await approved(client, user), device };
    const recovered = await client.recover(request);
    assert.deepEqual(recovered.failed, []);
    const secrets = new Map(recovered.secrets.map(({ name, secret }) => [name, secret]));
    for (const { name, secret } of items) {
      assert.deepEqual(Buffer.from(secrets.get(name)?.expose() ?? []), Buffer.from(secret), name);
    }

    // The same device asks twice more, from its kept secret block; another is refused.
    const block = device.secretBlock().exposeText() ?? "";
    const again = await RecipientKey.fromSecretBlock(block);
    assert.equal(again.fingerprint, device.fingerprint);
    assert.equal((await client.recover({ ...request, device: again })).secrets.length, 4);
    const other = await RecipientKey.generate();
    assert.equal((await faultOf(client.recover({ ...request, device: other }))).code, "verification-used");
  });

  test("is told of the item that failed, and gets the others", async () => {
    const client = sandbox.client("retail");
    const user = newUser();
    const items = [
      { name: "a", secret: "1" },
      { name: "b", secret: "2" },
    ];
    const stored = await client.backup({ userIdentifier: user, verificationId: await approved(client, user), items });
    await client.sandbox.damage({ backup_id: stored.items[0]?.backup_id ?? "" });
    const device = await RecipientKey.generate();
    const recovered = await client.recover({
      userIdentifier: user,
      verificationId: await approved(client, user),
      device,
    });
    assert.deepEqual(
      recovered.secrets.map(({ name }) => name),
      ["b"],
    );
    assert.deepEqual(
      recovered.failed.map(({ name, error }) => [name, error.code]),
      [["a", "item-failed"]],
    );
  });

  test("makes no key for what would be refused", async () => {
    const never = (call: string): Deed => assert.fail(call);
    await meddled("retail", never, async (client) => {
      const request = { userIdentifier: "u", verificationId: "v" };
      const backup = (...items: Array<{ name: string; secret: string | Uint8Array }>) =>
        faultOf(client.backup({ ...request, items }));
      assert.equal((await backup()).code, "items");
      assert.equal((await backup({ name: "a", secret: "1" }, { name: "a", secret: "2" })).code, "items");
      assert.equal((await backup({ name: "a", secret: new Uint8Array(447) })).code, "too-long");
    });
  });
});

describe("a partner", () => {
  test("backs every size up, in the form that fits", async () => {
    const client = sandbox.client("partner");
    const user = newUser();
    for (const [size, form] of [
      [0, "oaep"],
      [445, "oaep"],
      [446, "oaep"],
      [447, "jwe"],
      [470, "jwe"],
    ] as const) {
      const kept = await client.partner.backup(partnerBackup(user, randomBytes(size)));
      assert.equal(kept.form, form, String(size));
      const shown = await client.partner.readBackup(kept.backupId);
      assert.deepEqual([shown.status, shown.check], ["confirmed", form === "oaep" ? "verified" : "not-checked"]);
    }
    assert.equal((await client.partner.listKeys({ user_identifier: user })).data.length, 1);
  });

  test("fills a file of 10 MiB to the brim, and is refused one byte more before anything is sent", async () => {
    await meddled(
      "partner",
      () => undefined,
      async (client, proxy) => {
        const whole = partnerBackup(newUser(), new Uint8Array(JWE_PLAINTEXT_BYTES_MAX));
        const kept = await client.partner.backup(whole);
        const shown = await client.partner.readBackup(kept.backupId);
        const spare = 10 * 1024 * 1024 - shown.data_size;
        assert.ok(spare >= 0 && spare < 2, `${spare} bytes to spare`);
        const calls = proxy.seen.length;
        const more = partnerBackup(newUser(), new Uint8Array(JWE_PLAINTEXT_BYTES_MAX + 1));
        assert.equal((await faultOf(client.partner.backup(more))).code, "too-long");
        assert.equal(proxy.seen.length, calls);
      },
    );
  });

  test("pins the service's id of a user, and is refused another's key", async () => {
    const client = sandbox.client("partner");
    const user = newUser();
    const first = await client.partner.backup(partnerBackup(user, "1"));
    const userId = first.key.signed.user_id;
    assert.ok(userId);
    await client.partner.backup({ ...partnerBackup(user, "2"), userId });
    const error = await faultOf(client.partner.backup({ ...partnerBackup(newUser(), "3"), userId }));
    assert.equal(error.code, "attestation-member");
  });

  test("is not given a key whose owner the enclave did not sign", async () => {
    const client = sandbox.client("partner");
    const { userIdentifier, organisation, package: of } = partnerBackup(newUser(), "");
    const body = { user_identifier: userIdentifier, organisation, package: of, key_environment: "HOT" as const };
    const bare = await client.partner.assignKey(body);
    assert.equal((await client.attestAssigned(body, bare)).publicKey, bare.public_key);
    const error = await faultOf(client.partner.backup(partnerBackup(userIdentifier, "1")));
    assert.match(error.hint ?? "", new RegExp(`rotateKey\\("${bare.key_id}"`));
    await client.partner.rotateKey(bare.key_id, { sign_with: ["external_customer_id", "key_id"] });
    assert.equal((await client.partner.backup(partnerBackup(userIdentifier, "1"))).form, "oaep");
  });

  test("stores under a COLD key only when it says so", async () => {
    const client = sandbox.client("partner");
    const user = newUser();
    const request = { ...partnerBackup(user, "1"), keyEnvironment: "COLD" as const };
    const kept = await client.partner.backup(request);
    assert.equal((await client.partner.readKey(kept.keyId)).key_environment, "COLD");
    assert.equal((await faultOf(client.partner.backup(partnerBackup(user, "1")))).code, "attestation-key-environment");
  });
});

test("an institution backs up, and has it verified", async () => {
  const client = sandbox.client("institution");
  for (const size of [32, 5000]) {
    const kept = await client.institution.backup({ userIdentifier: newUser(), secret: randomBytes(size) });
    assert.equal((await client.institution.verifyBackup(kept.backupId)).is_backup_valid, true);
    assert.equal((await client.institution.verifyKey(kept.keyId)).is_key_valid, true);
  }
  const organisation = { customer_id: "c-9" };
  const filed = await client.institution.backup({ userIdentifier: newUser(), secret: "x", organisation });
  assert.equal(filed.key.signed.external_customer_id, "c-9");
});

describe("nothing is encrypted to a key", () => {
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x, y } = stranger.publicKey.export({ format: "jwk" });
  const impostor = { change: (jwks: any) => ({ keys: jwks.keys.map((key: object) => ({ ...key, x, y })) }) };

  const user = "attested";
  let assigned: AssignKeyResponse;
  before(async () => {
    const { userIdentifier: user_identifier, organisation, package: of } = partnerBackup(user, "");
    const fields = ["key_id", "user_id", "key_fingerprint", "external_customer_id", "external_package_id"] as const;
    const body = {
      user_identifier,
      organisation,
      package: of,
      key_environment: "HOT" as const,
      sign_with: [...fields],
    };
    assigned = await sandbox.client("partner").partner.assignKey(body);
  });

  /** A backup to which a changed assignment is answered; what it was refused with, and whether anything was stored. */
  async function refused(
    change: (answer: any) => object,
    jwks?: Deed,
  ): Promise<{ code: string; stored: number; jwks: number }> {
    const plan = (call: string): Deed | undefined => {
      if (call === ASSIGN) return { answer: { status: 200, body: change(assigned) } };
      return call === JWKS ? jwks : undefined;
    };
    return await meddled("partner", plan, async (client, proxy) => {
      const error = await faultOf(client.partner.backup(partnerBackup(user, "secret")));
      return { code: error.code, stored: proxy.count(DATA), jwks: proxy.count(JWKS) };
    });
  }

  test("unless it is: the same assignment, unchanged, is taken", async () => {
    const plan = (call: string) => (call === ASSIGN ? { answer: { status: 200, body: assigned } } : undefined);
    await meddled("partner", plan, async (client) => {
      assert.equal((await client.partner.backup(partnerBackup(user, "secret"))).keyId, assigned.key_id);
    });
  });

  test("that a JWKS with another key would vouch for", async () => {
    assert.deepEqual(await refused((answer) => answer, impostor), {
      code: "attestation-signature",
      stored: 0,
      jwks: 1,
    });
  });

  test("that another enclave signed", async () => {
    const resign = (answer: any) => ({
      ...answer,
      signature: sign("sha256", Buffer.from(answer.signed_payload), stranger.privateKey).toString("base64"),
    });
    assert.deepEqual(await refused(resign), { code: "attestation-signature", stored: 0, jwks: 1 });
  });

  test("whose payload was parsed and written again", async () => {
    const rewrite = (answer: any) => ({
      ...answer,
      signed_payload: JSON.stringify(JSON.parse(answer.signed_payload), null, 1),
    });
    assert.deepEqual(await refused(rewrite), { code: "attestation-signature", stored: 0, jwks: 1 });
  });

  test("of another kind of answer", async () => {
    const code = async (change: (answer: any) => object) => (await refused(change)).code;
    assert.equal(await code(({ signed_payload: _, ...rest }) => rest), "attestation-payload-presence");
    const fewer = (answer: any) => ({ ...answer, signed_fields: answer.signed_fields.slice(1) });
    assert.equal(await code(fewer), "attestation-fields");
    const renamed = (answer: any) => ({ ...answer, key_id: "01980000-0000-7000-8000-000000000000" });
    assert.equal(await code(renamed), "attestation-member");
    assert.equal(await code((answer) => ({ ...answer, key_environment: "COLD" })), "attestation-key-environment");
  });

  test("that a pin does not vouch for; and its own does, without the JWKS", async () => {
    const pem = stranger.publicKey.export({ format: "pem", type: "spki" }).toString();
    const request = partnerBackup(user, "secret");
    const wrong = sandbox.client("partner", { pinnedSigningKeys: [pem] });
    assert.equal((await faultOf(wrong.partner.backup(request))).code, "attestation-signature");
    const right = [pem, await sandbox.client("partner").verificationKeyPem()];
    const proxy = await Proxy.to(sandbox.base, () => undefined);
    try {
      await sandbox.client("partner", { baseUrl: proxy.base, pinnedSigningKeys: right }).partner.backup(request);
      assert.equal(proxy.count(JWKS), 0);
    } finally {
      await proxy.end();
    }
  });

  test("until a rotated signing key is learnt: one more look at the JWKS, and one only", async () => {
    const old = (jwks: any) => ({ keys: jwks.keys.map((key: object) => ({ ...key, x, y, kid: "old" })) });
    const plan = (call: string, nth: number) => (call === JWKS && nth === 1 ? { change: old } : undefined);
    await meddled("partner", plan, async (client, proxy) => {
      await client.jwks();
      await client.partner.backup(partnerBackup(user, "1"));
      assert.equal(proxy.count(JWKS), 2);
      await client.partner.backup(partnerBackup(user, "2"));
      assert.equal(proxy.count(JWKS), 2, "kept");
    });
    const always = (call: string) => (call === JWKS ? { change: old } : undefined);
    await meddled("partner", always, async (client, proxy) => {
      await client.jwks();
      const error = await faultOf(client.partner.backup(partnerBackup(user, "1")));
      assert.deepEqual([error.code, proxy.count(JWKS)], ["attestation-unknown-signing-key", 2]);
    });
  });

  test("when this device's clock is far behind: the signing key is not valid yet", async () => {
    const client = sandbox.client("partner", { now: () => Date.now() - 24 * 3_600_000 });
    const error = await faultOf(client.partner.backup(partnerBackup(user, "1")));
    assert.equal(error.code, "attestation-unknown-signing-key");
    assert.match(error.hint ?? "", /this device's clock/);
  });
});

test("a service that says that it stored something else is not believed", async () => {
  const lie = (changes: object) => ({ change: (answer: any) => ({ ...answer, ...changes }) });
  const partner = async (call: string, deed: Deed, secret: string | Uint8Array) =>
    await meddled(
      "partner",
      (seen) => (seen === call ? deed : undefined),
      async (client) => {
        const { code } = await faultOf(client.partner.backup(partnerBackup("liar", secret)));
        return code;
      },
    );
  assert.equal(await partner(FILE, lie({ sha256: "00".repeat(32) }), randomBytes(600)), "not-as-sent");
  assert.equal(await partner(DATA, lie({ data_size: 511 }), "1"), "not-as-sent");
  const other = { change: (answer: any) => ({ ...answer, backup: [{ ...answer.backup[0], item_key: "b" }] }) };
  for (const deed of [lie({ backup: [] }), other]) {
    await meddled(
      "retail",
      (seen) => (seen === STORE ? deed : undefined),
      async (client) => {
        const user = newUser();
        const request = { userIdentifier: user, verificationId: await approved(client, user) };
        const error = await faultOf(client.backup({ ...request, items: [{ name: "a", secret: "1" }] }));
        assert.equal(error.code, "not-as-sent");
      },
    );
  }
});

describe("the network", () => {
  const cuts = ["cut-before", "cut-after", "cut-within"] as const;

  for (const cut of cuts) {
    for (const call of [ASSIGN, JWKS, DATA, FILE]) {
      test(`${cut} at ${call}: a partner's backup is made all the same, once`, async () => {
        await meddled("partner", isAt(call, cut), async (client, proxy) => {
          // A key is asked for where that is what is cut.
          const user = call === ASSIGN ? newUser() : "cut";
          const list = async () => {
            const page = await client.partner.listBackups({ user_identifier: user });
            return page.data.map((backup) => backup.backup_id);
          };
          const earlier = await list();
          const kept = await client.partner.backup(partnerBackup(user, randomBytes(call === FILE ? 20_000 : 32)));
          // At least: a service that has run out of keys for a moment is asked once more.
          assert.ok(proxy.count(call) >= 2);
          assert.deepEqual(await list(), [kept.backupId, ...earlier]);
          assert.equal((await client.partner.listKeys({ user_identifier: user })).data.length, 1);
        });
      });
    }

    for (const call of [GENERATE, STORE]) {
      test(`${cut} at ${call}: a wallet's backup is made all the same, once`, async () => {
        await meddled("retail", isAt(call, cut), async (client, proxy) => {
          const user = newUser();
          const request = { userIdentifier: user, verificationId: await approved(client, user) };
          await client.backup({ ...request, items: [{ name: "a", secret: "1" }] });
          assert.ok(proxy.count(call) >= 2);
          const device = await RecipientKey.generate();
          const recovered = await client.recover({ ...request, verificationId: await approved(client, user), device });
          assert.equal(recovered.secrets.length, 1);
        });
      });
    }

    test(`${cut} at a recovery: nothing is repeated unasked, and the same device asks again`, async () => {
      await meddled("retail", isAt(RECOVER, cut), async (client, proxy) => {
        const user = newUser();
        const items = [{ name: "a", secret: "1" }];
        await client.backup({ userIdentifier: user, verificationId: await approved(client, user), items });
        const request = { userIdentifier: user, verificationId: await approved(client, user) };
        const device = await RecipientKey.generate();
        const error = await faultOf(client.recover({ ...request, device }));
        assert.deepEqual([error.kind, error.code, proxy.count(RECOVER)], ["transport", "broken", 1]);
        assert.equal((await client.recover({ ...request, device })).secrets.length, 1);
      });
    });
  }

  test("gone for good: the deed says so, and is taken up again where it was left", async () => {
    const user = newUser();
    await meddled(
      "partner",
      (call) => (call === DATA ? "cut-before" : undefined),
      async (client, proxy) => {
        const error = await faultOf(client.partner.backup(partnerBackup(user, "1")));
        assert.deepEqual([error.kind, proxy.count(DATA)], ["transport", 4]);
      },
    );
    const client = sandbox.client("partner");
    const kept = await client.partner.backup(partnerBackup(user, "1"));
    assert.equal((await client.partner.listKeys({ user_identifier: user })).data.length, 1);
    assert.equal((await client.partner.listBackups({ user_identifier: user })).data[0]?.backup_id, kept.backupId);
  });
});

describe("a service in trouble", () => {
  const busy = (status: number, code: string, wait: string): Deed => {
    const body = { message: "m", error: "e", code, request_id: "r" };
    return { answer: { status, headers: { "retry-after": wait }, body } };
  };

  test("is asked again when it says", async () => {
    for (const deed of [busy(429, "rate-limit", "1"), busy(503, "unavailable", "1")]) {
      await meddled("partner", isAt(ASSIGN, deed), async (client, proxy) => {
        const before = performance.now();
        await client.partner.backup(partnerBackup(newUser(), "1"));
        // What is asserted is an order, not a speed: not before the second that was asked for.
        assert.ok(performance.now() - before >= 990);
        assert.ok(proxy.count(ASSIGN) >= 2);
      });
    }
  });

  test("is left alone when it wants to be for long", async () => {
    await meddled(
      "partner",
      () => busy(503, "unavailable", "120"),
      async (client, proxy) => {
        const error = await faultOf(client.partner.backup(partnerBackup(newUser(), "1")));
        assert.deepEqual([error.status, error.code, error.retryAfterMs], [503, "unavailable", 120_000]);
        assert.equal(proxy.seen.length, 1);
      },
    );
  });

  test("takes more calls than its rate, since the client waits", async () => {
    const client = sandbox.client("institution");
    const pages = await Promise.all(Array.from({ length: 24 }, () => client.institution.listKeys({ limit: 1 })));
    assert.equal(pages.length, 24);
  });
});

describe("the service's refusals", () => {
  test("of a checksum over something else come with what to do", async () => {
    const client = sandbox.client("partner");
    const kept = await client.partner.backup(partnerBackup(newUser(), "1"));
    const data = randomBytes(512).toString("base64");
    const body = { public_key: kept.key.publicKey, data, checksum: "00".repeat(32) };
    const error = await faultOf(client.partner.storeData(body));
    assert.deepEqual([error.status, error.code], [400, "check-failed"]);
    assert.match(error.hint ?? "", /not of the ciphertext/);
  });

  test("of credentials come with what to do", async () => {
    const fault = (credential: string) => faultOf(sandbox.client("partner", { credential }).partner.listKeys());
    assert.equal((await fault(sandbox.key("partner", "expired"))).code, "unauthenticated");
    assert.equal((await fault(sandbox.key("partner", "no_partner_scope"))).code, "scope-missing");
    const production = sandbox.key("partner").replace("hf_sandbox_", "hf_production_");
    const error = await fault(production);
    assert.equal(error.code, "wrong-environment");
    assert.match(error.hint ?? "", /"production".*change base URL and credential together/);
    const below = sandbox.client("partner", { baseUrl: `${sandbox.base}/api` });
    assert.match((await faultOf(below.partner.listKeys())).hint ?? "", /nothing is at/);
  });
});

test("a token made for the key works as the key does", async () => {
  const client = sandbox.client("partner");
  const { token: credential } = await client.credentials.exchangeToken();
  assert.ok(Array.isArray((await sandbox.client("partner", { credential }).partner.listKeys()).data));
});

test("credentials and webhooks are made, listed and removed, and a deletion is taken back", async () => {
  const client = sandbox.client("partner");
  const made = await client.credentials.create({ name: "n", scopes: ["audit"] });
  assert.ok((await client.credentials.list()).data.some((one) => one.id === made.id));
  assert.equal(await client.credentials.revoke(made.id), undefined);
  const kept = await client.partner.backup(partnerBackup(newUser(), "1"));
  await client.partner.deleteBackup(kept.backupId);
  assert.equal((await client.partner.restoreBackup(kept.backupId)).status, "confirmed");
});

test("the log is read page by page and in one go", async () => {
  const client = sandbox.client("institution");
  const [paged, exported]: [number[], number[]] = [[], []];
  for await (const entry of client.audit.all()) paged.push(entry.seq);
  for await (const entry of client.audit.export()) exported.push(entry.seq);
  assert.ok(paged.length > 3);
  assert.deepEqual(exported.slice(0, paged.length), paged);
});

test("real webhooks are genuine in both dialects, during a rotation, and not an hour off", async () => {
  const arrived: Array<{ headers: Record<string, string | string[] | undefined>; body: Buffer }> = [];
  let next: () => void = () => {};
  const receiver = await listen(async (request, response) => {
    arrived.push({ headers: request.headers, body: await bodyOf(request) });
    response.end();
    next();
  });
  const receive = async (send: () => Promise<unknown>) => {
    const came = new Promise<void>((resolve) => (next = resolve));
    await send();
    await came;
    const last = arrived.at(-1);
    assert.ok(last);
    return last;
  };
  try {
    const client = sandbox.client("retail");
    const { id, secret } = await client.webhooks.create({ url: `${receiver.base}/hook` });
    const first = await receive(() => client.webhooks.test(id));
    assert.equal((await verifyWebhook({ ...first, secrets: secret })).type, "webhook.test");
    for (const name of ["coincover-signature", "webhook-signature"]) {
      const { [name]: _, ...headers } = first.headers;
      const rest = name === "webhook-signature" ? { "coincover-signature": headers["coincover-signature"] } : headers;
      assert.equal((await verifyWebhook({ body: first.body, headers: rest, secrets: secret })).environment, "sandbox");
    }
    for (const hours of [-1, 1]) {
      const now = () => Date.now() + hours * 3_600_000;
      const error = await faultOf(verifyWebhook({ ...first, secrets: secret, now }));
      assert.equal(error.code, "webhook-time");
      assert.match(error.hint ?? "", /clock/);
    }
    const rotated = await client.webhooks.rotateSecret(id);
    const second = await receive(() => client.webhooks.test(id));
    for (const either of [secret, rotated.secret]) await verifyWebhook({ ...second, secrets: either });
    const error = await faultOf(verifyWebhook({ ...first, secrets: rotated.secret }));
    assert.equal(error.code, "webhook-signature");
    await client.webhooks.delete(id);
  } finally {
    await receiver.end();
  }
});

test("nothing that is thrown shows a secret or a credential", async () => {
  const client = sandbox.client("partner", { credential: sandbox.key("partner", "expired") });
  const error = await faultOf(client.partner.backup(partnerBackup(newUser(), "topsecret")));
  assert.ok(error instanceof HoldfastError);
  const shown = JSON.stringify(error) + String(error.stack) + String(error.cause);
  assert.doesNotMatch(shown, /topsecret/);
  assert.ok(!shown.includes(sandbox.key("partner", "expired")));
});
