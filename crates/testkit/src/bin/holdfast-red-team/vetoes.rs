//! The veto that stops a change of a list while it waits: to get past it, and to use it without having one.

use boundary::Env;
use boundary::acl::Rule;
use boundary::approval::AclDocument;
use boundary::message::{Ballot, Reply, Request, Weigh};

use crate::expect;
use crate::rig::control::{Person, amend, bytes_of, hash_of, list, next, roster};
use crate::world::{Attack, World, fresh_name};

/// How long a change that makes a list weaker waits, in seconds: longer than any run of the scripts.
const DELAY_S: i64 = 24 * 3_600;

/// A list of Anna, Ben and one who has a veto, and a weaker version of it that has passed and waits.
struct Waiting {
    vetoer: Person,
    list: AclDocument,
    weaker: AclDocument,
}

fn waiting(world: &mut World) -> Waiting {
    let (board, vetoer) = (&world.board, Person::new("vera"));
    let members = [&board.anna, &board.ben, &vetoer];
    let mut list = list(Env::Production, &board.tenant, &fresh_name("list"), &members);
    list.members[2].veto = true;
    list.delay_hot_s = DELAY_S;
    let roster = roster(Env::Production, &board.tenant, &[&board.owner]);
    let signed = vec![board.owner.yes(&hash_of(&list))];
    expect!(amend(&mut world.client, &list, None, Some(&roster), signed), Amended);
    let weaker = next(&list, |list| list.rule = Rule::Exact(1));
    let waiting = Waiting { vetoer, list, weaker };
    expect!(passes(world, &waiting), Amended);
    waiting
}

/// What the enclave says to the weaker version with the votes of Anna and Ben, which are as many as the list asks for.
fn passes(world: &mut World, waiting: &Waiting) -> Reply {
    let hash = hash_of(&waiting.weaker);
    let votes = [&world.board.anna, &world.board.ben].map(|person| person.yes(&hash));
    amend(&mut world.client, &waiting.weaker, Some(&bytes_of(&waiting.list)), None, votes.to_vec())
}

/// Whether the enclave stops a change on that ballot.
fn stops(world: &mut World, list: &AclDocument, hash: &[u8; 32], ballot: Ballot) -> bool {
    let request = Request::Stop(Weigh { acl: bytes_of(list), hash: *hash, ballot });
    matches!(world.call(&request), Reply::Verified(_))
}

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "have a change of a list that a veto has stopped",
        without: "3 version was stopped",
        run: |world| {
            let waiting = waiting(world);
            let hash = hash_of(&waiting.weaker);
            let no = waiting.vetoer.no(&hash);
            assert!(stops(world, &waiting.list, &hash, no), "the veto itself");
            matches!(passes(world, &waiting), Reply::Amended(_))
        },
    },
    Attack {
        name: "stop a change in the name of the member with a veto",
        without: "6 ballot is not signed by its person",
        run: |world| {
            let waiting = waiting(world);
            let hash = hash_of(&waiting.weaker);
            let forged = Ballot { person_id: waiting.vetoer.id.clone(), ..world.board.mallory.no(&hash) };
            stops(world, &waiting.list, &hash, forged)
        },
    },
    Attack {
        name: "stop a change by a member without a veto",
        without: "6 who stops it has no veto",
        run: |world| {
            let waiting = waiting(world);
            let hash = hash_of(&waiting.weaker);
            let no = world.board.ben.no(&hash);
            stops(world, &waiting.list, &hash, no)
        },
    },
    Attack {
        name: "take the yes of a member with a veto for his veto",
        without: "6 a yes stops nothing",
        run: |world| {
            let waiting = waiting(world);
            let hash = hash_of(&waiting.weaker);
            let yes = waiting.vetoer.yes(&hash);
            stops(world, &waiting.list, &hash, yes)
        },
    },
    Attack {
        name: "take a veto over one change for a veto over another",
        without: "6 assertion is of another challenge",
        run: |world| {
            let waiting = waiting(world);
            let other = next(&waiting.list, |list| list.rule = Rule::Percentage(1));
            let over_other = waiting.vetoer.no(&hash_of(&other));
            stops(world, &waiting.list, &hash_of(&waiting.weaker), over_other)
        },
    },
    Attack {
        name: "stop what has taken effect with a veto that came too late",
        without: "3 version does not wait",
        run: |world| {
            let waiting = waiting(world);
            let hash = hash_of(&waiting.list);
            let late = waiting.vetoer.no(&hash);
            stops(world, &waiting.list, &hash, late)
        },
    },
];
