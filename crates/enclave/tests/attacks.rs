//! What a captured server can try against a production enclave: it has the socket, every token, every sealed key
//! and every ciphertext, and sends whatever it likes. No script may get one byte of plaintext, or a message that
//! somebody else can read; after each, the untouched bundle releases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]
#![expect(clippy::assigning_clones, reason = "an attack reads as what is put in the place of what")]

#[path = "attacks/evidence.rs"]
mod evidence;
#[path = "attacks/freezes.rs"]
mod freezes;
#[path = "attacks/items.rs"]
mod items;
#[path = "attacks/limits.rs"]
mod limits;
#[path = "attacks/policies.rs"]
mod policies;
#[path = "attacks/reviews.rs"]
mod reviews;
mod rig;

use std::sync::atomic::{AtomicU32, Ordering};

use boundary::Env;
use boundary::message::{
    Admit, Bind, Check, CheckItem, Hello, ItemOutcome, RecipientFault, Refusal, Reply, Request, Verify,
};
use boundary::token::{Admission, Outcome, Record};
use boundary::wire::Wire;
use rig::*;

/// The enclave under attack, and what its server holds.
struct World {
    folder: Folder,
    enclave: Enclave,
    client: Client,
    provider: Provider,
    gpg: Gpg,
    owner: Vec<u8>,
    thief: Vec<u8>,
    key: UserKey,
    spare: UserKey,
    others: UserKey,
    elsewhere: UserKey,
    panel: reviews::Panel,
}

const OTHER: &str = "user-2";
const ELSEWHERE: &str = "tenant-b";

/// An approved session of [`USER`] with two items, and the release of them.
#[derive(Clone)]
struct Case {
    session: Session,
    admission: Vec<u8>,
    inquiry: String,
    stored: Vec<Stored>,
    bundle: Bundle,
}

impl World {
    fn new() -> Self {
        Self::of(&unlimited())
    }

    fn of(settings: &Settings) -> Self {
        let folder = Folder::new();
        let enclave = Enclave::start(&folder, settings);
        let gpg = Gpg::new(&folder);
        curve25519(&gpg, "owner");
        curve25519(&gpg, "thief");
        let (owner, thief) = (gpg.export("owner"), gpg.export("thief"));
        let mut client = enclave.connect();
        let key = new_key(&mut client, TENANT, USER);
        let spare = new_key(&mut client, TENANT, USER);
        let others = new_key(&mut client, TENANT, OTHER);
        let elsewhere = new_key(&mut client, ELSEWHERE, USER);
        let provider = Provider::start();
        let panel = reviews::Panel::found(&mut client);
        Self { folder, enclave, client, provider, gpg, owner, thief, key, spare, others, elsewhere, panel }
    }

    fn case(&mut self) -> Case {
        let key = self.key.clone();
        self.case_of(TENANT, USER, &key)
    }

    fn case_of(&mut self, tenant: &str, user: &str, key: &UserKey) -> Case {
        let session = open(&mut self.client, tenant, user, None);
        let inquiry = fresh("inq");
        let stored: Vec<Stored> = (0..2)
            .map(|_| store(&mut self.client, key, tenant, user, Some(&session), &fresh("backup")))
            .collect();
        let admission = approve(&mut self.client, &mut self.provider, &session, &inquiry);
        let bundle = Bundle::new(
            &mut self.client,
            Env::Production,
            tenant,
            user,
            &session,
            std::slice::from_ref(&admission),
            &inquiry,
            &self.owner,
            &stored,
        );
        Case { session, admission, inquiry, stored, bundle }
    }

    /// A release in the session of a case, of other items or to another certificate.
    fn again(&mut self, case: &Case, certificate: &[u8], stored: &[Stored]) -> Bundle {
        let admissions = std::slice::from_ref(&case.admission);
        let (env, session, inquiry) = (Env::Production, &case.session, &case.inquiry);
        Bundle::new(&mut self.client, env, TENANT, USER, session, admissions, inquiry, certificate, stored)
    }

    /// The release gives nothing.
    fn gives_nothing(&mut self, bundle: &Bundle, why: &str) {
        match bundle.send(&mut self.client) {
            Reply::Refused(_) => {}
            Reply::Released(released) => {
                let nothing = released.items.iter().all(|item| *item == ItemOutcome::Failed);
                assert!(nothing && released.delivery == 0, "{why}: something was released");
            }
            other => panic!("{why}: {other:?}"),
        }
    }

    fn refuses(&mut self, bundle: &Bundle, refusal: &Refusal, why: &str) {
        assert_eq!(bundle.send(&mut self.client), Reply::Refused(refusal.clone()), "{why}");
    }

    fn proof_fails(&mut self, bundle: &Bundle, why: &str) {
        self.refuses(bundle, &Refusal::ProofFailed, why);
    }

    /// One item fails and the other goes out.
    fn only_fails(&mut self, bundle: &Bundle, at: usize, why: &str) {
        let released = expect!(bundle.send(&mut self.client), Released);
        for (n, item) in released.items.iter().enumerate() {
            assert_eq!(*item == ItemOutcome::Failed, n == at, "{why}: item {n}");
        }
    }

    /// The untouched bundle releases every item, to the owner.
    fn releases(&mut self, case: &Case) {
        let released = expect!(case.bundle.send(&mut self.client), Released);
        for (item, stored) in released.items.iter().zip(&case.stored) {
            assert_eq!(self.gpg.decrypt(message(item)), stored.plaintext);
        }
    }

    /// What is asked for is released; which delivery it is.
    fn releases_bundle(&mut self, bundle: &Bundle) -> u32 {
        expect!(bundle.send(&mut self.client), Released).delivery
    }

    fn admit(&mut self, session: &Session, event: &Signed) -> Reply {
        self.client.call(&admit_request(session, event))
    }

    fn open(&mut self) -> Session {
        open(&mut self.client, TENANT, USER, None)
    }

    fn unauthentic(&mut self, session: &Session, more: &str) {
        let event = self.provider.sign(&session.id, more);
        assert_eq!(self.admit(session, &event), Reply::Refused(Refusal::EventNotAuthentic), "{more}");
    }
}

/// Scripts recover more often than a person may.
fn unlimited() -> Settings {
    Settings { extra: vec!["--recovery-limits".into(), "off".into()], ..Settings::default() }
}

fn fresh(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{:04}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// A token's encoding without its MAC.
fn bare(token: &[u8]) -> &[u8] {
    &token[..token.len() - 32]
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

type Script = (&'static str, fn(&mut World));

const SCRIPTS: &[Script] = &[
    ("invent a session", |world| {
        let case = world.case();
        let mut ticket = case.session.ticket();
        ticket.session_id = [1; 16];
        for mac in [vec![], vec![0; 32], case.session.ticket[case.session.ticket.len() - 32..].to_vec()] {
            let mut bundle = case.bundle.clone();
            bundle.ticket = [ticket.to_bytes(), mac].concat();
            world.proof_fails(&bundle, "invented");
        }
        world.releases(&case);
    }),
    ("flip every byte of the ticket", |world| {
        let case = world.case();
        for at in 0..case.bundle.ticket.len() {
            let mut bundle = case.bundle.clone();
            bundle.ticket = flipped(&bundle.ticket, at);
            world.proof_fails(&bundle, "ticket");
        }
        world.releases(&case);
    }),
    ("flip every byte of the admission", |world| {
        let case = world.case();
        for at in 0..case.admission.len() {
            let mut bundle = case.bundle.clone();
            bundle.admissions[0] = flipped(&case.admission, at);
            world.proof_fails(&bundle, "admission");
        }
        world.releases(&case);
    }),
    ("flip every byte of a record", |world| {
        let mut case = world.case();
        case.stored.truncate(1);
        case.bundle.items.truncate(1);
        case.bundle.intent.items.truncate(1);
        for at in 0..case.bundle.items[0].record.len() {
            let mut bundle = case.bundle.clone();
            bundle.items[0].record = flipped(&bundle.items[0].record, at);
            world.gives_nothing(&bundle, "record");
        }
        world.releases(&case);
    }),
    ("pass one kind of token as another", |world| {
        let case = world.case();
        let record = case.bundle.items[0].record.clone();
        for token in [&case.session.ticket, &record] {
            let mut bundle = case.bundle.clone();
            bundle.admissions[0] = token.clone();
            world.proof_fails(&bundle, "as admission");
        }
        let mut bundle = case.bundle.clone();
        bundle.ticket = case.admission.clone();
        world.proof_fails(&bundle, "as ticket");
        world.releases(&case);
    }),
    ("forge an admission", |world| {
        let case = world.case();
        let session = world.open();
        let real = Admission::from_bytes(bare(&case.admission)).unwrap();
        let forged = Admission { session_id: session.ticket().session_id, ..real }.to_bytes();
        let mut bundle = case.bundle.clone();
        bundle.ticket = session.ticket.clone();
        bundle.intent.session_nonce = hex(&session.ticket().nonce);
        bundle.admissions = vec![[forged.as_slice(), &case.admission[forged.len()..]].concat()];
        world.proof_fails(&bundle, "forged");
        world.releases(&case);
    }),
    ("bring no admission, or another session's", |world| {
        let (case, other) = (world.case(), world.case());
        for admissions in
            [vec![], vec![other.admission.clone()], vec![other.admission.clone(), case.admission.clone()]]
        {
            let mut bundle = case.bundle.clone();
            bundle.admissions = admissions;
            world.proof_fails(&bundle, "admissions");
        }
        world.releases(&case);
        world.releases(&other);
    }),
    ("use a session that nobody approved", |world| {
        let case = world.case();
        let session = world.open();
        let mut bundle = case.bundle.clone();
        bundle.ticket = session.ticket.clone();
        bundle.intent.session_nonce = hex(&session.ticket().nonce);
        world.proof_fails(&bundle, "unapproved");
        world.releases(&case);
    }),
    ("name another user", |world| {
        let case = world.case();
        let mut bundle = case.bundle.clone();
        bundle.user = OTHER.into();
        world.proof_fails(&bundle, "user");
        bundle.intent.user_tag = hex(&user_tag(TENANT, OTHER));
        world.proof_fails(&bundle, "user and tag");
        let mut bundle = case.bundle.clone();
        bundle.intent.user_tag = hex(&user_tag(TENANT, OTHER));
        world.proof_fails(&bundle, "tag");
        world.releases(&case);
    }),
    ("take another user's items with one's own session", |world| {
        let others = world.others.clone();
        let (mine, theirs) = (world.case(), world.case_of(TENANT, OTHER, &others));
        let mut bundle = mine.bundle.clone();
        bundle.items = theirs.bundle.items.clone();
        bundle.intent.items = theirs.bundle.intent.items.clone();
        world.gives_nothing(&bundle, "their items");
        bundle.admissions.push(theirs.admission.clone());
        world.gives_nothing(&bundle, "their items and admission");
        world.releases(&mine);
        world.releases(&theirs);
    }),
    ("take another user's ciphertext under one's own key and record", |world| {
        let others = world.others.clone();
        let (mine, theirs) = (world.case(), world.case_of(TENANT, OTHER, &others));
        let mut bundle = mine.bundle.clone();
        bundle.items[0].ciphertext = theirs.bundle.items[0].ciphertext.clone();
        bundle.items[0].checksum = theirs.bundle.items[0].checksum;
        world.only_fails(&bundle, 0, "their ciphertext");
        world.releases(&theirs);
    }),
    ("bring another user's key", |world| {
        let mine = world.case();
        let mut bundle = mine.bundle.clone();
        bundle.items[0].key = world.others.sealed.clone();
        world.only_fails(&bundle, 0, "their key");
        world.releases(&mine);
    }),
    ("bring a pool key", |world| {
        let mine = world.case();
        let mut bundle = mine.bundle.clone();
        bundle.items[0].key = world.key.pool.sealed.clone();
        world.only_fails(&bundle, 0, "pool key");
        world.releases(&mine);
    }),
    ("rewrite whose key it is", |world| {
        let mine = world.case();
        let tag = user_tag(TENANT, OTHER);
        let sealed = world.others.sealed.clone();
        let at = sealed.windows(32).position(|window| window == tag).expect("the tag is in plain");
        let mut bundle = mine.bundle.clone();
        bundle.items[0].key = sealed.clone();
        bundle.items[0].key[at..at + 32].copy_from_slice(&user_tag(TENANT, USER));
        world.only_fails(&bundle, 0, "rewritten key");
        world.releases(&mine);
    }),
    ("mix tenants", |world| {
        let elsewhere = world.elsewhere.clone();
        let (here, there) = (world.case(), world.case_of(ELSEWHERE, USER, &elsewhere));
        let mut bundle = there.bundle.clone();
        bundle.items = here.bundle.items.clone();
        bundle.intent.items = here.bundle.intent.items.clone();
        bundle.admissions.push(here.admission.clone());
        world.gives_nothing(&bundle, "items from here, session from there");
        let mut bundle = here.bundle.clone();
        bundle.intent.tenant_id = ELSEWHERE.into();
        world.proof_fails(&bundle, "tenant in the intent");
        let mut bundle = here.bundle.clone();
        bundle.admissions = vec![there.admission.clone()];
        world.proof_fails(&bundle, "admission from there");
        world.releases(&here);
        world.releases(&there);
    }),
    ("bring tokens of a sandbox enclave with the same root key", |world| {
        let case = world.case();
        let folder = Folder::new();
        std::fs::create_dir_all(folder.path("state")).unwrap();
        std::fs::copy(world.folder.path("state/root.key"), folder.path("state/root.key")).unwrap();
        let sandbox = Enclave::start(&folder, &Settings { env: Env::Sandbox, ..Settings::default() });
        let mut client = sandbox.connect();
        assert_eq!(
            world.client.call(&Request::Hello(Hello { env: Env::Sandbox })),
            Reply::Refused(Refusal::Malformed)
        );
        let session = open(&mut client, TENANT, USER, None);
        let admission = approve(&mut client, &mut world.provider, &session, &case.inquiry);
        let mut bundle = case.bundle.clone();
        bundle.admissions = vec![admission.clone()];
        world.proof_fails(&bundle, "sandbox admission");
        bundle.ticket = session.ticket.clone();
        bundle.intent.session_nonce = hex(&session.ticket().nonce);
        world.proof_fails(&bundle, "sandbox ticket and admission");
        let key = new_key(&mut client, TENANT, USER);
        let mut bundle = case.bundle.clone();
        bundle.items[0].key = key.sealed;
        bundle.intent.env = Env::Sandbox;
        world.proof_fails(&bundle, "sandbox intent");
        bundle.intent.env = Env::Production;
        world.only_fails(&bundle, 0, "sandbox key");
        world.releases(&case);
    }),
    ("receive with one's own OpenPGP key", |world| {
        let case = world.case();
        let mut bundle = case.bundle.clone();
        bundle.certificate = world.thief.clone();
        world.proof_fails(&bundle, "another certificate than the intent's");
        world.releases(&case);
        let thief = world.thief.clone();
        let stolen = world.again(&case, &thief, &case.stored);
        world.refuses(&stolen, &Refusal::SessionUsed, "second delivery to another");
        world.releases(&case);
    }),
    ("ask for a fourth delivery", |world| {
        let case = world.case();
        for delivery in 1..=3 {
            let released = expect!(case.bundle.send(&mut world.client), Released);
            assert_eq!(released.delivery, delivery);
        }
        world.refuses(&case.bundle, &Refusal::SessionUsed, "fourth");
    }),
    ("ask for eight deliveries at once", |world| {
        let case = world.case();
        let socket = &world.enclave.socket;
        let replies: Vec<Reply> = std::thread::scope(|scope| {
            let ask = || case.bundle.send(&mut Client::connect(socket));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let used = replies.iter().filter(|reply| **reply == Reply::Refused(Refusal::SessionUsed)).count();
        assert_eq!(used, 5);
    }),
    ("take other items with a second delivery", |world| {
        let case = world.case();
        world.releases(&case);
        let mut bundle = case.bundle.clone();
        bundle.items.pop();
        bundle.intent.items.pop();
        world.refuses(&bundle, &Refusal::SessionUsed, "fewer");
        let key = world.key.clone();
        let more = store(&mut world.client, &key, TENANT, USER, Some(&case.session), &fresh("backup"));
        let stored = [case.stored.as_slice(), &[more]].concat();
        let owner = world.owner.clone();
        let bundle = world.again(&case, &owner, &stored);
        world.refuses(&bundle, &Refusal::SessionUsed, "more");
        world.releases(&case);
    }),
    ("receive where the session names a fingerprint", |world| {
        let fingerprint = world.gpg.fingerprint("owner");
        let session = open(&mut world.client, TENANT, USER, Some(&fingerprint));
        let key = world.key.clone();
        let stored = vec![store(&mut world.client, &key, TENANT, USER, Some(&session), &fresh("backup"))];
        let inquiry = fresh("inq");
        let admission = approve(&mut world.client, &mut world.provider, &session, &inquiry);
        let mut bundle_for = |certificate: &[u8]| {
            let admissions = std::slice::from_ref(&admission);
            let env = Env::Production;
            Bundle::new(
                &mut world.client,
                env,
                TENANT,
                USER,
                &session,
                admissions,
                &inquiry,
                certificate,
                &stored,
            )
        };
        let (good, bad) = (bundle_for(&world.owner), bundle_for(&world.thief));
        world.refuses(&bad, &Refusal::Recipient(RecipientFault::OtherFingerprint), "thief");
        world.releases(&Case { session: session.clone(), admission, inquiry, stored, bundle: good });
    }),
    ("check with another user's ticket or key", |world| {
        let theirs = open(&mut world.client, TENANT, OTHER, None);
        let item = check_item(&world.key, "backup-x", b"sample");
        let (key, others) = (world.key.clone(), world.others.clone());
        for (key, session) in [(&key, Some(&theirs)), (&others, None)] {
            let reply = world.client.call(&check_request(key, TENANT, USER, session, vec![item.clone()]));
            assert_eq!(reply, Reply::Refused(Refusal::SealBroken));
        }
        let pool = UserKey { sealed: key.pool.sealed.clone(), ..key };
        let reply = world.client.call(&check_request(&pool, TENANT, USER, None, vec![item]));
        assert_eq!(reply, Reply::Refused(Refusal::SealBroken));
    }),
    ("check too much, or nothing", |world| {
        let item = check_item(&world.key, "backup-x", b"sample");
        let key = world.key.clone();
        for count in [0, 4] {
            let items: Vec<CheckItem> = vec![item.clone(); count];
            let reply = world.client.call(&check_request(&key, TENANT, USER, None, items));
            assert_eq!(reply, Reply::Refused(Refusal::Malformed));
        }
        let Request::Check(check) = check_request(&key, TENANT, USER, None, vec![item]) else {
            unreachable!()
        };
        let nameless = Check { credential_id: String::new(), ..check };
        assert_eq!(world.client.call(&Request::Check(nameless)), Reply::Refused(Refusal::Malformed));
    }),
    ("forge a record of an item that was never checked", |world| {
        let case = world.case();
        let real = Record::from_bytes(bare(&case.bundle.items[0].record)).unwrap();
        let mut bundle = case.bundle.clone();
        let forged = Record { checked_at_ms: real.checked_at_ms + 1, ..real }.to_bytes();
        let mac = &case.bundle.items[0].record[forged.len()..];
        bundle.items[0].record = [forged.as_slice(), mac].concat();
        world.only_fails(&bundle, 0, "forged record");
        world.releases(&case);
    }),
    ("adopt a batch nobody signed", |world| {
        let adopt = boundary::message::Adopt { batch: vec![1], signature: vec![0; 64] };
        assert_eq!(world.client.call(&Request::Adopt(adopt)), Reply::Refused(Refusal::SealBroken));
    }),
    ("send garbage", |world| {
        use std::io::{Read, Write};
        for bytes in [vec![0xff; 64], vec![0, 0, 0, 0], vec![0, 0, 0, 2, 1, 99], vec![0, 0, 0, 2, 9, 1]] {
            let mut client = world.enclave.connect();
            client.0.write_all(&bytes).unwrap();
            client.0.shutdown(std::net::Shutdown::Write).unwrap();
            let refused = boundary::wire::frame(&Reply::Refused(Refusal::Malformed));
            let mut reply = vec![0; refused.len()];
            client.0.read_exact(&mut reply).unwrap();
            assert_eq!(reply, refused);
        }
        let case = world.case();
        world.releases(&case);
    }),
];

impl World {
    /// Every item fails; the session may have been used by an earlier part of the script.
    fn gives_nothing_but_used(&mut self, bundle: &Bundle) {
        match bundle.send(&mut self.client) {
            Reply::Refused(Refusal::SessionUsed) => {}
            Reply::Released(released) => assert_eq!(released.delivery, 0),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_script_gets_plaintext() {
    let mut world = World::new();
    let scripts =
        [SCRIPTS, evidence::SCRIPTS, freezes::SCRIPTS, items::SCRIPTS, policies::SCRIPTS, reviews::SCRIPTS]
            .concat();
    for (name, script) in &scripts {
        println!("attack: {name}");
        script(&mut world);
    }
    println!("figure: attack_scripts {} scripts", scripts.len());
    assert!(scripts.len() >= 52);
}
