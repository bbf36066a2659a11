//! `Release`: the one request through which a secret leaves, and every check before it, in order.

use boundary::approval::TenantPolicy;
use boundary::intent::{Flow, Intent, Item, preimage};
use boundary::message::{
    ItemOutcome, KeyType, Message, RELEASE_ITEMS_MAX, RecipientFault, Refusal, Release, ReleaseItem, Released,
};
use boundary::token::{Admission, Outcome, Record as RecordToken, Ticket};
use boundary::wire::put_parts;

use crate::clock::seconds_until;
use crate::counter::settle;
use crate::digest::{equal, hex, sha256};
use crate::evidence::SKEW_MS;
use crate::generate::RsaKey;
use crate::log::{Busy, Turn};
use crate::openpgp::{Certificate, inspect};
use crate::policy;
use crate::record::of_release;
use crate::seal::{Home, KeyFacts, open};
use crate::secret::Plaintext;
use crate::service::{Enclave, ensure, note};
use crate::session::{self, Tag, Token, user_tag};
use crate::state::{DAY_MS, Delivered, HOUR_MS, Intended, Record, Session, spent};

/// Deliveries of one session's recovery.
const DELIVERIES_MAX: usize = 3;

/// What has been proven of a request, before its items are looked at.
pub struct Proof {
    /// What is asked for.
    pub intent: Intent,
    /// What people would sign for it.
    pub intent_hash: [u8; 32],
    /// What the recovery is of; the same for each of its deliveries.
    pub items_digest: [u8; 32],
    /// The fingerprints that receive.
    receives: String,
    /// The session.
    pub ticket: Ticket,
    /// The session's own admission first.
    pub admissions: Vec<Admission>,
    /// The instant to decide by.
    pub now_ms: i64,
}

/// Logs which step failed; the answer does not say.
pub fn failed(step: &str) -> Refusal {
    note("release", step);
    Refusal::ProofFailed
}

/// Goes on only if that holds.
pub fn must(holds: bool, step: &'static str) -> Result<(), Refusal> {
    demand(holds, step, Refusal::ProofFailed)
}

/// The same, where the caller must be told what to do.
pub fn demand(holds: bool, step: &'static str, refusal: Refusal) -> Result<(), Refusal> {
    named(holds, step).map_err(|step| {
        note("refused", step);
        refusal
    })
}

/// Whether a check holds; else which it is.
pub type Step = Result<(), &'static str>;

/// Every check comes here, each under a name of its own. A build of its own, `crates/weakened`, leaves out those that
/// it is told to, so that it shows what each of them is for; in no other is there such a thing.
pub fn named(holds: bool, step: &'static str) -> Step {
    #[cfg(holdfast_check_switch)]
    let holds = holds || crate::switch::is_off(step);
    if holds { Ok(()) } else { Err(step) }
}

/// Releases items to a recipient, on proof.
pub fn release(enclave: &Enclave, request: &Release) -> Result<Released, Refusal> {
    let proof = prove(enclave, request)?;
    let certificate = recipient(request, &proof)?;
    let _held = may_release(enclave, request, &proof)?;
    let keys: Vec<Option<RsaKey>> = (request.items.iter().zip(&proof.intent.items))
        .map(|(item, intended)| item_key(enclave, &proof, item, intended))
        .collect();
    if keys.iter().all(Option::is_none) {
        let items = keys.iter().map(|_| ItemOutcome::Failed).collect();
        return Ok(Released { delivery: 0, items, record: None });
    }
    log_intent(enclave, &proof)?;
    let items: Vec<ItemOutcome> =
        request.items.iter().zip(keys).map(|(item, key)| outcome(&certificate, item, key)).collect();
    let messages = items.iter().filter_map(|item| match item {
        ItemOutcome::Message(message) => Some(message.armoured.as_slice()),
        ItemOutcome::Failed => None,
    });
    let output: Vec<&[u8]> = messages.collect();
    let (digest, parts) = (sha256(&output.concat()), output.len());
    let delivery = log_end(enclave, &proof, digest, parts)?;
    let record = (parts > 0).then(|| of_release(enclave, &proof, digest, parts, delivery));
    Ok(Released { delivery, items, record })
}

/// What any release begins with: an intent in force, the session it is of, and admissions that are our own.
pub fn begin(enclave: &Enclave, request: &Release, flow: Flow, tag: Tag) -> Result<Proof, Refusal> {
    let ring = &enclave.keyring;
    let intent =
        Intent::from_canonical(&request.intent).ok_or_else(|| failed("1 intent is not canonical"))?;
    must(intent.flow == flow, "1 flow")?;
    must(intent.items.len().max(request.items.len()) <= RELEASE_ITEMS_MAX, "1 too many items")?;
    let ticket = session::ticket(enclave, &request.ticket).map_err(|_| failed("2 ticket"))?;
    must(intent.env == ring.env, "2 environment")?;
    must(intent.tenant_id == ticket.tenant_id, "2 tenant")?;
    let tag = tag(&ticket.tenant_id, &request.user_identifier);
    must(tag == ticket.user_tag && intent.user_tag == hex(&tag), "2 user")?;
    must(equal(intent.session_nonce.as_bytes(), hex(&ticket.nonce).as_bytes()), "2 nonce")?;
    must(request.admissions.len() <= RELEASE_ITEMS_MAX + 1, "4 too many admissions")?;
    let believe = |bytes: &Vec<u8>| Admission::believe(ring, bytes);
    let admissions: Vec<Admission> =
        request.admissions.iter().filter_map(|bytes| believe(bytes).ok()).collect();
    must(admissions.len() == request.admissions.len(), "4 an admission")?;
    let now_ms = enclave.ledger.now_ms();
    must(intent.not_before_ms <= now_ms && now_ms <= intent.expires_at_ms, "7 intent is not in force")?;
    let (fpr, subkey) = (&intent.recipient.openpgp_fpr, &intent.recipient.enc_subkey_fpr);
    let (intent_hash, receives) = (sha256(&preimage(&request.intent)), format!("{fpr} {subkey}"));
    // A list's recovery is what its people signed; a user's is of items, whichever keys they are encrypted to.
    let items_digest = match flow {
        Flow::Retail => items_digest(&intent.items, &request.items),
        Flow::Control => intent_hash,
    };
    Ok(Proof { intent, intent_hash, items_digest, receives, ticket, admissions, now_ms })
}

/// The check of everything but recipient, counters and items.
fn prove(enclave: &Enclave, request: &Release) -> Result<Proof, Refusal> {
    let proof = begin(enclave, request, Flow::Retail, user_tag)?;
    let Proof { intent, ticket, now_ms, .. } = &proof;
    must(!intent.items.is_empty(), "1 no items")?;
    must(intent.items.len() == request.items.len(), "1 items are not those of the intent")?;
    let policy = policy::judging(enclave, request, &proof)?;
    let own = proof.own_admission()?;
    policy::signed(&policy, request, intent)?;
    let wait_ms = policy::wait_ms(enclave, policy.retail_delay_s, ticket, own)?;
    let span_s = policy.retail_delay_s + i64::from(enclave.retail_window_s);
    demand(window_open(own.event_at_ms, *now_ms, span_s), "7 window is closed", Refusal::WindowClosed)?;
    demand(wait_ms <= 0, "7 delay is not over", Refusal::RecoveryDelayed(seconds_until(wait_ms, 0)))?;
    Ok(proof)
}

/// Whether an approval of that instant still counts, so many seconds after it: to the millisecond, and never from the
/// future.
fn window_open(approved_at_ms: i64, now_ms: i64, span_s: i64) -> bool {
    (approved_at_ms - SKEW_MS..=approved_at_ms + span_s * 1_000).contains(&now_ms)
}

/// The recipient is who the intent names, and may receive.
pub fn recipient(request: &Release, proof: &Proof) -> Result<Certificate, Refusal> {
    let certificate = inspect(&request.certificate, proof.now_ms).map_err(Refusal::Recipient)?;
    let (found, named) = (&certificate.recipient, &proof.intent.recipient);
    must(found.openpgp_fpr == named.openpgp_fpr, "9 fingerprint is not the intent's")?;
    must(found.enc_subkey_fpr == named.enc_subkey_fpr, "9 encryption key is not the intent's")?;
    must(hex(&found.cert_sha256) == named.cert_sha256, "9 certificate is not the intent's")?;
    let bound = proof.ticket.openpgp_fingerprint.as_ref().is_none_or(|bound| *bound == found.openpgp_fpr);
    let other = Refusal::Recipient(RecipientFault::OtherFingerprint);
    demand(bound, "9 session names another fingerprint", other)?;
    Ok(certificate)
}

/// Whether the session's recovery, the user and the tenant have a release left; holds the tenant's releases: two
/// at a time would not see each other in the counts.
pub fn may_release<'a>(enclave: &'a Enclave, request: &Release, proof: &Proof) -> Result<Busy<'a>, Refusal> {
    let policy = policy::standing(enclave, request, &proof.ticket.tenant_id)?;
    let name = [b"release ", proof.ticket.tenant_id.as_bytes()].concat();
    let held = enclave.ledger.hold(name, |_, releases| releases == 0);
    enclave.ledger.decide(|turn| {
        let session = turn.state().sessions.get(&proof.ticket.session_id);
        let released: Vec<_> = session.into_iter().flat_map(Session::released).collect();
        let this = (&proof.receives, &proof.items_digest);
        let same = |earlier: &&Intended| (&earlier.recipient, &earlier.items_digest) == this;
        demand(released.len() < DELIVERIES_MAX, "8 session has no delivery left", Refusal::SessionUsed)?;
        demand(released.iter().all(same), "8 session released otherwise", Refusal::SessionUsed)?;
        let within = || within_limits(turn, proof, &policy, released.is_empty());
        enclave.recovery_limits.then(within).unwrap_or(Ok(()))
    })?;
    Ok(held)
}

fn within_limits(turn: &Turn<'_>, proof: &Proof, policy: &TenantPolicy, first: bool) -> Result<(), Refusal> {
    let (state, now_ms, ticket) = (turn.state(), turn.now_ms, &proof.ticket);
    let [most, of_user] = [policy.max_releases_per_hour, policy.max_sessions_per_user_day].map(usize::from);
    let (releases, an_hour, a_day) = match proof.intent.flow {
        Flow::Retail => (state.releases.get(&ticket.tenant_id), most, most * 10),
        Flow::Control => (state.packages.get(&ticket.tenant_id), most / 5, most),
    };
    let free_at_ms = spent(state.recoveries.get(&ticket.user_tag), now_ms, DAY_MS, of_user).filter(|_| first);
    let wait = |at: Option<i64>| seconds_until(at.unwrap_or(now_ms), now_ms);
    demand(free_at_ms.is_none(), "8 user has no recovery left", Refusal::RecoveryLimit(wait(free_at_ms)))?;
    let by_hour = spent(releases, now_ms, HOUR_MS, an_hour);
    let free_at_ms = by_hour.max(spent(releases, now_ms, DAY_MS, a_day));
    demand(free_at_ms.is_none(), "8 tenant has no release left", Refusal::ReleaseLimit(wait(free_at_ms)))
}

/// The key of an item that may go out; none, with the step logged, for one that may not.
fn item_key(enclave: &Enclave, proof: &Proof, item: &ReleaseItem, intended: &Item) -> Option<RsaKey> {
    let key = || {
        let (facts, private_half) = open(&enclave.keyring, &item.key).map_err(|_| "8 key's seal")?;
        let record = RecordToken::believe(&enclave.keyring, &item.record).map_err(|_| "8 record")?;
        proof.covers(&facts, &record, item, intended)?;
        RsaKey::read(&private_half, &facts.public_key).map_err(|_| "8 key's halves differ")
    };
    key().inspect_err(|step| note("release", step)).ok()
}

impl Proof {
    /// The approval of whoever asks, in the session that he was asked in.
    pub fn own_admission(&self) -> Result<&Admission, Refusal> {
        let ticket = &self.ticket;
        let own = self.admissions.first().ok_or_else(|| failed("4 admissions"))?;
        must(own.session_id == ticket.session_id, "4 admission is not this session's")?;
        must(self.approves(own, &ticket.user_tag), "4 admission is no approval of this user")?;
        must(own.verification_id == self.intent.verification_id, "4 inquiry")?;
        Ok(own)
    }

    /// Whether an admission approves that user, or person, of the session's tenant, and says who he is.
    pub fn approves(&self, admission: &Admission, user_tag: &[u8; 32]) -> bool {
        let approved = admission.outcome == Outcome::Approved && admission.identity_tag.is_some();
        approved && admission.tenant_id == self.ticket.tenant_id && admission.user_tag == *user_tag
    }

    /// Whether what has been proven covers this item. Several of these follow from one another as long as no
    /// key is bound twice and no seal is broken; none relies on that.
    fn covers(&self, facts: &KeyFacts, record: &RecordToken, item: &ReleaseItem, intended: &Item) -> Step {
        let (ticket, own) = (&self.ticket, &self.admissions[0]);
        named(facts.tenant_id == ticket.tenant_id, "8 key is another tenant's")?;
        named(facts.user_tag == Some(ticket.user_tag), "8 key is another user's")?;
        named((facts.key_type, facts.home) == (KeyType::Rsa4096, Home::Hot), "8 key's kind")?;
        is_item(facts, record, item, intended)?;
        let stored_under = record.session_id.ok_or("8 item was not stored under a session")?;
        let confirmed = self.admissions.iter().any(|admission| {
            admission.session_id == stored_under
                && self.approves(admission, &ticket.user_tag)
                && admission.identity_tag == own.identity_tag
        });
        named(confirmed, "5 no approval of the same person for the session the item was stored under")
    }
}

/// Whether the intent means this item, and our record is of it: of this key, and of this user of its tenant.
pub fn is_item(facts: &KeyFacts, record: &RecordToken, item: &ReleaseItem, intended: &Item) -> Step {
    named(record.tenant_id == facts.tenant_id, "8 record is another tenant's")?;
    named(facts.user_tag == Some(record.user_tag), "8 record is another user's")?;
    named(record.backup_id == intended.backup_id, "8 record is another backup's")?;
    named(record.key_id == facts.key_id, "8 record is another key's")?;
    named(intended.key_id == facts.key_id, "8 intent names another key")?;
    let digest = facts.digest_of(&item.item_key, &item.ciphertext, &item.checksum);
    named(digest == record.record_digest, "8 digest is not the record's")?;
    named(hex(&digest) == intended.record_digest, "8 digest is not the intent's")
}

/// Decrypts an item, if its plaintext is what was checked.
pub fn plaintext(item: &ReleaseItem, key: &RsaKey) -> Option<Plaintext> {
    key.decrypt(&item.ciphertext).filter(|plaintext| plaintext.fits(&item.checksum))
}

/// Decrypts, compares, encrypts to the recipient.
fn outcome(certificate: &Certificate, item: &ReleaseItem, key: Option<RsaKey>) -> ItemOutcome {
    let encrypt = |plaintext: Plaintext| {
        let plaintext_bytes = u32::try_from(plaintext.len()).ok()?;
        let armoured = certificate.encrypt(plaintext, true).ok()?;
        Some(ItemOutcome::Message(Message { armoured, plaintext_bytes }))
    };
    key.and_then(|key| plaintext(item, &key)).and_then(encrypt).unwrap_or(ItemOutcome::Failed)
}

/// RELEASE-INTENT: what is about to be decrypted is on the disk before it is, and not after a freeze of its tenant. An
/// old log gets no further.
pub fn log_intent(enclave: &Enclave, proof: &Proof) -> Result<(), Refusal> {
    settle(enclave, false)?;
    enclave.ledger.decide(|turn| {
        let frozen = turn.state().frozen(&proof.ticket.tenant_id, turn.now_ms);
        ensure(frozen.left_ms == 0, Refusal::Frozen(seconds_until(frozen.left_ms, 0)))?;
        turn.record(Record::Intended(Intended {
            session_id: proof.ticket.session_id,
            opened_at_ms: proof.ticket.opened_at_ms,
            tenant_id: proof.ticket.tenant_id.clone(),
            user_tag: proof.ticket.user_tag,
            intent_hash: proof.intent_hash,
            items_digest: proof.items_digest,
            recipient: proof.receives.clone(),
        }))
    })
}

/// RELEASED: logs what goes out, and to whom, and counts it, before it does. Which delivery it is; 0 if nothing goes out.
pub fn log_end(enclave: &Enclave, proof: &Proof, output: [u8; 32], items: usize) -> Result<u32, Refusal> {
    let session_id = proof.ticket.session_id;
    let items = u32::try_from(items).unwrap_or(u32::MAX);
    let end = Delivered { session_id, output_sha256: output, recipient: proof.receives.clone(), items };
    let delivery = enclave.ledger.decide(|turn| {
        turn.record(Record::Delivered(end))?;
        Ok(turn.state().sessions.get(&session_id).map_or(0, |session| session.released().count()))
    })?;
    settle(enclave, true)?;
    Ok(if items == 0 { 0 } else { u32::try_from(delivery).unwrap_or(u32::MAX) })
}

/// Names a list of items by what each of them is: its id, its name, its plaintext's checksum. Not by key and
/// ciphertext, so that a key that is replaced between two deliveries makes no other items of them.
fn items_digest(items: &[Item], given: &[ReleaseItem]) -> [u8; 32] {
    let mut bytes = b"release-items/v2\0".to_vec();
    for (item, given) in items.iter().zip(given) {
        put_parts([item.backup_id.as_bytes(), given.item_key.as_bytes(), &given.checksum], &mut bytes);
    }
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use boundary::Env;
    use boundary::token::digest_preimage;

    use super::*;

    #[test]
    fn the_window_is_exact() {
        let approved = 1_000_000_000;
        for window_s in [60, 3_600, 604_800] {
            let end = approved + window_s * 1_000;
            for (now, open) in [
                (approved - SKEW_MS - 1, false),
                (approved - SKEW_MS, true),
                (approved, true),
                (end - 1, true),
                (end, true),
                (end + 1, false),
                (i64::MAX / 2, false),
            ] {
                assert_eq!(window_open(approved, now, window_s), open, "{now}");
            }
        }
    }

    /// A proof, and an item that it covers.
    struct Covered {
        proof: Proof,
        facts: KeyFacts,
        record: RecordToken,
        item: ReleaseItem,
        intended: Item,
    }

    fn admission(session_id: [u8; 16]) -> Admission {
        Admission {
            env: Env::Production,
            generation: 1,
            session_id,
            tenant_id: "t".into(),
            user_tag: [1; 32],
            provider: "p".into(),
            verification_id: "v".into(),
            outcome: Outcome::Approved,
            event_at_ms: 0,
            identity_tag: Some([8; 32]),
        }
    }

    impl Covered {
        fn new() -> Self {
            let (tenant, tag, key_id, session_id) = ("t".to_owned(), [1; 32], "k".to_owned(), [2; 16]);
            let env = Env::Production;
            let item = ReleaseItem {
                item_key: "i".into(),
                key: Vec::new(),
                ciphertext: vec![3; 512],
                checksum: [4; 32],
                record: Vec::new(),
            };
            let digest = sha256(&digest_preimage(
                &tenant,
                &tag,
                &key_id,
                &item.item_key,
                &item.ciphertext,
                &item.checksum,
            ));
            let ticket = Ticket {
                env,
                generation: 1,
                session_id: [5; 16],
                nonce: [6; 32],
                tenant_id: tenant.clone(),
                user_tag: tag,
                policy_hash: [7; 32],
                opened_at_ms: 0,
                openpgp_fingerprint: None,
            };
            let admissions = vec![admission([5; 16]), admission(session_id)];
            let intended =
                Item { backup_id: "b".into(), key_id: key_id.clone(), record_digest: hex(&digest) };
            let intent =
                Intent::from_canonical(include_bytes!("../../boundary/testdata/intent.json").trim_ascii());
            Self {
                proof: Proof {
                    intent: intent.unwrap(),
                    intent_hash: [0; 32],
                    items_digest: [0; 32],
                    receives: String::new(),
                    ticket,
                    admissions,
                    now_ms: 0,
                },
                facts: KeyFacts {
                    tenant_id: tenant.clone(),
                    user_tag: Some(tag),
                    key_id: key_id.clone(),
                    key_type: KeyType::Rsa4096,
                    home: Home::Hot,
                    public_key: Vec::new(),
                    created_at_ms: 0,
                    serial: 0,
                },
                record: RecordToken {
                    env,
                    generation: 1,
                    tenant_id: tenant,
                    user_tag: tag,
                    session_id: Some(session_id),
                    backup_id: "b".into(),
                    key_id,
                    record_digest: digest,
                    checked_at_ms: 0,
                },
                item,
                intended,
            }
        }

        fn holds(&self) -> bool {
            self.proof.covers(&self.facts, &self.record, &self.item, &self.intended).is_ok()
        }
    }

    #[test]
    fn each_field_of_an_item_is_checked_by_itself() {
        assert!(Covered::new().holds());
        let alterations: [fn(&mut Covered); 23] = [
            |covered| covered.facts.tenant_id = "u".into(),
            |covered| covered.facts.user_tag = Some([0; 32]),
            |covered| covered.facts.user_tag = None,
            |covered| covered.facts.key_type = KeyType::Ed25519,
            |covered| covered.facts.home = Home::Cold,
            |covered| covered.facts.key_id = "l".into(),
            |covered| covered.record.tenant_id = "u".into(),
            |covered| covered.record.user_tag = [0; 32],
            |covered| covered.record.backup_id = "c".into(),
            |covered| covered.record.key_id = "l".into(),
            |covered| covered.record.record_digest = [0; 32],
            |covered| covered.record.session_id = None,
            |covered| covered.record.session_id = Some([9; 16]),
            |covered| covered.intended.backup_id = "c".into(),
            |covered| covered.intended.key_id = "l".into(),
            |covered| covered.intended.record_digest = hex(&[0; 32]),
            |covered| covered.item.item_key = "j".into(),
            |covered| covered.item.ciphertext[0] = 0,
            |covered| covered.item.checksum[0] = 0,
            |covered| covered.proof.admissions[1].outcome = Outcome::IdentityDiffers,
            |covered| covered.proof.admissions[1].tenant_id = "u".into(),
            |covered| covered.proof.admissions[1].user_tag = [0; 32],
            |covered| covered.proof.admissions[1].identity_tag = Some([0; 32]),
        ];
        for (n, alter) in alterations.iter().enumerate() {
            let mut covered = Covered::new();
            alter(&mut covered);
            assert!(!covered.holds(), "alteration {n}");
        }
        let mut nobody = Covered::new();
        nobody.proof.admissions.iter_mut().for_each(|admission| admission.identity_tag = None);
        assert!(!nobody.holds());
    }

    #[test]
    fn a_plaintext_with_another_checksum_stays_inside() {
        let pair = crate::generate::make(KeyType::Rsa4096).unwrap();
        let key = RsaKey::read(&pair.private_half, &pair.public_key).unwrap();
        let mut item = Covered::new().item;
        item.ciphertext = crate::generate::encrypt_for_test(&pair.public_key, b"plain");
        item.checksum = sha256(b"plain");
        assert!(plaintext(&item, &key).is_some());
        item.checksum = sha256(b"other");
        assert!(plaintext(&item, &key).is_none());
    }

    #[test]
    fn no_two_lists_of_items_have_one_digest() {
        let digest = |items: &[(&str, &str, u8)], key: &str| {
            let pairs = items.iter().map(|&(id, name, sum)| {
                let intended =
                    Item { backup_id: id.into(), key_id: key.into(), record_digest: key.repeat(2) };
                let (item_key, key, ciphertext) = (name.into(), key.into(), key.into());
                (intended, ReleaseItem { item_key, key, ciphertext, checksum: [sum; 32], record: Vec::new() })
            });
            let (intended, given): (Vec<_>, Vec<_>) = pairs.unzip();
            items_digest(&intended, &given)
        };
        let one = digest(&[("ab", "c", 1)], "k");
        assert_eq!(one, digest(&[("ab", "c", 1)], "its successor"), "whatever key it is encrypted to");
        for other in [
            vec![("a", "bc", 1)],
            vec![("ab", "d", 1)],
            vec![("ab", "c", 2)],
            vec![],
            vec![("ab", "c", 1), ("ab", "c", 1)],
        ] {
            assert_ne!(one, digest(&other, "k"));
        }
    }
}
