//! Two enclaves and the folder that is carried between them.

use std::os::unix::process::ExitStatusExt as _;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use boundary::approval::{AclDocument, Roster};
use boundary::batch::SignedBinding;
use boundary::cold::*;
use boundary::message::{Bound, Package, Succeed};

use super::control::*;
use super::machine::{movable, moved_by};
use super::*;
use crate::expect;

/// Both sides, and what the server between them remembers.
pub struct Ceremony {
    pub online: Enclave,
    pub client: Client,
    pub provider: Provider,
    pub gpg: Gpg,
    pub recipient: Vec<u8>,
    pub env: Env,
    pub sequence: u64,
    pub previous: [u8; 32],
    /// What the offline machine's clock is altered by.
    pub offline_clock: Vec<(&'static str, String)>,
    /// What its enclave is started with besides.
    pub offline_extra: Vec<String>,
    // Removed last.
    pub folder: Folder,
}

/// A key whose private half is offline.
pub struct ColdKey {
    pub user: UserKey,
    pub bound: Bound,
}

impl ColdKey {
    pub fn binding(&self) -> SignedBinding {
        SignedBinding::from_bytes(self.bound.binding.as_ref().unwrap()).unwrap()
    }

    pub fn tie(&self) -> Entry {
        Entry::Tie(self.binding())
    }
}

impl Ceremony {
    pub fn new(env: Env) -> Self {
        let folder = Folder::new();
        let offline = folder.path("offline");
        if env == Env::Production {
            run(program().args(["init", "--root", "disk", "--env", "production", "--state"]).arg(&offline));
        }
        run(program().args(["offline-key", "--env", env.as_str(), "--state"]).arg(&offline));
        let key = folder.path("offline/offline.pub").display().to_string();
        let extra = vec!["--offline-key".into(), key];
        let online = Enclave::start(&folder, &Settings { env, extra, ..Settings::default() });
        let gpg = Gpg::new(&folder);
        curve25519(&gpg, "recipient");
        let recipient = gpg.export("recipient");
        let (client, provider) = (online.connect(), Provider::start());
        let (sequence, previous) = (1, [0; 32]);
        Self {
            online,
            client,
            provider,
            gpg,
            recipient,
            env,
            sequence,
            previous,
            offline_clock: Vec::new(),
            offline_extra: Vec::new(),
            folder,
        }
    }

    /// How the online enclave is started.
    pub fn settings(&self) -> Settings {
        let key = self.folder.path("offline/offline.pub").display().to_string();
        Settings { env: self.env, extra: vec!["--offline-key".into(), key], ..Settings::default() }
    }

    /// Starts the online enclave again.
    pub fn restart(&mut self, settings: &Settings) {
        self.online.kill();
        self.online = Enclave::start(&self.folder, settings);
        self.client = self.online.connect();
    }

    /// Takes a copy of the online enclave's log as it is now.
    pub fn copy(&self) {
        std::fs::copy(self.folder.path("state/state.log"), self.folder.path("copy")).unwrap();
    }

    /// Puts the copy in the log's place: what was signed since is forgotten.
    pub fn put_back(&mut self) {
        self.online.kill();
        std::fs::copy(self.folder.path("copy"), self.folder.path("state/state.log")).unwrap();
        self.restart(&self.settings());
    }

    /// From now on the wall clocks of the online machine and of the offline one are so much ahead.
    pub fn set_clocks(&mut self, online_s: i64, offline_s: i64) {
        for (file, ahead_s) in [("online.ahead", online_s), ("offline.ahead", offline_s)] {
            std::fs::write(self.folder.path(file), format!("{ahead_s} 0")).unwrap();
        }
        self.offline_clock = movable(&self.folder, "offline.ahead").to_vec();
        let wrapper = moved_by(&self.folder, "online.ahead");
        self.restart(&Settings { wrapper, ..self.settings() });
    }

    /// The public key that the offline enclave is known by.
    pub fn offline(&self) -> Vec<u8> {
        let text = std::fs::read_to_string(self.folder.path("offline/offline.pub")).unwrap();
        unhex(text.lines().next().unwrap())
    }

    /// A bundle as it leaves, each part open to change.
    pub fn bundle(&mut self, entries: &[Entry]) -> File {
        let parts: Vec<_> = entries.iter().map(Wire::to_bytes).collect();
        let dispatch = Dispatch {
            offline: self.offline(),
            sequence: self.sequence,
            previous: self.previous,
            parts: parts.iter().map(|part| sha256(part)).collect(),
        };
        let head = expect!(self.client.call(&Request::Dispatch(dispatch)), Signed);
        File { head, parts }
    }

    /// Carries bytes to the offline machine and has it answer them.
    pub fn carry(&self, bytes: &[u8]) -> Result<File, i32> {
        let (from, to) = (self.folder.path("in"), self.folder.path("out"));
        let _ = std::fs::remove_dir_all(&to);
        for folder in [&from, &to] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(from.join(REQUEST_FILE), bytes).unwrap();
        let mut command = program();
        command.envs(self.offline_clock.clone());
        command.args(["batch", "--env", self.env.as_str(), "--state"]).arg(self.folder.path("offline"));
        command.args(&self.offline_extra);
        let output = command.arg("--in").arg(&from).arg("--out").arg(&to).output().unwrap();
        if output.status.success() {
            return Ok(File::from_bytes(&std::fs::read(to.join(ANSWER_FILE)).unwrap()).unwrap());
        }
        assert!(!to.join(ANSWER_FILE).exists(), "refused and answered");
        assert_eq!(output.status.signal(), None);
        Err(output.status.code().unwrap())
    }

    /// A whole ceremony; the replies.
    pub fn hold(&mut self, entries: &[Entry]) -> Vec<Reply> {
        let bundle = self.bundle(entries);
        let answers = self.carry(&bundle.to_bytes()).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, self.offline());
        key.verify(&preimage("answers", &answers.head.body), &answers.head.signature).unwrap();
        let head = Answers::from_bytes(&answers.head.body).unwrap();
        assert_eq!((head.sequence, head.bundle), (self.sequence, sha256(&bundle.head.body)));
        (self.sequence, self.previous) = (self.sequence + 1, head.bundle);
        assert_eq!(head.parts, answers.parts.iter().map(|part| sha256(part)).collect::<Vec<_>>());
        answers.parts.iter().map(|part| Reply::from_bytes(part).unwrap()).collect()
    }

    /// Keys of these kinds, of nobody yet.
    pub fn pool(&mut self, kinds: &[KeyType]) -> Vec<PoolKey> {
        let made = expect!(self.hold(&[Entry::Make(kinds.to_vec())]).remove(0), Made);
        expect!(self.client.call(&Request::Adopt(made)), Adopted).keys
    }

    /// Gives a key to a user.
    pub fn give(&mut self, pool: &PoolKey, tenant: &str, user: &str) -> ColdKey {
        self.given(pool, &Request::Bind(bind_request(pool, tenant, user)))
    }

    /// Gives a key to a user in the place of that one.
    pub fn replace(&mut self, old: &ColdKey, pool: &PoolKey, user: &str) -> ColdKey {
        let predecessor = old.user.sealed.clone();
        self.given(pool, &Request::Succeed(Succeed { bind: bind_request(pool, TENANT, user), predecessor }))
    }

    fn given(&mut self, pool: &PoolKey, request: &Request) -> ColdKey {
        let bound = expect!(self.client.call(request), Bound);
        ColdKey { user: UserKey { sealed: bound.sealed.clone(), pool: pool.clone() }, bound }
    }

    /// Keys of these kinds, each given to the user.
    pub fn keys(&mut self, kinds: &[KeyType], user: &str) -> Vec<ColdKey> {
        self.pool(kinds).iter().map(|pool| self.give(pool, TENANT, user)).collect()
    }

    /// The founding of a roster and of a list, with keys under it: at the online enclave, and as entries for the other.
    pub fn found(&mut self, owner: &Person, list: &AclDocument, keys: &[&UserKey]) -> Vec<Entry> {
        let roster = roster(list.env, &list.tenant_id, &[owner]);
        let signed = |document: &[u8], by: Option<&Roster>, hash: [u8; 32]| {
            Request::Amend(Amend {
                document: document.to_vec(),
                current: None,
                roster: by.map(bytes_of),
                ballots: vec![owner.yes(&hash)],
            })
        };
        let requests = vec![
            signed(&bytes_of(&roster), None, hash_of(&roster)),
            signed(&bytes_of(list), Some(&roster), hash_of(list)),
            Request::Attach(attach_request(owner, &roster, list, keys)),
        ];
        for request in &requests {
            assert!(!matches!(self.client.call(request), Reply::Refused(_)), "{request:?}");
        }
        requests.into_iter().map(Entry::Ask).collect()
    }

    /// A backup under a key, and the request for its check.
    pub fn stored(key: &ColdKey, user: &str, id: &str) -> (Stored, Entry) {
        let plaintext = format!("{CANARY} of {id}").into_bytes();
        let item = check_item(&key.user, id, &plaintext);
        let stored = Stored {
            backup_id: id.into(),
            key_id: key.user.pool.key_id.clone(),
            item: ReleaseItem {
                item_key: item.item_key.clone(),
                key: key.user.sealed.clone(),
                ciphertext: item.ciphertext.clone(),
                checksum: item.checksum,
                record: Vec::new(),
            },
            plaintext,
        };
        (stored, Entry::Ask(check_request(&key.user, TENANT, user, None, vec![item])))
    }

    /// What somebody asks of a list, checked and not yet voted on.
    pub fn asked(&mut self, list: &AclDocument, asks: &Person, what: (&[Stored], &[UserKey])) -> Parcel {
        let session = open_person(&mut self.client, TENANT, &asks.id);
        let mut parcel =
            Parcel::new(&mut self.client, list, (asks, &session), USER, &self.recipient.clone(), what);
        parcel.bundle.admissions = vec![approve(&mut self.client, &mut self.provider, &session, "inq_1")];
        parcel
    }

    /// What the online enclave says to a recovery.
    pub fn vouch(&mut self, parcel: &Parcel) -> Reply {
        let mut package = parcel.request();
        package.release.items.clear();
        package.keys.clear();
        self.client.call(&Request::Vouch(package))
    }

    /// The recovery, vouched for.
    pub fn release(&mut self, parcel: &Parcel) -> Vouched {
        let voucher = expect!(self.vouch(parcel), Signed);
        let mut package: Package = parcel.request();
        package.release.ticket.clear();
        package.release.admissions.clear();
        Vouched { package, voucher }
    }
}
