//! A statement that writes sealed values, made so that it also gives them back: what their tags are made of.

use crate::row_seals::{Kept, Place, Rest, made};
use crate::rows::Table;
use crate::seal::{RowKey, TAG_BYTES};
use crate::sql::Sql;

/// What becomes of a row's seal.
pub(crate) enum Renewal {
    /// The row is gone.
    Remove(Place),
    /// Every value was written.
    Whole(Place, Vec<u8>),
    /// Some were.
    Parts(Place, Parts),
}

/// Tags of some columns, by their number, and of all if the row has no seal because it is new.
pub(crate) struct Parts {
    tags: Vec<(usize, [u8; TAG_BYTES])>,
    whole: Option<Vec<u8>>,
}

impl Parts {
    /// The seal with these tags in it. A row that has none, and was there before, gets none.
    pub fn over(self, kept: Option<Kept>) -> Option<Vec<u8>> {
        let Some(Kept { mut seal }) = kept else { return self.whole };
        for (at, tag) in self.tags {
            let from = at * TAG_BYTES;
            if let Some(place) = seal.get_mut(from..from + TAG_BYTES) {
                place.copy_from_slice(&tag);
            }
        }
        Some(seal)
    }
}

/// What a statement does to the rows of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Effect {
    /// Adds them; with columns that it sets where they are there already.
    Insert(Option<Vec<usize>>),
    /// Sets these sealed columns.
    Update(Vec<usize>),
    /// Takes them away.
    Delete,
}

/// A statement that also gives the values whose tags it makes anew.
#[derive(Debug)]
pub(crate) struct Twin {
    table: &'static Table,
    effect: Effect,
    pub sql: &'static Sql,
}

impl Twin {
    /// The twin of a statement that writes sealed values.
    pub fn of(sql: &'static Sql) -> Option<Self> {
        let text = sql.postgres.split_once("*/ ").map_or(sql.postgres, |(_, text)| text);
        let mut words = text.split_whitespace();
        let verb = (words.next()?, words.next()?);
        let name =
            if matches!(verb, ("INSERT", "INTO") | ("DELETE", "FROM")) { words.next()? } else { verb.1 };
        let table = Table::find_sealed(name)?;
        let effect = match verb {
            ("INSERT", "INTO") => {
                Effect::Insert(text.split_once(" DO UPDATE SET ").map(|(_, set)| numbers(table, set)))
            }
            ("DELETE", "FROM") => Effect::Delete,
            ("UPDATE", _) => Effect::Update(numbers(table, text.split_once(" SET ")?.1)),
            _ => return None,
        };
        if effect == Effect::Update(Vec::new()) {
            return None;
        }
        let link = if text.contains(" RETURNING ") { ", " } else { " RETURNING " };
        let columns = table.key.iter().map(|(column, _)| *column).chain(table.sealed());
        let columns: Vec<String> = columns.map(|column| format!("{name}.{column}")).collect();
        let whole = format!("{}{link}{}", sql.postgres, columns.join(", "));
        Some(Self { table, effect, sql: made(sql.name, whole) })
    }

    /// What becomes of the seal of one row that the statement gave.
    pub fn renewal(&self, key: &RowKey, rest: &Rest) -> Renewal {
        let (ids, values) = rest.split(self.table);
        let place = Place::of(self.table, ids);
        let tags: Vec<[u8; TAG_BYTES]> =
            self.table.sealed().zip(values).map(|(column, value)| place.tag(key, column, value)).collect();
        let some = |set: &[usize]| set.iter().filter_map(|at| Some((*at, *tags.get(*at)?))).collect();
        match &self.effect {
            Effect::Delete => Renewal::Remove(place),
            Effect::Insert(None) => Renewal::Whole(place, tags.concat()),
            Effect::Insert(Some(set)) => {
                Renewal::Parts(place, Parts { tags: some(set), whole: Some(tags.concat()) })
            }
            Effect::Update(set) => Renewal::Parts(place, Parts { tags: some(set), whole: None }),
        }
    }
}

/// The numbers of the sealed columns that a list of assignments sets to anything but themselves.
fn numbers(table: &Table, assignments: &str) -> Vec<usize> {
    let end = [" WHERE ", " RETURNING "].iter().filter_map(|word| assignments.find(word)).min();
    let (mut depth, mut sets) = (0_usize, vec![String::new()]);
    for letter in assignments[..end.unwrap_or(assignments.len())].chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (letter, depth, sets.last_mut()) {
            (',', 0, _) => sets.push(String::new()),
            (letter, _, Some(last)) => last.push(letter),
            (_, _, None) => {}
        }
    }
    let is_set = |column: &str| {
        let mut pairs = sets.iter().filter_map(|set| set.split_once('='));
        pairs.any(|(to, value)| to.trim() == column && value.trim() != column)
    };
    table.sealed().enumerate().filter(|(_, column)| is_set(column)).map(|(at, _)| at).collect()
}
