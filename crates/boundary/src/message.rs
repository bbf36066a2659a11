//! Every request the enclave answers, and every reply.
//!
//! There is no request that decrypts, that signs what the caller chose, or that is for debugging. What the server hands
//! over as `sealed`, `ticket`, `admission` or `record` is opaque to it: the enclave believes its own seal alone.

use crate::Env;
use crate::ceremony::{Begun, Dealt, Give, Given, Plan, Purpose, Reseal, Resealed, Standing};
use crate::checkpoint::{Cosign, Cosigned};
use crate::cold::{Dispatch, Signed};
use crate::freeze::{Freeze, Frozen, Thaw};
pub use crate::refusal::{RecipientFault, Refusal};
use crate::wire::{wire_enum, wire_struct};

/// The most items one check may carry.
pub const CHECK_ITEMS_MAX: usize = 3;

/// The most items one rewrap may carry: some seconds of work on a busy machine.
pub const REWRAP_ITEMS_MAX: usize = 64;

/// The most items one release may carry.
pub const RELEASE_ITEMS_MAX: usize = 1_000;

/// The largest archive that one package may hold, in bytes.
pub const PACKAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The largest OpenPGP certificate that is looked at, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 128 * 1024;

/// The largest provider event that is looked at, in bytes.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

wire_enum! {
    /// What pair a customer key is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum KeyType {
        /// RSA, 4,096 bits, e = 65537; public half as DER `SubjectPublicKeyInfo`.
        1 = Rsa4096,
        /// secp256k1; public half as the 33-byte compressed point.
        2 = Secp256k1,
        /// Ed25519; public half as its 32 bytes.
        3 = Ed25519,
    }
}

wire_enum! {
    /// One request.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Request {
        /// Who are you?
        1 = Hello(Hello),
        /// Make a key pair for the pool.
        2 = Generate(Generate),
        /// Take in a batch of keys made offline.
        3 = Adopt(Adopt),
        /// Tie a pool key to one user, for good, and sign its statement.
        4 = Bind(Bind),
        /// Open items, compare their checksums, say yes or no.
        5 = Check(Check),
        /// Begin an identity session for one user.
        6 = Open(Open),
        /// Verify a provider's signed event and seal what it proves.
        7 = Admit(Admit),
        /// Read an OpenPGP certificate and say whether it may receive a release.
        8 = Inspect(Inspect),
        /// Release items to a recipient, on proof.
        9 = Release(Release),
        /// What was released in a session, by the enclave's own log?
        10 = Recall(Recall),
        /// Is a key whole, or an item still what it was when it was checked? Say yes or no.
        11 = Prove(Prove),
        /// `Check` of items, none retail's, that only must open: for a checksum [`crate::token::NO_CHECKSUM`].
        12 = Try(Check),
        /// `Bind` in the place of another key, which the new one's seal then names.
        13 = Succeed(Succeed),
        /// Encrypt items of a key anew, to the key that replaces it.
        14 = Rewrap(Rewrap),
        /// Is a provider's event genuine, whatever it is about?
        15 = Verify(Verify),
        /// Let a tenant of a sandbox begin anew: nothing that was sealed for it before opens, or is believed.
        16 = Reset(Reset),
        /// Take a new version of a tenant's roster, of its policy, or of one of its access lists.
        17 = Amend(Amend),
        /// Put keys under an access list, for good.
        18 = Attach(Attach),
        /// `Open` for a person of Control, who is named in the user's place.
        19 = OpenPerson(Open),
        /// Release what an access list has approved, as one OpenPGP message.
        20 = Package(Package),
        /// Decide a session that is in review, in the provider's place.
        22 = Judge(Judge),
        /// Would a ballot count? Asked before one is kept that only the enclave can judge.
        23 = Weigh(Weigh),
        /// Make a root key and split it among holders. The enclave stays sealed until they have opened it.
        24 = Found(Plan),
        /// Take shares for a purpose; the same attempt for all who ask while it runs.
        25 = Begin(Purpose),
        /// Here is a share.
        26 = Give(Give),
        /// Hand out, once, the shares that a rekey has made.
        27 = Collect(Hello),
        /// How do things stand with the root key?
        28 = Stand(Hello),
        /// Compare the log with what the caller remembers of it.
        30 = Mark(Mark),
        /// Sign a checkpoint of an audit log, if it goes on from the last one.
        40 = Cosign(Cosign),
        /// Let nothing leave of a tenant for a time.
        38 = Freeze(Freeze),
        /// Let it leave again before that time is over.
        39 = Thaw(Thaw),
        /// Seal anew, in the epoch that is in force, what was sealed in the one before; else nothing of it changes.
        35 = Reseal(Reseal),
        /// Stop the version of an access list that waits to take effect, on one no of a member with a veto. For good.
        43 = Stop(Weigh),
        /// Vouch to the offline enclave for a recovery of COLD keys. Items and keys are left out.
        31 = Vouch(Package),
        /// Sign a bundle for the offline enclave.
        32 = Dispatch(Dispatch),
    }
}

wire_enum! {
    /// One reply. Each request has one reply of its own; [`Reply::Refused`] may answer any.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Reply {
        /// To `Hello`.
        1 = Welcome(Welcome),
        /// To `Generate`.
        2 = Generated(PoolKey),
        /// To `Adopt`.
        3 = Adopted(Adopted),
        /// To `Bind` and `Succeed`.
        4 = Bound(Bound),
        /// To `Check` and `Try`: every item opened and agreed with its checksum.
        5 = Checked(Checked),
        /// To `Open` and `OpenPerson`.
        6 = Opened(Opened),
        /// To `Admit`.
        7 = Admitted(Admitted),
        /// To `Inspect`.
        8 = Inspected(Recipient),
        /// To `Release`.
        9 = Released(Released),
        /// To `Recall`.
        10 = Recalled(Recalled),
        /// To `Prove`.
        11 = Proven(Proven),
        /// To `Rewrap`.
        12 = Rewrapped(Rewrapped),
        /// To `Verify` and `Weigh`: it is, it would. To `Stop`: it is stopped. Offline, to a binding: it is taken.
        15 = Verified(Verified),
        /// To `Reset`.
        16 = HasReset(HasReset),
        /// To `Amend`.
        17 = Amended(Amended),
        /// To `Attach`.
        18 = Attached(Attached),
        /// To `Package`.
        20 = Packaged(Packaged),
        /// To `Package`: approved, and not yet due.
        21 = Waiting(u32),
        /// To `Judge`.
        22 = Judged(Judged),
        /// To `Found` and `Collect`.
        24 = Dealt(Dealt),
        /// To `Begin`.
        25 = Begun(Begun),
        /// To `Give`.
        26 = Given(Given),
        /// To `Stand`.
        28 = Stands(Standing),
        /// To `Mark`.
        30 = Marked(Marked),
        /// To `Cosign`.
        40 = Cosigned(Cosigned),
        /// To `Freeze` and `Thaw`.
        38 = Frozen(Frozen),
        /// To `Reseal`.
        35 = Resealed(Resealed),
        /// To `Vouch` and `Dispatch`.
        31 = Signed(Signed),
        /// Offline, to an order for keys.
        34 = Made(Adopt),
        /// No, and no more than why.
        255 = Refused(Refusal),
    }
}

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// Who are you?
    pub struct Hello {
        /// The environment the caller is configured for; another one is refused.
        pub env: Env,
    }

    /// The enclave's public face.
    pub struct Welcome {
        /// Which installation this is.
        pub env: Env,
        /// The public halves of its signing keys.
        pub signing_keys: Vec<SigningKey>,
        /// The last record of its own log; only ever grows.
        pub log_sequence: u64,
        /// Which protections of the process the kernel granted, in words for the operator.
        pub protections: Vec<String>,
        /// How long after an approval a retail recovery is open, in seconds: the operator's one setting of it.
        pub retail_window_s: u32,
    }

    /// One signing key's public half: ECDSA on P-256.
    pub struct SigningKey {
        /// RFC 7638 thumbprint, base64url.
        pub kid: String,
        /// What it signs: `assignment-sig` or `receipt-sig`.
        pub purpose: String,
        /// The uncompressed point: `0x04`, x, y.
        pub point: Vec<u8>,
        /// Since when, milliseconds since the epoch.
        pub valid_from_ms: i64,
    }

    /// Make a key pair for the pool.
    pub struct Generate {
        /// Of which kind.
        pub key_type: KeyType,
    }

    /// A key that belongs to nobody yet.
    pub struct PoolKey {
        /// Its id, minted by the enclave; a UUID.
        pub key_id: String,
        /// Of which kind.
        pub key_type: KeyType,
        /// The public half, encoded as [`KeyType`] says.
        pub public_key: Vec<u8>,
        /// The sealed pair (HOT) or the sealed fact of its adoption (COLD).
        pub sealed: Vec<u8>,
    }

    /// Take in a batch of keys made offline.
    pub struct Adopt {
        /// The encoding of a [`crate::batch::Batch`].
        pub batch: Vec<u8>,
        /// The offline enclave's Ed25519 signature over [`crate::batch::preimage`].
        pub signature: Vec<u8>,
    }

    /// The batch's keys, ready for the pool. Adopting the same batch again answers the same keys.
    pub struct Adopted {
        /// One for each key of the batch.
        pub keys: Vec<PoolKey>,
    }

    /// Tie a pool key to one user.
    pub struct Bind {
        /// The pool key, as sealed.
        pub sealed: Vec<u8>,
        /// The tenant.
        pub tenant_id: String,
        /// The tenant's name for the user.
        pub user_identifier: String,
        /// The service's own UUID for the user.
        pub user_id: String,
        /// The fields to sign beside the public key, by name, in the request's order; none signs the bare key.
        pub sign_with: Vec<String>,
        /// The organisation, where there is one.
        pub external_customer_id: Option<String>,
        /// The package, where there is one.
        pub external_package_id: Option<String>,
        /// Who asks: the credential's id.
        pub pulled_by_id: String,
        /// Who asks: `api_key` or `user_credentials`.
        pub pulled_by_type: String,
    }

    /// A key that belongs to one user.
    pub struct Bound {
        /// The key, sealed to tenant and user.
        pub sealed: Vec<u8>,
        /// For a COLD key: the signed binding (see [`crate::batch::Binding`]) for the offline side.
        pub binding: Option<Vec<u8>>,
        /// ECDSA P-256 SHA-256, DER, over the payload, or over the public key's hexadecimal text.
        pub signature: Vec<u8>,
        /// What was signed, when fields were asked for.
        pub signed_payload: Option<String>,
        /// Which key signed.
        pub kid: String,
    }

    /// Tie a pool key to the user of another key, in that one's place.
    pub struct Succeed {
        /// As for a key that replaces none.
        pub bind: Bind,
        /// The key to be replaced, as sealed: of the same tenant, user and kind, and held in the same place.
        pub predecessor: Vec<u8>,
    }

    /// Encrypt items anew.
    pub struct Rewrap {
        /// The key that they are encrypted to, as sealed.
        pub from: Vec<u8>,
        /// The key that replaces it, as sealed: its seal names the first.
        pub to: Vec<u8>,
        /// 1 to [`REWRAP_ITEMS_MAX`].
        pub items: Vec<ProveItem>,
    }

    /// What came of it.
    pub struct Rewrapped {
        /// One for each item, in order; none where the record does not vouch for it, or it does not open.
        pub items: Vec<Option<MovedItem>>,
    }

    /// An item that answers to the new key.
    pub struct MovedItem {
        /// The same plaintext, encrypted to the new key, and opened again.
        pub ciphertext: Vec<u8>,
        /// The sealed [`crate::token::Record`]: what the old one said, of the new key.
        pub record: Vec<u8>,
    }

    /// Open items, compare their checksums, say yes or no.
    pub struct Check {
        /// Who asks, for the budget.
        pub credential_id: String,
        /// The tenant.
        pub tenant_id: String,
        /// The tenant's name for the user.
        pub user_identifier: String,
        /// The user's key, as sealed.
        pub key: Vec<u8>,
        /// The session that the items are stored under, on the retail path.
        pub ticket: Option<Vec<u8>>,
        /// 1 to [`CHECK_ITEMS_MAX`].
        pub items: Vec<CheckItem>,
    }

    /// One item to check.
    pub struct CheckItem {
        /// The id it will be stored under.
        pub backup_id: String,
        /// The item's name; empty where it has none.
        pub item_key: String,
        /// The RSA-OAEP ciphertext.
        pub ciphertext: Vec<u8>,
        /// SHA-256 of the plaintext, as the device computed it.
        pub checksum: [u8; 32],
    }

    /// All items are good.
    pub struct Checked {
        /// One sealed [`crate::token::Record`] an item, in order.
        pub records: Vec<Vec<u8>>,
    }

    /// Let a tenant begin anew.
    pub struct Reset {
        /// The tenant.
        pub tenant_id: String,
    }

    /// It did.
    pub struct HasReset {
        /// The tenant's generation from now on, counted from one.
        pub generation: u32,
    }

    /// Is a key whole, or an item still what it was when it was checked?
    pub struct Prove {
        /// The tenant.
        pub tenant_id: String,
        /// The tenant's name for the user.
        pub user_identifier: String,
        /// The user's key, as sealed.
        pub key: Vec<u8>,
        /// The public half that was given out.
        pub public_key: Vec<u8>,
        /// None: the key alone is proven.
        pub item: Option<ProveItem>,
    }

    /// One stored item.
    pub struct ProveItem {
        /// As it is stored.
        pub item: CheckItem,
        /// The sealed [`crate::token::Record`] of its check.
        pub record: Vec<u8>,
    }

    /// Yes or no.
    pub struct Proven {
        /// Yes: the signed record of it (see [`crate::record`]).
        pub record: Option<String>,
    }

    /// Begin an identity session.
    pub struct Open {
        /// The tenant.
        pub tenant_id: String,
        /// The tenant's name for the user.
        pub user_identifier: String,
        /// The only OpenPGP key that may receive, when known from the start: upper-case hexadecimal.
        pub openpgp_fingerprint: Option<String>,
    }

    /// A session.
    pub struct Opened {
        /// Its id; the provider's reference. 32 hexadecimal digits.
        pub session_id: String,
        /// The sealed [`crate::token::Ticket`].
        pub ticket: Vec<u8>,
    }

    /// Verify a provider's event.
    pub struct Admit {
        /// The session's ticket.
        pub ticket: Vec<u8>,
        /// The provider's name in the enclave's configuration.
        pub provider: String,
        /// The event's body, byte for byte as it came.
        pub body: Vec<u8>,
        /// The signature header, as it came.
        pub signature: String,
    }

    /// What the event proves.
    pub struct Admitted {
        /// The provider's id of the event.
        pub event_id: String,
        /// The event's name, such as `inquiry.approved`.
        pub name: String,
        /// When the provider says it happened, milliseconds since the epoch.
        pub event_at_ms: i64,
        /// The provider's id of the inquiry.
        pub verification_id: String,
        /// For an approval of this session: the sealed [`crate::token::Admission`].
        pub admission: Option<Vec<u8>>,
        /// An approval that shows another person than the baseline: to be reviewed, not approved.
        pub identity_differs: bool,
        /// An approval of a user who was declined often of late: to be reviewed. The next approval of this session,
        /// another event, is the word of those who did.
        pub declined_often: bool,
    }

    /// Say whether a provider signed an event. Proves nothing about anybody: that is [`Admit`]'s.
    pub struct Verify {
        /// The provider's name in the enclave's configuration.
        pub provider: String,
        /// The event's body, byte for byte as it came.
        pub body: Vec<u8>,
        /// The signature header, as it came.
        pub signature: String,
    }

    /// It did, and not ahead of time.
    pub struct Verified {
        /// When that was found, milliseconds since the epoch.
        pub at_ms: i64,
    }

    /// Read a certificate.
    pub struct Inspect {
        /// ASCII-armoured.
        pub certificate: Vec<u8>,
    }

    /// A certificate that may receive.
    pub struct Recipient {
        /// Primary fingerprint, upper-case hexadecimal.
        pub openpgp_fpr: String,
        /// Fingerprint of the key that is encrypted to.
        pub enc_subkey_fpr: String,
        /// SHA-256 of the certificate's bytes as handed over.
        pub cert_sha256: [u8; 32],
    }

    /// Release items, on proof.
    pub struct Release {
        /// The canonical JSON of a [`crate::intent::Intent`].
        pub intent: Vec<u8>,
        /// The tenant's name for the user.
        pub user_identifier: String,
        /// The session's ticket.
        pub ticket: Vec<u8>,
        /// The session's own admission first, then those of the sessions that the items were stored under.
        pub admissions: Vec<Vec<u8>>,
        /// The recipient's certificate, ASCII-armoured.
        pub certificate: Vec<u8>,
        /// In the intent's order.
        pub items: Vec<ReleaseItem>,
        /// The canonical JSON of the tenant's own [`crate::approval::TenantPolicy`] in force, and of the one that was at
        /// the session's opening, in any order; up to three are looked at. The built-in one is not among them.
        pub policies: Vec<Vec<u8>>,
        /// The tenant's compact JWS over [`crate::approval::request_payload`].
        pub request_signature: Option<String>,
    }

    /// One item to release.
    pub struct ReleaseItem {
        /// Its name.
        pub item_key: String,
        /// The user's key, as sealed.
        pub key: Vec<u8>,
        /// The RSA-OAEP ciphertext.
        pub ciphertext: Vec<u8>,
        /// SHA-256 of the plaintext.
        pub checksum: [u8; 32],
        /// The sealed [`crate::token::Record`] of its check.
        pub record: Vec<u8>,
    }

    /// What came of a release.
    pub struct Released {
        /// Which delivery of the session's one recovery this is: 1 to 3. 0 when no item could be released.
        pub delivery: u32,
        /// One for each item, in the intent's order.
        pub items: Vec<ItemOutcome>,
        /// The signed record of it (see [`crate::record`]); none when nothing went out. What it names as the output's
        /// digest is that of all armoured messages, one after another.
        pub record: Option<String>,
    }

    /// One item that went out.
    pub struct Message {
        /// An ASCII-armoured OpenPGP message.
        pub armoured: Vec<u8>,
        /// How many bytes the plaintext had.
        pub plaintext_bytes: u32,
    }

    /// What was released in a session?
    pub struct Recall {
        /// The session's ticket.
        pub ticket: Vec<u8>,
    }

    /// The enclave's own log of a session.
    pub struct Recalled {
        /// In order.
        pub deliveries: Vec<Delivery>,
    }

    /// One delivery, as logged.
    pub struct Delivery {
        /// When it was intended, milliseconds since the epoch.
        pub at_ms: i64,
        /// SHA-256 of [`crate::intent::preimage`].
        pub intent_hash: [u8; 32],
        /// How many items went out; none when the process ended between intent and release.
        pub items_released: Option<u32>,
    }
}

wire_enum! {
    /// What a person signed with; tried against each of his keys of that kind.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Signature {
        /// A passkey's assertion.
        1 = WebAuthn(Assertion),
        /// Ed25519 over [`crate::approval::vote_message`].
        2 = Ed25519(Vec<u8>),
        /// A detached OpenPGP signature over the same, binary or armoured.
        3 = OpenPgp(Vec<u8>),
    }
}

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// An assertion of WebAuthn Level 2 (§6.3.3).
    pub struct Assertion {
        /// As the authenticator signed it.
        pub authenticator_data: Vec<u8>,
        /// As the browser made it.
        pub client_data_json: Vec<u8>,
        /// ECDSA, DER.
        pub signature: Vec<u8>,
    }

    /// One person's vote on something: what, is the hash that he signed.
    pub struct Ballot {
        /// Who.
        pub person_id: String,
        /// Yes, or no.
        pub approve: bool,
        /// Over the hash of what is voted on, or of its rejection (see [`crate::approval`]).
        pub signature: Signature,
    }

    /// Say whether somebody on a list has signed a ballot. The list need not be in force, and nothing is noted.
    pub struct Weigh {
        /// The list's document, canonical.
        pub acl: Vec<u8>,
        /// The hash of what is voted on.
        pub hash: [u8; 32],
        /// His.
        pub ballot: Ballot,
    }

    /// Take a new version. The same one again answers the same.
    pub struct Amend {
        /// The canonical JSON of a roster, a policy or a list (see [`crate::approval`]).
        pub document: Vec<u8>,
        /// The version in force, where there is one.
        pub current: Option<Vec<u8>>,
        /// For a list's first version, and each of a policy: the roster in force, of which an Owner signs.
        pub roster: Option<Vec<u8>>,
        /// Over the new document's hash, each person once: of a list's members as it stands, or of one Owner.
        pub ballots: Vec<Ballot>,
    }

    /// It is taken.
    pub struct Amended {
        /// The document's hash.
        pub hash: [u8; 32],
        /// Its version.
        pub version: i64,
        /// From when it is in force, milliseconds since the epoch. Until then the version before is.
        pub effective_at_ms: i64,
    }

    /// Put keys under a list. What is signed is the [`crate::approval::Attachment`] of exactly these keys.
    pub struct Attach {
        /// The list's version in force.
        pub acl: Vec<u8>,
        /// The roster in force.
        pub roster: Vec<u8>,
        /// The keys, as sealed: up to [`crate::message::RELEASE_ITEMS_MAX`].
        pub keys: Vec<Vec<u8>>,
        /// Of one Owner.
        pub ballot: Ballot,
    }

    /// They are under it.
    pub struct Attached {
        /// Which, sorted.
        pub key_ids: Vec<String>,
    }

    /// Decide a session that is in review. The same again answers the same; without ballots, only asks.
    pub struct Judge {
        /// The session's ticket.
        pub ticket: Vec<u8>,
        /// The roster in force.
        pub roster: Vec<u8>,
        /// The canonical JSON of a [`crate::approval::Review`].
        pub review: Vec<u8>,
        /// Over its hash, each a yes: of an Officer, and of a second person, Officer or Owner, where an approval goes
        /// against a difference of identity.
        pub ballots: Vec<Ballot>,
    }

    /// Where that stands.
    pub struct Judged {
        /// The session shows another person than those of this user before, or names none.
        pub identity_mismatch: bool,
        /// The sealed [`crate::token::Admission`], whose event is the decision; none: signatures are missing.
        pub admission: Option<Vec<u8>>,
    }

    /// Release what a list has approved.
    pub struct Package {
        /// As for a release to a user, with the person who asks in his place: the intent is one of Control; the
        /// ticket is of the session that was opened for that person; the admissions are, where the list demands
        /// checks, that of whoever asks, in the ticket's session, then those of the people who approved. An item
        /// that is a file has the file's bytes as its ciphertext, an empty record, and a checksum that is not
        /// looked at: the intent's digest of it is its SHA-256. Items may be left out, and `keys`, in a call that
        /// only has the approval noted and its delay begin; while it waits, they are not looked at.
        pub release: Release,
        /// The list's version in force.
        pub acl: Vec<u8>,
        /// Each person once.
        pub ballots: Vec<Ballot>,
        /// The keys that the intent names, as sealed, in its order.
        pub keys: Vec<Vec<u8>>,
    }

    /// Compare the log with what the caller remembers of it.
    pub struct Mark {
        /// The latest [`crate::token::LogMark`] that he was given; none if he has none.
        pub latest: Option<Vec<u8>>,
    }

    /// The log has all that the caller remembers.
    pub struct Marked {
        /// Its last record's number.
        pub sequence: u64,
        /// To be kept, as a [`crate::token::LogMark`].
        pub mark: Vec<u8>,
    }

    /// It goes out.
    pub struct Packaged {
        /// A binary OpenPGP message of a tar: `manifest.json`, `{data,files}/<backup_id>`, `keys/<key_id>.pem`.
        pub message: Vec<u8>,
        /// Which delivery of this recovery it is: 1 to 3.
        pub delivery: u32,
        /// The signed record of it (see [`crate::record`]).
        pub record: String,
    }
}

wire_enum! {
    /// One item's end.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ItemOutcome {
        /// It went out.
        1 = Message(Message),
        /// It did not; one answer for all causes.
        2 = Failed,
    }
}
