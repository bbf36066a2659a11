// What may go wrong, and what to do about it.

import type { ErrorBody } from "./generated/types.js";

/** Where it went wrong. */
export type ErrorKind =
  /** The client, or a request, cannot be made from what was given. Nothing was sent. */
  | "setup"
  /** The service refused the call, or failed, and said so in its own words. */
  | "api"
  /** No answer came, or not a whole one. */
  | "transport"
  /** An answer came, but not one that this API gives. */
  | "unreadable"
  /** The key is not one that the enclave vouches for. Nothing was encrypted. */
  | "attestation"
  /** The secret cannot be encrypted, or what came back cannot be opened. */
  | "encryption"
  /** An OpenPGP step failed. */
  | "openpgp"
  /** A webhook is not genuine. */
  | "webhook";

/** What an error carries beside its message. */
export interface ErrorDetails {
  /** The HTTP status, when there was an answer. */
  status?: number;
  /** The call's id, also in the service's log. */
  requestId?: string;
  /** For each field at fault, by its JSON path, what is wrong with it. */
  errors?: Record<string, string[]>;
  /** What to do, where it is known. */
  hint?: string;
  /** How long the service asks to wait, in milliseconds. */
  retryAfterMs?: number;
  /** What was caught, if anything. */
  cause?: unknown;
}

/** The one error of this library. `code` is for programs, `message` and `hint` are for people. */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  /** Where it went wrong. */
  readonly kind: ErrorKind;
  /** The service's stable code of a refusal; this library's own word for what it found itself. */
  readonly code: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly errors: Record<string, string[]> | undefined;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.code = code;
    this.status = details.status;
    this.requestId = details.requestId;
    this.errors = details.errors;
    this.hint = details.hint;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** From a refusal in the service's own words. */
  static ofAnswer(status: number, body: ErrorBody, details: ErrorDetails): HoldfastError {
    const fields = Object.entries(body.errors ?? {}).map(([field, faults]) => `; ${field}: ${faults.join(", ")}`);
    const wait = details.retryAfterMs === undefined ? "" : `; try again in ${Math.ceil(details.retryAfterMs / 1000)} s`;
    const message = `${status} ${body.code}: ${body.message}${fields.join("")}${wait} (request ${body.request_id})`;
    const { errors, request_id: requestId } = body;
    return new HoldfastError("api", body.code, message, { ...details, status, requestId, errors });
  }
}

/** A fault in what was given; nothing was sent. */
export function setupFault(code: string, message: string, hint?: string): HoldfastError {
  return new HoldfastError("setup", code, message, { hint });
}
