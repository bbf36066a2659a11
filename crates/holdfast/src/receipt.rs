//! What one keeps of a deed, to prove it later: files that nobody else may read.

use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use client::api::jwks::Jwk;
use client::{Attestation, AttestedKey, Client};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use crate::connection::{read_text, usage};
use crate::exit::Exit;
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// What a receipt says of its own form.
const FORM: &str = "holdfast-receipt/1";
/// Set aside before the deed, so that a full disk is seen before anything is done. A receipt is smaller, but for the
/// caller's own metadata, which have 16 KiB at most.
const RESERVED_BYTES: usize = 32 * 1024;

/// A key or a backup, and the enclave's word.
#[derive(Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// `holdfast-receipt/1`.
    #[serde(rename = "receipt")]
    pub form: String,
    /// `key` or `backup`.
    pub kind: String,
    /// The service's address.
    pub service: String,
    /// The tenant's name for the user.
    pub user_identifier: String,
    /// The key's id.
    pub key_id: String,
    /// The enclave's signature and what it is over.
    pub attestation: Attestation,
    /// The signing key, as the service listed it then; none where a pinned one was believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<Jwk>,
    /// What else the service answered: the key's kind and place, or the backup's id, form, digest and metadata.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl Receipt {
    /// Of a key, to which more is added by `details`.
    pub async fn of(
        kind: &str,
        client: &Client,
        user_identifier: &str,
        key_id: &str,
        key: &AttestedKey,
        details: Value,
    ) -> Self {
        // Without it the receipt still proves the deed to whoever knows the signing key.
        let listed = client.jwks().await.map(|jwks| jwks.keys).unwrap_or_default();
        Self {
            form: FORM.to_owned(),
            kind: kind.to_owned(),
            service: client.base_url().trim_end_matches('/').to_owned(),
            user_identifier: user_identifier.to_owned(),
            key_id: key_id.to_owned(),
            attestation: key.attestation().clone(),
            signing_key: listed.into_iter().find(|jwk| Some(jwk.kid.as_str()) == key.kid()),
            details: match details {
                Value::Object(members) => members,
                other => Map::from_iter([("details".to_owned(), other)]),
            },
        }
    }

    /// Reads one that was kept.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let receipt: Self = serde_json::from_str(&read_text(path)?)
            .doing(|| format!("{} is no receipt", path.display()))
            .map_err(|failure| failure.exit(Exit::Local))?;
        if receipt.form == FORM {
            Ok(receipt)
        } else {
            Err(usage(format!("{} is a receipt of another form: {}", path.display(), receipt.form)))
        }
    }
}

/// Where receipts are kept.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Where the receipt goes, readable for you alone; otherwise ~/.local/share/holdfast/receipts.
    #[arg(long, value_name = "FOLDER", env = "HOLDFAST_RECEIPTS")]
    pub receipts: Option<PathBuf>,
}

/// Room for one receipt, taken before the deed.
pub struct Reserved {
    folder: PathBuf,
    file: NamedTempFile,
}

impl Place {
    /// Takes the room: what cannot be kept is not begun.
    pub fn reserve(&self) -> Result<Reserved, Failure> {
        let folder = match &self.receipts {
            Some(folder) => folder.clone(),
            None => default_folder()?,
        };
        let next = "nothing was done; make room, or name another folder with --receipts";
        let local = |failure: Failure| failure.exit(Exit::Local).next(next);
        let doing = || format!("cannot keep a receipt in {}", folder.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).doing(doing).map_err(local)?;
        let mut file = NamedTempFile::new_in(&folder).doing(doing).map_err(local)?;
        let written = file.write_all(&vec![0; RESERVED_BYTES]).and_then(|()| file.as_file().sync_all());
        written.doing(doing).map_err(local)?;
        Ok(Reserved { folder, file })
    }
}

impl Reserved {
    /// Keeps the receipt, and tells where. When that fails the deed is done all the same: the receipt is printed.
    pub fn keep(mut self, page: Page, receipt: &Receipt) -> Result<(), Failure> {
        let id = receipt.details.get("backup_id").and_then(Value::as_str).unwrap_or(&receipt.key_id);
        let path = self.folder.join(format!("{}-{}.json", receipt.kind, file_name(id)));
        let text = serde_json::to_string_pretty(receipt).doing(|| "cannot write the receipt")?;
        let rewritten = self
            .file
            .rewind()
            .and_then(|()| self.file.write_all(format!("{text}\n").as_bytes()))
            .and_then(|()| self.file.as_file().set_len(text.len() as u64 + 1))
            .and_then(|()| self.file.as_file().sync_all());
        let kept = rewritten.and_then(|()| self.file.persist(&path).map(drop).map_err(|error| error.error));
        if let Err(error) = kept {
            page.line(&text);
            page.event("receipt-not-kept", serde_json::json!({ "receipt": receipt }));
            let doing = format!("it was done, but the receipt cannot be kept in {}", path.display());
            return Err(Failure::of(doing, &error)
                .exit(Exit::Local)
                .next("keep what stands on standard output: it is the receipt"));
        }
        page.line(&page.dim(&format!("receipt: {}", path.display())));
        page.event("receipt", serde_json::json!({ "file": path }));
        Ok(())
    }
}

fn default_folder() -> Result<PathBuf, Failure> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
    let folder = data.map(|data| data.join("holdfast/receipts"));
    folder
        .ok_or_else(|| usage("there is no home folder to keep receipts in").next("name one with --receipts"))
}

/// A name from elsewhere as the name of one file: no folder, no hidden file, nothing that a terminal obeys.
pub fn file_name(name: &str) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let name: String = name.chars().map(plain).take(128).collect();
    let trimmed = name.trim_start_matches('.');
    if trimmed.is_empty() { "unnamed".to_owned() } else { trimmed.to_owned() }
}

/// Writes a new file that nobody else may read.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let doing = || format!("cannot write {}", path.display());
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.doing(doing).map_err(|failure| failure.exit(Exit::Local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_stays_in_its_folder() {
        for (name, file) in [
            ("mnemonic", "mnemonic"),
            ("Zweitschlüssel 1", "Zweitschlüssel_1"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..", "unnamed"),
            ("", "unnamed"),
            ("a\u{1b}[2J\u{202e}b", "a__2J_b"),
        ] {
            assert_eq!(file_name(name), file, "{name:?}");
        }
    }
}
