//! `Verify` and `Admit`: a provider's signed event, verified over its raw bytes, and what it proves.
//!
//! The format is Persona's: the header holds groups `t=<unix>,v1=<hex>` parted by spaces (two while a secret is
//! being rotated), v1 being HMAC-SHA256 over `<t>.<body>`; the body is a JSON:API event around an inquiry.

use aws_lc_rs::hmac;
use boundary::Env;
use boundary::json::{Value, parse};
use boundary::message::{Admit, Admitted, EVENT_BYTES_MAX, Refusal, Verified, Verify};
use boundary::token::{Admission, Outcome, Ticket};

use crate::clock::parse_rfc3339;
use crate::digest::{hex, sha256, unhex};
use crate::release::{demand, named};
use crate::root::Keyring;
use crate::service::{Enclave, ensure};
use crate::session::{self, Token, since_reset};
use crate::state::{Event, Identity, Record, SESSION_LIFE_MS, WEEK_MS, spent};

/// How far a provider's clock may be ahead of ours, or behind at a session's opening.
pub const SKEW_MS: i64 = 300_000;
/// With so many declined checks of a user in seven days, his next approval is reviewed.
const DECLINES_A_WEEK: usize = 5;
const HEADER_BYTES_MAX: usize = 4_096;
/// How many signatures of a header are tried.
const SIGNATURES_MAX: usize = 8;
/// The shortest secret that is taken from a file: 128 bits, were it hexadecimal (ASVS 11.5.1).
const SECRET_BYTES_MIN: usize = 16;

/// A provider, as configured.
#[derive(Clone)]
pub struct Provider {
    /// What requests call it.
    pub name: String,
    secrets: Vec<hmac::Key>,
    templates: Vec<String>,
}

impl Provider {
    /// Reads a provider's file: lines of `key=value`.
    pub fn parse(text: &str, env: Env) -> Result<Self, &'static str> {
        let mut provider = Self { name: String::new(), secrets: Vec::new(), templates: Vec::new() };
        let (mut format, mut its_env) = (None, None);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once('=').ok_or("a line is not key=value")?;
            match key.trim() {
                "name" => value.trim().clone_into(&mut provider.name),
                "format" => format = Some(value.trim()),
                "env" => its_env = Env::parse(value.trim()),
                "template" => provider.templates.push(value.trim().to_owned()),
                "secret" if value.trim().len() < SECRET_BYTES_MIN => return Err("a secret is too short"),
                "secret" => {
                    provider.secrets.push(hmac::Key::new(hmac::HMAC_SHA256, value.trim().as_bytes()));
                }
                _ => return Err("a line has an unknown key"),
            }
        }
        let is_named = !provider.name.is_empty() && format == Some("persona");
        ensure(is_named, "name=... and format=persona are needed")?;
        ensure(matches!(provider.secrets.len(), 1 | 2), "one secret is needed, two while it is rotated")?;
        ensure(its_env == Some(env), "env is not this enclave's environment")?;
        Ok(provider)
    }
}

/// Verifies an event and says what it proves.
pub fn admit(enclave: &Enclave, request: &Admit) -> Result<Admitted, Refusal> {
    let must = |holds, step| demand(holds, step, Refusal::EventNotAuthentic);
    let ticket = session::ticket(enclave, &request.ticket)?;
    let now_ms = enclave.ledger.now_ms();
    let provider = author(enclave, &request.provider, &request.signature, &request.body, now_ms)?;
    let event = Report::read(&request.body);
    must(event.is_some(), "4 body is not an event")?;
    let event = event.ok_or(Refusal::EventNotAuthentic)?;
    if event.about_inquiry {
        let own = event.reference.as_deref() == Some(hex(&ticket.session_id).as_str());
        must(own, "4 reference is not this session")?;
        let allowed = |template: &String| provider.templates.contains(template);
        let template = provider.templates.is_empty() || event.template.as_ref().is_some_and(allowed);
        must(template, "4 template is not allowed")?;
    }
    let within = (ticket.opened_at_ms - SKEW_MS..=now_ms + SKEW_MS).contains(&event.at_ms);
    must(within, "4 event happened outside the session")?;
    must(now_ms <= ticket.opened_at_ms + SESSION_LIFE_MS, "4 session is too old for an event")?;
    keep(enclave, &ticket, request, event)
}

/// Says whether an event is a provider's. Nothing is remembered: the caller learns whether to keep it.
pub fn verify(enclave: &Enclave, request: &Verify) -> Result<Verified, Refusal> {
    let at_ms = enclave.ledger.now_ms();
    author(enclave, &request.provider, &request.signature, &request.body, at_ms)?;
    Ok(Verified { at_ms })
}

/// The provider of that name, if it signed these bytes.
fn author<'a>(
    enclave: &'a Enclave,
    name: &str,
    signature: &str,
    body: &[u8],
    now_ms: i64,
) -> Result<&'a Provider, Refusal> {
    ensure(body.len() <= EVENT_BYTES_MAX && signature.len() <= HEADER_BYTES_MAX, Refusal::Malformed)?;
    let provider = enclave.providers.iter().find(|provider| provider.name == name);
    let provider = provider.ok_or(Refusal::EventNotAuthentic)?;
    let is_signed = signed(provider, signature, body, now_ms / 1_000);
    demand(is_signed, "4 event is not signed", Refusal::EventNotAuthentic).map(|()| provider)
}

/// What an event that reports a verdict proves. An approval that names no person proves nobody's identity: what
/// would be stored under it could never be released, so it goes to review as a difference does.
fn verdict(
    enclave: &Enclave,
    (ticket, request): (&Ticket, &Admit),
    (event, reported): (&Report, Outcome),
    baseline: Option<[u8; 32]>,
    declined_often: bool,
) -> Admission {
    let tag = event.person.as_ref().map(|person| identity_tag(&enclave.keyring, &ticket.tenant_id, person));
    let same = named(tag.is_some() && (baseline.is_none() || baseline == tag), "5 person is another").is_ok();
    let outcome = match reported {
        Outcome::Approved if !same => Outcome::IdentityDiffers,
        Outcome::Approved if named(!declined_often, "5 declined often").is_err() => Outcome::ToReview,
        reported => reported,
    };
    Admission {
        env: enclave.keyring.env,
        generation: ticket.generation,
        session_id: ticket.session_id,
        tenant_id: ticket.tenant_id.clone(),
        user_tag: ticket.user_tag,
        provider: request.provider.clone(),
        verification_id: event.inquiry.clone(),
        outcome,
        event_at_ms: event.at_ms,
        identity_tag: tag,
    }
}

/// Remembers the event, the session's first verdict and the user's first identity, each for good; only a review is
/// followed by another verdict, which a further event of the provider brings, or people do. What differs is put
/// right by people alone: of the provider, only a decline ends it.
///
/// The identity is remembered here and not shown by the server: a server that kept the owner's checks to itself
/// could have another person approved in his place, and what it holds of his checked again as that person's.
fn keep(enclave: &Enclave, ticket: &Ticket, request: &Admit, event: Report) -> Result<Admitted, Refusal> {
    let session_id = ticket.session_id;
    let digest = sha256(&[request.provider.as_bytes(), b"\0", event.id.as_bytes()].concat());
    let reported = event.reports();
    let kept = enclave.ledger.decide(|turn| {
        let known = turn.state().events.get(&digest).copied();
        let is_new = known.is_none_or(|known| known == session_id);
        demand(is_new, "4 event was believed for another session", Refusal::EventNotAuthentic)?;
        let earlier = turn.state().sessions.get(&session_id).and_then(|session| session.admission.clone());
        let reviewed = match &earlier {
            Some(bytes) if known.is_none() => match Admission::logged(&enclave.keyring, bytes)?.outcome {
                Outcome::ToReview => true,
                Outcome::IdentityDiffers => reported == Some(Outcome::Declined),
                Outcome::Approved | Outcome::Declined => false,
            },
            _ => false,
        };
        let is_open = named(reviewed || earlier.is_none(), "4 verdict is final").is_ok();
        let admission = match reported.filter(|_| is_open) {
            Some(reported) => {
                let (state, user) = (turn.state(), since_reset(&ticket.user_tag, ticket.generation));
                let baseline = state.identities.get(&user).copied();
                let declines = state.declines.get(&user);
                let often = !reviewed && spent(declines, turn.now_ms, WEEK_MS, DECLINES_A_WEEK).is_some();
                let fresh = verdict(enclave, (ticket, request), (&event, reported), baseline, often);
                if let (None, Some(identity_tag), Outcome::Approved) =
                    (baseline, fresh.identity_tag, fresh.outcome)
                {
                    turn.record(Record::Identity(Identity { user_tag: user, identity_tag }))?;
                }
                Some(fresh.issue(&enclave.keyring))
            }
            None => earlier,
        };
        if known.is_none() {
            let (opened_at_ms, admission) = (ticket.opened_at_ms, admission.clone());
            turn.record(Record::Event(Event { digest, session_id, opened_at_ms, admission }))?;
        }
        Ok(admission)
    })?;
    let kept = kept.filter(|_| reported == Some(Outcome::Approved));
    let first = kept.as_deref().map(|bytes| Admission::logged(&enclave.keyring, bytes)).transpose()?;
    let outcome = first.as_ref().map(|first| first.outcome);
    Ok(Admitted {
        event_id: event.id,
        name: event.name,
        event_at_ms: first.as_ref().map_or(event.at_ms, |first| first.event_at_ms),
        verification_id: first.as_ref().map_or(event.inquiry, |first| first.verification_id.clone()),
        identity_differs: outcome == Some(Outcome::IdentityDiffers),
        declined_often: outcome == Some(Outcome::ToReview),
        admission: first
            .filter(|first| matches!(first.outcome, Outcome::Approved | Outcome::IdentityDiffers))
            .map(|first| first.issue(&enclave.keyring)),
    })
}

/// Whether one signature of the header holds over the raw body under one of the secrets, and was made no more
/// than five minutes from now. How old it is does not matter: providers retry for days, and the event's own
/// time is judged by the session.
fn signed(provider: &Provider, header: &str, body: &[u8], now_s: i64) -> bool {
    let mut tried = 0;
    for group in header.split(' ').filter(|group| !group.is_empty()) {
        let pairs: Vec<_> = group.split(',').filter_map(|pair| pair.split_once('=')).collect();
        let mut times = pairs.iter().filter(|(name, _)| *name == "t").map(|(_, value)| *value);
        let (Some(time), None) = (times.next(), times.next()) else { continue };
        let digits = !time.is_empty() && time.len() <= 12 && time.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || time.parse::<i64>().is_ok_and(|time| time > now_s + SKEW_MS / 1_000) {
            continue;
        }
        let message = [time.as_bytes(), b".", body].concat();
        for (_, signature) in pairs.iter().filter(|(name, _)| *name == "v1") {
            let Some(signature) = unhex(signature) else { continue };
            tried += 1;
            if tried > SIGNATURES_MAX {
                return false;
            }
            if provider.secrets.iter().any(|secret| hmac::verify(secret, &message, &signature).is_ok()) {
                return true;
            }
        }
    }
    false
}

/// Names and dates by which a person is known.
type Person = [String; 6];

/// A provider's event, as far as it is looked at.
struct Report {
    id: String,
    name: String,
    at_ms: i64,
    /// About the inquiry itself, rather than one check of it.
    about_inquiry: bool,
    status: Option<String>,
    inquiry: String,
    reference: Option<String>,
    template: Option<String>,
    person: Option<Person>,
}

impl Report {
    fn read(body: &[u8]) -> Option<Self> {
        let document = parse(str::from_utf8(body).ok()?).ok()?;
        let text = |path: &[&str]| document.at(path).and_then(Value::as_text).map(str::to_owned);
        let name = text(&["data", "attributes", "name"])?;
        let payload = document.at(&["data", "attributes", "payload", "data"])?;
        let inner = |path: &[&str]| payload.at(path).and_then(Value::as_text).map(str::to_owned);
        let kind = inner(&["type"])?;
        let about_inquiry = name.starts_with("inquiry.") && kind == "inquiry";
        let inquiry = if about_inquiry {
            inner(&["id"])?
        } else if name.starts_with("verification.") && kind.starts_with("verification") {
            inner(&["relationships", "inquiry", "data", "id"])?
        } else {
            return None;
        };
        let attributes = payload.get("attributes")?;
        Some(Self {
            id: text(&["data", "id"]).filter(|id| !id.is_empty())?,
            at_ms: parse_rfc3339(&text(&["data", "attributes", "created-at"])?)?,
            about_inquiry,
            status: inner(&["attributes", "status"]),
            reference: inner(&["attributes", "reference-id"]),
            template: inner(&["relationships", "inquiry-template", "data", "id"]),
            person: read_person(attributes),
            inquiry,
            name,
        })
    }

    /// The verdict that the provider reports, if it is one. What a review is called differs between a provider's
    /// names for the event and for the status.
    fn reports(&self) -> Option<Outcome> {
        match (self.about_inquiry, self.name.as_str(), self.status.as_deref()) {
            (true, "inquiry.approved", Some("approved")) => Some(Outcome::Approved),
            (true, "inquiry.declined", Some("declined")) => Some(Outcome::Declined),
            (true, "inquiry.marked-for-review", _) => Some(Outcome::ToReview),
            _ => None,
        }
    }
}

/// First, middle and last name, dates and places; none without the names and the date of birth. Middle name,
/// place of birth and the document's country are taken where the provider gives them.
fn read_person(attributes: &Value) -> Option<Person> {
    let read = |name: &str| {
        let plain = attributes.get(name).and_then(Value::as_text);
        let field = || attributes.at(&["fields", name, "value"]).and_then(Value::as_text);
        normalise(plain.or_else(field).unwrap_or_default())
    };
    let country = Some(read("selected-country-code")).filter(|code| !code.is_empty());
    let person = [
        read("name-first"),
        read("name-middle"),
        read("name-last"),
        read("birthdate"),
        read("birthplace"),
        country.unwrap_or_else(|| read("country-code")),
    ];
    let named = !person[0].is_empty() && !person[2].is_empty() && !person[3].is_empty();
    named.then_some(person)
}

/// Lower case; hyphens and runs of white space are one space; what is neither letter nor digit is dropped.
fn normalise(text: &str) -> String {
    let is_dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let lower = text.chars().flat_map(char::to_lowercase);
    let spaced: String = lower
        .map(|c| if is_dash(c) || c.is_whitespace() { ' ' } else { c })
        .filter(|&c| c == ' ' || c.is_alphanumeric())
        .collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A person's tag: the same for the same person within a tenant, and saying nothing to whoever lacks the key.
fn identity_tag(keyring: &Keyring, tenant_id: &str, person: &Person) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&keyring.identity);
    for part in std::iter::once(tenant_id).chain(person.iter().map(String::as_str)) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut tag = [0; 32];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wbhsec_0123456789abcdef";

    fn provider() -> Provider {
        let text =
            format!("name=p\nformat=persona\nenv=production\nsecret={SECRET}\nsecret=wbhsec_next-one-here\n");
        Provider::parse(&text, Env::Production).unwrap()
    }

    fn sign(secret: &str, time: &str, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hex(hmac::sign(&key, &[time.as_bytes(), b".", body].concat()).as_ref())
    }

    #[test]
    fn headers_that_hold() {
        let (provider, body) = (provider(), b"{}");
        let (good, next) = (sign(SECRET, "1000", body), sign("wbhsec_next-one-here", "1000", body));
        let old = sign("wbhsec_was-before-that", "1000", body);
        for header in [
            format!("t=1000,v1={good}"),
            format!("t=1000,v1={}", good.to_uppercase()),
            format!("t=1000,v1={next}"),
            format!("t=1000,v1={old},v1={good}"),
            format!("t=1000,v1={old} t=1000,v1={next}"),
            format!("t=1000,v0=x,v1={good}"),
        ] {
            assert!(signed(&provider, &header, body, 1_000), "{header}");
        }
        assert!(signed(&provider, &format!("t=1000,v1={good}"), body, 1_000_000_000));
        assert!(signed(&provider, &format!("t=1000,v1={good}"), body, 700));
    }

    #[test]
    fn headers_that_do_not_hold() {
        let (provider, body) = (provider(), b"{}");
        let good = sign(SECRET, "1000", body);
        let mut cases = vec![
            String::new(),
            "t=1000".into(),
            format!("v1={good}"),
            format!("t=1001,v1={good}"),
            format!("t=1000,v1={}", &good[..62]),
            format!("t=1000,v1={good}00"),
            format!("t=1000,v2={good}"),
            format!("t=1000, v1={good}"),
            format!("t=1000;v1={good}"),
            format!("t=1000,t=1000,v1={good}"),
            format!("t=+1000,v1={good}"),
            format!("t=1000 v1={good}"),
            format!("t=１０００,v1={good}"),
            format!("t=1000,v1={}", sign("", "1000", body)),
            format!("t=1000,v1={}", sign("wbhsec_was-before-that", "1000", body)),
            format!("t=1000,v1={}", sign(SECRET, "1000", b"{ }")),
            format!("t=,v1={}", sign(SECRET, "", body)),
        ];
        let bad = sign("no secret of anyone", "1000", body);
        cases.push(format!("t=1000{},v1={good}", format!(",v1={bad}").repeat(SIGNATURES_MAX)));
        for header in cases {
            assert!(!signed(&provider, &header, body, 1_000), "{header}");
        }
        assert!(!signed(&provider, &format!("t=1000,v1={good}"), body, 699));
    }

    #[test]
    fn one_person_has_one_name_however_it_is_written() {
        for (one, other) in [
            ("Jean-Luc", " jean  luc "),
            ("O'Brien", "OBRIEN"),
            ("Ñandú", "ñANDÚ"),
            ("ÉLODIE", "élodie"),
            ("1990-01-02", "1990\u{2011}01\u{2013}02"),
            ("St. John", "st\u{a0}john"),
            ("ΑΒΓ", "αβγ"),
        ] {
            assert_eq!(normalise(one), normalise(other), "{one}");
        }
        for (one, other) in [("Élodie", "Elodie"), ("Jean Luc", "Jeanluc"), ("Anna", "Anne"), ("李", "王")]
        {
            assert_ne!(normalise(one), normalise(other), "{one}");
        }
        assert_eq!(normalise(" .-' "), "");
    }

    #[test]
    fn moving_a_letter_between_names_is_another_person() {
        let ring = Keyring::for_test(Env::Production);
        let person = |parts: [&str; 6]| identity_tag(&ring, "t", &parts.map(str::to_owned));
        let one = person(["ann", "", "alee", "1990 01 02", "", "gb"]);
        assert_eq!(one, person(["ann", "", "alee", "1990 01 02", "", "gb"]));
        assert_ne!(one, person(["anna", "", "lee", "1990 01 02", "", "gb"]));
        assert_ne!(one, person(["ann", "", "alee", "1990 01 03", "", "gb"]));
        assert_ne!(one, person(["ann", "", "alee", "1990 01 02", "", "us"]));
        assert_ne!(one, person(["ann", "", "alee", "1990 01 02", "gb", ""]));
        let other_tenant =
            identity_tag(&ring, "u", &["ann", "", "alee", "1990 01 02", "", "gb"].map(str::to_owned));
        assert_ne!(one, other_tenant);
    }

    #[test]
    fn provider_files_are_read_or_refused_whole() {
        for (text, env) in [
            ("format=persona\nsecret=0123456789abcdef\nenv=sandbox", Env::Sandbox),
            ("name=p\nsecret=0123456789abcdef\nenv=sandbox", Env::Sandbox),
            ("name=p\nformat=persona\nenv=sandbox", Env::Sandbox),
            ("name=p\nformat=persona\nsecret=\nenv=sandbox", Env::Sandbox),
            ("name=p\nformat=persona\nsecret=0123456789abcdef", Env::Sandbox),
            ("name=p\nformat=persona\nsecret=0123456789abcdef\nenv=sandbox", Env::Production),
            ("name=p\nformat=persona\nsecret=0123456789abcdef\nenv=sandbox\nsecrets=x", Env::Sandbox),
        ] {
            assert!(Provider::parse(text, env).is_err(), "{text}");
        }
        let good =
            "# demo\nname = p\nformat=persona\nsecret=0123456789abcdef\nenv=sandbox\ntemplate=itmpl_1\n";
        assert!(Provider::parse(good, Env::Sandbox).is_ok());
    }
}
