import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { inspect } from "node:util";

import type { ClientOptions } from "../src/call.js";
import { Client } from "../src/client.js";
import { FILE_BYTES_MAX } from "../src/encrypt.js";
import { formOf } from "../src/file.js";
import { Budget, nextWait } from "../src/retry.js";
import { HoldfastError } from "../src/error.js";
import { answer, bodyOf, canned, faultOf, listen, refusal } from "./stage.js";
import { ROOT, vectors } from "./vectors.js";

const { public_key: PUBLIC_KEY, public_key_pem: PEM, public_key_base64: BASE64 } = vectors("keys.json").rsa4096;
const DATA = vectors("oaep.json").cases[2]?.ciphertext ?? "";
const CHECKSUM = vectors("oaep.json").cases[2]?.item_checksum ?? "";

function client(fetch: typeof globalThis.fetch, options: Partial<ClientOptions> = {}): Client {
  return new Client({ baseUrl: "https://recovery.example/below", credential: "topsecret", fetch, ...options });
}

const page = { data: [], next_cursor: null };
const BACKUP_ID = "b/1";

/** Each operation of the document, called by the method that is there for it. */
const METHODS: Record<string, (client: Client) => Promise<unknown>> = {
  start: (c) => c.retail.startVerification({ user_identifier: "u" }),
  status: (c) => c.retail.verificationStatus("v"),
  simulate: (c) => c.retail.simulate({ verification_id: "v", action: "approve_inquiry" }),
  generate: (c) => c.retail.generateKey({ user_identifier: "u", verification_id: "v" }),
  store: (c) =>
    c.retail.storeBackup({ user_identifier: "u", verification_id: "v", public_key: PUBLIC_KEY, backup: [] }),
  recover: (c) => c.retail.recover({ user_identifier: "u", verification_id: "v", gpg_public_key: "k" }),
  assign_key: (c) =>
    c.partner.assignKey({
      user_identifier: "u",
      key_environment: "HOT",
      organisation: { customer_id: "c" },
      package: { package_id: "p" },
    }),
  list_keys: (c) => c.partner.listKeys(),
  read_key: (c) => c.partner.readKey("k"),
  rotate_key: (c) => c.partner.rotateKey("k"),
  store_data: (c) => c.partner.storeData({ public_key: PUBLIC_KEY, data: DATA, checksum: CHECKSUM }),
  store_file: (c) => c.partner.storeFile({ public_key: PUBLIC_KEY, file: new Uint8Array(3) }),
  list_backups: (c) => c.partner.listBackups(),
  read_backup: (c) => c.partner.readBackup(BACKUP_ID),
  delete_backup: (c) => c.partner.deleteBackup(BACKUP_ID),
  restore_backup: (c) => c.partner.restoreBackup(BACKUP_ID),
  new_key: (c) => c.institution.newKey({ user_identifier: "u", key_type: "rsa4096" }),
  list_own_keys: (c) => c.institution.listKeys(),
  read_own_key: (c) => c.institution.readKey("k"),
  rotate_own_key: (c) => c.institution.rotateKey("k"),
  verify_key: (c) => c.institution.verifyKey("k"),
  store_own_data: (c) => c.institution.storeData({ public_key: PUBLIC_KEY, data: DATA }),
  store_own_file: (c) => c.institution.storeFile({ public_key: PUBLIC_KEY, file: new Uint8Array(3) }),
  list_own_backups: (c) => c.institution.listBackups(),
  read_own_backup: (c) => c.institution.readBackup(BACKUP_ID),
  verify_backup: (c) => c.institution.verifyBackup(BACKUP_ID),
  delete_own_backup: (c) => c.institution.deleteBackup(BACKUP_ID),
  restore_own_backup: (c) => c.institution.restoreBackup(BACKUP_ID),
  list: (c) => c.audit.page(),
  checkpoint: (c) => c.audit.checkpoint(),
  export: (c) => c.audit.export().next(),
  create_credential: (c) => c.credentials.create({ name: "n", scopes: ["audit"] }),
  list_credentials: (c) => c.credentials.list(),
  revoke_credential: (c) => c.credentials.revoke("i"),
  exchange_token: (c) => c.credentials.exchangeToken(),
  freeze: (c) => c.credentials.freeze({ hours: 1 }),
  read_freeze: (c) => c.credentials.readFreeze(),
  read_issuer: (c) => c.credentials.readIssuer(),
  set_issuer: (c) => c.credentials.setIssuer({ issuer: "i", jwks_uri: "https://h", audience: "a" }),
  delete_issuer: (c) => c.credentials.deleteIssuer(),
  create_webhook: (c) => c.webhooks.create({ url: "https://h" }),
  list_webhooks: (c) => c.webhooks.list(),
  read_webhook: (c) => c.webhooks.read("i"),
  update_webhook: (c) => c.webhooks.update("i", { enabled: false }),
  delete_webhook: (c) => c.webhooks.delete("i"),
  rotate_webhook_secret: (c) => c.webhooks.rotateSecret("i"),
  test_webhook: (c) => c.webhooks.test("i"),
  list_deliveries: (c) => c.webhooks.listDeliveries("i"),
  redeliver: (c) => c.webhooks.redeliver("i", "d"),
  ceremony: (c) => c.sandbox.ceremony(),
  damage: (c) => c.sandbox.damage({ backup_id: BACKUP_ID }),
  reset: (c) => c.sandbox.reset(),
};

interface Operation {
  operationId: string;
  parameters?: Array<{ name: string }>;
}

describe("the document", () => {
  test("what is made of it is committed", () => {
    execFileSync(process.execPath, [new URL("../../scripts/generate.js", import.meta.url).pathname, "--check"], {
      env: { ...process.env, HOLDFAST_ROOT: ROOT.pathname.replace(/\/$/, "") },
    });
  });

  test("each operation below /v1 has its method, and each method its operation", async () => {
    const openapi = JSON.parse(readFileSync(new URL("docs/reference/openapi.json", ROOT), "utf8"));
    const expected = new Map<string, { method: string; path: string; operation: Operation }>();
    for (const [path, item] of Object.entries(openapi.paths as Record<string, Record<string, Operation>>)) {
      // The identity provider calls that one.
      if (!path.startsWith("/v1/") || path.startsWith("/v1/providers/")) continue;
      for (const [method, operation] of Object.entries(item)) {
        expected.set(operation.operationId, { method: method.toUpperCase(), path, operation });
      }
    }
    assert.deepEqual(Object.keys(METHODS).sort(), [...expected.keys()].sort());
    const nameOf = (call: unknown) => /c\.(\w+\.\w+)\(/.exec(String(call))?.[1];
    const names = Object.entries(METHODS).map(([id, call]) => [id, nameOf(call)]);
    assert.deepEqual(Object.fromEntries(names), vectors("methods.json"), "the names of the Rust client");
    for (const [name, { method, path, operation }] of expected) {
      const { fetch, seen } = canned(answer(200, page));
      await METHODS[name]?.(client(fetch)).catch((error: unknown) => assert.equal(name, "export", String(error)));
      const [call] = seen;
      const form = new RegExp(`^https://recovery.example/below${path.replace(/\{\w+\}/g, "[^/]+")}(\\?.*)?$`);
      assert.equal(call?.method, method, name);
      assert.match(call?.url ?? "", form);
      const isNamed = operation.parameters?.some((parameter) => parameter.name === "Idempotency-Key") ?? false;
      assert.equal(call?.headers.has("idempotency-key"), isNamed, name);
      assert.equal(call?.headers.get("authorization"), "Bearer topsecret");
    }
  });

  test("nothing of Node's, and no package, is reachable from the main export", () => {
    const folder = new URL("../src/", import.meta.url);
    const reached = new Set<string>();
    const reach = (name: string) => {
      if (reached.has(name)) return;
      reached.add(name);
      const text = readFileSync(new URL(name, folder), "utf8");
      for (const [, from = ""] of text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
        assert.ok(from.startsWith("./"), `${name} imports ${from}`);
        reach(new URL(from, new URL(name, folder)).href.slice(folder.href.length));
      }
      assert.doesNotMatch(text, /\b(?:Buffer|process|require|__dirname)\b\s*[.([]/, name);
    };
    reach("index.js");
    assert.ok(reached.size > 15);
    const all = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
    assert.deepEqual(all.filter((name) => !reached.has(name)).sort(), ["generated/types.js", "openpgp.js"]);
  });
});

describe("a client", () => {
  const make = (options: Partial<ClientOptions>) => () =>
    new Client({ baseUrl: "https://h", credential: "k", ...options });

  test("takes an address, and keeps its path", () => {
    for (const baseUrl of [
      "https://h",
      "https://h/",
      "https://h/a",
      "http://127.0.0.1:1",
      "http://localhost:1",
      "http://[::1]:1",
    ]) {
      assert.doesNotThrow(make({ baseUrl }), baseUrl);
    }
    for (const baseUrl of [
      "",
      "h:1",
      "ftp://h",
      "https://u:p@h",
      "https://h/?q=1",
      "https://h#f",
      "https://h h",
      "https://h/v1/",
    ]) {
      assert.throws(make({ baseUrl }), { code: "base-url" }, baseUrl);
    }
    assert.equal(make({ baseUrl: "https://h/a//" })().baseUrl, "https://h/a");
  });

  test("does not show its credential", () => {
    for (const baseUrl of ["http://example.com", "http://localhost.example.com", "http://127.0.0.1.example.com"]) {
      assert.throws(make({ baseUrl }), { code: "plain-http" });
    }
    assert.doesNotThrow(make({ baseUrl: "http://example.com", allowPlainHttp: true }));
    for (const credential of ["", "a b", "a\nb", '"k"\t', undefined as unknown as string]) {
      assert.throws(make({ credential }), { code: "credential" });
    }
    const made = make({ credential: "topsecret" })();
    assert.doesNotMatch(
      inspect(made, { depth: 9, showHidden: true }) + JSON.stringify(made) + String(made),
      /topsecret/,
    );
  });

  test("refuses the other environment's credential", () => {
    const environment = "production" as const;
    assert.throws(make({ environment, credential: "hf_sandbox_abc" }), { code: "wrong-environment" });
    assert.doesNotThrow(make({ environment, credential: "hf_production_abc" }));
    assert.doesNotThrow(make({ environment, credential: "eyJ.a.token" }));
  });

  test("shows what travelled, but for the credential", async () => {
    const shown: unknown[] = [];
    const { fetch } = canned(answer(200, page, { "x-request-id": "r-9" }));
    await client(fetch, { observer: (exchange) => shown.push(exchange) }).audit.page({ action: "a b&c" });
    assert.deepEqual(shown, [{ method: "GET", path: "/v1/audit?action=a%20b%26c", status: 200, requestId: "r-9" }]);
  });

  test("puts no caller's id into another path", async () => {
    const { fetch, seen } = canned(answer(200, page));
    await client(fetch).partner.readKey("../../x?y#z");
    assert.equal(seen[0]?.url, "https://recovery.example/below/v1/partner/keys/..%2F..%2Fx%3Fy%23z");
    for (const id of ["", ".", ".."]) assert.equal((await faultOf(client(fetch).partner.readKey(id))).code, "path");
    assert.equal(seen.length, 1);
  });
});

describe("an answer", () => {
  test("a refusal says everything that the service said", async () => {
    const body = {
      message: "two fields",
      error: "Bad Request",
      code: "validation-failed",
      request_id: "r1",
      errors: { a: ["is missing"] },
    };
    const { fetch } = canned(answer(400, body, { "retry-after": "7" }));
    const error = await faultOf(client(fetch).audit.page());
    assert.equal(error.message, "400 validation-failed: two fields; a: is missing; try again in 7 s (request r1)");
    assert.deepEqual([error.kind, error.code, error.status, error.requestId], ["api", "validation-failed", 400, "r1"]);
    assert.deepEqual([error.errors, error.retryAfterMs], [{ a: ["is missing"] }, 7000]);
  });

  test("a redirect is an error and not followed", async () => {
    const calls: string[] = [];
    const other = await listen((request, response) => {
      calls.push(request.url ?? "");
      response.end('{"keys":[]}');
    });
    const server = await listen((_, response) => {
      response.writeHead(302, { location: `${other.base}/.well-known/jwks.json` }).end();
    });
    try {
      const error = await faultOf(new Client({ baseUrl: server.base, credential: "k" }).jwks());
      assert.deepEqual([error.kind, error.code, error.status, calls], ["unreadable", "redirect", 302, []]);
    } finally {
      await Promise.all([server.end(), other.end()]);
    }
  });

  test("a redirect that the platform followed against our word is refused", async () => {
    const followed = () => Object.defineProperty(answer(200, { keys: [] })(), "redirected", { value: true });
    assert.equal((await faultOf(client(canned(followed).fetch).jwks())).code, "redirect");
    const elsewhere = () =>
      Object.defineProperties(answer(200, { keys: [] })(), {
        redirected: { value: undefined },
        url: { value: "https://x" },
      });
    assert.equal((await faultOf(client(canned(elsewhere).fetch).jwks())).code, "redirect");
  });

  test("what is not this API's is said to be so", async () => {
    const page = () => new Response("<html>", { status: 404 });
    const error = await faultOf(client(canned(page).fetch).audit.page());
    assert.deepEqual([error.kind, error.status], ["unreadable", 404]);
    assert.match(error.hint ?? "", /without \/v1/);
    for (const body of ["<html>", "7", "null", ""]) {
      assert.equal((await faultOf(client(canned(() => new Response(body)).fetch).audit.page())).kind, "unreadable");
    }
    const large = () => new Response(new Uint8Array(16 * 1024 * 1024 + 1));
    assert.match((await faultOf(client(canned(large).fetch).audit.page())).message, /too large/);
  });

  test("a log that was cut ends in an error", async () => {
    const text = (body: string) => client(canned(() => new Response(body)).fetch).audit.export();
    const read: unknown[] = [];
    for await (const entry of text('{"seq":1}\n{"seq":2}\n')) read.push(entry.seq);
    assert.deepEqual(read, [1, 2]);
    const all = async () => {
      for await (const entry of text('{"seq":1}\n{"seq":2}')) read.push(entry.seq);
    };
    assert.equal((await faultOf(all())).kind, "transport");
    assert.deepEqual(read, [1, 2, 1]);
  });
});

describe("a go-live mistake", () => {
  const store = (changes: object) => {
    const { fetch, seen } = canned(answer(200, {}));
    const body = { public_key: PUBLIC_KEY, data: DATA, checksum: CHECKSUM, ...changes };
    return { seen, fault: faultOf(client(fetch).partner.storeData(body)) };
  };

  test("a key in PEM or base64 is not sent, and told to be hexadecimal", async () => {
    for (const [publicKey, is] of [
      [PEM, "PEM"],
      [BASE64, "base64"],
      ["xyz", "not hexadecimal"],
    ] as const) {
      const { seen, fault } = store({ public_key: publicKey });
      const error = await fault;
      assert.deepEqual([error.code, seen.length], ["public-key-form", 0]);
      assert.match(error.message, new RegExp(is));
      assert.match(error.hint ?? "", /hexadecimal of the DER/);
    }
  });

  test("a checksum of the ciphertext is not sent", async () => {
    const bytes = Buffer.from(DATA, "base64");
    for (const over of [bytes, Buffer.from(DATA)]) {
      const digest = Buffer.from(await crypto.subtle.digest("SHA-256", over)).toString("hex");
      const { seen, fault } = store({ checksum: digest.toUpperCase() });
      const error = await fault;
      assert.deepEqual([error.code, seen.length], ["checksum-over-ciphertext", 0]);
      assert.match(error.hint ?? "", /plaintext/);
    }
  });

  test("a ciphertext in hexadecimal or base64url is not sent", async () => {
    const bytes = Buffer.from(DATA, "base64");
    for (const data of [bytes.toString("hex"), `${bytes.toString("base64url").slice(0, -1)}_`, `${DATA}\n`]) {
      const { seen, fault } = store({ data });
      assert.deepEqual([(await fault).code, seen.length], ["ciphertext-form", 0]);
    }
  });

  test("a file above 10 MiB is not sent, and one of 10 MiB is", async () => {
    const { fetch, seen } = canned(answer(200, {}));
    const send = (bytes: number) =>
      client(fetch).partner.storeFile({ public_key: PUBLIC_KEY, file: new Uint8Array(bytes) });
    assert.equal((await faultOf(send(FILE_BYTES_MAX + 1))).code, "file-too-large");
    assert.equal((await faultOf(send(0))).code, "file-empty");
    assert.equal(seen.length, 0);
    await send(FILE_BYTES_MAX);
    assert.equal(seen.length, 1);
  });

  test("the service's own refusals come with what to do", async () => {
    const hints: Array<[number, string, RegExp]> = [
      [400, "check-failed", /SHA-256 of the plaintext.*RSA-OAEP with SHA-256/],
      [401, "wrong-environment", /"sandbox".*base URL and credential together/],
      [401, "unauthenticated", /revoked/],
      [403, "scope-missing", /scope/],
      [404, "no-such-path", /without \/v1/],
      [400, "sandbox-only", /override header/],
    ];
    for (const [status, code, words] of hints) {
      const { fetch } = canned(refusal(status, code));
      const error = await faultOf(client(fetch, { credential: "hf_sandbox_abc" }).audit.page());
      assert.match(error.hint ?? "", words, code);
    }
    assert.equal((await faultOf(client(canned(refusal(409, "backup-limit")).fetch).audit.page())).hint, undefined);
  });
});

describe("a repeat", () => {
  const now = { "retry-after": "0" };

  test("carries the name and the bytes of the first", async () => {
    const { fetch, seen } = canned(
      refusal(503, "unavailable", now),
      refusal(409, "idempotency-in-progress", now),
      answer(200, {}),
    );
    await client(fetch).retail.startVerification({ user_identifier: "u" });
    const names = seen.map((call) => call.headers.get("idempotency-key"));
    assert.deepEqual([seen.length, new Set(names).size, new Set(seen.map((call) => call.body)).size], [3, 1, 1]);
    assert.match(names[0] ?? "", /^[0-9a-f]{32}$/);
    await client(fetch).retail.startVerification({ user_identifier: "u" }, { idempotencyKey: "mine" });
    assert.equal(seen[3]?.headers.get("idempotency-key"), "mine");
  });

  test("is made where it is harmless and may help", async () => {
    const tries = async (call: (client: Client) => Promise<unknown>, ...answers: Array<() => Response>) => {
      const { fetch, seen } = canned(...answers);
      await call(client(fetch)).catch(() => {});
      return seen.length;
    };
    const broken = () => {
      throw new TypeError("fetch failed");
    };
    const good = answer(200, { data: [] });
    const [read, recover] = [METHODS.list, METHODS.recover] as Array<(client: Client) => Promise<unknown>>;
    assert.ok(read && recover && METHODS.delete_backup);
    assert.equal(await tries(read, broken, good), 2);
    assert.equal(await tries(read, refusal(503, "x", now), refusal(429, "x", now), good), 3);
    for (const status of [502, 504]) {
      assert.equal(await tries(read, () => new Response("<html>", { status, headers: now }), good), 2);
    }
    assert.equal(await tries(read, refusal(408, "body-too-slow", now), good), 2);
    assert.equal(await tries(read, refusal(503, "x", now)), 4);
    assert.equal(await tries(read, refusal(429, "x", { "retry-after": "31" }), good), 1);
    for (const status of [400, 401, 403, 404, 409, 422, 500]) {
      assert.equal(await tries(read, refusal(status, "x", now), good), 1, String(status));
    }
    for (const once of [recover, METHODS.delete_backup]) {
      assert.equal(await tries(once, broken, good), 1);
      assert.equal(await tries(once, refusal(503, "x", now), good), 1);
      assert.equal(await tries(once, refusal(429, "rate-limit", now), good), 2);
    }
  });

  test("waits grow, with chance, and the service has the last word", () => {
    assert.equal(nextWait(1, 0, undefined, 1), 200);
    assert.equal(nextWait(1, 0, undefined, 0), 100);
    assert.equal(nextWait(3, 0, undefined, 1), 800);
    assert.equal(nextWait(1, 0, 30_000, 0), 30_000);
    assert.equal(nextWait(1, 0, 30_001, 0), undefined);
    assert.equal(nextWait(1, 30_000, undefined, 0), undefined);
    assert.equal(nextWait(4, 0, 0, 0), undefined);
  });

  test("the whole client has a budget", async () => {
    const budget = new Budget({ sleep: async () => {}, chance: () => 0 });
    let tries = 0;
    const run = async (fails: boolean) => {
      const call = async () => {
        tries++;
        if (fails) throw new HoldfastError("api", "x", "m", { status: 503 });
      };
      await budget.run(true, undefined, call).catch(() => {});
    };
    for (let at = 0; at < 20; at++) await run(true);
    assert.equal(tries, 20 + 10, "ten retries in hand, whatever the number of calls");
    for (let at = 0; at < 10; at++) await run(false);
    tries = 0;
    await run(true);
    assert.equal(tries, 2, "ten successes earn one");
  });
});

describe("the end of patience", () => {
  const silent = () => listen(() => {});

  test("a call that gets no answer in time is an error that says so", async () => {
    const server = await silent();
    try {
      const client = new Client({ baseUrl: server.base, credential: "k", timeoutMs: 50 });
      const request = { user_identifier: "u", verification_id: "v", gpg_public_key: "k" };
      const error = await faultOf(client.retail.recover(request));
      assert.deepEqual([error.kind, error.code], ["transport", "timeout"]);
    } finally {
      await server.end();
    }
  });

  test("its caller ends a call, and a wait", async () => {
    const server = await silent();
    try {
      const controller = new AbortController();
      const client = new Client({ baseUrl: server.base, credential: "k" });
      const call = faultOf(client.audit.page({}, { signal: controller.signal }));
      controller.abort();
      assert.equal((await call).code, "aborted");
      assert.equal((await faultOf(client.audit.page({}, { signal: AbortSignal.abort() }))).code, "aborted");
    } finally {
      await server.end();
    }
    const waiting = new AbortController();
    const { fetch, seen } = canned(() => {
      setImmediate(() => waiting.abort());
      return refusal(503, "x", { "retry-after": "29" })();
    });
    assert.equal((await faultOf(client(fetch).audit.page({}, { signal: waiting.signal }))).code, "aborted");
    assert.equal(seen.length, 1);
  });
});

describe("a form", () => {
  test("is read by another's reader as it was meant", async () => {
    const file = Uint8Array.from({ length: 3000 }, (_, at) => at);
    const { contentType, bytes } = formOf({ public_key: "00", file, metadata: { original_filename: 'a"ü' } }, "mark");
    const read = await new Response(bytes as BodyInit, { headers: { "content-type": contentType } }).formData();
    assert.equal(read.get("public_key"), "00");
    assert.deepEqual(JSON.parse(read.get("metadata") as string), { original_filename: 'a"ü' });
    const part = read.get("file") as File;
    assert.equal(part.type, "application/octet-stream");
    assert.deepEqual(new Uint8Array(await part.arrayBuffer()), file);
  });

  test("travels with its length and its type", async () => {
    let seen: { type?: string; length: number } | undefined;
    const server = await listen(async (request, response) => {
      seen = { type: request.headers["content-type"], length: (await bodyOf(request)).length };
      response.end("{}");
    });
    try {
      const client = new Client({ baseUrl: server.base, credential: "k" });
      await client.partner.storeFile({ public_key: PUBLIC_KEY, file: new Uint8Array(5000) });
      assert.match(seen?.type ?? "", /^multipart\/form-data; boundary=holdfast-[0-9a-f]{32}$/);
      assert.ok((seen?.length ?? 0) > 6100);
    } finally {
      await server.end();
    }
  });
});
