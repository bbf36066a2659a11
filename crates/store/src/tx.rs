//! What a closure holds while it runs: [`Rx`] reads, [`Tx`] reads and writes.

use std::fmt;
use std::ops::{Deref, DerefMut};

use domain::ids::TenantId;

use crate::StoreError;
use crate::column::{Arg, Column, ToArg};
use crate::row_seals::{self, Rest};
use crate::seal::RowKey;
use crate::sql::Sql;
use crate::twin::{Renewal, Twin};

/// The reading half of a transaction: a snapshot in [`crate::Db::read`].
///
/// Spoiled from its first error: whatever the closure returns after one, nothing is kept.
#[derive(Debug)]
pub struct Rx<'c> {
    conn: Conn<'c>,
    spoiled: Option<Spoiled>,
    row_key: Option<RowKey>,
}

/// A transaction that will be committed when the closure returns `Ok`.
#[derive(Debug)]
pub struct Tx<'c>(Rx<'c>);

/// The connection behind it; the engines are these two and no trait.
#[derive(Debug)]
pub(crate) enum Conn<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres(&'c mut crate::pg::Connection),
}

/// What the first error of a transaction means for the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoiled {
    /// It is undone and done.
    Finally,
    /// It lost a race that it may win when it is run again.
    RunAgain,
    /// The connection is gone; it may be run again on another.
    Lost,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(conn: Conn<'c>) -> Self {
        Self(Rx { conn, spoiled: None, row_key: None })
    }

    /// From now on what it writes is sealed by this key.
    pub(crate) fn seal_by(&mut self, key: Option<&RowKey>) {
        self.0.row_key = key.cloned();
    }

    pub(crate) fn spoiled(&self) -> Option<Spoiled> {
        self.0.spoiled
    }

    /// Runs a statement and returns how many rows it touched.
    pub fn exec(&mut self, sql: &'static Sql, args: &[&dyn ToArg]) -> Result<u64, StoreError> {
        if let Some(twin) = self.0.twin(sql) {
            return Ok(self.0.list_sealing::<Nothing>(twin, args)?.len() as u64);
        }
        self.exec_unsealed(sql, args)
    }

    /// The same, of a statement that no seal is about.
    pub(crate) fn exec_unsealed(
        &mut self,
        sql: &'static Sql,
        args: &[&dyn ToArg],
    ) -> Result<u64, StoreError> {
        self.0.exec_unsealed(sql, args)
    }

    /// Runs a statement that must touch exactly one row.
    pub fn exec_one(&mut self, sql: &'static Sql, args: &[&dyn ToArg]) -> Result<(), StoreError> {
        let rows = self.exec(sql, args)?;
        let done = if rows == 1 { Ok(()) } else { Err(not_one(sql, rows)) };
        self.0.note(done)
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Rx<'c>;
    fn deref(&self) -> &Rx<'c> {
        &self.0
    }
}

impl<'c> DerefMut for Tx<'c> {
    fn deref_mut(&mut self) -> &mut Rx<'c> {
        &mut self.0
    }
}

impl Rx<'_> {
    /// The one row of a statement, or none; more than one is an error.
    pub fn find<T: FromRow>(
        &mut self,
        sql: &'static Sql,
        args: &[&dyn ToArg],
    ) -> Result<Option<T>, StoreError> {
        let mut rows = self.list(sql, args)?;
        let found = rows.pop();
        let done = if rows.is_empty() { Ok(found) } else { Err(not_one(sql, rows.len() as u64 + 1)) };
        self.note(done)
    }

    /// The one row of a statement that always has one.
    pub fn find_one<T: FromRow>(&mut self, sql: &'static Sql, args: &[&dyn ToArg]) -> Result<T, StoreError> {
        let done = self.find(sql, args)?.ok_or_else(|| not_one(sql, 0));
        self.note(done)
    }

    /// All rows of a statement.
    pub fn list<T: FromRow>(&mut self, sql: &'static Sql, args: &[&dyn ToArg]) -> Result<Vec<T>, StoreError> {
        if let Some(twin) = self.twin(sql) {
            return self.list_sealing(twin, args);
        }
        self.list_unsealed(sql, args)
    }

    /// What rows are sealed by as they are written; none where only reading is done.
    pub(crate) fn row_key(&self) -> Option<&RowKey> {
        self.row_key.as_ref()
    }

    /// See [`crate::inventory::check_pages`].
    pub(crate) fn check_pages(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        let done = match &self.conn {
            Conn::Sqlite(conn) => crate::sqlite::check_pages(conn).map(Some),
            Conn::Postgres(_) => Ok(None),
        };
        self.note(done)
    }

    fn list_unsealed<T: FromRow>(
        &mut self,
        sql: &'static Sql,
        args: &[&dyn ToArg],
    ) -> Result<Vec<T>, StoreError> {
        let done = self.conn.list(sql, args);
        self.note(done)
    }

    fn exec_unsealed(&mut self, sql: &'static Sql, args: &[&dyn ToArg]) -> Result<u64, StoreError> {
        let done = self.conn.exec(sql, args);
        self.note(done)
    }

    fn twin(&self, sql: &'static Sql) -> Option<&'static Twin> {
        self.row_key.as_ref().and_then(|_| sql.twin())
    }

    /// Runs a statement that changes sealed values, and makes their seals anew.
    fn list_sealing<T: FromRow>(
        &mut self,
        twin: &'static Twin,
        args: &[&dyn ToArg],
    ) -> Result<Vec<T>, StoreError> {
        let rows: Vec<(T, Rest)> = self.list_unsealed(twin.sql, args)?;
        let Some(key) = self.row_key.clone() else { return Ok(Vec::new()) };
        let renewed = rows.into_iter().map(|(row, rest)| {
            match twin.renewal(&key, &rest) {
                Renewal::Remove(place) => self.exec_unsealed(&row_seals::DELETE, &place.args())?,
                Renewal::Whole(place, seal) => {
                    let [table, row] = place.args();
                    self.exec_unsealed(&row_seals::SET, &[table, row, &seal])?
                }
                Renewal::Parts(place, parts) => {
                    let [table, row] = place.args();
                    let kept = self.list_unsealed::<row_seals::Kept>(&row_seals::FIND, &[table, row])?.pop();
                    match parts.over(kept) {
                        Some(seal) => self.exec_unsealed(&row_seals::SET, &[table, row, &seal])?,
                        None => 0,
                    }
                }
            };
            Ok(row)
        });
        renewed.collect()
    }

    fn note<T>(&mut self, done: Result<T, Failed>) -> Result<T, StoreError> {
        done.map_err(|failed| {
            self.spoiled.get_or_insert(failed.spoils);
            failed.error
        })
    }
}

/// A failed statement, and what that does to its transaction.
#[derive(Debug)]
pub(crate) struct Failed {
    pub error: StoreError,
    pub spoils: Spoiled,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { error, spoils: Spoiled::Finally }
    }
}

fn not_one(sql: &Sql, rows: u64) -> Failed {
    StoreError::NotOne { statement: sql.name, rows }.into()
}

impl Conn<'_> {
    fn exec(&mut self, sql: &'static Sql, args: &[&dyn ToArg]) -> Result<u64, Failed> {
        let args: Vec<_> = args.iter().map(|arg| arg.to_arg()).collect();
        match self {
            Self::Sqlite(conn) => crate::sqlite::exec(conn, sql, &args),
            Self::Postgres(conn) => conn.exec(sql, &args),
        }
    }

    fn list<T: FromRow>(&mut self, sql: &'static Sql, args: &[&dyn ToArg]) -> Result<Vec<T>, Failed> {
        let args: Vec<_> = args.iter().map(|arg| arg.to_arg()).collect();
        match self {
            Self::Sqlite(conn) => crate::sqlite::list(conn, sql, &args),
            Self::Postgres(conn) => conn.list(sql, &args),
        }
    }
}

/// What a row can be read as: a struct made with `row!`, or several one after the other.
pub trait FromRow: Sized {
    /// Reads its columns, from left to right.
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError>;
}

/// A row being read, column by column from the left.
#[derive(Debug)]
pub struct Cells<'r> {
    row: Row<'r>,
    at: usize,
    statement: &'static str,
}

/// A row of either engine.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A row may hold what must not be printed.
        f.write_str("Row")
    }
}

impl<'r> Cells<'r> {
    pub(crate) fn new(row: Row<'r>, statement: &'static str) -> Self {
        Self { row, at: 0, statement }
    }

    /// The next column, which in debug builds must have this name.
    pub fn take<T: Column>(&mut self, column: &'static str) -> Result<T, StoreError> {
        // A field may be spelled `r#type`.
        let column = column.strip_prefix("r#").unwrap_or(column);
        let corrupt = |why| StoreError::Corrupt { statement: self.statement, column, why };
        if cfg!(debug_assertions) && self.row.name(self.at) != Some(column) {
            return Err(corrupt("is not the column at this place"));
        }
        let value = self.row.value(self.at).and_then(T::read).map_err(corrupt)?;
        self.at += 1;
        Ok(value)
    }

    /// The rest of the row; none where it does not read.
    pub(crate) fn rest<T: FromRow>(&mut self) -> Option<T> {
        let read = T::read(self).ok();
        while read.is_none() && self.row.name(self.at).is_some() {
            self.at += 1;
        }
        read
    }

    /// The next column, whatever it is called; none when there is none left.
    pub(crate) fn next_value(&mut self) -> Result<Option<Arg<'_>>, StoreError> {
        if self.row.name(self.at).is_none() {
            return Ok(None);
        }
        let corrupt = |why| StoreError::Corrupt { statement: self.statement, column: "a column", why };
        let value = self.row.value(self.at).map_err(corrupt)?;
        self.at += 1;
        Ok(Some(value))
    }

    /// Reads a whole row; columns that are left over are an error in debug builds.
    pub(crate) fn read<T: FromRow>(mut self) -> Result<T, StoreError> {
        let value = T::read(&mut self)?;
        if cfg!(debug_assertions) && self.row.name(self.at).is_some() {
            let (statement, why) = (self.statement, "is followed by one that nobody reads");
            return Err(StoreError::Corrupt { statement, column: "the last column", why });
        }
        Ok(value)
    }
}

impl Row<'_> {
    fn value(&self, at: usize) -> Result<Arg<'_>, &'static str> {
        match self {
            Self::Sqlite(row) => Arg::from_sqlite(row.get_ref(at).map_err(|_| "is missing")?),
            Self::Postgres(row) => row.try_get(at).map_err(|_| "is missing or of another type"),
        }
    }

    fn name(&self, at: usize) -> Option<&str> {
        match self {
            Self::Sqlite(row) => {
                let statement: &rusqlite::Statement<'_> = row.as_ref();
                statement.column_name(at).ok()
            }
            Self::Postgres(row) => row.columns().get(at).map(postgres::Column::name),
        }
    }
}

/// A row of which nothing is read.
struct Nothing;

impl FromRow for Nothing {
    fn read(_: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self)
    }
}

impl<T: FromRow> FromRow for (T, Rest) {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok((T::read(cells)?, Rest::read(cells)?))
    }
}

/// A row together with the tenant it belongs to, where a query spans tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfTenant<T> {
    /// Whose row it is.
    pub tenant_id: TenantId,
    /// The row.
    pub row: T,
}

impl<T: FromRow> FromRow for OfTenant<T> {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self { tenant_id: cells.take("tenant_id")?, row: T::read(cells)? })
    }
}
