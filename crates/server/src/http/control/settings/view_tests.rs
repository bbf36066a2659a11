//! The pages of the policy, rendered with samples: whole, usable by everyone, and hostile text kept as text.

use boundary::Env;
use boundary::approval::{Demand, RequestKey, TenantPolicy};
use boundary::policy::built_in;
use domain::person::Role;
use domain::refusal::Refusal;
use domain::time::Timestamp;

use super::policy_view as view;
use crate::flows::approvals::{DraftPolicy, POLICY_PATH, ShownPolicy, ToSign};
use crate::http::control::look::samples::{keep, visitor};
use crate::http::control::view_tests::{both, links};

fn policy(text: &str) -> TenantPolicy {
    TenantPolicy {
        version: 3,
        retail_delay_s: 90_000,
        partner_signature: Demand::Required,
        request_keys: vec![RequestKey { kid: text.to_owned(), public_key: format!("04{}", "ab".repeat(64)) }],
        change_delay_s: 86_400,
        ..built_in(Env::Sandbox, "t")
    }
}

fn shown(text: &str) -> ShownPolicy {
    let weaker = TenantPolicy { version: 4, retail_delay_s: 61, ..policy(text) };
    ShownPolicy { in_force: policy(text), waiting: Some((weaker, Timestamp::from_ms(1_795_239_567_250))) }
}

#[test]
fn a_policy_is_shown_in_words_and_only_owners_have_its_form() {
    for role in [Role::Owner, Role::Auditor] {
        both(&format!("policy-{role}"), |text| {
            let shown = shown(text);
            view::show(&visitor(role, text), &shown, &DraftPolicy::of(shown.newest()), None)
        });
    }
    let page = |role| {
        let shown = shown("signer");
        view::show(&visitor(role, "Olga"), &shown, &DraftPolicy::of(shown.newest()), None).1.into_string()
    };
    let owners = page(Role::Owner);
    for words in [
        "25 hours",
        "61 seconds",
        "after 1 day",
        "needed for every recovery",
        "takes effect",
        "up to 20 in an hour",
    ] {
        assert!(owners.contains(words), "{words}: {owners}");
    }
    assert!(owners.contains(&format!("action=\"{POLICY_PATH}\"")));
    assert!(!page(Role::Member).contains(&format!("action=\"{POLICY_PATH}\"")));
    let unsigned = ShownPolicy { in_force: built_in(Env::Production, "t"), waiting: None };
    let drafted = DraftPolicy::of(&unsigned.in_force);
    let elements =
        keep("policy-unsigned", view::show(&visitor(Role::Owner, "Olga"), &unsigned, &drafted, None));
    assert_eq!(links(&elements, POLICY_PATH).len(), 1);
    let text = view::show(&visitor(Role::Owner, "Olga"), &unsigned, &drafted, None).1.into_string();
    assert!(text.contains("No owner has signed") && text.contains("not looked at"), "{text}");
    assert!(text.contains("value=\"1440\""), "a day is proposed for what weakens: {text}");
}

#[test]
fn the_form_of_a_policy_says_what_is_wrong_and_what_is_signed() {
    both("policy-refused", |text| {
        let refusal = Refusal::field("new_key", text);
        let drafted = DraftPolicy { new_key: text.to_owned(), ..DraftPolicy::of(&policy(text)) };
        view::show(&visitor(Role::Owner, text), &shown(text), &drafted, Some(&refusal))
    });
    for waits in [true, false] {
        both(&format!("sign-policy-{waits}"), |text| {
            let to_sign = ToSign {
                document: text.to_owned(),
                hash: [7; 32],
                options: format!("{{\"publicKey\":\"{text}\"}}"),
            };
            view::sign(&visitor(Role::Owner, text), &to_sign, waits)
        });
    }
}
