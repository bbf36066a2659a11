//! A user's recovery, under a policy that demands his tenant's signature.

use boundary::Env;
use boundary::approval::Demand;
use boundary::intent::Flow;
use boundary::message::{Release, Request};
use boundary::token::{Admission, Record, Ticket};
use boundary::wire::Wire;

use super::alter::{bytes, document};
use super::rig::control::{bytes_of, hash_of};
use super::rig::policy_of::{House, jws, request_key};
use super::rig::*;
use super::{Matrix, World, fresh};
use crate::expect;

/// When, and for whom, the server asks is its own to say: these are no forgeries, as long as they can be read and the
/// intent is in force.
const ITS_OWN_TO_SAY: [(&str, &[&str]); 3] = [
    ("intent: requested_by ", &["flipped", "empty", "longer", "another"]),
    ("intent: not_before ", &["flipped", "empty", "negative", "another"]),
    ("intent: expires_at ", &["flipped", "longer", "another"]),
];

fn is_its_own_to_say(name: &str) -> bool {
    let is = |(member, how): &(&str, &[&str])| {
        name.strip_prefix(member).is_some_and(|what| how.iter().any(|how| what.starts_with(how)))
    };
    ITS_OWN_TO_SAY.iter().any(is)
}

/// A recovery of one item in a session of its own.
pub struct Case {
    pub bundle: Bundle,
    pub stored: Stored,
    pub session: Session,
}

pub fn case(world: &mut World, house: &House, user: &str, key: &UserKey) -> Case {
    let (client, tenant) = (&mut world.client, house.tenant.as_str());
    let session = open(client, tenant, user, None);
    let stored = store(client, key, tenant, user, Some(&session), &fresh("backup"));
    let inquiry = fresh("inq");
    let admission = approve(client, &mut world.provider, &session, &inquiry);
    let mut bundle = Bundle::new(
        client,
        Env::Production,
        tenant,
        user,
        &session,
        &[admission],
        &inquiry,
        &world.owner,
        std::slice::from_ref(&stored),
    );
    house.bring(&mut bundle);
    Case { bundle, stored, session }
}

/// Token after token of the session, as it would be with another value in one field; the seal is that of the good one.
fn fields(good: &Case, other: &Case) -> Vec<(String, Vec<u8>, &'static str)> {
    let bare = |token: &[u8]| token[..token.len() - 32].to_vec();
    let (ticket, admission) = (&good.bundle.ticket, &good.bundle.admissions[0]);
    let record = &good.bundle.items[0].record;
    let mut all = Vec::new();
    macro_rules! alter {
        ($kind:ident $token:ident $name:literal: $($field:ident = $value:expr;)*) => {$(
            let mut forged = $kind::from_bytes(&bare($token)).unwrap();
            forged.$field = $value;
            let encoded = forged.to_bytes();
            for (how, mac) in [("its seal", $token[$token.len() - 32..].to_vec()), ("no seal", vec![0; 32])] {
                let name = format!("{}: {} = {} under {how}", $name, stringify!($field), stringify!($value));
                all.push((name, [encoded.as_slice(), &mac].concat(), $name));
            }
        )*};
    }
    let theirs = other.session.ticket();
    alter! { Ticket ticket "ticket":
        env = Env::Sandbox; generation = 2; session_id = [0; 16]; session_id = theirs.session_id; nonce = [0; 32];
        nonce = theirs.nonce; tenant_id = "tenant-b".into(); tenant_id = String::new(); user_tag = [0; 32];
        user_tag = theirs.user_tag; policy_hash = [0; 32]; opened_at_ms = 0; opened_at_ms = i64::MAX;
        openpgp_fingerprint = Some("A".repeat(40)); openpgp_fingerprint = Some(String::new());
    }
    let differs = boundary::token::Outcome::IdentityDiffers;
    alter! { Admission admission "admission":
        env = Env::Sandbox; generation = 2; session_id = theirs.session_id; session_id = [0; 16];
        tenant_id = "tenant-b".into(); tenant_id = String::new(); user_tag = [0; 32]; user_tag = theirs.user_tag;
        provider = String::new(); verification_id = "inq_0".into(); verification_id = String::new();
        outcome = differs; outcome = boundary::token::Outcome::Declined; event_at_ms = 0; event_at_ms = i64::MAX;
        identity_tag = None; identity_tag = Some([0; 32]);
    }
    let their_item = Record::from_bytes(&bare(&other.bundle.items[0].record)).unwrap();
    alter! { Record record "record":
        env = Env::Sandbox; generation = 2; tenant_id = "tenant-b".into(); tenant_id = String::new();
        user_tag = [0; 32]; user_tag = their_item.user_tag; session_id = None; session_id = their_item.session_id;
        backup_id = their_item.backup_id.clone(); backup_id = String::new(); key_id = their_item.key_id.clone();
        key_id = String::new(); record_digest = [0; 32]; record_digest = their_item.record_digest;
        checked_at_ms = 0; checked_at_ms = i64::MAX;
    }
    all
}

pub fn matrix(world: &mut World) -> Matrix {
    let (tenant, elsewhere) = (fresh("house"), fresh("house"));
    let house = House::new(&mut world.client, &tenant, |_| ());
    let abroad = House::new(&mut world.client, &elsewhere, |_| ());
    let key = new_key(&mut world.client, &tenant, USER);
    let of_another = new_key(&mut world.client, &tenant, "user-2");
    let of_abroad = new_key(&mut world.client, &elsewhere, USER);
    let [good, twin] = [(); 2].map(|()| case(world, &house, USER, &key));
    let another = case(world, &house, "user-2", &of_another);
    let foreign = case(world, &abroad, USER, &of_abroad);
    let others = [("another session's", &twin), ("another user's", &another), ("another tenant's", &foreign)];
    let of =
        |part: fn(&Release) -> Vec<u8>| others.map(|(whose, case)| (whose, part(&case.bundle.request())));
    let request = good.bundle.request();
    let mut forgeries: Vec<(String, Release)> = Vec::new();
    let mut take = |altered: Vec<(String, Vec<u8>)>, put: fn(&mut Release, Vec<u8>)| {
        for (name, bad) in altered.into_iter().filter(|(name, _)| !is_its_own_to_say(name)) {
            let mut forged = request.clone();
            put(&mut forged, bad);
            forgeries.push((name, forged));
        }
    };
    take(document("intent", &request.intent, &of(|it| it.intent.clone())), |it, bad| it.intent = bad);
    take(bytes("ticket", &request.ticket, &of(|it| it.ticket.clone())), |it, bad| it.ticket = bad);
    let admissions = of(|it| it.admissions[0].clone());
    take(bytes("admission", &request.admissions[0], &admissions), |it, bad| it.admissions[0] = bad);
    take(bytes("certificate", &request.certificate, &[("the thief's", world.thief.clone())]), |it, bad| {
        it.certificate = bad;
    });
    let item = &request.items[0];
    take(bytes("record", &item.record, &of(|it| it.items[0].record.clone())), |it, bad| {
        it.items[0].record = bad;
    });
    let mut keys = of(|it| it.items[0].key.clone()).to_vec();
    keys.retain(|(whose, _)| *whose != "another session's");
    keys.push(("the pool's", key.pool.sealed.clone()));
    take(bytes("sealed key", &item.key, &keys), |it, bad| it.items[0].key = bad);
    let ciphertexts = of(|it| it.items[0].ciphertext.clone());
    take(bytes("ciphertext", &item.ciphertext, &ciphertexts), |it, bad| it.items[0].ciphertext = bad);
    let checksums = of(|it| it.items[0].checksum.to_vec());
    take(bytes("checksum", &item.checksum, &checksums), |it, bad| {
        let mut sized = [0; 32];
        let end = bad.len().min(32);
        sized[..end].copy_from_slice(&bad[..end]);
        // What has another length cannot be sent; its beginning, where it is the good one, is no forgery.
        it.items[0].checksum = if sized == it.items[0].checksum { [1; 32] } else { sized };
    });
    let names = of(|it| it.items[0].item_key.clone().into_bytes());
    take(texts("item key", &item.item_key, &names), |it, bad| it.items[0].item_key = text(bad));
    take(texts("user", USER, &[("another user's", b"user-2".to_vec())]), |it, bad| {
        it.user_identifier = text(bad);
    });
    let signature = request.request_signature.clone().unwrap();
    let signatures = of(|it| it.request_signature.clone().unwrap_or_default().into_bytes());
    take(texts("signature", &signature, &signatures), |it, bad| it.request_signature = Some(text(bad)));
    take(document("policy", &request.policies[0], &of(|it| it.policies[0].clone())), |it, bad| {
        it.policies[0] = bad;
    });
    for (name, bad, kind) in fields(&good, &another) {
        take(
            vec![(name, bad)],
            match kind {
                "ticket" => |it, bad| it.ticket = bad,
                "admission" => |it, bad| it.admissions[0] = bad,
                _ => |it, bad| it.items[0].record = bad,
            },
        );
    }
    forgeries.extend(by_hand(world, &house, &good, &twin));
    let forgeries = forgeries.into_iter().map(|(name, it)| (name, Request::Release(it))).collect();
    let [twin, good] = [twin, good].map(|case| Request::Release(case.bundle.request()));
    Matrix { twin, good, forgeries }
}

/// What travels as text: an alteration that is none is not tried.
pub fn texts(name: &str, good: &str, others: super::alter::Others<'_>) -> Vec<(String, Vec<u8>)> {
    let mut altered = bytes(name, good.as_bytes(), others);
    altered.retain(|(_, bad)| std::str::from_utf8(bad).is_ok());
    altered
}

pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

pub fn twice<T: Clone>(list: &[T]) -> Vec<T> {
    [list, list].concat()
}

/// What no table makes: other keys, other algorithms, other times, other numbers of pieces.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn by_hand(world: &mut World, house: &House, good: &Case, twin: &Case) -> Vec<(String, Release)> {
    type Alter<'a> = Box<dyn Fn(&mut Bundle) + 'a>;
    let payload = House::payload(&good.bundle);
    let signed = |header: &str| jws(&house.signer, header, &payload);
    let thief = world.gpg.fingerprints("thief");
    let steal = |bundle: &mut Bundle| {
        bundle.certificate.clone_from(&world.thief);
        bundle.intent.recipient = boundary::intent::Recipient {
            openpgp_fpr: thief[0].clone(),
            enc_subkey_fpr: thief[1].clone(),
            cert_sha256: hex(&sha256(&world.thief)),
        };
    };
    let lax = House::next(&house.policy, |policy| policy.partner_signature = Demand::Optional);
    let later = house.amend(&mut world.client, &lax, Some(&house.policy));
    assert!(expect!(later, Amended).effective_at_ms > now_ms(), "it waits");
    let sign = |signature: String| -> Alter<'_> {
        Box::new(move |bundle| bundle.request_signature = Some(signature.clone()))
    };
    let alterations: Vec<(&str, Alter<'_>)> = vec![
        ("intent: env sandbox", Box::new(|it| it.intent.env = Env::Sandbox)),
        ("intent: flow control", Box::new(|it| it.intent.flow = Flow::Control)),
        ("intent: expired", Box::new(|it| it.intent.expires_at_ms = now_ms() - 1)),
        ("intent: future", Box::new(|it| it.intent.not_before_ms = now_ms() + 600_000)),
        ("intent: no items", Box::new(|it| it.intent.items.clear())),
        ("intent: an item twice", Box::new(|it| it.intent.items = twice(&it.intent.items))),
        ("items: none", Box::new(|it| it.items.clear())),
        ("items: one twice", Box::new(|it| it.items = twice(&it.items))),
        ("items: another's beside", Box::new(|it| it.items.push(twin.stored.item.clone()))),
        ("admissions: none", Box::new(|it| it.admissions.clear())),
        (
            "admissions: another's first",
            Box::new(|it| it.admissions.insert(0, twin.bundle.admissions[0].clone())),
        ),
        ("admissions: too many", Box::new(|it| it.admissions = vec![it.admissions[0].clone(); 1_002])),
        ("admissions: a ticket beside", Box::new(|it| it.admissions.push(it.ticket.clone()))),
        ("admission: a record", Box::new(|it| it.admissions[0] = it.items[0].record.clone())),
        ("ticket: an admission", Box::new(|it| it.ticket = it.admissions[0].clone())),
        ("record: an admission", Box::new(|it| it.items[0].record = it.admissions[0].clone())),
        ("signature: none", Box::new(|it| it.request_signature = None)),
        ("signature: wrong key", sign(jws(&request_key(), r#"{"alg":"ES256"}"#, &payload))),
        ("signature: wrong algorithm", sign(signed(r#"{"alg":"ES384"}"#))),
        ("signature: no algorithm", sign(signed(r#"{"alg":"none"}"#))),
        ("signature: duplicate algorithm", sign(signed(r#"{"alg":"ES256","alg":"ES256"}"#))),
        ("signature: critical member", sign(signed(r#"{"alg":"ES256","crit":["x"],"x":1}"#))),
        ("signature: another key's name", sign(signed(r#"{"alg":"ES256","kid":"second"}"#))),
        ("policies: none", Box::new(|it| it.policies.clear())),
        ("policies: one that waits", Box::new(|it| it.policies = vec![bytes_of(&lax)])),
        (
            "policies: one that waits, by the intent",
            Box::new(|it| {
                it.policies = vec![bytes_of(&lax)];
                (it.intent.policy_hash, it.intent.policy_version) = (hex(&hash_of(&lax)), lax.version);
            }),
        ),
        ("recipient: the thief", Box::new(steal)),
        (
            "recipient: the thief, unsigned",
            Box::new(|it| {
                steal(it);
                it.request_signature = None;
            }),
        ),
        ("certificate: expired", Box::new(|it| it.certificate.clone_from(&world.expired))),
        (
            "certificate: two",
            Box::new(|it| it.certificate = [it.certificate.as_slice(), &world.thief].concat()),
        ),
    ];
    let altered = alterations.into_iter().map(|(name, alter)| {
        let mut bundle = good.bundle.clone();
        alter(&mut bundle);
        (name.to_owned(), bundle.request())
    });
    altered.collect()
}
