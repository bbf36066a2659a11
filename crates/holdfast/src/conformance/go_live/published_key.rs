//! What a ciphertext under the published key of `testdata/` holds, whatever its padding. The private half is
//! published and guards nothing, so that nobody learns anything from how long the arithmetic takes: no real key is ever
//! used here.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use num_bigint_dig::BigUint;

use crate::conformance::crypto::unhex;

/// Modulus and private exponent, and not the key as people keep it: nothing that looks like one is in our programs.
const NUMBERS: &str = include_str!("published_key.txt");
/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// What the service opens: OAEP with SHA-256 for both.
    Oaep256(Vec<u8>),
    /// SHA-256 for the hash, SHA-1 for MGF1.
    Mgf1Sha1,
    /// SHA-1 for the hash.
    Sha1,
    /// SHA-256 for both, with a label.
    Label,
    /// PKCS #1 v1.5.
    Pkcs1,
    /// Nothing that we know.
    No,
}

/// Opens a ciphertext of 512 bytes.
pub fn open(ciphertext: &[u8]) -> Opened {
    let Some(block) = raw(ciphertext) else { return Opened::No };
    let oaep = |hash, mgf| unpad(&block, hash, mgf);
    match oaep(&SHA256, &SHA256) {
        Some((plaintext, true)) => return Opened::Oaep256(plaintext),
        Some((_, false)) => return Opened::Label,
        None => {}
    }
    if matches!(oaep(&SHA256, &SHA1_FOR_LEGACY_USE_ONLY), Some((_, true))) {
        Opened::Mgf1Sha1
    } else if [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256]
        .iter()
        .any(|mgf| matches!(oaep(&SHA1_FOR_LEGACY_USE_ONLY, mgf), Some((_, true))))
    {
        Opened::Sha1
    } else if block.starts_with(&[0, 2]) && block[2..].contains(&0) {
        Opened::Pkcs1
    } else {
        Opened::No
    }
}

/// EME-OAEP decoding (RFC 8017, 7.1.2): the message, and whether its label is empty. A label that is not is told by
/// the form of what follows it: zeros, a one, the message.
fn unpad(block: &[u8], hash: &'static Algorithm, mgf: &'static Algorithm) -> Option<(Vec<u8>, bool)> {
    let length = hash.output_len();
    let (first, rest) = block.split_first()?;
    let (masked_seed, masked_data) = rest.split_at(length);
    let seed = xor(masked_seed, &mgf1(mgf, masked_data, length));
    let data = xor(masked_data, &mgf1(mgf, &seed, masked_data.len()));
    let (label, rest) = data.split_at(length);
    let one = rest.iter().position(|byte| *byte != 0)?;
    let is_formed = *first == 0 && rest[one] == 1;
    let is_empty = label == digest(hash, b"").as_ref();
    // By chance a wrong mask looks formed once in some two hundred: a row of zeros says that it is not chance.
    (is_formed && (is_empty || one > 8)).then(|| (rest[one + 1..].to_vec(), is_empty))
}

fn mgf1(hash: &'static Algorithm, seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0_u32..).flat_map(|at| digest(hash, &[seed, &at.to_be_bytes()].concat()).as_ref().to_vec());
    blocks.take(length).collect()
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

/// RSADP (RFC 8017, 5.1.2): the padded block, as long as the modulus. Libraries of cryptography hand out no block whose
/// padding they do not take, and the wrong paddings are what is wanted here.
fn raw(ciphertext: &[u8]) -> Option<Vec<u8>> {
    let (modulus, exponent) = NUMBERS.trim_end().split_once('\n')?;
    let modulus = unhex(modulus)?;
    let number = BigUint::from_bytes_be;
    let block = number(ciphertext).modpow(&number(&unhex(exponent)?), &number(&modulus)).to_bytes_be();
    Some([vec![0; modulus.len().checked_sub(block.len())?], block].concat())
}
