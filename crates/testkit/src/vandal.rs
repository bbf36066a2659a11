//! Somebody who has the database, and nothing else: he writes past the service what the engine lets him.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use store::rows::{Class, KeyKind, TABLES, Table};

use crate::database::Place;
use crate::mirror::{Mirror, all_columns, open};

/// What he does to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Changes a bit, a letter or a number a little.
    Flip,
    /// Moves a number, such as an instant, far.
    Move,
    /// Empties a value.
    Empty,
    /// Copies a value from another row, of whichever tenant.
    Copy,
    /// Swaps a value with another row's.
    Swap,
    /// Puts a value back that stood there before.
    Restore,
    /// Deletes the row.
    Delete,
    /// Adds a row like it.
    Duplicate,
}

const DEEDS: [Deed; 8] = [
    Deed::Flip,
    Deed::Move,
    Deed::Empty,
    Deed::Copy,
    Deed::Swap,
    Deed::Restore,
    Deed::Delete,
    Deed::Duplicate,
];

/// What he did.
#[derive(Clone, Debug)]
pub struct Edit {
    /// To which table.
    pub table: &'static Table,
    /// To which rows, by their keys as seals name them; one that he added among them.
    pub rows: Vec<String>,
    /// What.
    pub deed: Deed,
    /// To which column; none: to the whole row.
    pub column: Option<&'static str>,
    /// Whose they are: the tenants that these rows named before and after.
    pub tenants: BTreeSet<String>,
}

impl Edit {
    /// What the column is, or the row's values are taken together.
    pub fn class(&self) -> Class {
        let of = |column: &str| {
            self.table.columns.iter().find(|(name, _)| *name == column).map(|(_, class)| *class)
        };
        let is_sealed = self.table.sealed().next().is_some();
        match self.column.and_then(of) {
            Some(class) => class,
            // The key, or the whole row.
            None if is_sealed => Class::Sealed,
            None => {
                self.table.columns.first().map_or(Class::Free("it has no other columns"), |(_, class)| *class)
            }
        }
    }
}

/// He, with a copy of everything as it was, and one of how it was before.
pub struct Vandal {
    database: PathBuf,
    /// Where the database is no file: what stands for it.
    mirror: Option<Mirror>,
    whole: PathBuf,
    before: Option<PathBuf>,
    chance: u64,
}

impl Vandal {
    /// Takes a copy of everything.
    pub fn new(place: &Place, seed: u64) -> Self {
        let (database, mirror) = match place {
            Place::Sqlite(file) => (file.clone(), None),
            Place::Postgres(address) => {
                let mirror = Mirror::new(address);
                (mirror.path(), Some(mirror))
            }
        };
        let whole = copy(&database, "whole");
        Self { database, mirror, whole, before: None, chance: seed }
    }

    /// What was copied so far is how it was before; a copy of now is taken.
    pub fn grow_older(&mut self) {
        if let Some(mirror) = &self.mirror {
            mirror.load(TABLES.iter());
        }
        let before = self.database.with_extension("before");
        std::fs::rename(&self.whole, &before).expect("a copy");
        self.before = Some(before);
        self.whole = copy(&self.database, "whole");
    }

    /// Puts everything back as it was copied last, row by row, so that whoever has the file open sees it.
    pub fn undo(&self) {
        let all: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        self.put_back(&all);
    }

    /// The same, of these tables alone.
    pub fn put_back(&self, tables: &[&str]) {
        let connection = open(&self.database);
        connection.execute("ATTACH ?1 AS kept", [self.whole.to_str()]).expect("attaches");
        let again = |table: &&str| {
            format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM kept.{table};")
        };
        let again: String = tables.iter().map(again).collect();
        let text = format!("BEGIN IMMEDIATE; {again} COMMIT; DETACH kept");
        connection.execute_batch(&text).expect("everything as it was");
        if let Some(mirror) = &self.mirror {
            let asked = TABLES.iter().filter(|table| tables.contains(&table.name));
            assert!(mirror.push(asked), "everything as it was");
        }
    }

    /// A number below this one.
    pub fn below(&mut self, limit: usize) -> usize {
        // SplitMix64: small, and good enough to choose by.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = (mixed ^ (mixed >> 31)) % u64::try_from(limit.max(1)).expect("a limit");
        usize::try_from(mixed).expect("a small number")
    }

    /// Makes an edit of any column of any table, to none of the rows that were edited already, nor to their seals. None: the engine did not
    /// let him, or nothing changed.
    pub fn edit(&mut self, touched: &mut BTreeSet<(&'static str, String)>) -> Option<Edit> {
        let columns: Vec<(&'static Table, &'static str)> =
            TABLES.iter().flat_map(|table| all_columns(table).map(move |name| (table, name))).collect();
        // What stops the service from starting is a test of its own.
        let columns: Vec<_> = columns.into_iter().filter(|(table, _)| table.name != "meta").collect();
        let (table, column) = columns[self.below(columns.len())];
        let deed = DEEDS[self.below(DEEDS.len())];
        let connection = open(&self.database);
        let ids = list_ids(&connection, table);
        if ids.is_empty() {
            return None;
        }
        let (one, other) = (&ids[self.below(ids.len())], &ids[self.below(ids.len())]);
        let is_new = |(_, name): &(i64, String)| !touched.contains(&(table.name, name.clone()));
        if !is_new(one) || (deed == Deed::Swap && (!is_new(other) || one == other)) {
            return None;
        }
        let was = all_rows(&connection, table);
        let rows = self.apply(&connection, (table, column), deed, one, other)?;
        // Whose key was changed is the same row by another name.
        let renamed: Vec<String> = list_ids(&connection, table)
            .into_iter()
            .filter(|(rowid, _)| [one.0, other.0].contains(rowid))
            .map(|(_, name)| name)
            .collect();
        if let Some(mirror) = &self.mirror {
            let is_done = mirror.push([table].into_iter());
            mirror.load([table].into_iter());
            if !is_done || all_rows(&connection, table) == was {
                return None;
            }
        }
        let now = all_rows(&connection, table);
        let changed = was.symmetric_difference(&now).filter_map(|row| tenant_of(table, row)).collect();
        for row in rows.iter().chain(&renamed) {
            touched.insert((table.name, row.clone()));
            touched.extend(counterpart(table, row));
        }
        let column = (!matches!(deed, Deed::Delete | Deed::Duplicate)).then_some(column);
        Some(Edit { table, rows, deed, column, tenants: changed })
    }

    /// Does it, and says to which rows.
    fn apply(
        &mut self,
        connection: &Connection,
        (table, column): (&'static Table, &'static str),
        deed: Deed,
        (rowid, name): &(i64, String),
        (other, other_name): &(i64, String),
    ) -> Option<Vec<String>> {
        let was = value_of(connection, table, column, *rowid);
        let theirs = value_of(connection, table, column, *other);
        let becomes = match deed {
            Deed::Flip => self.flipped(&was)?,
            Deed::Move => match was {
                Value::Integer(number) => {
                    let far = i64::try_from(self.below(2_000_000_000)).expect("a number") - 1_000_000_000;
                    Value::Integer(number + far)
                }
                _ => return None,
            },
            Deed::Empty => Value::Null,
            Deed::Copy | Deed::Swap => theirs,
            Deed::Restore => self.old_value(table, column, name)?,
            Deed::Delete => {
                let text = format!("DELETE FROM {} WHERE rowid = ?1", table.name);
                return (connection.execute(&text, [rowid]).ok()? == 1).then(|| vec![name.clone()]);
            }
            Deed::Duplicate => return self.duplicate(connection, table, *rowid),
        };
        if becomes == was {
            return None;
        }
        let set = |rowid: i64, value: &Value| {
            let text = format!("UPDATE {} SET {column} = ?2 WHERE rowid = ?1", table.name);
            connection.execute(&text, params_from_iter([&Value::Integer(rowid), value])).ok()
        };
        if deed == Deed::Swap {
            connection.execute_batch("SAVEPOINT swap").expect("a savepoint");
            let done = set(*rowid, &becomes).and_then(|_| set(*other, &was));
            let end = if done.is_some() { "RELEASE swap" } else { "ROLLBACK TO swap; RELEASE swap" };
            connection.execute_batch(end).expect("an end");
            return done.map(|_| vec![name.clone(), other_name.clone()]);
        }
        set(*rowid, &becomes).map(|_| vec![name.clone()])
    }

    fn flipped(&mut self, value: &Value) -> Option<Value> {
        Some(match value {
            Value::Integer(number) => Value::Integer(number ^ (1 << self.below(40))),
            Value::Text(text) if !text.is_empty() => {
                let at = self.below(text.chars().count());
                let other = |(place, letter)| match (place == at, letter) {
                    (true, 'a') => 'b',
                    (true, _) => 'a',
                    (false, letter) => letter,
                };
                Value::Text(text.chars().enumerate().map(other).collect())
            }
            Value::Blob(bytes) if !bytes.is_empty() => {
                let mut bytes = bytes.clone();
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
                Value::Blob(bytes)
            }
            _ => return None,
        })
    }

    fn old_value(&self, table: &Table, column: &str, name: &str) -> Option<Value> {
        let before = Connection::open(self.before.as_ref()?).expect("opens");
        let (rowid, _) = list_ids(&before, table).into_iter().find(|(_, found)| found == name)?;
        Some(value_of(&before, table, column, rowid))
    }

    /// Adds a row that differs in the last part of its key.
    fn duplicate(
        &mut self,
        connection: &Connection,
        table: &'static Table,
        rowid: i64,
    ) -> Option<Vec<String>> {
        let (key, kind) = table.key.last()?;
        let was = value_of(connection, table, key, rowid);
        let becomes = match (kind, self.flipped(&was)?) {
            // An id that still reads as one.
            (KeyKind::Text, Value::Text(_)) => match was {
                Value::Text(text) => {
                    let last = if text.ends_with('7') { '8' } else { '7' };
                    let kept: String = text.chars().take(text.chars().count() - 1).collect();
                    Value::Text(format!("{kept}{last}"))
                }
                _ => return None,
            },
            (_, flipped) => flipped,
        };
        let columns: Vec<&str> = all_columns(table).collect();
        let taken: Vec<&str> = columns.iter().map(|name| if name == key { "?2" } else { name }).collect();
        let text = format!(
            "INSERT INTO {0} ({1}) SELECT {2} FROM {0} WHERE rowid = ?1",
            table.name,
            columns.join(", "),
            taken.join(", ")
        );
        let done = connection.execute(&text, params_from_iter([Value::Integer(rowid), becomes])).ok()?;
        let last = connection.last_insert_rowid();
        let name = list_ids(connection, table).into_iter().find(|(rowid, _)| *rowid == last);
        (done == 1).then(|| name.map(|(_, name)| vec![name]))?
    }
}

fn copy(database: &Path, name: &str) -> PathBuf {
    let path = database.with_extension(name);
    // There may be none.
    let _ = std::fs::remove_file(&path);
    let connection = Connection::open(database).expect("opens");
    connection.execute("VACUUM INTO ?1", [path.to_str()]).expect("a copy");
    path
}

/// The seal of a row, or the row of a seal. Who removes both at once leaves nothing to tell it by, if no log does.
fn counterpart(table: &Table, row: &str) -> Option<(&'static str, String)> {
    if table.name != "row_seals" {
        return Some(("row_seals", format!("{}/{row}", table.name)));
    }
    let (place, row) = row.split_once('/')?;
    let table = TABLES.iter().find(|table| table.name == place)?;
    Some((table.name, row.to_owned()))
}

/// Every row of a table, its values as text, in the order of its columns.
fn all_rows(connection: &Connection, table: &'static Table) -> BTreeSet<Vec<String>> {
    let columns: Vec<String> = all_columns(table).map(|name| format!("quote({name})")).collect();
    let text = format!("SELECT {} FROM {}", columns.join(", "), table.name);
    let mut rows = connection.prepare(&text).expect("a table");
    let rows = rows.query_map([], |row| (0..columns.len()).map(|at| row.get(at)).collect());
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

fn tenant_of(table: &'static Table, row: &[String]) -> Option<String> {
    let at = all_columns(table).position(|name| name == "tenant_id")?;
    Some(row[at].trim_matches('\'').to_owned())
}

fn value_of(connection: &Connection, table: &Table, column: &str, rowid: i64) -> Value {
    let text = format!("SELECT {column} FROM {} WHERE rowid = ?1", table.name);
    connection.query_row(&text, [rowid], |row| row.get(0)).expect("a value")
}

/// Each row with its key, as seals name it.
fn list_ids(connection: &Connection, table: &Table) -> Vec<(i64, String)> {
    let keys: Vec<&str> = table.key.iter().map(|(name, _)| *name).collect();
    let text = format!("SELECT rowid, {} FROM {} ORDER BY rowid", keys.join(", "), table.name);
    let mut rows = connection.prepare(&text).expect("a table");
    let named = rows.query_map([], |row| {
        let parts: Result<Vec<String>, _> = (1..=keys.len())
            .map(|at| {
                row.get(at).map(|value: Value| match value {
                    Value::Text(text) => text,
                    Value::Integer(number) => number.to_string(),
                    Value::Blob(bytes) => domain::audit::hex(&bytes),
                    Value::Null | Value::Real(_) => String::new(),
                })
            })
            .collect();
        Ok((row.get(0)?, parts?.join("/")))
    });
    named.expect("rows").map(|row| row.expect("a row")).collect()
}
