"""Checks an exported audit log against signed checkpoints, from the standards alone: RFC 6962 (the tree), C2SP
signed-note and tlog-checkpoint, RFC 8785 (an entry's canonical form), RFC 8032 (Ed25519).

Run with files it is a verifier: verify_audit.py EXPORT CHECKPOINT KEY [OLD-CHECKPOINT]. Without, it reads
{"key": .., "enclave_key": .. or null, "witness_keys": [..], "cases": [{"export": .., "checkpoint": .., "since": .. or null,
"root_log": .. or absent}]} and prints a verdict a line. With an enclave's key each checkpoint must have its cosignature (C2SP tlog-cosignature) too, and the newest
that of each witness. With the root log each head that it names of the log must be one of the export's, and there must be
one.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

OPTIONAL = {"key_id", "backup_id", "recovery_id", "verification_id", "customer_id", "package_id", "reason"}
REQUIRED = {"tenant", "time", "actor", "actor_type", "action", "result", "request_id", "prev_hash"}


class Bad(Exception):
    def __init__(self, fault, seq, text):
        super().__init__(text)
        self.fault, self.seq = fault, seq


def read_key(vkey, kind=1):
    name, key_id, encoded = vkey.strip().split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() != key_id:
        raise Bad("key", None, "the key's id is not of the key")
    if key[0] != kind or len(key) != 33:
        raise Bad("key", None, "the key is not Ed25519")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])


def read_checkpoint(note, key):
    name, key_id, public = key
    try:
        text, signatures = note[: note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2 :]
        signed = False
        if not signatures.endswith("\n"):
            raise ValueError("the last line does not end")
        for line in signatures[:-1].split("\n"):
            dash, signer, encoded = line.split(" ")
            raw = base64.b64decode(encoded, validate=True)
            if dash != "\u2014" or base64.b64encode(raw).decode() != encoded:
                raise ValueError("a line is no signature")
            if signer == name and raw[:4] == key_id:
                public.verify(raw[4:], text.encode())
                signed = True
        origin, size, root = text.split("\n")[:3]
        root = base64.b64decode(root, validate=True)
        if not signed or str(int(size)) != size or int(size) < 0 or len(root) != 32:
            raise ValueError("not signed by this key, or no checkpoint")
        if origin != name and not origin.startswith(name + "/log-"):
            raise ValueError("of another log")
    except (ValueError, InvalidSignature) as error:
        raise Bad("checkpoint", None, f"a checkpoint does not hold: {error!r}") from error
    return origin, int(size), root


def check_cosigned(note, key, who="the enclave"):
    name, key_id, public = key
    text, signatures = note[: note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2 :]
    for line in signatures[:-1].split("\n"):
        _, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if signer == name and raw[:4] == key_id:
            seconds = int.from_bytes(raw[4:12], "big")
            try:
                public.verify(raw[12:], f"cosignature/v1\ntime {seconds}\n{text}".encode())
            except InvalidSignature as error:
                raise Bad("checkpoint", None, f"{who} did not sign this checkpoint") from error
            return
    raise Bad("checkpoint", None, f"{who} signed no such checkpoint")


def unique(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice")
    return members


def read_entry(line, seq, tenant):
    try:
        entry = json.loads(line, object_pairs_hook=unique)
        if set(entry) != REQUIRED | OPTIONAL | {"seq"}:
            raise ValueError("other members")
        for name in REQUIRED | OPTIONAL:
            if not (isinstance(entry[name], str) or (name in OPTIONAL and entry[name] is None)):
                raise ValueError(name)
        if type(entry["seq"]) is not int:
            raise ValueError("seq")
        # Names are ASCII, and the only number is an integer: sorted, without blanks, this is the form of RFC 8785.
        form = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, TypeError) as error:
        raise Bad("entry", seq, f"line {seq} is no entry") from error
    if entry["seq"] != seq:
        raise Bad("missing", seq, f"entry {seq} is not where it should be")
    if entry["tenant"] != tenant:
        raise Bad("entry", seq, f"entry {seq} is another tenant's")
    return entry, hashlib.sha256(b"\0" + form).digest()


def tree(leaves):
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def read_log(export, tenant):
    return [leaf for _, leaf in read_entries(export, tenant)]


def read_entries(export, tenant):
    lines = export.split("\n")
    if lines[-1] == "":
        lines.pop()
    entries = [read_entry(line, at + 1, tenant) for at, line in enumerate(lines)]
    hashes = ["0" * 64] + [leaf.hex() for _, leaf in entries]
    broken = [seq for seq, (entry, _) in enumerate(entries, 1) if entry["prev_hash"] != hashes[seq - 1]]
    if broken:
        # An entry that was changed is not linked to by the next; one whose own link was changed, not by two.
        seq = broken[0]
        first = seq if seq + 1 in broken or seq == 1 else seq - 1
        raise Bad("chain", first, f"entry {first} was changed")
    return entries


def read_root_log(root_log, origin):
    try:
        entries = read_entries(root_log, "00000000-0000-0000-0000-000000000000")
        named = [entry["reason"].split(" ") for entry, _ in entries if (entry["action"], entry["actor"]) == ("checkpoint.signed", origin)]
        heads = sorted((int(size), base64.b64decode(root, validate=True)) for size, root in named)
    except Bad as bad:
        raise Bad(bad.fault, None, f"in the root log: {bad}") from bad
    except (ValueError, AttributeError) as error:
        raise Bad("entry", None, f"in the root log: an entry names no checkpoint: {error!r}") from error
    if not heads:
        raise Bad("missing", None, "the root log does not name this log")
    return heads


def compare_with_root_log(leaves, heads):
    wrong = [size for size, root in heads if size > len(leaves) or tree(leaves[:size]) != root]
    if wrong and wrong[0] > len(leaves):
        raise Bad("missing", len(leaves) + 1, f"the root log names {wrong[0]} entries")
    if wrong:
        met = max((size for size, _ in heads if size < wrong[0]), default=0)
        raise Bad("fork", met + 1, f"the root log names another head of {wrong[0]} entries")


def verify(export, checkpoint, key, since=None, enclave_key=None, witness_keys=(), root_log=None):
    origin, size, root = read_checkpoint(checkpoint, key)
    for witness in witness_keys:
        check_cosigned(checkpoint, witness, "a witness")
    if enclave_key is not None:
        for note in [checkpoint] + ([since] if since is not None else []):
            check_cosigned(note, enclave_key)
    heads = [(size, root)]
    if since is not None:
        old_origin, old_size, old_root = read_checkpoint(since, key)
        if old_origin != origin or old_size > size:
            raise Bad("checkpoint", None, "the older checkpoint is no older one of this log")
        if old_size == size and old_root != root:
            raise Bad("fork", None, f"fork: two roots of {size} entries")
        heads.insert(0, (old_size, old_root))
    named = read_root_log(root_log, origin) if root_log is not None else []
    leaves = read_log(export, key[0].split("/")[1])
    if len(leaves) < size:
        raise Bad("missing", len(leaves) + 1, f"entry {len(leaves) + 1} is missing")
    fits = [tree(leaves[:size]) == root for size, root in heads]
    if fits == [False, True]:
        raise Bad("fork", 1, "fork: the entries are those of the newer checkpoint alone")
    if not all(fits):
        first = heads[0][0] + 1 if fits == [True, False] else 1
        raise Bad("root", first, f"the entries from {first} on are not those that were signed")
    if root_log is not None:
        compare_with_root_log(leaves, named)
    return size


def judge(export, checkpoint, key, since=None, enclave_key=None, witness_keys=(), root_log=None):
    try:
        return {"ok": True, "size": verify(export, checkpoint, key, since, enclave_key, witness_keys, root_log)}
    except Bad as bad:
        return {"ok": False, "fault": bad.fault, "first_bad_seq": bad.seq, "text": str(bad)}


def main():
    if len(sys.argv) > 1:
        export, checkpoint, *since = [open(path, encoding="utf-8", newline="").read() for path in sys.argv[1:3] + sys.argv[4:]]
        verdict = judge(export, checkpoint, read_key(sys.argv[3]), *since)
        print(json.dumps(verdict))
        sys.exit(0 if verdict["ok"] else 1)
    ask = json.load(sys.stdin)
    key = read_key(ask["key"])
    enclave_key = read_key(ask["enclave_key"], 4) if ask["enclave_key"] else None
    witness_keys = [read_key(text, 4) for text in ask.get("witness_keys", [])]
    for case in ask["cases"]:
        print(json.dumps(judge(case["export"], case["checkpoint"], key, case["since"], enclave_key, witness_keys, case.get("root_log"))))


main()
