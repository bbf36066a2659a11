//! Where shares of sealed private keys are kept: `[key_shares]`.

use std::path::PathBuf;

use domain::limits::KEY_SHARES_MAX;
use serde::Deserialize;
use store::key_shares::Split;

use super::SettingsError;
use super::files::WrittenFiles;
use crate::key_shares::{KeySharesAt, SharesAt};

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenKeyShares {
    threshold: u8,
    stores: Vec<String>,
}

impl WrittenKeyShares {
    /// `files` says how buckets are reached.
    pub(super) fn check(self, files: &WrittenFiles) -> Result<KeySharesAt, SettingsError> {
        let places = self.stores.iter().map(|store| place(store, files)).collect::<Result<Vec<_>, _>>()?;
        let fault = |setting, text: String| Err(SettingsError::new(setting, text));
        let total = match u8::try_from(places.len()) {
            Ok(total) if places.len() <= KEY_SHARES_MAX => total,
            _ => return fault("key_shares.stores", format!("must be {KEY_SHARES_MAX} at most")),
        };
        let threshold = usize::from(self.threshold);
        if threshold == 0 {
            return Ok(KeySharesAt { split: None, places });
        }
        if threshold == 1 {
            return fault("key_shares.threshold", "must be 2 at least, or 0 for no shares".to_owned());
        }
        if !self.stores.iter().any(|store| store == "database") {
            return fault("key_shares.stores", "must have `database` among them".to_owned());
        }
        for store in &self.stores {
            let its = self.stores.iter().filter(|other| *other == store).count();
            if its >= threshold {
                let text = format!("{store:?} alone would have enough shares for every key");
                return fault("key_shares.stores", text);
            }
            if places.len() - its < threshold {
                let text = format!("without {store:?} there would be too few shares for any key");
                return fault("key_shares.stores", text);
            }
        }
        Ok(KeySharesAt { split: Some(Split { threshold: self.threshold, total }), places })
    }
}

fn place(store: &str, files: &WrittenFiles) -> Result<SharesAt, SettingsError> {
    if store == "database" {
        return Ok(SharesAt::Database);
    }
    if let Some(bucket) = store.strip_prefix("s3://") {
        let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
        let bucket = files.bucket_named(bucket, "key_shares.stores")?;
        return Ok(SharesAt::Bucket(bucket, prefix.trim_end_matches('/').to_owned()));
    }
    let folder = PathBuf::from(store);
    if folder.is_absolute() {
        return Ok(SharesAt::Folder(folder));
    }
    let text = format!("{store:?} is neither `database`, nor `/a/folder`, nor `s3://bucket/prefix`");
    Err(SettingsError::new("key_shares.stores", text))
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn read(shares: &str) -> Result<KeySharesAt, String> {
        Settings::read(&format!("[key_shares]\n{shares}"), |_| None)
            .map(|settings| settings.key_shares)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_whole_unless_it_is_set() {
        let at = read("").unwrap();
        assert!(at.split.is_none() && at.places.is_empty());
        let off = read("stores = [\"database\", \"/a\", \"/b\"]").unwrap();
        assert!(off.split.is_none() && off.places.len() == 3, "what was split is still read");
    }

    #[test]
    fn shares_go_where_it_says_in_its_order() {
        let at = read("threshold = 3\nstores = [\"database\", \"/a\", \"/b\", \"/a\", \"/b\", \"database\"]")
            .unwrap();
        assert_eq!(at.split, Some(Split { threshold: 3, total: 6 }));
        let names: Vec<_> = at.places.iter().map(SharesAt::name).collect();
        assert_eq!(names, ["database", "/a", "/b", "/a", "/b", "database"]);
        let variable = |name: &str| match name {
            "HOLDFAST_KEY_SHARES_STORES" => Some("database, /a,/b".to_owned()),
            "HOLDFAST_KEY_SHARES_THRESHOLD" => Some("2".to_owned()),
            _ => None,
        };
        assert_eq!(Settings::read("", variable).unwrap().key_shares.places.len(), 3);
    }

    #[test]
    fn a_bucket_is_reached_as_that_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s\n").unwrap();
        let text = format!(
            "[key_shares]\nthreshold = 2\nstores = [\"database\", \"/a\", \"s3://b/of/keys/\"]\n[files]\n\
             endpoint = \"https://s3.example\"\naccess_key_file = \"{0}\"\nsecret_key_file = \"{0}\"\n",
            secret.display(),
        );
        let at = Settings::read(&text, |_| None).unwrap().key_shares;
        assert_eq!(at.places[2].name(), "s3://b/of/keys");
        let SharesAt::Bucket(bucket, prefix) = &at.places[2] else { unreachable!("{:?}", at.places) };
        assert_eq!((bucket.name.as_str(), prefix.as_str()), ("b", "of/keys"));
        let error = Settings::read(&text.replace("s3://b/", "s3://b b/"), |_| None).unwrap_err().to_string();
        assert!(error.starts_with("key_shares.stores"), "{error}");
    }

    #[test]
    fn a_store_is_neither_enough_nor_needed() {
        for (threshold, stores, fault) in [
            (1, "\"database\", \"/a\", \"/b\"", "key_shares.threshold: must be 2"),
            (2, "\"/a\", \"/b\", \"/c\"", "must have `database`"),
            (2, "\"database\", \"database\", \"/a\", \"/b\"", "\"database\" alone would have enough"),
            (2, "\"database\", \"/a\", \"/a\"", "\"/a\" alone would have enough"),
            (2, "\"database\", \"/a\"", "without \"database\" there would be too few"),
            (3, "\"database\", \"/a\", \"/b\"", "without \"database\" there would be too few"),
            (2, "\"database\", \"a\", \"/b\"", "is neither"),
            (2, "\"database\", \"https://b\", \"/b\"", "is neither"),
            (2, &"\"/a\",".repeat(17), "must be 16 at most"),
            (300, "\"database\"", "the file"),
        ] {
            let error = read(&format!("threshold = {threshold}\nstores = [{stores}]")).unwrap_err();
            assert!(error.contains(fault), "{stores}: {error}");
        }
    }
}
