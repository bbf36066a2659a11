//! The settings as they are in force, for whoever asks what applies.

use std::path::{Path, PathBuf};

use super::{Settings, SettingsError, merged, text_of};

/// The one setting that may hold a password: an address of a database.
const SECRET: &str = "database";

impl Settings {
    /// Every setting as it is in force, by its full name; what may hold a secret is masked.
    pub fn list_effective(path: &Path) -> Result<Vec<(String, String)>, SettingsError> {
        let mut listed = Vec::new();
        flatten("", &merged(&text_of(path)?, |name| std::env::var(name).ok())?, &mut listed);
        Ok(listed)
    }

    /// The files that settings name, of those that are set.
    pub fn list_files(effective: &[(String, String)]) -> Vec<(String, PathBuf)> {
        let named = effective.iter().filter(|(name, value)| name.ends_with("_file") && !value.is_empty());
        named.map(|(name, value)| (name.clone(), PathBuf::from(value))).collect()
    }
}

fn flatten(above: &str, table: &toml::Table, listed: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let full = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&full, inner, listed);
                continue;
            }
            toml::Value::String(text) if full == SECRET && !text.is_empty() => "(set; masked)".to_owned(),
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(switch) => switch.to_string(),
            // The default has no other kinds, and a setting keeps its kind.
            toml::Value::Datetime(_) | toml::Value::Array(_) => String::new(),
        };
        listed.push((full, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_listed_and_no_password_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast.toml");
        std::fs::write(
            &path,
            "database = \"postgres://u:hunter2@h/n\"\n[mail]\npassword_file = \"/etc/p\"\n",
        )
        .unwrap();
        let listed = Settings::list_effective(&path).unwrap();
        let value =
            |name: &str| listed.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        assert_eq!(value("database"), Some("(set; masked)"));
        assert_eq!((value("pool.rsa4096"), value("environment")), (Some("4096"), Some("production")));
        assert!(!format!("{listed:?}").contains("hunter2"));
        assert_eq!(
            Settings::list_files(&listed),
            [("mail.password_file".to_owned(), PathBuf::from("/etc/p"))]
        );
    }
}
