//! Which passwords are taken.

use crate::limits::PASSWORD_CHARS;

/// Words that people take for passwords, in lower case, one a line; each at its first place in lists of passwords
/// that came to light, or a likely word for somebody who administers keys.
static COMMON: &str = include_str!("common_passwords.txt");

/// Why a password is not taken, as an end to "the password ..."; none where it is.
///
/// NIST SP 800-63B §3.1.1.2: long, not among the common ones, not the account's own words, and no rule on which
/// characters it has.
pub fn fault(password: &str, email: &str) -> Option<&'static str> {
    let chars = password.chars().count();
    if chars < *PASSWORD_CHARS.start() {
        return Some("must have at least 12 characters");
    }
    if chars > *PASSWORD_CHARS.end() {
        return Some("must have at most 256 characters");
    }
    let plain = password.to_lowercase();
    let (local, host) = email.split_once('@').unwrap_or((email, ""));
    let own = [email, local, host.split('.').next().unwrap_or("")];
    let core = plain.trim_matches(|c: char| !c.is_alphabetic());
    let is_own = own
        .iter()
        .any(|word| word.len() >= 4 && (plain == *word || core == *word || is_repeated(&plain, word)));
    if is_own {
        return Some("must not be made of your own address");
    }
    let mut distinct: Vec<char> = plain.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 5
        || is_run(&plain)
        || is_common(&plain)
        || is_common(core)
        || is_common(&unmasked(core))
    {
        return Some(
            "is too easily guessed: it is one of the first that are tried; take several words of your own",
        );
    }
    None
}

/// Whether it is a common word, or one or two of them over and over.
fn is_common(text: &str) -> bool {
    COMMON.lines().any(|word| text == word || word.len() >= 3 && is_repeated(text, word))
        || is_two_common(text)
}

/// Whether it is two common words one after the other.
fn is_two_common(text: &str) -> bool {
    let begins = COMMON.lines().filter_map(|word| text.strip_prefix(word).filter(|_| word.len() >= 3));
    begins.into_iter().any(|rest| COMMON.lines().any(|word| rest == word))
}

fn is_repeated(text: &str, word: &str) -> bool {
    !word.is_empty() && text.len() > word.len() && text.replace(word, "").is_empty()
}

/// Whether each character follows the one before, up or down, or along a row of the keyboard.
fn is_run(text: &str) -> bool {
    const ROWS: [&str; 6] =
        ["1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop"];
    let follows = |row: &str, a: char, b: char| match (row.find(a), row.find(b)) {
        (Some(a), Some(b)) => a.abs_diff(b) == 1 || a.abs_diff(b) + 1 == row.len() || a == b,
        _ => false,
    };
    let chars: Vec<char> = text.chars().collect();
    let kept = chars.windows(2).filter(|pair| ROWS.iter().any(|row| follows(row, pair[0], pair[1]))).count();
    // A row that is left for another breaks the run once.
    kept + 2 >= chars.len().saturating_sub(1)
}

/// With the digits and signs that people put for letters taken back.
fn unmasked(text: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(password: &str) -> bool {
        fault(password, "ada.lovelace@example.org").is_none()
    }

    #[test]
    fn long_ones_of_ones_own_are_taken() {
        for password in [
            "correct horse battery",
            "nine brown teapots sing",
            "Tr9#kLq2!vXz",
            "zwölf kleine Äpfel",
            "  spaces at ends  ",
        ] {
            assert!(taken(password), "{password}");
        }
    }

    #[test]
    fn short_ones_are_not() {
        assert!(!taken("Tr9#kLq2!vX"));
        assert!(fault(&"aB3$xyZ!".repeat(33), "").unwrap().contains("at most"));
        assert!(taken("äöüßéàçñøåþð"), "characters count, not bytes");
    }

    #[test]
    fn common_ones_are_not_however_they_are_dressed() {
        for password in [
            "passwordpassword",
            "Password12345!",
            "P@ssw0rd12345",
            "qwertyuiop12",
            "123456789012",
            "aaaaaaaaaaaa",
            "administrator1",
            "iloveyou1234",
            "letmeinletmein",
            "welcome123456",
            "abcdefghijkl",
            "1q2w3e4r5t6y",
            "holdfast2026!",
            "changemechangeme",
            "monkeydragon1",
            "qwertz123456",
            "ada.lovelace@example.org",
            "ada.lovelace1",
            "lovelacelovelace\u{0}",
        ] {
            let is_own = password.contains("lovelacelovelace");
            assert_eq!(taken(password), is_own, "{password}");
        }
    }

    #[test]
    fn the_list_is_clean() {
        let mut seen = std::collections::BTreeSet::new();
        for word in COMMON.lines() {
            assert!(!word.is_empty() && word == word.to_lowercase().trim(), "{word:?}");
            assert!(seen.insert(word), "{word} is there twice");
        }
        assert!(seen.len() >= 300, "{}", seen.len());
    }
}
