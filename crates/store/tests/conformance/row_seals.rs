//! Rows are sealed by whoever writes them through the store, and by nobody else.

use std::collections::BTreeSet;

use domain::credential::Scope;
use domain::person::{PersonState, Role};
use store::credentials::{ApiCredential, Scopes};
use store::people::{self, Person};
use store::row_seals::{self, Fault};
use store::rows::{TABLES, Table};
use store::{credentials, keys, tenants, users};

use crate::fixture::*;
use crate::support::{Bench, Kind, server_keys};

crate::on_both_engines! {
    every_column_is_classified,
    an_edit_is_named,
    a_write_seals_what_it_writes_and_nothing_else,
    a_row_from_elsewhere_has_no_seal_and_a_removed_one_leaves_it,
    what_was_there_before_is_adopted_once_asked,
}

async fn every_column_is_classified(bench: &Bench) {
    bench.open().await.close().await;
    let columns = match bench.kind() {
        Kind::Sqlite => {
            "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name <> 'schema_versions'"
        }
        Kind::Postgres => {
            "SELECT (table_name || '.' || column_name)::text FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name <> 'schema_versions'"
        }
    };
    let there: BTreeSet<String> = bench.texts(columns).into_iter().collect();
    let names = |table: &Table| -> Vec<String> {
        let key = table.key.iter().map(|(name, _)| *name);
        let rest = table.columns.iter().map(|(name, _)| *name);
        key.chain(rest).map(|name| format!("{}.{name}", table.name)).collect()
    };
    let listed: Vec<String> = TABLES.iter().flat_map(names).collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "each once");
    let unclassified: Vec<_> = there.difference(&unique).collect();
    assert!(unclassified.is_empty(), "classify in src/rows.rs: {unclassified:?}");
    let missing: Vec<_> = unique.difference(&there).collect();
    assert!(missing.is_empty(), "no such columns: {missing:?}");
}

fn person() -> Person {
    Person {
        id: id(20),
        email: "a@example".to_owned(),
        name: "A".to_owned(),
        role: Role::Member,
        state: PersonState::Active,
        created_at: at(1),
        removed_at: None,
    }
}

async fn an_edit_is_named(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let credential = ApiCredential {
        id: id(10),
        name: "wallet".to_owned(),
        hint: "hf".to_owned(),
        scopes: Scopes::new(&[Scope::Partner]),
        expires_at: None,
        revoked_at: None,
        created_at: at(2),
    };
    write(&db, move |tx| credentials::of(&id(1)).insert(tx, &credential, &[5; 32])).await;
    write(&db, |tx| credentials::of(&id(1)).set_revoked(tx, &id(10), at(3))).await;
    assert_eq!(bench.findings().await, []);
    bench.raw("UPDATE api_credentials SET scopes = 'partner audit', revoked_at = NULL, name = 'other'");
    let found = bench.findings().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].table, found[0].row.as_str()),
        ("api_credentials", id::<domain::ids::CredentialId>(10).as_str())
    );
    assert_eq!(found[0].fault, Fault::Changed(vec!["scopes", "revoked_at"]), "a name is only shown");
}

async fn a_write_seals_what_it_writes_and_nothing_else(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| people::of(&id(1)).insert(tx, &person())).await;
    bench.raw("UPDATE people SET role = 'owner'");
    write(&db, |tx| people::of(&id(1)).find_locked(tx, &id(20)).map(drop)).await;
    write(&db, |tx| people::of(&id(1)).set_password(tx, &id(20), Some("$argon2id$x"))).await;
    write(&db, |tx| people::of(&id(1)).lock_all(tx)).await;
    let found = bench.findings().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fault, Fault::Changed(vec!["role"]), "the password is as it was written");
    write(&db, |tx| people::of(&id(1)).set_role(tx, &id(20), Role::Auditor)).await;
    assert_eq!(bench.findings().await, [], "what is written over counts no more");
}

async fn a_row_from_elsewhere_has_no_seal_and_a_removed_one_leaves_it(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| users::of(&id(1)).ensure(tx, &user(1, "anna")).map(drop)).await;
    write(&db, |tx| keys::of(&id(1)).insert(tx, &key(3, None))).await;
    bench.raw("DELETE FROM customer_keys");
    bench.raw("INSERT INTO tenants (id, name, kind, created_at) VALUES ('00000000-0000-7000-8000-00000000000f', 'n', 'retail', 1)");
    let found: Vec<_> =
        bench.findings().await.into_iter().map(|found| (found.table, found.row, found.fault)).collect();
    let (new, gone) = (id::<domain::ids::TenantId>(15), id::<domain::ids::KeyId>(3).to_string());
    assert_eq!(found, [("tenants", new.to_string(), Fault::Unsealed), ("customer_keys", gone, Fault::Gone)]);
    write(&db, |tx| people::of(&id(15)).lock_all(tx)).await;
    assert_eq!(bench.findings().await.len(), 2, "a write to it does not make it ours");
    let tenant = read(&db, tenants::list_all).await.len();
    assert_eq!(tenant, 3);
}

async fn what_was_there_before_is_adopted_once_asked(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    bench.raw("DELETE FROM row_seals");
    assert_eq!(bench.findings().await.len(), 3, "two tenants and a user without seals");
    let table = Table::find_sealed("tenants").expect("sealed");
    assert_eq!(write(&db, |tx| row_seals::adopt(tx, server_keys().row_key(), table)).await, 2);
    assert_eq!(bench.findings().await.len(), 1, "the user is not asked about");
    bench.raw("UPDATE tenants SET kind = 'retail'");
    assert_eq!(write(&db, |tx| row_seals::adopt(tx, server_keys().row_key(), table)).await, 0);
    assert_eq!(bench.findings().await.len(), 3, "what has a seal is not sealed anew");
}
