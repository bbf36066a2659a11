// What the tests play on: a real sandbox, a proxy that meddles with what passes, answers from a list.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { ClientOptions } from "../src/call.js";
import { Client } from "../src/client.js";
import { HoldfastError } from "../src/error.js";

export type Kind = "retail" | "partner" | "institution";

interface Credentials {
  base_url: string;
  tenants: Array<{ kind: Kind; api_keys: Record<"full" | "no_partner_scope" | "expired", string> }>;
}

/** A sandbox of its own. */
export class SandboxProcess {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly credentials: Credentials;
  #partners: string[] = [];

  private constructor(process: ChildProcess, folder: string, credentials: Credentials) {
    this.#process = process;
    this.#folder = folder;
    this.credentials = credentials;
  }

  static async start(): Promise<SandboxProcess> {
    const program = process.env.HOLDFAST_PROGRAM;
    assert.ok(program, "HOLDFAST_PROGRAM must name the program `holdfast`, with `holdfast-enclave` beside it");
    const folder = mkdtempSync(join(tmpdir(), "holdfast-client-"));
    const data = join(folder, "data");
    const child = spawn(program, ["sandbox", "--listen", "127.0.0.1:0", "--data-dir", data, "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { event: string; credentials: Credentials };
      if (event.event !== "ready") continue;
      child.stdout.resume();
      return new SandboxProcess(child, folder, event.credentials);
    }
    throw new Error("the sandbox ended before it was ready");
  }

  get base(): string {
    return this.credentials.base_url;
  }

  key(kind: Kind, name: "full" | "no_partner_scope" | "expired" = "full"): string {
    const tenant = this.credentials.tenants.find((tenant) => tenant.kind === kind);
    assert.ok(tenant);
    return tenant.api_keys[name];
  }

  client(kind: Kind, options: Partial<ClientOptions> = {}): Client {
    const partner = kind === "partner" ? this.#partners.shift() : undefined;
    if (partner) this.#partners.push(partner);
    const credential = partner ?? this.key(kind);
    return new Client({ baseUrl: this.base, credential, fetch: patientFetch, ...options });
  }

  /** Partners' clients take turns with so many credentials: each has a rate of its own. */
  async addPartners(count: number): Promise<void> {
    const { credentials } = this.client("partner");
    const make = (at: number) =>
      credentials.create({ name: `test-${at}`, scopes: ["partner", "keys", "audit", "credentials"] });
    const made = Array.from({ length: count }, (_, at) => make(at));
    this.#partners = (await Promise.all(made)).map((one) => one.api_key);
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** On a busy machine a sandbox is out of keys for longer than a client waits; that is no matter of these tests. */
const patientFetch: typeof fetch = async (...given) => {
  for (;;) {
    const answer = await fetch(...given);
    if (answer.status !== 503) return answer;
    const { code } = (await answer.clone().json()) as { code: string };
    if (code !== "pool-empty") return answer;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};

/** A server on a free port of this machine. */
export async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return new Listening(server);
}

export class Listening {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  get base(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async end(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What the proxy does with one call. */
export type Deed =
  /** The connection ends before the service hears of it. */
  | "cut-before"
  /** The service does it, and nobody hears of that. */
  | "cut-after"
  /** The answer breaks off in its middle. */
  | "cut-within"
  /** The service is not asked. */
  | { answer: { status: number; headers?: Record<string, string>; body: unknown } }
  /** The answer is changed. */
  | { change: (body: Record<string, any>) => Record<string, any> | Promise<Record<string, any>> };

/** Stands between a client and a service; `plan` says what happens to each call, nothing where it just passes. */
export class Proxy {
  readonly #listening: Listening;
  /** `METHOD path` of each call that came. */
  readonly seen: string[] = [];

  private constructor(listening: Listening) {
    this.#listening = listening;
  }

  static async to(base: string, plan: (call: string, nth: number) => Deed | undefined): Promise<Proxy> {
    let proxy: Proxy | undefined;
    const pass = async (request: IncomingMessage, response: ServerResponse) => {
      const call = `${request.method} ${request.url?.split("?")[0]}`;
      proxy?.seen.push(call);
      const deed = plan(call, proxy?.count(call) ?? 0);
      if (deed === "cut-before") return void request.socket.destroy();
      const sent = await bodyOf(request);
      if (typeof deed === "object" && "answer" in deed) {
        const { status, headers, body } = deed.answer;
        response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
        return;
      }
      const answer = await forward(base, request, sent);
      if (deed === "cut-after") return void request.socket.destroy();
      let { body } = answer;
      const isChanged = typeof deed === "object" && answer.status === 200;
      if (isChanged) body = Buffer.from(JSON.stringify(await deed.change(JSON.parse(body.toString()))));
      response.writeHead(answer.status, { ...answer.headers, "content-length": body.length });
      if (deed !== "cut-within") return void response.end(body);
      response.write(body.subarray(0, body.length / 2), () => request.socket.destroy());
    };
    // What fails in here fails the test, and does not leave a client waiting.
    const listening = await listen((request, response) => {
      pass(request, response).catch((error: unknown) => {
        request.socket.destroy();
        throw error;
      });
    });
    proxy = new Proxy(listening);
    return proxy;
  }

  get base(): string {
    return this.#listening.base;
  }

  count(call: string): number {
    return this.seen.filter((seen) => seen === call).length;
  }

  async end(): Promise<void> {
    await this.#listening.end();
  }
}

function forward(base: string, request: IncomingMessage, body: Buffer) {
  type Answer = { status: number; headers: Record<string, string>; body: Buffer };
  return new Promise<Answer>((resolve, reject) => {
    const { method, headers } = request;
    const passed = httpRequest(
      base + request.url,
      { method, headers: { ...headers, connection: "close" } },
      (answer) => {
        const kept = ["content-type", "retry-after", "x-request-id", "idempotent-replay", "cache-control"];
        const named = kept.flatMap((name) => (answer.headers[name] ? [[name, String(answer.headers[name])]] : []));
        bodyOf(answer).then(
          (body) => resolve({ status: answer.statusCode ?? 0, headers: Object.fromEntries(named), body }),
          reject,
        );
      },
    );
    passed.on("error", reject);
    passed.end(body);
  });
}

/** A `fetch` that answers from a list, the last one again and again. */
export function canned(...answers: Array<() => Response | Promise<Response>>) {
  const seen: Array<{ url: string; method: string; headers: Headers; body: unknown }> = [];
  const fetch = async (url: unknown, init: RequestInit = {}): Promise<Response> => {
    seen.push({ url: String(url), method: init.method ?? "GET", headers: new Headers(init.headers), body: init.body });
    const answer = answers[Math.min(seen.length, answers.length) - 1];
    assert.ok(answer);
    return await answer();
  };
  return { fetch: fetch as typeof globalThis.fetch, seen };
}

/** An answer of the service. */
export function answer(status: number, body: unknown, headers: Record<string, string> = {}): () => Response {
  return () => new Response(status === 204 ? null : JSON.stringify(body), { status, headers });
}

/** A refusal of the service. */
export function refusal(status: number, code: string, headers: Record<string, string> = {}): () => Response {
  return answer(status, { message: "m", error: "e", code, request_id: "r-1" }, headers);
}

/** What a promise is rejected with. */
export async function faultOf(promise: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error,
  );
  if (!(error instanceof HoldfastError)) throw error;
  return error;
}
