"""A wallet's backup and recovery. HOLDFAST_URL and HOLDFAST_KEY say where and as whom."""

import base64
import os
import subprocess
import tempfile

from holdfast import attested, call, encrypted

USER = "grace"


def check():
    """The id of an approved check. The header exists in a sandbox only; elsewhere a person proves who he is."""
    override = {"x-override-status": "approve_inquiry"}
    return call("/v1/verification/start", {"user_identifier": USER}, **override)["verification_id"]


# 1. Grace proves who she is; her device gets a key, checks it, encrypts, and stores.
who = {"user_identifier": USER, "verification_id": check()}
fields = ["key_id", "user_id", "key_fingerprint"]
answer = call("/v1/key/generate", {**who, "sign_with": fields})
data, checksum = encrypted(attested(answer), b"correct horse battery staple")
item = {"item_key": "words", "item_value": data, "item_checksum": checksum}
stored = call("/v1/backup/store", {**who, "public_key": answer["public_key"], "backup": [item]})
print("stored", stored["backup"][0]["backup_id"])

# 2. Another device: a new check and a new OpenPGP key, to which the secret comes back.
with tempfile.TemporaryDirectory() as home:
    os.environ["GNUPGHOME"] = home
    gpg = ["gpg", "--quiet", "--batch", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", USER, "default", "default", "1d"], check=True)
    block = subprocess.run([*gpg, "--armor", "--export", USER], check=True, capture_output=True, text=True).stdout
    who["verification_id"] = check()
    recovered = call("/v1/backup/recover", {**who, "gpg_public_key": block})
    for item in recovered["backup"]:
        message = base64.b64decode(item["recovery_package"]["data"])
        secret = subprocess.run([*gpg, "--decrypt"], input=message, check=True, capture_output=True).stdout
        print("recovered", secret.decode())
    subprocess.run(["gpgconf", "--kill", "all"], check=True)
