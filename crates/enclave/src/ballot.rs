//! People's signatures: what a ballot's signature is worth, and what the ballots of a list say together.

use std::slice;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use boundary::Env;
use boundary::approval::{AclDocument, Document as _, KeyKind, SigningKey, reject_preimage, vote_message};
use boundary::json::{Value, parse};
use boundary::message::{Assertion, Ballot, Refusal, Signature, Verified, Weigh};

use crate::amend::Electorate as _;
use crate::digest::{base64url, equal, sha256, unhex};
use crate::openpgp;
use crate::release::{failed, must, named};
use crate::service::Enclave;

/// The largest `clientDataJSON` that is looked at, in bytes.
const CLIENT_DATA_BYTES_MAX: usize = 4_096;
/// The largest authenticator data and the largest signature.
const SIGNATURE_BYTES_MAX: usize = 16 * 1024;
/// Authenticator data without extensions: hash of the relying party's id, flags, counter (§6.1).
const AUTHENTICATOR_BYTES: usize = 37;
/// Flags of authenticator data (§6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const HAS_KEY: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;

/// Somebody who may vote, and what he signs with.
pub type Voter<'a> = (&'a str, &'a [SigningKey]);

/// What each of some people says: nothing, yes, no.
pub type Votes = Result<Vec<Option<bool>>, Refusal>;

/// `Weigh`: nothing but a signature is looked at, and nothing follows from it.
pub fn weigh(enclave: &Enclave, request: &Weigh) -> Result<Verified, Refusal> {
    let list = AclDocument::from_canonical(&request.acl).ok_or(Refusal::Malformed)?;
    votes(enclave, &list.voters(), slice::from_ref(&request.ballot), &request.hash)?;
    Ok(Verified { at_ms: enclave.ledger.now_ms() })
}

/// What each of these people says to what has that hash. One ballot that is not of one of them, repeats its person,
/// or is not signed by him spoils them all.
pub fn votes(enclave: &Enclave, people: &[Voter<'_>], ballots: &[Ballot], hash: &[u8; 32]) -> Votes {
    let (env, now_ms, rejected) =
        (enclave.keyring.env, enclave.ledger.now_ms(), sha256(&reject_preimage(hash)));
    let mut votes = vec![None; people.len()];
    for ballot in ballots {
        let place = people.iter().position(|person| person.0 == ballot.person_id);
        let place = place.ok_or_else(|| failed("6 ballot of somebody who has no vote"))?;
        must(votes[place].is_none(), "6 second ballot of a person")?;
        let signed = if ballot.approve { hash } else { &rejected };
        let keys = people[place].1;
        let is_signed = keys.iter().any(|key| holds(env, now_ms, key, &ballot.signature, signed));
        must(is_signed, "6 ballot is not signed by its person")?;
        votes[place] = Some(ballot.approve);
    }
    Ok(votes)
}

fn holds(env: Env, now_ms: i64, key: &SigningKey, signature: &Signature, hash: &[u8; 32]) -> bool {
    let Some(public_key) = unhex(&key.public_key) else { return false };
    match (key.kind, signature) {
        (KeyKind::WebAuthn, Signature::WebAuthn(assertion)) => {
            let rp_id = key.rp_id.as_deref().unwrap_or_default();
            asserts(env, rp_id, &public_key, assertion, hash).is_some()
        }
        (KeyKind::Ed25519, Signature::Ed25519(signature)) => {
            verifies(&ED25519, &public_key, &vote_message(hash), signature)
        }
        (KeyKind::OpenPgp, Signature::OpenPgp(signature)) if signature.len() <= SIGNATURE_BYTES_MAX => {
            openpgp::signed(public_key, signature.clone(), vote_message(hash), now_ms)
        }
        _ => false,
    }
}

/// Whether that key signed the text. What is no key has signed nothing.
pub fn verifies(how: &'static dyn VerificationAlgorithm, key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(how, key).verify(text, signature).is_ok()
}

/// The verification of an assertion by WebAuthn Level 2 §7.2, steps 11 to 20: what goes before them finds the
/// account, what comes after counts signatures, and neither is the enclave's. Extensions are never looked at.
fn asserts(env: Env, rp_id: &str, point: &[u8], assertion: &Assertion, hash: &[u8; 32]) -> Option<()> {
    let (data, client) = (&assertion.authenticator_data, &assertion.client_data_json);
    let is_short = client.len() <= CLIENT_DATA_BYTES_MAX && data.len() <= SIGNATURE_BYTES_MAX;
    named(is_short, "6 assertion is too long").ok()?;
    let client_data = parse(str::from_utf8(client).ok()?).ok()?;
    let text = |name| client_data.get(name).and_then(Value::as_text);
    let same_origin = matches!(client_data.get("crossOrigin"), None | Some(Value::Bool(false)));
    named(text("type")? == "webauthn.get", "6 assertion is of another type").ok()?;
    named(text("challenge")? == base64url(hash), "6 assertion is of another challenge").ok()?;
    named(is_ours(env, rp_id, text("origin")?), "6 assertion is of another origin").ok()?;
    named(same_origin, "6 assertion is of a page within another").ok()?;
    named(client_data.get("topOrigin").is_none(), "6 assertion names a page above").ok()?;
    let (hash_of_rp, rest) = data.split_at_checked(32)?;
    let flags = *rest.first().filter(|_| data.len() >= AUTHENTICATOR_BYTES)?;
    named(equal(hash_of_rp, &sha256(rp_id.as_bytes())), "6 assertion is of another party").ok()?;
    named(flags & USER_PRESENT != 0, "6 nobody was present").ok()?;
    named(flags & USER_VERIFIED != 0, "6 nobody was verified").ok()?;
    let is_plain = (flags & HAS_EXTENSIONS != 0) == (data.len() > AUTHENTICATOR_BYTES);
    named(flags & HAS_KEY == 0 && is_plain, "6 authenticator data").ok()?;
    let signed = [data.as_slice(), &sha256(client)].concat();
    verifies(&ECDSA_P256_SHA256_ASN1, point, &signed, &assertion.signature).then_some(())
}

/// Whether a page of that origin is one of the relying party's own host, over TLS; in the sandbox, also of this
/// machine.
fn is_ours(env: Env, rp_id: &str, origin: &str) -> bool {
    let local = origin.strip_prefix("http://").filter(|_| env == Env::Sandbox && rp_id == "localhost");
    let Some(authority) = origin.strip_prefix("https://").or(local) else { return false };
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    host == rp_id && port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit())
}
