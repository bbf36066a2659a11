//! Identity checks: forged, repeated, of others, late.

use boundary::message::{Reply, Request, Verify};
use boundary::token::Admission;
use boundary::wire::Wire;
use serde_json::{Value, json};
use testkit::Place;
use testkit::persona;

use crate::rig::{Session, Signed, new_key, now_ms, open, store};
use crate::world::{Attack, Case, World, fresh_name};

/// Turns an event into one about the attacker's own person.
pub fn as_mallory(event: &mut Value) {
    event["data"]["attributes"]["payload"]["data"]["attributes"]["fields"]["name-first"]["value"] =
        json!("Mallory");
}

/// The recovery of a case in a session that names no fingerprint, by an event; to the attacker.
fn steal_by(world: &mut World, case: &Case, session: &Session, event: &Signed, inquiry: &str) -> bool {
    let Reply::Admitted(admitted) = world.admit(session, event) else { return false };
    let Some(admission) = admitted.admission else { return false };
    steal_with(world, case, session, &admission, inquiry)
}

pub fn steal_with(
    world: &mut World,
    case: &Case,
    session: &Session,
    admission: &[u8],
    inquiry: &str,
) -> bool {
    let tenant = world.tenant.clone();
    let mut bundle = case.in_session(session, admission, inquiry, &case.user, &tenant);
    world.steal(&mut bundle);
    world.releases(&bundle)
}

fn new_session(world: &mut World) -> (Case, Session, String) {
    let case = world.case(true);
    let session = world.session(&world.tenant.clone(), &case.user);
    (case, session, fresh_name("inq"))
}

/// The same event under another header.
fn under(event: &Signed, secret: &str) -> Signed {
    Signed { signature: persona::sign(&[secret], now_ms() / 1_000, &event.body), body: event.body.clone() }
}

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "sign an approval by a secret of one's own",
        without: "4 event is not signed",
        run: |world| {
            let (case, session, inquiry) = new_session(world);
            let event = world.signed(&session, "inquiry.approved", &inquiry, |_| ());
            let forged = under(&event, "wbhsec_of-mallorys-own");
            steal_by(world, &case, &session, &forged, &inquiry)
        },
    },
    Attack {
        name: "turn a decline of the provider into an approval",
        without: "4 event is not signed",
        run: |world| {
            let (case, session, inquiry) = new_session(world);
            let event = world.signed(&session, "inquiry.declined", &inquiry, |_| ());
            let body = String::from_utf8(event.body).unwrap().replace("declined", "approved").into_bytes();
            let forged = Signed { body, signature: event.signature };
            steal_by(world, &case, &session, &forged, &inquiry)
        },
    },
    Attack {
        name: "repeat the victim's approval out of the database in a session of one's own",
        without: "4 reference is not this session,4 event was believed for another session",
        run: |world| {
            let (case, session, _) = new_session(world);
            let Place::Postgres(address) = &world.app.place else { unreachable!("it runs on PostgreSQL") };
            let text = "SELECT body, signature FROM provider_events WHERE verification_id = $1";
            let row =
                cluster::on_own_thread(address, |client| client.query_one(text, &[&case.inquiry])).unwrap();
            let event = Signed { body: row.get(0), signature: row.get(1) };
            steal_by(world, &case, &session, &event, &case.inquiry)
        },
    },
    Attack {
        name: "pass a weaker check of the same provider",
        without: "4 template is not allowed",
        run: |world| {
            let (case, session, inquiry) = new_session(world);
            let event = world.signed(&session, "inquiry.approved", &inquiry, |event| {
                let inquiry = &mut event["data"]["attributes"]["payload"]["data"];
                inquiry["relationships"]["inquiry-template"]["data"]["id"] = json!("itmpl_Weaker");
            });
            steal_by(world, &case, &session, &event, &inquiry)
        },
    },
    Attack {
        name: "bring an approval of before the session",
        without: "4 event happened outside the session",
        run: |world| {
            let (case, session, inquiry) = new_session(world);
            let event = world.signed(&session, "inquiry.approved", &inquiry, |event| {
                let at = domain::time::Timestamp::from_ms(now_ms() - 1_800_000);
                event["data"]["attributes"]["created-at"] = json!(at.rfc3339());
            });
            steal_by(world, &case, &session, &event, &inquiry)
        },
    },
    Attack {
        name: "be approved after one was declined, in the same session",
        without: "4 verdict is final",
        run: |world| {
            let (case, session, inquiry) = new_session(world);
            let declined = world.signed(&session, "inquiry.declined", &inquiry, |_| ());
            world.admit(&session, &declined);
            let event = world.signed(&session, "inquiry.approved", &inquiry, |_| ());
            steal_by(world, &case, &session, &event, &inquiry)
        },
    },
    Attack {
        name: "try until a check lets one pass",
        without: "5 declined often",
        run: |world| {
            let (tenant, user) = (world.tenant.clone(), fresh_name("beset"));
            let key = new_key(&mut world.client, &tenant, &user);
            let session = open(&mut world.client, &tenant, &user, None);
            let inquiry = fresh_name("inq");
            let admission = world.approve(&session, &inquiry);
            let stored =
                store(&mut world.client, &key, &tenant, &user, Some(&session), &fresh_name("backup"));
            for _ in 0..5 {
                let session = open(&mut world.client, &tenant, &user, None);
                let event = world.signed(&session, "inquiry.declined", &fresh_name("inq"), |_| ());
                world.admit(&session, &event);
            }
            let session = open(&mut world.client, &tenant, &user, None);
            let inquiry = fresh_name("inq");
            let event = world.signed(&session, "inquiry.approved", &inquiry, |_| ());
            let Reply::Admitted(admitted) = world.admit(&session, &event) else { return false };
            let Some(passed) = admitted.admission else { return false };
            let thief = world.thief.clone();
            let client = &mut world.client;
            let admissions = [passed, admission];
            let env = boundary::Env::Production;
            let bundle = crate::rig::Bundle::new(
                client,
                env,
                &tenant,
                &user,
                &session,
                &admissions,
                &inquiry,
                &thief,
                &[stored],
            );
            world.releases(&bundle)
        },
    },
    Attack {
        name: "pass the check as oneself for the victim",
        without: "4 admission is no approval of this user,5 no approval of the same person for the session the item was stored under",
        run: |world| {
            let (case, session, inquiry) = new_session(world);
            let event = world.signed(&session, "inquiry.approved", &inquiry, as_mallory);
            steal_by(world, &case, &session, &event, &inquiry)
        },
    },
    Attack {
        name: "pass the check as oneself, and have the victim's items checked anew under it",
        without: "5 person is another",
        run: |world| {
            let (mut case, session, inquiry) = new_session(world);
            let event = world.signed(&session, "inquiry.approved", &inquiry, as_mallory);
            let (key, user) = (case.key.clone(), case.user.clone());
            let Some(record) = world.check(&key, &user, Some(&session), &case.stored) else { return false };
            case.bundle.items[0].record = record;
            steal_by(world, &case, &session, &event, &inquiry)
        },
    },
    Attack {
        name: "name another inquiry than the approved one",
        without: "4 inquiry",
        run: |world| {
            let case = world.case(false);
            let mut bundle = case.bundle.clone();
            bundle.intent.verification_id = fresh_name("inq");
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "release what was stored in a session that nobody approved",
        without: "5 no approval of the same person for the session the item was stored under",
        run: |world| {
            let case = world.case(false);
            let (tenant, key) = (world.tenant.clone(), case.key.clone());
            let unapproved = world.session(&tenant, &case.user);
            let Some(record) = world.check(&key, &case.user, Some(&unapproved), &case.stored) else {
                return false;
            };
            let mut bundle = case.bundle.clone();
            bundle.items[0].record = record;
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "ask whether guesses at the provider's secret are right",
        without: "4 event is not signed",
        run: |world| {
            let session = world.session(&world.tenant.clone(), "victim-0");
            let event = world.signed(&session, "inquiry.approved", "inq_x", |_| ());
            ["", "secret", "wbhsec_"].into_iter().any(|secret| {
                let Signed { body, signature } = under(&event, secret);
                matches!(
                    world.call(&Request::Verify(Verify { provider: "persona".into(), body, signature })),
                    Reply::Verified(_)
                )
            })
        },
    },
    Attack {
        name: "show an admission of one's own as another's",
        without: "4 admission is no approval of this user,4 admission is not this session's",
        run: |world| {
            let (case, session, _) = new_session(world);
            let (_, admission, inquiry) = world.own_session();
            assert!(Admission::from_bytes(&admission[..admission.len() - 32]).is_ok());
            steal_with(world, &case, &session, &admission, &inquiry)
        },
    },
];
