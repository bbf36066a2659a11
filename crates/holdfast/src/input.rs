//! Files that somebody hands to a command.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use crate::failure::{Doing as _, Failure};

/// Reads a file whole, and none that is larger than it should be.
pub fn read_at_most(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let doing = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    fs::File::open(path).doing(doing)?.take(bytes_max + 1).read_to_end(&mut bytes).doing(doing)?;
    let is_large = u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max;
    if is_large {
        Err(Failure::new(format!("{} is too large for what it should be", path.display())))
    } else {
        Ok(bytes)
    }
}
