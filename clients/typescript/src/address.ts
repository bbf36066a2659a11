// Where a call goes, and with what in its hand.

import { setupFault } from "./error.js";
import { environmentOf } from "./hints.js";

/** The address without a slash at its end. Read without `URL`, which React Native has in parts only. */
export function baseOf(text: string, isPlainAllowed: boolean): string {
  const parts = /^(https?):\/\/(\[[0-9a-f:.]+\]|[^\s/?#@:[\]]+)(:\d{1,5})?(\/[^\s?#]*)?$/i.exec(text);
  if (!parts) {
    const hint = "give it as https://host, with a path if the service has one";
    throw setupFault("base-url", `the base URL ${JSON.stringify(text)} is not one`, hint);
  }
  const base = text.replace(/\/+$/, "");
  if (/\/v1$/.test(base)) {
    throw setupFault("base-url", `the base URL ${JSON.stringify(text)} ends in /v1`, "leave /v1 out: each path has it");
  }
  const host = (parts[2] as string).toLowerCase();
  const isLocal = host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
  if (parts[1]?.toLowerCase() === "http" && !isLocal && !isPlainAllowed) {
    const hint = "use https, or allowPlainHttp on a network that you trust";
    const message = `the base URL ${JSON.stringify(text)} is plain http, which shows the credential to everybody`;
    throw setupFault("plain-http", message, hint);
  }
  return base;
}

export function credentialOf({
  credential,
  environment,
}: {
  credential: string;
  environment?: string | undefined;
}): string {
  if (typeof credential !== "string" || !/^[\x21-\x7e]+$/.test(credential)) {
    const hint =
      "copy it again, without spaces, quotation marks or line breaks; is the variable set that it is read from?";
    throw setupFault("credential", "the credential is empty or holds characters that no credential has", hint);
  }
  const named = environmentOf(credential);
  if (environment && named && named !== environment) {
    const hint = "each environment has a base URL and credentials of its own: change both together";
    throw setupFault("wrong-environment", `the credential is of ${named}, and the client is for ${environment}`, hint);
  }
  return credential;
}

export function pathOf(template: string, values: Record<string, string> = {}): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    // An empty part, or dots, would be another path.
    if (typeof value === "string" && value !== "" && !/^\.+$/.test(value)) return encodeURIComponent(value);
    throw setupFault("path", `${name} is ${JSON.stringify(value)}; give the id that the service answered`);
  });
}

export function queryOf(values: Record<string, unknown> = {}): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  const pairs = given.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
  return pairs.length > 0 ? `?${pairs.join("&")}` : "";
}
