// The audit log.

import type { CallOptions, Caller } from "./call.js";
import { HoldfastError } from "./error.js";
import type { Operations } from "./generated/operations.js";
import type { AuditCheckpoint, AuditEntry, AuditPage } from "./generated/types.js";
import type { Limit } from "./limit.js";

/** Which entries; all, when nothing is set. */
export type AuditFilter = Operations["export"]["query"];

/** The calls of scope `audit`. */
export class Audit {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** One page, oldest first; `cursor` is the page before's `next_cursor`. */
  async page(filter: Operations["list"]["query"] = {}, options?: CallOptions): Promise<AuditPage> {
    return await this.#caller.call("list", { query: filter }, options);
  }

  /**
   * The newest signed checkpoint, which covers every act that was answered before. Keep its `note`: with an export it
   * is what `holdfast audit verify` checks, and a rewritten log contradicts it.
   */
  async checkpoint(options?: CallOptions): Promise<AuditCheckpoint> {
    return await this.#caller.call("checkpoint", {}, options, { headers: { accept: "application/json" } });
  }

  /** All entries, page by page. */
  async *all(filter: AuditFilter = {}, options?: CallOptions): AsyncGenerator<AuditEntry> {
    let cursor: string | undefined;
    do {
      const page = await this.page({ ...filter, limit: 200, ...(cursor && { cursor }) }, options);
      yield* page.data;
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
  }

  /** All entries in one call, as they come. A log that was cut on its way ends in an error, not in silence. */
  async *export(filter: AuditFilter = {}, options: CallOptions = {}): AsyncGenerator<AuditEntry> {
    const { response, limit } = await this.#caller.open("export", filter, options);
    try {
      let rest = "";
      for await (const text of chunksOf(response, limit)) {
        const lines = (rest + text).split("\n");
        rest = lines.pop() as string;
        for (const line of lines) yield JSON.parse(line) as AuditEntry;
      }
      if (rest !== "") throw new Error("half a line");
    } catch (cause) {
      if (cause instanceof HoldfastError) throw cause;
      throw limit.faultOf({ method: "GET", path: "/v1/audit/export" }, cause);
    } finally {
      limit.end();
    }
  }
}

/** The body's text, in pieces where the platform can. */
async function* chunksOf(response: Response, limit: Limit): AsyncGenerator<string> {
  if (!response.body?.getReader) {
    yield await limit.during(response.text());
    return;
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await limit.during(reader.read());
      if (done) break;
      yield decoder.decode(value, { stream: true });
    }
    yield decoder.decode();
  } finally {
    await reader.cancel().catch(() => {});
  }
}
