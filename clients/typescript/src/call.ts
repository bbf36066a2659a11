// One HTTP exchange, and what is tried again.

import { baseOf, credentialOf, pathOf, queryOf } from "./address.js";
import { errorBodyOf, isRedirect, readText, requestIdOf, retryAfterOf } from "./answer.js";
import { HoldfastError } from "./error.js";
import { OPERATIONS, type Operations } from "./generated/operations.js";
import { environmentOf, hintOf } from "./hints.js";
import { Limit } from "./limit.js";
import { Budget, sleep } from "./retry.js";
import { randomBytes, randomName, webCrypto, type WebCrypto } from "./webcrypto.js";

/** How long one exchange may take. A release waits for the enclave, a store for its check. */
const EXCHANGE_MS_MAX = 60_000;
/** What a slow uplink carries; a large body is given so much longer. */
const UPLOAD_BYTES_PER_MS = 50;

/** What a client is made of. */
export interface ClientOptions {
  /** `https://host`, with a path if the service has one; without `/v1`. */
  baseUrl: string;
  /** An API key or a token. */
  credential: string;
  /** Refuses a credential that names the other environment. */
  environment?: "sandbox" | "production";
  /** PEM of the signing keys to believe in place of the service's JWKS. */
  pinnedSigningKeys?: readonly string[];
  /** How long one exchange may take, in milliseconds; a minute when left out. */
  timeoutMs?: number;
  /** Lets the credential travel unencrypted to another machine; for networks that one trusts. */
  allowPlainHttp?: boolean;
  /** Shown every exchange after its answer, retries included. The credential is not shown. */
  observer?: (exchange: Exchange) => void;
  /** WebCrypto, where the platform has none. */
  crypto?: WebCrypto;
  /** `fetch`, where the platform's is not to be used. */
  fetch?: typeof fetch;
  /** Milliseconds since the epoch; the system's clock when left out. */
  now?: () => number;
}

/** What may be said about one call. */
export interface CallOptions {
  /** Ends the call, its retries and its waits. */
  signal?: AbortSignal;
  /** How long one exchange may take, in milliseconds. */
  timeoutMs?: number;
  /** Names a POST so that a repeat does nothing twice; made by chance when left out. 1 to 255 characters. */
  idempotencyKey?: string;
  /** 1 to 128 letters, digits, `.`, `_`, `-`: found again in the service's log. */
  requestId?: string;
}

/** One exchange, as it travelled. */
export interface Exchange {
  method: string;
  /** Path and query. */
  path: string;
  status: number;
  requestId: string | undefined;
}

/** What an operation takes. */
export type Parts<Name extends keyof Operations> = {
  [Part in "path" | "query" | "body" as Operations[Name][Part] extends undefined
    ? never
    : Part]: Operations[Name][Part];
};

interface Request {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array | undefined;
}

/** A body that is no JSON. */
export interface RawBody {
  contentType: string;
  bytes: Uint8Array;
}

/** What few calls have. */
interface Extras {
  raw?: RawBody;
  headers?: Record<string, string>;
}

/** Makes the calls of one client. */
export class Caller {
  readonly crypto: WebCrypto;
  readonly now: () => number;
  readonly baseUrl: string;
  readonly #options: ClientOptions;
  readonly #credential: string;
  readonly #fetch: typeof fetch;
  readonly #budget: Budget;

  constructor(options: ClientOptions) {
    this.baseUrl = baseOf(options.baseUrl, options.allowPlainHttp ?? false);
    this.#credential = credentialOf(options);
    this.#options = options;
    this.crypto = webCrypto(options.crypto);
    this.now = options.now ?? Date.now;
    this.#fetch = options.fetch ?? ((...given) => globalThis.fetch(...given));
    const chance = () => (randomBytes(this.crypto, 1)[0] ?? 0) / 256;
    this.#budget = new Budget({ sleep, chance });
  }

  /** Calls an operation, again where that is harmless, and reads its answer. */
  async call<Name extends keyof Operations>(
    name: Name,
    parts: Parts<Name>,
    options: CallOptions = {},
    extras: Extras = {},
  ): Promise<Operations[Name]["answer"]> {
    const [method, , isNamed] = OPERATIONS[name];
    const request = this.#requestOf(name, parts as Partial<Record<string, unknown>>, options, extras);
    // A recovery counts every answer; a second deletion does not find what the first one deleted.
    const isRepeatable = isNamed || (method !== "DELETE" && name !== "recover");
    return await this.#budget.run(isRepeatable, options.signal, async () => {
      const { status, text } = await this.#exchange(request, options);
      if (status === 204) return undefined as Operations[Name]["answer"];
      return (isText(name) ? text : this.#parse(request, status, text)) as Operations[Name]["answer"];
    });
  }

  /** Begins an operation whose answer is read as it comes. Tried again only before it has begun. */
  async open(name: "export", query: Operations["export"]["query"], options: CallOptions): Promise<OpenAnswer> {
    const request = this.#requestOf(name, { query }, options);
    return await this.#budget.run(true, options.signal, async () => {
      const limit = new Limit(options.timeoutMs ?? this.#options.timeoutMs ?? EXCHANGE_MS_MAX, options.signal);
      const response = await this.#send(request, limit);
      if (response.status !== 200) this.#refuse(request, response, await this.#textOf(request, response, limit));
      limit.pause();
      return { response, limit };
    });
  }

  #requestOf(
    name: keyof Operations,
    parts: Partial<Record<string, unknown>>,
    options: CallOptions,
    { raw, headers: more }: Extras = {},
  ): Request {
    const [method, template, isNamed] = OPERATIONS[name];
    const headers: Record<string, string> = { authorization: `Bearer ${this.#credential}`, ...more };
    if (isNamed) headers["idempotency-key"] = options.idempotencyKey ?? randomName(this.crypto);
    if (options.requestId) headers["x-request-id"] = options.requestId;
    const body = raw?.bytes ?? (parts.body === undefined ? undefined : JSON.stringify(parts.body));
    if (body !== undefined) headers["content-type"] = raw?.contentType ?? "application/json";
    const path = pathOf(template, parts.path as Record<string, string> | undefined);
    return { method, path: path + queryOf(parts.query as Record<string, unknown> | undefined), headers, body };
  }

  async #exchange(request: Request, options: CallOptions): Promise<{ status: number; text: string }> {
    const usual = EXCHANGE_MS_MAX + (request.body?.length ?? 0) / UPLOAD_BYTES_PER_MS;
    const limit = new Limit(options.timeoutMs ?? this.#options.timeoutMs ?? usual, options.signal);
    try {
      const response = await this.#send(request, limit);
      const text = await this.#textOf(request, response, limit);
      const { status } = response;
      if (status < 200 || status > 299) this.#refuse(request, response, text);
      return { status, text };
    } finally {
      limit.end();
    }
  }

  async #send(request: Request, limit: Limit): Promise<Response> {
    const url = this.baseUrl + request.path;
    let response: Response;
    try {
      response = await this.#fetch(url, {
        method: request.method,
        headers: request.headers,
        body: (request.body ?? null) as BodyInit | null,
        redirect: "manual",
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
        signal: limit.signal,
      });
    } catch (cause) {
      throw limit.faultOf(request, cause);
    }
    if (isRedirect(response, url)) {
      const what = "a redirect, which is never followed";
      throw this.#unreadable(request, response.status, what, response);
    }
    return response;
  }

  async #textOf(request: Request, response: Response, limit: Limit): Promise<string> {
    let text: string | undefined;
    try {
      text = await readText(response);
    } catch (cause) {
      throw limit.faultOf(request, cause);
    }
    const { method, path } = request;
    this.#options.observer?.({ method, path, status: response.status, requestId: requestIdOf(response) });
    if (text === undefined) throw this.#unreadable(request, response.status, "a body that is too large", response);
    return text;
  }

  /** Throws what the service said. */
  #refuse(request: Request, response: Response, text: string): never {
    const { status } = response;
    const body = errorBodyOf(text);
    if (!body) throw this.#unreadable(request, status, "a body that is not this API's error", response);
    const known = { path: request.path, baseUrl: this.baseUrl, environment: environmentOf(this.#credential) };
    const hint = hintOf(body.code, status, Object.keys(body.errors ?? {}), known);
    throw HoldfastError.ofAnswer(status, body, { hint, retryAfterMs: retryAfterOf(response) });
  }

  #parse(request: Request, status: number, text: string): unknown {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null) return value;
    } catch {
      // Said below.
    }
    throw this.#unreadable(request, status, "a body that is no JSON object");
  }

  #unreadable(request: Request, status: number, what: string, response?: Response): HoldfastError {
    const code = what.startsWith("a redirect") ? "redirect" : "unreadable-answer";
    const known = { path: request.path, baseUrl: this.baseUrl, environment: undefined };
    const elsewhere = "check that the base URL is this service's and that no proxy in between answers instead";
    return new HoldfastError(
      "unreadable",
      code,
      `${request.method} ${request.path} was answered with ${status} and ${what}`,
      {
        status,
        hint: hintOf(code, status, [], known) ?? elsewhere,
        requestId: response && requestIdOf(response),
        retryAfterMs: response && retryAfterOf(response),
      },
    );
  }
}

/** An answer whose body has not been read; whoever reads it ends the limit. */
export interface OpenAnswer {
  response: Response;
  limit: Limit;
}

function isText(name: keyof Operations): boolean {
  return name === "pem" || name === "export";
}
