//! Shamir's secret sharing ("How to share a secret", 1979) over the field of 256 elements, byte by byte.
//!
//! Each byte of the key is the constant term of a polynomial of its own; all other coefficients are chance, zero among
//! them: a generator that leaves zero out tells a little with each splitting (RUSTSEC-2024-0398). Nothing here branches
//! on a secret or looks one up in a table. Why it is ours: `docs/adr/0006-root-key-in-shares.md`.

use zeroize::Zeroizing;

use crate::digest::random;
use crate::secret::SymmetricKey;

/// x^8 + x^4 + x^3 + x^2 + 1 without its first term: what the field is reduced by.
const REDUCTION: u8 = 0x1d;

/// The value of the polynomials at one share's number.
pub type Value = Zeroizing<[u8; 32]>;

fn multiply(mut a: u8, b: u8) -> u8 {
    (0..8).fold(0, |product, bit| {
        let term = a & 0_u8.wrapping_sub(b >> bit & 1);
        a = (a << 1) ^ (REDUCTION & 0_u8.wrapping_sub(a >> 7));
        product ^ term
    })
}

/// a^254: the element by which `a` gives 1, and 0 of 0.
fn invert(a: u8) -> u8 {
    let (mut power, mut product) = (a, 1);
    for _ in 1..8 {
        power = multiply(power, power);
        product = multiply(product, power);
    }
    product
}

/// The shares numbered from 1 to `count`, of which any `threshold` are the key, and fewer are nothing.
pub fn split(key: &SymmetricKey, threshold: u32, count: u8) -> Vec<Value> {
    let coefficients: Vec<Value> = (1..threshold).map(|_| Zeroizing::new(random())).collect();
    let at = |x: u8| {
        let mut value: Value = Zeroizing::default();
        for coefficient in coefficients.iter().map(|one| &**one).chain([key.expose()]) {
            for (byte, term) in value.iter_mut().zip(coefficient) {
                *byte = multiply(*byte, x) ^ term;
            }
        }
        value
    };
    (1..=count).map(at).collect()
}

/// The polynomials' constant terms (Lagrange at 0), of shares with different numbers other than 0.
pub fn combine(shares: &[(u8, &Value)]) -> SymmetricKey {
    SymmetricKey::filled(|key| {
        for (x, value) in shares {
            let others = shares.iter().map(|(other, _)| *other).filter(|other| other != x);
            let weight = others.fold(1, |weight, other| multiply(weight, multiply(other, invert(other ^ x))));
            for (byte, term) in key.iter_mut().zip(value.iter()) {
                *byte ^= multiply(*term, weight);
            }
        }
        Ok::<(), std::convert::Infallible>(())
    })
    .unwrap_or_else(|never| match never {})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SymmetricKey {
        SymmetricKey::filled(|out| {
            *out = random();
            Ok::<(), ()>(())
        })
        .unwrap()
    }

    fn numbered(values: &[Value]) -> Vec<(u8, &Value)> {
        (1..).zip(values).collect()
    }

    #[test]
    fn the_field_is_a_field() {
        assert_eq!((multiply(0x80, 2), multiply(1, 0x53)), (REDUCTION, 0x53));
        for a in 1..=255 {
            assert_eq!(multiply(a, invert(a)), 1, "{a}");
            assert_eq!(multiply(a, 0x53), multiply(0x53, a));
        }
        assert_eq!(invert(0), 0);
    }

    #[test]
    fn any_three_of_five_are_the_key_and_no_two() {
        let key = key();
        let values = split(&key, 3, 5);
        let shares = numbered(&values);
        for chosen in 0_u8..32 {
            let some: Vec<_> = shares.iter().filter(|(x, _)| chosen >> (x - 1) & 1 == 1).copied().collect();
            let is_key = combine(&some).expose() == key.expose();
            assert_eq!(is_key, some.len() >= 3, "{chosen:05b}");
        }
    }

    #[test]
    fn another_library_puts_our_shares_together_and_we_its() {
        let key = key();
        let values = split(&key, 3, 5);
        let theirs: Vec<blahaj::Share> = numbered(&values)[1..4]
            .iter()
            .map(|(x, value)| blahaj::Share::try_from([&[*x], value.as_slice()].concat().as_slice()).unwrap())
            .collect();
        assert_eq!(blahaj::Sharks(3).recover(&theirs).unwrap(), key.expose());
        let dealt: Vec<Vec<u8>> =
            blahaj::Sharks(3).dealer(key.expose()).take(5).map(|share| Vec::from(&share)).collect();
        let values: Vec<(u8, Value)> =
            dealt[2..].iter().map(|one| (one[0], Zeroizing::new(one[1..].try_into().unwrap()))).collect();
        let shares: Vec<_> = values.iter().map(|(x, value)| (*x, value)).collect();
        assert_eq!(combine(&shares).expose(), key.expose());
    }

    /// Each coefficient is any byte with the same chance, the last one and zero included: what RUSTSEC-2024-0398 was
    /// not. 160,000 draws in 256 bins are 625 each, give or take 25; six times that happens once in 10^6 runs.
    #[test]
    fn coefficients_have_no_preference() {
        let key = key();
        let mut counts = [[0_u32; 256]; 2];
        for _ in 0..5_000 {
            let values = split(&key, 3, 2);
            for (at, byte) in key.expose().iter().enumerate() {
                // From two points and the key: y(x) = k + bx + ax^2.
                let sum = |x: u8| multiply(values[usize::from(x) - 1][at] ^ byte, invert(x));
                let highest = multiply(sum(1) ^ sum(2), invert(3));
                counts[0][usize::from(highest)] += 1;
                counts[1][usize::from(sum(1) ^ highest)] += 1;
            }
        }
        for (value, count) in counts.iter().flat_map(|bins| bins.iter().enumerate()) {
            assert!((475..=775).contains(count), "{value} came {count} times");
        }
    }
}
