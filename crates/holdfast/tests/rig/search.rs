//! Looks for secrets in whatever form they may have slipped out.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::hex::hex;

/// A long secret is looked for piece by piece, so that a part of it is found too.
const PIECE_BYTES: usize = 32;
/// What is compared first: every place of a needle this long starts a word of the text somewhere within it.
const WORD: usize = 8;
/// No needle may be shorter, or it could lie between two whole words.
const NEEDLE_BYTES_MIN: usize = 2 * WORD - 1;
/// Read at a time; what overlaps is longer than any needle.
const CHUNK_BYTES: usize = 32 * 1024 * 1024;
const OVERLAP_BYTES: usize = 4096;
/// Bits of the filter that most words do not pass.
const FILTER_BITS: u32 = 20;

/// What was found: whose secret it is, and in which form.
pub type Hit = (String, &'static str);

/// Secrets in all their forms.
pub struct Searcher {
    needles: Vec<(Hit, Vec<u8>)>,
    words: HashMap<[u8; WORD], Vec<(usize, usize)>>,
    filter: Vec<bool>,
}

impl Searcher {
    pub fn new() -> Self {
        Self { needles: Vec::new(), words: HashMap::new(), filter: vec![false; 1 << FILTER_BITS] }
    }

    /// Looks for this secret, of 16 bytes or more, from now on.
    pub fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= 16, "{name} is too short to be found by no accident");
        let last = secret.len().saturating_sub(PIECE_BYTES);
        let starts = (0..last).step_by(PIECE_BYTES).chain([last]);
        for start in starts {
            let piece = &secret[start..secret.len().min(start + PIECE_BYTES)];
            for (form, needle) in forms(piece) {
                self.add_needle((name.to_owned(), form), needle);
            }
        }
    }

    fn add_needle(&mut self, hit: Hit, needle: Vec<u8>) {
        assert!(needle.len() >= NEEDLE_BYTES_MIN, "{hit:?} is too short");
        for shift in 0..WORD {
            let word = word_at(&needle, shift);
            self.words.entry(word).or_default().push((self.needles.len(), shift));
            self.filter[slot(word)] = true;
        }
        self.needles.push((hit, needle));
    }

    pub fn in_bytes(&self, text: &[u8]) -> BTreeSet<Hit> {
        let mut hits = BTreeSet::new();
        for at in (0..text.len().saturating_sub(WORD - 1)).step_by(WORD) {
            let word = word_at(text, at);
            if self.filter[slot(word)] {
                for (needle, shift) in self.words.get(&word).into_iter().flatten() {
                    let (hit, needle) = &self.needles[*needle];
                    let found =
                        at.checked_sub(*shift).and_then(|start| text.get(start..start + needle.len()));
                    if found == Some(needle) {
                        hits.insert(hit.clone());
                    }
                }
            }
        }
        hits
    }

    /// Searches a file of any size. Nothing where it is gone by now.
    pub fn in_file(&self, path: &Path) -> BTreeSet<Hit> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return BTreeSet::new(),
            file => file.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        };
        let (mut hits, mut text) = (BTreeSet::new(), Vec::new());
        loop {
            let read = file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut text);
            let is_end = read.unwrap_or_else(|error| panic!("{}: {error}", path.display())) == 0;
            hits.extend(self.in_bytes(&text));
            if is_end {
                return hits;
            }
            text.drain(..text.len().saturating_sub(OVERLAP_BYTES));
        }
    }
}

/// The forms that are looked for.
pub fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let joined = |separator: &str| {
        let numbers: Vec<_> = secret.iter().map(u8::to_string).collect();
        numbers.join(separator).into_bytes()
    };
    let hex = hex(secret);
    let mut forms = vec![
        ("raw", secret.to_vec()),
        ("hex in capitals", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
        ("numbers", joined(",")),
        ("numbers with blanks", joined(", ")),
    ];
    for (form, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
        // Whatever stands before it moves it against the groups of three bytes.
        for before in 0..3 {
            let text = engine.encode([&[0; 2][..before.min(2)], secret].concat());
            let bits = (before + secret.len()) * 8;
            forms.push((form, text.as_bytes()[(before * 8).div_ceil(6)..bits / 6].to_vec()));
        }
    }
    forms
}

fn word_at(text: &[u8], at: usize) -> [u8; WORD] {
    text[at..at + WORD].try_into().expect("a whole word")
}

fn slot(word: [u8; WORD]) -> usize {
    let mixed = u64::from_le_bytes(word).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS);
    usize::try_from(mixed).expect("so many bits")
}
