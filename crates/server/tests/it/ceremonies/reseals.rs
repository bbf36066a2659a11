//! Records of checks made offline leave to be sealed anew, and come back: the test is the offline enclave, so that it has
//! the epochs that the case needs.

use boundary::ceremony::{Epochs, RESEAL_ITEMS_MAX, Resealed};
use boundary::cold::{Entry, File};
use boundary::message::{Checked, Refusal, Reply, Request};
use boundary::wire::Wire as _;
use server::admin::{Exported, Imported};
use testkit::{App, Given};

use super::answers::{Played, taken};
use super::moves::store;
use super::{cold_key, import};
use crate::ceremonies::check_of;

fn checked(record: &[u8]) -> Reply {
    Reply::Checked(Checked { records: vec![record.to_vec()] })
}

/// Sealed in the second epoch; of the first one nothing was retired yet.
fn anew(items: &[Option<&[u8]>]) -> Reply {
    let items = items.iter().map(|item| item.map(<[u8]>::to_vec)).collect();
    Reply::Resealed(Resealed { epochs: Epochs { current: 2, former: Some(1) }, items })
}

/// The records that leave in a bundle, a page each.
fn pages(exported: &Exported) -> Vec<Vec<Vec<u8>>> {
    let file = File::from_bytes(&exported.file).unwrap();
    let entries = file.parts.iter().map(|part| Entry::from_bytes(part).unwrap());
    let page = |entry| match entry {
        Entry::Ask(Request::Reseal(reseal)) => Some(reseal.items),
        _ => None,
    };
    entries.filter_map(page).collect()
}

async fn answer(offline: &Played, app: &App, to: &Exported, replies: &[Reply]) -> Imported {
    import(app, &offline.answers(to, boundary::Env::Sandbox, replies)).await.unwrap()
}

/// How many were sealed anew, how many are checked again, how many are left, and which epoch is over.
fn came(imported: &Imported) -> (usize, usize, usize, Option<u32>) {
    let resealed = imported.resealed.as_ref().unwrap();
    (resealed.moved, resealed.unchecked, resealed.left, resealed.over())
}

/// Three backups of a COLD key, with the records `a`, `b` and `c`; beside them one that was checked online.
async fn three(app: &App, offline: &Played) -> (Given, [String; 3]) {
    let hot = Given::of(app.partner().assign(&testkit::assign_body("user-2", "customer-1")).await.ok());
    store(&app.partner(), &hot, b"zone").await;
    let key = cold_key(app, "user-1").await;
    let mut ids = Vec::new();
    for plaintext in [b"abandon", b"ability", b"absence"] {
        ids.push(store(&app.partner(), &key, plaintext).await);
    }
    // In the order in which they leave.
    ids.sort();
    let exported = offline.export(app, &[]).await;
    answer(offline, app, &exported, &[taken(), checked(b"a"), checked(b"b"), checked(b"c")]).await;
    (key, ids.try_into().unwrap())
}

async fn a_record_is_replaced_as_it_left_and_what_is_left_is_counted(app: App) {
    let offline = Played::of(7);
    let (_, [first, second, third]) = three(&app, &offline).await;
    let has = |id: &str, record: &str, state: &str| {
        let found = format!("backups WHERE id = '{id}' AND check_state = '{state}' AND record {record}");
        assert_eq!(app.place.rows(&found), 1, "{found}");
    };
    let is = |letters: &str| {
        let hex = domain::audit::hex(letters.as_bytes());
        if matches!(app.place, testkit::Place::Postgres(_)) {
            format!("= '\\x{hex}'::bytea")
        } else {
            format!("= x'{hex}'")
        }
    };
    let set = |id: &str, letters: &str| {
        let value = is(letters);
        app.place.run(&format!("UPDATE backups SET record {value} WHERE id = '{id}'"));
    };
    assert!(pages(&offline.export(&app, &[boundary::message::KeyType::Ed25519]).await).is_empty(), "unasked");

    let exported = offline.export_with_records(&app).await;
    assert_eq!(pages(&exported), [[b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]], "and none of a HOT key");
    // The third is another one by the time that its answer comes; of the second no seal holds.
    set(&third, "x");
    let reply = anew(&[Some(b"A"), None, Some(b"C")]);
    let imported = answer(&offline, &app, &exported, std::slice::from_ref(&reply)).await;
    assert_eq!(came(&imported), (1, 1, 1, None), "{:?}", imported.lines);
    has(&first, &is("A"), "verified");
    has(&second, "IS NULL", "unverified-cold");
    has(&third, &is("x"), "verified");
    let before = app.census();
    assert_eq!(came(&answer(&offline, &app, &exported, std::slice::from_ref(&reply)).await), (0, 0, 1, None));
    assert_eq!(app.census(), before, "again, nothing changes");
    let unverified = app.partner().audit("&action=backup.unverified").await;
    assert_eq!(unverified.len(), 1, "{unverified:?}");
    assert_eq!(unverified[0]["backup_id"], second.as_str());
    // An import that was cut off goes on with what it had not come to.
    app.place.run("UPDATE offline_bundles SET answered_at = NULL WHERE sequence = 2");
    set(&third, "c");
    let imported = answer(&offline, &app, &exported, &[reply]).await;
    assert_eq!((came(&imported), imported.is_repeated), ((1, 0, 0, Some(1)), false));
    has(&third, &is("C"), "verified");

    // What holds no more is checked again in the next ceremony, whose own records count as its epoch's.
    let exported = offline.export_with_records(&app).await;
    assert_eq!((exported.entries, pages(&exported)), (2, vec![vec![b"A".to_vec(), b"C".to_vec()]]));
    let lost = [checked(b"B"), Reply::Refused(Refusal::Malformed)];
    assert_eq!(
        came(&answer(&offline, &app, &exported, &lost).await),
        (0, 0, 2, None),
        "no page was answered"
    );
    has(&second, &is("B"), "verified");
    let replies = [checked(b"B"), anew(&[Some(b"A"), Some(b"C")])];
    assert_eq!(came(&answer(&offline, &app, &exported, &replies).await), (0, 0, 0, Some(1)));
    let again = offline.export_with_records(&app).await;
    for items in [vec![Some(b"A".as_slice()); 2], vec![Some(b"A".as_slice()); 4]] {
        let file = offline.answers(&again, boundary::Env::Sandbox, &[anew(&items)]);
        import(&app, &file).await.unwrap_err();
    }
    // Of what was deleted meanwhile nothing is checked again, and nothing is said.
    let state =
        |state: &str| app.place.run(&format!("UPDATE backups SET state = '{state}' WHERE id = '{first}'"));
    state("deleted");
    let imported = answer(&offline, &app, &again, &[anew(&[None, Some(b"B"), Some(b"C")])]).await;
    assert_eq!(came(&imported), (0, 0, 1, None));
    assert_eq!(app.partner().audit("&action=backup.unverified").await.len(), 1);
    state("confirmed");
    let only = Resealed {
        epochs: Epochs { current: 1, former: None },
        items: ["A", "B", "C"].map(|letter| Some(letter.into())).to_vec(),
    };
    let imported = answer(&offline, &app, &again, &[Reply::Resealed(only)]).await;
    assert_eq!(came(&imported), (0, 0, 0, None), "where there is one epoch, none is over");
}

#[tokio::test]
async fn a_record_is_replaced_as_it_left_and_what_is_left_is_counted_on_sqlite() {
    Box::pin(a_record_is_replaced_as_it_left_and_what_is_left_is_counted(App::start().await)).await;
}

#[tokio::test]
async fn a_record_is_replaced_as_it_left_and_what_is_left_is_counted_on_postgres() {
    Box::pin(a_record_is_replaced_as_it_left_and_what_is_left_is_counted(App::on_postgres().await)).await;
}

#[tokio::test]
async fn all_records_leave_in_pages_and_none_is_an_entry_too() {
    let app = App::start().await;
    let offline = Played::of(7);
    let none = offline.export_with_records(&app).await;
    assert_eq!(pages(&none), [Vec::<Vec<u8>>::new()]);
    let imported = answer(&offline, &app, &none, &[anew(&[])]).await;
    assert_eq!(came(&imported), (0, 0, 0, Some(1)), "nothing is there, and that is known");
    let (key, [id, ..]) = three(&app, &offline).await;
    assert_eq!(check_of(&app, &key, &key.device().item("late", b"absurd")).await, "unverified-cold");
    let copies = (4..=RESEAL_ITEMS_MAX).map(|n| {
        format!("UPDATE copy SET id = 'f{n:07}-0000-7000-8000-000000000000'; INSERT INTO backups SELECT * FROM copy;")
    });
    app.place.run(&format!(
        "CREATE TABLE copy AS SELECT * FROM backups WHERE id = '{id}'; UPDATE copy SET repeat_tag = NULL; {} DROP TABLE copy",
        copies.collect::<String>()
    ));
    let exported = offline.export_with_records(&app).await;
    let found = pages(&exported);
    assert_eq!(
        found.iter().map(Vec::len).collect::<Vec<_>>(),
        [RESEAL_ITEMS_MAX],
        "a page that is just full"
    );
    let page: Vec<Vec<u8>> = found[0].iter().map(|record| [record.as_slice(), b"2"].concat()).collect();
    let page: Vec<Option<&[u8]>> = page.iter().map(|record| Some(record.as_slice())).collect();
    let imported = answer(&offline, &app, &exported, &[checked(b"d"), anew(&page)]).await;
    assert_eq!(came(&imported), (RESEAL_ITEMS_MAX, 0, 0, Some(1)));
    let sizes = |exported: &Exported| pages(exported).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&offline.export_with_records(&app).await), [RESEAL_ITEMS_MAX, 1], "with the late one");
}
