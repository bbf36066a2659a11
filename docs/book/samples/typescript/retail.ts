// A wallet's backup and recovery. HOLDFAST_URL and HOLDFAST_KEY say where and as whom.
import { Client } from "@holdfast/client";
import { RecipientKey } from "@holdfast/client/openpgp"; // wants the package openpgp

const { HOLDFAST_URL, HOLDFAST_KEY } = process.env;
if (!HOLDFAST_URL || !HOLDFAST_KEY) throw new Error("set HOLDFAST_URL and HOLDFAST_KEY");
const client = new Client({ baseUrl: HOLDFAST_URL, credential: HOLDFAST_KEY });
const userIdentifier = "alan";

// A sandbox approves at once. Elsewhere: startVerification, the person proves who he is, and a webhook tells.
async function check(): Promise<string> {
  const started = await client.retail.startVerificationWith({ user_identifier: userIdentifier }, "approve_inquiry");
  return started.verification_id;
}

// 1. One call has the key made, checks the enclave's signature over it, encrypts here, and stores.
const items = [{ name: "words", secret: "correct horse battery staple" }];
const kept = await client.backup({ userIdentifier, verificationId: await check(), items });
console.log("stored", kept.items[0]?.backup_id);

// 2. Another device: a new check, a new OpenPGP key, and one call that opens what comes back and compares it.
const device = await RecipientKey.generate();
const recovered = await client.recover({ userIdentifier, verificationId: await check(), device });
for (const { secret } of recovered.secrets) console.log("recovered", secret.exposeText());
for (const { backupId, error } of recovered.failed) console.error("failed", backupId, error.message);
