//! The rows, an area a file: what is checked, and what the contract says about it in a line.

mod audit;
mod auth;
mod control;
mod errors;
mod files;
mod institution;
mod issuer;
mod limits;
mod operations;
mod partner;
mod plan;
mod policy;
mod recover;
mod recover_refused;
mod repeats;
mod retail_keys;
mod rotation;
mod signatures;
mod store;
mod stored;
mod verification;
mod webhooks;
mod webhooks_sent;

use super::verdict::Played;
use super::world::{Need, World};

/// A row: one statement of the contract, and the calls that show whether a server keeps it.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name, for ever.
    pub id: &'static str,
    /// What the contract says.
    pub says: &'static str,
    /// What it needs.
    pub needs: &'static [Need],
    /// Makes the calls.
    pub play: fn(&World) -> Played,
}

const fn row(
    id: &'static str,
    says: &'static str,
    needs: &'static [Need],
    play: fn(&World) -> Played,
) -> Row {
    Row { id, says, needs, play }
}

/// All rows, in the order in which they are played. The last area spends budgets that others need.
pub const AREAS: [&[Row]; 23] = [
    operations::ROWS,
    auth::ROWS,
    issuer::ROWS,
    errors::ROWS,
    verification::ROWS,
    plan::ROWS,
    retail_keys::ROWS,
    store::ROWS,
    recover::ROWS,
    recover_refused::ROWS,
    partner::ROWS,
    stored::ROWS,
    files::ROWS,
    institution::ROWS,
    rotation::ROWS,
    signatures::ROWS,
    repeats::ROWS,
    webhooks::ROWS,
    webhooks_sent::ROWS,
    audit::ROWS,
    control::ROWS,
    policy::ROWS,
    limits::ROWS,
];

/// All rows in a list.
pub fn all() -> impl Iterator<Item = &'static Row> {
    AREAS.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_id_is_one_rows_and_reads_as_a_path() {
        let ids: Vec<_> = all().map(|row| row.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for id in ids {
            assert!(
                id.contains('.') && id.split('.').all(|word| !word.is_empty() && word.chars().all(is_plain)),
                "{id}"
            );
        }
    }

    #[test]
    fn what_a_row_says_is_one_short_line() {
        for row in all() {
            assert!(
                row.says.len() <= 110 && !row.says.ends_with('.') && !row.says.contains('|'),
                "{}",
                row.id
            );
        }
    }
}
