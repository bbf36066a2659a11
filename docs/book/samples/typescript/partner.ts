// A key for a customer's user, and secrets under it. HOLDFAST_URL and HOLDFAST_KEY say where and as whom.
import { randomBytes, randomUUID } from "node:crypto";

import { Client } from "@holdfast/client";

const { HOLDFAST_URL, HOLDFAST_KEY } = process.env;
if (!HOLDFAST_URL || !HOLDFAST_KEY) throw new Error("set HOLDFAST_URL and HOLDFAST_KEY");
const client = new Client({ baseUrl: HOLDFAST_URL, credential: HOLDFAST_KEY });
const filed = {
  userIdentifier: `user-${randomUUID()}`,
  organisation: { customer_id: "harbour-bank", customer_name: "Harbour Bank" },
  package: { package_id: "basic", package_name: "Basic" },
  keyEnvironment: "HOT" as const,
};

// 1. One call has a key assigned, or finds the user's, checks the enclave's signature, encrypts here, and stores.
const shard = await client.partner.backup({ ...filed, secret: "the shard of a key" });
console.log("stored", shard.backupId, shard.form);

// 2. More than 446 bytes become a file by themselves. The same key, since it is the same user.
const large = await client.partner.backup({ ...filed, secret: randomBytes(100_000), userId: shard.key.signed.user_id });
console.log("stored", large.backupId, large.form, large.keyId === shard.keyId);
