"""webhooks.json: deliveries as they arrive, genuine and not; what is genuine is so for two libraries."""

import datetime
import hashlib
import hmac
import json

import standardwebhooks
import stripe

from keys import text64

NOW_S = 1772366400
TOLERANCE_S = 300
SECRET = "whsec_" + text64(hashlib.sha256(b"holdfast test webhook secret").digest())
BEFORE = "whsec_" + text64(hashlib.sha256(b"holdfast test webhook secret before").digest())
FOREIGN = "whsec_" + text64(hashlib.sha256(b"another endpoint's secret").digest())
ID = "0198f3a0-0000-7000-8000-0000000000e1"
EVENT = {
    "id": ID,
    "type": "inquiry.approved",
    "created_at": "2026-03-01T11:59:58.123Z",
    "environment": "sandbox",
    "data": {"verification_id": "inq_1", "user_identifier": "J\u00fcrgen", "status": "approved"},
}
BODY = json.dumps(EVENT, ensure_ascii=False, separators=(",", ":"))


def hex_of(secret: str, at: int, body: str) -> str:
    return hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()


def published(at=NOW_S, body=BODY, secrets=(SECRET,)) -> dict:
    marks = "".join(f",v1={hex_of(secret, at, body)}" for secret in secrets)
    return {"Coincover-Signature": f"t={at}{marks}"}


def standard(at=NOW_S, body=BODY, secrets=(SECRET,), event_id=ID) -> dict:
    when = datetime.datetime.fromtimestamp(at, datetime.UTC)
    words = [standardwebhooks.Webhook(secret).sign(event_id, when, body) for secret in secrets]
    return {"webhook-id": event_id, "webhook-timestamp": str(at), "webhook-signature": " ".join(words)}


def case(name: str, headers: dict, reason=None, **more) -> dict:
    head = {"name": name, "accepted": reason is None}
    if reason:
        head["reason"] = reason
    return {
        **head,
        "headers": headers,
        "body": more.pop("body", BODY),
        "secrets": more.pop("secrets", [SECRET]),
        **more,
    }


def good_cases() -> list:
    both = {**published(), **standard()}
    turned = {**published(secrets=(SECRET, BEFORE)), **standard(secrets=(SECRET, BEFORE))}
    newer = {**standard(), "webhook-signature": "v2,AAAA " + standard()["webhook-signature"]}
    lower = {name.lower(): value for name, value in both.items()}
    return [
        case("both dialects", both),
        case("the published dialect alone", published()),
        case("Standard Webhooks alone", standard()),
        case("names in lower case", lower),
        case("during a rotation, by the new secret", turned),
        case("during a rotation, by the secret before", turned, secrets=[BEFORE]),
        case("by a receiver that knows both secrets", both, secrets=[BEFORE, SECRET]),
        case("a signature of a version that is not known yet, beside a known one", newer),
        case("as old as is allowed", both, now_s=NOW_S + TOLERANCE_S),
        case("as far ahead as is allowed", both, now_s=NOW_S - TOLERANCE_S),
    ]


def bad_cases() -> list:
    both = {**published(), **standard()}
    header = published()["Coincover-Signature"]
    seconds, mark = header.split(",")

    def without(name: str) -> dict:
        return {key: value for key, value in both.items() if key != name}

    spaced = json.dumps(EVENT, ensure_ascii=False)
    list_body = "[1]"
    return [
        case("no header", {}, "headers-missing"),
        case("webhook-id dropped", without("webhook-id"), "headers-missing"),
        case("webhook-timestamp dropped", without("webhook-timestamp"), "headers-missing"),
        case("webhook-signature dropped", without("webhook-signature"), "headers-missing"),
        case("another endpoint's secret", both, "signature", secrets=[FOREIGN]),
        case("a body parsed and written again", both, "signature", body=spaced),
        case("a body with a line break after it", both, "signature", body=BODY + "\n"),
        case("a changed body", both, "signature", body=BODY.replace("approved", "declined")),
        case("a changed time, published dialect", {"Coincover-Signature": f"t={NOW_S + 1},{mark}"}, "signature"),
        case("a changed time, Standard Webhooks", {**standard(), "webhook-timestamp": str(NOW_S + 1)}, "signature"),
        case("a changed id", {**standard(), "webhook-id": ID.replace("e1", "e2")}, "signature"),
        case("one dialect genuine, the other not", {**published(), **standard(secrets=(FOREIGN,))}, "signature"),
        case("the other way round", {**published(secrets=(FOREIGN,)), **standard()}, "signature"),
        case("an hour old", both, "time", now_s=NOW_S + 3600),
        case("an hour ahead", both, "time", now_s=NOW_S - 3600),
        case("one second older than is allowed", both, "time", now_s=NOW_S + TOLERANCE_S + 1),
        case("one second further ahead than is allowed", both, "time", now_s=NOW_S - TOLERANCE_S - 1),
        case("a space in the header", {"Coincover-Signature": header.replace(",", ", ")}, "headers-form"),
        case("hexadecimal in upper case", {"Coincover-Signature": f"{seconds},v1={mark[3:].upper()}"}, "headers-form"),
        case("no time", {"Coincover-Signature": mark}, "headers-form"),
        case("no signature", {"Coincover-Signature": seconds}, "headers-form"),
        case("a signature cut short", {"Coincover-Signature": header[:-2]}, "headers-form"),
        case("a time that is no number", {**standard(), "webhook-timestamp": "now"}, "headers-form"),
        case("a signature that is no base64", {**standard(), "webhook-signature": "v1,!"}, "headers-form"),
        case("eleven signatures", published(secrets=(FOREIGN,) * 10 + (SECRET,)), "headers-form"),
        case("no secret", both, "secret", secrets=[]),
        case("an empty secret", both, "secret", secrets=[""]),
        case("a secret cut short", standard(), "secret", secrets=[SECRET[:-3]]),
        case("signed, and no event", published(body=list_body), "body", body=list_body),
        case("the body's id is another than the header's", standard(event_id="msg_1"), "body"),
    ]


def prove(one: dict) -> None:
    """Asks two foreign libraries what they think of a genuine delivery."""
    names = {name.lower(): value for name, value in one["headers"].items()}
    body = one["body"]
    if "coincover-signature" in names:
        header = names["coincover-signature"]
        assert any(stripe.WebhookSignature.verify_header(body, header, secret) for secret in one["secrets"][-1:]), one
    if "webhook-signature" in names:
        webhook = standardwebhooks.Webhook(one["secrets"][-1])
        # The library knows today's time only; the signature is what is asked here.
        webhook._Webhook__verify_timestamp = lambda text: datetime.datetime.fromtimestamp(float(text), datetime.UTC)
        webhook.verify(body, names)


def webhooks_file() -> dict:
    genuine = good_cases()
    for one in genuine:
        prove(one)
    about = "Deliveries as they arrive. `body` is the raw body in UTF-8. `now_s` stands where it differs."
    head = {"about": about, "now_s": NOW_S, "tolerance_s": TOLERANCE_S}
    return {**head, "secret": SECRET, "cases": genuine + bad_cases()}
