//! Attacks on a freeze: to get something out in spite of it, and to end it without its tenant's Owner.

use boundary::approval::Roster;
use boundary::freeze::{FREEZE_HOURS_MAX, Freeze, Frozen, Thaw, Thawing};
use boundary::message::{Ballot, Signature};
use rig::control::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

impl World {
    fn freeze(&mut self, tenant: &str, hours: u32) -> Frozen {
        let request = Request::Freeze(Freeze { tenant_id: tenant.into(), hours });
        expect!(self.client.call(&request), Frozen)
    }

    fn thaw(&mut self, roster: &Roster, ballot: Ballot) -> Reply {
        self.client.call(&Request::Thaw(Thaw { roster: bytes_of(roster), ballot }))
    }

    fn is_frozen(&mut self, case: &Case, why: &str) {
        let reply = case.bundle.send(&mut self.client);
        assert!(matches!(reply, Reply::Refused(Refusal::Frozen(_))), "{why}: {reply:?}");
    }
}

/// What an Owner signs to end that freeze.
fn thawing(tenant: &str, freeze: i64) -> [u8; 32] {
    hash_of(&Thawing { env: Env::Production, tenant_id: tenant.into(), freeze })
}

pub const SCRIPTS: &[Script] = &[
    ("release while the tenant is frozen", |world| {
        let (house, key) = world.house(|_| ());
        let (case, neighbours) = (world.case_under(&house, &key), world.case());
        assert_eq!(world.freeze(&house.tenant, 0), Frozen { number: 0, left_ms: 0 }, "one only asks");
        let frozen = world.freeze(&house.tenant, 72);
        assert!((71 * HOUR_MS..=72 * HOUR_MS).contains(&frozen.left_ms) && frozen.number == 1, "{frozen:?}");
        world.is_frozen(&case, "an approval of before");
        let later = world.case_under(&house, &key);
        world.is_frozen(&later, "an approval of the same time");
        // Neither less nor the same shortens it, and nobody freezes for ever.
        for hours in [0, 1, 71] {
            let still = world.freeze(&house.tenant, hours);
            assert!(still.number == 1 && still.left_ms > 71 * HOUR_MS, "{hours}: {still:?}");
        }
        let longest = world.freeze(&house.tenant, u32::MAX);
        assert!(longest.number == 2 && longest.left_ms <= i64::from(FREEZE_HOURS_MAX) * HOUR_MS);
        world.releases(&neighbours);
        let ballot = house.owner.yes(&thawing(&house.tenant, 2));
        assert_eq!(expect!(world.thaw(&house.roster, ballot), Frozen).left_ms, 0);
        assert_eq!((world.releases_bundle(&case.bundle), world.releases_bundle(&later.bundle)), (1, 1));
    }),
    ("freeze a tenant that nobody can name", |world| {
        for tenant_id in [String::new(), "a\0b".into(), "x".repeat(1_025)] {
            let request = Request::Freeze(Freeze { tenant_id, hours: 1 });
            assert_eq!(world.client.call(&request), Reply::Refused(Refusal::Malformed));
        }
    }),
    ("thaw without an owner, or by another tenant's", |world| {
        let (house, key) = world.house(|_| ());
        let (other, _) = world.house(|_| ());
        let case = world.case_under(&house, &key);
        assert_eq!((world.freeze(&house.tenant, 72).number, world.freeze(&other.tenant, 72).number), (1, 1));
        let (mine, theirs) = (thawing(&house.tenant, 1), thawing(&other.tenant, 1));
        let stranger = Person::new("olga");
        let mut bent = house.owner.asserts(&mine, |_| ());
        bent.signature[9] ^= 1;
        let no = Reply::Refused(Refusal::ProofFailed);
        for (why, roster, ballot) in [
            ("somebody of the same name", &house.roster, stranger.yes(&mine)),
            ("somebody who is no owner", &house.roster, Person::new("eve").yes(&mine)),
            ("an owner's no", &house.roster, house.owner.no(&mine)),
            ("his no as a yes", &house.roster, Ballot { approve: true, ..house.owner.no(&mine) }),
            ("another tenant's owner", &house.roster, other.owner.yes(&mine)),
            ("for another tenant", &house.roster, house.owner.yes(&theirs)),
            ("by another tenant's roster", &other.roster, other.owner.yes(&mine)),
            ("of another freeze", &house.roster, house.owner.yes(&thawing(&house.tenant, 2))),
            ("of something else", &house.roster, house.owner.yes(&hash_of(&house.policy))),
            ("half a signature", &house.roster, house.owner.ballot(true, Signature::WebAuthn(bent))),
        ] {
            assert_eq!(world.thaw(roster, ballot), no, "{why}");
            world.is_frozen(&case, why);
        }
        let sandbox = Thawing { env: Env::Sandbox, tenant_id: house.tenant.clone(), freeze: 1 };
        assert_eq!(world.thaw(&house.roster, house.owner.yes(&hash_of(&sandbox))), no, "of a sandbox");
        let ours = Roster { owners: other.roster.owners.clone(), ..house.roster.clone() };
        assert_eq!(world.thaw(&ours, other.owner.yes(&mine)), no, "a roster that nobody signed");
        world.is_frozen(&case, "a roster that nobody signed");
        assert_eq!(expect!(world.thaw(&other.roster, other.owner.yes(&theirs)), Frozen).left_ms, 0);
        world.is_frozen(&case, "the neighbour's is over");
        assert_eq!(expect!(world.thaw(&house.roster, house.owner.yes_offline(&mine)), Frozen).left_ms, 0);
        assert_eq!(world.releases_bundle(&case.bundle), 1);
    }),
    ("end a freeze with the owner's word about an older one", |world| {
        let (house, key) = world.house(|_| ());
        let case = world.case_under(&house, &key);
        assert_eq!(world.freeze(&house.tenant, 24).number, 1);
        let first = house.owner.yes(&thawing(&house.tenant, 1));
        assert_eq!(world.freeze(&house.tenant, 48).number, 2, "made longer");
        let no = Reply::Refused(Refusal::ProofFailed);
        assert_eq!(world.thaw(&house.roster, first.clone()), no, "he said so of a shorter one");
        world.is_frozen(&case, "made longer");
        let second = house.owner.yes(&thawing(&house.tenant, 2));
        assert_eq!(expect!(world.thaw(&house.roster, second.clone()), Frozen).left_ms, 0);
        assert_eq!(world.thaw(&house.roster, second.clone()), no, "it is over");
        let again = world.freeze(&house.tenant, 24);
        for old in [first, second] {
            assert_eq!(world.thaw(&house.roster, old), no, "it was of one that is over");
            world.is_frozen(&case, "frozen anew");
        }
        let last = house.owner.yes(&thawing(&house.tenant, again.number));
        assert_eq!(expect!(world.thaw(&house.roster, last), Frozen).left_ms, 0);
        assert_eq!(world.releases_bundle(&case.bundle), 1);
    }),
];
