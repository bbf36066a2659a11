//! What is drawn by lot.

use crate::rig::chance::Chance;

impl Chance {
    /// Chance for somebody who draws at his own pace.
    pub fn fork(&mut self) -> Self {
        Self::of(self.next())
    }

    /// Any number from 0 to below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a number of things");
        usize::try_from(self.next() % end).expect("below a number of things")
    }

    /// True in `of_hundred` cases of a hundred.
    pub fn percent(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }
}
