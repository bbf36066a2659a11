//! A share as text: what GnuPG decrypts, and what is printed and typed.
//!
//! On paper a share is twelve groups of eight letters and digits, each followed by two more that check it and its
//! place. So a slip of the pen or the finger is found in its group, and two groups that changed places are too.

use aws_lc_rs::digest::{SHA256, digest};
use boundary::ceremony::{SHARE_PREFIX, Share};
use boundary::wire::Wire as _;
use zeroize::Zeroizing;

use crate::Fault;

/// Crockford's base 32: no I, L, O, U, which look like something else.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The bytes of a share, then of the digest of the whole that fills the last group.
const SHARE_BYTES: usize = 57;
const GROUP_BYTES: usize = 5;
const GROUPS: usize = 12;
/// Eight letters of a group, two that check it.
const GROUP_LETTERS: usize = 10;

/// Bytes as letters, five bits each; what is left over at the end is dropped.
pub fn letters(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
    let letter = |n: usize| (0..5).fold(0, |value, at| value << 1 | bit(n * 5 + at));
    (0..bytes.len() * 8 / 5).map(|n| char::from(LETTERS[usize::from(letter(n))])).collect()
}

fn check_letters(number: usize, group: &[u8]) -> String {
    let place = u8::try_from(number).unwrap_or(u8::MAX);
    letters(&digest(&SHA256, &[&[place], group].concat()).as_ref()[..2])[..2].to_owned()
}

/// A share for paper: twelve groups, each with a number in front.
pub fn print(share: &Share) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(share.to_bytes());
    let whole = digest(&SHA256, &bytes);
    bytes.extend_from_slice(&whole.as_ref()[..GROUPS * GROUP_BYTES - SHARE_BYTES]);
    let line = |(at, group): (usize, &[u8])| {
        let text = Zeroizing::new(letters(group));
        format!("{:>2}:  {}-{}-{}\n", at + 1, &text[..4], &text[4..], check_letters(at + 1, group))
    };
    Zeroizing::new(bytes.chunks(GROUP_BYTES).enumerate().map(line).collect())
}

/// Reads a share: as GnuPG gave it, or as it was typed, with or without the groups' numbers.
///
/// # Errors
///
/// Which group is mistyped, or what this is instead of a share.
pub fn read(text: &str) -> Result<Share, Fault> {
    if text.contains("BEGIN PGP MESSAGE") {
        return Err(Fault::new(
            "this is still encrypted; decrypt it, and hand in what comes out: gpg --decrypt FILE | holdfast ceremony .. --share -",
        ));
    }
    let bytes = match text.find(SHARE_PREFIX) {
        Some(at) => unhex(text[at + SHARE_PREFIX.len()..].split_whitespace().next().unwrap_or_default()),
        None => Some(typed(text)?),
    };
    let share = bytes.and_then(|bytes| Share::from_bytes(&bytes).ok());
    share.ok_or_else(|| Fault::new("this is not a share, or not the whole of one"))
}

fn typed(text: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut groups = Vec::new();
    for word in text.split_whitespace().filter(|word| !word.ends_with(':')) {
        let number = groups.len() + 1;
        let wrong =
            || Fault::new(format!("group {number} is mistyped: compare it with the paper letter by letter"));
        let group: Option<Vec<u8>> = word.chars().filter(|letter| *letter != '-').map(value).collect();
        let group = Zeroizing::new(group.filter(|group| group.len() == GROUP_LETTERS).ok_or_else(wrong)?);
        let number_of_group = group[..8].iter().fold(0_u64, |bits, value| bits << 5 | u64::from(*value));
        let bytes = Zeroizing::new(number_of_group.to_be_bytes()[3..].to_vec());
        let check: String = group[8..].iter().map(|value| char::from(LETTERS[usize::from(*value)])).collect();
        if check != check_letters(number, &bytes) {
            return Err(wrong());
        }
        groups.push(bytes);
    }
    if groups.len() != GROUPS {
        return Err(Fault::new(format!("a share has {GROUPS} groups, and here are {}", groups.len())));
    }
    let mut bytes =
        Zeroizing::new(groups.iter().flat_map(|group| group.iter().copied()).collect::<Vec<u8>>());
    let whole = digest(&SHA256, &bytes[..SHARE_BYTES]);
    if !whole.as_ref().starts_with(&bytes[SHARE_BYTES..]) {
        return Err(Fault::new("each group fits its check and the whole does not: are they of two papers?"));
    }
    bytes.truncate(SHARE_BYTES);
    Ok(bytes)
}

/// What a typed letter stands for; O is read as 0, and I and L as 1.
fn value(letter: char) -> Option<u8> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    LETTERS.iter().position(|one| char::from(*one) == letter).and_then(|at| u8::try_from(at).ok())
}

/// The bytes of a hexadecimal text.
pub fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let nibble = |c: &u8| char::from(*c).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| Some(nibble(pair.first()?)? << 4 | nibble(pair.get(1)?)?))
        .collect::<Option<Vec<u8>>>()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> Share {
        let value = std::array::from_fn(|at| u8::try_from(at * 7).unwrap());
        Share { ceremony_id: [1, 2, 3, 4, 5, 6, 7, 8], enclave: [0xee; 16], index: [4], value }
    }

    #[test]
    fn what_is_printed_is_read_back_however_it_is_typed() {
        let printed = print(&share());
        let bare: Vec<String> =
            printed.lines().map(|line| line.split_whitespace().last().unwrap().replace('-', "")).collect();
        let sloppy = bare.join(" ").to_lowercase().replace('0', "o").replace('1', "l");
        for text in [printed.as_str(), &bare.join("\n"), &sloppy] {
            assert_eq!(read(text).unwrap().to_bytes(), share().to_bytes(), "{text}");
        }
        let hex: Vec<String> = share().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            read(&format!("{SHARE_PREFIX}{}\n", hex.concat())).unwrap().to_bytes(),
            share().to_bytes()
        );
    }

    #[test]
    fn a_slip_is_found_in_its_group() {
        let printed = print(&share());
        let lines: Vec<&str> = printed.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
        let fails = |lines: &[&str]| read(&lines.join("\n")).err().map(|error| error.to_string());
        let mut found = 0;
        for (at, line) in lines.iter().enumerate() {
            for place in [0, 3, 5, 8, 10, 11] {
                let other = if &line[place..=place] == "Z" { "Y" } else { "Z" };
                let slipped = format!("{}{other}{}", &line[..place], &line[place + 1..]);
                let mut typed = lines.clone();
                typed[at] = &slipped;
                let error = fails(&typed).unwrap();
                found += u32::from(error.starts_with(&format!("group {} is mistyped", at + 1)));
            }
        }
        assert!(found >= 71, "a slip in a group passes its check once in a thousand: {found} of 72");
        let mut swapped = lines.clone();
        swapped.swap(2, 3);
        assert!(fails(&swapped).unwrap().starts_with("group 3 "));
        assert!(fails(&lines[1..]).is_some());
        assert!(fails(&lines[..11]).unwrap().contains("12 groups, and here are 11"));
        assert!(fails(&[&lines[0][..11]]).unwrap().starts_with("group 1 "));
        assert!(fails(&["-----BEGIN PGP MESSAGE-----"]).unwrap().contains("gpg --decrypt"));
    }

    #[test]
    fn papers_of_two_shares_do_not_mix() {
        let (one, other) = (print(&share()), print(&Share { index: [5], ..share() }));
        let mixed: Vec<&str> = one.lines().take(11).chain(other.lines().skip(11)).collect();
        let error = read(&mixed.join("\n")).err().unwrap().to_string();
        assert!(error.contains("two papers"), "{error}");
    }
}
