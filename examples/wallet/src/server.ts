// The wallet's backend: serves the page, signs people in, and passes the page's calls on with the API key.

import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { mayPass, remember, type Session } from "./gate.js";

const BODY_BYTES_MAX = 256 * 1024;
const PAGE = new URL("../src/page/", import.meta.url);
const MODULES = new URL("../node_modules/", import.meta.url);

interface Service {
  url: string;
  key: string;
}

/** The service's address and the retail account's key, of the file that a sandbox writes. */
function readService(path: string | undefined): Service {
  if (path === undefined) throw new Error("name the sandbox's credentials: npm start -- sandbox.json");
  const { base_url, tenants } = JSON.parse(readFileSync(path, "utf8"));
  const tenant = tenants.find((tenant: { kind: string }) => tenant.kind === "retail");
  return { url: base_url, key: tenant.api_keys.full };
}

const service = readService(process.argv[2]);
const sessions = new Map<string, Session>();
const page = readFileSync(new URL("index.html", PAGE), "utf8");
// The one script that stands in the page itself: where the browser finds the modules.
const importMap = /<script type="importmap">([\s\S]*?)<\/script>/.exec(page)?.[1] ?? "";
const hash = createHash("sha256").update(importMap).digest("base64");
const POLICY = [
  "default-src 'none'",
  `script-src 'self' 'sha256-${hash}'`,
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const FILES: ReadonlyMap<string, [URL, string]> = new Map([
  ["/", [new URL("index.html", PAGE), "text/html; charset=utf-8"]],
  ["/style.css", [new URL("style.css", PAGE), "text/css"]],
  ["/icon.svg", [new URL("icon.svg", PAGE), "image/svg+xml"]],
  ["/openpgp.js", [new URL("openpgp/dist/openpgp.min.mjs", MODULES), "text/javascript"]],
]);

/** The page's scripts, and the client as it is: no bundler between what you read and what runs. */
function fileOf(path: string): [URL, string] | undefined {
  const script = /^\/(page|client)\/((?:[a-z-]+\/)?[a-z-]+\.js)$/.exec(path);
  if (!script) return FILES.get(path);
  const root = script[1] === "page" ? new URL("page/", import.meta.url) : new URL("@holdfast/client/dist/src/", MODULES);
  return [new URL(script[2] ?? "", root), "text/javascript"];
}

function send(response: ServerResponse, status: number, type: string, body: Buffer | string): void {
  const headers = {
    "content-type": type,
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
  };
  response.writeHead(status, headers).end(body);
}

/** A refusal in the form of the service's own, so that the client in the page understands it. */
function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  send(response, status, "application/json", JSON.stringify({ code, message, error: code, request_id: "wallet" }));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw new Error("the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A real wallet signs people in here. This one believes whoever says a name. */
async function signIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const user = String(JSON.parse((await bodyOf(request)).toString()).user ?? "").trim();
  if (!/^[\p{L}\p{N} .-]{1,64}$/u.test(user)) return refuse(response, 400, "name", "a name has 1 to 64 letters");
  const token = randomBytes(24).toString("base64url");
  sessions.set(token, { user: `wallet:${user.toLowerCase()}`, checks: new Set() });
  const identity = `${service.url}/identity/`;
  const answer = { token, user: `wallet:${user.toLowerCase()}`, identity };
  send(response, 200, "application/json", JSON.stringify(answer));
}

/** Passes a call on: the session's token goes, the API key comes. */
async function pass(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const session = sessions.get((request.headers.authorization ?? "").replace(/^Bearer /, ""));
  if (!session) return refuse(response, 401, "unauthenticated", "sign in first");
  const [method, body] = [request.method ?? "GET", await bodyOf(request)];
  if (!mayPass(session, method, url, body)) return refuse(response, 403, "not-yours", "a wallet may not ask this");
  const headers: Record<string, string> = { "x-api-key": service.key };
  for (const name of ["content-type", "idempotency-key", "x-request-id"]) {
    const value = request.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  const init = { method, headers, redirect: "error" as const, ...(method === "POST" && { body: new Uint8Array(body) }) };
  const answer = await fetch(service.url + url.pathname + url.search, init);
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (answer.ok) remember(session, url, bytes);
  const wait = answer.headers.get("retry-after");
  if (wait !== null) response.setHeader("retry-after", wait);
  send(response, answer.status, answer.headers.get("content-type") ?? "application/json", bytes);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/session" && request.method === "POST") return await signIn(request, response);
  if (url.pathname.startsWith("/service/")) {
    url.pathname = url.pathname.slice("/service".length);
    return await pass(request, response, url);
  }
  const file = request.method === "GET" ? fileOf(url.pathname) : undefined;
  if (!file) return refuse(response, 404, "not-found", "nothing is here");
  send(response, 200, file[1], readFileSync(file[0]));
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    if (!response.headersSent) refuse(response, 503, "unavailable", "the wallet's backend could not do this");
  });
});
server.listen(Number(process.env["PORT"] ?? 8099), "127.0.0.1", () => {
  console.log(`the wallet is at http://localhost:${(server.address() as AddressInfo).port}/`);
});
