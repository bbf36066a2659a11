"""attestation.json: answers of an enclave, and what looks like one."""

import json

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from keys import (
    CURRENT,
    CUSTOMER_HEX,
    OTHER_HEX,
    PREVIOUS,
    RECEIPTS,
    SHORT_HEX,
    STRANGER,
    TOMORROW,
    fingerprint,
    points,
    text64,
    url64,
)

NOW = "2026-03-01T12:00:00.000Z"
NOW_MS = 1772366400000
FIELDS = ["key_id", "user_id", "key_fingerprint", "external_customer_id"]
CONTEXT = {
    "key_id": "0198f3a0-0000-7000-8000-000000000001",
    "user_id": "0198f3a0-0000-7000-8000-0000000000aa",
    "key_fingerprint": fingerprint(CUSTOMER_HEX),
    "external_customer_id": "customer-1",
}
ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def canonical(members: dict) -> str:
    """RFC 8785, for texts without control characters."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def bound(signer=CURRENT, payload=None, **changes) -> dict:
    """An answer with context; `changes` go into what is signed."""
    members = {"public_key": CUSTOMER_HEX, **CONTEXT, **changes}
    text = canonical(members) if payload is None else payload
    return {
        "public_key": CUSTOMER_HEX,
        "signature": text64(signer.sign(text)),
        "signed_payload": text,
        "signed_fields": FIELDS,
        "kid": signer.kid,
    }


def bare(signer=CURRENT, public_key=CUSTOMER_HEX) -> dict:
    """An answer without context: the text of the key is signed."""
    return {"public_key": public_key, "signature": text64(signer.sign(public_key))}


ASKED = {
    "sign_with": FIELDS,
    "key_type": "rsa4096",
    "facts": {"key_id": CONTEXT["key_id"], "external_customer_id": "customer-1"},
}
ASKED_BARE = {"sign_with": [], "key_type": "rsa4096", "facts": {}}


def good(name: str, claim: dict, asked: dict, **more) -> dict:
    return {"name": name, "accepted": True, "claim": claim, "asked": asked, **more}


def bad(name: str, reason: str, claim: dict, asked: dict = ASKED, **more) -> dict:
    return {"name": name, "accepted": False, "reason": reason, "claim": claim, "asked": asked, **more}


def sorted_otherwise() -> str:
    members = {"public_key": CUSTOMER_HEX, **CONTEXT}
    return json.dumps(dict(reversed(sorted(members.items()))), separators=(",", ":"))


def high_s(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return encode_dss_signature(r, max(s, ORDER_OF_P256 - s))


def low_s(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return encode_dss_signature(r, min(s, ORDER_OF_P256 - s))


def fixed_size(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def integer(body: bytes) -> bytes:
    return bytes([2, len(body)]) + body


def der_of(r: bytes, s: bytes) -> bytes:
    """The form of a signature, whatever its numbers look like."""
    return bytes([0x30, len(integer(r) + integer(s))]) + integer(r) + integer(s)


def numbers_of(der: bytes) -> tuple[bytes, bytes]:
    """r and s as DER has them, sign bytes included."""
    end = 4 + der[3]
    return der[4:end], der[end + 2 :]


def spare_bits() -> dict:
    """An answer whose signature's base64 spells its bytes, and one bit that spells nothing."""
    answers = [bound(), bare(), bound(PREVIOUS), bound(external_customer_id="x")]
    padded = next(answer for answer in answers if answer["signature"].endswith("="))
    text = padded["signature"].rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(text[-1]) + 1]
    return {**padded, "signature": text[:-1] + last + padded["signature"][len(text) :]}


def good_cases() -> list:
    kinds = points()
    odd = 'B\u00e4nk "7" \\ \u20ac \u2028 \U0001f511'
    odd_asked = {**ASKED, "facts": {**ASKED["facts"], "external_customer_id": odd}}
    high = {**bound(), "signature": text64(high_s(CURRENT.sign(bound()["signed_payload"])))}
    return [
        good("the text of the key is signed", bare(), ASKED_BARE, kid="current"),
        good("the payload is signed", bound(), ASKED, kid="current"),
        good("by a key that is being rotated out", bound(PREVIOUS), ASKED, kid="previous"),
        good("the answer names no kid", {**bound(PREVIOUS), "kid": None}, ASKED, kid="previous"),
        good(
            "an id that JSON escapes, and letters beyond ASCII",
            bound(external_customer_id=odd),
            odd_asked,
            kid="current",
        ),
        good("s in the upper half of the order", high, ASKED, kid="current"),
        good("secp256k1", bare(public_key=kinds["secp256k1"]), {**ASKED_BARE, "key_type": "secp256k1"}, kid="current"),
        good("ed25519", bare(public_key=kinds["ed25519"]), {**ASKED_BARE, "key_type": "ed25519"}, kid="current"),
        good(
            "by a key valid from within the skew of five minutes",
            bound(TOMORROW),
            ASKED,
            kid="tomorrow",
            now_ms=NOW_MS + 12 * 3_600_000 - 4 * 60_000,
        ),
        good("by a pinned key", bound(STRANGER), ASKED, pins=[STRANGER.pem()]),
        good(
            "as asked, HOT", {**bound(), "key_environment": "HOT"}, {**ASKED, "key_environment": "HOT"}, kid="current"
        ),
    ]


def bad_signatures() -> list:
    whole = bound()
    der = CURRENT.sign(whole["signed_payload"])
    changed = CUSTOMER_HEX.replace(CUSTOMER_HEX[200:204], f"{int(CUSTOMER_HEX[200:204], 16) ^ 1:04x}", 1)
    spaced = json.dumps(json.loads(whole["signed_payload"]), sort_keys=True)
    escaped = json.dumps(
        {"public_key": CUSTOMER_HEX, **CONTEXT, "external_customer_id": "\u00e4"}, sort_keys=True, separators=(",", ":")
    )
    umlaut = bound(external_customer_id="\u00e4")
    unpadded = text64(der + b"\0" * (1 + -len(der) % 3))
    r, s = numbers_of(high_s(der))
    low = numbers_of(low_s(der))[1]
    impostor = {"keys": [STRANGER.jwk(kid="current")]}
    return [
        bad("another key was put into the answer", "signature", {**bare(), "public_key": changed}, ASKED_BARE),
        bad("a payload parsed and written with spaces", "signature", {**whole, "signed_payload": spaced}),
        bad("a payload parsed and written with other escapes", "signature", {**umlaut, "signed_payload": escaped}),
        bad(
            "a payload parsed and written in another order",
            "signature",
            {**whole, "signed_payload": sorted_otherwise()},
        ),
        bad("the 64 bytes of JOSE in place of DER", "signature", {**whole, "signature": text64(fixed_size(der))}),
        bad("DER with a byte after it", "signature", {**whole, "signature": text64(der + b"\0")}),
        bad("DER with a length in two bytes", "signature", {**whole, "signature": text64(der[:1] + b"\x81" + der[1:])}),
        bad(
            "DER with another length than it has",
            "signature",
            {**whole, "signature": text64(der[:1] + bytes([der[1] + 1]) + der[2:])},
        ),
        bad(
            "DER with a zero before r that need not be",
            "signature",
            {**whole, "signature": text64(der_of(b"\0" + r, s))},
        ),
        bad(
            "DER with a zero before s that need not be",
            "signature",
            {**whole, "signature": text64(der_of(r, b"\0" + low))},
        ),
        bad("DER with a negative s", "signature", {**whole, "signature": text64(der_of(r, s.lstrip(b"\0")))}),
        bad("DER cut in the middle", "signature", {**whole, "signature": text64(der[:40])}),
        bad("no signature at all", "signature", {**whole, "signature": ""}),
        bad("signed by an enclave that is another's", "signature", {**bound(STRANGER), "kid": "current"}),
        bad("another's, and no kid to tell", "signature", {**bound(STRANGER), "kid": None}),
        bad("a JWKS with another key under that kid", "signature", whole, jwks=impostor),
        bad(
            "the payload is signed and the key's text was expected",
            "signature",
            {"public_key": CUSTOMER_HEX, "signature": whole["signature"]},
            ASKED_BARE,
        ),
        bad(
            "the key's text is signed and the payload was expected",
            "signature",
            {**whole, "signature": bare()["signature"]},
        ),
        bad("a pin of another key", "signature", whole, pins=[STRANGER.pem()]),
        bad("base64url", "signature-encoding", {**whole, "signature": url64(b"\xfb\xff" + der)}),
        bad("base64 without its padding", "signature-encoding", {**whole, "signature": unpadded.rstrip("=")}),
        bad(
            "base64 with a bit too many",
            "signature-encoding",
            spare_bits(),
            ASKED if "signed_payload" in spare_bits() else ASKED_BARE,
        ),
        bad(
            "base64 with a line break",
            "signature-encoding",
            {**whole, "signature": text64(der)[:64] + "\n" + text64(der)[64:]},
        ),
        bad("base64 with spaces around it", "signature-encoding", {**whole, "signature": f" {text64(der)} "}),
    ]


def bad_signing_keys() -> list:
    def listing(**changes):
        return {"keys": [CURRENT.jwk(**changes), RECEIPTS.jwk()]}

    unknown = "unknown-signing-key"
    unnamed = {**bound(), "kid": None}
    return [
        bad("a kid that is not listed", unknown, bound(STRANGER)),
        bad("signed by the key for receipts", unknown, bound(RECEIPTS)),
        bad("by a key that is valid from tomorrow on", unknown, bound(TOMORROW)),
        bad("a key without the purpose", unknown, bound(), jwks=listing(**{"coincover:purposes": []})),
        bad("a key for encryption", unknown, bound(), jwks=listing(use="enc")),
        bad("a key for another algorithm", unknown, bound(), jwks=listing(alg="ES384")),
        bad("a key valid from no instant", unknown, bound(), jwks=listing(**{"coincover:validFrom": "soon"})),
        bad("a coordinate cut short", unknown, bound(), jwks=listing(x="AAAA")),
        bad("an empty JWKS", "no-signing-key", unnamed, jwks={"keys": []}),
        bad("a JWKS with a key for receipts only", "no-signing-key", unnamed, jwks={"keys": [RECEIPTS.jwk()]}),
    ]


def bad_keys() -> list:
    kinds = points()
    upper = bare(public_key=CUSTOMER_HEX.upper())
    return [
        bad("the key in upper case", "public-key", upper, ASKED_BARE),
        bad("half a byte less", "public-key", bare(public_key=CUSTOMER_HEX[:-1]), ASKED_BARE),
        bad("an RSA key of 2048 bits", "public-key", bare(public_key=SHORT_HEX), ASKED_BARE),
        bad(
            "an RSA key with another exponent", "public-key", bare(public_key=CUSTOMER_HEX[:-6] + "010003"), ASKED_BARE
        ),
        bad("an ed25519 key in place of an rsa4096", "key-type", bare(public_key=kinds["ed25519"]), ASKED_BARE),
        bad(
            "a COLD key in place of a HOT one",
            "key-environment",
            {**bound(), "key_environment": "COLD"},
            {**ASKED, "key_environment": "HOT"},
        ),
    ]


def bad_payloads() -> list:
    members = {"public_key": CUSTOMER_HEX, **CONTEXT}
    text = canonical(members)
    less = {name: value for name, value in members.items() if name != "user_id"}
    bare_asked = {**ASKED, "facts": {}}
    return [
        bad("no payload where one was asked for", "payload-presence", bare()),
        bad("a payload where none was asked for", "payload-presence", bound(), ASKED_BARE),
        bad("signed with spaces", "payload-form", bound(payload=json.dumps(members, sort_keys=True))),
        bad("signed in another order", "payload-form", bound(payload=sorted_otherwise())),
        bad("signed with a name twice", "payload-form", bound(payload=text[:-1] + ',"user_id":"mallory"}')),
        bad("signed with a number for a text", "payload-form", bound(user_id=7)),
        bad("signed, and no object", "payload-form", bound(payload=json.dumps([CUSTOMER_HEX]))),
        bad("signed, and no JSON", "payload-form", bound(payload=CUSTOMER_HEX)),
        bad("signed_fields in another order than asked", "fields", {**bound(), "signed_fields": FIELDS[::-1]}),
        bad("signed_fields left out", "fields", {**bound(), "signed_fields": None}),
        bad("a field that was asked for is not signed", "fields", bound(payload=canonical(less))),
        bad("a field is signed that was not asked for", "fields", bound(pulled_by_id="x")),
        bad("another key is signed than answered", "member", bound(public_key=OTHER_HEX)),
        bad("the fingerprint of another key", "member", bound(key_fingerprint=fingerprint(OTHER_HEX))),
        bad("another key_id than answered", "member", bound(key_id=CONTEXT["user_id"])),
        bad("the key of another organisation", "member", bound(external_customer_id="customer-2")),
        bad(
            "the key of another user",
            "member",
            bound(),
            {**ASKED, "facts": {"user_id": "0198f3a0-0000-7000-8000-0000000000bb"}},
        ),
        bad("a user_id that says nothing", "member", bound(user_id=""), bare_asked),
    ]


def attestation_file() -> dict:
    return {
        "about": "What a client does with the answer of an assignment: take the key, or refuse it for `reason`.",
        "now": NOW,
        "now_ms": NOW_MS,
        "jwks": {"keys": [CURRENT.jwk(), PREVIOUS.jwk(), RECEIPTS.jwk(), TOMORROW.jwk()]},
        "cases": good_cases() + bad_signatures() + bad_signing_keys() + bad_keys() + bad_payloads(),
    }
