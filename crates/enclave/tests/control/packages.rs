//! Attacks on the release of what a list has approved.

use boundary::batch::{Batch, BatchKey, preimage};
use boundary::message::{Adopt, Ballot, ReleaseItem};
use boundary::token::{Admission, person_tag_preimage};
use boundary::wire::Wire as _;

use super::*;

/// An item, altered with another one at hand.
type Alter = fn(&mut ReleaseItem, &Stored);

/// A moment after that check, which is over when this returns.
fn after(admission: &[u8]) -> i64 {
    let (token, _mac) = admission.split_at(admission.len() - 32);
    let after_ms = Admission::from_bytes(token).unwrap().event_at_ms + 1;
    while now_ms() <= after_ms {
        std::thread::yield_now();
    }
    after_ms
}

pub const SCRIPTS: &[Script] = &[
    ("open somebody's data, and his keys and files", |world| {
        let mut stored = world.stored();
        let kinds = [KeyType::Ed25519, KeyType::Secp256k1];
        let keys = kinds.map(|kind| new_key_of(&mut world.client, kind, TENANT, USER));
        attach(&mut world.client, &world.owner, &world.roster, &world.list, &[&keys[0], &keys[1]]);
        stored.push(file(&keys[0], &world.fresh("backup"), b"a file as it was uploaded"));
        let mut all = keys.to_vec();
        all.push(world.key.clone());
        let parcel = world.asked(&stored, &all);
        let hash = parcel.hash();
        let mut parcel = parcel.voted(&[&world.anna]);
        parcel.ballots.push(world.ben.yes_offline(&hash));
        world.releases(&parcel, &stored);
        let packaged = expect!(parcel.send(&mut world.client), Packaged);
        assert_eq!(packaged.delivery, 2);
        let files = unpack(&world.gpg, &packaged.message);
        let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap();
        for stored in &stored {
            assert!(manifest.contains(&stored.backup_id), "{manifest}");
        }
        assert_eq!(files.len(), 1 + stored.len() + all.len());
        for key in &all {
            // OpenSSL reads each private key, and derives the public half that was given out.
            let pem = &files[&format!("keys/{}.pem", key.pool.key_id)];
            std::fs::write(world.folder.path("key.pem"), pem).unwrap();
            let mut openssl = std::process::Command::new("openssl");
            openssl.args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(world.folder.path("key.pem"));
            if key.pool.key_type == KeyType::Secp256k1 {
                openssl.args(["-ec_conv_form", "compressed"]);
            }
            let public = run(&mut openssl).stdout;
            assert!(public.ends_with(&key.pool.public_key), "{:?}", key.pool.key_type);
        }
    }),
    ("ask in another's name, or without being on the list", |world| {
        world.altered("another requester", |world, parcel| {
            parcel.bundle.intent.requested_by = "ben".into();
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
        world.altered("another's name outside", |_, parcel| parcel.bundle.user = "ben".into());
        let session = open_person(&mut world.client, TENANT, "mallory");
        let stored = world.stored();
        let asks = (&world.stranger, &session);
        let mut parcel =
            Parcel::new(&mut world.client, &world.list, asks, USER, &world.recipient, (&stored, &[]));
        parcel.bundle.admissions = vec![approve(&mut world.client, &mut world.provider, &session, "inq_1")];
        let parcel = parcel.voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "a stranger");
    }),
    ("bring another person's check, an old one, or none", |world| {
        let of_ben = open_person(&mut world.client, TENANT, "ben");
        let bens = approve(&mut world.client, &mut world.provider, &of_ben, "inq_1");
        let as_user = open(&mut world.client, TENANT, "anna", None);
        let users = approve(&mut world.client, &mut world.provider, &as_user, "inq_1");
        world.altered("none", |_, parcel| parcel.bundle.admissions.clear());
        world.altered("another person's", |_, parcel| parcel.bundle.admissions = vec![bens]);
        world.altered("a user's of that name", |_, parcel| parcel.bundle.admissions = vec![users]);
        let (earlier, _) = world.case();
        world.altered("one of another session", |_, parcel| {
            parcel.bundle.admissions.clone_from(&earlier.bundle.admissions);
        });
        world.altered("a check that shows somebody else", |world, parcel| {
            let session = open_person(&mut world.client, TENANT, "anna");
            let event = world.provider.sign(&session.id, r#""person":{"name-first":"Eve"}"#);
            let admitted = expect!(world.client.call(&admit_request(&session, &event)), Admitted);
            assert!(admitted.identity_differs);
            parcel.bundle.ticket.clone_from(&session.ticket);
            parcel.bundle.intent.session_nonce = hex(&session.ticket().nonce);
            parcel.bundle.admissions = admitted.admission.into_iter().collect();
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
        world.altered("another inquiry", |world, parcel| {
            parcel.bundle.intent.verification_id = "inq_2".into();
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
        world.altered("a check of before he asked", |world, parcel| {
            parcel.bundle.intent.not_before_ms = after(&parcel.bundle.admissions[0]);
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
        world.altered("another ticket", |world, parcel| {
            parcel.bundle.ticket = open_person(&mut world.client, TENANT, "anna").ticket;
        });
        world.altered("a user's ticket", |world, parcel| {
            let session = open(&mut world.client, TENANT, "anna", None);
            parcel.bundle.ticket.clone_from(&session.ticket);
            parcel.bundle.intent.session_nonce = hex(&session.ticket().nonce);
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
    }),
    ("take more deliveries in another session, where nobody is checked", |world| {
        let (anna, ben) = (&world.anna, &world.ben);
        let lax =
            AclDocument { check_requester: false, ..list(Env::Production, TENANT, "list-lax", &[anna, ben]) };
        let signed = vec![world.owner.yes(&hash_of(&lax))];
        expect!(amend(&mut world.client, &lax, None, Some(&world.roster), signed), Amended);
        let key = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        attach(&mut world.client, &world.owner, &world.roster, &lax, &[&key]);
        let mut good = world.asked_of(&lax, &[], &[key]);
        good.bundle.admissions.clear();
        let good = good.voted(&[&world.anna, &world.ben]);
        let mut elsewhere = good.clone();
        elsewhere.bundle.ticket = open_person(&mut world.client, TENANT, "anna").ticket;
        world.proof_fails(&elsewhere, "another session of the same person");
        world.releases(&good, &[]);
    }),
    ("leave out the check of a voter", |world| {
        let (anna, ben) = (&world.anna, &world.ben);
        let strict =
            AclDocument { check_voters: true, ..list(Env::Production, TENANT, "list-strict", &[anna, ben]) };
        let signed = vec![world.owner.yes(&hash_of(&strict))];
        expect!(amend(&mut world.client, &strict, None, Some(&world.roster), signed), Amended);
        let key = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        attach(&mut world.client, &world.owner, &world.roster, &strict, &[&key]);
        let of_ben = open_person(&mut world.client, TENANT, "ben");
        let old = approve(&mut world.client, &mut world.provider, &of_ben, "inq_1");
        let not_before_ms = after(&old);
        let mut parcel = world.asked_of(&strict, &[], &[key]);
        parcel.bundle.intent.not_before_ms = not_before_ms;
        let own = parcel.bundle.admissions.clone();
        let parcel = parcel.voted(&[&world.anna, &world.ben]);
        let elsewhere = open_person(&mut world.client, "tenant-b", "ben");
        let elsewhere = approve(&mut world.client, &mut world.provider, &elsewhere, "inq_1");
        let with = |admission: Option<Vec<u8>>| {
            let mut parcel = parcel.clone();
            parcel.bundle.admissions = own.iter().cloned().chain(admission).collect();
            parcel
        };
        world.proof_fails(&with(None), "none");
        world.proof_fails(&with(Some(old)), "of before the request");
        world.proof_fails(&with(Some(elsewhere)), "of another tenant's person");
        world.proof_fails(&with(Some(own[0].clone())), "the requester's again");
        let of_ben = open_person(&mut world.client, TENANT, "ben");
        let fresh = approve(&mut world.client, &mut world.provider, &of_ben, "inq_1");
        world.releases(&with(Some(fresh)), &[]);
    }),
    ("change what was approved", |world| {
        let thief = world.thief.clone();
        let mut swapped = world.case().0;
        swapped.bundle.certificate.clone_from(&thief);
        world.proof_fails(&swapped, "another certificate");
        let mut theirs = world.case().0;
        theirs.bundle.certificate.clone_from(&thief);
        let inspect = Request::Inspect(boundary::message::Inspect { certificate: thief.clone() });
        let found = expect!(world.client.call(&inspect), Inspected);
        theirs.bundle.intent.recipient = boundary::intent::Recipient {
            openpgp_fpr: found.openpgp_fpr,
            enc_subkey_fpr: found.enc_subkey_fpr,
            cert_sha256: hex(&found.cert_sha256),
        };
        world.proof_fails(&theirs, "another certificate, and the intent with it");
        for (why, alter) in [
            ("reason", (|intent| intent.reason.push('!')) as fn(&mut boundary::intent::Intent)),
            ("end", |intent| intent.expires_at_ms += 1),
            ("begin", |intent| intent.not_before_ms -= 1),
            ("item", |intent| drop(intent.items.pop())),
            ("list", |intent| intent.acl_id = "list-0".into()),
            ("version", |intent| intent.policy_version = 2),
            ("document", |intent| intent.policy_hash = "ab".repeat(32)),
            ("tenant", |intent| intent.tenant_id = "tenant-b".into()),
            ("environment", |intent| intent.env = Env::Sandbox),
            ("flow", |intent| intent.flow = boundary::intent::Flow::Retail),
        ] {
            world.altered(why, |_, parcel| alter(&mut parcel.bundle.intent));
            let as_signed = |world: &mut World, parcel: &mut Parcel| {
                alter(&mut parcel.bundle.intent);
                *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
            };
            if !matches!(why, "reason" | "end" | "begin" | "item") {
                world.altered(why, as_signed);
            }
        }
        world.altered("it ended", |world, parcel| {
            parcel.bundle.intent.expires_at_ms = now_ms() - 1;
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
        world.altered("it has not begun", |world, parcel| {
            parcel.bundle.intent.not_before_ms = now_ms() + 60_000;
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
        world.altered("its vote is closed", |world, parcel| {
            parcel.bundle.intent.not_before_ms -= 700_000_000;
            *parcel = parcel.clone().voted(&[&world.anna, &world.ben]);
        });
        world.altered("a key more", |world, parcel| parcel.keys.push(world.key.clone()));
        world.altered("an item less", |_, parcel| drop(parcel.bundle.items.pop()));
    }),
    ("swap items, alter files", |world| {
        let key = world.key.clone();
        let (mine, others) = (world.stored(), world.stored());
        let uploaded = file(&key, &world.fresh("backup"), b"uploaded");
        let stored = [mine.clone(), vec![uploaded]].concat();
        let good = world.asked(&stored, &[]).voted(&[&world.anna, &world.ben]);
        let alterations: [(&str, usize, Alter); 6] = [
            ("another item", 0, |item, other| *item = other.item.clone()),
            ("another ciphertext", 0, |item, other| item.ciphertext.clone_from(&other.item.ciphertext)),
            ("another name", 0, |item, _| item.item_key.push('x')),
            ("another checksum", 1, |item, _| item.checksum[0] ^= 1),
            ("data as a file", 1, |item, _| item.record.clear()),
            ("an altered file", 2, |item, _| item.ciphertext[0] ^= 1),
        ];
        for (why, at, alter) in alterations {
            let (mut bad, named) = (good.clone(), &stored[at].backup_id);
            // Each alteration in a session of its own: three deliveries are all that one has.
            let fresh = world.asked(&stored, &[]).voted(&[&world.anna, &world.ben]);
            bad.bundle = fresh.bundle;
            bad.ballots = fresh.ballots;
            alter(&mut bad.bundle.items[at], &others[0]);
            let packaged = expect!(bad.send(&mut world.client), Packaged);
            let files = unpack(&world.gpg, &packaged.message);
            assert_eq!(files.len(), 3, "{why}: the manifest and two others");
            assert!(files.keys().all(|name| !name.ends_with(named.as_str())), "{why}: {named} went out");
        }
        world.altered("all of them", |_, parcel| {
            for item in &mut parcel.bundle.items {
                item.checksum[0] ^= 1;
            }
        });
        world.releases(&good, &stored);
    }),
    ("take keys that the list does not guard", |world| {
        let unattached = world.unattached.clone();
        let name = world.fresh("backup");
        let outside = store(&mut world.client, &unattached, TENANT, USER, None, &name);
        let parcel = world.asked(&[outside], &[]).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "an item of an unattached key");
        let parcel = world.asked(&[], &[unattached]).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "an unattached key");
        let elsewhere = new_key(&mut world.client, "tenant-b", USER);
        let parcel = world.asked(&[], std::slice::from_ref(&elsewhere)).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "another tenant's key");
        let theirs = file(&elsewhere, &world.fresh("backup"), b"theirs");
        let parcel = world.asked(&[theirs], &[]).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "another tenant's file");
        let key = world.key.clone();
        let mut swapped = world.asked(&[], std::slice::from_ref(&key)).voted(&[&world.anna, &world.ben]);
        let good = swapped.clone();
        swapped.keys = vec![elsewhere];
        world.proof_fails(&swapped, "another key than was approved");
        let another = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        attach(&mut world.client, &world.owner, &world.roster, &world.list, &[&another]);
        swapped.keys = vec![another];
        world.proof_fails(&swapped, "another key of the same list");
        world.releases(&good, &[]);
        let parcel = world.asked(&[], &[]).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "nothing at all");
    }),
    ("take another user's item under the list's key", |world| {
        let (other, name) = (new_key(&mut world.client, TENANT, "user-2"), world.fresh("backup"));
        let theirs = store(&mut world.client, &other, TENANT, "user-2", None, &name);
        let mut stored = theirs.clone();
        stored.key_id.clone_from(&world.key.pool.key_id);
        stored.item.key.clone_from(&world.key.sealed);
        let mut parcel = world.asked(&[stored], &[]);
        parcel.bundle.intent.items[0].record_digest = hex(&theirs.digest(TENANT, "user-2"));
        let parcel = parcel.voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "their record under this key");
    }),
    ("vote by an old version, or as a member who was removed", |world| {
        let (anna, ben, cora) = (&world.anna, &world.ben, &world.cora);
        let first = list(Env::Production, TENANT, "list-old", &[anna, ben, cora]);
        let signed = vec![world.owner.yes(&hash_of(&first))];
        expect!(amend(&mut world.client, &first, None, Some(&world.roster), signed), Amended);
        let key = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        attach(&mut world.client, &world.owner, &world.roster, &first, &[&key]);
        let second = next(&first, |list| drop(list.members.remove(2)));
        let ballots = vec![world.anna.yes(&hash_of(&second)), world.cora.yes(&hash_of(&second))];
        expect!(amend(&mut world.client, &second, Some(&bytes_of(&first)), None, ballots), Amended);
        let keys = std::slice::from_ref(&key);
        let old = world.asked_of(&first, &[], keys).voted(&[&world.anna, &world.cora]);
        world.proof_fails(&old, "by the version before");
        let removed = world.asked_of(&second, &[], keys).voted(&[&world.anna, &world.cora]);
        world.proof_fails(&removed, "by one who was removed");
        let good = world.asked_of(&second, &[], keys).voted(&[&world.anna, &world.ben]);
        world.releases(&good, &[]);
    }),
    ("overrule a Veto member, or go without a Must member", |world| {
        let (anna, ben, cora) = (&world.anna, &world.ben, &world.cora);
        let mut made = list(Env::Production, TENANT, "list-veto", &[anna, ben, cora]);
        (made.members[1].veto, made.members[2].must) = (true, true);
        let signed = vec![world.owner.yes(&hash_of(&made))];
        expect!(amend(&mut world.client, &made, None, Some(&world.roster), signed), Amended);
        let key = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        attach(&mut world.client, &world.owner, &world.roster, &made, &[&key]);
        let good = world.asked_of(&made, &[], &[key]).voted(&[&world.anna, &world.cora]);
        let without = good.clone().voted(&[&world.anna, &world.ben]);
        world.proof_fails(&without, "without the Must member");
        let mut vetoed = good.clone();
        vetoed.ballots.push(world.ben.no(&good.hash()));
        world.proof_fails(&vetoed, "with a veto");
        world.releases(&good, &[]);
        world.proof_fails(&vetoed, "with a veto that comes later");
    }),
    ("take a fourth delivery, or another recovery in its session", |world| {
        let (good, _) = world.case();
        let mut other = good.clone();
        other.bundle.intent.reason = "another".into();
        let other = other.voted(&[&world.anna, &world.ben]);
        for delivery in 1..=3 {
            assert_eq!(expect!(good.send(&mut world.client), Packaged).delivery, delivery);
            world.refuses(&other, &Refusal::SessionUsed, "another recovery");
        }
        world.refuses(&good, &Refusal::SessionUsed, "a fourth");
    }),
    ("take a key whose private half is offline", |world| {
        let public_key = world.unattached.pool.public_key.clone();
        let key = BatchKey { key_id: "cold-1".into(), key_type: KeyType::Rsa4096, public_key };
        let batch =
            Batch { env: Env::Production, batch_id: [1; 16], made_at_ms: 1, keys: vec![key] }.to_bytes();
        let signature = world.offline.sign(&preimage(&batch)).as_ref().to_vec();
        let adopted = expect!(world.client.call(&Request::Adopt(Adopt { batch, signature })), Adopted);
        let pool = adopted.keys[0].clone();
        let bound = expect!(world.client.call(&Request::Bind(bind_request(&pool, TENANT, USER))), Bound);
        let cold = UserKey { sealed: bound.sealed, pool };
        attach(&mut world.client, &world.owner, &world.roster, &world.list, &[&cold]);
        let parcel = world.asked(&[], std::slice::from_ref(&cold)).voted(&[&world.anna, &world.ben]);
        world.refuses(&parcel, &Refusal::WrongKeyType, "a private key that is offline");
        let under = file(&cold, &world.fresh("backup"), b"under a cold key");
        let parcel = world.asked(&[under], &[]).voted(&[&world.anna, &world.ben]);
        world.refuses(&parcel, &Refusal::WrongKeyType, "an item of a key that is offline");
    }),
    ("send it as a release to a user, and the other way round", |world| {
        let (good, stored) = world.case();
        let request = Request::Release(good.bundle.request());
        assert_eq!(world.client.call(&request), Reply::Refused(Refusal::ProofFailed));
        let mut retail = good.clone();
        retail.bundle.intent.flow = boundary::intent::Flow::Retail;
        world.proof_fails(&retail, "an intent of a user");
        let mut ballot = good.clone();
        ballot.ballots.push(Ballot { person_id: String::new(), ..good.ballots[0].clone() });
        world.proof_fails(&ballot, "a ballot of nobody");
        let mut tag = good.clone();
        tag.bundle.intent.user_tag = hex(&sha256(&person_tag_preimage(TENANT, "ben")));
        let tag = tag.voted(&[&world.anna, &world.ben]);
        world.proof_fails(&tag, "another's tag");
        world.releases(&good, &stored);
    }),
];
