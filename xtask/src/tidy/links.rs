//! Relative links in documents lead somewhere, to the heading.

use std::collections::BTreeMap;

use super::Violation;
use super::tree::{Tree, extension_of};

pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.with_extension("md").flat_map(|(path, text)| check_file(tree, path, text)).collect()
}

fn check_file(tree: &Tree, path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, prose) in prose_lines(text) {
        for target in targets(&prose) {
            if let Some(what) = complaint(tree, path, &target) {
                violations.push(Violation::new(path, line, what));
            }
        }
    }
    violations
}

/// What is wrong with this link on this page, if anything is.
fn complaint(tree: &Tree, page: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    if target.starts_with('/') {
        return Some(format!("link {target} starts at the root of nothing; write it relative to this file"));
    }
    let (file, heading) =
        target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let Some(file) = resolve(page, &file.replace("%20", " ")) else {
        return Some(format!("link {target} leaves the repository; write the whole address"));
    };
    if !tree.is_file(&file) && !tree.is_dir(&file) {
        return Some(format!("link {target} leads to no file; correct the path or remove the link"));
    }
    let heading = heading.filter(|_| extension_of(&file) == "md")?;
    let found = tree.text(&file).is_some_and(|text| anchors(text).iter().any(|anchor| anchor == heading));
    (!found).then(|| format!("link {target} leads to no heading; correct what follows the #"))
}

/// The path from the root that `link` on the page `page` means; nothing if it leaves the root.
fn resolve(page: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Lines outside fenced code, without their spans of code, each with its number.
fn prose_lines(text: &str) -> Vec<(usize, String)> {
    let mut prose = Vec::new();
    let mut fence = "";
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let opens = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, opens) {
            ("", None) => prose.push((index + 1, without_code(line))),
            ("", Some(mark)) => fence = mark,
            (open, Some(mark)) if open == mark => fence = "",
            _ => {}
        }
    }
    prose
}

fn without_code(line: &str) -> String {
    let spans: Vec<&str> = line.split('`').collect();
    // An odd backtick at the end opens nothing.
    let is_code = |index: usize| index % 2 == 1 && index + 1 < spans.len();
    spans.iter().enumerate().filter(|(index, _)| !is_code(*index)).map(|(_, span)| *span).collect()
}

/// The targets of `[text](target "title")`, `[text](<target>)` and `[name]: target` in a line.
fn targets(line: &str) -> Vec<String> {
    let mut found: Vec<String> = line
        .match_indices("](")
        .map(|(at, mark)| {
            let rest = &line[at + mark.len()..];
            match rest.strip_prefix('<') {
                Some(rest) => rest.split('>').next().unwrap_or_default().to_owned(),
                None => balanced(rest).split_whitespace().next().unwrap_or_default().to_owned(),
            }
        })
        .collect();
    let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    // `[^1]: words` is a footnote.
    let definition = definition.filter(|(name, _)| !name.starts_with('^') && !name.contains(']'));
    found.extend(definition.and_then(|(_, target)| target.split_whitespace().next()).map(str::to_owned));
    found
}

/// What stands before the parenthesis that closes the one before `rest`.
fn balanced(rest: &str) -> &str {
    let mut depth = 1_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return &rest[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    rest
}

/// The anchors of a page: its headings, as forges make them, and the ids that it sets itself.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let ids = line.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(ids.map(str::to_owned));
        let hashes = line.bytes().take_while(|&byte| byte == b'#').count();
        let Some(title) = line[hashes..].strip_prefix(' ').filter(|_| (1..=6).contains(&hashes)) else {
            continue;
        };
        let anchor = anchor_of(title);
        let times = seen.entry(anchor.clone()).or_default();
        found.push(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
    found
}

fn anchor_of(title: &str) -> String {
    let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# One page\n\n## 2. A `b` (c)\n\n## Again\n\n## Again\n<a id=\"here\"></a>\n";

    fn check_page(path: &str, text: &str) -> Vec<Violation> {
        check(&Tree::of(&[(path, text), ("docs/page.md", PAGE), ("docs/adr/0001-a.md", ""), ("LICENSE", "")]))
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "[a](page.md) [b](adr/) [c](../LICENSE) [d](page.md#2-a-b-c) [e](page.md#again-1 \"title\")\n\
                    [f](page.md#here) [g](https://example.org/x.md) [h](#top) [i](<page.md>) [j](mailto:a@b.c)\n\
                    # Top\n[k]: page.md\n[^1]: nothing.md is a file\n";
        assert_eq!(check_page("docs/links.md", text), []);
    }

    #[test]
    fn links_that_lead_nowhere_fail() {
        for target in
            ["gone.md", "page.md#gone", "#gone", "../../x", "/docs/page.md", "adr/0002-b.md", "<gone.md>"]
        {
            let found = check_page("docs/links.md", &format!("words\n[a]({target}) and [b](page.md)\n"));
            assert_eq!(found.len(), 1, "{target}");
            assert_eq!((found[0].path.as_str(), found[0].line), ("docs/links.md", 2));
        }
        assert_eq!(check_page("README.md", "[a]: docs/gone.md\n").len(), 1);
    }

    #[test]
    fn code_is_not_prose() {
        assert_eq!(check_page("README.md", "```text\n[a](gone.md)\n```\nsee `[a](gone.md)` there\n"), []);
        assert_eq!(check_page("README.md", "```\n```\n[`a`](gone.md)\n").len(), 1);
    }
}
