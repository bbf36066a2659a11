"""What the three samples share: the calls, the check of a key, the encryption. Wants the package `cryptography`."""

import base64
import hashlib
import json
import os
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

URL = os.environ["HOLDFAST_URL"]
KEY = os.environ["HOLDFAST_KEY"]


def call(path, body=None, **headers):
    """Posts a body, or gets without one, and returns the answer."""
    data = None if body is None else json.dumps(body).encode()
    headers |= {"X-API-Key": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def attested(answer):
    """The public key of an answer, once the enclave's signature over it holds."""
    # Keep this PEM with your program: fetched each time it proves little.
    with urllib.request.urlopen(URL + "/.well-known/verification-key.pem", timeout=60) as pem:
        enclave = serialization.load_pem_public_key(pem.read())
    signature = base64.b64decode(answer["signature"], validate=True)
    signed = answer.get("signed_payload", answer["public_key"])
    enclave.verify(signature, signed.encode(), ec.ECDSA(hashes.SHA256()))
    if "signed_payload" in answer and json.loads(signed)["public_key"] != answer["public_key"]:
        raise ValueError("the enclave signed another key")
    return serialization.load_der_public_key(bytes.fromhex(answer["public_key"]))


def encrypted(public_key, secret):
    """The ciphertext of up to 446 bytes as base64, and the checksum of the plaintext."""
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    ciphertext = public_key.encrypt(secret, oaep)
    return base64.b64encode(ciphertext).decode(), hashlib.sha256(secret).hexdigest()
