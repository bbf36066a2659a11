// An institution's own key, a secret under it, and the proof that both are good. HOLDFAST_URL and HOLDFAST_KEY.
import { Client } from "@holdfast/client";

const { HOLDFAST_URL, HOLDFAST_KEY } = process.env;
if (!HOLDFAST_URL || !HOLDFAST_KEY) throw new Error("set HOLDFAST_URL and HOLDFAST_KEY");
const client = new Client({ baseUrl: HOLDFAST_URL, credential: HOLDFAST_KEY });

const kept = await client.institution.backup({ userIdentifier: "treasury", secret: "the passphrase of the vault" });
console.log("stored", kept.backupId);

// As often as you like: can the enclave rebuild the key, and open the backup to what was stored?
console.log("key valid", (await client.institution.verifyKey(kept.keyId)).is_key_valid);
console.log("backup valid", (await client.institution.verifyBackup(kept.backupId)).is_backup_valid);
