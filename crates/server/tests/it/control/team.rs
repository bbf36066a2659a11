//! The team: invitations, roles, lost devices, and the last owner.

use std::time::Duration;

use domain::credential::TenantKind;
use testkit::{App, link_of};

use super::{PASSWORD, actions, out, path_of};

#[tokio::test]
async fn somebody_is_invited_joins_and_is_one_of_the_team() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let fields = [("email", " New.Member@X.example "), ("name", "Nora"), ("role", "member")];
    let page = owner.post("/control/team/invite", &fields).await;
    assert_eq!(page.status, 200);
    let mut nora = app.stranger();
    let joined = nora.join(&link_of(&page.text()), PASSWORD).await;
    assert_eq!(joined.status, 200, "{}", joined.text());
    nora.email = "new.member@x.example".to_owned();
    assert_eq!(nora.get("/control/team").await.status, 200);
    nora.sign_in().await;
    let shown = owner.get(&path_of(&owner, "new.member@x.example").await).await.text();
    assert!(shown.contains("Active") && shown.contains("member"), "{shown}");
    let log = ["person.invited ok", "person.invitation_taken ok", "person.joined ok", "person.signed_in ok"];
    assert_eq!(actions(&app).await[1..], log);
}

#[tokio::test]
async fn what_is_wrong_with_an_invitation_is_said_and_what_was_typed_is_kept() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let taken = out(&app, "member-1").email;
    let elsewhere = app.kit(TenantKind::Retail, "owner").email;
    for (email, name, role, said) in [
        ("nora", "Nora", "member", "must be an address"),
        ("nora@x.example", " ", "member", "must have 1 to 100"),
        ("nora@x.example", "Nora", "king", "must be one of those"),
        (&taken, "Nora", "member", "already"),
        (&elsewhere, "Nora", "member", "already"),
    ] {
        let answer =
            owner.post("/control/team/invite", &[("email", email), ("name", name), ("role", role)]).await;
        assert_eq!(answer.status, 400, "{said}");
        let page = answer.text();
        assert!(
            page.contains(said) && page.contains(email.trim()) && page.contains(name.trim()),
            "{said}: {page}"
        );
    }
    let hostile = "<script>alert(1)</script>";
    let page =
        owner.post("/control/team/invite", &[("email", hostile), ("name", hostile), ("role", hostile)]).await;
    assert!(!page.text().contains(hostile), "escaped");
}

#[tokio::test]
async fn a_new_link_ends_the_last_one() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let fields = [("email", "nora@x.example"), ("name", "Nora"), ("role", "owner")];
    let first = link_of(&owner.post("/control/team/invite", &fields).await.text());
    let path = path_of(&owner, "nora@x.example").await;
    let mut half = app.stranger();
    half.accept(&first, PASSWORD).await;
    let second = link_of(&owner.post(&format!("{path}/resend"), &[]).await.text());
    assert_ne!(first, second);
    assert_eq!(half.get("/control/onboarding").await.status, 303, "what was half done by the first is over");
    assert_eq!(app.stranger().get(&first).await.status, 409);
    app.clock.advance(Duration::from_secs(7 * 24 * 3600 - 1));
    assert_eq!(app.stranger().get(&second).await.status, 200);
    app.clock.advance(Duration::from_secs(1));
    let over = app.stranger().get(&second).await;
    assert!(over.status == 409 && over.text().contains("seven days"), "{}", over.text());
    owner.sign_in().await;
    let third = link_of(&owner.post(&format!("{path}/resend"), &[]).await.text());
    assert_eq!(app.stranger().join(&third, PASSWORD).await.status, 200);
    let again = owner.post(&format!("{path}/resend"), &[]).await;
    assert!(again.status == 409 && again.text().contains("account already"), "{}", again.text());
}

#[tokio::test]
async fn another_role_ends_sessions_and_takes_effect_at_once() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let mut member = app.person("member-1").await;
    let half = {
        let mut half = out(&app, "member-1");
        half.give_password().await;
        half
    };
    let path = path_of(&owner, &member.email).await;
    assert_eq!(owner.post(&format!("{path}/role"), &[("role", "auditor")]).await.status, 303);
    assert_eq!(member.get("/control").await.status, 303, "his session is over");
    assert_eq!(half.get("/control/second-factor").await.status, 303, "and the one that was half begun");
    member.sign_in().await;
    assert!(member.get("/control").await.text().contains("Auditor"));
    let same = owner.post(&format!("{path}/role"), &[("role", "auditor")]).await;
    assert_eq!(same.status, 303);
    assert_eq!(member.get("/control").await.status, 200, "the same role again ends nothing");
    assert_eq!(owner.post(&format!("{path}/role"), &[("role", "king")]).await.status, 400);
    let changes = actions(&app).await.iter().filter(|action| *action == "person.role_changed ok").count();
    assert_eq!(changes, 1);
}

#[tokio::test]
async fn who_is_to_sign_needs_a_passkey_first() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let page = owner
        .post("/control/team/invite", &[("email", "o@x.example"), ("name", "Otto"), ("role", "auditor")])
        .await;
    let mut auditor = app.stranger();
    auditor.accept(&link_of(&page.text()), PASSWORD).await;
    let page = auditor.get("/control/onboarding").await.text();
    let secret = page.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().to_owned();
    let code = testkit::code_of(&secret, super::now_ms(&app));
    assert_eq!(auditor.post("/control/onboarding", &[("code", &code)]).await.status, 200);
    let path = path_of(&owner, "o@x.example").await;
    for role in ["member", "officer"] {
        let refused = owner.post(&format!("{path}/role"), &[("role", role)]).await;
        assert!(refused.status == 409 && refused.text().contains("passkey"), "{role}: {}", refused.text());
    }
    assert_eq!(auditor.get("/control").await.status, 200, "nothing was changed");
}

#[tokio::test]
async fn whoever_lost_his_device_begins_anew_and_the_old_one_opens_nothing() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let mut member = app.person("member-1").await;
    let old = out(&app, "member-1");
    let path = path_of(&owner, &member.email).await;
    let page = owner.post(&format!("{path}/reonboard"), &[]).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(member.get("/control").await.status, 303, "his session is over");
    let fields = [("email", old.email.as_str()), ("password", old.password.as_str())];
    assert_eq!(old.post_with("/control/sign-in", "", &fields).await.status, 401, "and his password");
    let twice = owner.post(&format!("{path}/reonboard"), &[]).await;
    assert_eq!(twice.status, 409);
    let email = member.email.clone();
    assert_eq!(member.join(&link_of(&page.text()), PASSWORD).await.status, 200);
    member.email = email;
    member.sign_in().await;
    // The new password, and the old passkey and app.
    let mut mixed = out(&app, "member-1");
    PASSWORD.clone_into(&mut mixed.password);
    let page = mixed.give_password().await;
    let answer = mixed.passkey().get(&testkit::options_of(&page.text())).unwrap().to_string();
    assert_eq!(mixed.post("/control/second-factor", &[("credential", &answer)]).await.status, 401);
    let code = mixed.code(super::now_ms(&app));
    assert_eq!(mixed.post("/control/second-factor", &[("code", &code)]).await.status, 401);
}

#[tokio::test]
async fn after_a_lost_device_votes_count_a_day_later() {
    let app = App::production().await;
    let admin = app.admin().await;
    let tenant = admin.create_tenant("Alpine", "institution").await.unwrap();
    let mut owners = Vec::new();
    for email in ["a@alpine.example", "b@alpine.example"] {
        let link = admin.invite_owner(&tenant.id, email, "Ada").await.unwrap().link;
        let mut owner = app.stranger();
        assert_eq!(owner.join(&link, PASSWORD).await.status, 200);
        assert!(!counts_later(&owner).await, "the first counts at once");
        owners.push(owner);
    }
    admin.close().await;
    let path = path_of(&owners[0], "b@alpine.example").await;
    let link = link_of(&owners[0].post(&format!("{path}/reonboard"), &[]).await.text());
    assert_eq!(owners[1].join(&link, PASSWORD).await.status, 200);
    assert!(counts_later(&owners[1]).await, "it could be a thief's");
    let page = owners[0].open("/control/account/factors").await;
    let made = owners[0].make_passkey(&page.text(), b"one more passkey");
    assert_eq!(owners[0].post("/control/account/factors", &[("credential", &made)]).await.status, 303);
    assert!(counts_later(&owners[0]).await, "and so could one that is added");
}

#[tokio::test]
async fn in_a_sandbox_votes_count_at_once() {
    let app = App::start().await;
    let (mut owner, mut member) = (app.person("owner").await, app.person("member-1").await);
    let path = path_of(&owner, &member.email).await;
    let link = link_of(&owner.post(&format!("{path}/reonboard"), &[]).await.text());
    assert_eq!(member.join(&link, PASSWORD).await.status, 200);
    assert!(!counts_later(&member).await);
}

/// Whether votes by one of somebody's passkeys do not count yet.
async fn counts_later(person: &testkit::Person) -> bool {
    let page = person.get("/control/account").await.text();
    assert!(page.contains("Votes count"), "{page}");
    page.contains("from <time")
}

#[tokio::test]
async fn the_last_owner_stays_an_owner() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let own = path_of(&owner, &owner.email).await;
    for (deed, fields) in [("remove", vec![]), ("role", vec![("role", "member")]), ("reonboard", vec![])] {
        let answer = owner.post(&format!("{own}/{deed}"), &fields).await;
        assert_eq!(answer.status, 409, "{deed}: {}", answer.text());
    }
    // Somebody who is only invited is no owner yet.
    owner.post("/control/team/invite", &[("email", "n@x.example"), ("name", "N"), ("role", "owner")]).await;
    let answer = owner.post(&format!("{own}/remove"), &[]).await;
    assert!(answer.status == 409 && answer.text().contains("only owner"), "{}", answer.text());
    assert_eq!(owner.get("/control").await.status, 200);
}

#[tokio::test]
async fn of_two_owners_who_remove_each_other_at_once_exactly_one_is_left() {
    // With a third owner it is no longer the last one who is kept: whoever is out takes nobody out.
    for (round, owners) in
        (0..4).flat_map(|round| [(round, &["member-1"][..]), (round, &["member-1", "member-2"])])
    {
        let app = if round == 3 { App::on_postgres().await } else { App::start().await };
        let mut owner = app.person("owner").await;
        for word in owners {
            let path = path_of(&owner, &format!("{word}@")).await;
            assert_eq!(owner.post(&format!("{path}/role"), &[("role", "owner")]).await.status, 303);
        }
        let second = path_of(&owner, "member-1@").await;
        let other = app.person("member-1").await;
        let first = path_of(&owner, &owner.email).await;
        let deed = ["remove", "reonboard", "role", "remove"][round];
        let (a, b) = (format!("{second}/{deed}"), format!("{first}/{deed}"));
        let fields = [("role", "auditor")];
        let (a, b) = tokio::join!(
            owner.post_with(&a, &owner.csrf, &fields),
            other.post_with(&b, &other.csrf, &fields)
        );
        let done = [&a, &b]
            .iter()
            .filter(|answer| [200, 303].contains(&answer.status) && !is_led_to_sign_in(answer))
            .count();
        assert_eq!(done, 1, "{deed}: {} {}", a.status, b.status);
        let alive = [&owner, &other].map(async |person| person.get("/control").await.status == 200);
        let [one, two] = alive;
        assert!(one.await != two.await, "{deed}: one is in, the other is not");
    }
}

fn is_led_to_sign_in(answer: &testkit::Answer) -> bool {
    answer.header("location").starts_with("/control/sign-in")
}

#[tokio::test]
async fn whoever_is_removed_is_out_at_once_and_his_address_is_free() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let mut member = app.person("member-1").await;
    let path = path_of(&owner, &member.email).await;
    assert_eq!(owner.post(&format!("{path}/remove"), &[]).await.status, 303);
    assert_eq!(member.get("/control").await.status, 303);
    let fields = [("email", member.email.as_str()), ("password", member.password.as_str())];
    assert_eq!(member.post_with("/control/sign-in", "", &fields).await.status, 401);
    assert!(!owner.get("/control/team").await.text().contains(&member.email));
    let again = owner
        .post("/control/team/invite", &[("email", &member.email), ("name", "M"), ("role", "auditor")])
        .await;
    assert_eq!(member.join(&link_of(&again.text()), PASSWORD).await.status, 200);
    assert!(actions(&app).await.contains(&"person.removed ok".to_owned()));
}

#[tokio::test]
async fn what_is_dangerous_needs_a_fresh_proof() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let path = path_of(&owner, "auditor@").await;
    app.clock.advance(Duration::from_mins(10));
    let fields = [("email", "n@x.example"), ("name", "N"), ("role", "owner"), ("new_password", PASSWORD)];
    for deed in [
        "/control/team/invite".to_owned(),
        format!("{path}/role"),
        format!("{path}/remove"),
        format!("{path}/reonboard"),
        format!("{path}/resend"),
        "/control/account/password".to_owned(),
        "/control/account/factors".to_owned(),
        "/control/account/recovery-codes".to_owned(),
        "/control/account/totp/remove".to_owned(),
        "/control/account/passkeys/x/remove".to_owned(),
    ] {
        let answer = owner.post(&deed, &fields).await;
        assert_eq!(answer.status, 303, "{deed}");
        assert!(answer.header("location").starts_with("/control/prove?next="), "{deed}: {answer:?}");
    }
    assert!(owner.get(&path).await.text().contains("Active"), "nothing was done");
    let mut code = owner.code(super::now_ms(&app) - 90_000);
    assert_eq!(owner.post("/control/prove", &[("code", &code)]).await.status, 401);
    code = owner.code(super::now_ms(&app));
    let proved = owner.post("/control/prove", &[("code", &code), ("next", "/control/team/invite")]).await;
    assert_eq!(proved.header("location"), "/control/team/invite");
    assert_eq!(owner.post(&format!("{path}/remove"), &[]).await.status, 303);
    assert!(!owner.get("/control/team").await.text().contains("auditor@"), "done");
    app.clock.advance(Duration::from_mins(10));
    owner.prove().await;
    assert_eq!(owner.get("/control/team/invite").await.status, 200);
}
