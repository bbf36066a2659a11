"""Encrypts with Python's cryptography: argv is the public key as DER, the plaintext and the output file."""

import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

der, plaintext, out = sys.argv[1:4]
with open(der, "rb") as file:
    key = load_der_public_key(file.read())
with open(plaintext, "rb") as file:
    text = file.read()
oaep = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
with open(out, "wb") as file:
    file.write(key.encrypt(text, oaep))
