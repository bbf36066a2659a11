"""oaep.json, jwe.json and checksums.json: what a device encrypts, and what opens it."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from jwcrypto import jwe, jwk

from keys import CUSTOMER, CUSTOMER_HEX, FOLDER, text64

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
OAEP_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
OAEP_MIXED = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA256(), None)
OAEP_LABEL = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"label")
HEADER = '{"alg":"RSA-OAEP-256","enc":"A256GCM"}'


def plaintext(size: int) -> bytes:
    """The bytes 0 to 250, again and again: a prime many, so that a shift shows."""
    return bytes(at % 251 for at in range(size))


def kept(file: str, name: str, member: str) -> str | None:
    """What a case has now."""
    path = FOLDER / file
    if not path.exists():
        return None
    cases = json.loads(path.read_text())["cases"]
    return next((case.get(member) for case in cases if case["name"] == name), None)


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def oaep_case(name: str, data: bytes, how=OAEP, opens=True) -> dict:
    old = kept("oaep.json", name, "ciphertext")
    ciphertext = base64.b64decode(old) if old else b""
    try:
        is_good = CUSTOMER.decrypt(ciphertext, how) == data
    except ValueError:
        is_good = False
    if not is_good:
        ciphertext = CUSTOMER.public_key().encrypt(data, how)
    case = {"name": name, "opens": opens, "ciphertext": text64(ciphertext)}
    return {**case, "plaintext": text64(data), "item_checksum": checksum(data)} if opens else case


def oaep_file() -> dict:
    sizes = [oaep_case(f"{size} bytes", plaintext(size)) for size in (0, 1, 12, 445, 446)]
    wrong = [
        oaep_case("SHA-1 for both hashes, as libraries do unless told", plaintext(12), OAEP_SHA1, False),
        oaep_case("SHA-1 for MGF1 only", plaintext(12), OAEP_MIXED, False),
        oaep_case("a label", plaintext(12), OAEP_LABEL, False),
        oaep_case("PKCS #1 v1.5", plaintext(12), padding.PKCS1v15(), False),
    ]
    return {
        "about": "RSA-OAEP, SHA-256 for the hash and for MGF1, empty label, under keys.json's rsa4096 key.",
        "public_key": CUSTOMER_HEX,
        "plaintext_bytes_max": 446,
        "cases": sizes + wrong,
    }


def private_jwk() -> jwk.JWK:
    return jwk.JWK.from_pem((FOLDER / "keys" / "customer.pem").read_bytes())


def jwe_case(name: str, data: bytes, header: str, reason=None, file="customer") -> dict:
    key = jwk.JWK.from_pem((FOLDER / "keys" / f"{file}.pem").read_bytes())
    algorithms = ["RSA-OAEP-256", "RSA-OAEP", "A256GCM", "A128GCM", "A256CBC-HS512", "DEF"]
    old = kept("jwe.json", name, "compact")
    try:
        token = jwe.JWE(algs=algorithms)
        token.deserialize(old or "", key)
        is_good = token.payload == data
    except Exception:
        is_good = False
    if not is_good:
        token = jwe.JWE(data, protected=header, recipient=key, algs=algorithms)
        old = token.serialize(compact=True)
    if reason:
        return unopened(name, reason, old)
    return {"name": name, "opens": True, "compact": old, "plaintext": text64(data), "checksum": checksum(data)}


def unopened(name: str, reason: str, compact: str) -> dict:
    return {"name": name, "opens": False, "reason": reason, "compact": compact}


def jwe_file() -> dict:
    sizes = [jwe_case(f"{size} bytes", plaintext(size), HEADER) for size in (447, 470, 3000)]
    good = sizes[0]["compact"]
    parts = good.split(".")

    def flip(at: int) -> str:
        """With another first letter in one part."""
        letter = "B" if parts[at][0] != "B" else "C"
        return ".".join([*parts[:at], letter + parts[at][1:], *parts[at + 1 :]])

    def shorter_tag() -> str:
        """The content ends with what the tag began with: one after the other they are the same bytes."""
        content, tag = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts[3:])
        moved = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (content + tag[:1], tag[1:]))
        return ".".join([*parts[:3], *moved])

    named = HEADER[:-1] + ',"kid":"key-1","typ":"JWE"}'
    cases = [
        *sizes,
        jwe_case("a header with kid and typ", plaintext(470), named),
        jwe_case("to another key", plaintext(470), HEADER, "open", "other"),
        jwe_case("RSA-OAEP of SHA-1", plaintext(470), HEADER.replace("-256", ""), "form"),
        jwe_case("A128GCM", plaintext(470), HEADER.replace("A256", "A128"), "form"),
        jwe_case("A256CBC-HS512", plaintext(470), HEADER.replace("A256GCM", "A256CBC-HS512"), "form"),
        jwe_case("compressed", plaintext(470), HEADER[:-1] + ',"zip":"DEF"}', "form"),
        unopened("a changed content", "open", flip(3)),
        unopened("a changed tag", "open", flip(4)),
        unopened("a shorter tag", "form", shorter_tag()),
        unopened("a changed IV", "open", flip(2)),
        unopened("a changed content key", "open", flip(1)),
        unopened("a changed header", "open", ".".join([url_header(named), *parts[1:]])),
        unopened("four parts", "form", ".".join(parts[:4])),
        unopened("a part with a bit too many", "form", good[:-1] + chr(ord(good[-1]) + 1)),
        unopened("nothing", "form", ""),
    ]
    about = "Compact JWE (RFC 7516) of RSA-OAEP-256 and A256GCM, to keys.json's rsa4096 key."
    return {"about": about, "public_key": CUSTOMER_HEX, "header": HEADER, "cases": cases}


def url_header(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def checksums_file() -> dict:
    texts = ["", "abc", "correct horse battery staple", "abandon " * 11 + "about", "\u5bc6\u94a5 \U0001f511"]
    cases = [
        {"name": repr(text)[:40], "plaintext": text64(text.encode()), "checksum": checksum(text.encode())}
        for text in texts
    ]
    return {
        "about": "SHA-256 of the plaintext, before encryption; lower-case hexadecimal. Never of the ciphertext.",
        "cases": cases,
    }
