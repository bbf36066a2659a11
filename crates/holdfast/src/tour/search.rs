//! Looks for a secret in everything that the service has on disk.

use std::path::Path;

use crate::failure::{Doing as _, Failure};

/// What was looked through, and where the secret was.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// How many files.
    pub files: usize,
    /// How much in all.
    pub bytes: usize,
    /// The names of the files that hold it.
    pub found: Vec<String>,
}

/// Looks through every file below `folder`, the database with its journal included.
pub fn search(folder: &Path, needles: &[&[u8]]) -> Result<Searched, Failure> {
    let mut searched = Searched::default();
    search_folder(folder, needles, &mut searched)?;
    Ok(searched)
}

fn search_folder(folder: &Path, needles: &[&[u8]], searched: &mut Searched) -> Result<(), Failure> {
    let doing = || format!("cannot look through {}", folder.display());
    for entry in std::fs::read_dir(folder).doing(doing)? {
        let entry = entry.doing(doing)?;
        let kind = entry.file_type().doing(doing)?;
        if kind.is_dir() {
            search_folder(&entry.path(), needles, searched)?;
        } else if kind.is_file()
            // A journal may have gone since the folder was read.
            && let Ok(bytes) = std::fs::read(entry.path())
        {
            searched.files += 1;
            searched.bytes += bytes.len();
            if needles.iter().any(|needle| holds(&bytes, needle)) {
                searched.found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    Ok(())
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut from = bytes;
    while let Some(at) = from.iter().position(|byte| byte == first) {
        from = &from[at + 1..];
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("a"), "nothing here").unwrap();
        std::fs::write(folder.path().join("below/b"), "sesecret!").unwrap();
        let searched = search(folder.path(), &[b"secret", b"other"]).unwrap();
        assert_eq!(searched, Searched { files: 2, bytes: 21, found: vec!["b".into()] });
        assert_eq!(search(folder.path(), &[b"secrets"]).unwrap().found, Vec::<String>::new());
    }
}
