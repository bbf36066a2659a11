//! What both engines promise, whatever is asked of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::tenants::{self, Tenant};
use store::{Db, FromRow, Settings, Sql, StoreError, Tx, meta};
use tokio::task::JoinSet;

use crate::fixture::*;
use crate::support::{Bench, Kind};

crate::on_both_engines! {
    a_refusal_undoes_itself_and_no_neighbour,
    an_error_that_is_swallowed_keeps_nothing,
    a_panic_is_an_error_and_the_thread_goes_on,
    a_failing_statement_does_not_take_its_neighbours_along,
    a_locked_database_is_an_error_in_good_time,
    a_full_queue_is_an_error_at_once,
    what_was_answered_is_there_after_a_restart,
    closing_finishes_what_waits,
    an_unknown_schema_is_refused,
    many_may_open_an_empty_database_at_once,
    a_reader_sees_one_moment,
    a_reader_does_not_write,
    columns_out_of_order_are_noticed,
    work_that_nobody_awaits_is_not_begun,
}

/// A caller's own error, as a flow has one.
#[derive(Debug)]
enum Refusal {
    Store(StoreError),
    No,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Keeps the writing threads busy, so that what is asked for next waits and is then run together.
async fn while_busy<T>(db: &Db, threads: usize, work: impl Future<Output = T>) -> T {
    let mut busy = JoinSet::new();
    let begun = Arc::new(AtomicU64::new(0));
    for _ in 0..threads {
        let (db, begun) = (db.clone(), Arc::clone(&begun));
        busy.spawn(async move {
            let sleep = move |_: &mut Tx<'_>| -> Result<(), StoreError> {
                begun.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(300));
                Ok(())
            };
            db.write("busy", sleep).await.expect("writes");
        });
    }
    while begun.load(Ordering::SeqCst) < threads as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    work.await
}

/// How many threads write.
fn writers(bench: &Bench) -> usize {
    if bench.kind() == Kind::Sqlite { 1 } else { bench.settings().threads }
}

async fn names(db: &Db) -> Vec<String> {
    read(db, tenants::list_all).await.into_iter().map(|tenant| tenant.name).collect()
}

async fn a_refusal_undoes_itself_and_no_neighbour(bench: &Bench) {
    let db = bench.open().await;
    let mut running = JoinSet::new();
    while_busy(&db, writers(bench), async {
        for number in 1..=100 {
            let db = db.clone();
            running.spawn(async move {
                let work = move |tx: &mut Tx<'_>| {
                    tenants::insert(tx, &tenant(number))?;
                    if number % 3 == 0 { Err(Refusal::No) } else { Ok(()) }
                };
                (number, db.write("refuses", work).await)
            });
        }
    })
    .await;
    for (number, answer) in running.join_all().await {
        match answer {
            Ok(()) => assert_ne!(number % 3, 0),
            Err(Refusal::No) => assert_eq!(number % 3, 0),
            Err(Refusal::Store(error)) => unreachable!("{error}"),
        }
    }
    let kept: Vec<_> = (1..=100).filter(|number| number % 3 != 0).map(|number| tenant(number).name).collect();
    assert_eq!(names(&db).await, kept);
    if bench.kind() == Kind::Sqlite {
        assert!(db.stats().commits < 20, "they were committed in groups: {:?}", db.stats());
    }
}

async fn an_error_that_is_swallowed_keeps_nothing(bench: &Bench) {
    let db = bench.open().await;
    let swallow = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        tenants::insert(tx, &tenant(1))?;
        assert!(tenants::insert(tx, &tenant(1)).is_err(), "the same id twice");
        Ok(())
    };
    assert!(matches!(db.write("swallows", swallow).await, Err(StoreError::Other { .. })));
    assert_eq!(names(&db).await, [""; 0]);
}

async fn a_panic_is_an_error_and_the_thread_goes_on(bench: &Bench) {
    let db = bench.open().await;
    for number in 1..=8 {
        let work = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            tenants::insert(tx, &tenant(number))?;
            unreachable!("on purpose");
        };
        assert!(matches!(db.write("panics", work).await, Err(StoreError::Other { .. })));
    }
    seed(&db).await;
    assert_eq!(names(&db).await.len(), 2);
}

/// In `SQLite` the statement makes the engine roll back the whole group behind our back.
async fn a_failing_statement_does_not_take_its_neighbours_along(bench: &Bench) {
    let db = bench.open().await;
    bench.raw(match bench.kind() {
        Kind::Sqlite => {
            "CREATE TRIGGER boom BEFORE INSERT ON tenants WHEN new.name = 'boom'
             BEGIN SELECT RAISE(ROLLBACK, 'boom'); END"
        }
        Kind::Postgres => "ALTER TABLE tenants ADD CONSTRAINT boom CHECK (name <> 'boom')",
    });
    let mut running = JoinSet::new();
    while_busy(&db, writers(bench), async {
        for number in 1..=60 {
            let db = db.clone();
            running.spawn(async move {
                let boom = number % 7 == 0;
                let name = if boom { "boom".to_owned() } else { tenant(number).name };
                let row = Tenant { name, ..tenant(number) };
                let work = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
                    meta::ensure(tx, &format!("before {number}"), "x")?;
                    tenants::insert(tx, &row)
                };
                (boom, db.write("may fail", work).await)
            });
        }
    })
    .await;
    for (boom, answer) in running.join_all().await {
        assert_eq!(boom, answer.is_err(), "{answer:?}");
    }
    assert_eq!(names(&db).await.len(), 60 - 8);
    assert_eq!(read(&db, |rx| meta::find(rx, "before 7")).await, None, "all of it is undone");
    assert!(read(&db, |rx| meta::find(rx, "before 8")).await.is_some());
    if bench.kind() == Kind::Sqlite {
        assert!(db.stats().reruns > 0, "the neighbours were run again: {:?}", db.stats());
    }
}

async fn a_locked_database_is_an_error_in_good_time(bench: &Bench) {
    let patience = Duration::from_millis(300);
    let db = Db::open(Settings { patience, ..bench.settings() }).await.expect("opens");
    seed(&db).await;
    let lock = bench.lock();
    let insert = |tx: &mut Tx<'_>| tenants::insert(tx, &tenant(3));
    let mut waiting = JoinSet::new();
    for _ in 0..12 {
        let db = db.clone();
        waiting.spawn(async move { db.write("locked", insert).await });
    }
    // All of them, and not each only after the one before it has been given up.
    let refused = tokio::time::timeout(patience * 6, waiting.join_all()).await.expect("in good time");
    for refused in refused {
        let passing = matches!(refused, Err(StoreError::Unavailable { .. } | StoreError::Busy));
        assert!(passing && refused.is_err_and(|error| error.is_passing()));
    }
    drop(lock);
    db.write("free", insert).await.expect("the lock is gone");
    assert_eq!(names(&db).await.len(), 3);
}

async fn a_full_queue_is_an_error_at_once(bench: &Bench) {
    let db = Db::open(Settings { queue_max: 5, threads: 1, ..bench.settings() }).await.expect("opens");
    let mut running = JoinSet::new();
    while_busy(&db, 1, async {
        for number in 1..=8 {
            let db = db.clone();
            running.spawn(
                async move { db.write("queues", move |tx| tenants::insert(tx, &tenant(number))).await },
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(db.stats().waiting, 5);
    })
    .await;
    let answers = running.join_all().await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(StoreError::Busy))).count(), 3);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
    assert_eq!(names(&db).await.len(), 5);
}

async fn what_was_answered_is_there_after_a_restart(bench: &Bench) {
    for round in 0..5 {
        let db = bench.open().await;
        assert_eq!(names(&db).await.len() as u64, round * 50);
        race([&db, &db], 50, |n| move |tx: &mut Tx<'_>| tenants::insert(tx, &tenant(round * 100 + n))).await;
        drop(db);
    }
    assert_eq!(names(&bench.open().await).await.len(), 250);
}

async fn closing_finishes_what_waits(bench: &Bench) {
    let db = bench.open().await;
    let mut running = JoinSet::new();
    while_busy(&db, writers(bench), async {
        for number in 1..=50 {
            let db = db.clone();
            running.spawn(
                async move { db.write("waits", move |tx| tenants::insert(tx, &tenant(number))).await },
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    })
    .await;
    db.close().await;
    assert!(running.join_all().await.iter().all(Result::is_ok));
    let late = db.write("late", |tx| tenants::insert(tx, &tenant(99))).await;
    assert!(matches!(late, Err(StoreError::Unavailable { .. })), "{late:?}");
    assert_eq!(names(&bench.open().await).await.len(), 50);
}

async fn an_unknown_schema_is_refused(bench: &Bench) {
    drop(bench.open().await);
    bench.raw("INSERT INTO schema_versions (version, name) VALUES (9999, 'from the future')");
    let refused = Db::open(bench.settings()).await;
    assert!(matches!(refused, Err(StoreError::Unfit(_))), "{refused:?}");
    bench.raw("DELETE FROM schema_versions");
    bench.raw("INSERT INTO schema_versions (version, name) VALUES (1, 'of another program')");
    let refused = Db::open(bench.settings()).await;
    assert!(matches!(refused, Err(StoreError::Unfit(_))), "{refused:?}");
}

async fn many_may_open_an_empty_database_at_once(bench: &Bench) {
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        opening.spawn(Db::open(Settings {
            threads: 2,
            patience: Duration::from_secs(5),
            ..bench.settings()
        }));
    }
    let opened: Vec<_> = opening.join_all().await.into_iter().map(|db| db.expect("opens")).collect();
    seed(&opened[0]).await;
    assert_eq!(names(&opened[7]).await.len(), 2);
}

async fn a_reader_sees_one_moment(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let (looked, written) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let wait = |until: &AtomicU64| {
        for _ in 0..2000 {
            if until.load(Ordering::SeqCst) == 1 {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let (seen, go_on) = (Arc::clone(&looked), Arc::clone(&written));
    let looking = db.read("looks twice", move |rx| -> Result<_, StoreError> {
        let before = tenants::list_all(rx)?.len();
        seen.store(1, Ordering::SeqCst);
        wait(&go_on);
        Ok((before, tenants::list_all(rx)?.len()))
    });
    let writing = async {
        while looked.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        write(&db, |tx| tenants::insert(tx, &tenant(3))).await;
        written.store(1, Ordering::SeqCst);
    };
    let (counts, ()) = tokio::join!(looking, writing);
    assert_eq!(counts.expect("reads"), (2, 2));
    assert_eq!(names(&db).await.len(), 3);
}

/// One text in place of a row.
struct Name(String);

impl FromRow for Name {
    fn read(cells: &mut store::Cells<'_>) -> Result<Self, StoreError> {
        cells.take("name").map(Self)
    }
}

async fn a_reader_does_not_write(bench: &Bench) {
    const DELETE: &str = "DELETE FROM tenants WHERE name = 'tenant 2' RETURNING name";
    static SQL: Sql = Sql::new("deletes", DELETE, DELETE);
    let db = bench.open().await;
    seed(&db).await;
    let refused = db.read("deletes", |rx| rx.find::<Name>(&SQL, &[])).await;
    assert!(refused.is_err());
    let deleted = write(&db, |tx| tx.find::<Name>(&SQL, &[])).await;
    assert_eq!(deleted.map(|name| name.0).as_deref(), Some("tenant 2"), "a writer may");
}

async fn columns_out_of_order_are_noticed(bench: &Bench) {
    const OTHER: &str = "SELECT id FROM tenants ORDER BY id LIMIT 1";
    const MORE: &str = "SELECT name, id FROM tenants ORDER BY id LIMIT 1";
    static OTHER_SQL: Sql = Sql::new("other", OTHER, OTHER);
    static MORE_SQL: Sql = Sql::new("more", MORE, MORE);
    let db = bench.open().await;
    seed(&db).await;
    for sql in [&OTHER_SQL, &MORE_SQL] {
        let refused =
            db.read("misread", |rx| rx.find::<Name>(sql, &[])).await.map(|name| name.map(|name| name.0));
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    }
}

async fn work_that_nobody_awaits_is_not_begun(bench: &Bench) {
    let db = bench.open().await;
    while_busy(&db, writers(bench), async {
        let work = db.write("given up", |tx| tenants::insert(tx, &tenant(1)));
        let given_up = tokio::time::timeout(Duration::from_millis(20), work).await;
        assert!(given_up.is_err());
    })
    .await;
    seed(&db).await;
    assert_eq!(names(&db).await.len(), 2, "and its id was still free");
}
