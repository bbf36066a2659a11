//! What a real provider leaves to people, in production: from the first owner's invitation to the officer's word.

use domain::credential::{Scope, TenantKind};
use testkit::device::secret;
use testkit::{Person, Plan, link_of, options_of};

use super::World;
use super::webhook::key;

const PASSWORD: &str = "nine brown teapots sing";

/// Signs what a page shows, and sends it there.
async fn sign(person: &mut Person, page: &str, action: &str) {
    let begins = "name=\"document\" value=\"";
    let from = page.find(begins).unwrap_or_else(|| unreachable!("{page}")) + begins.len();
    let document = page[from..].split('"').next().unwrap().replace("&quot;", "\"");
    let credential = person.passkey().get(&options_of(page)).expect("an assertion").to_string();
    let sent = person.post(action, &[("document", &document), ("credential", &credential)]).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
}

/// The tenant's first owner, invited by whoever runs the installation, and the officer whom he invites.
async fn owner_and_officer(world: &World) -> [Person; 2] {
    let admin = world.app.admin().await;
    let tenant = world.app.tenant_of(&world.retail).await;
    let invited = admin.invite_owner(tenant.as_str(), "olga@x.example", "Olga").await.expect("an invitation");
    admin.close().await;
    let mut owner = world.app.stranger();
    assert_eq!(owner.join(&invited.link, PASSWORD).await.status, 200);
    let fields = [("email", "otto@x.example"), ("name", "Otto"), ("role", "officer")];
    let link = link_of(&owner.post("/control/team/invite", &fields).await.text());
    let mut officer = world.app.stranger();
    assert_eq!(officer.join(&link, PASSWORD).await.status, 200);
    [owner, officer]
}

#[tokio::test]
async fn an_officer_decides_what_the_provider_left_to_people() {
    let world = World::of(Plan::default().with_pool([1, 0, 0])).await;
    let (retail, user) = (&world.retail, "user-1");
    let [mut owner, mut officer] = owner_and_officer(&world).await;
    let id = retail.start(user).await;
    world.report("inquiry.created", &id).await;
    let key = key(&world, user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    world.report("inquiry.marked-for-review", &id).await;
    assert_eq!(retail.inquiry_status(&id).await, "NEEDS_REVIEW");
    let path = format!("/control/reviews/{id}");
    let page = officer.open(&path).await.text();
    assert!(page.contains("an owner has still to sign for who the officers are"), "{page}");
    let decided = [("decision", "approve"), ("reason", "called the number on file")];
    assert_eq!(officer.post(&format!("{path}/sign"), &decided).await.status, 409, "nobody is on record");
    let owners = owner.open("/control/acls/owners").await.text();
    sign(&mut owner, &owners, "/control/acls/owners").await;
    assert!(officer.open(&path).await.text().contains("Go on to sign"));
    let page = officer.post(&format!("{path}/sign"), &decided).await.text();
    sign(&mut officer, &page, &format!("{path}/decide")).await;
    assert_eq!(retail.inquiry_status(&id).await, "APPROVED");
    // The provider's own word comes too late, and moves nothing.
    world.report("inquiry.declined", &id).await;
    assert_eq!(retail.inquiry_status(&id).await, "APPROVED");
    let certificate = &world.app.fixture.recipient.certificate;
    let recovered = retail.recover(user, &id, certificate).await.ok();
    let message = crate::story::message(&recovered["backup"][0]);
    assert_eq!(world.app.fixture.recipient.gpg().decrypt(&message), secret("seed"));
    let other = world.app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    assert_eq!(other.audit("").await.len(), 0, "another tenant has nothing of it");
}
