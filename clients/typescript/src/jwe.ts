// Opening a JWE with the private key that a recovery brought.

import { type Bytes, concat, fromBase64Url, textOf, utf8, wipe } from "./bytes.js";
import { fromPem } from "./der.js";
import { HoldfastError } from "./error.js";
import { Secret } from "./secret.js";
import { webCrypto, type WebCrypto } from "./webcrypto.js";

/**
 * Opens a compact JWE (RFC 7516) of `RSA-OAEP-256` and `A256GCM`, and no other, with an RSA private key in PKCS#8:
 * PEM as the recovery has it in `keys/<key_id>.pem`, or DER.
 */
export async function openJwe(
  compact: string | Uint8Array,
  privateKey: string | Uint8Array,
  crypto?: WebCrypto,
): Promise<Secret> {
  const { subtle } = webCrypto(crypto);
  const text = typeof compact === "string" ? compact : (textOf(compact) ?? "");
  const { header, parts } = partsOf(text.trim());
  const [wrapped, iv, sealed, tag] = parts as [Bytes, Bytes, Bytes, Bytes];
  const rsa = await importPrivateKey(privateKey, subtle);
  let contentKey: Bytes | undefined;
  try {
    contentKey = new Uint8Array(await subtle.decrypt({ name: "RSA-OAEP" }, rsa, wrapped));
    const aes = await subtle.importKey("raw", contentKey, { name: "AES-GCM" }, false, ["decrypt"]);
    if (contentKey.length !== 32) throw new Error("the content key is not one of A256GCM");
    const how = { name: "AES-GCM", iv, additionalData: utf8(header), tagLength: 128 };
    return Secret.holding(new Uint8Array(await subtle.decrypt(how, aes, concat(sealed, tag))));
  } catch (cause) {
    const hint = "it was encrypted to another key, or is damaged; nothing of it can be trusted";
    throw new HoldfastError("encryption", "jwe-open", "the JWE does not open with this private key", { hint, cause });
  } finally {
    wipe(contentKey);
  }
}

function partsOf(text: string): { header: string; parts: Bytes[] } {
  const [header = "", ...rest] = text.split(".");
  const parts = rest.map(fromBase64Url);
  if (parts.length !== 4 || parts.some((part) => part === undefined))
    throw notJwe("it has not five parts of base64url");
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(textOf(fromBase64Url(header) ?? new Uint8Array()) ?? "");
  } catch {
    throw notJwe("its header is not JSON");
  }
  // What a header may demand (`zip`, `crit`) is not done, so what demands it is not opened.
  const isOurs =
    members?.alg === "RSA-OAEP-256" && members.enc === "A256GCM" && !("zip" in members || "crit" in members);
  if (!isOurs) throw notJwe("it is not of RSA-OAEP-256 and A256GCM alone");
  if (parts[1]?.length !== 12 || parts[3]?.length !== 16) throw notJwe("its IV or tag has another length");
  return { header, parts: parts as Bytes[] };
}

async function importPrivateKey(given: string | Uint8Array, subtle: SubtleCrypto): Promise<CryptoKey> {
  const der = typeof given === "string" ? fromPem(given, "PRIVATE KEY") : Uint8Array.from(given);
  try {
    if (!der) throw new Error("no PEM block PRIVATE KEY");
    return await subtle.importKey("pkcs8", der, { name: "RSA-OAEP", hash: "SHA-256" }, false, ["decrypt"]);
  } catch (cause) {
    const hint = "give the whole PEM block (BEGIN PRIVATE KEY) as it came, or its DER";
    const message = "this is not an RSA private key in PKCS#8";
    throw new HoldfastError("encryption", "private-key", message, { hint, cause });
  } finally {
    wipe(der);
  }
}

function notJwe(why: string): HoldfastError {
  return new HoldfastError("encryption", "jwe-form", `this is no JWE that this library makes: ${why}`);
}
