//! The address of a `PostgreSQL` server, and whether it is spoken to over TLS.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::StoreError;

/// Where distributions keep the certificates they trust.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// A read address.
pub(crate) struct Address {
    pub config: Config,
    /// Set where TLS is used; it always verifies the server and its name.
    pub tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Reads a libpq address; connecting and silence of the network are given up after `patience`.
    pub fn read(address: &str, patience: Duration) -> Result<Self, StoreError> {
        let words = Words::split(address);
        let mut config: Config = words.rest.parse().map_err(|error: postgres::Error| {
            // The cause names the option at fault, never its value.
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            StoreError::Unfit(format!("the address of postgresql does not read{cause}"))
        })?;
        let wanted = match words.mode.as_deref() {
            Some("require" | "verify-ca" | "verify-full") => true,
            Some("disable") => false,
            None => !is_local(&config),
            Some(other) => {
                let text = format!("sslmode={other} protects nothing: say verify-full or disable");
                return Err(StoreError::Unfit(text));
            }
        };
        config.ssl_mode(if wanted { SslMode::Require } else { SslMode::Disable });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(patience);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(patience * 5);
        }
        config.keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("holdfast");
        }
        let tls = if wanted { Some(tls(words.roots.as_deref())?) } else { None };
        Ok(Self { config, tls })
    }
}

/// An address, and the two words in it that the driver does not know as libpq does.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    rest: String,
    mode: Option<String>,
    roots: Option<String>,
}

impl Words {
    fn split(address: &str) -> Self {
        let mut words = Self { rest: String::new(), mode: None, roots: None };
        if address.contains("://") {
            let (place, options) = address.split_once('?').unwrap_or((address, ""));
            let kept: Vec<_> = options.split('&').filter(|word| !words.takes(word)).collect();
            words.rest =
                if kept.concat().is_empty() { place.into() } else { format!("{place}?{}", kept.join("&")) };
        } else {
            let kept: Vec<_> = quoted_words(address).into_iter().filter(|word| !words.takes(word)).collect();
            words.rest = kept.join(" ");
        }
        words
    }

    fn takes(&mut self, word: &str) -> bool {
        match word.split_once('=') {
            Some(("sslmode", value)) => self.mode = Some(value.trim_matches('\'').into()),
            Some(("sslrootcert", value)) => self.roots = Some(value.trim_matches('\'').into()),
            _ => return false,
        }
        true
    }
}

/// Splits at white space outside of single quotes; a backslash takes the next character as it stands.
fn quoted_words(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => quoted = !quoted,
            _ if character.is_whitespace() && !quoted => {
                words.push(&text[start..at]);
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    words
}

/// Whether every host is this machine.
fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().iter().all(IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
            Host::Unix(_) => true,
        })
}

fn tls(roots: Option<&str>) -> Result<MakeRustlsConnect, StoreError> {
    let path = match roots {
        None | Some("system") => SYSTEM_ROOTS.into_iter().find(|path| Path::new(path).exists()),
        Some(path) => Some(path),
    };
    let unfit = |why: String| StoreError::Unfit(format!("the trusted certificates of postgresql: {why}"));
    let path = path.ok_or_else(|| unfit("none on this system; name a file with sslrootcert".into()))?;
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unfit(error.to_string()))?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.filter_map(Result::ok));
    if store.is_empty() {
        return Err(unfit("the file holds none".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address, StoreError> {
        Address::read(text, Duration::from_secs(1))
    }

    #[test]
    fn finds_its_words_in_both_forms_of_an_address() {
        let url =
            Words::split("postgres://u:p@h/d?sslmode=verify-full&application_name=x&sslrootcert=/ca.pem");
        let pairs =
            Words::split("host=h password='a sslmode=b\\' c' sslmode=verify-full sslrootcert='/ca.pem'");
        assert_eq!(url.rest, "postgres://u:p@h/d?application_name=x");
        assert_eq!(pairs.rest, "host=h password='a sslmode=b\\' c'");
        for words in [url, pairs] {
            assert_eq!(
                (words.mode.as_deref(), words.roots.as_deref()),
                (Some("verify-full"), Some("/ca.pem"))
            );
        }
        assert_eq!(Words::split("postgres://h/d?sslmode=disable").rest, "postgres://h/d");
    }

    #[test]
    fn a_foreign_host_is_never_spoken_to_in_the_clear_by_default() {
        let mode = |text: &str| read(text).map(|address| address.tls.is_some());
        for local in ["host=/run/postgresql user=h", "postgres://h@localhost/d", "postgres://h@127.0.0.1/d"] {
            assert!(!mode(local).expect(local), "{local}");
        }
        let foreign = mode("postgres://h@db.example/d");
        // Without any certificates on the machine it is refused, which is as well.
        assert!(foreign.is_err() || foreign.is_ok_and(|tls| tls));
        assert!(!mode("postgres://h@db.example/d?sslmode=disable").expect("said so"));
        assert!(matches!(mode("postgres://h@db.example/d?sslmode=prefer"), Err(StoreError::Unfit(_))));
        assert!(matches!(
            mode("postgres://h@localhost/d?sslmode=require&sslrootcert=/dev/null"),
            Err(StoreError::Unfit(_))
        ));
    }

    #[test]
    fn an_address_that_does_not_read_is_not_repeated() {
        let Err(StoreError::Unfit(text)) = read("host=h passwort=geheim") else { panic!("it was read") };
        assert!(!text.contains("geheim"), "{text}");
    }
}
