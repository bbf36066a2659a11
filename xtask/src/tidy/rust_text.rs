//! Just enough of Rust's lexical grammar to tell code from comments and strings.

/// The text with comments blanked and the insides of literals struck out: ASCII, of the same length in bytes and
/// with the same lines, so that a place in one is the same place in the other.
pub struct Masked {
    bytes: Vec<u8>,
}

/// Stands for a byte inside a literal. No Rust token contains it.
const STRUCK: u8 = b'~';

impl Masked {
    pub fn of(source: &str) -> Self {
        let source = source.as_bytes();
        let mut bytes = Vec::with_capacity(source.len());
        let mut at = 0;
        while at < source.len() {
            let (end, fill) = next_piece(source, at);
            bytes
                .extend(source[at..end].iter().map(|&byte| if byte == b'\n' { byte } else { fill.of(byte) }));
            at = end;
        }
        Self { bytes }
    }

    pub fn as_str(&self) -> &str {
        // Every byte written is ASCII: see `Fill::of`.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// The line, counted from 1, on which the byte at `at` stands.
    pub fn line_of(&self, at: usize) -> usize {
        1 + self.as_str()[..at.min(self.bytes.len())].matches('\n').count()
    }

    /// Where `word` begins, each time that it stands alone.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.as_str().match_indices(word).map(|(at, _)| at).filter(move |&at| {
            let before = at.checked_sub(1).and_then(|i| self.bytes.get(i));
            let after = self.bytes.get(at + word.len());
            !before.is_some_and(|&byte| is_name(byte)) && !after.is_some_and(|&byte| is_name(byte))
        })
    }

    /// The first `{` or `;` from `from` on that is not within brackets.
    pub fn body_or_end(&self, from: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, &byte) in self.bytes.iter().enumerate().skip(from) {
            match byte {
                b'(' | b'[' => depth += 1,
                b')' | b']' => depth = depth.saturating_sub(1),
                b'{' | b';' if depth == 0 => return Some(at),
                _ => {}
            }
        }
        None
    }

    /// The `}` that closes the `{` at `open`, or the end of the text.
    pub fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, &byte) in self.bytes.iter().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 1 => return at,
                b'}' => depth -= 1,
                _ => {}
            }
        }
        self.bytes.len()
    }

    /// What stands between the previous item and `at`: attributes, visibility and other words.
    pub fn preamble(&self, at: usize) -> &str {
        let mut depth = 0_usize;
        let start = self.bytes[..at].iter().rposition(|&byte| {
            match byte {
                b']' | b')' => depth += 1,
                b'[' | b'(' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(byte, b';' | b'{' | b'}')
        });
        &self.as_str()[start.map_or(0, |start| start + 1)..at]
    }

    /// How many lines from `first` to `last`, both counted, hold code.
    pub fn code_lines(&self, first: usize, last: usize) -> usize {
        let lines = self.as_str().lines().skip(first - 1);
        lines.take((last + 1).saturating_sub(first)).filter(|line| !line.trim().is_empty()).count()
    }

    /// The items under `#[cfg(test)]` or `#[cfg(all(test, ..))]`: first byte and the byte after the last.
    pub fn test_items(&self) -> Vec<(usize, usize)> {
        let mut items: Vec<(usize, usize)> = Vec::new();
        for (at, _) in self.as_str().match_indices("#[cfg(") {
            let condition = &self.as_str()[at + "#[cfg(".len()..];
            let is_test = condition.starts_with("test)") || condition.starts_with("all(test,");
            if !is_test || items.last().is_some_and(|&(_, end)| at < end) {
                continue;
            }
            let end = match self.body_or_end(at) {
                Some(open) if self.bytes[open] == b'{' => self.closing(open) + 1,
                Some(semicolon) => semicolon + 1,
                None => self.bytes.len(),
            };
            items.push((at, end.min(self.bytes.len())));
        }
        items
    }

    /// The same text with those items blanked.
    pub fn without_tests(&self) -> Self {
        let mut bytes = self.bytes.clone();
        for (start, end) in self.test_items() {
            bytes[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        Self { bytes }
    }
}

#[derive(Clone, Copy)]
enum Fill {
    Keep,
    Blank,
    Strike,
}

impl Fill {
    fn of(self, byte: u8) -> u8 {
        match self {
            Self::Keep if byte.is_ascii() => byte,
            Self::Keep => b'_',
            Self::Blank => b' ',
            Self::Strike => STRUCK,
        }
    }
}

/// The piece of the text that begins at `at`: where it ends and what becomes of it.
fn next_piece(source: &[u8], at: usize) -> (usize, Fill) {
    let rest = &source[at..];
    if rest.starts_with(b"//") {
        return (position(source, at, b"\n"), Fill::Blank);
    }
    if rest.starts_with(b"/*") {
        return (block_comment_end(source, at), Fill::Blank);
    }
    match rest[0] {
        b'"' => (string_end(source, at), Fill::Strike),
        b'\'' => match char_end(source, at) {
            Some(end) => (end, Fill::Strike),
            None => (at + 1, Fill::Keep),
        },
        _ => (at + 1, Fill::Keep),
    }
}

/// Where `needle` begins at or after `from`, or the end of the text.
fn position(source: &[u8], from: usize, needle: &[u8]) -> usize {
    let found = source.get(from..).and_then(|rest| rest.windows(needle.len()).position(|w| w == needle));
    found.map_or(source.len(), |offset| from + offset)
}

fn block_comment_end(source: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < source.len() {
        if source[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if source[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    source.len()
}

/// The byte after the string whose opening quote is at `quote`; what stands before it says whether it is raw.
fn string_end(source: &[u8], quote: usize) -> usize {
    let hashes = source[..quote].iter().rev().take_while(|&&byte| byte == b'#').count();
    if is_raw(&source[..quote - hashes]) {
        let mut close = vec![b'"'];
        close.resize(1 + hashes, b'#');
        return (position(source, quote + 1, &close) + close.len()).min(source.len());
    }
    let mut at = quote + 1;
    while at < source.len() {
        match source[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    source.len()
}

/// Whether the text ends in `r`, `br` or `cr` that is not the end of a longer name.
fn is_raw(before: &[u8]) -> bool {
    let Some(before) = before.strip_suffix(b"r") else { return false };
    let before = before.strip_suffix(b"b").or_else(|| before.strip_suffix(b"c")).unwrap_or(before);
    !before.last().is_some_and(|&byte| is_name(byte))
}

/// The byte after a character literal; nothing where the quote begins a lifetime.
fn char_end(source: &[u8], quote: usize) -> Option<usize> {
    if source.get(quote + 1) == Some(&b'\\') {
        return Some((position(source, quote + 3, b"'") + 1).min(source.len()));
    }
    let text = std::str::from_utf8(source.get(quote + 1..)?).ok()?;
    let close = quote + 1 + text.chars().next()?.len_utf8();
    (source.get(close) == Some(&b'\'')).then_some(close + 1)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(source: &str) -> String {
        let masked = Masked::of(source);
        assert_eq!(masked.as_str().len(), source.len(), "same length");
        masked.as_str().to_owned()
    }

    #[test]
    fn comments_are_blanked() {
        assert_eq!(masked("a // b {\nc"), "a       \nc");
        assert_eq!(masked("a /* b /* { */ \n } */ c"), "a              \n      c");
    }

    #[test]
    fn strings_are_struck() {
        assert_eq!(masked(r#"f("{ // \" }") "#), format!("f({}) ", "~".repeat(11)));
        assert_eq!(masked("r#\"a\"b\"# }"), "r#~~~~~~ }");
        assert_eq!(masked("br\"\\\" }"), "br~~~ }");
        assert_eq!(masked("attr\"\\\"\" }"), "attr~~~~ }");
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(masked("'{' &'a str '\\'' '\\u{7d}' 'é'"), "~~~ &'a str ~~~~ ~~~~~~~~ ~~~~");
    }

    #[test]
    fn lines_and_words_keep_their_places() {
        let text = Masked::of("// fn\nfn a() {\n\n  b;\n}\n");
        assert_eq!(text.words("fn").collect::<Vec<_>>(), [6]);
        assert_eq!(text.line_of(6), 2);
        assert_eq!(text.code_lines(2, 5), 3);
        assert_eq!(text.body_or_end(6).map(|open| text.closing(open)), Some(21));
    }

    #[test]
    fn test_items_are_found_and_blanked() {
        let text = Masked::of("fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n");
        assert_eq!(text.test_items().len(), 1);
        let left = text.without_tests();
        assert_eq!(left.code_lines(1, 6), 2);
        assert!(!left.as_str().contains('b') && left.as_str().contains("fn c"));
    }

    #[test]
    fn a_test_attribute_on_a_declaration_ends_at_the_semicolon() {
        let text = Masked::of("#[cfg(test)]\nmod tests;\nfn c() {}\n").without_tests();
        assert_eq!(text.code_lines(1, 3), 1);
    }

    #[test]
    fn the_preamble_reaches_back_to_the_previous_item() {
        let text = Masked::of("struct A;\n#[expect(x, reason = \";\")]\npub fn b() {}");
        let at = text.words("fn").next().expect("one function");
        assert!(text.preamble(at).contains("expect(x, reason"));
        assert!(!text.preamble(at).contains("struct"));
    }
}
