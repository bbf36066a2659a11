//! Who may open what: every route of Control, for every role, for nobody, and with another tenant's ids.

use domain::control::Act;
use domain::credential::TenantKind;
use domain::person::Role;
use reqwest::Method;
use testkit::{Answer, App, Person};

use super::path_of;

/// Every route, and what it does; none: it is there for who is not signed in, or for whoever is.
pub const ROUTES: &[(&str, &str, Option<Act>)] = &[
    ("GET", "/control", None),
    ("GET", "/control/sign-in", None),
    ("POST", "/control/sign-in", None),
    ("GET", "/control/second-factor", None),
    ("POST", "/control/second-factor", None),
    ("GET", "/control/prove", None),
    ("POST", "/control/prove", None),
    ("POST", "/control/sign-out", None),
    ("GET", "/control/invitation", None),
    ("POST", "/control/invitation", None),
    ("GET", "/control/onboarding", None),
    ("POST", "/control/onboarding", None),
    ("GET", "/control/account", Some(Act::KeepOwnAccount)),
    ("POST", "/control/account/check", Some(Act::RequestRecovery)),
    ("GET", "/control/identity/{verification_id}", Some(Act::RequestRecovery)),
    ("POST", "/control/account/password", Some(Act::KeepOwnAccount)),
    ("GET", "/control/account/factors", Some(Act::KeepOwnAccount)),
    ("POST", "/control/account/factors", Some(Act::KeepOwnAccount)),
    ("POST", "/control/account/passkeys/{passkey_id}/remove", Some(Act::KeepOwnAccount)),
    ("POST", "/control/account/totp/remove", Some(Act::KeepOwnAccount)),
    ("POST", "/control/account/recovery-codes", Some(Act::KeepOwnAccount)),
    ("POST", "/control/account/sessions/{session_id}/end", Some(Act::KeepOwnAccount)),
    ("GET", "/control/team", Some(Act::SeeTeam)),
    ("GET", "/control/team/invite", Some(Act::Invite)),
    ("POST", "/control/team/invite", Some(Act::Invite)),
    ("GET", "/control/team/{person_id}", Some(Act::SeeTeam)),
    ("POST", "/control/team/{person_id}/resend", Some(Act::Invite)),
    ("POST", "/control/team/{person_id}/role", Some(Act::ChangeRole)),
    ("POST", "/control/team/{person_id}/reonboard", Some(Act::Reonboard)),
    ("POST", "/control/team/{person_id}/remove", Some(Act::RemovePerson)),
    ("GET", "/control/backups", Some(Act::SeeBackups)),
    ("GET", "/control/backups/{id}", Some(Act::SeeBackups)),
    ("POST", "/control/backups/{id}/check", Some(Act::CheckBackup)),
    ("GET", "/control/backups/{id}/record.jws", Some(Act::SeeBackups)),
    ("POST", "/control/backups/{id}/delete", Some(Act::DeleteBackup)),
    ("POST", "/control/backups/{id}/restore", Some(Act::DeleteBackup)),
    ("GET", "/control/keys", Some(Act::SeeBackups)),
    ("GET", "/control/keys/{id}", Some(Act::SeeBackups)),
    ("GET", "/control/keys/{id}/public-key.txt", Some(Act::SeeBackups)),
    ("POST", "/control/keys/{id}/check", Some(Act::CheckBackup)),
    ("GET", "/control/keys/{id}/record.jws", Some(Act::SeeBackups)),
    ("POST", "/control/keys/{id}/rotate", Some(Act::RotateKey)),
    ("GET", "/control/keys/{id}/destruction", Some(Act::SeeBackups)),
    ("POST", "/control/keys/{id}/destruction", Some(Act::DestroyKey)),
    ("POST", "/control/keys/{id}/destruction/confirm", Some(Act::DestroyKey)),
    ("POST", "/control/keys/{id}/destruction/stop", Some(Act::KeepKey)),
    ("POST", "/control/keys/{id}/destruction/hasten", Some(Act::Rehearse)),
    ("GET", "/control/log", Some(Act::SeeLog)),
    ("GET", "/control/log/verify", Some(Act::SeeLog)),
    ("GET", "/control/log/export", Some(Act::SeeLog)),
    ("GET", "/control/notices", None),
    ("POST", "/control/notices/read", None),
    ("GET", "/control/outbox", None),
    ("GET", "/control/zone", None),
    ("POST", "/control/zone", None),
    ("GET", "/control/settings", Some(Act::SeeSettings)),
    ("GET", "/control/settings/signing-keys", Some(Act::SeeSettings)),
    ("GET", "/control/freeze", Some(Act::SeeSettings)),
    ("POST", "/control/freeze", Some(Act::Freeze)),
    ("POST", "/control/freeze/end", Some(Act::Thaw)),
    ("POST", "/control/freeze/end/sign", Some(Act::Thaw)),
    ("GET", "/control/settings/recovery", Some(Act::SeeSettings)),
    ("POST", "/control/settings/recovery", Some(Act::SignPolicy)),
    ("POST", "/control/settings/recovery/sign", Some(Act::SignPolicy)),
    ("GET", "/control/settings/limits", Some(Act::SeeSettings)),
    ("GET", "/control/settings/reset", Some(Act::Rehearse)),
    ("POST", "/control/settings/reset", Some(Act::Rehearse)),
    ("GET", "/control/settings/credentials", Some(Act::SeeSettings)),
    ("POST", "/control/settings/credentials", Some(Act::ManageCredentials)),
    ("GET", "/control/settings/credentials/new", Some(Act::ManageCredentials)),
    ("GET", "/control/settings/credentials/{id}/revoke", Some(Act::ManageCredentials)),
    ("POST", "/control/settings/credentials/{id}/revoke", Some(Act::ManageCredentials)),
    ("GET", "/control/settings/webhooks", Some(Act::SeeSettings)),
    ("POST", "/control/settings/webhooks", Some(Act::ManageWebhooks)),
    ("GET", "/control/settings/webhooks/new", Some(Act::ManageWebhooks)),
    ("GET", "/control/settings/webhooks/{id}", Some(Act::SeeSettings)),
    ("POST", "/control/settings/webhooks/{id}", Some(Act::ManageWebhooks)),
    ("GET", "/control/settings/webhooks/{id}/edit", Some(Act::ManageWebhooks)),
    ("POST", "/control/settings/webhooks/{id}/test", Some(Act::ManageWebhooks)),
    ("POST", "/control/settings/webhooks/{id}/switch-on", Some(Act::ManageWebhooks)),
    ("POST", "/control/settings/webhooks/{id}/switch-off", Some(Act::ManageWebhooks)),
    ("GET", "/control/settings/webhooks/{id}/rotate-secret", Some(Act::ManageWebhooks)),
    ("POST", "/control/settings/webhooks/{id}/rotate-secret", Some(Act::ManageWebhooks)),
    ("POST", "/control/settings/webhooks/{id}/delete", Some(Act::ManageWebhooks)),
    ("POST", "/control/settings/webhooks/{id}/deliveries/{delivery}/redeliver", Some(Act::ManageWebhooks)),
    ("GET", "/control/acls", Some(Act::SeeAcls)),
    ("POST", "/control/acls", Some(Act::MakeAcl)),
    ("GET", "/control/acls/new", Some(Act::MakeAcl)),
    ("POST", "/control/acls/new", Some(Act::MakeAcl)),
    ("GET", "/control/acls/owners", Some(Act::SignRoster)),
    ("POST", "/control/acls/owners", Some(Act::SignRoster)),
    ("GET", "/control/acls/{acl}", Some(Act::SeeAcls)),
    ("GET", "/control/acls/{acl}/change", Some(Act::ProposeChange)),
    ("POST", "/control/acls/{acl}/change", Some(Act::ProposeChange)),
    ("GET", "/control/acls/{acl}/changes/{change}", Some(Act::SeeAcls)),
    ("POST", "/control/acls/{acl}/changes/{change}", Some(Act::Vote)),
    ("GET", "/control/acls/{acl}/changes/{change}/request", Some(Act::SeeAcls)),
    ("POST", "/control/acls/{acl}/changes/{change}/ballot", Some(Act::Vote)),
    ("POST", "/control/acls/{acl}/changes/{change}/stop", Some(Act::Vote)),
    ("POST", "/control/acls/{acl}/attach", Some(Act::AttachKeys)),
    ("POST", "/control/acls/{acl}/attached", Some(Act::AttachKeys)),
    ("GET", "/control/recoveries", Some(Act::SeeRecoveries)),
    ("POST", "/control/recoveries", Some(Act::RequestRecovery)),
    ("GET", "/control/recoveries/new", Some(Act::RequestRecovery)),
    ("GET", "/control/recoveries/{id}", Some(Act::SeeRecoveries)),
    ("GET", "/control/recoveries/{id}/request", Some(Act::SeeRecoveries)),
    ("POST", "/control/recoveries/{id}/vote", Some(Act::Vote)),
    ("POST", "/control/recoveries/{id}/ballot", Some(Act::Vote)),
    ("POST", "/control/recoveries/{id}/stop", Some(Act::Vote)),
    ("POST", "/control/recoveries/{id}/link", Some(Act::DownloadRecovery)),
    ("GET", "/control/recoveries/{id}/package", Some(Act::DownloadRecovery)),
    ("GET", "/control/recoveries/{id}/record.jws", Some(Act::SeeRecoveries)),
    ("GET", "/control/reviews", Some(Act::SeeReviews)),
    ("GET", "/control/reviews/{id}", Some(Act::SeeReviews)),
    ("POST", "/control/reviews/{id}/sign", Some(Act::DecideReview)),
    ("POST", "/control/reviews/{id}/decide", Some(Act::DecideReview)),
    ("POST", "/control/reviews/{id}/second", Some(Act::SecondReview)),
];

const PEOPLE: [(&str, Role); 4] = [
    ("owner", Role::Owner),
    ("member-1", Role::Member),
    ("officer", Role::Officer),
    ("auditor", Role::Auditor),
];

/// Calls a route with these ids, as somebody whose session and form are good.
async fn call(person: &mut Person, method: &str, path: &str, id: &str) -> Answer {
    let path: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect();
    let path = path.join("/");
    if method == "GET" {
        person.open(&path).await
    } else {
        person.post(&path, &[("confirmed", "yes"), ("approve", "yes")]).await
    }
}

#[tokio::test]
async fn every_role_opens_what_the_table_says() {
    let app = App::start().await;
    let mut wrong = Vec::new();
    for (word, role) in PEOPLE {
        for (method, path, act) in ROUTES {
            let Some(act) = act else { continue };
            let mut person = app.person(word).await;
            let answer = call(&mut person, method, path, "01890000-0000-7000-8000-000000000000").await;
            let what = format!("{method} {path} by {role}: {}", answer.status);
            if (answer.status != 403) != act.is_open_to(role) {
                wrong.push(what.clone());
            }
            if answer.status == 403 {
                assert!(answer.text().contains("This needs the role"), "{what}: {}", answer.text());
            }
            let known = [200, 303, 400, 401, 403, 404, 409];
            assert!(known.contains(&answer.status), "{what}");
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn nobody_is_shown_the_way_in() {
    let app = App::start().await;
    let mut nobody = app.stranger();
    let mut wrong = Vec::new();
    for (method, path, act) in ROUTES {
        let answer = call(&mut nobody, method, path, "x").await;
        let is_public = ["/control/sign-in", "/control/invitation", "/control/outbox"].contains(path);
        if (answer.status == 303) == is_public {
            wrong.push(format!("{method} {path}: {}", answer.status));
        }
        assert!(!is_public || act.is_none());
        if answer.status == 303 {
            assert!(answer.header("location").starts_with("/control/sign-in"), "{method} {path}");
        }
    }
    assert_eq!(wrong, [""; 0]);
    nobody.cookie = "holdfast=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    assert_eq!(nobody.get("/control").await.status, 303, "a token of nobody's");
}

#[tokio::test]
async fn anothers_is_answered_as_what_is_not_there() {
    let app = App::start().await;
    let other = app.person_of(TenantKind::Institution, "owner").await;
    let theirs = path_of(&other, "member-1@").await;
    let theirs = theirs.rsplit('/').next().unwrap().to_owned();
    let mut removed = app.person("owner").await;
    let gone = path_of(&removed, "auditor@").await;
    assert_eq!(removed.post(&format!("{gone}/remove"), &[]).await.status, 303);
    let gone = gone.rsplit('/').next().unwrap().to_owned();
    let mut wrong = Vec::new();
    for (method, path, act) in ROUTES.iter().filter(|(_, path, _)| path.contains('{')) {
        let word = if act.is_some_and(|act| !act.is_open_to(Role::Owner)) { "officer" } else { "owner" };
        let mut reader = app.person(word).await;
        let unknown = call(&mut reader, method, path, "01890000-0000-7000-8000-000000000000").await;
        if unknown.status != 404 {
            wrong.push(format!("{method} {path}: {}", unknown.status));
        }
        for id in [theirs.as_str(), gone.as_str(), "x", "%20", "01890000-0000-7000-8000-00000000000"] {
            let answer = call(&mut reader, method, path, id).await;
            if answer.face() != unknown.face() {
                wrong.push(format!("{method} {path} with {id}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    let still = other.call(&Method::GET, &format!("/control/team/{theirs}")).send().await;
    assert!(still.status == 200 && still.text().contains("Active"), "{}", still.text());
}
