//! Types that hold secrets: neither printable nor cloneable, wiped when dropped.

use boundary::token::NO_CHECKSUM;
use boundary::wire::{Malformed, Wire};
use pgp::bytes::Bytes;
use zeroize::Zeroizing;

use crate::digest::{equal, sha256};

/// A symmetric key. It lies in one place however it is moved, and leaves no copies on its way.
pub struct SymmetricKey(Box<Zeroizing<[u8; 32]>>);

impl SymmetricKey {
    /// Takes the key from what `fill` writes, without a copy on the way.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Self(Box::default());
        fill(&mut key.0)?;
        Ok(key)
    }

    /// A copy.
    pub fn copied(bytes: &[u8; 32]) -> Self {
        let mut key = Self(Box::default());
        key.0.copy_from_slice(bytes);
        key
    }

    /// The key's bytes, for a primitive.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Wire for SymmetricKey {
    fn put(&self, out: &mut Vec<u8>) {
        self.expose().put(out);
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        let (key, rest) = input.split_first_chunk().ok_or(Malformed)?;
        *input = rest;
        Ok(Self::copied(key))
    }
}

/// What a customer encrypted. It leaves in three ways only: one bit about its checksum, into an OpenPGP
/// message, or encrypted to the key that replaces its own.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Takes over the bytes.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Whether SHA-256 of the plaintext is `checksum`; always hashes [`boundary::OAEP_PLAINTEXT_BYTES_MAX`]
    /// bytes or one block more in all, so that the time says nothing about the length.
    pub fn has_checksum(&self, checksum: &[u8; 32]) -> bool {
        let filler = [0; boundary::OAEP_PLAINTEXT_BYTES_MAX];
        let used = self.0.len().min(filler.len());
        std::hint::black_box(sha256(&filler[used..]));
        equal(&sha256(&self.0), checksum)
    }

    /// Whether it is what a record of this checksum was made for: any plaintext, where none was given.
    pub fn fits(&self, checksum: &[u8; 32]) -> bool {
        self.has_checksum(checksum) || *checksum == NO_CHECKSUM
    }

    /// Encrypts it to another RSA key.
    pub fn encrypt_to(&self, public_key: &[u8]) -> Option<Vec<u8>> {
        crate::generate::encrypt(public_key, &self.0).ok()
    }

    /// Whether both are the same bytes.
    pub fn equals(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }

    /// The bytes, for the archive inside an OpenPGP message.
    pub fn in_archive(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives the bytes to the OpenPGP writer; they are wiped when the writer drops them.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}
