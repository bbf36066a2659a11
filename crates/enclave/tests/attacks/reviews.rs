//! Attacks on what people decide of identity checks.

use boundary::approval::{Decision, Owner, Review, Roster};
use boundary::message::{Ballot, Judge, Judged};

use super::rig::control::*;
use super::*;

/// Who owns and reviews, and what they are on record by.
pub struct Panel {
    owner: Person,
    second_owner: Person,
    anna: Person,
    ben: Person,
    stranger: Person,
    roster: Roster,
    abroad: Person,
    roster_abroad: Roster,
}

fn with_officers(tenant: &str, owners: &[&Person], officers: &[&Person]) -> Roster {
    let on_record = |person: &&Person| {
        let (person_id, name) = (person.id.clone(), format!("Name of {}", person.id));
        Owner { person_id, name, keys: person.keys() }
    };
    let officers = officers.iter().map(on_record).collect();
    Roster { officers, ..roster(Env::Production, tenant, owners) }
}

impl Panel {
    pub fn found(client: &mut Client) -> Self {
        let people = ["olga", "oona", "anna", "ben", "mallory", "otto"].map(Person::new);
        let [owner, second_owner, anna, ben, stranger, abroad] = people;
        let roster = with_officers(TENANT, &[&owner, &second_owner], &[&anna, &ben]);
        let roster_abroad = with_officers(ELSEWHERE, &[&owner], &[&abroad]);
        for roster in [&roster, &roster_abroad] {
            expect!(amend(client, roster, None, None, vec![owner.yes(&hash_of(roster))]), Amended);
        }
        Self { owner, second_owner, anna, ben, stranger, roster, abroad, roster_abroad }
    }
}

/// A session of [`USER`] in review, an item stored under it, and what people sign to approve it.
#[derive(Clone)]
struct InReview {
    session: Session,
    stored: Stored,
    review: Review,
}

const THIEF: &str = r#""person":{"name-first":"Mallory"}"#;
const MARKED: &str = r#""name":"inquiry.marked-for-review""#;

impl World {
    /// A session that an event like this puts into review.
    fn in_review(&mut self, event: &str, identity_mismatch: bool) -> InReview {
        let session = self.open();
        let key = self.key.clone();
        let stored = store(&mut self.client, &key, TENANT, USER, Some(&session), &fresh("backup"));
        let verification_id = fresh("inq");
        let event = self.provider.sign(&session.id, &format!("{event},\"inquiry\":\"{verification_id}\""));
        expect!(self.admit(&session, &event), Admitted);
        let review = Review {
            env: Env::Production,
            tenant_id: TENANT.into(),
            session_id: session.id.clone(),
            verification_id,
            decision: Decision::Approve,
            reason: "They called the number on file".into(),
            identity_mismatch,
        };
        InReview { session, stored, review }
    }

    fn marked(&mut self) -> InReview {
        self.case();
        self.in_review(MARKED, false)
    }

    fn of_a_thief(&mut self) -> InReview {
        self.case();
        self.in_review(THIEF, true)
    }

    fn judge_by(&mut self, roster: &Roster, ticket: &[u8], review: &Review, ballots: Vec<Ballot>) -> Reply {
        let (ticket, roster, review) = (ticket.to_vec(), bytes_of(roster), bytes_of(review));
        self.client.call(&Request::Judge(Judge { ticket, roster, review, ballots }))
    }

    fn judge(&mut self, case: &InReview, ballots: Vec<Ballot>) -> Reply {
        let roster = self.panel.roster.clone();
        self.judge_by(&roster, &case.session.ticket, &case.review, ballots)
    }

    fn unjudged(&mut self, case: &InReview, ballots: Vec<Ballot>, why: &str) {
        assert_eq!(self.judge(case, ballots), Reply::Refused(Refusal::ProofFailed), "{why}");
    }

    /// The untouched review approves, and what was stored under it is released.
    fn lets_in(&mut self, case: &InReview) -> Vec<u8> {
        let (hash, Panel { anna, ben, .. }) = (hash_of(&case.review), &self.panel);
        let both = vec![anna.yes(&hash), ben.yes(&hash)];
        let ballots = if case.review.identity_mismatch { both } else { vec![anna.yes(&hash)] };
        let before = now_ms();
        let admission = expect!(self.judge(case, ballots), Judged).admission.expect("all have signed");
        let read = Admission::from_bytes(bare(&admission)).unwrap();
        assert!(read.outcome == Outcome::Approved && read.event_at_ms >= before, "from the decision on");
        let bundle = Bundle::new(
            &mut self.client,
            Env::Production,
            TENANT,
            USER,
            &case.session,
            std::slice::from_ref(&admission),
            &case.review.verification_id,
            &self.owner,
            std::slice::from_ref(&case.stored),
        );
        let released = expect!(bundle.send(&mut self.client), Released);
        assert_eq!(self.gpg.decrypt(message(&released.items[0])), case.stored.plaintext);
        admission
    }
}

fn waits(reply: Reply, identity_mismatch: bool) {
    assert_eq!(expect!(reply, Judged), Judged { identity_mismatch, admission: None });
}

pub const SCRIPTS: &[Script] = &[
    ("decide a review without an officer", |world| {
        let case = world.marked();
        let hash = hash_of(&case.review);
        waits(world.judge(&case, Vec::new()), false);
        let Panel { owner, second_owner, anna, stranger, .. } = &world.panel;
        let forged = Ballot { person_id: "anna".into(), ..stranger.yes(&hash) };
        let lone = vec![owner.yes(&hash)];
        let owners = vec![owner.yes(&hash), second_owner.yes(&hash)];
        let spoilt = vec![anna.yes(&hash), stranger.yes(&hash)];
        world.unjudged(&case, lone, "an owner alone");
        world.unjudged(&case, owners, "two owners");
        world.unjudged(&case, vec![world.panel.stranger.yes(&hash)], "a stranger");
        world.unjudged(&case, vec![forged], "in an officer's name");
        world.unjudged(&case, spoilt, "a stranger beside an officer");
        world.lets_in(&case);
    }),
    ("let in another person on one word", |world| {
        let case = world.of_a_thief();
        let hash = hash_of(&case.review);
        let Panel { anna, owner, .. } = &world.panel;
        let alone = vec![anna.yes(&hash)];
        let twice = vec![anna.yes(&hash), anna.yes_offline(&hash)];
        let with_owner = vec![anna.yes(&hash), owner.yes(&hash)];
        waits(world.judge(&case, alone), true);
        world.unjudged(&case, twice, "one person with two keys");
        assert!(expect!(world.judge(&case, with_owner), Judged).admission.is_some());
        let other = world.of_a_thief();
        world.lets_in(&other);
    }),
    ("become the user by a review", |world| {
        let case = world.of_a_thief();
        let admission = world.lets_in(&case);
        let known = world.case();
        let tag = |sealed: &[u8]| Admission::from_bytes(bare(sealed)).unwrap().identity_tag;
        assert_eq!(tag(&admission), tag(&known.admission), "as the person of before");
        let session = world.open();
        let event = world.provider.sign(&session.id, THIEF);
        assert!(expect!(world.admit(&session, &event), Admitted).identity_differs, "still a stranger");
    }),
    ("alter what officers signed", |world| {
        type Alter = fn(&mut Review);
        let alterations: [(&str, Alter); 7] = [
            ("reason", |review| review.reason.push('!')),
            ("decision", |review| review.decision = Decision::Decline),
            ("identity", |review| review.identity_mismatch = false),
            ("session", |review| review.session_id = "0a".repeat(16)),
            ("inquiry", |review| review.verification_id = "inq_1".into()),
            ("tenant", |review| review.tenant_id = ELSEWHERE.into()),
            ("environment", |review| review.env = Env::Sandbox),
        ];
        let case = world.of_a_thief();
        for (why, alter) in alterations {
            let mut bad = case.clone();
            alter(&mut bad.review);
            let (signed, altered) = (hash_of(&case.review), hash_of(&bad.review));
            let Panel { anna, ben, .. } = &world.panel;
            let [before, after] = [signed, altered].map(|hash| vec![anna.yes(&hash), ben.yes(&hash)]);
            world.unjudged(&bad, before, why);
            if why != "reason" && why != "decision" {
                world.unjudged(&bad, after, &format!("{why}, signed so"));
            }
        }
        let mut flipped = world.marked();
        flipped.review.decision = Decision::Decline;
        let no = vec![world.panel.anna.yes(&hash_of(&flipped.review))];
        flipped.review.decision = Decision::Approve;
        world.unjudged(&flipped, no, "a decline as an approval");
        world.lets_in(&case);
    }),
    ("decide a session by what was signed for another", |world| {
        let (one, other) = (world.marked(), world.marked());
        let hash = hash_of(&one.review);
        let ballots = vec![world.panel.anna.yes(&hash)];
        let roster = world.panel.roster.clone();
        let reply = world.judge_by(&roster, &other.session.ticket, &one.review, ballots.clone());
        assert_eq!(reply, Reply::Refused(Refusal::ProofFailed));
        world.unjudged(&other, ballots, "the other's signature");
        let invented = flipped(&one.session.ticket, 40);
        let reply = world.judge_by(&roster, &invented, &one.review, vec![world.panel.anna.yes(&hash)]);
        assert_eq!(reply, Reply::Refused(Refusal::SealBroken));
        world.lets_in(&one);
        world.lets_in(&other);
    }),
    ("decide what is not in review", |world| {
        let mut case = world.marked();
        for outcome in ["approved", "declined"] {
            let (session, id) = (world.open(), case.review.verification_id.clone());
            case.review.session_id.clone_from(&session.id);
            let open = InReview { session: session.clone(), ..case.clone() };
            let hash = hash_of(&open.review);
            let ballot = |world: &World| vec![world.panel.anna.yes(&hash)];
            world.unjudged(&open, ballot(world), "no verdict yet");
            let event = format!(r#""name":"inquiry.{outcome}","inquiry":"{id}""#);
            let event = world.provider.sign(&session.id, &event);
            expect!(world.admit(&session, &event), Admitted);
            world.unjudged(&open, ballot(world), outcome);
        }
        let case = world.marked();
        world.lets_in(&case);
    }),
    ("sign late, after the provider's last word", |world| {
        let case = world.of_a_thief();
        let hash = hash_of(&case.review);
        let Panel { anna, ben, .. } = &world.panel;
        let (first, both) = (vec![anna.yes(&hash)], vec![anna.yes(&hash), ben.yes(&hash)]);
        waits(world.judge(&case, first), true);
        // A second approval, of whomever, is no last word; a decline is.
        let event = world.provider.sign(&case.session.id, "");
        assert!(expect!(world.admit(&case.session, &event), Admitted).identity_differs);
        let event = world.provider.sign(&case.session.id, r#""name":"inquiry.declined""#);
        assert_eq!(expect!(world.admit(&case.session, &event), Admitted).admission, None);
        world.unjudged(&case, both, "declined meanwhile");
        let event = world.provider.sign(&case.session.id, "");
        assert_eq!(expect!(world.admit(&case.session, &event), Admitted).admission, None, "it stays so");
    }),
    ("decide a session twice", |world| {
        let case = world.marked();
        let mut no = case.clone();
        no.review.decision = Decision::Decline;
        let [yes, declined] = [&case, &no].map(|case| vec![world.panel.anna.yes(&hash_of(&case.review))]);
        let admission = world.lets_in(&case);
        world.unjudged(&no, declined, "declined after it was approved");
        let again = expect!(world.judge(&case, yes), Judged).admission.unwrap();
        assert_eq!(again, admission, "an answer that was lost");
        let case = world.marked();
        let mut no = case.clone();
        no.review.decision = Decision::Decline;
        let [yes, declined] = [&case, &no].map(|case| vec![world.panel.anna.yes(&hash_of(&case.review))]);
        let verdict = expect!(world.judge(&no, declined), Judged).admission.unwrap();
        let read = Admission::from_bytes(bare(&verdict)).unwrap();
        assert_eq!(read.outcome, Outcome::Declined);
        world.unjudged(&case, yes, "approved after it was declined");
        let event = world.provider.sign(&case.session.id, "");
        assert_eq!(expect!(world.admit(&case.session, &event), Admitted).admission, None, "for good");
    }),
    ("decide by officers of another tenant, or of no roster", |world| {
        let case = world.marked();
        let hash = hash_of(&case.review);
        let Panel { abroad, roster_abroad, stranger, owner, anna, .. } = &world.panel;
        let own = with_officers(TENANT, &[owner], &[stranger]);
        let (abroad, roster_abroad) = (vec![abroad.yes(&hash)], roster_abroad.clone());
        let (stranger, anna) = (vec![stranger.yes(&hash)], vec![anna.yes(&hash)]);
        for (why, roster, ballots) in [
            ("theirs", &roster_abroad, abroad.clone()),
            ("theirs, of ours", &roster_abroad, anna),
            ("a roster of one's own", &own, stranger),
        ] {
            let reply = world.judge_by(roster, &case.session.ticket, &case.review, ballots);
            assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "{why}");
        }
        world.unjudged(&case, abroad, "another tenant's officer");
        let theirs = Review { tenant_id: ELSEWHERE.into(), ..case.review.clone() };
        let ballots = vec![world.panel.abroad.yes(&hash_of(&theirs))];
        let roster = world.panel.roster_abroad.clone();
        let reply = world.judge_by(&roster, &case.session.ticket, &theirs, ballots);
        assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "as if the session were theirs");
        world.lets_in(&case);
    }),
    ("decide as an officer who was removed", |world| {
        let case = world.marked();
        let hash = hash_of(&case.review);
        let before = world.panel.roster.clone();
        let next = Roster {
            version: before.version + 1,
            prev_hash: Some(hex(&hash_of(&before))),
            officers: vec![before.officers[0].clone()],
            ..before.clone()
        };
        let signed = vec![world.panel.owner.yes(&hash_of(&next))];
        expect!(amend(&mut world.client, &next, Some(&bytes_of(&before)), None, signed), Amended);
        world.unjudged(&case, vec![world.panel.ben.yes(&hash)], "by the roster of before");
        world.panel.roster = next.clone();
        world.unjudged(&case, vec![world.panel.ben.yes(&hash)], "by the new one");
        let back = Roster { version: next.version + 1, prev_hash: Some(hex(&hash_of(&next))), ..before };
        let signed = vec![world.panel.owner.yes(&hash_of(&back))];
        expect!(amend(&mut world.client, &back, Some(&bytes_of(&next)), None, signed), Amended);
        world.panel.roster = back;
        world.lets_in(&case);
    }),
    ("judge oneself", |world| {
        let session = open_person(&mut world.client, TENANT, "anna");
        let event = world.provider.sign(&session.id, MARKED);
        expect!(world.admit(&session, &event), Admitted);
        let mut case = world.marked();
        case.review.session_id.clone_from(&session.id);
        case.review.verification_id = "inq_1".into();
        let own = InReview { session, ..case };
        let hash = hash_of(&own.review);
        let Panel { anna, ben, .. } = &world.panel;
        let (alone, beside, other) =
            (vec![anna.yes(&hash)], vec![ben.yes(&hash), anna.yes(&hash)], vec![ben.yes(&hash)]);
        world.unjudged(&own, alone, "by herself");
        world.unjudged(&own, beside, "beside another");
        assert!(expect!(world.judge(&own, other), Judged).admission.is_some());
    }),
    ("pass off an officer's no to a decision as a yes", |world| {
        let case = world.marked();
        let hash = hash_of(&case.review);
        let Panel { anna, ben, .. } = &world.panel;
        let (no, turned) = (anna.no(&hash), Ballot { approve: true, ..anna.no(&hash) });
        let (mixed, third) = (vec![ben.yes(&hash), anna.no(&hash)], world.panel.owner.yes(&hash));
        let many = vec![anna.yes(&hash), ben.yes(&hash), third];
        world.unjudged(&case, vec![no], "a no");
        world.unjudged(&case, vec![turned], "a no, called a yes");
        world.unjudged(&case, mixed, "a yes and a no");
        world.unjudged(&case, many, "more than ever sign");
        world.lets_in(&case);
    }),
    ("have people approve whom nobody named", |world| {
        let nobody = format!(r#"{MARKED},"nobody":true"#);
        // Of a user who was seen before, it takes two.
        world.case();
        let case = world.in_review(&nobody, true);
        let alone = vec![world.panel.anna.yes(&hash_of(&case.review))];
        waits(world.judge(&case, alone), true);
        world.lets_in(&case);
        // Of one who never was, there is nobody to approve.
        let session = open(&mut world.client, TENANT, &fresh("user"), None);
        let event = world.provider.sign(&session.id, &nobody);
        expect!(world.admit(&session, &event), Admitted);
        let mut case = InReview { session, ..case };
        case.review.session_id.clone_from(&case.session.id);
        case.review.verification_id = "inq_1".into();
        let hash = hash_of(&case.review);
        let both = vec![world.panel.anna.yes(&hash), world.panel.ben.yes(&hash)];
        world.unjudged(&case, both, "nobody");
        case.review.decision = Decision::Decline;
        let no = vec![world.panel.anna.yes(&hash_of(&case.review))];
        assert!(expect!(world.judge(&case, no), Judged).admission.is_some());
    }),
    ("have the owner's check of another day taken for a stranger's", |world| {
        let user = fresh("user");
        let session = open(&mut world.client, TENANT, &user, None);
        let event = world.provider.sign(&session.id, MARKED);
        expect!(world.admit(&session, &event), Admitted);
        let mut case = world.marked();
        case.review.session_id.clone_from(&session.id);
        case.review.verification_id = "inq_1".into();
        let first = InReview { session, ..case };
        let hash = hash_of(&first.review);
        let ballots = vec![world.panel.anna.yes(&hash)];
        assert!(expect!(world.judge(&first, ballots.clone()), Judged).admission.is_some());
        // A first approval by people is the user's baseline, as one of the provider's is; also after a restart.
        world.enclave.kill();
        world.enclave = Enclave::start(&world.folder, &unlimited());
        world.client = world.enclave.connect();
        assert!(expect!(world.judge(&first, ballots), Judged).admission.is_some(), "decided for good");
        for (event, differs) in [(THIEF, true), ("", false)] {
            let session = open(&mut world.client, TENANT, &user, None);
            let event = world.provider.sign(&session.id, event);
            assert_eq!(expect!(world.admit(&session, &event), Admitted).identity_differs, differs);
        }
    }),
];
