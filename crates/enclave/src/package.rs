//! `Package`: what an access list has approved leaves as one OpenPGP message of an archive. The checks are those of
//! [`crate::release`], in its order, with the vote of the list where the one person's approval stands there.

use boundary::acl::{Outcome as Vote, outcome};
use boundary::approval::AclDocument;
use boundary::intent::{Flow, Item};
use boundary::json::{Json as _, Value, canonical};
use boundary::message::{PACKAGE_BYTES_MAX, Package, Packaged, Refusal, ReleaseItem, Reply};
use boundary::token::{Admission, Record as RecordToken};
use zeroize::Zeroizing;

use crate::amend::{Electorate as _, in_force};
use crate::ballot::votes;
use crate::clock::seconds_until;
use crate::digest::{hex, pem, sha256};
use crate::generate::{RsaKey, pkcs8};
use crate::record::of_release;
use crate::release::{
    Proof, begin, failed, is_item, log_end, log_intent, may_release, must, named, plaintext, recipient,
};
use crate::seal::{Home, KeyFacts, open};
use crate::secret::Plaintext;
use crate::service::{Enclave, note};
use crate::session::{Token, person_tag};
use crate::state::{Record, SESSION_LIFE_MS};
use crate::tar::archive;

/// What is in the archive: a name, and the bytes under it.
type File = (String, Plaintext);
/// A key that the list guards, opened.
type OpenKey = (KeyFacts, Zeroizing<Vec<u8>>);

/// Releases what a list has approved, once its delay is over.
pub fn package(enclave: &Enclave, request: &Package) -> Result<Reply, Refusal> {
    let release = &request.release;
    let proof = begin(enclave, release, Flow::Control, person_tag)?;
    let intent = &proof.intent;
    let (list, wait_ms) = approved(enclave, request, &proof)?;
    if named(wait_ms <= 0, "7 list's delay is not over").is_err() {
        return Ok(Reply::Waiting(seconds_until(wait_ms, 0)));
    }
    must(intent.items.len() == release.items.len(), "1 items are not those of the vote")?;
    must(intent.keys.len() == request.keys.len(), "1 keys are not those of the intent")?;
    let certificate = recipient(release, &proof)?;
    let _held = may_release(enclave, release, &proof)?;
    let guarded = |sealed: &Vec<u8>, key_id: &String| guarded(enclave, &list, sealed, key_id);
    let keys: Vec<OpenKey> =
        request.keys.iter().zip(&intent.keys).map(|(key, id)| guarded(key, id)).collect::<Result<_, _>>()?;
    let items = release.items.iter().zip(&intent.items);
    let opened = items.clone().map(|(item, named)| guarded(&item.key, &named.key_id));
    let of_items: Vec<OpenKey> = opened.collect::<Result<_, _>>()?;
    let covered = |((item, named), key): ((_, _), _)| {
        covers(enclave, item, named, key).inspect_err(|step| note("package", step)).ok()
    };
    let ways: Vec<Option<Way>> = items.clone().zip(of_items).map(covered).collect();
    must(!keys.is_empty() || ways.iter().any(Option::is_some), "8 no item may go out")?;
    log_intent(enclave, &proof)?;
    let mut files: Vec<File> = Vec::new();
    let mut listed = Vec::new();
    for ((item, named), way) in items.zip(ways) {
        let (kind, content) = match way {
            Some(Way::Open(key)) => ("data", plaintext(item, &key)),
            Some(Way::AsItIs) => ("files", Some(Plaintext::new(item.ciphertext.clone().into()))),
            None => ("", None),
        };
        let file = content.map(|content| (format!("{kind}/{}", named.backup_id), content));
        listed.push(entry(named, item, file.as_ref()));
        files.extend(file);
    }
    for (facts, private_half) in &keys {
        let half = pkcs8(facts.key_type, private_half).map_err(|_| failed("8 key's halves differ"))?;
        files.push((format!("keys/{}.pem", facts.key_id), Plaintext::new(pem(&half))));
    }
    let released = files.len();
    files.insert(0, ("manifest.json".into(), manifest(&proof, listed)));
    let archived = archive(&files, PACKAGE_BYTES_MAX).filter(|_| released > 0);
    drop(files);
    let message = archived.and_then(|archive| certificate.encrypt(Plaintext::new(archive), false).ok());
    let output = sha256(message.as_deref().unwrap_or_default());
    let delivery = log_end(enclave, &proof, output, if message.is_some() { released } else { 0 })?;
    let message = message.ok_or_else(|| failed("11 nothing went out"))?;
    let record = of_release(enclave, &proof, output, released, delivery);
    Ok(Reply::Packaged(Packaged { message, delivery, record }))
}

/// The list in force, if it has approved exactly this, and for how many milliseconds that still waits.
pub fn approved(enclave: &Enclave, request: &Package, proof: &Proof) -> Result<(AclDocument, i64), Refusal> {
    let intent = &proof.intent;
    let (list, head) = in_force::<AclDocument>(enclave, &request.acl)?;
    must(list.tenant_id == intent.tenant_id && list.acl_id == intent.acl_id, "3 list")?;
    must(intent.policy_hash == hex(&head.hash) && intent.policy_version == list.version, "3 list's version")?;
    must(proof.now_ms <= proof.ticket.opened_at_ms + SESSION_LIFE_MS, "3 session is forgotten")?;
    must(request.release.user_identifier == intent.requested_by, "4 requester")?;
    let asks = list.place(&intent.requested_by);
    must(asks.is_some() || list.any_member_may_ask, "4 requester may not ask")?;
    if list.check_requester {
        let own = proof.own_admission()?;
        must(own.event_at_ms >= intent.not_before_ms, "4 requester's check is of before")?;
    }
    let people = list.voters();
    let votes = votes(enclave, &people, &request.ballots, &proof.intent_hash)?;
    let is_checked = |tag: [u8; 32]| {
        let late = |admission: &Admission| admission.event_at_ms >= intent.not_before_ms;
        proof.admissions.iter().any(|admission| proof.approves(admission, &tag) && late(admission))
    };
    let mut approving = people.iter().zip(&votes).filter(|(_, vote)| **vote == Some(true));
    let checked = approving.all(|((id, _), _)| is_checked(person_tag(&list.tenant_id, id)));
    must(checked || !list.check_voters, "4 a voter's check")?;
    let is_cold = enclave.keyring.home == Home::Cold;
    let delay_s = if is_cold { list.delay_cold_s } else { list.delay_hot_s };
    let wait_ms = enclave.ledger.decide(|turn| {
        let since = turn.state().approvals.get(&proof.intent_hash).copied();
        let closed = since.is_none() && turn.now_ms > intent.not_before_ms + list.vote_window_s * 1_000;
        let vote = outcome(list.rule, &list.seats(), &votes, asks, closed);
        must(vote == Vote::Approved, "6 list has not approved")?;
        if since.is_none() {
            turn.record(Record::Approved(proof.intent_hash))?;
        }
        let since = turn.state().approvals.get(&proof.intent_hash).copied();
        let since = since.ok_or_else(|| failed("7 approval is forgotten"))?;
        Ok(turn.state().wait_ms(since, delay_s * 1_000, turn.now_ms))
    })?;
    Ok((list, wait_ms))
}

/// Opens a key of the intent, if it is under the list. One whose private half is offline cannot be opened here.
fn guarded(enclave: &Enclave, list: &AclDocument, sealed: &[u8], key_id: &str) -> Result<OpenKey, Refusal> {
    let (facts, private_half) = open(&enclave.keyring, sealed).map_err(|_| failed("8 key's seal"))?;
    must(facts.key_id == key_id, "8 vote names another key")?;
    let under = enclave.ledger.decide(|turn| Ok(turn.state().guarded.get(&facts.serial).cloned()))?;
    let is_under = under.is_some_and(|key| key.tenant_id == list.tenant_id && key.acl_id == list.acl_id);
    must(is_under && facts.tenant_id == list.tenant_id, "8 key is not under this list")?;
    if facts.home == enclave.keyring.home { Ok((facts, private_half)) } else { Err(Refusal::WrongKeyType) }
}

/// How an item goes out.
enum Way {
    /// Its plaintext does.
    Open(RsaKey),
    /// It is a file.
    AsItIs,
}

/// Whether the intent means these bytes, and how they go out.
fn covers(
    enclave: &Enclave,
    item: &ReleaseItem,
    meant: &Item,
    (facts, private_half): OpenKey,
) -> Result<Way, &'static str> {
    if item.record.is_empty() {
        let same = hex(&sha256(&item.ciphertext)) == meant.record_digest;
        return named(same, "8 file is not the intent's").map(|()| Way::AsItIs);
    }
    let record = RecordToken::believe(&enclave.keyring, &item.record).map_err(|_| "8 record")?;
    is_item(&facts, &record, item, meant)?;
    let key = RsaKey::read(&private_half, &facts.public_key);
    key.map(Way::Open).map_err(|_| "8 key's halves differ")
}

/// An item's line of the manifest; without a path if it did not go out.
fn entry(named: &Item, item: &ReleaseItem, file: Option<&File>) -> Value {
    Value::object([
        ("backup_id", Value::text(&named.backup_id)),
        ("key_id", Value::text(&named.key_id)),
        ("item_key", Value::text(&item.item_key)),
        ("path", Value::text_or_null(file.map(|file| file.0.as_str()))),
    ])
}

fn manifest(proof: &Proof, items: Vec<Value>) -> Plaintext {
    let document = Value::object([
        ("v", Value::Integer(1)),
        ("tenant_id", Value::text(&proof.intent.tenant_id)),
        ("acl_id", Value::text(&proof.intent.acl_id)),
        ("requested_by", Value::text(&proof.intent.requested_by)),
        ("intent_hash", Value::text(hex(&proof.intent_hash))),
        ("items", Value::List(items)),
        ("keys", proof.intent.keys.write()),
    ]);
    Plaintext::new(canonical(&document).unwrap_or_default().into_bytes().into())
}
