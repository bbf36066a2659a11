//! One's own account: password, factors, recovery codes, sessions.

use std::time::Duration;

use testkit::{App, code_of};

use super::{PASSWORD, actions, now_ms, out};

#[tokio::test]
async fn another_password_ends_every_session_but_goes_on_here_under_another_token() {
    let app = App::start().await;
    let (mut member, other) = (app.person("member-1").await, app.person("member-1").await);
    let (old, cookie) = (member.password.clone(), member.cookie.clone());
    let path = "/control/account/password";
    for (current, new, repeated, status, said) in [
        ("not my password", PASSWORD, PASSWORD, 401, "not right"),
        (&old, "short", "short", 400, "at least 12"),
        (&old, PASSWORD, "nine brown teapots sang", 400, "not the same"),
    ] {
        let fields = [("current_password", current), ("new_password", new), ("repeated_password", repeated)];
        let answer = member.post(path, &fields).await;
        assert!(answer.status == status && answer.text().contains(said), "{said}: {}", answer.text());
        assert!(!answer.text().contains(current), "never shown");
    }
    assert_eq!(member.cookie, cookie);
    let fields =
        [("current_password", old.as_str()), ("new_password", PASSWORD), ("repeated_password", PASSWORD)];
    assert_eq!(member.post(path, &fields).await.header("location"), "/control/account?done=password");
    assert_ne!(member.cookie, cookie, "another token");
    assert_eq!(member.open("/control").await.status, 200);
    assert_eq!(other.get("/control").await.status, 303, "signed out elsewhere");
    PASSWORD.clone_into(&mut member.password);
    member.sign_in().await;
    assert!(actions(&app).await.contains(&"person.password_changed ok".to_owned()));
}

#[tokio::test]
async fn guessing_at_the_current_password_makes_the_account_rest() {
    let app = App::start().await;
    let mut member = app.person("member-1").await;
    let right = member.password.clone();
    let mut fields = [
        ("current_password", "wrong wrong wrong"),
        ("new_password", PASSWORD),
        ("repeated_password", PASSWORD),
    ];
    for _ in 0..5 {
        assert_eq!(member.post("/control/account/password", &fields).await.status, 401);
    }
    fields[0].1 = &right;
    assert_eq!(member.post("/control/account/password", &fields).await.status, 401, "it rests");
}

#[tokio::test]
async fn a_passkey_is_added_and_removed_and_the_last_one_stays() {
    let app = App::start().await;
    let (mut member, other) = (app.person("member-1").await, app.person("member-1").await);
    let cookie = member.cookie.clone();
    // So that it is the younger of the two.
    app.clock.advance(Duration::from_secs(1));
    let page = member.open("/control/account/factors").await;
    let kept = member.passkey.take();
    let made = member.make_passkey(&page.text(), b"another passkey of mara's");
    let added =
        member.post("/control/account/factors", &[("credential", &made), ("label", "blue key")]).await;
    assert_eq!(added.status, 303, "{}", added.text());
    assert!(
        member.cookie != cookie && other.get("/control").await.status == 303,
        "sessions end with a factor's change"
    );
    let page = member.follow(&added).await.text();
    assert!(page.contains("blue key"), "{page}");
    let again = member.post("/control/account/factors", &[("credential", &made)]).await;
    assert_eq!(again.status, 409, "a ceremony counts once");
    member.sign_in().await;
    let removes: Vec<_> = member
        .open("/control/account")
        .await
        .text()
        .split("action=\"")
        .skip(1)
        .map(|part| part.split('"').next().unwrap().to_owned())
        .filter(|path| path.contains("/passkeys/"))
        .collect();
    assert_eq!(removes.len(), 2);
    assert_eq!(member.post(&removes[0], &[]).await.status, 303);
    member.open("/control").await;
    assert_eq!(member.post(&removes[0], &[]).await.status, 404, "removed before");
    let last = member.post(&removes[1], &[]).await;
    assert!(last.status == 409 && last.text().contains("Add another first"), "{}", last.text());
    // The one that was removed opens nothing, and the other does.
    let mut old = out(&app, "member-1");
    old.passkey = kept;
    let page = old.give_password().await;
    let answer = old.passkey().get(&testkit::options_of(&page.text())).unwrap().to_string();
    assert_eq!(old.post("/control/second-factor", &[("credential", &answer)]).await.status, 401);
    member.sign_in().await;
}

#[tokio::test]
async fn an_app_is_set_up_anew_and_forgotten() {
    let app = App::start().await;
    let mut officer = app.person("officer").await;
    let old = officer.code(now_ms(&app) + 30_000);
    let page = officer.open("/control/account/factors").await.text();
    let secret = page.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().to_owned();
    let code = code_of(&secret, now_ms(&app));
    let set = officer.post("/control/account/factors", &[("code", &code)]).await;
    assert_eq!(set.status, 303, "{}", set.text());
    officer.give_password().await;
    assert_eq!(officer.post("/control/second-factor", &[("code", &old)]).await.status, 401, "the old app's");
    assert_eq!(
        officer.post("/control/second-factor", &[("code", &code)]).await.status,
        401,
        "it counted at its setting up"
    );
    let next = code_of(&secret, now_ms(&app) + 30_000);
    assert_eq!(officer.post("/control/second-factor", &[("code", &next)]).await.status, 303);
    officer.open("/control").await;
    assert_eq!(officer.post("/control/account/totp/remove", &[]).await.status, 303);
    officer.open("/control").await;
    assert_eq!(officer.post("/control/account/totp/remove", &[]).await.status, 404);
    officer.sign_in().await;
}

#[tokio::test]
async fn recovery_codes_are_shown_once_and_new_ones_end_the_old() {
    let app = App::start().await;
    let mut officer = app.person("officer").await;
    let codes =
        |page: &str| page.split("<li><code>").skip(1).map(|part| part[..19].to_owned()).collect::<Vec<_>>();
    let first = codes(&officer.post("/control/account/recovery-codes", &[]).await.text());
    let page = officer.open("/control/account").await.text();
    assert!(first.len() == 10 && page.contains("10 codes are left") && !page.contains(&first[0]), "{page}");
    let second = codes(&officer.post("/control/account/recovery-codes", &[]).await.text());
    officer.give_password().await;
    assert_eq!(officer.post("/control/second-factor", &[("recovery_code", &first[0])]).await.status, 401);
    assert_eq!(officer.post("/control/second-factor", &[("recovery_code", &second[9])]).await.status, 303);
    assert!(officer.open("/control/account").await.text().contains("9 codes are left"));
}

#[tokio::test]
async fn one_sees_ones_own_sessions_and_ends_them() {
    let app = App::start().await;
    let (mut here, there) = (app.person("member-1").await, app.person("member-1").await);
    let stranger = app.person("member-2").await;
    let ends = async |person: &testkit::Person| -> Vec<String> {
        let page = person.get("/control/account").await.text();
        let paths = page.split("action=\"").skip(1).map(|part| part.split('"').next().unwrap().to_owned());
        paths.filter(|path| path.contains("/sessions/")).collect()
    };
    let theirs = ends(&there).await;
    assert_eq!(theirs.len(), 1, "the other one, as each sees it");
    assert_eq!(stranger.post_with(&theirs[0], &stranger.csrf, &[]).await.status, 404, "another person's");
    assert_eq!(here.get("/control").await.status, 200);
    let ended = ends(&here).await;
    assert_eq!(here.post(&ended[0], &[]).await.status, 303);
    assert_eq!(there.get("/control").await.status, 303);
    assert_eq!(here.post(&ended[0], &[]).await.status, 404);
    assert!(here.get("/control/account?done=session").await.text().contains("That session is over"));
    assert!(!here.get("/control/account?done=<b>").await.text().contains("<b>"));
}
