//! Where files are kept: `[files]`.

use std::path::{Path, PathBuf};

use axum::http::Uri;
use serde::Deserialize;
use store::blob::{Bucket, FilesAt, Scheme};

use super::SettingsError;

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFiles {
    store: String,
    folder: PathBuf,
    bucket: String,
    endpoint: String,
    region: String,
    access_key_file: PathBuf,
    secret_key_file: PathBuf,
    path_style: bool,
    allow_http: bool,
}

impl WrittenFiles {
    pub(super) fn check(self, data_dir: &Path) -> Result<FilesAt, SettingsError> {
        match self.store.as_str() {
            "folder" => self.folder(data_dir),
            "s3" => self.bucket_named(&self.bucket, "files.bucket").map(FilesAt::Bucket),
            _ => Err(SettingsError::new("files.store", "must be `folder` or `s3`")),
        }
    }

    fn folder(self, data_dir: &Path) -> Result<FilesAt, SettingsError> {
        // Whoever names a bucket and means it would not want to find his files on this machine.
        if !self.bucket.is_empty() {
            return Err(SettingsError::new("files.bucket", "is set, but files.store is not `s3`"));
        }
        let is_set = !self.folder.as_os_str().is_empty();
        Ok(FilesAt::Folder(if is_set { self.folder } else { data_dir.join("files") }))
    }

    /// A bucket of this name, which that setting says, reached as these settings say.
    pub(super) fn bucket_named(&self, name: &str, setting: &str) -> Result<Bucket, SettingsError> {
        for (setting, text) in [(setting, name), ("files.region", &self.region)] {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if text.is_empty() || !text.chars().all(is_name) {
                return Err(SettingsError::new(
                    setting,
                    "must be a name of letters, digits, `-`, `.` and `_`",
                ));
            }
        }
        Ok(Bucket {
            endpoint: self.endpoint()?,
            access_key: secret("files.access_key_file", &self.access_key_file)?,
            secret_key: secret("files.secret_key_file", &self.secret_key_file)?.into(),
            name: name.to_owned(),
            region: self.region.clone(),
            path_style: self.path_style,
        })
    }

    fn endpoint(&self) -> Result<Option<(Scheme, String)>, SettingsError> {
        let fault = |text: &str| Err(SettingsError::new("files.endpoint", text));
        if self.endpoint.is_empty() {
            return Ok(None);
        }
        let Ok(uri) = self.endpoint.parse::<Uri>() else { return fault("is no address") };
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") if self.allow_http => Scheme::Http,
            Some("http") => return fault("is without TLS: that needs files.allow_http = true"),
            _ => return fault("must begin with https://"),
        };
        match uri.authority() {
            Some(host) if uri.path() == "/" && uri.query().is_none() && !host.as_str().contains('@') => {
                Ok(Some((scheme, host.to_string())))
            }
            _ => fault("must be scheme, host and port only: the bucket has its own setting"),
        }
    }
}

/// The one line of a file.
fn secret(setting: &str, path: &Path) -> Result<String, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingsError::new(setting, format!("{}: {error}", path.display())))?;
    match text.trim() {
        "" => Err(SettingsError::new(setting, "the file is empty")),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn read(files: &str) -> Result<FilesAt, String> {
        Settings::read(&format!("data_dir = \"/data\"\n[files]\n{files}"), |_| None)
            .map(|settings| settings.files)
            .map_err(|error| error.setting)
    }

    #[test]
    fn files_are_in_a_folder_of_the_data_unless_another_is_named() {
        for (written, folder) in [("", "/data/files"), ("folder = \"/elsewhere\"", "/elsewhere")] {
            let at = read(written);
            assert!(matches!(at, Ok(FilesAt::Folder(path)) if path == Path::new(folder)), "{written}");
        }
    }

    #[test]
    fn a_bucket_is_read_with_its_secrets_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name).display().to_string()
        };
        let (id, key, empty) = (file("id", "the-id\n"), file("key", " the-key \n"), file("empty", "\n"));
        let good = format!(
            "store = \"s3\"\nbucket = \"b\"\naccess_key_file = \"{id}\"\nsecret_key_file = \"{key}\"\n"
        );
        let Ok(FilesAt::Bucket(bucket)) = read(&good) else { unreachable!("{good}") };
        assert_eq!((bucket.access_key.as_str(), bucket.secret_key.as_str()), ("the-id", "the-key"));
        assert_eq!((bucket.endpoint, bucket.path_style), (None, true));
        let at = |more: &str| match read(&format!("{good}{more}")) {
            Ok(FilesAt::Bucket(bucket)) => bucket.endpoint,
            other => unreachable!("{more}: {other:?}"),
        };
        let (https, http) =
            ("endpoint = \"https://s3.example:9000\"", "endpoint = \"http://127.0.0.1:9000/\"");
        assert_eq!(at(https), Some((Scheme::Https, "s3.example:9000".to_owned())));
        let allowed = format!("{http}\nallow_http = true");
        assert_eq!(at(&allowed), Some((Scheme::Http, "127.0.0.1:9000".to_owned())));
        for (files, setting) in [
            (format!("{good}{http}"), "files.endpoint"),
            (format!("{good}endpoint = \"https://u:p@s3.example\""), "files.endpoint"),
            (format!("{good}endpoint = \"https://s3.example/bucket\""), "files.endpoint"),
            (format!("{good}endpoint = \"s3.example\""), "files.endpoint"),
            (format!("{good}endpoint = \"ftp://s3.example\""), "files.endpoint"),
            (good.replace("\"b\"", "\"\""), "files.bucket"),
            (good.replace("\"b\"", "\"b/c\""), "files.bucket"),
            (format!("{good}region = \"\""), "files.region"),
            (good.replace(&id, &empty), "files.access_key_file"),
            (good.replace(&key, "/no/such/file"), "files.secret_key_file"),
            (good.replace("\"s3\"", "\"S3\""), "files.store"),
            (good.replace("\"s3\"", "\"folder\""), "files.bucket"),
            (format!("{good}buckett = \"x\""), "the file"),
        ] {
            assert_eq!(read(&files).unwrap_err(), setting, "{files}");
        }
    }
}
