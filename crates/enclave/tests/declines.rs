//! A user who was declined often: his next approval is reviewed, and releases nothing before it was.

mod rig;

use boundary::Env;
use boundary::message::{Admitted, Refusal, Reply};
use rig::*;

struct World {
    folder: Folder,
    enclave: Enclave,
    client: Client,
    provider: Provider,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let enclave = Enclave::start(&folder, &Settings::default());
        let client = enclave.connect();
        Self { folder, enclave, client, provider: Provider::start() }
    }

    fn restart(&mut self) {
        self.enclave.kill();
        self.enclave = Enclave::start(&self.folder, &Settings::default());
        self.client = self.enclave.connect();
    }

    fn open(&mut self, user: &str) -> Session {
        open(&mut self.client, TENANT, user, None)
    }

    fn admit(&mut self, session: &Session, event: &Signed) -> Admitted {
        expect!(self.client.call(&admit_request(session, event)), Admitted)
    }

    /// A further event of the session, of this name.
    fn tell(&mut self, session: &Session, name: &str) -> Admitted {
        let event = self.provider.sign(&session.id, &format!("\"name\":\"inquiry.{name}\""));
        self.admit(session, &event)
    }

    /// Checks of a user that end so.
    fn ended(&mut self, user: &str, name: &str, times: usize) {
        for _ in 0..times {
            let session = self.open(user);
            let told = self.tell(&session, name);
            assert_eq!((told.admission, told.identity_differs, told.declined_often), (None, false, false));
        }
    }

    /// Whether the first approval of a new session counts at once.
    fn passes(&mut self, user: &str) -> bool {
        let session = self.open(user);
        let told = self.tell(&session, "approved");
        assert_eq!(told.admission.is_none(), told.declined_often);
        assert!(!told.identity_differs);
        !told.declined_often
    }
}

#[test]
fn after_five_declines_an_approval_releases_nothing_before_the_next() {
    let mut world = World::new();
    let gpg = Gpg::new(&world.folder);
    curve25519(&gpg, "owner");
    let key = new_key(&mut world.client, TENANT, USER);
    world.ended(USER, "declined", 5);
    let session = world.open(USER);
    let stored = store(&mut world.client, &key, TENANT, USER, Some(&session), "backup-1");
    let first = world.provider.sign(&session.id, "");
    // However often it comes, and whatever the enclave has gone through meanwhile, it is the same approval.
    for _ in 0..2 {
        for _ in 0..2 {
            let told = world.admit(&session, &first);
            assert_eq!((told.admission, told.identity_differs, told.declined_often), (None, false, true));
        }
        world.restart();
    }
    for name in ["started", "completed", "expired"] {
        assert_eq!(world.tell(&session, name).admission, None, "{name}");
    }
    let at_ms = now_ms() + 1_000;
    let second = world.provider.sign(&session.id, &format!("\"at_ms\":{at_ms}"));
    let told = world.admit(&session, &second);
    assert!(!told.declined_often && !told.identity_differs);
    assert_eq!(told.event_at_ms, at_ms, "the window begins with the review's end");
    let release = |world: &mut World, admission: Vec<u8>| {
        let certificate = gpg.export("owner");
        let stored = std::slice::from_ref(&stored);
        let (env, admissions) = (Env::Production, [admission]);
        let client = &mut world.client;
        Bundle::new(client, env, TENANT, USER, &session, &admissions, "inq_1", &certificate, stored)
            .send(client)
    };
    let admission = told.admission.expect("the review's word");
    assert_eq!(expect!(release(&mut world, admission.clone()), Released).delivery, 1);
    // Nothing that the first brought would have done: it is no admission, and no part of one.
    let told = world.admit(&session, &first);
    assert_eq!(told.admission, Some(admission), "the session's verdict by now");
    // The declines count on for other sessions, and so does the verdict of this one.
    assert!(!world.passes(USER));
}

#[test]
fn only_this_users_declined_checks_count_and_each_once() {
    let mut world = World::new();
    world.ended(USER, "declined", 4);
    for name in ["failed", "expired", "started", "completed"] {
        world.ended(USER, name, 5);
    }
    world.ended("user-2", "declined", 5);
    let session = world.open(USER);
    assert!(world.tell(&session, "approved").admission.is_some());
    // A final verdict is not taken back, so this is no fifth; nor is one session two declines.
    for _ in 0..2 {
        world.tell(&session, "declined");
    }
    assert!(world.passes(USER));
    assert!(world.passes("user-3"));
    assert!(!world.passes("user-2"));
    let last = world.open(USER);
    for _ in 0..2 {
        world.tell(&last, "declined");
    }
    assert!(!world.passes(USER), "that was the fifth");
    assert_eq!(world.tell(&last, "approved").admission, None, "no is final");
}

#[test]
fn what_people_have_reviewed_is_not_reviewed_again() {
    let mut world = World::new();
    world.ended(USER, "declined", 5);
    let session = world.open(USER);
    let told = world.tell(&session, "marked-for-review");
    assert_eq!((told.admission, told.declined_often), (None, false));
    assert!(world.tell(&session, "approved").admission.is_some());
    let session = world.open(USER);
    assert!(world.tell(&session, "approved").declined_often);
    world.tell(&session, "declined");
    assert_eq!(world.tell(&session, "approved").admission, None, "the review ended with no");
}

#[test]
fn who_waits_for_a_review_does_not_become_the_user() {
    let mut world = World::new();
    world.ended(USER, "declined", 5);
    let session = world.open(USER);
    let event = world.provider.sign(&session.id, r#""person":{"name-first":"Mallory"}"#);
    assert!(world.admit(&session, &event).declined_often);
    let own = world.open(USER);
    assert!(world.tell(&own, "approved").declined_often);
    assert!(world.tell(&own, "approved").admission.is_some());
    let event = world.provider.sign(&session.id, r#""person":{"name-first":"Mallory"}"#);
    assert!(world.admit(&session, &event).identity_differs, "the owner was first");
}

#[test]
fn an_event_that_is_not_the_providers_declines_nobody() {
    let mut world = World::new();
    world.ended(USER, "declined", 4);
    let session = world.open(USER);
    let forged = world.provider.sign(&session.id, r#""name":"inquiry.declined","secrets":["old"]"#);
    let refused = world.client.call(&admit_request(&session, &forged));
    assert_eq!(refused, Reply::Refused(Refusal::EventNotAuthentic));
    let other = world.provider.sign(&session.id, r#""name":"inquiry.declined","status":"approved""#);
    assert_eq!(world.admit(&session, &other).admission, None);
    assert!(world.passes(USER));
}
