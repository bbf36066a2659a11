//! The package of a recovery that people decided on: an archive of plain files, POSIX.1-1988 ustar.

use crate::secret::Secret;

const BLOCK: usize = 512;
/// Where a header holds its sum.
const SUM: std::ops::Range<usize> = 148..156;

/// One file of a package.
#[derive(Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// `manifest.json`, `data/<backup_id>`, `files/<backup_id>` or `keys/<key_id>.pem`.
    pub name: String,
    /// What is in it.
    pub content: Secret,
}

/// The files of an archive; none where it is cut off, damaged, or holds anything else than files.
pub fn unpack(archive: &Secret) -> Option<Vec<PackedFile>> {
    let mut files = Vec::new();
    let mut rest = archive.expose();
    loop {
        let (header, after) = rest.split_at_checked(BLOCK)?;
        if header.iter().all(|byte| *byte == 0) {
            let is_end = after.len() >= BLOCK && after.iter().all(|byte| *byte == 0);
            return is_end.then_some(files);
        }
        let is_file = header[257..].starts_with(b"ustar\0") && matches!(header[156], 0 | b'0');
        if !is_file || octal(&header[SUM])? != sum(header) {
            return None;
        }
        let size = usize::try_from(octal(&header[124..136])?).ok()?;
        let (padded, after) = after.split_at_checked(size.checked_next_multiple_of(BLOCK)?)?;
        let name = header[..100].split(|byte| *byte == 0).next()?;
        let name = String::from_utf8(name.to_vec()).ok()?;
        files.push(PackedFile { name, content: Secret::from(&padded[..size]) });
        rest = after;
    }
}

/// A number in octal digits, which a space or a zero ends.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

/// The sum over a header, in which its own field counts as spaces.
fn sum(header: &[u8]) -> u64 {
    let byte = |(at, byte): (usize, &u8)| u64::from(if SUM.contains(&at) { b' ' } else { *byte });
    header.iter().enumerate().map(byte).sum()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn files_of(archive: &[u8]) -> Option<Vec<PackedFile>> {
        unpack(&Secret::from(archive))
    }

    /// An archive of these files, by the stock program.
    fn packed(files: &[(&str, &[u8])], more: &[&str]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let mut tar = Command::new("tar");
        tar.args(["-c", "-f", "-", "--format=ustar", "-C"]).arg(folder.path()).args(more);
        let made = tar.args(files.iter().map(|(name, _)| name)).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        made.stdout
    }

    #[test]
    fn what_tar_packs_is_read() {
        let long = vec![b'x'; 513];
        let whole: [(&str, &[u8]); 3] = [("manifest.json", b"{}"), ("data/a", b""), ("data/b", &long)];
        let read = files_of(&packed(&whole, &[])).unwrap();
        let read: Vec<_> = read.iter().map(|file| (file.name.as_str(), file.content.expose())).collect();
        assert_eq!(read, whole);
    }

    #[test]
    fn what_is_cut_off_damaged_or_no_file_is_refused() {
        let good = packed(&[("a", &[b'x'; 600])], &[]);
        assert!(files_of(&good).is_some());
        // The header, one block of two, and both without the end.
        for kept in [0, 511, 512, 1024, 1536, 2048] {
            assert_eq!(files_of(&good[..kept]), None, "{kept}");
        }
        for at in [0, 124, 148, 257] {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            assert_eq!(files_of(&damaged), None, "{at}");
        }
        let mut followed = good.clone();
        *followed.last_mut().unwrap() = 1;
        assert_eq!(files_of(&followed), None);
        assert_eq!(files_of(&packed(&[("a", b"x")], &["data"])), None, "a folder");
    }
}
