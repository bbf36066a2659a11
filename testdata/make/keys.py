"""The keys that the vectors are made with. All of them are published here: they guard nothing."""

import base64
import hashlib
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

FOLDER = pathlib.Path(__file__).resolve().parent.parent
VALID_FROM = "2026-01-01T00:00:00.000Z"


def text64(data: bytes) -> str:
    """Standard base64, padded."""
    return base64.b64encode(data).decode()


def url64(data: bytes) -> str:
    """base64url, unpadded."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """A key of an enclave: derived from its name, so that it is the same each time."""

    def __init__(self, name: str, purpose: str = "assignment-sig", valid_from: str = VALID_FROM):
        scalar = int.from_bytes(hashlib.sha256(f"holdfast test signer {name}".encode()).digest(), "big")
        self.private = ec.derive_private_key(scalar % (2**255), ec.SECP256R1())
        self.kid = name
        self.purpose = purpose
        self.valid_from = valid_from

    def sign(self, message: str) -> bytes:
        """DER; deterministic."""
        return self.private.sign(message.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def jwk(self, **changes) -> dict:
        numbers = self.private.public_key().public_numbers()
        entry = {
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": self.kid,
            "x": url64(numbers.x.to_bytes(32, "big")),
            "y": url64(numbers.y.to_bytes(32, "big")),
            "coincover:purposes": [self.purpose],
            "coincover:validFrom": self.valid_from,
        }
        return {**entry, **changes}

    def pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


CURRENT = Signer("current")
PREVIOUS = Signer("previous")
RECEIPTS = Signer("receipts", purpose="receipt-sig")
TOMORROW = Signer("tomorrow", valid_from="2026-03-02T00:00:00.000Z")
STRANGER = Signer("stranger")


def rsa_pair(name: str, bits: int) -> rsa.RSAPrivateKey:
    """The pair in `keys/`, made if it is not there."""
    file = FOLDER / "keys" / f"{name}.pem"
    if not file.exists():
        pair = rsa.generate_private_key(65537, bits)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(pair.private_bytes(*form))
    return serialization.load_pem_private_key(file.read_bytes(), None)


def spki(public) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


CUSTOMER = rsa_pair("customer", 4096)
OTHER = rsa_pair("other", 4096)
SHORT = rsa_pair("short", 2048)
CUSTOMER_HEX = spki(CUSTOMER.public_key()).hex()
OTHER_HEX = spki(OTHER.public_key()).hex()
SHORT_HEX = spki(SHORT.public_key()).hex()


def points() -> dict:
    """A secp256k1 and an Ed25519 key, as they travel."""
    k1 = ec.derive_private_key(7, ec.SECP256K1()).public_key()
    form = (serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    ed = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    return {"secp256k1": k1.public_bytes(*form).hex(), "ed25519": ed.public_bytes_raw().hex()}


def keys_file() -> dict:
    """keys.json: one key in every form that it is asked for in."""
    der = spki(CUSTOMER.public_key())
    pem = CUSTOMER.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    kinds = points()
    return {
        "about": "One key in each of its forms. `public_key` is what the service answers and takes.",
        "rsa4096": {
            "public_key": der.hex(),
            "public_key_pem": pem.decode(),
            "public_key_base64": text64(der),
            "key_fingerprint": hashlib.sha256(der).hexdigest(),
            "private_key_pkcs8": (FOLDER / "keys" / "customer.pem").read_text(),
        },
        "secp256k1": {"public_key": kinds["secp256k1"], "key_fingerprint": fingerprint(kinds["secp256k1"])},
        "ed25519": {"public_key": kinds["ed25519"], "key_fingerprint": fingerprint(kinds["ed25519"])},
        "signing_key": {"jwk": CURRENT.jwk(), "pem": CURRENT.pem()},
    }


def fingerprint(public_key: str) -> str:
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()
