//! A disk that forgets a bit, of whatever is kept.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use store::rows::{Class, TABLES};

/// Folders and files, with a copy of every file.
pub struct Disk {
    folders: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Disk {
    /// Copies what is there.
    pub fn copy(folders: Vec<PathBuf>) -> Self {
        let paths = folders.iter().flat_map(|folder| files_in(folder));
        let files = paths.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect();
        Self { folders, files }
    }

    /// The files of a folder, with their sizes in bytes.
    pub fn files(&self, folder: &Path) -> Vec<(PathBuf, usize)> {
        let below = self.files.iter().filter(|(path, bytes)| path.starts_with(folder) && !bytes.is_empty());
        below.map(|(path, bytes)| (path.clone(), bytes.len())).collect()
    }

    /// Where in a file these bytes begin.
    pub fn find(&self, path: &Path, wanted: &[u8]) -> Vec<usize> {
        let bytes = &self.files[path];
        (0..bytes.len()).filter(|at| bytes[*at..].starts_with(wanted)).collect()
    }

    /// Turns a bit of a file over.
    pub fn forget(&self, path: &Path, byte: usize, bit: usize) {
        let file = OpenOptions::new().write(true).open(path).expect("a file");
        let rotten = self.files[path][byte] ^ (1 << bit);
        file.write_all_at(&[rotten], byte as u64).expect("a byte");
    }

    /// Puts every file back, and removes what came since.
    pub fn put_back(&self) {
        for path in self.folders.iter().flat_map(|folder| files_in(folder)) {
            if !self.files.contains_key(&path) {
                fs::remove_file(path).expect("a file");
            }
        }
        for (path, bytes) in &self.files {
            if fs::read(path).ok().as_ref() != Some(bytes) {
                fs::write(path, bytes).expect("a file");
            }
        }
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| files_in(&path)).collect()
}

/// Every value of a database in the columns that are `wanted`, row by row; none where it does not read.
pub fn values(
    database: &Path,
    wanted: impl Fn(&'static str, &'static str, Class) -> bool,
) -> Option<Vec<String>> {
    read_values(database, wanted).ok()
}

fn read_values(
    database: &Path,
    wanted: impl Fn(&'static str, &'static str, Class) -> bool,
) -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut all = Vec::new();
    for table in TABLES {
        let keys: Vec<&str> = table.key.iter().map(|(name, _)| *name).collect();
        let wanted = table.columns.iter().filter(|(name, class)| wanted(table.name, name, *class));
        let columns: Vec<&str> = wanted.map(|(name, _)| *name).collect();
        if columns.is_empty() {
            continue;
        }
        let columns: Vec<&str> = keys.iter().copied().chain(columns).collect();
        let text = format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, keys.join(", "));
        let mut statement = connection.prepare(&text)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let cells = (0..columns.len()).map(|at| row.get_ref(at).map(|cell| format!("{cell:?}")));
            let cells: Vec<String> = cells.collect::<rusqlite::Result<_>>()?;
            all.push(format!("{}: {}", table.name, cells.join(" ")));
        }
    }
    Ok(all)
}
