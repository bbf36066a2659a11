// The vectors in testdata, typed.

import { readFileSync } from "node:fs";

import type { Claim, Field, KeyType } from "../src/attest.js";
import type { Jwk, Jwks } from "../src/generated/types.js";

/** Of the repository. */
export const ROOT = process.env.HOLDFAST_ROOT
  ? new URL(`file://${process.env.HOLDFAST_ROOT}/`)
  : new URL("../../../../", import.meta.url);

export interface AttestationCase {
  name: string;
  accepted: boolean;
  reason?: string;
  claim: Claim;
  asked: {
    sign_with: string[];
    key_type: KeyType;
    key_environment?: "HOT" | "COLD";
    facts: Partial<Record<Field, string>>;
  };
  kid?: string;
  jwks?: Jwks;
  pins?: string[];
  now_ms?: number;
}

export interface Vectors {
  "keys.json": {
    rsa4096: Record<
      "public_key" | "public_key_pem" | "public_key_base64" | "key_fingerprint" | "private_key_pkcs8",
      string
    >;
    secp256k1: { public_key: string; key_fingerprint: string };
    ed25519: { public_key: string; key_fingerprint: string };
    signing_key: { jwk: Jwk; pem: string };
  };
  "attestation.json": { now_ms: number; jwks: Jwks; cases: AttestationCase[] };
  "oaep.json": {
    cases: Array<{ name: string; opens: boolean; ciphertext: string; plaintext?: string; item_checksum?: string }>;
  };
  "jwe.json": {
    header: string;
    cases: Array<{
      name: string;
      opens: boolean;
      reason?: string;
      compact: string;
      plaintext?: string;
      checksum?: string;
    }>;
  };
  "checksums.json": { cases: Array<{ name: string; plaintext: string; checksum: string }> };
  "methods.json": Record<string, string>;
  "webhooks.json": {
    now_s: number;
    tolerance_s: number;
    cases: Array<{
      name: string;
      accepted: boolean;
      reason?: string;
      headers: Record<string, string>;
      body: string;
      secrets: string[];
      now_s?: number;
    }>;
  };
}

export function vectors<Name extends keyof Vectors>(name: Name): Vectors[Name] {
  return JSON.parse(readFileSync(new URL(`testdata/${name}`, ROOT), "utf8")) as Vectors[Name];
}
