//! Every table and every column: what a changed value would decide, and what tells the change.
//!
//! A column that a migration adds must be entered here; a test compares this list with the schema.

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its primary key, in order.
    pub key: &'static [(&'static str, KeyKind)],
    /// What else it has.
    pub columns: &'static [(&'static str, Class)],
}

/// What a part of a primary key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A text.
    Text,
    /// An integer.
    Integer,
    /// Bytes.
    Blob,
}

/// What a change of a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It would decide something: the row's seal has a tag of it.
    Sealed,
    /// It would decide something, and this tells the change.
    Told(&'static str),
    /// It decides nothing, for this reason.
    Free(&'static str),
}

use Class::{Free, Sealed, Told};
use KeyKind::{Blob, Integer, Text};

const CHAIN: Class = Told("the chain, the tree and the signed checkpoints of the log");
const OPENS: Class = Told("it opens at its own place alone, by the server's keys");
const SIGNED_BY_PROVIDER: Class = Told("the provider's signature, which the enclave verifies again");
const WHEN: Class = Free("when something was done is in the log too");
const SHOWN: Class = Free("is shown, and decides nothing");
const QUEUE: Class = Free("when and by whom waiting work is taken up: at worst late, or twice");
const REPORT: Class = Free("what a tenant or a person is told of; what happened is in the log");
const REPEATED: Class = Free("a named call is at worst made anew, or its repeat refused");

macro_rules! tables {
    ($($name:ident [$($key:ident $kind:ident),*] { $($class:ident: $($column:ident)*;)* })*) => {
        /// Every table of the schema but the list of its own steps.
        pub static TABLES: &[Table] = &[$(Table {
            name: stringify!($name),
            key: &[$((stringify!($key), $kind)),*],
            columns: &[$($((stringify!($column), $class),)*)*],
        }),*];
    };
}

tables! {
    tenants [id Text] { Sealed: name kind; WHEN: created_at; }
    api_credentials [id Text] {
        Sealed: tenant_id key_hash scopes expires_at revoked_at;
        SHOWN: name hint;
        WHEN: created_at;
    }
    users [id Text] { Sealed: tenant_id user_identifier person_id; WHEN: created_at; }
    pool_keys [key_id Text] {
        Sealed: key_environment key_type public_key sealed;
        WHEN: created_at;
        QUEUE: leased_by lease_until;
    }
    customer_keys [id Text] {
        Sealed: tenant_id user_id key_type key_environment state public_key public_key_sha256 sealed binding
            signature signed_payload signed_fields kid assignment_slot customer_id package_id verification_id
            supersedes acl_id split_id;
        SHOWN: customer_name package_name;
        WHEN: assigned_at held_at;
    }
    key_destructions [key_id Text] {
        Sealed: tenant_id state key_state days asked_by confirmed_by due_at;
        SHOWN: reason;
        WHEN: asked_at confirmed_at ended_at;
    }
    verifications [id Text] {
        Sealed: tenant_id user_id provider session_id ticket state gpg_fingerprint admission created_at approved_at
            window_closed_at;
        WHEN: updated_at;
    }
    provider_events [provider Text, id Text] {
        SIGNED_BY_PROVIDER: tenant_id verification_id signature body;
        QUEUE: state received_at;
    }
    backups [id Text] {
        Sealed: tenant_id user_id key_id kind state check_state verification_id session_id item_key ciphertext
            checksum_sealed record data_size repeat_tag delete_after stored_sha256 metadata;
        WHEN: stored_at updated_at;
    }
    recoveries [id Text] {
        Sealed: tenant_id user_id verification_id flow state gpg_fingerprint subkey_fingerprint intent items deliveries;
        WHEN: created_at updated_at;
    }
    events [id Text] { REPORT: tenant_id type body created_at; }
    audit_entries [id Text] {
        CHAIN: tenant_id seq time actor actor_type action key_id backup_id recovery_id verification_id customer_id
            package_id result reason request_id prev_hash entry_hash;
        TAGS: tag;
        REFUSED: refused;
    }
    audit_heads [tenant_id Text] {
        CHAIN: seq entry_hash peaks checkpoint_size;
        ORIGIN: log;
        TAGS: tag;
        REFUSED: refused;
        QUEUE: checkpoint_at;
        ENCLAVE_KEEPS: cosigned_size cosign_after forked_at;
    }
    meta [name Text] { ENVIRONMENT: value; }
    idempotency_keys [tenant_id Text, key_hash Blob] {
        OPENS: answer;
        REPEATED: fingerprint state owner lease_until expires_at;
    }
    webhook_endpoints [id Text] {
        Sealed: tenant_id url events state disabled_reason secret previous_secret previous_until;
        SHOWN: description;
        QUEUE: failing_since;
        WHEN: created_at updated_at;
    }
    webhook_deliveries [endpoint_id Text, event_id Text] {
        QUEUE: tenant_id state tries round_from due_at leased_by lease_until updated_at;
    }
    webhook_attempts [endpoint_id Text, event_id Text, number Integer] {
        SHOWN: began_at duration_ms outcome answer_code;
    }
    token_issuers [tenant_id Text] { Sealed: id issuer audience jwks_uri scopes; WHEN: created_at updated_at; }
    people [id Text] {
        Sealed: tenant_id email name role state removed_at password totp_sealed;
        THROTTLE: totp_step failures locked_until;
        WHEN: created_at;
    }
    passkeys [id Text] {
        Sealed: person_id credential_id data point counts_from revoked_at;
        SHOWN: name;
        WHEN: created_at;
    }
    recovery_codes [code_hash Blob] { PERSONS_HASH: person_id; WHEN: created_at; }
    sessions [token_hash Blob] {
        Sealed: id tenant_id person_id stage csrf created_at expires_at proven_at;
        SHOWN: agent;
        QUEUE: seen_at;
    }
    invitations [token_hash Blob] { Sealed: person_id purpose expires_at; WHEN: created_at; }
    ceremonies [token_hash Blob, purpose Text] { OPENS: sealed expires_at; }
    rosters [tenant_id Text, version Integer] { Sealed: document hash; WHEN: created_at; }
    acls [id Text] { Sealed: tenant_id name version; WHEN: created_at updated_at; }
    acl_versions [acl_id Text, version Integer] { Sealed: tenant_id document hash created_at; }
    acl_changes [id Text] {
        Sealed: tenant_id acl_id version document hash state asked_by window_ends_at effective_at;
        WHEN: created_at updated_at;
    }
    acl_votes [change_id Text, person_id Text] { Sealed: tenant_id approve ballot; WHEN: voted_at; }
    acl_stops [change_id Text, person_id Text] { Sealed: tenant_id ballot; WHEN: stopped_at; }
    control_recoveries [id Text] {
        Sealed: tenant_id acl_id acl_version asked_by reason key_environment state why backups verification_id ticket
            certificate gpg_fingerprint subkey_fingerprint intent intent_hash window_ends_at check_ends_at release_at
            keep_until package_sha256 package_size;
        WHEN: created_at updated_at;
    }
    control_recovery_keys [recovery_id Text, key_id Text] { Sealed: tenant_id ended_at; }
    control_votes [recovery_id Text, person_id Text] {
        Sealed: tenant_id approve ballot verification_id check_ends_at;
        WHEN: voted_at;
    }
    recovery_links [token_hash Blob] {
        Sealed: recovery_id person_id tenant_id expires_at used_at;
        WHEN: created_at;
    }
    notices [id Text] {
        OPENS: link;
        REPORT: tenant_id person_id kind title text created_at read_at;
        QUEUE: mail_state mail_tries due_at;
    }
    audit_checkpoints [tenant_id Text, size Integer] {
        CHAIN: root note;
        ENCLAVE_KEEPS: peaks cosigner;
        WHEN: made_at;
    }
    enclave_marks [name Text] { MARK: sequence mark; WHEN: kept_at; }
    tenant_policies [tenant_id Text, version Integer] { Sealed: document hash effective_at; WHEN: created_at; }
    signed_records [tenant_id Text, about Text] { SIGNED_BY_ENCLAVE: record; WHEN: made_at; }
    reviews [verification_id Text] {
        Sealed: tenant_id why state document first_by first_ballot second_by second_ballot signed_at ended_at;
        WHEN: came_at;
    }
    offline_requests [id Text] { Sealed: tenant_id entry; WHEN: made_at; }
    offline_bundles [hash Blob] { Sealed: sequence offline subjects answered_at; WHEN: made_at; }
    tenant_freezes [tenant_id Text] { Sealed: number frozen_until changed_by; WHEN: changed_at; }
    reseals [epoch Integer] {
        QUEUE: began_at pass_began_at due_at place last_id moved moved_in_pass broken broken_in_pass finished_at;
    }
    row_seals [place Text, row_id Text] { TAGS: seal; }
    audit_subjects [tenant_id Text, finder Blob] { Sealed: salt; WHEN: created_at; }
    audit_witnesses [tenant_id Text, witness Text] {
        WITNESS_KEEPS: size state;
        WITNESS_SIGNED: line;
        QUEUE: ask_after;
    }
}

const ENVIRONMENT: Class = Told("the service does not start on a database of the other environment");
const ORIGIN: Class =
    Free("of a log that has entries, under its head's tag; else part of a name that has no checkpoint yet");
const ENCLAVE_KEEPS: Class =
    Free("the enclave has its own of it, and refuses, loudly, a proof that does not go on from that");
const WITNESS_KEEPS: Class =
    Free("the witness has his own of it, and refuses, loudly, a proof that does not go on from that");
const WITNESS_SIGNED: Class =
    Told("the witness's signature, which whoever takes the checkpoint away verifies");
const THROTTLE: Class = Free("slows guesses down; it lets nobody in");
const PERSONS_HASH: Class =
    Told("the keyed hash is of person and code: under another person it fits no code");
const MARK: Class =
    Told("the enclave's MAC; and a lower one than the log's end only makes it forget an old one");
const SIGNED_BY_ENCLAVE: Class =
    Told("the enclave's signature, which whoever takes the record away verifies");
const REFUSED: Class =
    Told("the examination names what is marked with it, and what is none of the service's");
const TAGS: Class = Told("a tag that is changed fits no value any more");

impl Table {
    /// The columns that its rows' seals have tags of, in their order.
    pub fn sealed(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().filter(|(_, class)| *class == Sealed).map(|(name, _)| *name)
    }

    /// The table of this name, if its rows are sealed.
    pub fn find_sealed(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name).filter(|table| table.sealed().next().is_some())
    }
}
