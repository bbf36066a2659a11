//! Sessions, admissions and records that the enclave never gave out, or gave out for something else.

use boundary::message::{Bind, Check, Open, Recall, Reply, Request, Reset};
use boundary::token::{Admission, NO_CHECKSUM, Outcome, Record, Ticket};
use boundary::wire::Wire;

use crate::rig::{bind_request, check_request, hex, new_key, open, unhex};
use crate::world::{Attack, fresh_name};

/// A token's encoding without its seal.
fn bare(token: &[u8]) -> &[u8] {
    &token[..token.len() - 32]
}

/// Another encoding under the seal of a token.
fn resealed(encoding: &[u8], token: &[u8]) -> Vec<u8> {
    [encoding, &token[token.len() - 32..]].concat()
}

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "forge a session without the fingerprint that its opening named",
        without: "2 token is not ours",
        run: |world| {
            let mut bundle = world.case(true).bundle;
            let ticket = Ticket::from_bytes(bare(&bundle.ticket)).unwrap();
            let forged = Ticket { openpgp_fingerprint: None, ..ticket }.to_bytes();
            bundle.ticket = resealed(&forged, &bundle.ticket);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "forge the approval of a session that nobody approved",
        without: "2 token is not ours",
        run: |world| {
            let case = world.case(true);
            let session = world.session(&world.tenant.clone(), &case.user);
            let real = Admission::from_bytes(bare(&case.admission)).unwrap();
            let forged = Admission { session_id: session.ticket().session_id, ..real }.to_bytes();
            let forged = resealed(&forged, &case.admission);
            let tenant = world.tenant.clone();
            let mut bundle = case.in_session(&session, &forged, &case.inquiry, &case.user, &tenant);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "forge an approval out of one that shows another person",
        without: "2 token is not ours",
        run: |world| {
            let case = world.case(true);
            let session = world.session(&world.tenant.clone(), &case.user);
            let inquiry = fresh_name("inq");
            let event = world.signed(&session, "inquiry.approved", &inquiry, crate::evidence::as_mallory);
            let Reply::Admitted(admitted) = world.admit(&session, &event) else { return false };
            let sealed = admitted.admission.unwrap();
            let mut read = Admission::from_bytes(bare(&sealed)).unwrap();
            let own = Admission::from_bytes(bare(&case.admission)).unwrap();
            (read.outcome, read.identity_tag) = (Outcome::Approved, own.identity_tag);
            let forged = resealed(&read.to_bytes(), &sealed);
            let tenant = world.tenant.clone();
            let mut bundle = case.in_session(&session, &forged, &inquiry, &case.user, &tenant);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "forge the record of an item that was stored under no session",
        without: "2 token is not ours",
        run: |world| {
            let mut case = world.case(false);
            let Some(loose) = world.check(&case.key.clone(), &case.user, None, &case.stored) else {
                return false;
            };
            let read = Record::from_bytes(bare(&loose)).unwrap();
            let session_id = Some(case.session.ticket().session_id);
            case.bundle.items[0].record = resealed(&Record { session_id, ..read }.to_bytes(), &loose);
            world.steal(&mut case.bundle);
            world.releases(&case.bundle)
        },
    },
    Attack {
        name: "take a victim's items in one's own approved session",
        without: "8 key is another user's,5 no approval of the same person for the session the item was stored under",
        run: |world| {
            let case = world.case(true);
            let (session, admission, inquiry) = world.own_session();
            let (tenant, own) = (world.tenant.clone(), world.mallory().user.clone());
            let mut bundle = case.in_session(&session, &admission, &inquiry, &own, &tenant);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "call oneself by the victim's name in one's own approved session",
        without: "2 user,8 key is another user's,5 no approval of the same person for the session the item was stored under",
        run: |world| {
            let case = world.case(true);
            let (session, admission, inquiry) = world.own_session();
            let tenant = world.tenant.clone();
            let mut bundle = case.in_session(&session, &admission, &inquiry, &case.user, &tenant);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "take a tenant's items in an approved session of another tenant",
        without: "8 key is another tenant's,8 key is another user's,5 no approval of the same person for the session the item was stored under",
        run: |world| {
            let case = world.case(true);
            let session = open(&mut world.client, "tenant-of-mallory", &case.user, None);
            let inquiry = fresh_name("inq");
            let admission = world.approve(&session, &inquiry);
            let mut bundle = case.in_session(&session, &admission, &inquiry, &case.user, "tenant-of-mallory");
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "use an old approval in a new session that names no fingerprint",
        without: "4 admission is not this session's",
        run: |world| {
            let case = world.case(true);
            let (tenant, user) = (world.tenant.clone(), case.user.clone());
            let session = world.session(&tenant, &user);
            let mut bundle = case.in_session(&session, &case.admission, &case.inquiry, &user, &tenant);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "repeat an intent under another session's nonce",
        without: "2 nonce",
        run: |world| {
            let mut bundle = world.case(false).bundle;
            bundle.intent.session_nonce = hex(&[7; 32]);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "ask by an intent whose time is over",
        without: "7 intent is not in force",
        run: |world| {
            let mut bundle = world.case(false).bundle;
            bundle.intent.expires_at_ms = 0;
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "have a sandbox's recovery done in production",
        without: "2 environment",
        run: |world| {
            let mut bundle = world.case(false).bundle;
            bundle.intent.env = boundary::Env::Sandbox;
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "reset a tenant in production",
        without: "2 this is no sandbox",
        run: |world| {
            let tenant_id = "tenant-of-nobody".to_owned();
            matches!(world.call(&Request::Reset(Reset { tenant_id })), Reply::HasReset(_))
        },
    },
    Attack {
        name: "have one's item stored under a victim's session",
        without: "2 ticket is another user's",
        run: |world| {
            let case = world.case(true);
            let key = world.mallory_key();
            let item = crate::rig::check_item(&key, &fresh_name("backup"), b"of the attacker's own");
            let (tenant, own) = (world.tenant.clone(), world.mallory().user.clone());
            let request = check_request(&key, &tenant, &own, Some(&case.session), vec![item]);
            matches!(world.call(&request), Reply::Checked(_))
        },
    },
    Attack {
        name: "ask Recall, Inspect, Prove, Mark and Hello for what they know",
        without: "",
        run: |world| {
            let case = world.case(true);
            let item = boundary::message::CheckItem {
                backup_id: case.stored.backup_id.clone(),
                item_key: case.stored.item.item_key.clone(),
                ciphertext: case.stored.item.ciphertext.clone(),
                checksum: case.stored.item.checksum,
            };
            let prove = boundary::message::Prove {
                tenant_id: world.tenant.clone(),
                user_identifier: case.user.clone(),
                key: case.key.sealed.clone(),
                public_key: case.key.pool.public_key.clone(),
                item: Some(boundary::message::ProveItem {
                    item: item.clone(),
                    record: case.stored.item.record.clone(),
                }),
            };
            let tried = Check {
                credential_id: "credential-1".into(),
                tenant_id: world.tenant.clone(),
                user_identifier: case.user.clone(),
                key: case.key.sealed.clone(),
                ticket: None,
                items: vec![boundary::message::CheckItem { checksum: NO_CHECKSUM, ..item }],
            };
            for request in [
                Request::Recall(Recall { ticket: case.session.ticket.clone() }),
                Request::Inspect(boundary::message::Inspect { certificate: world.thief.clone() }),
                Request::Prove(prove),
                Request::Try(tried),
                Request::Mark(boundary::message::Mark { latest: None }),
                Request::Hello(boundary::message::Hello { env: boundary::Env::Production }),
            ] {
                world.call(&request);
            }
            false
        },
    },
    Attack {
        name: "send every token of a victim with each of its bits flipped, for one's own certificate",
        without: "",
        run: |world| {
            let case = world.case(true);
            let mut released = false;
            for at in 0..case.bundle.ticket.len() {
                let mut bundle = case.bundle.clone();
                bundle.ticket[at] ^= 1 << (at % 8);
                world.steal(&mut bundle);
                released |= world.releases(&bundle);
            }
            for at in 0..case.key.sealed.len() {
                let mut bundle = case.bundle.clone();
                bundle.items[0].key[at] ^= 1 << (at % 8);
                world.steal(&mut bundle);
                released |= world.releases(&bundle);
            }
            released
        },
    },
    Attack {
        name: "rewrite the owner in a sealed key",
        without: "",
        run: |world| {
            let case = world.case(true);
            let (session, admission, inquiry) = world.own_session();
            let (tenant, own) = (world.tenant.clone(), world.mallory().user.clone());
            let mut bundle = case.in_session(&session, &admission, &inquiry, &own, &tenant);
            let theirs = unhex(&case.bundle.intent.user_tag);
            let mine = crate::rig::user_tag(&tenant, &own);
            let key = &mut bundle.items[0].key;
            let at = key.windows(32).position(|window| window == theirs).unwrap();
            key[at..at + 32].copy_from_slice(&mine);
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "give a key that is somebody's to oneself",
        without: "8 key is somebody's,8 key was given out",
        run: |world| {
            let (tenant, own) = (world.tenant.clone(), world.mallory().user.clone());
            let case = world.case(true);
            let bind =
                Bind { sealed: case.key.sealed.clone(), ..bind_request(&case.key.pool, &tenant, &own) };
            let Reply::Bound(bound) = world.call(&Request::Bind(bind)) else { return false };
            crate::items::recover_as_own(world, &case.stored, &bound.sealed, &case.key.pool, &own)
        },
    },
    Attack {
        name: "keep the pool's copy of a key, and give it out a second time",
        without: "8 key was given out",
        run: |world| {
            let (tenant, own) = (world.tenant.clone(), world.mallory().user.clone());
            let user = fresh_name("newcomer");
            let key = new_key(&mut world.client, &tenant, &user);
            let session = open(&mut world.client, &tenant, &user, None);
            let stored = crate::rig::store(
                &mut world.client,
                &key,
                &tenant,
                &user,
                Some(&session),
                &fresh_name("backup"),
            );
            let Reply::Bound(bound) = world.call(&Request::Bind(bind_request(&key.pool, &tenant, &own)))
            else {
                return false;
            };
            crate::items::recover_as_own(world, &stored, &bound.sealed, &key.pool, &own)
        },
    },
    Attack {
        name: "open a session for a name that holds another",
        without: "",
        run: |world| {
            let tenant_id = format!("{}\0victim-0", world.tenant);
            let request = Open { tenant_id, user_identifier: "x".into(), openpgp_fingerprint: None };
            matches!(world.call(&Request::Open(request)), Reply::Opened(_))
        },
    },
];
