//! Tokens: what the enclave gives out under its own MAC, and sessions, which begin with one.

use aws_lc_rs::hmac;
use boundary::Env;
use boundary::message::{Open, Opened, Recall, Recalled, Refusal};
use boundary::token::{Admission, LogMark, Record, Ticket, person_tag_preimage, user_tag_preimage};
use boundary::wire::Wire;

use crate::digest::{hex, random, sha256};
use crate::policy;
use crate::release::demand;
use crate::root::{FIRST_GENERATION, Keyring};
use crate::service::{Enclave, ensure};

const MAC_BYTES: usize = 32;
/// The longest name of a tenant, user, credential or backup.
const NAME_BYTES_MAX: usize = 1_024;
/// What travels under a MAC. Each kind has a key of its own, so that none can be taken for another.
pub trait Token: Wire {
    /// The kind's key.
    fn key(keyring: &Keyring) -> &hmac::Key;
    /// The environment it was made in, for which tenant, and in which generation of his.
    fn made_in(&self) -> (Env, &str, u32);

    /// The encoding, then HMAC-SHA256 over it.
    fn issue(&self, keyring: &Keyring) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        let mac = hmac::sign(Self::key(keyring), &bytes);
        bytes.extend_from_slice(mac.as_ref());
        bytes
    }

    /// The token, if this enclave made it, here and since the tenant was last reset.
    fn believe(keyring: &Keyring, bytes: &[u8]) -> Result<Self, Refusal> {
        let at = bytes.len().checked_sub(MAC_BYTES).ok_or(Refusal::SealBroken)?;
        let (encoding, mac) = bytes.split_at(at);
        let made_by = |keyring| hmac::verify(Self::key(keyring), encoding, mac).is_ok();
        demand(keyring.epochs().any(made_by), "2 token is not ours", Refusal::SealBroken)?;
        Self::logged(keyring, encoding)
    }

    /// The same token, made in the epoch in force.
    fn issue_again(keyring: &Keyring, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        Ok(Self::believe(keyring, bytes)?.issue(keyring))
    }

    /// The token of what [`Self::issue`] gave, as the log has it, whose seal vouches for it in any epoch.
    fn logged(keyring: &Keyring, mut bytes: &[u8]) -> Result<Self, Refusal> {
        let token = Self::take(&mut bytes).map_err(|_| Refusal::SealBroken)?;
        let (env, tenant_id, generation) = token.made_in();
        let ours = env == keyring.env && generation == keyring.generation(tenant_id);
        demand(ours, "2 token is of elsewhere", Refusal::SealBroken).map(|()| token)
    }
}

macro_rules! tokens {
    ($($name:ident $key:ident)*) => {$(
        impl Token for $name {
            fn key(keyring: &Keyring) -> &hmac::Key {
                &keyring.$key
            }
            fn made_in(&self) -> (Env, &str, u32) {
                (self.env, &self.tenant_id, self.generation)
            }
        }
    )*};
}
tokens!(Ticket ticket Admission admission Record record);

impl Token for LogMark {
    fn key(keyring: &Keyring) -> &hmac::Key {
        &keyring.mark
    }
    fn made_in(&self) -> (Env, &str, u32) {
        (self.env, "", FIRST_GENERATION)
    }
}

/// The ticket of a session that is not over.
pub fn ticket(enclave: &Enclave, bytes: &[u8]) -> Result<Ticket, Refusal> {
    let ticket = Ticket::believe(&enclave.keyring, bytes)?;
    let is_open = ticket.opened_at_ms > enclave.ledger.find(|state| state.sessions_ended_ms);
    demand(is_open, "2 session was given up", Refusal::SealBroken).map(|()| ticket)
}

/// Who a user is, without naming him.
pub fn user_tag(tenant_id: &str, user_identifier: &str) -> [u8; 32] {
    sha256(&user_tag_preimage(tenant_id, user_identifier))
}

/// A user since his tenant was last reset: what was remembered of him before is another's.
pub fn since_reset(user_tag: &[u8; 32], generation: u32) -> [u8; 32] {
    sha256(&[user_tag.as_slice(), &generation.to_be_bytes()].concat())
}

/// Refuses names that are empty, too long, or hold the byte that separates names in a hash.
pub fn check_names(names: &[&str]) -> Result<(), Refusal> {
    let good = |name: &&str| !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('\0');
    if names.iter().all(good) { Ok(()) } else { Err(Refusal::Malformed) }
}

/// Who a person of Control is: never a user, whatever his name.
pub fn person_tag(tenant_id: &str, person_id: &str) -> [u8; 32] {
    sha256(&person_tag_preimage(tenant_id, person_id))
}

/// How somebody of a tenant is tagged.
pub type Tag = fn(&str, &str) -> [u8; 32];

/// Opens a session. Nothing is stored: the ticket carries it.
pub fn open(enclave: &Enclave, request: &Open, tag: Tag) -> Result<Opened, Refusal> {
    check_names(&[&request.tenant_id, &request.user_identifier])?;
    if let Some(fingerprint) = &request.openpgp_fingerprint {
        let upper_hex = fingerprint.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        ensure(upper_hex && matches!(fingerprint.len(), 40 | 64), Refusal::Malformed)?;
    }
    let ticket = Ticket {
        env: enclave.keyring.env,
        generation: enclave.keyring.generation(&request.tenant_id),
        session_id: random(),
        nonce: random(),
        tenant_id: request.tenant_id.clone(),
        user_tag: tag(&request.tenant_id, &request.user_identifier),
        policy_hash: policy::in_force(enclave, &request.tenant_id)?,
        opened_at_ms: enclave.ledger.now_ms(),
        openpgp_fingerprint: request.openpgp_fingerprint.clone(),
    };
    Ok(Opened { session_id: hex(&ticket.session_id), ticket: ticket.issue(&enclave.keyring) })
}

/// Says what was released in a session; only what is on the disk.
pub fn recall(enclave: &Enclave, request: &Recall) -> Result<Recalled, Refusal> {
    let ticket = Ticket::believe(&enclave.keyring, &request.ticket)?;
    let deliveries = enclave.ledger.decide(|turn| {
        let session = turn.state().sessions.get(&ticket.session_id);
        let deliveries = session.into_iter().flat_map(|session| &session.deliveries);
        Ok(deliveries
            .map(|(at_ms, intended, end)| boundary::message::Delivery {
                at_ms: *at_ms,
                intent_hash: intended.intent_hash,
                items_released: end.as_ref().map(|end| end.items),
            })
            .collect())
    })?;
    Ok(Recalled { deliveries })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::FIRST_GENERATION;

    fn ticket(env: Env, generation: u32) -> Ticket {
        Ticket {
            env,
            generation,
            session_id: [1; 16],
            nonce: [2; 32],
            tenant_id: "t".into(),
            user_tag: [3; 32],
            policy_hash: [4; 32],
            opened_at_ms: 5,
            openpgp_fingerprint: None,
        }
    }

    #[test]
    fn a_token_is_believed_where_and_when_it_was_made() {
        let ring = Keyring::for_test(Env::Production);
        let good = ticket(Env::Production, FIRST_GENERATION);
        assert_eq!(Ticket::believe(&ring, &good.issue(&ring)), Ok(good.clone()));
        assert!(Ticket::believe(&ring, &ticket(Env::Sandbox, FIRST_GENERATION).issue(&ring)).is_err());
        assert!(Ticket::believe(&ring, &ticket(Env::Production, FIRST_GENERATION + 1).issue(&ring)).is_err());
        assert!(Ticket::believe(&ring, &good.issue(&Keyring::for_test(Env::Sandbox))).is_err());
        ring.set_generation("other", FIRST_GENERATION + 1);
        assert!(Ticket::believe(&ring, &good.issue(&ring)).is_ok());
        ring.set_generation("t", FIRST_GENERATION + 1);
        assert!(Ticket::believe(&ring, &good.issue(&ring)).is_err(), "of before the reset");
        let good = ticket(Env::Production, FIRST_GENERATION + 1);
        let issued = good.issue(&ring);
        for at in 0..issued.len() * 8 {
            let mut bad = issued.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(Ticket::believe(&ring, &bad).is_err(), "bit {at}");
        }
        for end in 0..issued.len() {
            assert!(Ticket::believe(&ring, &issued[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let ring = Keyring::for_test(Env::Production);
        let macs = [&ring.ticket, &ring.admission, &ring.record, &ring.identity]
            .map(|key| hmac::sign(key, b"same").as_ref().to_vec());
        for (n, one) in macs.iter().enumerate() {
            assert!(macs[n + 1..].iter().all(|other| other != one));
            assert_ne!(ring.own("state-log").expose().as_slice(), one);
        }
        let sealing = |tenant_id| ring.sealing(ring.epoch, tenant_id).unwrap();
        assert_ne!(sealing("a").expose(), sealing("b").expose());
        assert_ne!(sealing("").expose(), ring.own("state-log").expose());
    }

    #[test]
    fn names_have_bounds() {
        assert_eq!(check_names(&["a", &"x".repeat(NAME_BYTES_MAX)]), Ok(()));
        for bad in ["", "a\0b", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert_eq!(check_names(&["a", bad]), Err(Refusal::Malformed));
        }
    }
}
