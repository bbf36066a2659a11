//! The opening of a message that was downloaded: no service, no network.

use std::path::{Path, PathBuf};

use client::{OpenPgpFault, PackedFile, RecipientKey, Secret, is_jwe, open_jwe, unpack};
use serde_json::json;

use super::{keep_one, make_folder};
use crate::exit::Exit;
use crate::failure::{Doing as _, Failure};
use crate::page::Page;
use crate::receipt::file_name;

/// Opens the message into `out`: the files of a package, or the one thing that it holds; then what of it is a JWE.
pub fn open(
    page: Page,
    message: &Path,
    key: &RecipientKey,
    private_key: Option<&Path>,
    out: &Path,
) -> Result<(), Failure> {
    let local = |failure: Failure| failure.exit(Exit::Local);
    let bytes =
        std::fs::read(message).doing(|| format!("cannot read {}", message.display())).map_err(local)?;
    let name = message.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let content = key.open_message(&bytes, &name).map_err(|fault| {
        let failure = Failure::of("the message was not opened", &fault).exit(Exit::NotProven);
        let mine = key.fingerprint();
        let is_other = matches!(fault, OpenPgpFault::Open { .. });
        let next = format!("the key given is {mine}: was it asked for with this one?");
        if is_other { failure.next(next) } else { failure }
    })?;
    let mut keys = Vec::new();
    if let Some(path) = private_key {
        keys.push(Secret::from(
            std::fs::read(path).doing(|| format!("cannot read {}", path.display())).map_err(local)?,
        ));
    }
    let files = match unpack(&content) {
        Some(files) => files,
        None => vec![PackedFile { name: name_of_content(&name), content }],
    };
    let is_key = |file: &PackedFile| file.name.starts_with("keys/");
    keys.extend(files.iter().filter(|file| is_key(file)).map(|file| Secret::from(file.content.expose())));
    let mut closed = 0;
    for file in &files {
        let path = place_of(out, &file.name)?;
        tell(page, "opened", &keep_in(&path, &file.content)?, &file.content);
        if is_jwe(file.content.expose()) {
            match keys.iter().find_map(|key| open_jwe(file.content.expose(), key.expose()).ok()) {
                Some(secret) => {
                    let opened = PathBuf::from(format!("{}.opened", path.display()));
                    tell(page, "jwe-opened", &keep_in(&opened, &secret)?, &secret);
                }
                None => closed += 1,
            }
        }
    }
    match closed {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} files are JWEs that no key here opens"))
            .exit(Exit::NotProven)
            .next("give the private key of their customer key with --private-key FILE")),
    }
}

/// `secret.json.gpg` holds `secret.json`.
fn name_of_content(name: &str) -> String {
    let ends = [".asc", ".gpg", ".pgp"];
    let stem = ends.iter().find_map(|end| name.strip_suffix(end)).filter(|stem| !stem.is_empty());
    stem.map_or_else(|| format!("{name}.opened"), str::to_owned)
}

/// Where a file of a package goes: at most one folder below `out`.
fn place_of(out: &Path, name: &str) -> Result<PathBuf, Failure> {
    match name.split_once('/') {
        Some((folder, file)) => {
            let folder = out.join(file_name(folder));
            make_folder(&folder)?;
            Ok(folder.join(file_name(file)))
        }
        None => Ok(out.join(file_name(name))),
    }
}

/// What is there already and is the same stays.
fn keep_in(path: &Path, content: &Secret) -> Result<PathBuf, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    keep_one(folder, &name, "again", content)
}

fn tell(page: Page, event: &str, path: &Path, content: &Secret) {
    let size = content.expose().len();
    page.line(&format!("{}  {size} bytes", page.bold(&path.display().to_string())));
    page.event(event, json!({ "file": path, "size": size }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_is_called_as_it_was() {
        assert_eq!(name_of_content("words.txt.gpg"), "words.txt");
        assert_eq!(name_of_content("words"), "words.opened");
        assert_eq!(name_of_content(".asc"), ".asc.opened");
    }

    #[test]
    fn a_package_does_not_write_outside_its_folder() {
        let out = tempfile::tempdir().expect("a folder");
        for name in ["../up", "data/../../up", "/etc/up", "a/b/c", "..", "keys/.."] {
            let path = place_of(out.path(), name).expect("a place");
            let parent = path.parent().expect("a folder");
            assert!(
                parent == out.path() || parent.parent() == Some(out.path()),
                "{name}: {}",
                path.display()
            );
            assert!(!path.display().to_string().contains("/../"), "{name}: {}", path.display());
        }
    }
}
