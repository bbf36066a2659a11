//! The installation under attack, the people who keep something in it, and what their attacker holds.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::Env;
use boundary::approval::AclDocument;
use boundary::message::{Admit, ItemOutcome, KeyType, Open, PoolKey, Reply, Request};
use boundary::wire::frame;
use domain::credential::{Scope, TenantKind};
use domain::entropy::Entropy as _;
use domain::time::Timestamp;
use serde_json::{Value, json};
use server::edge::chance::SystemChance;
use testkit::persona::{self, Persona};
use testkit::{Actor, Answer, App, Given, Place, Plan};

use crate::expect;
use crate::rig::control::{Parcel, Person, attach, found, list, open_person};
use crate::rig::{
    Bundle, CANARY, Client, Folder, Gpg, Session, Signed, Stored, UserKey, admit_request, check_item,
    check_request, curve25519, now_ms, sha256, store, user_tag,
};
use crate::search::Searcher;

/// Each of these keeps something, and may recover five times a day.
const VICTIMS: usize = 12;
const MALLORIES: usize = 4;
/// RSA keys in stock, made while they are used; and so many before anything begins.
const POOL: u64 = 6;
const STOCK_AT_FIRST: i64 = 3;

/// A script: what it is called, which checks stop it (parted by commas; those of them stand one behind another), and
/// how it goes. It has succeeded if it says so, or if a plaintext came back.
#[derive(Clone, Copy)]
pub struct Attack {
    pub name: &'static str,
    pub without: &'static str,
    pub run: fn(&mut World) -> bool,
}

/// A name that nothing else has.
pub fn fresh_name(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{:05}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Somebody who keeps something at the retail tenant's.
#[derive(Clone)]
pub struct Victim {
    pub user: String,
    pub key: Given,
}

/// What a parcel of the partner's list is made of.
pub struct Board {
    pub tenant: String,
    pub list: AclDocument,
    pub owner: Person,
    pub anna: Person,
    pub ben: Person,
    pub mallory: Person,
    pub key: UserKey,
    pub unattached: UserKey,
    pub user: String,
}

pub struct World {
    // Ended before what they work on.
    pub client: Client,
    pub app: App,
    runtime: tokio::runtime::Runtime,
    pub persona: Persona,
    pub retail: Actor,
    pub tenant: String,
    victims: Vec<Victim>,
    turn: usize,
    /// The attacker's own accounts as a user: some, since each may recover five times a day as well.
    mallories: Vec<Victim>,
    pub board: Board,
    /// Where the victims' certificates come from.
    pub owners: Gpg,
    pub owner: Vec<u8>,
    /// The attacker's own GnuPG: all that he can open.
    own: Gpg,
    pub thief: Vec<u8>,
    searcher: Searcher,
    /// All that came back since the script began.
    doors: Vec<u8>,
    events: usize,
    pub folder: Folder,
    _theirs: Folder,
}

impl World {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (folder, theirs) = (Folder::new(), Folder::new());
        let (own, owners) = (Gpg::new(&folder), Gpg::new(&theirs));
        curve25519(&own, "thief");
        curve25519(&owners, "owner");
        let (thief, owner) = (own.export("thief"), owners.export("owner"));
        let (persona, app, retail, partner) = runtime.block_on(async {
            let persona = Persona::start().await;
            let plan = Plan::default().production().with_pool([POOL, 2, 2]).on_postgres();
            let app = plan.with_persona(&persona).start().await;
            let retail = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
            let partner = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
            (persona, app, retail, partner)
        });
        while app.place.rows("pool_keys WHERE key_type = 'rsa4096'") < STOCK_AT_FIRST {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let mut client = Client::connect(app.enclave.socket());
        let mut searcher = Searcher::new();
        searcher.add("an item that was stored past the server", CANARY.as_bytes());
        let tenant = retail.tenant.as_ref().unwrap().to_string();
        let board = Board::found(&runtime, &app, &mut client, &partner);
        let mut world = Self {
            client,
            app,
            runtime,
            persona,
            retail,
            tenant,
            victims: Vec::new(),
            turn: 0,
            mallories: Vec::new(),
            board,
            owners,
            owner,
            own,
            thief,
            searcher,
            doors: Vec::new(),
            events: 0,
            folder,
            _theirs: theirs,
        };
        world.victims = (0..VICTIMS).map(|n| world.enrol(&format!("victim-{n}"))).collect();
        world.mallories = (0..MALLORIES).map(|n| world.enrol(&format!("mallory-{n}"))).collect();
        world
    }

    /// The service's clock stands by itself.
    fn keep_time(&self) {
        use server::edge::clock::Clock as _;
        let behind = now_ms() - self.app.clock.now().ms();
        self.app.clock.advance(std::time::Duration::from_millis(u64::try_from(behind).unwrap_or(0)));
    }

    /// What happens over HTTP.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.keep_time();
        self.runtime.block_on(work)
    }

    /// From the next script on, the enclave leaves these checks out.
    pub fn leave_out(&mut self, checks: &str) {
        self.app.enclave.restart_without(checks);
        self.client = Client::connect(self.app.enclave.socket());
    }

    /// A new script begins, on another victim.
    pub fn begin(&mut self) {
        self.doors.clear();
        self.turn += 1;
    }

    pub fn victim(&self) -> Victim {
        self.victims[self.turn % VICTIMS].clone()
    }

    /// The attacker, as a user.
    pub fn mallory(&self) -> Victim {
        self.mallories[self.turn % MALLORIES].clone()
    }

    /// Whose plaintexts came back since the script began.
    pub fn hits(&self) -> Vec<String> {
        self.searcher
            .in_bytes(&self.doors)
            .into_iter()
            .map(|(name, form)| format!("{name} ({form})"))
            .collect()
    }

    /// A request to the enclave; what comes back is kept, and opened where the attacker can.
    pub fn call(&mut self, request: &Request) -> Reply {
        let reply = self.client.call(request);
        self.doors.extend(frame(&reply));
        match &reply {
            Reply::Released(released) => {
                for item in &released.items {
                    if let ItemOutcome::Message(message) = item {
                        self.open(&message.armoured);
                    }
                }
            }
            Reply::Packaged(packaged) => self.open(&packaged.message),
            _ => {}
        }
        reply
    }

    /// An answer over HTTP, likewise.
    pub fn take(&mut self, answer: &Answer) -> u16 {
        self.doors.extend(&answer.body);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut open = vec![&body];
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) => {
                    let decoded = STANDARD.decode(text).unwrap_or_else(|_| text.clone().into_bytes());
                    if decoded.starts_with(b"-----BEGIN PGP") {
                        self.open(&decoded);
                    }
                }
                Value::Array(list) => open.extend(list),
                Value::Object(members) => open.extend(members.values()),
                _ => {}
            }
        }
        answer.status
    }

    fn open(&mut self, message: &[u8]) {
        let path = self.folder.path("message");
        std::fs::write(&path, message).unwrap();
        let opened = self.own.command().arg("--decrypt").arg(path).output().unwrap();
        self.doors.extend(opened.stdout);
    }

    /// Whether anything is released.
    pub fn releases(&mut self, bundle: &Bundle) -> bool {
        let reply = self.call(&Request::Release(bundle.request()));
        matches!(reply, Reply::Released(released) if released.delivery > 0)
    }

    pub fn packages(&mut self, parcel: &Parcel) -> bool {
        matches!(self.call(&Request::Package(parcel.request())), Reply::Packaged(_))
    }

    /// Puts the attacker's certificate, and an intent that names it, into what is asked.
    pub fn steal(&self, bundle: &mut Bundle) {
        let names = self.own.fingerprints("thief");
        bundle.certificate.clone_from(&self.thief);
        bundle.intent.recipient = boundary::intent::Recipient {
            openpgp_fpr: names[0].clone(),
            enc_subkey_fpr: names[1].clone(),
            cert_sha256: crate::rig::hex(&sha256(&self.thief)),
        };
    }

    /// A plaintext that nobody has seen before, and that is looked for from now on.
    pub fn plant(&mut self) -> Vec<u8> {
        let chance: [u8; 16] = SystemChance.bytes();
        let plaintext = format!("canary {}", crate::rig::hex(&chance)).into_bytes();
        self.searcher.add("an item of a victim's", &plaintext);
        plaintext
    }

    fn enrol(&mut self, user: &str) -> Victim {
        let inquiry = self.begin_check(user, None);
        self.pass(&inquiry);
        let body = json!({"user_identifier": user, "verification_id": inquiry});
        // The stock is made while it is used.
        let answer = loop {
            let answer = self.wait(self.retail.post("/v1/key/generate", &body));
            if answer.status != 503 {
                break answer.ok();
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        };
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let (key_id, public_key) = (text("key_id"), text("public_key"));
        Victim { user: user.to_owned(), key: Given { answer, key_id, public_key } }
    }

    /// Begins an identity check over HTTP.
    pub fn begin_check(&self, user: &str, fingerprint: Option<&str>) -> String {
        let mut body = json!({"user_identifier": user});
        if let Some(fingerprint) = fingerprint {
            body["gpg_fingerprint"] = json!(fingerprint);
        }
        let answer = self.wait(self.retail.post("/v1/verification/start", &body)).ok();
        answer["verification_id"].as_str().unwrap().to_owned()
    }

    /// The provider reports an approval of an inquiry.
    pub fn pass(&mut self, inquiry: &str) {
        let event = self.event("inquiry.approved", inquiry);
        let body = event.to_string().into_bytes();
        let signature = persona::sign(&[persona::SECRET], now_ms() / 1_000, &body);
        let call = self.app.anonymous().call(&reqwest::Method::POST, "/v1/providers/persona/webhook");
        let call = call.header("persona-signature", &signature).raw("application/json", body);
        self.wait(call.send()).ok();
    }

    /// An event of an inquiry, not signed yet.
    pub fn event(&mut self, name: &str, inquiry: &str) -> Value {
        self.events += 1;
        self.persona.event(
            &format!("evt_{}_{}", now_ms(), self.events),
            name,
            inquiry,
            Timestamp::from_ms(now_ms()),
        )
    }

    /// The same of a session that the server never heard of, as the provider signs it.
    pub fn signed(
        &mut self,
        session: &Session,
        name: &str,
        inquiry: &str,
        alter: impl FnOnce(&mut Value),
    ) -> Signed {
        let mut event = self.event(name, inquiry);
        event["data"]["attributes"]["payload"]["data"]["attributes"]["reference-id"] = json!(session.id);
        alter(&mut event);
        let body = event.to_string().into_bytes();
        Signed { signature: persona::sign(&[persona::SECRET], now_ms() / 1_000, &body), body }
    }

    pub fn admit(&mut self, session: &Session, event: &Signed) -> Reply {
        let Request::Admit(request) = admit_request(session, event) else { unreachable!("it is one") };
        self.call(&Request::Admit(Admit { provider: "persona".into(), ..request }))
    }

    /// The admission that an approval of this session is.
    pub fn approve(&mut self, session: &Session, inquiry: &str) -> Vec<u8> {
        let event = self.signed(session, "inquiry.approved", inquiry, |_| ());
        expect!(self.admit(session, &event), Admitted).admission.expect("an approval")
    }

    /// What the server holds of an item that the victim of the turn has stored and asks to have back: with his own
    /// certificate, and where `bound` in a session that names his key.
    pub fn case(&mut self, bound: bool) -> Case {
        let victim = self.victim();
        let fingerprint = self.owners.fingerprint("owner");
        let inquiry = self.begin_check(&victim.user, bound.then_some(&*fingerprint));
        self.pass(&inquiry);
        let plaintext = self.plant();
        let item = victim.key.device().item(&fresh_name("item"), &plaintext);
        self.wait(self.retail.store(&victim.user, &inquiry, &victim.key, &[item]));
        self.loot(&victim.user, &inquiry, &plaintext)
    }

    fn loot(&mut self, user: &str, inquiry: &str, plaintext: &[u8]) -> Case {
        let text = "SELECT v.ticket, v.admission, v.session_id, b.id, b.key_id, b.item_key, b.ciphertext, b.record, \
            k.sealed, k.public_key FROM verifications v JOIN backups b ON b.verification_id = v.id \
            JOIN customer_keys k ON k.id = b.key_id WHERE v.id = $1";
        let Place::Postgres(address) = &self.app.place else { unreachable!("it runs on PostgreSQL") };
        let row = cluster::on_own_thread(address, |client| client.query_one(text, &[&inquiry])).unwrap();
        let (ticket, admission): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
        let session = Session { id: row.get(2), ticket };
        let key_id: String = row.get(4);
        let sealed: Vec<u8> = row.get(8);
        let pool = PoolKey {
            key_id: key_id.clone(),
            key_type: KeyType::Rsa4096,
            public_key: row.get(9),
            sealed: Vec::new(),
        };
        let stored = Stored {
            backup_id: row.get(3),
            key_id,
            item: boundary::message::ReleaseItem {
                item_key: row.get(5),
                key: sealed.clone(),
                ciphertext: row.get(6),
                // Sealed in its row by the server's keys, which its attacker has.
                checksum: sha256(plaintext),
                record: row.get(7),
            },
            plaintext: plaintext.to_vec(),
        };
        let (client, owner, tenant) = (&mut self.client, &self.owner, self.tenant.as_str());
        let admissions = std::slice::from_ref(&admission);
        let items = std::slice::from_ref(&stored);
        let bundle =
            Bundle::new(client, Env::Production, tenant, user, &session, admissions, inquiry, owner, items);
        Case {
            user: user.to_owned(),
            inquiry: inquiry.to_owned(),
            session,
            admission,
            stored,
            bundle,
            key: UserKey { pool, sealed },
        }
    }

    /// A session that the attacker opens for himself, passed as himself.
    pub fn own_session(&mut self) -> (Session, Vec<u8>, String) {
        let (tenant, user) = (self.tenant.clone(), self.mallory().user.clone());
        let session = self.session(&tenant, &user);
        let inquiry = fresh_name("inq");
        let admission = self.approve(&session, &inquiry);
        (session, admission, inquiry)
    }

    pub fn session(&mut self, tenant: &str, user: &str) -> Session {
        let (tenant_id, user_identifier) = (tenant.into(), user.into());
        let request = Request::Open(Open { tenant_id, user_identifier, openpgp_fingerprint: None });
        let opened = expect!(self.call(&request), Opened);
        Session { id: opened.session_id, ticket: opened.ticket }
    }

    /// Statements as the database's superuser.
    pub fn sql(&self, statements: &str) {
        self.app.place.run(statements);
    }

    /// What the enclave said last, to itself.
    pub fn last_words(&self) -> String {
        let said = std::fs::read_to_string(self.app.folder().join("enclave.log")).unwrap_or_default();
        said.lines().last().unwrap_or_default().to_owned()
    }

    /// Every row of every table, as the database prints it.
    pub fn read_database(&mut self) {
        let Place::Postgres(address) = &self.app.place else { unreachable!("it runs on PostgreSQL") };
        let rows: Vec<String> = cluster::on_own_thread(address, |client| {
            let names =
                "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
            let mut rows = Vec::new();
            for table in client.query(names, &[])? {
                let text = format!("SELECT t::text FROM {} t", table.get::<_, String>(0));
                rows.extend(client.query(&text, &[])?.iter().map(|row| row.get::<_, String>(0)));
            }
            Ok(rows)
        })
        .unwrap();
        for row in rows {
            self.doors.extend(row.into_bytes());
        }
    }

    /// The untouched request of the turn's victim is released, to him.
    pub fn still_serves(&mut self) -> bool {
        let case = self.case(true);
        let reply = self.call(&Request::Release(case.bundle.request()));
        let Reply::Released(released) = reply else { return false };
        let ItemOutcome::Message(message) = &released.items[0] else { return false };
        self.owners.decrypt(&message.armoured) == case.stored.plaintext
    }

    /// What a member asks of the board's list for the attacker's certificate or the customer's, before anybody voted.
    pub fn asked(&mut self, list: &AclDocument, key: &UserKey, certificate: &[u8]) -> Parcel {
        let tenant = self.board.tenant.clone();
        let session = open_person(&mut self.client, &tenant, "anna");
        let inquiry = fresh_name("inq");
        let admission = self.approve(&session, &inquiry);
        let client = &mut self.client;
        let stored = store(client, key, &tenant, &self.board.user, None, &fresh_name("backup"));
        let asks = (&self.board.anna, &session);
        let items = std::slice::from_ref(&stored);
        let mut parcel = Parcel::new(client, list, asks, &self.board.user, certificate, (items, &[]));
        parcel.bundle.intent.verification_id = inquiry;
        parcel.bundle.admissions = vec![admission];
        parcel
    }

    /// Has an item checked anew, as stored under that session.
    pub fn check(
        &mut self,
        key: &UserKey,
        user: &str,
        session: Option<&Session>,
        stored: &Stored,
    ) -> Option<Vec<u8>> {
        let tenant = self.tenant.clone();
        let item = boundary::message::CheckItem {
            backup_id: stored.backup_id.clone(),
            item_key: stored.item.item_key.clone(),
            ciphertext: stored.item.ciphertext.clone(),
            checksum: stored.item.checksum,
        };
        match self.call(&check_request(key, &tenant, user, session, vec![item])) {
            Reply::Checked(mut checked) => checked.records.pop(),
            _ => None,
        }
    }

    /// Looked at by scripts of budgets: an item that is none.
    pub fn wrong_item(key: &UserKey) -> boundary::message::CheckItem {
        let mut item = check_item(key, "backup-x", b"sample");
        item.checksum = [0; 32];
        item
    }

    pub fn mallory_key(&self) -> UserKey {
        let Place::Postgres(address) = &self.app.place else { unreachable!("it runs on PostgreSQL") };
        let key_id = self.mallory().key.key_id.clone();
        let text = "SELECT sealed, public_key FROM customer_keys WHERE id = $1";
        let row = cluster::on_own_thread(address, |client| client.query_one(text, &[&key_id])).unwrap();
        let pool = PoolKey { key_id, key_type: KeyType::Rsa4096, public_key: row.get(1), sealed: Vec::new() };
        UserKey { pool, sealed: row.get(0) }
    }
}

/// A victim's recovery, as the server holds it.
#[derive(Clone)]
pub struct Case {
    pub user: String,
    pub inquiry: String,
    pub session: Session,
    pub admission: Vec<u8>,
    pub stored: Stored,
    pub bundle: Bundle,
    pub key: UserKey,
}

impl Case {
    /// The same in a session of somebody's, by his approval.
    pub fn in_session(
        &self,
        session: &Session,
        admission: &[u8],
        inquiry: &str,
        user: &str,
        tenant: &str,
    ) -> Bundle {
        let mut bundle = self.bundle.clone();
        let ticket = session.ticket();
        user.clone_into(&mut bundle.user);
        bundle.ticket.clone_from(&session.ticket);
        bundle.admissions = vec![admission.to_vec(), self.admission.clone()];
        let intent = &mut bundle.intent;
        tenant.clone_into(&mut intent.tenant_id);
        intent.user_tag = crate::rig::hex(&user_tag(tenant, user));
        intent.session_nonce = crate::rig::hex(&ticket.nonce);
        intent.policy_hash = crate::rig::hex(&ticket.policy_hash);
        inquiry.clone_into(&mut intent.verification_id);
        bundle
    }
}

impl Board {
    fn found(runtime: &tokio::runtime::Runtime, app: &App, client: &mut Client, partner: &Actor) -> Self {
        let tenant = partner.tenant.as_ref().unwrap().to_string();
        let [owner, anna, ben, cora, mallory] = ["olga", "anna", "ben", "cora", "mallory"].map(Person::new);
        let list = list(Env::Production, &tenant, "list-1", &[&anna, &ben, &cora]);
        let roster = found(client, &owner, &list);
        let user = "customer-1".to_owned();
        let key = |customer: &str| {
            let given = runtime.block_on(partner.assigned(&user, customer));
            let Place::Postgres(address) = &app.place else { unreachable!("it runs on PostgreSQL") };
            let text = "SELECT sealed, public_key FROM customer_keys WHERE id = $1";
            let row =
                cluster::on_own_thread(address, |client| client.query_one(text, &[&given.key_id])).unwrap();
            let pool = PoolKey {
                key_id: given.key_id,
                key_type: KeyType::Rsa4096,
                public_key: row.get(1),
                sealed: Vec::new(),
            };
            UserKey { pool, sealed: row.get(0) }
        };
        let (guarded, unattached) = (key("customer-a"), key("customer-b"));
        attach(client, &owner, &roster, &list, &[&guarded]);
        Self { tenant, list, owner, anna, ben, mallory, key: guarded, unattached, user }
    }
}
