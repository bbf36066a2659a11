//! The database past the store: what really lies in it. Every value is read as text, a blob as `\x` and its
//! hexadecimal form, null as an empty text.

use std::path::PathBuf;
use std::thread;

use postgres::{Client, NoTls, SimpleQueryMessage};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::rig::hex::hex;

/// Where the rows are.
#[derive(Clone, Debug)]
pub enum Rows {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Rows {
    pub fn list(&self, sql: &str) -> Vec<Vec<String>> {
        match self {
            Self::Sqlite(path) => sqlite_table(path, sql).1,
            Self::Postgres(address) => postgres_rows(address, sql),
        }
    }

    /// The one number that a statement answers.
    pub fn number(&self, sql: &str) -> usize {
        let rows = self.list(sql);
        rows[0][0].parse().expect("a number")
    }

    /// What the engine itself finds wrong.
    pub fn check_integrity(&self) {
        if let Self::Sqlite(path) = self {
            assert_eq!(sqlite_table(path, "PRAGMA integrity_check").1, [["ok"]], "integrity_check");
            assert!(sqlite_table(path, "PRAGMA foreign_key_check").1.is_empty(), "foreign_key_check");
        }
    }

    /// Copies a table of a `SQLite` file into this `PostgreSQL` database.
    pub fn copy_table(&self, from: &Self, table: &str) {
        let (Self::Postgres(address), Self::Sqlite(path)) = (self, from) else {
            unreachable!("one way only")
        };
        let (columns, rows) = sqlite_table(path, &format!("SELECT * FROM {table}"));
        let rows = rows.iter().map(|row| {
            let values = row.iter().map(|value| match value.as_str() {
                "" => "NULL".to_owned(),
                value => format!("'{}'", value.replace('\'', "''")),
            });
            format!(
                "INSERT INTO {table} ({}) VALUES ({});",
                columns.join(", "),
                values.collect::<Vec<_>>().join(", ")
            )
        });
        postgres_rows(address, &rows.collect::<String>());
    }
}

/// The names of the columns, and the rows.
fn sqlite_table(path: &PathBuf, sql: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).expect("opens");
    connection.busy_timeout(std::time::Duration::from_secs(10)).expect("waits");
    connection.pragma_update(None, "query_only", true).expect("reads only");
    let mut statement = connection.prepare(sql).expect("a statement");
    let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let rows = statement.query_map([], |row| (0..width).map(|at| row.get_ref(at).map(text)).collect());
    (columns, rows.expect("rows").collect::<Result<_, _>>().expect("rows"))
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).expect("UTF-8"),
        ValueRef::Blob(bytes) => format!("\\x{}", hex(bytes)),
    }
}

/// On a thread of its own: this driver may not be used where an async runtime runs.
fn postgres_rows(address: &str, sql: &str) -> Vec<Vec<String>> {
    let work = || Client::connect(address, NoTls)?.simple_query(sql);
    let messages = thread::scope(|scope| scope.spawn(work).join()).expect("no panic").expect("rows");
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    });
    rows.collect()
}
