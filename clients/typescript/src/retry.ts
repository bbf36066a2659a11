// The one retry loop, and its budget.
//
// A call is tried again only where a second one is harmless, only when the failure may pass, and only as long as three
// budgets last: tries of this call, time waited in this call, and retries of the whole client, so that a service in
// trouble is not met with a multiple of its usual load.

import { HoldfastError } from "./error.js";

/** One call is tried at most this often. */
const TRIES_MAX = 4;
/** One call waits at most this long in all. */
const WAIT_MS_MAX = 30_000;
/** The first wait without the service's word; doubled each time. */
const FIRST_WAIT_MS = 200;
/** How many retries the client has in hand; a success earns a tenth of one back. */
const TENTHS_MAX = 100;
const TENTHS_PER_RETRY = 10;
/** Statuses that pass: too slow, too often, and away, also in a proxy's words. */
const PASSING = [408, 429, 502, 503, 504];

/** What a wait is made of, so that tests need no time. */
export interface Waiting {
  /** Resolves after that many milliseconds, rejects when the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** A number from 0 up to 1. */
  chance: () => number;
}

/** What is left of the client's budget. */
export class Budget {
  #tenths = TENTHS_MAX;
  readonly #waiting: Waiting;

  constructor(waiting: Waiting) {
    this.#waiting = waiting;
  }

  /** Runs `call` until it succeeds or must not be tried again. */
  async run<T>(isRepeatable: boolean, signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    let waited = 0;
    for (let tries = 1; ; tries++) {
      try {
        const value = await call();
        this.#tenths = Math.min(TENTHS_MAX, this.#tenths + 1);
        return value;
      } catch (error) {
        if (!(error instanceof HoldfastError) || !mayRepeat(error, isRepeatable)) throw error;
        const wait = nextWait(tries, waited, error.retryAfterMs, this.#waiting.chance());
        if (wait === undefined || this.#tenths < TENTHS_PER_RETRY) throw error;
        this.#tenths -= TENTHS_PER_RETRY;
        await this.#waiting.sleep(wait, signal);
        waited += wait;
      }
    }
  }
}

function mayRepeat(error: HoldfastError, isRepeatable: boolean): boolean {
  // A call that came too soon was turned away before anybody looked at it.
  if (error.code === "rate-limit") return true;
  if (!isRepeatable || error.code === "aborted") return false;
  const isPassing = error.status !== undefined && PASSING.includes(error.status);
  return error.kind === "transport" || isPassing || error.code === "idempotency-in-progress";
}

/** How long to wait before the next try; nothing when this was the last one. `chance` is 0 to 1. */
export function nextWait(tries: number, waited: number, asked: number | undefined, chance: number): number | undefined {
  // Earlier than asked would only be refused again. Otherwise between half and whole, so that clients that failed
  // together do not come back together.
  const wait = asked ?? FIRST_WAIT_MS * 2 ** (tries - 1) * (0.5 + chance / 2);
  return tries < TRIES_MAX && waited + wait <= WAIT_MS_MAX ? wait : undefined;
}

/** Resolves after that long, or rejects as soon as the signal is aborted. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(aborted(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** The caller changed his mind. */
export function aborted(signal: AbortSignal | undefined): HoldfastError {
  const hint = "if it was a store or a recovery it may have taken effect: look, or repeat it";
  return new HoldfastError("transport", "aborted", "the call was aborted by its caller", {
    hint,
    cause: signal?.reason,
  });
}
