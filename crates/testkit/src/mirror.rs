//! A `PostgreSQL` database as a file of `SQLite`, in which it is edited, and back again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cluster::on_own_thread;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use store::rows::{TABLES, Table};
use tempfile::TempDir;

/// The names of a table's columns, those of its primary key first.
pub fn all_columns(table: &'static Table) -> impl Iterator<Item = &'static str> {
    table.key.iter().map(|(name, _)| *name).chain(table.columns.iter().map(|(name, _)| *name))
}

/// The file, and where the database is.
pub struct Mirror {
    address: String,
    folder: TempDir,
    /// What each column keeps, as the engine calls it.
    kinds: BTreeMap<(String, String), String>,
}

impl Mirror {
    /// Takes a copy of everything.
    pub fn new(address: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("hf-mirror-").tempdir().expect("a temporary folder");
        let list = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
                    WHERE table_schema = 'public'";
        let kinds = on_own_thread(address, |client| {
            let rows = client.query(list, &[])?.into_iter();
            Ok(rows.map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
        });
        let mirror = Self { address: address.to_owned(), folder, kinds: kinds.expect("columns") };
        let connection = mirror.open();
        for table in TABLES {
            let columns: Vec<&str> = all_columns(table).collect();
            let text = format!("CREATE TABLE {} ({})", table.name, columns.join(", "));
            connection.execute_batch(&text).expect("a table");
        }
        mirror.load(TABLES.iter());
        mirror
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mirror.db")
    }

    fn open(&self) -> Connection {
        open(&self.path())
    }

    /// Takes a copy of these tables.
    pub fn load<'t>(&self, tables: impl Iterator<Item = &'static Table> + Send + 't) {
        let connection = self.open();
        connection.execute_batch("BEGIN").expect("begins");
        for table in tables {
            let columns: Vec<&str> = all_columns(table).collect();
            let keys: Vec<&str> = table.key.iter().map(|(name, _)| *name).collect();
            let text = format!(
                "SELECT {}::text FROM {} ORDER BY {}",
                columns.join("::text, "),
                table.name,
                keys.join(", ")
            );
            let rows = on_own_thread(&self.address, |client| client.query(&text, &[])).expect("rows");
            connection.execute_batch(&format!("DELETE FROM {}", table.name)).expect("empties");
            let places = vec!["?"; columns.len()].join(", ");
            let insert = format!("INSERT INTO {} VALUES ({places})", table.name);
            for row in rows {
                let values = columns.iter().enumerate().map(|(at, column)| {
                    let text: Option<String> = row.get(at);
                    text.map_or(Value::Null, |text| self.value(table, column, text))
                });
                connection.execute(&insert, params_from_iter(values)).expect("a row");
            }
        }
        connection.execute_batch("COMMIT").expect("ends");
    }

    /// Writes these tables as they are in the file; false: the engine does not have them so, and nothing is written.
    pub fn push(&self, tables: impl Iterator<Item = &'static Table>) -> bool {
        let connection = self.open();
        // What refers to another row is not looked at.
        let mut text = "BEGIN; SET LOCAL session_replication_role = replica;".to_owned();
        for table in tables {
            let columns: Vec<&str> = all_columns(table).collect();
            let select = format!("SELECT {} FROM {}", columns.join(", "), table.name);
            let mut rows = connection.prepare(&select).expect("a table");
            let rows = rows.query_map([], |row| {
                let values = columns.iter().enumerate().map(|(at, column)| {
                    let value: Value = row.get(at)?;
                    Ok(self.literal(table, column, &value))
                });
                values.collect::<Result<Vec<_>, _>>()
            });
            let rows: Vec<String> =
                rows.expect("rows").map(|row| format!("({})", row.expect("a row").join(", "))).collect();
            text.extend(["DELETE FROM ", table.name, ";"]);
            if !rows.is_empty() {
                text.extend(["INSERT INTO ", table.name, " (", &columns.join(", "), ") VALUES "]);
                text.extend([&rows.join(", "), ";"]);
            }
        }
        cluster::run(&self.address, &(text + "COMMIT")).is_ok()
    }

    fn kind(&self, table: &Table, column: &str) -> &str {
        self.kinds.get(&(table.name.to_owned(), column.to_owned())).map_or("text", String::as_str)
    }

    fn value(&self, table: &Table, column: &str, text: String) -> Value {
        match self.kind(table, column) {
            "bigint" | "integer" | "smallint" => Value::Integer(text.parse().expect("a number")),
            "boolean" => Value::Integer(i64::from(text == "true")),
            "bytea" => {
                let (pairs, _) = text.as_bytes()[2..].as_chunks::<2>();
                let byte = |pair: &[u8; 2]| {
                    u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte")
                };
                Value::Blob(pairs.iter().map(byte).collect())
            }
            _ => Value::Text(text),
        }
    }

    fn literal(&self, table: &Table, column: &str, value: &Value) -> String {
        match value {
            Value::Integer(number) if self.kind(table, column) == "boolean" => (*number != 0).to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Blob(bytes) => format!("'\\x{}'", domain::audit::hex(bytes)),
            Value::Null | Value::Real(_) => "NULL".to_owned(),
        }
    }
}

/// Opens a file in which nobody minds what is written.
pub fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("opens");
    connection.busy_timeout(std::time::Duration::from_secs(10)).expect("waits");
    let free = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON";
    connection.execute_batch(free).expect("he may");
    connection
}
