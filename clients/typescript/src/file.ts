// The form that a file travels in, written by hand: not every platform can put bytes into a FormData.

import { concat, utf8 } from "./bytes.js";
import type { CallOptions, Caller, RawBody } from "./call.js";
import { FILE_BYTES_MAX } from "./encrypt.js";
import { setupFault } from "./error.js";
import type { StoreFileResponse } from "./generated/types.js";
import { checkKeyForm } from "./hints.js";
import { randomName } from "./webcrypto.js";

/** One encrypted file. */
export interface FileToStore {
  /** Hexadecimal, as the service answered it. */
  public_key: string;
  /** 1 byte to 10 MiB, encrypted by the caller: the service adds no encryption. */
  file: Uint8Array;
  /** Free members, 16 KiB in all. `original_filename` is part of what makes a repeat. */
  metadata?: Record<string, unknown>;
}

/** Stores a file, after a look at what would be refused. */
export async function storeFile(
  caller: Caller,
  name: "store_file" | "store_own_file",
  request: FileToStore,
  options?: CallOptions,
): Promise<StoreFileResponse> {
  checkKeyForm(request.public_key);
  const { length } = request.file;
  if (length > FILE_BYTES_MAX) {
    const hint = "split it, or compress it before it is encrypted";
    throw setupFault("file-too-large", `the file has ${length} bytes and at most ${FILE_BYTES_MAX} fit`, hint);
  }
  if (length === 0) throw setupFault("file-empty", "the file is empty, nothing was sent");
  const body = { public_key: request.public_key, file: "" };
  const raw = formOf(request, `holdfast-${randomName(caller.crypto)}`);
  return await caller.call(name, { body }, options, { raw });
}

/** `multipart/form-data` (RFC 7578). The boundary is random: no file holds it. */
export function formOf({ public_key, file, metadata }: FileToStore, boundary: string): RawBody {
  const part = (head: string) => utf8(`--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`);
  const end = utf8("\r\n");
  const parts = [part('name="public_key"'), utf8(public_key), end];
  if (metadata) parts.push(part('name="metadata"'), utf8(JSON.stringify(metadata)), end);
  parts.push(part('name="file"; filename="file"\r\nContent-Type: application/octet-stream'));
  const bytes = concat(...parts, file, end, utf8(`--${boundary}--\r\n`));
  return { contentType: `multipart/form-data; boundary=${boundary}`, bytes };
}
