//! What only a file has.

use std::os::unix::fs::MetadataExt;

use domain::ids::TenantId;

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

#[tokio::test]
async fn a_bit_that_an_index_lost_is_told() {
    let bench = Bench::new(Kind::Sqlite);
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(read(&db, store::inventory::check_pages).await, Some(Vec::new()));
    db.close().await;
    // Whoever closed last was perhaps a reader, who leaves the log beside the file as it is.
    let file = rusqlite::Connection::open(bench.address()).expect("opens");
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("all is in the file");
    drop(file);
    let whole = std::fs::read(bench.address()).expect("a file");
    let id: TenantId = id(1);
    let mut told = 0;
    for place in (0..whole.len()).filter(|at| whole[*at..].starts_with(id.as_str().as_bytes())) {
        let mut rotten = whole.clone();
        rotten[place] ^= 1;
        std::fs::write(bench.address(), rotten).expect("a file");
        let db = bench.open().await;
        told +=
            read(&db, store::inventory::check_pages).await.map_or(0, |told| usize::from(!told.is_empty()));
        db.close().await;
    }
    assert!(told >= 2, "that of a table and that of its index, which then differ: {told}");
}
