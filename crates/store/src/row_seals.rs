//! What tells a row that the service wrote from one that somebody wrote past it.
//!
//! Each sealed column of a row ([`crate::rows`]) has a keyed tag, made in the transaction that wrote the value. A
//! statement renews the tags of the columns that it sets and no others: what somebody changed past the service is not
//! sealed by whoever next writes to the row.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::column::Arg;
use crate::rows::{KeyKind, Table};
use crate::seal::{RowKey, TAG_BYTES};
use crate::sql::{Sql, sqlite_spelling};
use crate::{Cells, FromRow, Rx, StoreError, ToArg, Tx};

row! {
    pub(crate) struct Kept {
        pub seal: Vec<u8>,
    }
}

row! {
    struct KeptAt {
        row_id: String,
    }
}

row! {
    struct Count {
        number: i64,
    }
}

pub(crate) static FIND: Sql =
    sql!("row_seals.find", "SELECT seal FROM row_seals WHERE place = $1 AND row_id = $2");
pub(crate) static SET: Sql = sql!(
    "row_seals.set",
    "INSERT INTO row_seals (place, row_id, seal) VALUES ($1, $2, $3) ",
    "ON CONFLICT (place, row_id) DO UPDATE SET seal = excluded.seal"
);
pub(crate) static DELETE: Sql =
    sql!("row_seals.delete", "DELETE FROM row_seals WHERE place = $1 AND row_id = $2");
static LIST: Sql = sql!(
    "row_seals.list",
    "SELECT row_id FROM row_seals WHERE place = $1 AND row_id > $2 ORDER BY row_id LIMIT $3"
);

/// A value, as a tag is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Cell {
    pub fn of(value: Arg<'_>) -> Self {
        match value {
            Arg::Null => Self::Null,
            Arg::Integer(number) => Self::Integer(number),
            // As the other engine keeps it, so that a copy from one to the other keeps its seals.
            Arg::Boolean(truth) => Self::Integer(i64::from(truth)),
            Arg::Text(text) => Self::Text(text.to_owned()),
            Arg::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Null => vec![0],
            Self::Integer(number) => [&[1][..], &number.to_be_bytes()].concat(),
            Self::Text(text) => [&[2], text.as_bytes()].concat(),
            Self::Blob(bytes) => [&[3], bytes.as_slice()].concat(),
        }
    }
}

impl ToArg for Cell {
    fn to_arg(&self) -> Arg<'_> {
        match self {
            Self::Null => Arg::Null,
            Self::Integer(number) => Arg::Integer(*number),
            Self::Text(text) => Arg::Text(text),
            Self::Blob(bytes) => Arg::Blob(bytes),
        }
    }
}

/// The primary key and the sealed values of a row, as they stand behind its other columns.
#[derive(Debug)]
pub(crate) struct Rest(Vec<Cell>);

impl FromRow for Rest {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let mut values = Vec::new();
        while let Some(value) = cells.next_value()? {
            values.push(Cell::of(value));
        }
        Ok(Self(values))
    }
}

impl Rest {
    pub fn split(&self, table: &Table) -> (&[Cell], &[Cell]) {
        self.0.split_at(table.key.len().min(self.0.len()))
    }
}

/// Which row of which table.
#[derive(Debug)]
pub(crate) struct Place {
    table: &'static str,
    row: String,
}

impl Place {
    pub fn of(table: &'static Table, key: &[Cell]) -> Self {
        let mut row = String::new();
        for (at, cell) in key.iter().enumerate() {
            if at > 0 {
                row.push('/');
            }
            // Writing into a text cannot fail.
            let _ = match cell {
                Cell::Null => Ok(()),
                Cell::Integer(number) => write!(row, "{number}"),
                Cell::Text(text) => write!(row, "{text}"),
                Cell::Blob(bytes) => bytes.iter().try_for_each(|byte| write!(row, "{byte:02x}")),
            };
        }
        Self { table: table.name, row }
    }

    pub fn args(&self) -> [&dyn ToArg; 2] {
        [&self.table, &self.row]
    }

    pub fn tag(&self, key: &RowKey, column: &str, value: &Cell) -> [u8; TAG_BYTES] {
        key.tag(&[self.table.as_bytes(), self.row.as_bytes(), column.as_bytes(), &value.bytes()])
    }
}

/// A statement that is not written out. Each text is made once, and never given back.
pub(crate) fn made(name: &'static str, text: String) -> &'static Sql {
    static MADE: Mutex<BTreeMap<String, &'static Sql>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(text).or_insert_with_key(|text| {
        let (postgres, sqlite) = (text.clone().leak(), sqlite_spelling(text).leak());
        Box::leak(Box::new(Sql::new(name, postgres, sqlite)))
    })
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no seal: the service did not write it.
    Unsealed,
    /// These values are not those that the service wrote.
    Changed(Vec<&'static str>),
    /// Its seal is there, and it is not: the service did not take it away.
    Gone,
}

/// A row that is not as the service left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// Its primary key.
    pub row: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A page of a table or of its seals.
#[derive(Debug)]
pub struct Checked {
    /// How many were looked at.
    pub rows: usize,
    /// Those that are not as they should be.
    pub found: Vec<Finding>,
    /// From where to go on; none: that was all.
    pub next: Option<After>,
}

/// The last row of a page.
#[derive(Clone, Debug)]
pub struct After(Vec<Cell>);

/// How many rows a table has.
pub fn count(rx: &mut Rx<'_>, table: &'static Table) -> Result<i64, StoreError> {
    let sql = made("row_seals.count", format!("SELECT count(*) AS number FROM {}", table.name));
    Ok(rx.find_one::<Count>(sql, &[])?.number)
}

/// Compares a page of a table with its seals.
pub fn check_rows(
    rx: &mut Rx<'_>,
    key: &RowKey,
    table: &'static Table,
    after: Option<&After>,
    limit: i64,
) -> Result<Checked, StoreError> {
    let page: Vec<Rest> = read_page(rx, table, after, limit)?;
    let mut found = Vec::new();
    for rest in &page {
        found.extend(check_rest(rx, key, table, rest)?);
    }
    let is_full = i64::try_from(page.len()) == Ok(limit);
    let next = page.last().filter(|_| is_full).map(|last| After(last.split(table).0.to_vec()));
    Ok(Checked { rows: page.len(), found, next })
}

/// Compares one row with its seal, by its primary key; none: it is as the service wrote it, or is not there.
pub fn check_row(
    rx: &mut Rx<'_>,
    key: &RowKey,
    table: &'static Table,
    id: &[&dyn ToArg],
) -> Result<Option<Finding>, StoreError> {
    let keys: Vec<&str> = table.key.iter().map(|(name, _)| *name).collect();
    let all: Vec<&str> = keys.iter().copied().chain(table.sealed()).collect();
    let matches: Vec<String> = (1..).zip(&keys).map(|(number, name)| format!("{name} = ${number}")).collect();
    let text = format!("SELECT {} FROM {} WHERE {}", all.join(", "), table.name, matches.join(" AND "));
    let row: Option<Rest> = rx.find(made("row_seals.row", text), id)?;
    row.map_or(Ok(None), |rest| check_rest(rx, key, table, &rest))
}

fn check_rest(
    rx: &mut Rx<'_>,
    key: &RowKey,
    table: &'static Table,
    rest: &Rest,
) -> Result<Option<Finding>, StoreError> {
    let (ids, values) = rest.split(table);
    let place = Place::of(table, ids);
    let fault = match rx.find::<Kept>(&FIND, &place.args())? {
        None => Some(Fault::Unsealed),
        Some(Kept { seal }) => {
            let mut tags = seal.chunks(TAG_BYTES);
            let is_changed = |(column, value): &(&'static str, &Cell)| {
                tags.next() != Some(&place.tag(key, column, value)[..])
            };
            let changed: Vec<_> =
                table.sealed().zip(values).filter(is_changed).map(|(name, _)| name).collect();
            (!changed.is_empty()).then_some(Fault::Changed(changed))
        }
    };
    Ok(fault.map(|fault| Finding { table: table.name, row: place.row, fault }))
}

fn read_page(
    rx: &mut Rx<'_>,
    table: &'static Table,
    after: Option<&After>,
    limit: i64,
) -> Result<Vec<Rest>, StoreError> {
    let keys: Vec<&str> = table.key.iter().map(|(name, _)| *name).collect();
    let all: Vec<&str> = keys.iter().copied().chain(table.sealed()).collect();
    let from = after.map_or(String::new(), |_| {
        let numbers: Vec<String> = (2..keys.len() + 2).map(|number| format!("${number}")).collect();
        format!("WHERE ({}) > ({}) ", keys.join(", "), numbers.join(", "))
    });
    let (all, keys) = (all.join(", "), keys.join(", "));
    let text = format!("SELECT {all} FROM {} {from}ORDER BY {keys} LIMIT $1", table.name);
    let mut args: Vec<&dyn ToArg> = vec![&limit];
    args.extend(after.iter().flat_map(|after| &after.0).map(|cell| cell as &dyn ToArg));
    rx.list(made("row_seals.page", text), &args)
}

/// Looks for the rows of a page of seals.
pub fn check_seals(
    rx: &mut Rx<'_>,
    table: &'static Table,
    after: &str,
    limit: i64,
) -> Result<(Vec<Finding>, Option<String>), StoreError> {
    let page: Vec<KeptAt> = rx.list(&LIST, &[&table.name, &after, &limit])?;
    let matches: Vec<String> =
        (1..).zip(table.key).map(|(number, (name, _))| format!("{name} = ${number}")).collect();
    let text = format!("SELECT count(*) AS number FROM {} WHERE {}", table.name, matches.join(" AND "));
    let look = made("row_seals.look", text);
    let mut found = Vec::new();
    for KeptAt { row_id } in &page {
        let is_there = match read_key(table, row_id) {
            Some(key) => {
                let args: Vec<&dyn ToArg> = key.iter().map(|cell| cell as &dyn ToArg).collect();
                rx.find_one::<Count>(look, &args)?.number == 1
            }
            None => false,
        };
        if !is_there {
            found.push(Finding { table: table.name, row: row_id.clone(), fault: Fault::Gone });
        }
    }
    let is_full = i64::try_from(page.len()) == Ok(limit);
    Ok((found, page.last().filter(|_| is_full).map(|last| last.row_id.clone())))
}

/// The parts of a key. No text in one has a `/`, but for the last.
fn read_key(table: &Table, row: &str) -> Option<Vec<Cell>> {
    let parts: Vec<&str> = row.splitn(table.key.len(), '/').collect();
    let read = |(part, (_, kind)): (&&str, &(&str, KeyKind))| match kind {
        KeyKind::Text => Some(Cell::Text((*part).to_owned())),
        KeyKind::Integer => part.parse().ok().map(Cell::Integer),
        KeyKind::Blob => {
            let (pairs, rest) = part.as_bytes().as_chunks::<2>();
            let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
            bytes.filter(|_| rest.is_empty()).map(Cell::Blob)
        }
    };
    (parts.len() == table.key.len()).then(|| parts.iter().zip(table.key).map(read).collect())?
}

/// Seals the rows of a table that have no seal: those that were there before there were seals. Says how many.
pub fn adopt(tx: &mut Tx<'_>, key: &RowKey, table: &'static Table) -> Result<u64, StoreError> {
    let (mut after, mut adopted) = (None, 0);
    loop {
        let page = read_page(tx, table, after.as_ref(), ADOPT_PAGE)?;
        for rest in &page {
            let (ids, values) = rest.split(table);
            let place = Place::of(table, ids);
            if tx.find::<Kept>(&FIND, &place.args())?.is_none() {
                let seal: Vec<u8> = table
                    .sealed()
                    .zip(values)
                    .flat_map(|(column, value)| place.tag(key, column, value))
                    .collect();
                let [table, row] = place.args();
                adopted += tx.exec_unsealed(&SET, &[table, row, &seal])?;
            }
        }
        match page.last().filter(|_| i64::try_from(page.len()) == Ok(ADOPT_PAGE)) {
            Some(last) => after = Some(After(last.split(table).0.to_vec())),
            None => return Ok(adopted),
        }
    }
}

/// How many rows are looked at in one statement where unsealed ones are sealed.
const ADOPT_PAGE: i64 = 500;
