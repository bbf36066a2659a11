// The library as it is, without a bundler, in a browser: the same deeds against the same service.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { bodyOf, listen, SandboxProcess } from "./stage.js";

const SOURCE = new URL("../src/", import.meta.url);
const OPENPGP = join(dirname(createRequire(import.meta.url).resolve("openpgp")), "..", "openpgp.min.mjs");

/** What the browser plays; `KEYS` is put in front of it. */
const PLAY = `
const { Client } = await import("/src/index.js");
const { RecipientKey } = await import("/src/openpgp.js");
const client = (kind, path = "") => new Client({ baseUrl: location.origin + path, credential: KEYS[kind] });
const retail = client("retail");
const check = async () =>
  (await retail.retail.startVerificationWith({ user_identifier: "ada" }, "approve_inquiry")).verification_id;
const items = [{ name: "words", secret: "correct horse" }];
await retail.backup({ userIdentifier: "ada", verificationId: await check(), items });
const device = await RecipientKey.generate();
const recovered = await retail.recover({ userIdentifier: "ada", verificationId: await check(), device });
const filed = { organisation: { customer_id: "c" }, package: { package_id: "p" }, keyEnvironment: "HOT" };
const kept = await client("partner").partner.backup({ userIdentifier: "ada", secret: new Uint8Array(5000), ...filed });
const code = (promise) => promise.then(() => "taken", (error) => error.code);
const elsewhere = await code(client("retail", "/elsewhere").jwks());
const read = [];
for await (const entry of client("partner").audit.export()) read.push(entry.seq);
const words = recovered.secrets.map((one) => one.secret.exposeText());
return { recovered: words, form: kept.form, elsewhere, read: read.length };
`;

function page(keys: Record<string, string>): string {
  return `<!doctype html><title>client</title>
<script type="importmap">{"imports":{"openpgp":"/openpgp.js"}}</script>
<script type="module">
const KEYS = ${JSON.stringify(keys)};
const play = async () => {${PLAY}};
const result = await play().catch((error) => ({ error: String(error) + " " + error.hint + " " + error.cause }));
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
</script>`;
}

test("a browser backs up, recovers, sends a file and follows no redirect", async () => {
  const sandbox = await SandboxProcess.start();
  const folder = mkdtempSync(join(tmpdir(), "holdfast-browser-"));
  let tell: (result: unknown) => void = () => {};
  const result = new Promise<unknown>((resolve) => (tell = resolve));
  const followed: string[] = [];
  const server = await listen(async (request, response) => {
    const path = request.url ?? "/";
    const script = (file: string | URL) =>
      response.writeHead(200, { "content-type": "text/javascript" }).end(readFileSync(file));
    if (path === "/") {
      const keys = { retail: sandbox.key("retail"), partner: sandbox.key("partner") };
      response.writeHead(200, { "content-type": "text/html" }).end(page(keys));
    } else if (path === "/openpgp.js") script(OPENPGP);
    else if (path.startsWith("/src/")) script(new URL(path.slice("/src/".length), SOURCE));
    else if (path === "/result") {
      response.end();
      tell(JSON.parse((await bodyOf(request)).toString()));
    } else if (path.startsWith("/elsewhere/")) response.writeHead(302, { location: "/followed" }).end();
    else if (path === "/followed") response.end(followed.push(path).toString());
    else if (path.startsWith("/v1/") || path.startsWith("/.well-known/")) {
      const { method, headers } = request;
      const passed = httpRequest(sandbox.base + path, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(passed);
    } else response.writeHead(404).end();
  });
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  const chromium = spawn("chromium", [...flags, `--user-data-dir=${folder}`, `${server.base}/`], {
    stdio: "ignore",
    detached: true,
  });
  const failed = new Promise<never>((_, reject) => {
    chromium.once("error", reject);
    chromium.once("exit", (code) => reject(new Error(`chromium ended with ${code} before it was done`)));
  });
  try {
    const { read, ...rest } = (await Promise.race([result, failed])) as { read: number; error?: string };
    assert.equal(rest.error, undefined);
    assert.deepEqual(rest, { recovered: ["correct horse"], form: "jwe", elsewhere: "redirect" });
    assert.ok(read > 1);
    assert.deepEqual(followed, []);
  } finally {
    failed.catch(() => {});
    const ended = chromium.exitCode === null && new Promise((resolve) => chromium.once("exit", resolve));
    // The browser and the processes it started are one group.
    if (chromium.pid) process.kill(-chromium.pid, "SIGKILL");
    await ended;
    await Promise.all([server.end(), sandbox.end()]);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
