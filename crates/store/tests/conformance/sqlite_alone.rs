//! What only a file has.

use std::os::unix::fs::MetadataExt;

use crate::fixture::*;
use crate::support::{Bench, Kind};

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    let bench = Bench::new(Kind::Sqlite);
    let db = bench.open().await;
    seed(&db).await;
    for suffix in ["", "-wal", "-shm"] {
        let file = std::fs::metadata(format!("{}{suffix}", bench.address())).expect("there");
        assert_eq!(file.mode() & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_commit_is_durable_and_readers_do_not_wait() {
    let bench = Bench::new(Kind::Sqlite);
    let db = bench.open().await;
    seed(&db).await;
    let file = rusqlite::Connection::open(bench.address()).expect("opens");
    let mode: String = file.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("a mode");
    assert_eq!(mode, "wal");
    let whole: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(whole, "ok");
    let lock = bench.lock();
    assert_eq!(read(&db, store::tenants::list_all).await.len(), 2, "a locked writer keeps no reader waiting");
    drop(lock);
}

#[tokio::test]
async fn every_table_is_strict() {
    let bench = Bench::new(Kind::Sqlite);
    drop(bench.open().await);
    let file = rusqlite::Connection::open(bench.address()).expect("opens");
    let loose = "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND strict = 0";
    let loose: i64 = file.query_row(loose, [], |row| row.get(0)).expect("a count");
    assert_eq!(loose, 0);
}
