// What is read of an answer before anybody knows what it means.

import type { ErrorBody } from "./generated/types.js";

/** No answer of this API is larger. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Also where the platform followed it against our word, and then shows another address. */
export function isRedirect(response: Response, url: string): boolean {
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) return true;
  return response.redirected ?? (response.url !== "" && response.url !== undefined && response.url !== url);
}

/** The body; nothing when it is larger than any answer of this API. Counted while reading where that is possible. */
export async function readText(response: Response): Promise<string | undefined> {
  if (!response.body?.getReader) {
    const text = await response.text();
    return text.length > ANSWER_BYTES_MAX ? undefined : text;
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > ANSWER_BYTES_MAX) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

export function requestIdOf(response: Response): string | undefined {
  return response.headers.get("x-request-id") ?? undefined;
}

/** The wait that the answer asks for; the other form of the header is not used by this API. */
export function retryAfterOf(response: Response): number | undefined {
  const text = response.headers.get("retry-after")?.trim();
  return text && /^\d{1,9}$/.test(text) ? Number(text) * 1000 : undefined;
}

export function errorBodyOf(text: string): ErrorBody | undefined {
  try {
    const body = JSON.parse(text) as ErrorBody;
    const isOne = typeof body?.code === "string" && typeof body.message === "string";
    return isOne ? { ...body, request_id: body.request_id ?? "unknown" } : undefined;
  } catch {
    return undefined;
  }
}
