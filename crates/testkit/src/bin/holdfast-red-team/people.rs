//! Lists, votes, reviews and policies: what people sign, or did not.

use boundary::Env;
use boundary::approval::{AclDocument, Decision, Demand, Document as _, Owner, Review, Roster, TenantPolicy};
use boundary::message::{Assertion, Ballot, Judge, Reply, Request, Signature};

use crate::expect;
use crate::rig::control::{Parcel, Person, amend, attach_request, bytes_of, hash_of, list, roster};
use crate::rig::policy_of::{House, jws, request_key};
use crate::rig::{Bundle, Session, Stored, hex, new_key, open, store};
use crate::world::{Attack, World, fresh_name};

/// What a member asks for the attacker's certificate.
fn asked(world: &mut World) -> Parcel {
    let (list, key, thief) = (world.board.list.clone(), world.board.key.clone(), world.thief.clone());
    world.asked(&list, &key, &thief)
}

fn in_name_of(person: &Person, by: &Person, hash: &[u8; 32]) -> Ballot {
    Ballot { person_id: person.id.clone(), ..by.yes(hash) }
}

/// A vote of Anna's, and one of Ben's that is altered before he signs it: he was deceived.
fn deceived(world: &mut World, alter: fn(&mut Assertion)) -> bool {
    let mut parcel = asked(world);
    let (hash, board) = (parcel.hash(), &world.board);
    let altered = board.ben.ballot(true, Signature::WebAuthn(board.ben.asserts(&hash, alter)));
    parcel.ballots = vec![board.anna.yes(&hash), altered];
    world.packages(&parcel)
}

/// A tenant whose policy demands a signature, an item of a user of his, and a recovery of it to the attacker that all
/// but the tenant agreed to.
fn strict(world: &mut World, alter: impl FnOnce(&mut TenantPolicy)) -> (House, Bundle) {
    let (tenant, user) = (fresh_name("house"), "user-1");
    let house = House::new(&mut world.client, &tenant, alter);
    let key = new_key(&mut world.client, &tenant, user);
    let session = open(&mut world.client, &tenant, user, None);
    let stored = store(&mut world.client, &key, &tenant, user, Some(&session), &fresh_name("backup"));
    let inquiry = fresh_name("inq");
    let admission = world.approve(&session, &inquiry);
    let thief = world.thief.clone();
    let client = &mut world.client;
    let mut bundle = Bundle::new(
        client,
        Env::Production,
        &tenant,
        user,
        &session,
        &[admission],
        &inquiry,
        &thief,
        &[stored],
    );
    house.bring(&mut bundle);
    bundle.request_signature = None;
    (house, bundle)
}

/// A session in review, an item stored under it, and the roster whose officers decide it.
struct InReview {
    tenant: String,
    user: String,
    session: Session,
    stored: Stored,
    roster: Roster,
    review: Review,
    inquiry: String,
    anna: Person,
    ben: Person,
}

fn in_review(world: &mut World, differs: bool) -> InReview {
    let (tenant, user) = (fresh_name("house"), "user-1".to_owned());
    let [owner, anna, ben] = ["olga", "anna", "ben"].map(Person::new);
    let officer = |person: &Person| Owner {
        person_id: person.id.clone(),
        name: person.id.clone(),
        keys: person.keys(),
    };
    let officers = vec![officer(&anna), officer(&ben)];
    let roster = Roster { officers, ..roster(Env::Production, &tenant, &[&owner]) };
    let signed = vec![owner.yes(&hash_of(&roster))];
    expect!(amend(&mut world.client, &roster, None, None, signed), Amended);
    let key = new_key(&mut world.client, &tenant, &user);
    let first = open(&mut world.client, &tenant, &user, None);
    world.approve(&first, &fresh_name("inq"));
    let session = open(&mut world.client, &tenant, &user, None);
    let stored = store(&mut world.client, &key, &tenant, &user, Some(&session), &fresh_name("backup"));
    let inquiry = fresh_name("inq");
    let name = if differs { "inquiry.approved" } else { "inquiry.marked-for-review" };
    let alter = if differs { crate::evidence::as_mallory } else { |_: &mut serde_json::Value| () };
    let event = world.signed(&session, name, &inquiry, alter);
    expect!(world.admit(&session, &event), Admitted);
    let review = Review {
        env: Env::Production,
        tenant_id: tenant.clone(),
        session_id: session.id.clone(),
        verification_id: inquiry.clone(),
        decision: Decision::Approve,
        reason: "They called the number on file".into(),
        identity_mismatch: differs,
    };
    InReview { tenant, user, session, stored, roster, review, inquiry, anna, ben }
}

/// Has a review decided, and what it opens released to the attacker.
fn decide(world: &mut World, case: &InReview, ballots: Vec<Ballot>) -> bool {
    let (ticket, roster, review) =
        (case.session.ticket.clone(), bytes_of(&case.roster), bytes_of(&case.review));
    let request = Request::Judge(Judge { ticket, roster, review, ballots });
    let Reply::Judged(judged) = world.call(&request) else { return false };
    let Some(admission) = judged.admission else { return false };
    let (thief, inquiry) = (world.thief.clone(), &case.inquiry);
    let (tenant, user, stored) = (&case.tenant, &case.user, std::slice::from_ref(&case.stored));
    let (client, env) = (&mut world.client, Env::Production);
    let bundle = Bundle::new(client, env, tenant, user, &case.session, &[admission], inquiry, &thief, stored);
    world.releases(&bundle)
}

fn replace(assertion: &mut Assertion, from: &str, to: &str) {
    let text = String::from_utf8(assertion.client_data_json.clone()).unwrap();
    assertion.client_data_json = text.replace(from, to).into_bytes();
}

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "forge the votes of members",
        without: "6 ballot is not signed by its person",
        run: |world| {
            let mut parcel = asked(world);
            let (hash, board) = (parcel.hash(), &world.board);
            let forged = [&board.anna, &board.ben].map(|person| in_name_of(person, &board.mallory, &hash));
            parcel.ballots = forged.to_vec();
            world.packages(&parcel)
        },
    },
    Attack {
        name: "copy the votes of another recovery out of the database",
        without: "6 assertion is of another challenge",
        run: |world| {
            let (list, key, owner) = (world.board.list.clone(), world.board.key.clone(), world.owner.clone());
            let good = world.asked(&list, &key, &owner).voted(&[&world.board.anna, &world.board.ben]);
            let mut parcel = asked(world);
            parcel.ballots = good.ballots;
            world.packages(&parcel)
        },
    },
    Attack {
        name: "release on the one vote of an accomplice",
        without: "6 list has not approved",
        run: |world| {
            let parcel = asked(world).voted(&[&world.board.ben]);
            world.packages(&parcel)
        },
    },
    Attack {
        name: "have the accomplice vote for a stranger to the list",
        without: "3 document is not the one in force",
        run: |world| {
            let mut parcel = asked(world);
            let board = &world.board;
            let members = [&board.anna, &board.mallory];
            let forged = list(Env::Production, &board.tenant, "list-1", &members);
            parcel.list = AclDocument { version: board.list.version, ..forged };
            let hash = parcel.hash();
            parcel.ballots = vec![board.mallory.yes(&hash), in_name_of(&board.anna, &board.mallory, &hash)];
            // The accomplice is on the list of the database: only the stranger is to vote.
            parcel.list.rule = boundary::acl::Rule::Exact(1);
            parcel.ballots.truncate(1);
            world.packages(&parcel)
        },
    },
    Attack {
        name: "change the recipient after the vote",
        without: "9 fingerprint is not the intent's,9 encryption key is not the intent's,9 certificate is not the intent's",
        run: |world| {
            let (list, key, owner) = (world.board.list.clone(), world.board.key.clone(), world.owner.clone());
            let mut parcel = world.asked(&list, &key, &owner).voted(&[&world.board.anna, &world.board.ben]);
            parcel.bundle.certificate.clone_from(&world.thief);
            world.packages(&parcel)
        },
    },
    Attack {
        name: "change the intent after the vote",
        without: "6 ballot is not signed by its person",
        run: |world| {
            let (list, key, owner) = (world.board.list.clone(), world.board.key.clone(), world.owner.clone());
            let mut parcel = world.asked(&list, &key, &owner).voted(&[&world.board.anna, &world.board.ben]);
            let mut bundle = parcel.bundle.clone();
            world.steal(&mut bundle);
            parcel.bundle = bundle;
            world.packages(&parcel)
        },
    },
    Attack {
        name: "have members vote on a page of another host",
        without: "6 assertion is of another origin",
        run: |world| {
            deceived(world, |it| replace(it, "https://control.example", "https://control.example.evil"))
        },
    },
    Attack {
        name: "have members vote in a frame of another page",
        without: "6 assertion is of a page within another",
        run: |world| deceived(world, |it| replace(it, r#""crossOrigin":false"#, r#""crossOrigin":true"#)),
    },
    Attack {
        name: "vote by a stolen key that asked nobody for a finger",
        without: "6 nobody was verified",
        run: |world| deceived(world, |it| it.authenticator_data[32] = 0x01),
    },
    Attack {
        name: "take a registration of a passkey for a vote",
        without: "6 assertion is of another type",
        run: |world| deceived(world, |it| replace(it, "webauthn.get", "webauthn.create")),
    },
    Attack {
        name: "vote by a passkey of another relying party",
        without: "6 assertion is of another party",
        run: |world| deceived(world, |it| it.authenticator_data[..32].copy_from_slice(&[7; 32])),
    },
    Attack {
        name: "take an item of a key that the list does not guard",
        without: "8 key is not under this list",
        run: |world| {
            let (list, key, thief) =
                (world.board.list.clone(), world.board.unattached.clone(), world.thief.clone());
            let parcel = world.asked(&list, &key, &thief).voted(&[&world.board.anna, &world.board.ben]);
            world.packages(&parcel)
        },
    },
    Attack {
        name: "take another key than the members voted on",
        without: "8 vote names another key,8 key is not under this list",
        run: |world| {
            let (list, key, thief) = (world.board.list.clone(), world.board.key.clone(), world.thief.clone());
            let mut parcel = world.asked(&list, &key, &thief);
            parcel.bundle.intent.items.clear();
            parcel.bundle.items.clear();
            parcel.bundle.intent.keys = vec![key.pool.key_id.clone()];
            parcel.keys = vec![world.board.unattached.clone()];
            let parcel = parcel.voted(&[&world.board.anna, &world.board.ben]);
            world.packages(&parcel)
        },
    },
    Attack {
        name: "use a member's approval of another session",
        without: "4 admission is not this session's",
        run: |world| {
            let other = asked(world);
            let mut parcel = asked(world);
            parcel.bundle.admissions = other.bundle.admissions;
            parcel.bundle.intent.verification_id = other.bundle.intent.verification_id;
            let parcel = parcel.voted(&[&world.board.anna, &world.board.ben]);
            world.packages(&parcel)
        },
    },
    Attack {
        name: "have a recovery without waiting for its list's delay",
        without: "7 list's delay is not over",
        run: |world| {
            let (board, tenant) = (&world.board, world.board.tenant.clone());
            let name = fresh_name("list");
            let slow = AclDocument {
                delay_hot_s: 3_600,
                ..list(Env::Production, &tenant, &name, &[&board.anna, &board.ben])
            };
            let roster = roster(Env::Production, &tenant, &[&board.owner]);
            let signed = vec![board.owner.yes(&hash_of(&slow))];
            expect!(amend(&mut world.client, &slow, None, Some(&roster), signed), Amended);
            let key = new_key(&mut world.client, &tenant, "customer-1");
            let request = Request::Attach(attach_request(&world.board.owner, &roster, &slow, &[&key]));
            expect!(world.call(&request), Attached);
            let thief = world.thief.clone();
            let parcel = world.asked(&slow, &key, &thief).voted(&[&world.board.anna, &world.board.ben]);
            world.packages(&parcel)
        },
    },
    Attack {
        name: "move a key that a list guards under a list of one's own",
        without: "8 key is under another list",
        run: |world| {
            let (board, tenant) = (&world.board, world.board.tenant.clone());
            let own = list(Env::Production, &tenant, &fresh_name("list"), &[&board.ben, &board.mallory]);
            let roster = roster(Env::Production, &tenant, &[&board.owner]);
            let signed = vec![board.owner.yes(&hash_of(&own))];
            expect!(amend(&mut world.client, &own, None, Some(&roster), signed), Amended);
            let key = world.board.key.clone();
            let request = Request::Attach(attach_request(&world.board.owner, &roster, &own, &[&key]));
            matches!(world.call(&request), Reply::Attached(_))
        },
    },
    Attack {
        name: "put a key under a list in an Owner's name",
        without: "6 ballot is not signed by its person",
        run: |world| {
            let board = &world.board;
            let roster = roster(Env::Production, &board.tenant, &[&board.owner]);
            let key = board.unattached.clone();
            let mut request = attach_request(&board.mallory, &roster, &board.list, &[&key]);
            request.ballot.person_id.clone_from(&board.owner.id);
            // Told as a probe: where it succeeded, the key is guarded from then on, and another takes its place.
            let attached = matches!(world.call(&Request::Attach(request)), Reply::Attached(_));
            if attached {
                let (tenant, user) = (world.board.tenant.clone(), world.board.user.clone());
                world.board.unattached = new_key(&mut world.client, &tenant, &user);
            }
            attached
        },
    },
    Attack {
        name: "become an Owner by a roster of one's own",
        without: "6 ballot of somebody who has no vote,6 ballot is not signed by its person,3 version does not follow the latest one",
        run: |world| {
            let (tenant, board) = (fresh_name("house"), &world.board);
            let real = roster(Env::Production, &tenant, &[&board.owner]);
            let signed = vec![board.owner.yes(&hash_of(&real))];
            expect!(amend(&mut world.client, &real, None, None, signed), Amended);
            let board = &world.board;
            let own = roster(Env::Production, &tenant, &[&board.mallory]);
            let signed = vec![board.mallory.yes(&hash_of(&own))];
            matches!(amend(&mut world.client, &own, None, None, signed), Reply::Amended(_))
        },
    },
    Attack {
        name: "decide a review in an officer's name",
        without: "6 ballot is not signed by its person",
        run: |world| {
            let case = in_review(world, false);
            let forged = in_name_of(&case.anna, &world.board.mallory, &hash_of(&case.review));
            decide(world, &case, vec![forged])
        },
    },
    Attack {
        name: "let in another person on the word of one bribed officer",
        without: "6 a second has to sign",
        run: |world| {
            let case = in_review(world, true);
            let alone = vec![case.anna.yes(&hash_of(&case.review))];
            decide(world, &case, alone)
        },
    },
    Attack {
        name: "decide a review by officers of one's own",
        without: "3 document is not the one in force",
        run: |world| {
            let mut case = in_review(world, false);
            let mallory = &world.board.mallory;
            case.roster.officers[0].person_id.clone_from(&mallory.id);
            case.roster.officers[0].keys = mallory.keys();
            case.roster.officers.sort_by(|a, b| a.person_id.cmp(&b.person_id));
            let signed = vec![mallory.yes(&hash_of(&case.review))];
            decide(world, &case, signed)
        },
    },
    Attack {
        name: "decide a session by what was signed for another",
        without: "2 review is of another session,2 review is of another inquiry",
        run: |world| {
            let mut case = in_review(world, false);
            case.review.session_id = "0a".repeat(16);
            case.review.verification_id = fresh_name("inq");
            let signed = vec![case.ben.yes(&hash_of(&case.review))];
            decide(world, &case, signed)
        },
    },
    Attack {
        name: "recover without the signature that the tenant's policy demands",
        without: "6 tenant's signature is missing",
        run: |world| {
            let (_, bundle) = strict(world, |_| ());
            world.releases(&bundle)
        },
    },
    Attack {
        name: "sign a recovery in the tenant's place",
        without: "6 tenant's signature",
        run: |world| {
            let (_, mut bundle) = strict(world, |_| ());
            let payload = House::payload(&bundle);
            bundle.request_signature = Some(jws(&request_key(), r#"{"alg":"ES256"}"#, &payload));
            world.releases(&bundle)
        },
    },
    Attack {
        name: "bring a policy that demands nothing in the place of the tenant's",
        without: "3 policy has another hash",
        run: |world| {
            let (house, mut bundle) = strict(world, |_| ());
            let lax = TenantPolicy { partner_signature: Demand::Optional, ..house.policy.clone() };
            bundle.policies = vec![bytes_of(&lax)];
            world.releases(&bundle)
        },
    },
    Attack {
        name: "keep the tenant's policy to oneself",
        without: "",
        run: |world| {
            let (_, mut bundle) = strict(world, |_| ());
            bundle.policies.clear();
            let released = world.releases(&bundle);
            (bundle.intent.policy_version, bundle.intent.policy_hash) = (0, hex(&[0; 32]));
            released | world.releases(&bundle)
        },
    },
    Attack {
        name: "recover before the tenant's delay is over",
        without: "7 delay is not over",
        run: |world| {
            let (_, bundle) = strict(world, |policy| {
                (policy.retail_delay_s, policy.partner_signature) = (600, Demand::Optional);
            });
            world.releases(&bundle)
        },
    },
    Attack {
        name: "sign a weaker policy in the Owner's name",
        without: "6 ballot is not signed by its person",
        run: |world| {
            let (house, _) = strict(world, |_| ());
            let weaker = House::next(&house.policy, |policy| policy.partner_signature = Demand::Optional);
            assert_eq!(TenantPolicy::from_canonical(&bytes_of(&weaker)).as_ref(), Some(&weaker));
            let forged = in_name_of(&house.owner, &world.board.mallory, &hash_of(&weaker));
            let current = bytes_of(&house.policy);
            let reply = amend(&mut world.client, &weaker, Some(&current), Some(&house.roster), vec![forged]);
            matches!(reply, Reply::Amended(_))
        },
    },
];
