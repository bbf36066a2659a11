//! Recipients, deliveries, items, and keys that are to hand over to one's own.

use boundary::message::{Bind, ItemOutcome, PoolKey, ProveItem, Refusal, Reply, Request, Rewrap, Succeed};

use crate::rig::{Bundle, Stored, UserKey, bind_request, check_request, new_key, open};
use crate::world::{Attack, Case, World, fresh_name};

/// Recovers any ciphertext as an item of one's own, under the attacker's copy of its key. `of` is who the key's seal says
/// it is of.
pub fn recover_as_own(world: &mut World, stored: &Stored, sealed: &[u8], pool: &PoolKey, of: &str) -> bool {
    let (tenant, own) = (world.tenant.clone(), world.mallory().user.clone());
    let (session, admission, inquiry) = world.own_session();
    let key = UserKey { pool: pool.clone(), sealed: sealed.to_vec() };
    let Some(record) = world.check(&key, &own, Some(&session), stored) else { return false };
    let mut mine = stored.clone();
    (mine.item.record, mine.item.key) = (record, sealed.to_vec());
    let (thief, admissions, digest) = (world.thief.clone(), [admission], mine.digest(&tenant, of));
    let (client, env) = (&mut world.client, boundary::Env::Production);
    let mut bundle =
        Bundle::new(client, env, &tenant, &own, &session, &admissions, &inquiry, &thief, &[mine]);
    bundle.intent.items[0].record_digest = crate::rig::hex(&digest);
    world.releases(&bundle)
}

/// The victim's items and key, moved to a key of the attacker's, and recovered as his own.
fn move_and_recover(world: &mut World, case: &Case, to: &UserKey) -> bool {
    let item = boundary::message::CheckItem {
        backup_id: case.stored.backup_id.clone(),
        item_key: case.stored.item.item_key.clone(),
        ciphertext: case.stored.item.ciphertext.clone(),
        checksum: case.stored.item.checksum,
    };
    let items = vec![ProveItem { item, record: case.stored.item.record.clone() }];
    let request = Rewrap { from: case.key.sealed.clone(), to: to.sealed.clone(), items };
    let Reply::Rewrapped(mut moved) = world.call(&Request::Rewrap(request)) else { return false };
    let Some(Some(moved)) = moved.items.pop() else { return false };
    let mut stored = case.stored.clone();
    stored.item.ciphertext = moved.ciphertext;
    stored.key_id.clone_from(&to.pool.key_id);
    let own = world.mallory().user.clone();
    recover_as_own(world, &stored, &to.sealed, &to.pool, &own)
}

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "receive where the session names the owner's fingerprint",
        without: "9 session names another fingerprint",
        run: |world| {
            let mut bundle = world.case(true).bundle;
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "send one's own certificate with the owner's intent",
        without: "9 fingerprint is not the intent's,9 encryption key is not the intent's,9 certificate is not the intent's",
        run: |world| {
            let mut bundle = world.case(false).bundle;
            bundle.certificate.clone_from(&world.thief);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "receive after the owner has received",
        without: "8 session released otherwise",
        run: |world| {
            let mut bundle = world.case(false).bundle;
            assert!(world.releases(&bundle), "the owner is served");
            world.steal(&mut bundle);
            world.releases(&bundle)
        },
    },
    Attack {
        name: "take a fourth delivery",
        without: "8 session has no delivery left",
        run: |world| {
            let bundle = world.case(true).bundle;
            (0..4).all(|_| world.releases(&bundle))
        },
    },
    Attack {
        name: "recover a sixth time in a day",
        without: "8 user has no recovery left",
        run: |world| {
            let (tenant, user) = (world.tenant.clone(), fresh_name("eager"));
            let key = new_key(&mut world.client, &tenant, &user);
            let recover = |world: &mut World| {
                let session = open(&mut world.client, &tenant, &user, None);
                let (inquiry, name) = (fresh_name("inq"), fresh_name("backup"));
                let admission = world.approve(&session, &inquiry);
                let stored =
                    crate::rig::store(&mut world.client, &key, &tenant, &user, Some(&session), &name);
                let (owner, admissions) = (world.owner.clone(), [admission]);
                let env = boundary::Env::Production;
                let client = &mut world.client;
                let bundle = Bundle::new(
                    client,
                    env,
                    &tenant,
                    &user,
                    &session,
                    &admissions,
                    &inquiry,
                    &owner,
                    &[stored],
                );
                world.releases(&bundle)
            };
            (0..6).all(|_| recover(world))
        },
    },
    Attack {
        name: "have a victim's item checked under his key, as one's own",
        without: "8 key to check is another user's,8 key is another user's,8 record is another user's",
        run: |world| {
            let case = world.case(true);
            let sealed = case.key.sealed.clone();
            recover_as_own(world, &case.stored, &sealed, &case.key.pool, &case.user)
        },
    },
    Attack {
        name: "have a victim's item checked under one's own key",
        without: "",
        run: |world| {
            let case = world.case(true);
            let key = world.mallory_key();
            let own = world.mallory().user.clone();
            recover_as_own(world, &case.stored, &key.sealed, &key.pool, &own)
        },
    },
    Attack {
        name: "move a victim's items to a key of one's own",
        without: "8 successor names another key,8 successor is another user's",
        run: |world| {
            let case = world.case(true);
            let key = world.mallory_key();
            move_and_recover(world, &case, &key)
        },
    },
    Attack {
        name: "have a victim's key replaced by one's own",
        without: "8 key to be replaced is another user's,8 successor is another user's",
        run: |world| {
            let case = world.case(true);
            let make = boundary::message::Generate { key_type: boundary::message::KeyType::Rsa4096 };
            let Reply::Generated(pool) = world.call(&Request::Generate(make)) else { return false };
            let (tenant, own) = (world.tenant.clone(), world.mallory().user.clone());
            let bind: Bind = bind_request(&pool, &tenant, &own);
            let request = Request::Succeed(Succeed { bind, predecessor: case.key.sealed.clone() });
            let Reply::Bound(bound) = world.call(&request) else { return false };
            move_and_recover(world, &case, &UserKey { pool, sealed: bound.sealed })
        },
    },
    Attack {
        name: "release a ciphertext that nobody checked, under a victim's key",
        without: "8 digest is not the record's",
        run: |world| {
            let mut case = world.case(false);
            let plaintext = world.plant();
            let mut stored = case.stored.clone();
            stored.item.ciphertext = crate::rig::encrypt(&case.key.pool.public_key, &plaintext);
            stored.item.checksum = crate::rig::sha256(&plaintext);
            let tenant = world.tenant.clone();
            case.bundle.intent.items[0].record_digest = crate::rig::hex(&stored.digest(&tenant, &case.user));
            case.bundle.items[0] = stored.item;
            world.steal(&mut case.bundle);
            world.releases(&case.bundle)
        },
    },
    Attack {
        name: "release what the intent does not name",
        without: "8 digest is not the intent's,8 record is another backup's",
        run: |world| {
            let (mut named, case) = (world.case(false), world.case(false));
            named.bundle.items[0] = case.stored.item.clone();
            named.bundle.admissions.push(case.admission.clone());
            world.steal(&mut named.bundle);
            world.releases(&named.bundle)
        },
    },
    Attack {
        name: "fail one check after another of one key",
        without: "8 checks are spent,8 key failed too often",
        run: |world| {
            let (tenant, user) = (world.tenant.clone(), fresh_name("guess"));
            let key = new_key(&mut world.client, &tenant, &user);
            let wrong = World::wrong_item(&key);
            let failed = |world: &mut World| {
                let request = check_request(&key, &tenant, &user, None, vec![wrong.clone()]);
                world.call(&request) == Reply::Refused(Refusal::CheckFailed)
            };
            (0..21).all(|_| failed(world))
        },
    },
    Attack {
        name: "leave items out of what is counted: an empty recovery, and one without end",
        without: "",
        run: |world| {
            let case = world.case(true);
            let mut released = false;
            for count in [0, 2, 1_001] {
                let mut bundle = case.bundle.clone();
                bundle.items = vec![case.stored.item.clone(); count];
                world.steal(&mut bundle);
                let reply = world.call(&Request::Release(bundle.request()));
                released |= matches!(reply, Reply::Released(it) if it.items.iter().any(|it| *it != ItemOutcome::Failed));
            }
            released
        },
    },
];
