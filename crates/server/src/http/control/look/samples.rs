//! One page with each part in it, held to what every page must keep; and the service's own shell for the tests of
//! pages.

use std::collections::BTreeMap;

use domain::credential::TenantKind;
use domain::person::{PersonState, Role, Stage};
use domain::time::Timestamp;
use maud::{Markup, html};
use store::people::Person;
use store::sessions::{Found, Session};
use store::tenants::Tenant;

use super::super::Visitor;
use super::parts::{self, Choice, Column, Field, Mark, Notice, Passkey, Tone};
use super::well_formed::{Element, check};
use super::{Clock, Page, Section, Shell, Zone, bare, page};
use crate::flows::people::Arrival;

/// The instant of every sample.
pub const NOW: Timestamp = Timestamp::from_ms(1_763_700_000_000);

/// Text that breaks out of whatever forgets to escape it.
pub const HOSTILE: &str = "\"><script>alert('x')</script>&amp;<b x='";

/// A shell with much in it.
pub fn shell(section: Section) -> Shell {
    Shell {
        section,
        tenant: "Alpine Wallet".to_owned(),
        name: "Ada Marin".to_owned(),
        email: "ada.marin@alpine.example".to_owned(),
        role: "Owner".to_owned(),
        csrf: "4c5e9f".to_owned(),
        frozen_until: None,
        unread: 3,
        is_sandbox: true,
        clock: Clock { now: NOW, zone: Zone::parse("+02:00").unwrap() },
        trail: Vec::new(),
        notice: None,
    }
}

/// Somebody in this role who looks at a page, and is called so.
pub fn visitor(role: Role, name: &str) -> Visitor {
    let id = "019aa4f0-1c2d-7e3f-8a4b-5c6d7e8f9a0b";
    let tenant = Tenant {
        id: id.parse().unwrap(),
        name: "Alpine Wallet".to_owned(),
        kind: TenantKind::Partner,
        created_at: NOW,
    };
    let person = Person {
        id: id.parse().unwrap(),
        email: "ada.marin@alpine.example".to_owned(),
        name: name.to_owned(),
        role,
        state: PersonState::Active,
        created_at: NOW,
        removed_at: None,
    };
    let session = Session {
        token_hash: [0; 32],
        id: id.parse().unwrap(),
        tenant_id: tenant.id.clone(),
        person_id: person.id.clone(),
        stage: Stage::Whole,
        csrf: "4c5e9f".to_owned(),
        agent: String::new(),
        created_at: NOW,
        seen_at: NOW,
        expires_at: NOW,
        proven_at: None,
    };
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    let arrival = Arrival { now: NOW, request_id: "r".to_owned(), address, agent: String::new() };
    Visitor::of(Found { session, person, tenant }, arrival, 3)
}

/// Checks a page, and writes it where `HOLDFAST_WRITE_PAGES` says, for people to look at.
pub fn keep(name: &str, page: Page) -> Vec<Element> {
    let text = page.1.into_string();
    if let Some(folder) = std::env::var_os("HOLDFAST_WRITE_PAGES") {
        let folder = std::path::PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.html")), &text).unwrap();
        for file in super::statics::all() {
            std::fs::write(folder.join(file.path.rsplit('/').next().unwrap()), file.text).unwrap();
        }
    }
    check(&text)
}

/// Asserts that a hostile text came out as text: nowhere as an element, and not twice escaped.
pub fn assert_is_text(elements: &[Element]) {
    assert!(elements[0].text.contains(HOSTILE), "shown as it was written");
    let scripts = elements.iter().filter(|element| element.name == "script").count();
    assert_eq!(scripts, 2, "our own two scripts");
}

fn states() -> Markup {
    html! {
        p { (parts::state(Tone::Good, Mark::Tick, "Confirmed")) }
        p { (parts::state(Tone::Open, Mark::Half, "Preparing")) }
        p { (parts::state(Tone::Open, Mark::Dot, "All have voted")) }
        p { (parts::state(Tone::Waiting, Mark::Hourglass, "Waits out its delay")) }
        p { (parts::state(Tone::Waiting, Mark::Diamond, "In review")) }
        p { (parts::state(Tone::Bad, Mark::Cross, "Declined")) }
        p { (parts::state(Tone::Over, Mark::Bar, "Expired")) }
        p { (parts::state(Tone::Over, Mark::Lock, "Held offline")) }
    }
}

fn inputs(text: &str) -> Markup {
    let choices = [
        Choice::new("majority", "More than half"),
        Choice::new("exact", "An exact number").hinting("Of the people, not of the votes."),
    ];
    html! {
        (parts::field(&Field::text("label", "Name").holding(text).hinting("What others will read.").faulting(Some("must have 1 to 100 characters"))))
        (parts::field(&Field::secret("password", "Password", "current-password")))
        (parts::field(&Field::text("code", "Six digits").optional()))
        (parts::select(&Field::text("rule", "Rule").holding("exact"), &choices))
        (parts::radio(&Field::text("vote", "Your vote").holding("exact").hinting("It is final."), &choices))
        (parts::check("scope", &Choice::new("webhooks", "webhooks").hinting("Sees and changes webhooks."), true))
        (parts::certificate(&Field::text("certificate", "OpenPGP certificate").holding(text)))
        (parts::deeds(&html! { (parts::main_button("Save")) (parts::button("Look again")) (parts::grave("Delete")) (parts::link("/control/keys", "Leave")) }))
    }
}

fn every_part(shell: &Shell, text: &str) -> Markup {
    let columns =
        [Column::words("Item"), Column::words("Stored"), Column::number("Size"), Column::deeds("What to do")];
    let row = |name: &str| {
        vec![
            html! { a.whole href="/control/backups" { (name) } },
            shell.time(Timestamp::from_ms(NOW.ms() - 7_200_000)),
            html! { "4,096" },
            parts::deeds(&shell.form("/control/x", &parts::button("Check"))),
        ]
    };
    let faults = BTreeMap::from([("label".to_owned(), vec!["must have 1 to 100 characters".to_owned()])]);
    html! {
        (parts::lead("Every part that a page is made of."))
        (parts::errors(&faults))
        (parts::notice(&Notice::waiting(text)))
        (parts::short_code("K3XQ-7TPA", "this recovery"))
        h2 { "What it says" }
        (parts::facts(&[
            ("Fingerprint", parts::fingerprint("9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B")),
            ("Name", html! { (text) }),
            ("Stored", shell.time(NOW)),
            ("Deleted", parts::maybe_time(shell.clock, None, "not asked for")),
        ]))
        h2 { "States" }
        (states())
        h2 { "A table" }
        (parts::table("Backups", &columns, &[row("seed"), row(text)]))
        (parts::pager(Some("/control/backups"), Some("/control/backups?cursor=x")))
        h2 { "What happened" }
        (parts::history(shell.clock, &[(NOW, html! { p { "Stored by " (text) } }), (NOW, html! { p { "Checked" } })]))
        h2 { "A form" }
        (shell.form("/control/x", &inputs(text)))
        (parts::passkey(&shell.csrf, "/control/x", Passkey::Get, text, &parts::main_button("Approve with your passkey")))
        (parts::shown_once("Your key", "hf_test_0123456789abcdef", "Put it into your vault now."))
        (parts::empty("No list yet", "A list names who decides about a release, and by which rule.", Some(("/control/acls/new", "Make a list"))))
    }
}

#[test]
fn every_part_makes_a_page_that_everyone_can_use() {
    let shell =
        shell(Section::Backups).under("/control/backups", "Backups").saying(Notice::good("It was kept."));
    let content = every_part(&shell, "seed-phrase");
    let elements = keep("parts", page(&shell, "Every part", &content));
    let here: Vec<_> = elements.iter().filter(|e| e.attributes.contains_key("aria-current")).collect();
    assert_eq!(here.len(), 1);
    assert_eq!(here[0].text.trim(), "Backups");
    let title = elements.iter().find(|element| element.name == "title").unwrap();
    assert_eq!(title.text, "(3) Every part · Holdfast");
}

#[test]
fn what_others_wrote_stays_text_in_every_part() {
    let mut shell = shell(Section::Lists).under(HOSTILE.to_owned().replace('"', "/"), HOSTILE);
    shell.trail[0].0 = "/control/acls".to_owned();
    HOSTILE.clone_into(&mut shell.tenant);
    HOSTILE.clone_into(&mut shell.name);
    HOSTILE.clone_into(&mut shell.csrf);
    let shell = shell.saying(Notice::bad(HOSTILE));
    let content = every_part(&shell, HOSTILE);
    assert_is_text(&keep("hostile", page(&shell, HOSTILE, &content)));
}

#[test]
fn a_page_for_who_is_signed_out_names_nobody() {
    let content = html! {
        (parts::lead("Sign in to Control."))
        (parts::form("x", "/control/sign-in", &html! {
            (parts::field(&Field::text("email", "Mail address").of_kind("email")))
            (parts::field(&Field::secret("password", "Password", "current-password")))
            (parts::deeds(&parts::main_button("Sign in")))
        }))
    };
    let elements = keep("sign-in", bare("Sign in", true, &content));
    assert!(!elements.iter().any(|element| element.name == "details"), "no account menu");
}

#[test]
fn a_production_page_has_no_ribbon_and_no_mailbox() {
    let shell = Shell { is_sandbox: false, unread: 0, ..shell(Section::Keys) };
    let content = parts::empty("No key yet", "It comes with the first call.", None);
    let elements = keep("empty", page(&shell, "Keys", &content));
    assert!(
        !elements
            .iter()
            .any(|element| element.attributes.get("href").is_some_and(|h| h == "/control/outbox"))
    );
    assert!(!elements[0].text.contains("Sandbox"));
}

#[test]
fn a_fingerprint_stands_in_fours_and_is_copied_whole() {
    let markup = parts::fingerprint("9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B").into_string();
    assert_eq!(markup.matches("<span").count(), 13);
    let text: String =
        markup.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
    assert_eq!(text, "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B");
}
