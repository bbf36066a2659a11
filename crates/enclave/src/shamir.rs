//! The root key in shares: Shamir's secret sharing ("How to share a secret", 1979), by `blahaj`.

use blahaj::{Share, Sharks};
use zeroize::Zeroizing;

use crate::openpgp::Chance;
use crate::secret::SymmetricKey;

/// What one share is, beside its number.
pub type Value = Zeroizing<[u8; 32]>;

/// The shares numbered from 1 to `count`, of which any `threshold` are the key, and fewer are nothing.
pub fn split(key: &SymmetricKey, threshold: u8, count: u8) -> Vec<Value> {
    let value = |share: Share| {
        let mut value = Value::default();
        value.iter_mut().zip(&share.y).for_each(|(byte, element)| *byte = element.0);
        value
    };
    Sharks(threshold).dealer_rng(key.expose(), &mut Chance).take(count.into()).map(value).collect()
}

/// The key that these shares, each with a number of its own, make together; none of too many shares, or of none.
pub fn combine(shares: &[(u8, &Value)]) -> Option<SymmetricKey> {
    let read = |(number, value): &(u8, &Value)| {
        let bytes = Zeroizing::new([&[*number], value.as_slice()].concat());
        Share::try_from(bytes.as_slice()).ok()
    };
    let read: Vec<Share> = shares.iter().map(read).collect::<Option<_>>()?;
    let key = Zeroizing::new(Sharks(u8::try_from(read.len()).ok()?).recover(&read).ok()?);
    Some(SymmetricKey::copied(key.as_slice().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::random;

    /// x^8 + x^4 + x^3 + x^2 + 1 without its first term: what the field is reduced by.
    const REDUCTION: u8 = 0x1d;

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

    /// Lagrange at 0, written here a second time.
    fn combine_otherwise(shares: &[(u8, &Value)]) -> [u8; 32] {
        let mut key = [0; 32];
        for (x, value) in shares {
            let others = shares.iter().map(|(other, _)| *other).filter(|other| other != x);
            let weight = others.fold(1, |weight, other| multiply(weight, multiply(other, invert(other ^ x))));
            key.iter_mut().zip(value.iter()).for_each(|(byte, term)| *byte ^= multiply(*term, weight));
        }
        key
    }

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
            let is_key = combine(&some).is_some_and(|made| made.expose() == key.expose());
            assert_eq!(is_key, some.len() >= 3, "{chosen:05b}");
        }
    }

    #[test]
    fn a_second_implementation_puts_them_together_too() {
        let key = key();
        let values = split(&key, 3, 5);
        assert_eq!(&combine_otherwise(&numbered(&values)[1..4]), key.expose());
    }

    #[test]
    fn no_key_comes_of_no_shares_or_of_one_twice() {
        let values = split(&key(), 2, 2);
        assert!(combine(&[]).is_none() && combine(&[(1, &values[0]), (1, &values[1])]).is_none());
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
