//! What only a server has: connections that break, races that it settles itself, TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::tenants::{self, Tenant};
use store::{Db, Settings, StoreError, Tx, keys, users};

use crate::fixture::*;
use crate::support::{Bench, Cluster, Kind, Stop, Tls};

/// Ends every connection of the store to this database.
const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE application_name = 'holdfast' AND datname = current_database()";

#[tokio::test]
async fn a_connection_killed_before_the_commit_is_made_good() {
    let bench = Arc::new(Bench::new(Kind::Postgres));
    let db = bench.open().await;
    let runs = Arc::new(AtomicU64::new(0));
    let (count, killer) = (Arc::clone(&runs), Arc::clone(&bench));
    db.write("killed", move |tx| -> Result<(), StoreError> {
        tenants::insert(tx, &tenant(1))?;
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            killer.raw(KILL);
        }
        tenants::insert(tx, &tenant(2))
    })
    .await
    .expect("it was run again");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(read(&db, tenants::list_all).await.len(), 2);
}

#[tokio::test]
async fn a_connection_killed_at_the_commit_leaves_the_outcome_unknown() {
    let bench = Bench::new(Kind::Postgres);
    let db = bench.open().await;
    bench.raw(
        "CREATE FUNCTION kill_me() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER killer AFTER INSERT ON tenants DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (new.name = 'boom') EXECUTE FUNCTION kill_me()",
    );
    let runs = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&runs);
    let unknown = db
        .write("killed", move |tx| {
            count.fetch_add(1, Ordering::SeqCst);
            tenants::insert(tx, &Tenant { name: "boom".to_owned(), ..tenant(1) })
        })
        .await;
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown { .. })), "{unknown:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 1, "what may have happened is not done twice");
    seed(&db).await;
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_is_known_to_be_undone() {
    let bench = Bench::new(Kind::Postgres);
    let db = bench.open().await;
    bench.raw(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE CONSTRAINT TRIGGER refuser AFTER INSERT ON tenants DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (new.name = 'boom') EXECUTE FUNCTION refuse()",
    );
    let boom = |tx: &mut Tx<'_>| tenants::insert(tx, &Tenant { name: "boom".to_owned(), ..tenant(1) });
    let refused = db.write("refused", boom).await;
    assert!(matches!(refused, Err(StoreError::Other { .. })), "{refused:?}");
    assert!(read(&db, tenants::list_all).await.is_empty());
}

#[tokio::test]
async fn two_that_lock_each_other_out_both_succeed() {
    let bench = Bench::new(Kind::Postgres);
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        keys::of(&id(1)).insert(tx, &key(1, None))?;
        keys::of(&id(1)).insert(tx, &key(2, None))
    })
    .await;
    let both = |first, second| {
        db.write("crosswise", move |tx| -> Result<(), StoreError> {
            keys::of(&id(1)).find_locked(tx, &id(first))?;
            std::thread::sleep(Duration::from_millis(100));
            keys::of(&id(1)).find_locked(tx, &id(second))?;
            Ok(())
        })
    };
    let (one, two) = tokio::join!(both(1, 2), both(2, 1));
    one.and(two).expect("the loser is run again");
    assert_eq!(db.stats().reruns, 1);
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let mut cluster = Cluster::start();
    let address = cluster.new_database();
    let patience = Duration::from_millis(500);
    let db = Db::open(Settings { threads: 2, patience, ..Settings::postgres(address) }).await.expect("opens");
    seed(&db).await;
    cluster.end(Stop::Fast);
    for _ in 0..6 {
        let write = db.write("gone", |tx| tenants::insert(tx, &tenant(3)));
        let gone = tokio::time::timeout(patience * 4, write).await.expect("in good time");
        assert!(matches!(gone, Err(StoreError::Unavailable { .. })), "{gone:?}");
    }
    cluster.start_again();
    let back = async {
        while db.write("back", |tx| tenants::insert(tx, &tenant(3))).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.expect("the store finds the server again");
    assert_eq!(read(&db, tenants::list_all).await.len(), 3);
}

#[tokio::test]
async fn a_server_restarted_between_two_calls_is_not_noticed() {
    let mut cluster = Cluster::start();
    let address = cluster.new_database();
    let db = Db::open(Settings { threads: 2, ..Settings::postgres(address) }).await.expect("opens");
    seed(&db).await;
    cluster.end(Stop::Fast);
    cluster.start_again();
    for number in 10..20 {
        db.write("after", move |tx| tenants::insert(tx, &tenant(number))).await.expect("a new connection");
    }
}

#[tokio::test]
async fn ids_are_in_the_order_of_their_bytes_whatever_the_collation() {
    let bench = Bench::new(Kind::Postgres);
    let db = bench.open().await;
    seed(&db).await;
    // By the rules of a language `a` and `A` are neighbours; as bytes they are not.
    for (number, name) in [(10, "a-b"), (11, "aB"), (12, "ab")] {
        write(&db, move |tx| users::of(&id(1)).ensure(tx, &user(number, name))).await;
    }
    let found = read(&db, |rx| users::of(&id(1)).find_by_identifier(rx, "aB")).await;
    assert_eq!(found, Some(user(11, "aB")));
    let loose = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'schema_versions' AND data_type = 'text'
        AND (column_name = 'id' OR column_name LIKE '%\\_id') AND collation_name IS DISTINCT FROM 'C')
        THEN RAISE EXCEPTION 'an id is ordered by the rules of a language'; END IF; END $$";
    bench.raw(loose);
}

#[tokio::test]
async fn tls_is_spoken_with_the_right_server_alone() {
    let (cluster, stranger) = (Cluster::start_with(Tls::On), Cluster::start_with(Tls::On));
    let address = |host: &str, authority: &Cluster| {
        let (port, roots) = (cluster.port(), authority.authority());
        let roots = roots.display();
        format!("postgres://holdfast@{host}:{port}/postgres?sslmode=verify-full&sslrootcert={roots}")
    };
    let open = |address: String| async move {
        Db::open(Settings { patience: Duration::from_secs(5), ..Settings::postgres(address) }).await
    };
    let db = open(address("localhost", &cluster)).await.expect("the right authority and name");
    seed(&db).await;
    let wrong = open(address("localhost", &stranger)).await;
    assert!(matches!(wrong, Err(StoreError::Unavailable { .. })), "another authority: {wrong:?}");
    let wrong = open(address("127.0.0.1", &cluster)).await;
    assert!(matches!(wrong, Err(StoreError::Unavailable { .. })), "another name: {wrong:?}");
}
