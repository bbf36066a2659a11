//! The query of a list that goes newest first: filters, a limit, a cursor.
//!
//! A cursor names the last row seen and carries our keyed hash over it, the list and the tenant: one that
//! somebody made, changed or took from another list is refused.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use domain::audit::hex;
use domain::ids::TenantId;
use domain::limits::{PAGE_DEFAULT, PAGE_MAX};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::listings::Seen;
use store::seal::ServerKeys;

/// A list of one tenant.
pub struct List<'a> {
    /// The server's keys.
    pub keys: &'a ServerKeys,
    /// Whose.
    pub tenant: &'a TenantId,
    /// Which.
    pub name: &'static str,
}

impl List<'_> {
    /// The cursor after this row.
    pub fn cursor(&self, at: Timestamp, id: &str) -> String {
        format!("{}.{id}.{}", at.ms(), self.tag(at, id))
    }

    /// The row that a cursor of ours names.
    fn read(&self, cursor: &str) -> Option<Seen> {
        let mut parts = cursor.split('.');
        let (ms, id, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let at = Timestamp::from_ms(ms.parse().ok()?);
        let ours = parts.next().is_none() && tag == self.tag(at, id);
        ours.then(|| Seen { at, id: id.to_owned() })
    }

    fn tag(&self, at: Timestamp, id: &str) -> String {
        let parts: [&[u8]; 4] =
            [self.tenant.as_str().as_bytes(), self.name.as_bytes(), &at.ms().to_be_bytes(), id.as_bytes()];
        hex(&self.keys.cursor_tag(&parts)[..16])
    }
}

/// Reads a query and remembers every mistake.
pub struct Query<'p> {
    params: &'p HashMap<String, String>,
    faults: RefCell<BTreeMap<String, Vec<String>>>,
}

impl<'p> Query<'p> {
    /// These parameters.
    pub fn of(params: &'p HashMap<String, String>) -> Self {
        Self { params, faults: RefCell::default() }
    }

    /// A name of the tenant's choice. None has control characters, and a database need not take them.
    pub fn text(&self, name: &str) -> Option<String> {
        let read = |text: &str| (!text.chars().any(char::is_control)).then(|| text.to_owned());
        self.parsed(name, read, "must not contain control characters")
    }

    /// A text that `read` must make something of; what else it must be is said in `must`.
    pub fn parsed<T>(&self, name: &str, read: impl Fn(&str) -> Option<T>, must: &str) -> Option<T> {
        let text = self.params.get(name)?;
        let value = read(text);
        if value.is_none() {
            self.faults.borrow_mut().entry(name.to_owned()).or_default().push(must.to_owned());
        }
        value
    }

    /// One of a few words.
    pub fn word<T: Copy + std::fmt::Display>(&self, name: &str, words: &[T]) -> Option<T> {
        let names: Vec<_> = words.iter().map(ToString::to_string).collect();
        let read = |text: &str| words.iter().copied().find(|word| word.to_string() == text);
        self.parsed(name, read, &format!("must be one of {}", names.join(", ")))
    }

    /// How many rows.
    pub fn limit(&self) -> u32 {
        let read = |text: &str| text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
        self.parsed("limit", read, &format!("must be a number between 1 and {PAGE_MAX}"))
            .unwrap_or(PAGE_DEFAULT)
    }

    /// After which row.
    pub fn after(&self, list: &List<'_>) -> Option<Seen> {
        self.parsed("cursor", |text| list.read(text), "must be `next_cursor` of the page before")
    }

    /// The result, if no parameter was at fault.
    pub fn finish<T>(self, result: T) -> Result<T, Refusal> {
        let faults = self.faults.into_inner();
        if faults.is_empty() { Ok(result) } else { Err(Refusal::invalid(faults)) }
    }
}

#[cfg(test)]
mod tests {
    use domain::entropy::Entropy;

    use super::*;

    struct Fives;
    impl Entropy for Fives {
        fn fill(&mut self, target: &mut [u8]) {
            target.fill(5);
        }
    }

    #[test]
    fn a_cursor_opens_only_the_list_it_was_given_for() {
        let keys = ServerKeys::from_bytes(&[1; 32], &[[2; 32]]).unwrap();
        let others = ServerKeys::from_bytes(&[3; 32], &[[2; 32]]).unwrap();
        let at = Timestamp::from_ms(1_763_700_000_000);
        let (tenant, other) =
            (TenantId::new(at, &mut Fives), TenantId::new(Timestamp::from_ms(7), &mut Fives));
        let list = List { keys: &keys, tenant: &tenant, name: "keys" };
        let cursor = list.cursor(at, "id");
        assert_eq!(list.read(&cursor), Some(Seen { at, id: "id".to_owned() }));
        for strange in [
            List { keys: &keys, tenant: &tenant, name: "backups" },
            List { keys: &keys, tenant: &other, name: "keys" },
            List { keys: &others, tenant: &tenant, name: "keys" },
        ] {
            assert_eq!(strange.read(&cursor), None, "{}", strange.name);
        }
        for at in 0..cursor.len() {
            let changed = if cursor.as_bytes()[at] == b'0' { '1' } else { '0' };
            let changed = format!("{}{changed}{}", &cursor[..at], &cursor[at + 1..]);
            assert_eq!(list.read(&changed), None, "{changed}");
        }
        for forged in ["", ".", "..", "1763700000000.id", &format!("{cursor}."), &format!("{cursor}.x")] {
            assert_eq!(list.read(forged), None, "{forged}");
        }
    }
}
