//! What officers decide of an identity check: an approval that nobody gave is the forgery.

use boundary::Env;
use boundary::approval::{Decision, Document as _, Owner, Review, Roster};
use boundary::message::{Assertion, Ballot, Judge, Request, Signature};

use super::alter::{bytes, document};
use super::retail::{text, texts};
use super::rig::control::*;
use super::rig::*;
use super::{Matrix, World, fresh};
use crate::expect;

struct Panel {
    tenant: String,
    owner: Person,
    anna: Person,
    ben: Person,
    stranger: Person,
    roster: Roster,
}

impl Panel {
    fn new(world: &mut World) -> Self {
        let tenant = fresh("house");
        let [owner, anna, ben, stranger] = ["olga", "anna", "ben", "mallory"].map(Person::new);
        let officer = |person: &Person| Owner {
            person_id: person.id.clone(),
            name: format!("Name of {}", person.id),
            keys: person.keys(),
        };
        let officers = vec![officer(&anna), officer(&ben)];
        let roster = Roster { officers, ..roster(Env::Production, &tenant, &[&owner]) };
        let signed = vec![owner.yes(&hash_of(&roster))];
        expect!(amend(&mut world.client, &roster, None, None, signed), Amended);
        Self { tenant, owner, anna, ben, stranger, roster }
    }

    /// A session that the provider left to people, of somebody who was seen before.
    fn asked(&self, world: &mut World, differs: bool) -> Judge {
        let client = &mut world.client;
        let user = fresh("user");
        let session = open(client, &self.tenant, &user, None);
        approve(client, &mut world.provider, &session, &fresh("inq"));
        let (session, verification_id) = (open(client, &self.tenant, &user, None), fresh("inq"));
        let event = if differs {
            r#""person":{"name-first":"Mallory"}"#
        } else {
            r#""name":"inquiry.marked-for-review""#
        };
        let event = world.provider.sign(&session.id, &format!("{event},\"inquiry\":\"{verification_id}\""));
        expect!(client.call(&admit_request(&session, &event)), Admitted);
        let review = Review {
            env: Env::Production,
            tenant_id: self.tenant.clone(),
            session_id: session.id.clone(),
            verification_id,
            decision: Decision::Approve,
            reason: "They called the number on file".into(),
            identity_mismatch: differs,
        };
        let hash = hash_of(&review);
        let mut ballots = vec![self.anna.yes(&hash)];
        if differs {
            ballots.push(self.ben.yes_offline(&hash));
        }
        Judge { ticket: session.ticket, roster: bytes_of(&self.roster), review: bytes_of(&review), ballots }
    }
}

pub fn matrix(world: &mut World) -> Matrix {
    made(world, false)
}

pub fn of_a_difference(world: &mut World) -> Matrix {
    made(world, true)
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn made(world: &mut World, differs: bool) -> Matrix {
    let (panel, abroad) = (Panel::new(world), Panel::new(world));
    let [good, twin] = [(); 2].map(|()| panel.asked(world, differs));
    let theirs = abroad.asked(world, differs);
    let of = |part: fn(&Judge) -> &Vec<u8>| {
        [("another session's", part(&twin).clone()), ("another tenant's", part(&theirs).clone())]
    };
    let mut forgeries: Vec<(String, Judge)> = Vec::new();
    for (name, ticket) in bytes("ticket", &good.ticket, &of(|it| &it.ticket)) {
        forgeries.push((name, Judge { ticket, ..good.clone() }));
    }
    for (name, roster) in document("roster", &good.roster, &of(|it| &it.roster)) {
        forgeries.push((name, Judge { roster, ..good.clone() }));
    }
    for (name, review) in document("review", &good.review, &of(|it| &it.review)) {
        forgeries.push((name, Judge { review, ..good.clone() }));
    }
    let last = good.ballots.len() - 1;
    let mut with = |name: String, ballot: Ballot| {
        let mut forged = good.clone();
        forged.ballots[last] = ballot;
        if forged != good {
            forgeries.push((format!("ballot: {name}"), forged));
        }
    };
    let ballot = &good.ballots[last];
    let hash = hash_of(&Review::from_canonical(&good.review).unwrap());
    let plain = |ballot: &Ballot| match &ballot.signature {
        Signature::Ed25519(it) | Signature::OpenPgp(it) => it.clone(),
        Signature::WebAuthn(it) => it.signature.clone(),
    };
    let others = [
        ("another's review", plain(&twin.ballots[last])),
        ("another tenant's", plain(&theirs.ballots[last])),
    ];
    for (name, bad) in bytes("signature", &plain(ballot), &others) {
        let signature = match &ballot.signature {
            Signature::WebAuthn(it) => Signature::WebAuthn(Assertion { signature: bad, ..it.clone() }),
            _ => Signature::Ed25519(bad),
        };
        with(name, Ballot { signature, ..ballot.clone() });
    }
    for (name, bad) in texts("person", &ballot.person_id, &[("an owner", b"olga".to_vec())]) {
        with(name, Ballot { person_id: text(bad), ..ballot.clone() });
    }
    for (name, ballot) in [
        ("a stranger's", panel.stranger.yes(&hash)),
        (
            "a stranger's, in his name",
            Ballot { person_id: ballot.person_id.clone(), ..panel.stranger.yes(&hash) },
        ),
        ("turned to a no", Ballot { approve: false, ..ballot.clone() }),
        ("a no", panel.ben.no(&hash)),
        ("a no, called a yes", Ballot { approve: true, ..panel.ben.no(&hash) }),
    ] {
        with(name.to_owned(), ballot);
    }
    for (name, ballots) in [
        ("none", vec![]),
        ("an owner alone", vec![panel.owner.yes(&hash)]),
        ("one person twice", vec![panel.anna.yes(&hash), panel.anna.yes_offline(&hash)]),
        ("too many", vec![panel.anna.yes(&hash), panel.ben.yes(&hash), panel.owner.yes(&hash)]),
        ("a yes and a no", vec![panel.anna.yes(&hash), panel.ben.no(&hash)]),
    ] {
        forgeries.push((format!("ballots: {name}"), Judge { ballots, ..good.clone() }));
    }
    if differs {
        let ballots = good.ballots[..1].to_vec();
        forgeries.push(("ballots: the first alone".into(), Judge { ballots, ..good.clone() }));
    }
    forgeries.push(("signed so: identity said to be the same".into(), {
        let mut review = Review::from_canonical(&good.review).unwrap();
        review.identity_mismatch = !differs;
        let hash = hash_of(&review);
        let ballots = vec![panel.anna.yes(&hash), panel.ben.yes(&hash)];
        Judge { review: bytes_of(&review), ballots, ..good.clone() }
    }));
    let forgeries = forgeries.into_iter().map(|(name, it)| (name, Request::Judge(it))).collect();
    Matrix { twin: Request::Judge(twin), good: Request::Judge(good), forgeries }
}
