//! The settings of the identity provider Persona.

use std::net::IpAddr;
use std::path::PathBuf;

use boundary::Env;
use reqwest::Url;
use serde::Deserialize;

use super::SettingsError;

/// How Persona is asked for inquiries.
#[derive(Clone, Debug)]
pub struct PersonaSettings {
    /// Where its API is.
    pub base_url: Url,
    /// Where its hosted flow is, to which people are led.
    pub hosted_url: Url,
    /// The file that holds the API key.
    pub api_key_file: PathBuf,
    /// The template of every inquiry.
    pub template: String,
    /// The version of the API.
    pub version: String,
}

/// The file's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPersona {
    template: String,
    api_key_file: PathBuf,
    environment: String,
    version: String,
    base_url: String,
    hosted_url: String,
}

impl WrittenPersona {
    pub(super) fn check(self, environment: Env) -> Result<Option<PersonaSettings>, SettingsError> {
        if self.template.is_empty() {
            return Ok(None);
        }
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !plain(&self.template) {
            return Err(SettingsError::new(
                "persona.template",
                "must be an id of letters, digits, `_` and `-`",
            ));
        }
        if self.api_key_file.as_os_str().is_empty() {
            return Err(SettingsError::new("persona.api_key_file", "is needed with `persona.template`"));
        }
        if Env::parse(&self.environment) != Some(environment) {
            let fault = format!("must be this installation's own, `{}`", environment.as_str());
            return Err(SettingsError::new("persona.environment", fault));
        }
        if self.version.is_empty() || !plain(&self.version) {
            return Err(SettingsError::new("persona.version", "must be a date such as `2023-01-05`"));
        }
        let address = |setting, text: &str| {
            let fault = || SettingsError::new(setting, "must be https, or http on this machine");
            read_base_url(text).ok_or_else(fault)
        };
        Ok(Some(PersonaSettings {
            base_url: address("persona.base_url", &self.base_url)?,
            hosted_url: address("persona.hosted_url", &self.hosted_url)?,
            api_key_file: self.api_key_file,
            template: self.template,
            version: self.version,
        }))
    }
}

/// An address that the API key, or a person, may travel to: in TLS, or not beyond this machine.
fn read_base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (is_plain && (url.scheme() == "https" || (url.scheme() == "http" && is_here))).then_some(url)
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    const GOOD: &str = "template = \"itmpl_1\"\napi_key_file = \"/key\"\n";

    fn read(environment: &str, persona: &str) -> Result<Settings, String> {
        let text = format!("environment = \"{environment}\"\n[persona]\n{persona}");
        Settings::read(&text, |_| None).map_err(|error| error.setting)
    }

    #[test]
    fn without_a_template_there_is_no_persona() {
        assert!(read("production", "").unwrap().persona.is_none());
        assert!(read("production", "api_key_file = \"/key\"").unwrap().persona.is_none());
        let persona = read("production", GOOD).unwrap().persona.unwrap();
        assert_eq!(persona.base_url.as_str(), "https://api.withpersona.com/");
        assert_eq!(persona.hosted_url.as_str(), "https://inquiry.withpersona.com/");
        assert_eq!((persona.template.as_str(), persona.version.as_str()), ("itmpl_1", "2023-01-05"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (environment, more, setting) in [
            ("production", "environment = \"sandbox\"", "persona.environment"),
            ("sandbox", "environment = \"production\"", "persona.environment"),
            ("production", "environment = \"live\"", "persona.environment"),
            ("production", "version = \"\"", "persona.version"),
            ("production", "version = \"2023\\r\\nX: y\"", "persona.version"),
            ("production", "secret = \"wbhsec_1\"", "the file"),
            ("production", "base_url = \"http://api.withpersona.com\"", "persona.base_url"),
            ("production", "base_url = \"http://127.0.0.1.example\"", "persona.base_url"),
            ("production", "base_url = \"http://10.0.0.1\"", "persona.base_url"),
            ("production", "base_url = \"ftp://localhost\"", "persona.base_url"),
            ("production", "base_url = \"https://user:word@api.example\"", "persona.base_url"),
            ("production", "base_url = \"nowhere\"", "persona.base_url"),
            ("production", "hosted_url = \"http://inquiry.withpersona.com\"", "persona.hosted_url"),
            ("production", "hosted_url = \"https://p.example/?a=b\"", "persona.hosted_url"),
        ] {
            let text = format!("{GOOD}{more}");
            assert_eq!(read(environment, &text).err().as_deref(), Some(setting), "{environment} {more}");
        }
        for base_url in
            ["http://127.0.0.1:9", "http://[::1]:9", "http://localhost:9", "https://persona.example"]
        {
            assert!(read("production", &format!("{GOOD}base_url = \"{base_url}\"")).is_ok(), "{base_url}");
        }
        assert!(read("sandbox", &format!("{GOOD}environment = \"sandbox\"")).unwrap().persona.is_some());
        assert_eq!(read("production", "template = \"itmpl_1\"").err().unwrap(), "persona.api_key_file");
        assert_eq!(read("production", "template = \"a b\"").err().unwrap(), "persona.template");
    }
}
