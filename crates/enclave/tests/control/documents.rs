//! Attacks on rosters, lists and what is attached to them.

use boundary::message::{Attach, Ballot, Generate, Succeed};

use super::*;

fn refused(reply: &Reply, why: &str) {
    assert_eq!(*reply, Reply::Refused(Refusal::ProofFailed), "{why}");
}

impl World {
    /// A list of Anna and Ben with that name, founded by the Owner.
    pub fn founded(&mut self, alter: impl FnOnce(&mut AclDocument)) -> AclDocument {
        let name = self.fresh("list");
        let mut made = list(Env::Production, TENANT, &name, &[&self.anna, &self.ben]);
        alter(&mut made);
        let ballots = vec![self.owner.yes(&hash_of(&made))];
        expect!(amend(&mut self.client, &made, None, Some(&self.roster), ballots), Amended);
        made
    }

    /// A change to a list, on the word of Anna and Ben.
    pub fn changed(&mut self, current: &AclDocument, next: &AclDocument) -> Reply {
        let ballots = vec![self.anna.yes(&hash_of(next)), self.ben.yes(&hash_of(next))];
        amend(&mut self.client, next, Some(&bytes_of(current)), None, ballots)
    }
}

pub const SCRIPTS: &[Script] = &[
    ("found a list without an Owner", |world| {
        let (anna, ben) = (&world.anna, &world.ben);
        let made = list(Env::Production, TENANT, "list-of-thieves", &[anna, ben]);
        let hash = hash_of(&made);
        let by_members = vec![anna.yes(&hash), ben.yes(&hash)];
        let by_nobody = Vec::new();
        let own_roster = roster(Env::Production, TENANT, &[&world.stranger]);
        for (why, roster, ballots) in [
            ("members", &world.roster, by_members),
            ("nobody", &world.roster, by_nobody),
            ("a roster of one's own", &own_roster, vec![world.stranger.yes(&hash)]),
            ("another document's", &world.roster, vec![world.owner.yes(&hash_of(&world.roster))]),
            ("an Owner's no", &world.roster, vec![world.owner.no(&hash)]),
        ] {
            refused(&amend(&mut world.client, &made, None, Some(roster), ballots), why);
        }
        refused(&amend(&mut world.client, &made, None, None, vec![world.owner.yes(&hash)]), "no roster");
        let elsewhere = list(Env::Production, "tenant-b", "list-1", &[anna, ben]);
        let signed = vec![world.owner.yes(&hash_of(&elsewhere))];
        refused(
            &amend(&mut world.client, &elsewhere, None, Some(&world.roster), signed),
            "another tenant's list",
        );
        let sandboxed = list(Env::Sandbox, TENANT, "list-2", &[anna, ben]);
        let signed = vec![world.owner.yes(&hash_of(&sandboxed))];
        refused(
            &amend(&mut world.client, &sandboxed, None, Some(&world.roster), signed),
            "another environment",
        );
        let signed = vec![world.owner.yes(&hash)];
        expect!(amend(&mut world.client, &made, None, Some(&world.roster), signed), Amended);
    }),
    ("found a tenant's roster anew", |world| {
        let thieves = roster(Env::Production, TENANT, &[&world.stranger]);
        let ballots = vec![world.stranger.yes(&hash_of(&thieves))];
        refused(&amend(&mut world.client, &thieves, None, None, ballots.clone()), "a second first one");
        let current = bytes_of(&world.roster);
        refused(&amend(&mut world.client, &thieves, Some(&current), None, ballots), "after the first");
        let mut second = Roster { version: 2, prev_hash: Some(hex(&hash_of(&world.roster))), ..thieves };
        let by_stranger = vec![world.stranger.yes(&hash_of(&second))];
        refused(
            &amend(&mut world.client, &second, Some(&current), None, by_stranger.clone()),
            "a stranger's",
        );
        let own = bytes_of(&second);
        refused(&amend(&mut world.client, &second, Some(&own), None, by_stranger), "by itself");
        let unsigned = roster(Env::Production, "tenant-of-nobody", &[&world.stranger]);
        let by_another = vec![world.owner.yes(&hash_of(&unsigned))];
        refused(&amend(&mut world.client, &unsigned, None, None, by_another), "a first one of somebody else");
        // The Owner takes another beside himself; then that one speaks, and the version before is worth nothing.
        second.owners = roster(Env::Production, "tenant-r", &[&world.owner, &world.ben]).owners;
        second.owners.sort_by(|a, b| a.person_id.cmp(&b.person_id));
        let first = roster(Env::Production, "tenant-r", &[&world.owner]);
        let second =
            Roster { tenant_id: "tenant-r".into(), prev_hash: Some(hex(&hash_of(&first))), ..second };
        let signed = vec![world.owner.yes(&hash_of(&first))];
        expect!(amend(&mut world.client, &first, None, None, signed), Amended);
        let signed = vec![world.owner.yes(&hash_of(&second))];
        expect!(amend(&mut world.client, &second, Some(&bytes_of(&first)), None, signed), Amended);
        let made = list(Env::Production, "tenant-r", "list-r", &[&world.anna, &world.ben]);
        let signed = vec![world.ben.yes(&hash_of(&made))];
        refused(&amend(&mut world.client, &made, None, Some(&first), signed.clone()), "the roster before");
        expect!(amend(&mut world.client, &made, None, Some(&second), signed), Amended);
    }),
    ("change a list without its members", |world| {
        let current = world.founded(|_| ());
        let thieves = next(&current, |list| list.members.push(world.stranger.member()));
        let (hash, bytes) = (hash_of(&thieves), bytes_of(&current));
        for (why, ballots) in [
            ("an Owner", vec![world.owner.yes(&hash)]),
            ("one of two", vec![world.anna.yes(&hash)]),
            ("one of two, twice", vec![world.anna.yes(&hash), world.anna.yes_offline(&hash)]),
            ("the one who is to come", vec![world.anna.yes(&hash), world.stranger.yes(&hash)]),
            (
                "votes for the version before",
                vec![world.anna.yes(&hash_of(&current)), world.ben.yes(&hash_of(&current))],
            ),
            ("a rejection", vec![world.anna.yes(&hash), world.ben.no(&hash)]),
        ] {
            refused(&amend(&mut world.client, &thieves, Some(&bytes), None, ballots), why);
        }
        let anew = AclDocument { members: thieves.members.clone(), ..current.clone() };
        let signed = vec![world.owner.yes(&hash_of(&anew))];
        refused(
            &amend(&mut world.client, &anew, None, Some(&world.roster), signed),
            "a second first version",
        );
    }),
    ("break the chain of a list's versions", |world| {
        let first = world.founded(|_| ());
        let second = next(&first, |list| list.vote_window_s = 3_600);
        for (why, bad) in [
            ("a version left out", next(&first, |list| list.version = 3)),
            ("another one before", next(&first, |list| list.prev_hash = Some("ab".repeat(32)))),
            ("another list", next(&first, |list| list.acl_id = "list-1".into())),
            ("another tenant", next(&first, |list| list.tenant_id = "tenant-b".into())),
            ("another environment", next(&first, |list| list.env = Env::Sandbox)),
        ] {
            refused(&world.changed(&first, &bad), why);
        }
        assert_eq!(expect!(world.changed(&first, &second), Amended).version, 2);
        assert_eq!(expect!(world.changed(&first, &second), Amended).version, 2, "the same again");
        let other = next(&first, |list| list.vote_window_s = 7_200);
        refused(&world.changed(&first, &other), "a second change of the first version");
        let third = next(&second, |list| list.vote_window_s = 60);
        refused(&world.changed(&first, &third), "by the version before");
        expect!(world.changed(&second, &third), Amended);
        assert_eq!(expect!(world.changed(&first, &second), Amended).version, 2, "an answer that was lost");
        refused(&world.changed(&second, &next(&second, |list| list.vote_window_s = 30)), "a second third");
        let fourth = next(&third, |list| list.vote_window_s = 30);
        expect!(world.changed(&third, &fourth), Amended);
        refused(&world.changed(&first, &second), "the second, after the fourth");
    }),
    ("take back a delay by a change that waits itself", |world| {
        let first = world.founded(|list| (list.delay_hot_s, list.delay_cold_s) = (3_600, 86_400));
        let weaker = next(&first, |list| list.delay_hot_s = 0);
        let amended = expect!(world.changed(&first, &weaker), Amended);
        let wait_ms = amended.effective_at_ms - now_ms();
        assert!((86_000_000..=86_400_000).contains(&wait_ms), "{wait_ms}");
        let again = expect!(world.changed(&first, &weaker), Amended);
        assert_eq!(again, amended, "the same change again waits no longer and no shorter");
        let weaker_still = next(&weaker, |list| list.rule = Rule::Exact(1));
        refused(&world.changed(&weaker, &weaker_still), "on a version that is not in force");
        let other = next(&first, |list| list.delay_hot_s = 1);
        refused(&world.changed(&first, &other), "beside one that waits");
        let keyed = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        let request = attach_request(&world.owner, &world.roster, &weaker, &[&keyed]);
        refused(&world.client.call(&Request::Attach(request)), "attach to what is not in force");
        attach(&mut world.client, &world.owner, &world.roster, &first, &[&keyed]);
        let parcel =
            world.asked_of(&weaker, &[], std::slice::from_ref(&keyed)).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "a release by what is not in force");
        let parcel = world.asked_of(&first, &[], &[keyed]).voted(&[&world.anna, &world.ben]);
        assert!((3_590..=3_601).contains(&expect!(parcel.send(&mut world.client), Waiting)));
        let second = world.founded(|list| (list.delay_hot_s, list.delay_cold_s) = (3_600, 86_400));
        let stricter = next(&second, |list| list.delay_hot_s = 7_200);
        let amended = expect!(world.changed(&second, &stricter), Amended);
        assert!(amended.effective_at_ms <= now_ms(), "what is stricter does not wait");
    }),
    ("attach keys without an Owner, or others than he signed", |world| {
        let made = world.founded(|_| ());
        let keys = [0, 1].map(|_| new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER));
        let good = attach_request(&world.owner, &world.roster, &made, &[&keys[0]]);
        let sealed = |key: &UserKey| key.sealed.clone();
        let elsewhere = new_key_of(&mut world.client, KeyType::Ed25519, "tenant-b", USER);
        let theirs = attach_request(&world.owner, &world.roster, &made, &[&elsewhere]);
        let other = attach_request(&world.owner, &world.roster, &world.list, &[&keys[0]]);
        for (why, bad) in [
            ("a stranger", attach_request(&world.stranger, &world.roster, &made, &[&keys[0]])),
            ("a member", attach_request(&world.anna, &world.roster, &made, &[&keys[0]])),
            ("another key", Attach { keys: vec![sealed(&keys[1])], ..good.clone() }),
            ("a key more", Attach { keys: keys.iter().map(sealed).collect(), ..good.clone() }),
            ("a key twice", Attach { keys: vec![sealed(&keys[0]), sealed(&keys[0])], ..good.clone() }),
            ("another list", Attach { acl: bytes_of(&world.list), ..good.clone() }),
            ("signed for another list", Attach { acl: bytes_of(&made), ..other }),
            (
                "another roster",
                Attach {
                    roster: bytes_of(&roster(Env::Production, TENANT, &[&world.stranger])),
                    ballot: attach_request(&world.stranger, &world.roster, &made, &[&keys[0]]).ballot,
                    ..good.clone()
                },
            ),
            ("another tenant's key", theirs),
            (
                "an Owner's no",
                Attach { ballot: Ballot { approve: false, ..good.ballot.clone() }, ..good.clone() },
            ),
        ] {
            refused(&world.client.call(&Request::Attach(bad)), why);
        }
        let theirs = roster(Env::Production, "tenant-c", &[&world.stranger]);
        let signed = vec![world.stranger.yes(&hash_of(&theirs))];
        expect!(amend(&mut world.client, &theirs, None, None, signed), Amended);
        let request = attach_request(&world.stranger, &theirs, &made, &[&keys[0]]);
        refused(&world.client.call(&Request::Attach(request)), "another tenant's roster");
        let pool = expect!(
            world.client.call(&Request::Generate(Generate { key_type: KeyType::Ed25519 })),
            Generated
        );
        let pooled = UserKey { sealed: pool.sealed.clone(), pool };
        let request = attach_request(&world.owner, &world.roster, &made, &[&pooled]);
        refused(&world.client.call(&Request::Attach(request)), "a key of nobody");
        let none = Attach { keys: Vec::new(), ..good.clone() };
        assert_eq!(world.client.call(&Request::Attach(none)), Reply::Refused(Refusal::Malformed));
        for _ in 0..2 {
            expect!(world.client.call(&Request::Attach(good.clone())), Attached);
        }
    }),
    ("move a key to another list", |world| {
        let made = world.founded(|list| list.rule = Rule::Exact(1));
        let key = world.key.clone();
        let request = attach_request(&world.owner, &world.roster, &made, &[&key]);
        assert_eq!(world.client.call(&Request::Attach(request)), Reply::Refused(Refusal::AlreadyBound));
        let stored = world.stored();
        let parcel = world.asked_of(&made, &stored, &[]).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "by another list");
    }),
    ("rotate a key out of its list", |world| {
        let generate = Request::Generate(Generate { key_type: KeyType::Rsa4096 });
        let pool = expect!(world.client.call(&generate), Generated);
        let bind = bind_request(&pool, TENANT, USER);
        let request = Request::Succeed(Succeed { bind, predecessor: world.key.sealed.clone() });
        let heir = UserKey { sealed: expect!(world.client.call(&request), Bound).sealed, pool };
        let lax = world.founded(|_| ());
        let request = attach_request(&world.owner, &world.roster, &lax, &[&heir]);
        assert_eq!(world.client.call(&Request::Attach(request)), Reply::Refused(Refusal::AlreadyBound));
        let parcel = world.asked_of(&lax, &[], std::slice::from_ref(&heir)).voted(&[&world.anna, &world.ben]);
        world.proof_fails(&parcel, "by another list");
        let parcel = world.asked(&[], &[heir]).voted(&[&world.anna, &world.ben]);
        world.releases(&parcel, &[]);
    }),
];
