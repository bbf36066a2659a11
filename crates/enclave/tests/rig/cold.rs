//! Two enclaves and the folder that is carried between them.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use boundary::approval::{AclDocument, Roster};
use boundary::batch::SignedBinding;
use boundary::ceremony::Purpose;
use boundary::cold::*;
use boundary::message::{Bound, Package, Succeed};

use super::control::*;
use super::keeper::{Keeper, begin, found, to};
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
    /// The shares of its root key, of which three open; none where that lies on the disk.
    pub shares: Vec<Vec<u8>>,
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

/// Starts the offline enclave by this command, to wait for the holders of its shares.
pub fn waiting(folder: &Folder, env: Env, command: &mut Command) -> Enclave {
    let socket = folder.path("offline.sock");
    command.args(["--env", env.as_str(), "--state"]).arg(folder.path("offline"));
    command.arg("--socket").arg(&socket).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("sealed"), "{line}");
    Enclave { child, socket, env }
}

/// Gives shares to one that waits, which are enough.
pub fn open_by(waiting: &Enclave, shares: &[Vec<u8>]) {
    give_all(waiting, Purpose::Unseal, shares);
}

/// Which opening a bundle is for.
pub fn sitting(bundle: &[u8]) -> Purpose {
    Purpose::Sit(sha256(&File::from_bytes(bundle).unwrap().head.body))
}

/// Gives shares, which are enough, to one that waits to be opened for a bundle.
pub fn sit_by(waiting: &Enclave, bundle: &[u8], shares: &[Vec<u8>]) {
    give_all(waiting, sitting(bundle), shares);
}

fn give_all(waiting: &Enclave, purpose: Purpose, shares: &[Vec<u8>]) {
    let begun = begin(waiting, purpose);
    let given = shares.iter().map(|share| expect!(waiting.call(&to(&begun, share)), Given).done);
    assert_eq!(given.collect::<Vec<_>>().last(), Some(&true));
}

impl Ceremony {
    pub fn new(env: Env) -> Self {
        let folder = Folder::new();
        let offline = folder.path("offline");
        if env == Env::Production {
            run(program().args(["init", "--root", "disk", "--env", "production", "--state"]).arg(&offline));
        }
        run(program().args(["offline-key", "--env", env.as_str(), "--state"]).arg(&offline));
        Self::between(folder, env, Vec::new())
    }

    /// The same of production, with the root key of the offline side in five shares.
    pub fn in_shares(keeper: &Keeper) -> Self {
        let folder = Folder::new();
        let mut founding = waiting(&folder, Env::Production, program().arg("offline-key"));
        let shares = found(&founding, keeper);
        open_by(&founding, &shares[..3]);
        assert!(founding.child.wait().unwrap().success());
        Self::between(folder, Env::Production, shares)
    }

    fn between(folder: Folder, env: Env, shares: Vec<Vec<u8>>) -> Self {
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
            shares,
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

    /// Carries bytes to the offline machine; how its enclave is asked to answer them.
    pub fn asked_offline(&self, bytes: &[u8]) -> Command {
        let (from, to) = (self.folder.path("in"), self.folder.path("out"));
        let _ = std::fs::remove_dir_all(&to);
        for folder in [&from, &to] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(from.join(REQUEST_FILE), bytes).unwrap();
        let mut command = program();
        command.envs(self.offline_clock.clone()).arg("batch").args(&self.offline_extra);
        command.arg("--in").arg(&from).arg("--out").arg(&to);
        command
    }

    /// Carries bytes to the offline machine and has it answer them, opened by three holders where it is in shares.
    pub fn carry(&self, bytes: &[u8]) -> Result<File, i32> {
        let mut command = self.asked_offline(bytes);
        // For what is no bundle nobody is asked for a share.
        let is_bundle = File::from_bytes(bytes).is_ok();
        if self.shares.is_empty() || !is_bundle {
            if !self.shares.is_empty() {
                command.arg("--socket").arg(self.folder.path("offline.sock"));
            }
            command.args(["--env", self.env.as_str(), "--state"]).arg(self.folder.path("offline"));
            return self.carried(command.output().unwrap().status);
        }
        let mut waits = waiting(&self.folder, self.env, &mut command);
        sit_by(&waits, bytes, &self.shares[1..4]);
        self.carried(waits.child.wait().unwrap())
    }

    /// What the offline enclave left when it ended.
    pub fn carried(&self, status: ExitStatus) -> Result<File, i32> {
        let answer = self.folder.path("out").join(ANSWER_FILE);
        if status.success() {
            return Ok(File::from_bytes(&std::fs::read(answer).unwrap()).unwrap());
        }
        assert!(!answer.exists(), "refused and answered");
        assert_eq!(status.signal(), None);
        Err(status.code().unwrap())
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
