//! What a ciphertext under the published key of `testdata/` holds, whatever its padding. The private half is
//! published and guards nothing, so that the arithmetic need not keep it: no real key is ever used here.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::conformance::crypto::unhex;

/// Modulus and private exponent, and not the key as people keep it: nothing that looks like one is in our programs.
const NUMBERS: &str = include_str!("published_key.txt");
/// 4,096 bits.
const LIMBS: usize = 64;
const BYTES: usize = LIMBS * 8;

type Number = [u64; LIMBS];

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
    let Some((modulus, exponent)) = private_key() else { return Opened::No };
    let Some(message) = number(ciphertext) else { return Opened::No };
    let block = bytes(&power(&message, &exponent, &modulus));
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

/// Modulus and private exponent of the published key.
fn private_key() -> Option<(Number, Number)> {
    let (modulus, exponent) = NUMBERS.trim_end().split_once('\n')?;
    Some((number(&unhex(modulus)?)?, number(&unhex(exponent)?)?))
}

/// A big-endian number of up to 512 bytes, least significant limb first.
fn number(bytes: &[u8]) -> Option<Number> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut limbs = [0; LIMBS];
    for (at, chunk) in bytes[zeros..].rchunks(8).enumerate() {
        *limbs.get_mut(at)? = chunk.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    }
    Some(limbs)
}

fn bytes(number: &Number) -> Vec<u8> {
    let out: Vec<u8> = number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    debug_assert_eq!(out.len(), BYTES);
    out
}

/// `base ^ exponent mod modulus`, for an odd modulus, by Montgomery's products.
fn power(base: &Number, exponent: &Number, modulus: &Number) -> Number {
    let mut one = [0; LIMBS];
    one[0] = 1;
    // 2^4096 mod modulus, doubled up to 2^8192 mod modulus.
    let mut square = one;
    for _ in 0..2 * LIMBS * 64 {
        square = double(&square, modulus);
    }
    let base = product(base, &square, modulus);
    let mut power = product(&one, &square, modulus);
    for bit in (0..LIMBS * 64).rev() {
        power = product(&power, &power, modulus);
        if exponent[bit / 64] >> (bit % 64) & 1 == 1 {
            power = product(&power, &base, modulus);
        }
    }
    product(&power, &one, modulus)
}

fn double(number: &Number, modulus: &Number) -> Number {
    let mut out = [0; LIMBS];
    let mut carry = 0;
    for (out, limb) in out.iter_mut().zip(number) {
        *out = limb << 1 | carry;
        carry = limb >> 63;
    }
    reduced(&out, carry, modulus)
}

/// Montgomery's product: `one * other / 2^4096 mod modulus` (coarsely integrated operand scanning).
fn product(one: &Number, other: &Number, modulus: &Number) -> Number {
    // Newton's iteration: each round doubles the bits that are right, and three are at first.
    let inverse =
        (0..5).fold(modulus[0], |sum, _| sum.wrapping_mul(2_u64.wrapping_sub(modulus[0].wrapping_mul(sum))));
    let (mut sum, mut top) = ([0_u64; LIMBS], 0_u64);
    for factor in other {
        let mut carry = 0;
        for (limb, value) in sum.iter_mut().zip(one) {
            (*limb, carry) = step(*limb, *value, *factor, carry);
        }
        let (high, over) = top.overflowing_add(carry);
        let quotient = sum[0].wrapping_mul(inverse.wrapping_neg());
        let (_, mut carry) = step(sum[0], modulus[0], quotient, 0);
        for at in 1..LIMBS {
            (sum[at - 1], carry) = step(sum[at], modulus[at], quotient, carry);
        }
        let (last, more) = high.overflowing_add(carry);
        sum[LIMBS - 1] = last;
        top = u64::from(over) + u64::from(more);
    }
    reduced(&sum, top, modulus)
}

/// `sum + one * other + carry`: the low half and the high one.
fn step(sum: u64, one: u64, other: u64, carry: u64) -> (u64, u64) {
    let whole = u128::from(sum) + u128::from(one) * u128::from(other) + u128::from(carry);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
    let low = whole as u64;
    (low, (whole >> 64) as u64)
}

/// A number below twice the modulus, made smaller than it.
fn reduced(number: &Number, carry: u64, modulus: &Number) -> Number {
    let (mut out, mut borrow) = ([0; LIMBS], false);
    for ((out, one), other) in out.iter_mut().zip(number).zip(modulus) {
        let (less, first) = one.overflowing_sub(*other);
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        (*out, borrow) = (less, first || second);
    }
    if carry == 0 && borrow { *number } else { out }
}
