"""A key for a customer's user, and a secret under it. HOLDFAST_URL and HOLDFAST_KEY say where and as whom."""

import uuid

from holdfast import attested, call, encrypted

# A user of an organisation has one key. Asked for again, it is 409: GET /v1/partner/keys finds it.
answer = call(
    "/v1/partner/keys",
    {
        "user_identifier": f"user-{uuid.uuid4()}",
        "key_type": "rsa4096",
        "key_environment": "HOT",
        "organisation": {"customer_id": "harbour-bank", "customer_name": "Harbour Bank"},
        "package": {"package_id": "basic", "package_name": "Basic"},
        "sign_with": ["key_id", "external_customer_id", "key_fingerprint"],
    },
)
data, checksum = encrypted(attested(answer), b"the shard of a key")
store = {"public_key": answer["public_key"], "data": data, "checksum": checksum}
stored = call("/v1/partner/secure/data", store)
print("stored", stored["backup_id"])

# What there is, and under which key; never the ciphertext.
shown = call(f"/v1/partner/backups/{stored['backup_id']}")
print("under", shown["key_id"] == answer["key_id"])
