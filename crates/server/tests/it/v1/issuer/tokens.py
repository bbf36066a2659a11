"""A foreign issuer: prints a JWKS, tokens that are good, and tokens that are not, each under its name."""
import base64, hashlib, hmac, json, sys, uuid
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from jwcrypto import jwk, jwt

now, evil = int(sys.argv[1]), sys.argv[2]
ISS, AUD, SUB = "https://login.example.com", "holdfast", str(uuid.UUID(int=7))
b64 = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=").decode()
private = lambda n, curve=ec.SECP256R1: ec.derive_private_key(n, curve())
key, thief = private(4711), private(666)
p384, k1, shown = private(1, ec.SECP384R1), private(1, ec.SECP256K1), private(99)
rsa_key = rsa.generate_private_key(65537, 2048)

def public(private_key, kid, **more):
    return {**json.loads(jwk.JWK.from_pyca(private_key.public_key()).export()), "kid": kid, **more}

jwks = {"keys": [
    public(key, "k1", use="sig", alg="ES256"), public(rsa_key, "rsa", alg="RS256"),
    public(private(2), "enc", use="enc"), public(private(3), "es384", alg="ES384"),
    public(p384, "p384"), {**json.loads(jwk.JWK.from_pyca(shown).export()), "kid": "shown"},
    {"kty": "oct", "k": b64(b"secret"), "kid": "oct"},
    {**public(private(5), "off"), "y": b64(bytes(32))},
]}
claims = {"iss": ISS, "aud": AUD, "sub": SUB, "iat": now, "exp": now + 600, "type": "ID_TOKEN", "scope": "retail audit"}
header = {"alg": "ES256", "kid": "k1"}

def raw(der, size=32):
    return b"".join(part.to_bytes(size, "big") for part in utils.decode_dss_signature(der))

def es256(text, with_key=key):
    return raw(with_key.sign(text, ec.ECDSA(hashes.SHA256())))

def token(head=header, body=claims, sign=es256):
    part = lambda value: b64((value if isinstance(value, str) else json.dumps(value)).encode())
    text = f"{part(head)}.{part(body)}"
    return f"{text}.{b64(sign(text.encode()))}"

def say(**change):
    return token(body={k: v for k, v in {**claims, **change}.items() if v is not None})

def head(**change):
    return token(head={k: v for k, v in {**header, **change}.items() if v is not None})

def jwcrypto(**change):
    one = jwt.JWT(header=header, claims={**claims, **change})
    one.make_signed_token(jwk.JWK.from_pyca(key))
    return one.serialize()

good = {
    "as it should be": jwcrypto(), "by hand": token(), "several audiences": jwcrypto(aud=["other", AUD]),
    "more claims": jwcrypto(email="a@example.com", nbf=now), "a day": jwcrypto(exp=now + 86400),
    "scopes of others": jwcrypto(scope="openid retail audit root"),
    "offers, which are not looked at": head(jku=evil, x5u=evil, jwk=public(thief, "k1"), typ="at+jwt"),
}
mac = lambda secret: lambda text: hmac.digest(secret, text, "sha256")
pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
rs256 = lambda text: rsa_key.sign(text, padding.PKCS1v15(), hashes.SHA256())
by_thief = lambda text: es256(text, thief)
real = token()
text, signature = real.rsplit(".", 1)
r, s = base64.urlsafe_b64decode(signature + "==")[:32], base64.urlsafe_b64decode(signature + "==")[32:]
again = lambda sig: text + "." + b64(sig)
double = json.dumps(claims)[:-1] + ', "scope": "retail audit webhooks"}'
bad = {
    **{f"alg {alg}, unsigned": token({**header, "alg": alg}, sign=lambda _: b"") for alg in ("none", "None", "NONE", "nOnE", "")},
    "alg none, signed": head(alg="none"), "alg es256": head(alg="es256"), "no alg": head(alg=None),
    "alg a list": head(alg=["ES256"]), "alg a number": head(alg=256),
    "HS256 by the point": token({**header, "alg": "HS256"}, sign=mac(point)),
    "HS256 by the PEM": token({**header, "alg": "HS256"}, sign=mac(pem)),
    "HS256 by x": token({**header, "alg": "HS256"}, sign=mac(jwks["keys"][0]["x"].encode())),
    "HS256 by nothing": token({**header, "alg": "HS256"}, sign=mac(b"")),
    "HS256 by a shared secret of the set": token({"alg": "HS256", "kid": "oct"}, sign=mac(b"secret")),
    "RS256": token({"alg": "RS256", "kid": "rsa"}, sign=rs256),
    "RS256 under our kid": token({"alg": "RS256", "kid": "k1"}, sign=rs256),
    "RSA called ES256": token({"alg": "ES256", "kid": "rsa"}, sign=rs256),
    "ES384": token({"alg": "ES384", "kid": "p384"}, sign=lambda t: raw(p384.sign(t, ec.ECDSA(hashes.SHA384())), 48)),
    "P-384 called ES256": token({"alg": "ES256", "kid": "p384"}, sign=lambda t: raw(p384.sign(t, ec.ECDSA(hashes.SHA256())), 48)),
    "ES256K": token({"alg": "ES256K", "kid": "k1"}, sign=lambda t: es256(t, k1)),
    "ES384 by our key": head(alg="ES384"),
    "a key for encryption": token({**header, "kid": "enc"}, sign=lambda t: es256(t, private(2))),
    "a key for ES384": token({**header, "kid": "es384"}, sign=lambda t: es256(t, private(3))),
    "a key whose private half is in the set": token({**header, "kid": "shown"}, sign=lambda t: es256(t, shown)),
    "a point off the curve": token({**header, "kid": "off"}, sign=lambda t: es256(t, private(5))),
    "a thief under our kid": token(sign=by_thief),
    "a key of its own (jwk)": token({**header, "jwk": public(thief, "k1")}, sign=by_thief),
    "jwk without kid": token({"alg": "ES256", "jwk": public(thief, "thief")}, sign=by_thief),
    "jku": token({**header, "jku": evil}, sign=by_thief), "jku, own kid": token({**header, "jku": evil, "kid": "thief"}, sign=by_thief),
    "x5u": token({**header, "x5u": evil}, sign=by_thief), "x5c": token({**header, "x5c": ["MIIB"]}, sign=by_thief),
    "no kid": head(kid=None), "kid a number": head(kid=1), "kid of nobody": head(kid="k2"), "kid a path": head(kid="../../dev/null"),
    "kid an address": head(kid=evil), "crit": head(crit=["exp"], exp=now), "crit b64": head(crit=["b64"], b64=False), "crit empty": head(crit=[]),
    "cut": real[:-2], "longer": again(r + s + b"\0"), "signature of zeros": again(bytes(64)), "r zero": again(bytes(32) + s),
    "s zero": again(r + bytes(32)), "swapped": again(s + r), "no signature": text + ".", "two parts": text,
    "DER": token(sign=lambda t: key.sign(t, ec.ECDSA(hashes.SHA256()))),
    "four parts": real + ".", "padded": real + "==", "signature of another": text + "." + say(sub=str(uuid.UUID(int=8))).rsplit(".", 1)[1],
    "more scopes, not signed": text.split(".")[0] + "." + b64(json.dumps({**claims, "scope": "retail webhooks"}).encode()) + "." + signature,
    "a member twice": token(body=double), "header member twice": token(head='{"alg":"none","alg":"ES256","kid":"k1"}'),
    "claims a list": token(body=[claims]), "claims no JSON": token(body="claims"), "something after": token(body=json.dumps(claims) + " {}"),
    **{f"no {name}": say(**{name: None}) for name in claims},
    "expired": say(iat=now - 700, exp=now - 100), "expired now": say(exp=now), "exp a text": say(exp=str(now + 600)), "exp a fraction": say(exp=now + 600.5),
    "exp for ever": say(exp=2**62), "two days": say(exp=now + 2 * 86400), "a second too long": say(exp=now + 86401),
    "of tomorrow": say(iat=now + 3600, exp=now + 7200), "half a minute too early": say(iat=now + 31), "iat after exp": say(iat=now + 20, exp=now + 10),
    "iat negative": say(iat=-1), "not yet": say(nbf=now + 60), "nbf a text": say(nbf="now"),
    "another audience": say(aud="other"), "audiences of others": say(aud=["other", "third"]), "no audiences": say(aud=[]), "half an audience": say(aud="holdfas"),
    "audience in another case": say(aud="Holdfast"), "aud an object": say(aud={AUD: AUD}), "nine audiences": say(aud=[AUD] * 9),
    "another issuer": say(iss="https://evil.example.com"), "issuer with a slash": say(iss=ISS + "/"), "our own issuer": say(iss="holdfast-sandbox"), "issuers": say(iss=[ISS]),
    "an access token": say(type="ACCESS_TOKEN"), "type in small letters": say(type="id_token"), "type a list": say(type=["ID_TOKEN"]),
    "sub a name": say(sub="ada"), "sub a number": say(sub=7), "sub empty": say(sub=""), "scope a list": say(scope=["retail"]), "scope a number": say(scope=1),
}
print(json.dumps({"jwks": jwks, "good": good, "bad": bad}))
