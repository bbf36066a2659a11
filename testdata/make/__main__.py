"""Writes the vectors, from implementations that are none of ours.

    python testdata/make           writes the files that differ
    python testdata/make --check   compares, and fails if a file differs

Signing keys are derived from fixed texts and signatures are deterministic (RFC 6979), so those come out the same each
time. Ciphertexts hold chance: one that is there and still opens to what it should is kept.
"""

import json
import sys

from attestation import attestation_file
from ciphertexts import checksums_file, jwe_file, oaep_file
from keys import FOLDER, keys_file
from webhooks import webhooks_file

FILES = {
    "keys.json": keys_file,
    "attestation.json": attestation_file,
    "oaep.json": oaep_file,
    "jwe.json": jwe_file,
    "checksums.json": checksums_file,
    "webhooks.json": webhooks_file,
}


def main() -> int:
    differs = []
    for name, make in FILES.items():
        text = json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
        path = FOLDER / name
        if path.exists() and path.read_text() == text:
            continue
        differs.append(name)
        if "--check" not in sys.argv:
            path.write_text(text)
    for name in differs:
        print(f"testdata/{name} {'differs' if '--check' in sys.argv else 'written'}")
    return 1 if differs and "--check" in sys.argv else 0


sys.exit(main())
