//! People of Control, what they sign with, and what a server brings for them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use boundary::acl::Rule;
use boundary::approval::{
    AclDocument, Attachment, Document, KeyKind, Member, Owner, Roster, SigningKey, reject_preimage,
    vote_message,
};
use boundary::intent::preimage;
use boundary::token::person_tag_preimage;

use super::*;
use crate::expect;

pub const HOST: &str = "control.example";

/// Somebody with a passkey and a key of the offline tool.
pub struct Person {
    pub id: String,
    pub passkey: EcdsaKeyPair,
    pub offline: Ed25519KeyPair,
}

impl Person {
    pub fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            passkey: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            offline: Ed25519KeyPair::generate().unwrap(),
        }
    }

    pub fn keys(&self) -> Vec<SigningKey> {
        let key = |kind, public: &[u8], rp_id| SigningKey { kind, public_key: hex(public), rp_id };
        vec![
            key(KeyKind::WebAuthn, self.passkey.public_key().as_ref(), Some(HOST.to_owned())),
            key(KeyKind::Ed25519, self.offline.public_key().as_ref(), None),
        ]
    }

    pub fn member(&self) -> Member {
        let (person_id, name, keys) = (self.id.clone(), format!("Name of {}", self.id), self.keys());
        Member { person_id, name, veto: false, must: false, keys }
    }

    /// An assertion as a browser and an authenticator make it.
    pub fn asserts(&self, hash: &[u8; 32], alter: impl FnOnce(&mut Assertion)) -> Assertion {
        let client = format!(
            r#"{{"type":"webauthn.get","challenge":"{}","origin":"https://{HOST}","crossOrigin":false}}"#,
            base64url(hash)
        );
        let authenticator_data = [sha256(HOST.as_bytes()).as_slice(), &[0x05, 0, 0, 0, 1]].concat();
        let client_data_json = client.into_bytes();
        let mut assertion = Assertion { authenticator_data, client_data_json, signature: Vec::new() };
        alter(&mut assertion);
        let signed = [assertion.authenticator_data.as_slice(), &sha256(&assertion.client_data_json)].concat();
        assertion.signature = self.passkey.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec();
        assertion
    }

    pub fn ballot(&self, approve: bool, signature: Signature) -> Ballot {
        Ballot { person_id: self.id.clone(), approve, signature }
    }

    pub fn yes(&self, hash: &[u8; 32]) -> Ballot {
        self.ballot(true, Signature::WebAuthn(self.asserts(hash, |_| ())))
    }

    pub fn no(&self, hash: &[u8; 32]) -> Ballot {
        let rejected = sha256(&reject_preimage(hash));
        self.ballot(false, Signature::WebAuthn(self.asserts(&rejected, |_| ())))
    }

    pub fn yes_offline(&self, hash: &[u8; 32]) -> Ballot {
        let signature = self.offline.sign(&vote_message(hash)).as_ref().to_vec();
        self.ballot(true, Signature::Ed25519(signature))
    }
}

pub fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = bytes.iter().fold(String::new(), |bits, byte| bits + &format!("{byte:08b}"));
    let letter = |six: &[u8]| {
        let six = format!("{:0<6}", std::str::from_utf8(six).unwrap());
        char::from(alphabet[usize::from_str_radix(&six, 2).unwrap()])
    };
    bits.as_bytes().chunks(6).map(letter).collect()
}

pub fn hash_of(document: &impl Document) -> [u8; 32] {
    sha256(&document.preimage())
}

pub fn bytes_of(document: &impl Document) -> Vec<u8> {
    document.to_canonical().into_bytes()
}

pub fn roster(env: Env, tenant: &str, owners: &[&Person]) -> Roster {
    let owner = |person: &&Person| {
        let (person_id, name) = (person.id.clone(), format!("Name of {}", person.id));
        Owner { person_id, name, keys: person.keys() }
    };
    let (owners, officers) = (owners.iter().map(owner).collect(), Vec::new());
    Roster { env, tenant_id: tenant.into(), version: 1, prev_hash: None, owners, officers }
}

pub fn list(env: Env, tenant: &str, acl_id: &str, members: &[&Person]) -> AclDocument {
    AclDocument {
        env,
        tenant_id: tenant.into(),
        acl_id: acl_id.into(),
        version: 1,
        prev_hash: None,
        name: "Board".into(),
        rule: Rule::Exact(2),
        members: members.iter().map(|person| person.member()).collect(),
        vote_window_s: 604_800,
        delay_hot_s: 0,
        delay_cold_s: 0,
        check_requester: true,
        check_voters: false,
        any_member_may_ask: false,
    }
}

/// What comes after a version of a list.
pub fn next(list: &AclDocument, alter: impl FnOnce(&mut AclDocument)) -> AclDocument {
    let (version, prev_hash) = (list.version + 1, Some(hex(&hash_of(list))));
    let mut next = AclDocument { version, prev_hash, ..list.clone() };
    alter(&mut next);
    next
}

pub fn amend(
    client: &mut Client,
    document: &impl Document,
    current: Option<&[u8]>,
    roster: Option<&Roster>,
    ballots: Vec<Ballot>,
) -> Reply {
    client.call(&Request::Amend(Amend {
        document: bytes_of(document),
        current: current.map(<[u8]>::to_vec),
        roster: roster.map(bytes_of),
        ballots,
    }))
}

/// A roster of this one Owner, and the first version of a list.
pub fn found(client: &mut Client, owner: &Person, list: &AclDocument) -> Roster {
    let roster = roster(list.env, &list.tenant_id, &[owner]);
    expect!(amend(client, &roster, None, None, vec![owner.yes(&hash_of(&roster))]), Amended);
    let amended = expect!(amend(client, list, None, Some(&roster), vec![owner.yes(&hash_of(list))]), Amended);
    assert_eq!((amended.hash, amended.version), (hash_of(list), 1));
    roster
}

pub fn attach_request(owner: &Person, roster: &Roster, list: &AclDocument, keys: &[&UserKey]) -> Attach {
    let mut key_ids: Vec<String> = keys.iter().map(|key| key.pool.key_id.clone()).collect();
    key_ids.sort();
    let genesis_hash = hex(&hash_of(list));
    let (env, tenant_id, acl_id) = (list.env, list.tenant_id.clone(), list.acl_id.clone());
    let attachment = Attachment { env, tenant_id, acl_id, genesis_hash, key_ids };
    Attach {
        acl: bytes_of(list),
        roster: bytes_of(roster),
        keys: keys.iter().map(|key| key.sealed.clone()).collect(),
        ballot: owner.yes(&hash_of(&attachment)),
    }
}

pub fn attach(client: &mut Client, owner: &Person, roster: &Roster, list: &AclDocument, keys: &[&UserKey]) {
    let request = Request::Attach(attach_request(owner, roster, list, keys));
    assert_eq!(expect!(client.call(&request), Attached).key_ids.len(), keys.len());
}

pub fn open_person(client: &mut Client, tenant: &str, person: &str) -> Session {
    let (tenant_id, user_identifier) = (tenant.into(), person.into());
    let request = Request::OpenPerson(Open { tenant_id, user_identifier, openpgp_fingerprint: None });
    let opened = expect!(client.call(&request), Opened);
    Session { id: opened.session_id, ticket: opened.ticket }
}

pub fn new_key_of(client: &mut Client, key_type: KeyType, tenant: &str, user: &str) -> UserKey {
    let pool = expect!(client.call(&Request::Generate(Generate { key_type })), Generated);
    let bound = expect!(client.call(&Request::Bind(bind_request(&pool, tenant, user))), Bound);
    UserKey { sealed: bound.sealed, pool }
}

/// A file under a key, as the server holds it.
pub fn file(key: &UserKey, backup_id: &str, bytes: &[u8]) -> Stored {
    Stored {
        backup_id: backup_id.into(),
        key_id: key.pool.key_id.clone(),
        item: ReleaseItem {
            item_key: String::new(),
            key: key.sealed.clone(),
            ciphertext: bytes.to_vec(),
            checksum: [0; 32],
            record: Vec::new(),
        },
        plaintext: bytes.to_vec(),
    }
}

/// All that a server brings to a package.
#[derive(Clone)]
pub struct Parcel {
    pub bundle: Bundle,
    pub list: AclDocument,
    pub ballots: Vec<Ballot>,
    pub keys: Vec<UserKey>,
}

impl Parcel {
    /// What a person asks of a list, in a session of his, before anybody has voted or been checked.
    pub fn new(
        client: &mut Client,
        list: &AclDocument,
        (asks, session): (&Person, &Session),
        user: &str,
        certificate: &[u8],
        (stored, keys): (&[Stored], &[UserKey]),
    ) -> Self {
        let (env, tenant) = (list.env, list.tenant_id.as_str());
        let mut bundle = Bundle::new(client, env, tenant, user, session, &[], "inq_1", certificate, stored);
        for (item, stored) in bundle.intent.items.iter_mut().zip(&bundle.items) {
            if stored.record.is_empty() {
                item.record_digest = hex(&sha256(&stored.ciphertext));
            }
        }
        let mut keys = keys.to_vec();
        keys.sort_by(|a, b| a.pool.key_id.cmp(&b.pool.key_id));
        bundle.user.clone_from(&asks.id);
        bundle.intent = Intent {
            flow: Flow::Control,
            user_tag: hex(&sha256(&person_tag_preimage(tenant, &asks.id))),
            requested_by: asks.id.clone(),
            keys: keys.iter().map(|key| key.pool.key_id.clone()).collect(),
            acl_id: list.acl_id.clone(),
            reason: "the customer lost his wallet".into(),
            policy_hash: hex(&hash_of(list)),
            policy_version: list.version,
            ..bundle.intent
        };
        Self { bundle, list: list.clone(), ballots: Vec::new(), keys }
    }

    pub fn hash(&self) -> [u8; 32] {
        sha256(&preimage(self.bundle.intent.to_canonical().as_bytes()))
    }

    pub fn voted(mut self, people: &[&Person]) -> Self {
        let hash = self.hash();
        self.ballots = people.iter().map(|person| person.yes(&hash)).collect();
        self
    }

    pub fn request(&self) -> Package {
        Package {
            release: self.bundle.request(),
            acl: bytes_of(&self.list),
            ballots: self.ballots.clone(),
            keys: self.keys.iter().map(|key| key.sealed.clone()).collect(),
        }
    }

    pub fn send(&self, client: &mut Client) -> Reply {
        client.call(&Request::Package(self.request()))
    }
}

/// Opens a package with GnuPG and unpacks it with tar, as its recipient does.
pub fn unpack(gpg: &Gpg, message: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let folder = Folder::new();
    std::fs::write(folder.path("package.tar"), gpg.decrypt(message)).unwrap();
    let out = folder.path("out");
    std::fs::create_dir(&out).unwrap();
    run(Command::new("tar").arg("-xf").arg(folder.path("package.tar")).arg("-C").arg(&out));
    let listing = run(Command::new("tar").arg("-tf").arg(folder.path("package.tar"))).stdout;
    let names = String::from_utf8(listing).unwrap();
    names.lines().map(|name| (name.to_owned(), std::fs::read(out.join(name)).unwrap())).collect()
}
