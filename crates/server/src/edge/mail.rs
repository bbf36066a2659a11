//! Mail, by SMTP: one letter, one connection, one answer.

use std::error::Error as StdError;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use domain::limits::NOTICE_TITLE_CHARS_MAX;
use domain::notice::one_line;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use maud::{DOCTYPE, html};

use crate::config::{MailSecurity, MailSettings};

/// Characters of a person's name in a letter's head.
const NAME_CHARS_MAX: usize = 100;

/// The way to the mail server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    patience: Duration,
}

/// What is sent.
pub struct Letter<'a> {
    /// The same for each try, so that a mail program can tell that two are one.
    pub id: &'a str,
    /// Where it goes.
    pub email: &'a str,
    /// Who gets it.
    pub name: &'a str,
    /// Whose account it is about.
    pub tenant: &'a str,
    /// What it is about, which is its subject.
    pub title: &'a str,
    /// What it says.
    pub text: &'a str,
    /// Where to go.
    pub link: &'a str,
}

/// How a try ended, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// The server took it.
    Sent,
    /// The server said no.
    Refused,
    /// Not within the time.
    TimedOut,
    /// No connection, or it broke; or its TLS is not to be trusted.
    NotConnected,
    /// The address is none that a letter can have.
    BadAddress,
}

impl MailOutcome {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::NotConnected => "not-connected",
            Self::BadAddress => "bad-address",
        }
    }
}

impl Mailer {
    /// The way that the settings say. Nothing is connected to yet.
    pub fn new(settings: &MailSettings) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let mut tls = TlsParameters::builder(settings.host.clone());
        if let Some(file) = &settings.ca_file {
            tls = tls.add_root_certificate(Certificate::from_pem(&fs::read(file)?)?);
        }
        let tls = match settings.security {
            MailSecurity::StartTls => Tls::Required(tls.build()?),
            MailSecurity::Tls => Tls::Wrapper(tls.build()?),
            MailSecurity::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.patience));
        if let Some((user, password_file)) = &settings.login {
            let password = fs::read_to_string(password_file)?;
            transport = transport.credentials(Credentials::new(user.clone(), password.trim().to_owned()));
        }
        Ok(Self { transport: transport.build(), from: settings.from.clone(), patience: settings.patience })
    }

    /// Sends it.
    pub async fn send(&self, letter: &Letter<'_>) -> MailOutcome {
        let Some(message) = message(&self.from, letter) else { return MailOutcome::BadAddress };
        match tokio::time::timeout(self.patience, self.transport.send(message)).await {
            Err(_) => MailOutcome::TimedOut,
            Ok(Ok(_)) => MailOutcome::Sent,
            Ok(Err(error)) => {
                // What the server said may quote the address: it stays out of the log.
                tracing::debug!(status = error.status().map(|code| code.to_string()), "a mail was not taken");
                match error {
                    error if error.is_timeout() => MailOutcome::TimedOut,
                    error if error.is_permanent() || error.is_transient() => MailOutcome::Refused,
                    _ => MailOutcome::NotConnected,
                }
            }
        }
    }
}

/// The letter as it travels. Each text in its head is one line, so that nobody adds a line of his own to it.
fn message(from: &Mailbox, letter: &Letter<'_>) -> Option<Message> {
    let to = Mailbox::new(Some(one_line(letter.name, NAME_CHARS_MAX)), letter.email.parse().ok()?);
    let subject = one_line(letter.title, NOTICE_TITLE_CHARS_MAX);
    let id = format!("<{}@{}>", letter.id, from.email.domain());
    let automatic =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(subject)
        .message_id(Some(id))
        .raw_header(automatic)
        .multipart(MultiPart::alternative_plain_html(plain(letter), hypertext(letter)))
        .ok()
}

fn plain(letter: &Letter<'_>) -> String {
    let Letter { name, title, text, link, tenant, .. } = letter;
    format!(
        "{title}\n\n{text}\n\n{link}\n\n-- \nTo {name}, of {tenant}. Holdfast never asks for a password by mail.\n"
    )
}

fn hypertext(letter: &Letter<'_>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (letter.title) } }
            body {
                h1 { (letter.title) }
                p { (letter.text) }
                p { a href=(letter.link) { (letter.link) } }
                hr;
                p { small { "To " (letter.name) ", of " (letter.tenant) ". Holdfast never asks for a password by mail." } }
            }
        }
    };
    page.into_string()
}

/// Whether a host is this machine: what needs no TLS on the way.
pub fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter<'a>(email: &'a str, name: &'a str, title: &'a str) -> Letter<'a> {
        let (text, link) = ("Look <here> & there.", "https://control.example/control/recoveries/1");
        Letter { id: "n1", email, name, tenant: "Alpine", title, text, link }
    }

    fn written(letter: &Letter<'_>) -> Option<String> {
        let from = "Holdfast <control@holdfast.example>".parse().unwrap();
        message(&from, letter).map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_letter_has_both_parts_and_names_itself() {
        let text = written(&letter("ada@alpine.example", "Ada", "A vote is wanted")).unwrap();
        for part in [
            "Subject: A vote is wanted\r\n",
            "Message-ID: <n1@holdfast.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
            "Look <here> & there.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let page = hypertext(&letter("ada@alpine.example", "<b>Ada", "A vote is wanted"));
        assert!(page.contains("Look &lt;here&gt; &amp; there.") && page.contains("&lt;b&gt;Ada"), "{page}");
    }

    #[test]
    fn nobody_adds_a_line_to_the_head() {
        let evil = "Hello\r\nBcc: eve@evil.example\r\n\r\nbody";
        let text = written(&letter("ada@alpine.example", evil, evil)).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
        assert_eq!(head.lines().filter(|line| line.starts_with("Subject:")).count(), 1);
        for address in
            ["ada@alpine.example\r\nBcc: eve@evil.example", "ada", "", "a b@c.example", "a@b>,<c@d"]
        {
            assert!(written(&letter(address, "Ada", "Hello")).is_none(), "{address:?}");
        }
    }
}
