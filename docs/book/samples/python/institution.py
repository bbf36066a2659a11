"""An institution's own key, a secret under it, and the proof that both are good. HOLDFAST_URL and HOLDFAST_KEY."""

from holdfast import attested, call, encrypted

answer = call("/v1/keys", {"user_identifier": "treasury", "key_type": "rsa4096"})
data, checksum = encrypted(attested(answer), b"the passphrase of the vault")
store = {"public_key": answer["public_key"], "data": data, "checksum": checksum}
stored = call("/v1/secure/data", store)
print("stored", stored["backup_id"])

# As often as you like: can the enclave rebuild the key, and open the backup to what was stored?
print("key valid", call(f"/v1/keys/{answer['key_id']}/verify")["is_key_valid"])
print("backup valid", call(f"/v1/backups/{stored['backup_id']}/verify")["is_backup_valid"])
