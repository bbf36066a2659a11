"""What is asked of every answer beside schemathesis' own checks. Each line that excuses something says why."""

import atexit
import collections
import itertools
import json
import os
import re

import schemathesis
from schemathesis.specs.openapi import checks

# A 503 that is right: the test has a stock of keys that ends, and the calls outnumber it.
NOTHING_BROKEN = {"pool-empty"}

# A 400 to what fits the schema: rules that no schema can tell.
NOT_IN_A_SCHEMA = {
    # Whether a ciphertext opens under a key to a plaintext of this checksum, only the enclave can tell.
    ("code", "check-failed"),
    # An instant must lie in the future.
    ("field", "expires_at"),
    # One end of a span must lie after the other.
    ("field", "to"),
    # A cursor is the service's own, and signed where it is not an id.
    ("field", "cursor"),
    # Whether an OpenPGP key can be read, is in force and can encrypt.
    ("field", "gpg_public_key"),
    # A URL that events may be sent to, or keys fetched from: scheme, port, address, and what answers there.
    ("field", "url"),
    ("field", "jwks_uri"),
    # Must not begin as the service's own name.
    ("field", "issuer"),
    # Two items of one name.
    ("field", "backup[1].item_key"),
    ("field", "backup[2].item_key"),
    # Whether a kind of key takes data.
    ("field", "public_key"),
    # A part of a form whose name its header cannot carry, such as a control character.
    ("code", "malformed-form"),
    # A form's part of text that must be JSON.
    ("field", "metadata"),
    # The name of another call: two of those in which it stays what schemathesis made of it.
    ("code", "idempotency-mismatch"),
    # Fields that a key without an organisation does not have.
    ("field", "sign_with"),
}


names = itertools.count()
statuses = collections.defaultdict(collections.Counter)


@atexit.register
def tell():
    """How often each operation was answered how: a run in which nothing succeeds finds nothing."""
    with open("statuses.json", "w") as file:
        json.dump(statuses, file)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives each call a name of its own where it has a good one: of calls of one name only the first is run.
    And revokes no credential that calls, whose id is in the list of credentials: all after that would be 401."""
    if (case.path_parameters or {}).get("id") == os.environ["OWN_CREDENTIAL"]:
        case.path_parameters["id"] = "00000000-0000-7000-8000-000000000000"
    for name in list(case.headers or {}):
        if name.lower() == "idempotency-key" and re.fullmatch("[!-~]([ -~]{0,253}[!-~])?", str(case.headers[name])):
            case.headers[name] = f"call {next(names)}"


@schemathesis.check
def no_fault(ctx, response, case):
    """Stands for `not_a_server_error`, which knows no 503 that is right."""
    if response.request.method.lower() == case.operation.method.lower():
        statuses[case.operation.definition.raw["operationId"]][response.status_code] += 1
    if response.status_code >= 500:
        code = response.json().get("code") if response.status_code == 503 else None
        assert code in NOTHING_BROKEN, f"{response.status_code}: {response.text[:500]}"


@schemathesis.check
def what_fits_is_taken(ctx, response, case):
    """Stands for `positive_data_acceptance`, which can excuse by status only."""
    if response.status_code in (400, 422) and "json" in response.headers["content-type"][0]:
        body = response.json()
        found = {("field", field) for field in body.get("errors", {})} or {("code", body["code"])}
        if found <= NOT_IN_A_SCHEMA:
            return None
    return checks.positive_data_acceptance(ctx, response, case)


@schemathesis.check
def what_is_gone_is_gone(ctx, response, case):
    """Stands for `use_after_free`: a backup is deleted thirty days later, and shown until then and after."""
    if "backup" not in case.operation.path:
        return checks.use_after_free(ctx, response, case)


@schemathesis.check
def every_failure_has_the_one_form(ctx, response, case):
    """Also where nothing is described: another method."""
    is_page = case.operation.path.startswith("/identity/")
    if response.status_code < 400 or is_page or response.request.method == "HEAD":
        return
    body = response.json()
    members = {"message", "error", "code", "request_id"}
    assert members <= set(body) <= members | {"errors"}, response.text[:500]
    # A kept answer is given again as it was.
    if "idempotent-replay" not in response.headers:
        assert [body["request_id"]] == response.headers["x-request-id"], response.text[:500]
    assert all(isinstance(body[member], str) and body[member] for member in members), response.text[:500]
