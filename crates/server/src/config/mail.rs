//! The settings of the mail server.

use std::path::PathBuf;
use std::time::Duration;

use domain::limits::MAIL_DEADLINE;
use lettre::message::Mailbox;
use serde::Deserialize;

use super::SettingsError;
use crate::edge::mail::is_here;

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is kept private.
    pub security: MailSecurity,
    /// Certificates of authorities that are trusted beside the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The user, and the file that holds his password; none: nobody signs in.
    pub login: Option<(String, PathBuf)>,
    /// From whom the mails come.
    pub from: Mailbox,
    /// How long one try may take in all.
    pub patience: Duration,
}

/// How the way to the mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// Asked for on the connection, and needed.
    StartTls,
    /// From the first byte on.
    Tls,
    /// Not at all.
    None,
}

/// The file's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMail {
    host: String,
    port: u16,
    security: String,
    ca_file: PathBuf,
    user: String,
    password_file: PathBuf,
    from: String,
}

impl WrittenMail {
    pub(super) fn check(self) -> Result<Option<MailSettings>, SettingsError> {
        if self.host.is_empty() {
            return Ok(None);
        }
        let fault = |setting: &str, fault: &str| SettingsError::new(setting, fault);
        let is_plain = self.host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
        if !is_plain {
            return Err(fault("mail.host", "must be a name or an address, and nothing more"));
        }
        let security = match self.security.as_str() {
            "starttls" => MailSecurity::StartTls,
            "tls" => MailSecurity::Tls,
            "none" => MailSecurity::None,
            _ => return Err(fault("mail.security", "must be `starttls`, `tls` or `none`")),
        };
        let login = match (self.user.as_str(), self.password_file.as_os_str().is_empty()) {
            ("", _) => None,
            (_, true) => return Err(fault("mail.password_file", "is needed with `mail.user`")),
            (user, false) => Some((user.to_owned(), self.password_file)),
        };
        if security == MailSecurity::None && login.is_some() && !is_here(&self.host) {
            return Err(fault("mail.security", "must not be `none` where a password would travel"));
        }
        let from = self.from.parse();
        let from =
            from.map_err(|_| fault("mail.from", "must be such as `Holdfast <control@example.org>`"))?;
        let ca_file = (!self.ca_file.as_os_str().is_empty()).then_some(self.ca_file);
        Ok(Some(MailSettings {
            host: self.host,
            port: self.port,
            security,
            ca_file,
            login,
            from,
            patience: MAIL_DEADLINE,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::MailSecurity;
    use crate::config::Settings;

    const GOOD: &str = "host = \"mail.example\"\nfrom = \"Holdfast <control@holdfast.example>\"\n";

    fn read(mail: &str) -> Result<Settings, String> {
        Settings::read(&format!("environment = \"production\"\n[mail]\n{mail}"), |_| None)
            .map_err(|error| error.setting)
    }

    #[test]
    fn without_a_host_there_is_no_mail_and_with_one_it_is_private() {
        assert!(read("").unwrap().mail.is_none());
        let mail = read(GOOD).unwrap().mail.unwrap();
        assert_eq!((mail.port, mail.security), (587, MailSecurity::StartTls));
        assert!(mail.login.is_none() && mail.ca_file.is_none());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (more, setting) in [
            ("security = \"ssl\"", "mail.security"),
            ("security = \"none\"\nuser = \"a\"\npassword_file = \"/p\"", "mail.security"),
            ("user = \"a\"", "mail.password_file"),
            ("password = \"a\"", "the file"),
        ] {
            assert_eq!(read(&format!("{GOOD}{more}")).err().as_deref(), Some(setting), "{more}");
        }
        assert_eq!(read("host = \"mail.example\"").err().as_deref(), Some("mail.from"));
        assert_eq!(read("host = \"smtp://x\"\nfrom = \"a@b.example\"").err().as_deref(), Some("mail.host"));
        let here = "host = \"127.0.0.1\"\nfrom = \"a@b.example\"\nsecurity = \"none\"\nuser = \"a\"\npassword_file = \"/p\"";
        assert!(read(here).unwrap().mail.unwrap().login.is_some());
    }
}
