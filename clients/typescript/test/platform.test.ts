// A platform that is neither a browser nor Node: WebCrypto and fetch are handed in, answers are read whole.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { after, before, test } from "node:test";

import { Client } from "../src/client.js";
import { openJwe } from "../src/jwe.js";
import type { WebCrypto } from "../src/webcrypto.js";
import { verifyWebhook } from "../src/webhook.js";
import { bodyOf, SandboxProcess } from "./stage.js";
import { vectors } from "./vectors.js";

const real = globalThis.crypto;
/** The shape that is asked for, and no more. */
const handed: WebCrypto = { subtle: real.subtle, getRandomValues: (array) => real.getRandomValues(array) };
const MISSING = ["crypto", "URL", "FormData", "Blob", "atob", "btoa", "ReadableStream", "structuredClone"];
const kept = new Map<string, PropertyDescriptor>();

/** As React Native has it: no streams, and nothing said about redirects. Node's own needs what is taken away below. */
const plainFetch = ((url: string, init: RequestInit) =>
  new Promise((resolve, reject) => {
    const { method, headers } = init as { method: string; headers: Record<string, string> };
    const sent = httpRequest(url, { method, headers }, (answer) => {
      bodyOf(answer).then((body) => {
        const get = (name: string) => answer.headers[name] ?? null;
        resolve({ status: answer.statusCode, headers: { get }, url, text: async () => body.toString() });
      }, reject);
    });
    sent.on("error", reject);
    sent.end(init.body);
  })) as unknown as typeof fetch;

let sandbox: SandboxProcess;

before(async () => {
  sandbox = await SandboxProcess.start();
});
after(async () => {
  await sandbox.end();
});

/** Runs without what such a platform lacks. */
async function without<T>(play: () => Promise<T>): Promise<T> {
  for (const name of MISSING) {
    const was = Object.getOwnPropertyDescriptor(globalThis, name);
    if (was) kept.set(name, was);
    Object.defineProperty(globalThis, name, { configurable: true, value: undefined });
  }
  try {
    return await play();
  } finally {
    for (const [name, was] of kept) Object.defineProperty(globalThis, name, was);
  }
}

test("without WebCrypto a client cannot be made, and says what to do", async () => {
  await without(async () => {
    const make = () => new Client({ baseUrl: "https://h", credential: "k" });
    assert.throws(make, { code: "no-webcrypto" });
  });
});

test("with what is handed in, a small and a large secret are backed up, and the log is read", async () => {
  const options = { baseUrl: sandbox.base, credential: sandbox.key("partner"), crypto: handed, fetch: plainFetch };
  const organisation = { customer_id: "c" };
  const filed = { userIdentifier: "u", organisation, package: { package_id: "p" }, keyEnvironment: "HOT" as const };
  const secrets = [randomBytes(32), randomBytes(9000)];
  await without(async () => {
    const client = new Client(options);
    const forms = [];
    for (const secret of secrets) forms.push((await client.partner.backup({ ...filed, secret })).form);
    assert.deepEqual(forms, ["oaep", "jwe"]);
    const read = [];
    for await (const entry of client.audit.export()) read.push(entry.seq);
    assert.ok(read.length >= 3);
  });
});

test("with what is handed in, a JWE is opened and a webhook verified", async () => {
  const { rsa4096 } = vectors("keys.json");
  const [one] = vectors("jwe.json").cases;
  const { cases, now_s } = vectors("webhooks.json");
  const [event] = cases;
  assert.ok(one && event);
  await without(async () => {
    assert.equal((await openJwe(one.compact, rsa4096.private_key_pkcs8, handed)).length, 447);
    await verifyWebhook({ ...event, now: () => now_s * 1000, crypto: handed });
  });
});
