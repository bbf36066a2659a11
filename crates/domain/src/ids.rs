//! Typed ids. Each is a `UUIDv7` (RFC 9562 §5.7): ordered by time of birth, so that new rows lie together
//! in an index. An id is a name, never a secret.

use std::fmt;
use std::str::FromStr;

use crate::entropy::Entropy;
use crate::time::Timestamp;

/// A text is not the id it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed id")]
pub struct NotAnId;

/// Keeps ids in the order in which they were minted, also within a millisecond and when the clock goes back:
/// a 12-bit counter where a `UUIDv7` may have one (RFC 9562 §6.2, method 1).
#[derive(Debug, Default)]
pub struct Order {
    last_ms: i64,
    count: u16,
}

impl Order {
    /// The millisecond and the count of the next id.
    fn next(&mut self, now: Timestamp) -> (i64, u16) {
        if now.ms() > self.last_ms {
            (self.last_ms, self.count) = (now.ms(), 0);
        } else if self.count == 0xfff {
            (self.last_ms, self.count) = (self.last_ms + 1, 0);
        } else {
            self.count += 1;
        }
        (self.last_ms, self.count)
    }
}

/// The 36 characters of a `UUIDv7` born at `now`.
fn mint(now: Timestamp, chance: &mut dyn Entropy) -> String {
    let mut count = [0; 2];
    chance.fill(&mut count);
    assemble(now.ms(), u16::from_be_bytes(count), chance)
}

fn assemble(ms: i64, count: u16, chance: &mut dyn Entropy) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&count.to_be_bytes());
    chance.fill(&mut bytes[8..]);
    bytes[6] = 0x70 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    hyphenate(&bytes)
}

/// The canonical text of a UUID: lower-case hexadecimal, hyphens after 4, 6, 8 and 10 bytes.
pub fn hyphenate(bytes: &[u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    out
}

fn born_at(uuid: &str) -> Option<Timestamp> {
    if uuid.get(14..15)? != "7" {
        return None;
    }
    let digits = [uuid.get(..8)?, uuid.get(9..13)?].concat();
    i64::from_str_radix(&digits, 16).ok().map(Timestamp::from_ms)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// A new id, born at `now`.
            pub fn new(now: Timestamp, chance: &mut dyn Entropy) -> Self {
                Self(mint(now, chance))
            }

            /// A new id, born at `now` and ordered after all that the same `order` gave.
            pub fn in_order(order: &mut Order, now: Timestamp, chance: &mut dyn Entropy) -> Self {
                let (ms, count) = order.next(now);
                Self(assemble(ms, count, chance))
            }

            /// The 36 characters.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// When it was born, by the clock of whoever minted it; none for a UUID of another version.
            pub fn born_at(&self) -> Option<Timestamp> {
                born_at(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            /// Reads the canonical, lower-case text.
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                is_uuid(text).then(|| Self(text.to_owned())).ok_or(NotAnId)
            }
        }
    )*};
}

ids! {
    /// An account holder of the service.
    TenantId
    /// The service's own name for a tenant's user.
    UserId
    /// An API credential.
    CredentialId
    /// A customer key; minted by the enclave.
    KeyId
    /// One splitting of a sealed private key into shares.
    SplitId
    /// One stored ciphertext or file.
    BackupId
    /// One release of backups to a recipient.
    RecoveryId
    /// An approval control list: who votes on releases, and by which rule.
    AclId
    /// A list that is to become another.
    AclChangeId
    /// One event for a tenant's webhooks.
    EventId
    /// One audit entry.
    EntryId
    /// A tenant's webhook endpoint.
    WebhookId
    /// Somebody who signs in to Control.
    PersonId
    /// One of a person's passkeys.
    PasskeyId
    /// Something that one person is told.
    NoticeId
    /// One signing-in of a person, as it is shown to him; by it nobody is admitted.
    SessionId
}

impl TenantId {
    /// The owner of the root log, which is no tenant's: the nil UUID (RFC 9562 §5.9). No tenant is ever made with it.
    pub fn root_log() -> Self {
        Self(hyphenate(&[0; 16]))
    }
}

impl CredentialId {
    /// The id under which a person is counted as a credential is.
    pub fn of_person(person: &PersonId) -> Self {
        Self(person.0.clone())
    }
}

impl PersonId {
    /// The 16 bytes of the UUID: a passkey's user handle.
    pub fn bytes(&self) -> [u8; 16] {
        let digits: Vec<u8> = self
            .0
            .bytes()
            .filter_map(|byte| char::from(byte).to_digit(16))
            .filter_map(|digit| u8::try_from(digit).ok())
            .collect();
        std::array::from_fn(|at| digits.get(2 * at).unwrap_or(&0) << 4 | digits.get(2 * at + 1).unwrap_or(&0))
    }
}

/// An identity provider's name for one inquiry: the contract's `verification_id`. Chosen by the provider,
/// hence any 1 to 64 characters of letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerificationId(String);

impl VerificationId {
    /// A new inquiry of the simulated provider.
    pub fn simulated(chance: &mut dyn Entropy) -> Self {
        let mut bytes = [0; 12];
        chance.fill(&mut bytes);
        Self(format!("inq_{}", crate::audit::hex(&bytes)))
    }

    /// The provider's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VerificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VerificationId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        fits.then(|| Self(text.to_owned())).ok_or(NotAnId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&mut self, target: &mut [u8]) {
            target.fill(0xff);
        }
    }

    #[test]
    fn a_new_id_is_version_7_and_reads_back() {
        let id = KeyId::new(Timestamp::from_ms(0x0123_4567_89ab), &mut Ones);
        assert_eq!(id.as_str(), "01234567-89ab-7fff-bfff-ffffffffffff");
        assert_eq!(id.born_at(), Some(Timestamp::from_ms(0x0123_4567_89ab)));
        assert_eq!(id.as_str().parse(), Ok(id));
        let random: KeyId = "01234567-89ab-4fff-bfff-ffffffffffff".parse().unwrap();
        assert_eq!(random.born_at(), None);
    }

    #[test]
    fn ordered_ids_ascend_within_a_millisecond_and_when_the_clock_goes_back() {
        let mut order = Order::default();
        let instants = (0..5_000).map(|_| 1_000).chain([999, 1_000, 1_001, 1_500]);
        let ids: Vec<_> =
            instants.map(|ms| EntryId::in_order(&mut order, Timestamp::from_ms(ms), &mut Ones)).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn refuses_other_spellings() {
        for text in ["", "01234567-89AB-7fff-bfff-ffffffffffff", "0123456789ab7fffbfffffffffffffff", "x"] {
            assert_eq!(text.parse::<KeyId>(), Err(NotAnId), "{text}");
        }
        assert!("inq_a-1".parse::<VerificationId>().is_ok());
        for text in ["", "a b", "é", &"a".repeat(65)] {
            assert!(text.parse::<VerificationId>().is_err(), "{text}");
        }
    }
}
