"""A stand-in identity provider: holds the webhook secrets and signs the events it is asked for.

One JSON object a line in, one a line out: {"body": hex, "signature": header}. A process of its own, so that
nothing under test shares memory with the secret.
"""

import datetime
import hashlib
import hmac
import json
import sys
import time

secrets = dict(pair.split("=", 1) for pair in sys.argv[1:])
person = {
    "name-first": "Ada", "name-middle": None, "name-last": "Lovelace", "birthdate": "1815-12-10",
    "selected-country-code": "GB",
}


def field(value):
    return {"type": "string", "value": value}


def event(ask):
    about = {**person, **ask.get("person", {})}
    if ask.get("nobody"):
        about = {}
    at = ask.get("at_ms", int(time.time() * 1000)) / 1000
    at = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat(timespec="milliseconds")
    name = ask.get("name", "inquiry.approved")
    attributes = {
        "status": ask.get("status", name.split(".")[1]),
        "reference-id": ask.get("reference"),
        "created-at": at,
    }
    if ask.get("flat", True):
        attributes.update(about)
    attributes["fields"] = {key: field(value) for key, value in about.items()}
    template = {"data": {"type": "inquiry-template", "id": ask.get("template", "itmpl_good")}}
    payload = {
        "type": ask.get("type", "inquiry"),
        "id": ask.get("inquiry", "inq_1"),
        "attributes": attributes,
        "relationships": {"inquiry-template": template},
    }
    if name.startswith("verification."):
        payload = {
            "type": "verification/government-id",
            "id": "ver_1",
            "attributes": {"status": attributes["status"], "created-at": at},
            "relationships": {"inquiry": {"data": {"type": "inquiry", "id": ask.get("inquiry", "inq_1")}}},
        }
    return {
        "data": {
            "type": "event",
            "id": ask["event"],
            "attributes": {"name": name, "payload": {"data": payload}, "created-at": at.replace("+00:00", "Z")},
        }
    }


def sign(secret, when, body):
    return hmac.new(secret.encode(), f"{when}.".encode() + body, hashlib.sha256).hexdigest()


for line in sys.stdin:
    ask = json.loads(line)
    body = json.dumps(event(ask)).encode()
    if "replace" in ask:
        old, new = ask["replace"]
        body = body.replace(old.encode(), new.encode())
    when = int(time.time()) + ask.get("skew", 0)
    names = ask.get("secrets", ["current"])
    header = f"t={when}," + ",".join("v1=" + sign(secrets.get(name, ""), when, body) for name in names)
    if ask.get("reserialise"):
        body = json.dumps(json.loads(body), separators=(",", ":")).encode()
    print(json.dumps({"body": body.hex(), "signature": header}), flush=True)
