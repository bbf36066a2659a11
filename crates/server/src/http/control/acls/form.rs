//! The form of a list, with its simulator: which votes would pass, before anything is saved. Without a script; the
//! form is sent, and comes back with the answer.

use std::collections::BTreeMap;

use boundary::acl::{Outcome, Rule};
use domain::refusal::Refusal;
use maud::{Markup, html};
use store::acls::Acl;

use super::super::look::parts::{self, Choice, Field, Mark, Notice, Tone};
use super::super::look::{Page, Section, page as whole};
use super::super::{Fields, Visitor};
use crate::flows::approvals::{Candidate, DraftAcl, DraftMember};

/// The form as it was filled in.
pub(super) struct Filled {
    /// The list.
    pub draft: DraftAcl,
    rule: String,
    number: String,
    votes: BTreeMap<String, bool>,
    requester: String,
}

impl Filled {
    /// A form with this list in it.
    pub fn new(draft: DraftAcl) -> Self {
        let (rule, number) = match draft.rule {
            Rule::Majority => ("majority", String::new()),
            Rule::Percentage(percent) => ("percentage", percent.to_string()),
            Rule::Exact(count) => ("exact", count.to_string()),
        };
        let (votes, requester) = (BTreeMap::new(), String::new());
        Self { draft, rule: rule.to_owned(), number, votes, requester }
    }

    /// What was sent.
    pub fn read(fields: &Fields, candidates: &[Candidate]) -> Self {
        // None, and what is no number, is refused by the rule for numbers.
        let number = fields.text("number").parse().unwrap_or(0);
        let rule = match fields.text("rule") {
            "percentage" => Rule::Percentage(number),
            "exact" => Rule::Exact(number),
            _ => Rule::Majority,
        };
        let count = |name: &str| fields.text(name).parse().unwrap_or(-1);
        let (mut members, mut votes) = (Vec::new(), BTreeMap::new());
        for Candidate { person, .. } in candidates {
            let id = person.id.as_str();
            let seat = fields.text(&format!("seat-{id}"));
            if !matches!(seat, "normal" | "veto" | "must" | "both") {
                continue;
            }
            members.push(DraftMember {
                person: id.to_owned(),
                veto: matches!(seat, "veto" | "both"),
                must: matches!(seat, "must" | "both"),
                offline_key: fields.text(&format!("offline-{id}")).to_owned(),
            });
            match fields.text(&format!("vote-{id}")) {
                "yes" => drop(votes.insert(id.to_owned(), true)),
                "no" => drop(votes.insert(id.to_owned(), false)),
                _ => {}
            }
        }
        Self {
            draft: DraftAcl {
                name: fields.text("name").to_owned(),
                rule,
                members,
                window_days: count("window_days"),
                delay_hot_hours: count("delay_hot_hours"),
                delay_cold_hours: count("delay_cold_hours"),
                check_requester: fields.has("check_requester"),
                check_voters: fields.has("check_voters"),
                any_member_may_ask: fields.has("any_member_may_ask"),
            },
            rule: fields.text("rule").to_owned(),
            number: fields.text("number").to_owned(),
            votes,
            requester: fields.text("requester").to_owned(),
        }
    }

    fn seat(&self, person: &str) -> &'static str {
        let member = self.draft.members.iter().find(|member| member.person == person);
        match member.map(|member| (member.veto, member.must)) {
            None => "none",
            Some((false, false)) => "normal",
            Some((true, false)) => "veto",
            Some((false, true)) => "must",
            Some((true, true)) => "both",
        }
    }
}

/// The form of a new list, or of another version of this one.
pub(super) fn page(
    visitor: &Visitor,
    candidates: &[Candidate],
    filled: &Filled,
    of: Option<&Acl>,
    refusal: Option<&Refusal>,
) -> Page {
    let shell = visitor.shell(Section::Lists).under("/control/acls", "Lists");
    let (shell, action, title) = match of {
        Some(acl) => {
            let path = format!("/control/acls/{}", acl.id);
            let action = format!("{path}/change");
            (shell.under(path, acl.name.clone()), action, format!("Change {}", acl.name))
        }
        None => (shell, "/control/acls/new".to_owned(), "A new list".to_owned()),
    };
    let shell = match refusal {
        Some(refusal) if refusal.fields.is_empty() => {
            shell.saying(Notice::bad(super::super::views::said(refusal)))
        }
        _ => shell,
    };
    let fields = refusal.map(|refusal| refusal.fields.clone()).unwrap_or_default();
    let content = html! {
        (parts::lead(match of {
            Some(_) => "All members of the list as it is vote on this, those too whom it takes off.",
            None => "Who decides on giving out what this list guards. You sign its first version; then its members change it.",
        }))
        @if !fields.is_empty() { (parts::errors(&fields)) }
        (shell.form(&action, &inputs(candidates, filled, &fields, of.is_some())))
    };
    whole(&shell, &title, &content)
}

fn inputs(
    candidates: &[Candidate],
    filled: &Filled,
    faults: &BTreeMap<String, Vec<String>>,
    is_change: bool,
) -> Markup {
    let fault = |name: &str| faults.get(name).and_then(|faults| faults.first()).map(String::as_str);
    let draft = &filled.draft;
    let numbers = [draft.window_days, draft.delay_hot_hours, draft.delay_cold_hours].map(|n| n.to_string());
    let rules = [
        Choice::new("majority", "More than half of the members"),
        Choice::new("percentage", "A percentage of the members"),
        Choice::new("exact", "A fixed number of members"),
    ];
    html! {
        (parts::field(&Field::text("name", "Name").holding(&draft.name).faulting(fault("name"))))
        (parts::radio(&Field::text("rule", "Who has to say yes").holding(&filled.rule).faulting(fault("rule")), &rules))
        (parts::field(&Field::text("number", "The number, or the percentage").of_kind("number").holding(&filled.number)
            .hinting("Leave it empty for more than half.").optional().faulting(fault("number"))))
        h2 #members { "Members" }
        @if let Some(fault) = fault("members") { (parts::told(Tone::Bad, &html! { p { "The members " (fault) "." } })) }
        @for candidate in candidates { (member(candidate, filled)) }
        h2 { "Times" }
        (parts::field(&Field::text("window_days", "Days in which may be voted").of_kind("number").holding(&numbers[0])
            .faulting(fault("window_days"))))
        (parts::field(&Field::text("delay_hot_hours", "Hours that what has passed waits: HOT keys").of_kind("number")
            .holding(&numbers[1]).faulting(fault("delay_hot_hours"))))
        (parts::field(&Field::text("delay_cold_hours", "Hours that what has passed waits: COLD keys").of_kind("number")
            .holding(&numbers[2]).faulting(fault("delay_cold_hours"))))
        h2 { "Checks" }
        (parts::check("check_requester", &Choice::new("yes", "Whoever asks proves who he is"), draft.check_requester))
        (parts::check("check_voters", &Choice::new("yes", "Whoever says yes proves who he is"), draft.check_voters))
        (parts::check("any_member_may_ask", &Choice::new("yes", "Others than the list's members may ask")
            .hinting("Any Owner or Member of this account. They do not vote."), draft.any_member_may_ask))
        (simulator(candidates, filled))
        div.deeds {
            button.main type="submit" name="action" value="go" {
                @if is_change { "Propose this" } @else { "Go on to sign" }
            }
        }
    }
}

fn member(candidate: &Candidate, filled: &Filled) -> Markup {
    let id = candidate.person.id.as_str();
    let (seat, offline) = (format!("seat-{id}"), format!("offline-{id}"));
    let label = format!("{} ({})", candidate.person.name, candidate.person.email);
    let hint =
        if candidate.keys.is_empty() { "Has no passkey that counts yet, and so cannot vote." } else { "" };
    let seats = [
        Choice::new("none", "Not on the list"),
        Choice::new("normal", "Votes"),
        Choice::new("veto", "Votes; his no ends it"),
        Choice::new("must", "Votes; nothing goes without his yes"),
        Choice::new("both", "Votes; his yes is needed, and his no ends it"),
    ];
    let known = filled.draft.members.iter().find(|member| member.person == id);
    let key = known.map_or("", |member| member.offline_key.as_str());
    html! {
        (parts::select(&Field::text(&seat, &label).holding(filled.seat(id)).hinting(hint), &seats))
        @if known.is_some() {
            (parts::text_area(&Field::text(&offline, &format!("Offline key of {}", candidate.person.name)).holding(key)
                .hinting("For votes made away from any network: an Ed25519 key, 64 hexadecimal digits, or a public OpenPGP certificate that signs.")
                .optional()))
        }
    }
}

/// What the votes that were chosen would come to.
fn simulator(candidates: &[Candidate], filled: &Filled) -> Markup {
    let name = |id: &str| {
        let found = candidates.iter().find(|candidate| candidate.person.id.as_str() == id);
        found.map_or("", |candidate| candidate.person.name.as_str())
    };
    let votes = [Choice::new("none", "Says nothing"), Choice::new("yes", "Yes"), Choice::new("no", "No")];
    let mut askers = vec![Choice::new("", "Nobody of the list")];
    askers
        .extend(filled.draft.members.iter().map(|member| Choice::new(&member.person, name(&member.person))));
    let members = filled.draft.members.len();
    html! {
        h2 #try { "Try it" }
        @if members < 2 {
            p.hint { "Choose the members and press the button: then you can try which votes would pass." }
        } @else {
            p { "Yes must come from " (filled.draft.threshold()) " of " (members) ", and never from whoever asks alone." }
            (parts::select(&Field::text("requester", "Asked by").holding(&filled.requester).optional(), &askers))
            @for member in &filled.draft.members {
                @let field = format!("vote-{}", member.person);
                @let chosen = match filled.votes.get(&member.person) { Some(true) => "yes", Some(false) => "no", None => "none" };
                (parts::select(&Field::text(&field, name(&member.person)).holding(chosen), &votes))
            }
            (outcome(filled.draft.simulate(&filled.votes, Some(&filled.requester))))
        }
        div.deeds { button type="submit" name="action" value="try" { "Try these votes" } }
    }
}

fn outcome(outcome: Outcome) -> Markup {
    let (tone, mark, word) = match outcome {
        Outcome::Approved => (Tone::Good, Mark::Tick, "With these votes it passes."),
        Outcome::Declined => (Tone::Bad, Mark::Cross, "With these votes it is declined."),
        Outcome::Open => (Tone::Waiting, Mark::Hourglass, "With these votes it is still open."),
        Outcome::Expired => (Tone::Over, Mark::Bar, "With these votes it expires."),
    };
    html! { p #outcome role="status" { (parts::state(tone, mark, word)) } }
}
