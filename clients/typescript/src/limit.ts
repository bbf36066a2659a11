// How long an exchange may take, and what its end was.

import { HoldfastError } from "./error.js";
import { aborted } from "./retry.js";

/** The end of an exchange: its time is over, or its caller changed his mind. */
export class Limit {
  readonly #controller = new AbortController();
  readonly #ms: number;
  #timer: ReturnType<typeof setTimeout>;
  readonly #outer: AbortSignal | undefined;
  readonly #stop = () => this.#controller.abort();
  #isLate = false;

  constructor(ms: number, outer: AbortSignal | undefined) {
    this.#outer = outer;
    this.#ms = ms;
    this.#timer = this.#start();
    if (outer?.aborted) this.#controller.abort();
    else outer?.addEventListener("abort", this.#stop, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#isLate = true;
      this.#controller.abort();
    }, this.#ms);
  }

  /** The time is counted for what the service does, not for what the caller does with it in between. */
  async during<T>(step: Promise<T>): Promise<T> {
    this.pause();
    this.#timer = this.#start();
    try {
      return await step;
    } finally {
      this.pause();
    }
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    this.pause();
    this.#outer?.removeEventListener("abort", this.#stop);
  }

  /** What the failure of an exchange was. */
  faultOf(request: { method: string; path: string }, cause: unknown): HoldfastError {
    this.end();
    if (this.#outer?.aborted) return aborted(this.#outer);
    const call = `${request.method} ${request.path}`;
    if (this.#isLate) {
      const hint = lostAnswer(request.path);
      return new HoldfastError("transport", "timeout", `${call}: no answer in time`, { hint, cause });
    }
    const hint =
      "check that the service runs, its address and its certificate (a browser also asks the service for CORS); " +
      lostAnswer(request.path);
    return new HoldfastError("transport", "broken", `${call}: no connection, or it broke off`, { hint, cause });
  }
}

/** What to do when nobody knows whether a call took effect. */
function lostAnswer(path: string): string {
  if (path === "/v1/backup/recover") {
    return "ask again with the same OpenPGP key and verification: there are three deliveries, of the same items";
  }
  return "the call may have taken effect: the deed may be repeated, or look";
}
