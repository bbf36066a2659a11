//! Signing in, and all that keeps others from it.

use std::time::Duration;

use domain::credential::TenantKind;
use domain::rate::Rate;
use testkit::{App, Plan, options_of};

use super::{actions, now_ms, out};

#[tokio::test]
async fn password_and_passkey_let_somebody_in() {
    let app = App::start().await;
    let mut owner = out(&app, "owner");
    let page = owner.get("/control/team").await;
    assert_eq!((page.status, page.header("location")), (303, "/control/sign-in?next=%2Fcontrol%2Fteam"));
    assert_eq!(owner.get("/control/sign-in").await.status, 200);
    owner.sign_in().await;
    let home = owner.get("/control").await;
    assert_eq!(home.status, 200);
    assert!(home.text().contains("Olivia Owens"), "{}", home.text());
    let cookie = owner.cookie.clone();
    let gone = owner.post("/control/sign-out", &[]).await;
    assert_eq!((gone.status, gone.header("location"), owner.cookie.as_str()), (303, "/control/sign-in", ""));
    owner.cookie = cookie;
    assert_eq!(owner.get("/control").await.status, 303, "the session is over, whoever kept the cookie");
    assert_eq!(actions(&app).await, ["person.signed_in ok", "person.signed_out ok"]);
    let entry = &app.partner().audit("").await[0];
    assert_eq!((entry["actor_type"].as_str(), entry["reason"].as_str()), (Some("person"), Some("passkey")));
}

#[tokio::test]
async fn what_is_wrong_is_answered_alike_and_the_form_keeps_what_was_typed() {
    let app = App::start().await;
    let mut owner = out(&app, "owner");
    let email = owner.email.clone();
    let wrong = owner.post("/control/sign-in", &[("email", &email), ("password", "not the password")]).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains(&email) && wrong.text().contains("That is not right"), "{}", wrong.text());
    assert!(!wrong.text().contains("not the password"), "a password is never shown again");
    let unknown = owner
        .post("/control/sign-in", &[("email", "nobody@x.example"), ("password", "not the password")])
        .await;
    assert_eq!(
        unknown.text().replace("nobody@x.example", &email),
        wrong.text(),
        "whether somebody is there is not told"
    );
    for fields in [vec![], vec![("email", "")], vec![("email", "x"), ("password", "y")]] {
        assert_eq!(owner.post("/control/sign-in", &fields).await.status, 401);
    }
    assert_eq!(owner.cookie, "");
    assert_eq!(actions(&app).await, ["person.sign_in_failed failed"]);
}

#[tokio::test]
async fn the_password_alone_opens_nothing() {
    let app = App::start().await;
    let mut owner = out(&app, "owner");
    owner.give_password().await;
    for path in ["/control", "/control/team", "/control/account", "/control/prove", "/control/onboarding"] {
        assert_eq!(owner.get(path).await.status, 303, "{path}");
    }
    let csrf = owner.csrf.clone();
    let (before, half) = (owner.cookie.clone(), owner.post_with("/control/sign-out", &csrf, &[]).await);
    assert_eq!(half.status, 303);
    let code = owner.code(now_ms(&app));
    assert_eq!(owner.post("/control/second-factor", &[("code", &code)]).await.status, 303);
    assert_ne!(owner.cookie, before, "another token once somebody is in");
    let after = owner.cookie.clone();
    assert_eq!(owner.get("/control").await.status, 200);
    owner.cookie = before;
    assert_eq!(owner.get("/control").await.status, 303);
    assert_eq!(owner.get("/control/second-factor").await.status, 303, "the half session is over");
    owner.cookie = after;
    assert_eq!(owner.get("/control").await.status, 200);
}

#[tokio::test]
async fn a_code_counts_once() {
    let app = App::start().await;
    let code = out(&app, "officer").code(now_ms(&app));
    let mut first = out(&app, "officer");
    first.give_password().await;
    assert_eq!(first.post("/control/second-factor", &[("code", &code)]).await.status, 303);
    let mut second = out(&app, "officer");
    second.give_password().await;
    assert_eq!(second.post("/control/second-factor", &[("code", &code)]).await.status, 401, "used");
    let earlier = second.code(now_ms(&app) - 30_000);
    assert_eq!(
        second.post("/control/second-factor", &[("code", &earlier)]).await.status,
        401,
        "older than the last"
    );
    let later = second.code(now_ms(&app) + 30_000);
    assert_eq!(second.post("/control/second-factor", &[("code", &later)]).await.status, 303);
}

#[tokio::test]
async fn of_two_who_send_one_code_at_once_one_is_let_in() {
    let app = App::start().await;
    let code = out(&app, "officer").code(now_ms(&app));
    let mut rivals = Vec::new();
    for _ in 0..4 {
        let mut rival = out(&app, "officer");
        rival.give_password().await;
        rivals.push(rival);
    }
    let fields = [("code", code.as_str())];
    let tries = rivals.iter().map(|rival| rival.post_with("/control/second-factor", &rival.csrf, &fields));
    let mut statuses: Vec<_> = join_all(tries).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401, 401, 401]);
}

#[tokio::test]
async fn five_failures_make_an_account_rest_also_for_who_knows_the_password() {
    let app = App::start().await;
    let mut owner = out(&app, "owner");
    let email = owner.email.clone();
    for _ in 0..4 {
        owner.post("/control/sign-in", &[("email", &email), ("password", "wrong wrong wrong")]).await;
    }
    // The password alone forgives nothing: the fifth failure may be of the second factor.
    owner.give_password().await;
    assert_eq!(owner.post("/control/second-factor", &[("code", "000000")]).await.status, 401);
    let code = owner.code(now_ms(&app));
    assert_eq!(owner.post("/control/second-factor", &[("code", &code)]).await.status, 401, "it rests");
    let right =
        [("email", email.as_str()), ("password", owner.password.as_str())].map(|(a, b)| (a, b.to_owned()));
    let right: Vec<_> = right.iter().map(|(a, b)| (*a, b.as_str())).collect();
    assert_eq!(owner.post("/control/sign-in", &right).await.status, 401, "also with the right password");
    app.clock.advance(Duration::from_secs(15 * 60 - 1));
    assert_eq!(owner.post("/control/sign-in", &right).await.status, 401);
    app.clock.advance(Duration::from_secs(1));
    owner.sign_in().await;
    let failed = ["person.sign_in_failed failed"; 5];
    assert_eq!(actions(&app).await[..5], failed);
    assert_eq!(actions(&app).await[5..], ["person.locked ok", "person.signed_in ok"]);
    let mut member = out(&app, "member-1");
    member.sign_in().await;
}

#[tokio::test]
async fn guesses_at_once_are_five_at_most() {
    let app = App::start().await;
    let owner = out(&app, "owner");
    let fields = [("email", owner.email.as_str()), ("password", "wrong wrong wrong")];
    join_all((0..12).map(|_| owner.post_with("/control/sign-in", "", &fields))).await;
    let failed =
        actions(&app).await.iter().filter(|action| *action == "person.sign_in_failed failed").count();
    assert_eq!(failed, 5, "the others were not even judged");
}

#[tokio::test]
async fn an_address_that_guesses_is_turned_away_and_an_honest_one_is_not() {
    let few = Rate::per_minute(3);
    let app = Plan::default().with_rates(Rate::per_second(1_000, 1_000), few).start().await;
    for word in ["owner", "member-1", "member-2", "officer"] {
        out(&app, word).sign_in().await;
    }
    let mut stranger = app.stranger();
    let guess = [("email", "nobody@x.example"), ("password", "wrong wrong wrong")];
    for _ in 0..3 {
        assert_eq!(stranger.post("/control/sign-in", &guess).await.status, 401);
    }
    let refused = stranger.post("/control/sign-in", &guess).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    let owner = out(&app, "owner");
    let right = [("email", owner.email.as_str()), ("password", owner.password.as_str())];
    assert_eq!(stranger.post("/control/sign-in", &right).await.status, 429, "before anything is judged");
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(stranger.post("/control/sign-in", &right).await.status, 303);
}

#[tokio::test]
async fn a_session_ends_by_idleness_and_by_age() {
    let app = App::start().await;
    let (mut idle, mut busy) = (out(&app, "owner"), out(&app, "member-1"));
    idle.sign_in().await;
    busy.sign_in().await;
    app.clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(busy.get("/control").await.status, 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(idle.get("/control").await.status, 303, "half an hour unused");
    for _ in 0..23 {
        app.clock.advance(Duration::from_mins(29));
        assert_eq!(busy.get("/control").await.status, 200);
    }
    app.clock.advance(Duration::from_mins(24));
    assert_eq!(busy.get("/control").await.status, 303, "twelve hours");
}

#[tokio::test]
async fn a_half_session_and_its_ceremony_are_short_lived() {
    let app = App::start().await;
    let mut owner = out(&app, "owner");
    let page = owner.give_password().await;
    let answer = owner.passkey().get(&options_of(&page.text())).unwrap().to_string();
    app.clock.advance(Duration::from_mins(5));
    assert_eq!(owner.post("/control/second-factor", &[("credential", &answer)]).await.status, 401);
    app.clock.advance(Duration::from_mins(25));
    assert_eq!(owner.get("/control/second-factor").await.status, 303);
}

#[tokio::test]
async fn somebody_is_led_back_to_the_page_he_came_for_and_never_away() {
    let app = App::start().await;
    let mut owner = out(&app, "owner");
    for (next, led) in [
        ("/control/team", "%2Fcontrol%2Fteam"),
        ("https://evil.example", "%2Fcontrol"),
        ("//evil.example", "%2Fcontrol"),
    ] {
        let (email, password) = (owner.email.clone(), owner.password.clone());
        let fields = [("email", email.as_str()), ("password", &password), ("next", next)];
        let answer = owner.post("/control/sign-in", &fields).await;
        assert_eq!(answer.header("location"), format!("/control/second-factor?next={led}"));
    }
    let page = owner.open("/control/second-factor?next=https://evil.example").await.text();
    assert!(!page.contains("evil.example"), "{page}");
}

#[tokio::test]
async fn the_people_of_a_sandbox_are_the_same_after_a_restart() {
    let mut app = App::start().await;
    let before = serde_json::to_value(app.kit(TenantKind::Retail, "auditor")).unwrap();
    app.stop_service().await;
    app.start_service().await.unwrap();
    assert_eq!(serde_json::to_value(app.kit(TenantKind::Retail, "auditor")).unwrap(), before);
    for kind in TenantKind::ALL {
        for word in ["owner", "member-1", "member-2", "officer", "auditor"] {
            app.signed_out(&app.kit(*kind, word)).sign_in().await;
        }
    }
}

async fn join_all<T>(tries: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = tries.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (at, one) in running.iter_mut().enumerate() {
            if done[at].is_none()
                && let std::task::Poll::Ready(answer) = one.as_mut().poll(context)
            {
                done[at] = Some(answer);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().map(|answer| answer.unwrap()).collect()
}
