//! The archive inside a package: POSIX.1-1988 ustar, files only, written whole into memory that is wiped.

use zeroize::Zeroizing;

use crate::secret::Plaintext;

const BLOCK: usize = 512;
/// Two blocks of zeros end an archive.
const END: usize = 2 * BLOCK;
const NAME_BYTES_MAX: usize = 100;

/// An archive of these files; none if it has more than `bytes_max` bytes, or a name that is too long or leads out of
/// the folder that it is unpacked in.
pub fn archive(files: &[(String, Plaintext)], bytes_max: usize) -> Option<Zeroizing<Vec<u8>>> {
    let size = |file: &(String, Plaintext)| BLOCK + file.1.len().next_multiple_of(BLOCK);
    let bytes = files.iter().map(size).sum::<usize>() + END;
    if bytes > bytes_max || !files.iter().all(|file| is_plain(&file.0)) {
        return None;
    }
    // Reserved at once: a vector that grows leaves what it held behind.
    let mut out = Zeroizing::new(Vec::with_capacity(bytes));
    for (name, content) in files {
        let mut header = [0; BLOCK];
        let size = format!("{:011o}", content.len());
        let fields = [(0, name.as_str()), (100, "0000600"), (108, "0000000"), (116, "0000000"), (124, &size)];
        for (at, text) in
            fields.into_iter().chain([(136, "00000000000"), (148, "        0"), (257, "ustar\x0000")])
        {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(content.in_archive());
        let padded = out.len().next_multiple_of(BLOCK);
        out.resize(padded, 0);
    }
    out.resize(bytes, 0);
    Some(out)
}

fn is_plain(name: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    name.len() <= NAME_BYTES_MAX
        && name.bytes().all(harmless)
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn file(name: &str, bytes: usize) -> (String, Plaintext) {
        (name.to_owned(), Plaintext::new(vec![b'x'; bytes].into()))
    }

    #[test]
    fn tar_reads_what_was_written() {
        let files =
            [file("manifest.json", 0), file("data/a", 1), file("files/b", 512), file(&"n".repeat(100), 513)];
        let archived = archive(&files, 1 << 20).unwrap();
        let dir = std::env::temp_dir().join(format!("hf-tar-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut tar =
            Command::new("tar").arg("-x").arg("-C").arg(&dir).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut tar.stdin.take().unwrap(), &archived).unwrap();
        assert!(tar.wait().unwrap().success());
        for (name, content) in &files {
            assert_eq!(std::fs::read(dir.join(name)).unwrap(), content.in_archive(), "{name}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_too_large_or_leads_elsewhere_is_refused() {
        assert!(archive(&[file("a", 512)], 2_048).is_some());
        assert!(archive(&[file("a", 513)], 2_048).is_none());
        for name in
            ["", "/a", "a//b", "../a", "a/../b", "a/.", ".a", "a b", "a\nb", "a\0", "é", &"n".repeat(101)]
        {
            assert!(archive(&[file(name, 1)], 1 << 20).is_none(), "{name}");
        }
    }
}
