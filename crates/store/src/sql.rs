//! One text per statement. `PostgreSQL` reads it as it stands; the twin for `SQLite` is made at compile time.
//!
//! `SQLite` takes `$1` for a *name* and numbers names by first appearance, so that `$2 .. $1` would bind
//! swapped without a word. Hence `$` becomes `?`, which counts as `PostgreSQL` does.

use std::sync::OnceLock;

use crate::twin::Twin;

/// One static statement, in the spelling of either engine.
#[derive(Debug)]
pub struct Sql {
    /// What logs and errors call it.
    pub(crate) name: &'static str,
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
    twin: OnceLock<Option<Twin>>,
}

impl Sql {
    /// Use [`sql!`] instead.
    pub const fn new(name: &'static str, postgres: &'static str, sqlite: &'static str) -> Self {
        Self { name, postgres, sqlite, twin: OnceLock::new() }
    }

    /// The same statement, which also gives the values whose seals it makes anew; none if it makes none.
    pub(crate) fn twin(&'static self) -> Option<&'static Twin> {
        self.twin.get_or_init(|| Twin::of(self)).as_ref()
    }
}

/// A statement from its name and its text (any number of literals, joined). The name leads the text as a
/// comment, so that the engine's own logs can be read.
macro_rules! sql {
    ($name:literal, $($part:expr),+ $(,)?) => {{
        const TEXT: &str = concat!("/* ", $name, " */ ", $($part),+);
        const TWIN: [u8; TEXT.len()] = $crate::sql::twin(TEXT);
        const SQLITE: &str = match std::str::from_utf8(&TWIN) {
            Ok(text) => text,
            Err(_) => panic!("the twin of a statement is not text"),
        };
        $crate::sql::Sql::new($name, TEXT, SQLITE)
    }};
}

const ROW_LOCK: &[u8] = b"FOR UPDATE SKIP LOCKED";

/// The `SQLite` spelling of a statement: `$1` becomes `?1`, and `FOR UPDATE SKIP LOCKED` becomes blanks, since
/// there is one writer. Of the same length as the text; fails the build on a `$` that is no placeholder.
pub const fn twin<const N: usize>(text: &str) -> [u8; N] {
    let text = text.as_bytes();
    assert!(text.len() == N, "the twin is as long as the text");
    let mut out = [b' '; N];
    let mut at = 0;
    while at < N {
        if starts_with(text, at, ROW_LOCK) {
            at += ROW_LOCK.len();
        } else if text[at] == b'$' {
            assert!(at + 1 < N && text[at + 1].is_ascii_digit(), "a dollar sign that is no placeholder");
            out[at] = b'?';
            at += 1;
        } else {
            out[at] = text[at];
            at += 1;
        }
    }
    out
}

/// [`twin`], of a text that is made while the program runs.
pub(crate) fn sqlite_spelling(text: &str) -> String {
    text.replace('$', "?").replace("FOR UPDATE SKIP LOCKED", "")
}

const fn starts_with(text: &[u8], from: usize, word: &[u8]) -> bool {
    if from + word.len() > text.len() {
        return false;
    }
    let mut at = 0;
    while at < word.len() {
        if text[from + at] != word[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A struct that reads itself from a row, field by field in the order of the columns.
///
/// `args` gives the fields in the same order, for an INSERT of those columns.
macro_rules! row {
    ($(#[$doc:meta])* $vis:vis struct $name:ident {
        $($(#[$fdoc:meta])* $fvis:vis $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        $vis struct $name { $($(#[$fdoc])* $fvis $field: $type,)* }

        impl $crate::tx::FromRow for $name {
            fn read(cells: &mut $crate::tx::Cells<'_>) -> Result<Self, $crate::StoreError> {
                Ok(Self { $($field: cells.take(stringify!($field))?,)* })
            }
        }

        impl $name {
            fn args(&self) -> Vec<&dyn $crate::column::ToArg> {
                vec![$(&self.$field,)*]
            }
        }

        // What is only read has no use for it, and need not say so.
        const _: fn(&$name) -> Vec<&dyn $crate::column::ToArg> = $name::args;
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twin_counts_as_the_text_does() {
        static SWAPPED: Sql = sql!("swapped", "SELECT $2, $1", " FROM t LIMIT $10 FOR UPDATE SKIP LOCKED");
        assert_eq!(SWAPPED.postgres, "/* swapped */ SELECT $2, $1 FROM t LIMIT $10 FOR UPDATE SKIP LOCKED");
        assert_eq!(SWAPPED.sqlite.trim_end(), "/* swapped */ SELECT ?2, ?1 FROM t LIMIT ?10");
    }

    #[test]
    fn sqlite_binds_the_twin_by_number_where_it_would_swap_the_text() {
        static SQL: Sql = sql!("order", "SELECT $2 || $1");
        let sqlite = rusqlite::Connection::open_in_memory().expect("in memory");
        let ask =
            |text: &str| sqlite.query_row(text, ["a", "b"], |row| row.get::<_, String>(0)).expect("runs");
        assert_eq!(ask(SQL.sqlite), "ba");
        assert_eq!(ask(SQL.postgres), "ab", "the trap this module is there for");
    }
}
