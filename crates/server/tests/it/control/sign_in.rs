//! Signing in, and all that keeps others from it.

use testkit::App;

#[tokio::test]
async fn password_and_passkey_let_somebody_in() {
    let app = App::start().await;
    let mut owner = app.signed_out(&app.kit(domain::credential::TenantKind::Partner, "owner"));
    let page = owner.get("/control").await;
    assert_eq!((page.status, page.header("location")), (303, "/control/sign-in?next=%2Fcontrol"));
    owner.sign_in().await;
    let home = owner.get("/control").await;
    assert_eq!(home.status, 200);
    assert!(home.text().contains("Olivia Owens"), "{}", home.text());
    let out = owner.post("/control/sign-out", &[]).await;
    assert_eq!((out.status, out.header("location"), owner.cookie.as_str()), (303, "/control/sign-in", ""));
}
