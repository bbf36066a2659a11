//! A run as `JUnit`'s XML.

use std::fmt::Write as _;

use super::report::Outcome;
use super::verdict::Verdict;

/// The document.
pub fn document(base_url: &str, outcomes: &[Outcome]) -> String {
    let count = |word: &str| outcomes.iter().filter(|one| one.verdict.as_str() == word).count();
    let seconds: f64 = outcomes.iter().map(|one| one.took.as_secs_f64()).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        xml,
        "<testsuite name=\"conformance of {}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" errors=\"0\" time=\"{seconds:.3}\">",
        escaped(base_url),
        outcomes.len(),
        count("fail"),
        count("skip"),
    );
    for one in outcomes {
        let area = one.row.id.split('.').next().unwrap_or_default();
        let _ = write!(
            xml,
            "  <testcase classname=\"conformance.{area}\" name=\"{}\" time=\"{:.3}\">",
            escaped(one.row.id),
            one.took.as_secs_f64(),
        );
        match &one.verdict {
            Verdict::Pass => {}
            Verdict::Skip(why) => {
                let _ = write!(xml, "<skipped message=\"{}\"/>", escaped(why));
            }
            Verdict::Fail { what, exchange } => {
                let lines =
                    exchange.iter().flat_map(|exchange| exchange.lines()).collect::<Vec<_>>().join("\n");
                let _ = write!(
                    xml,
                    "<failure message=\"{}\">{}\n{}</failure>",
                    escaped(what),
                    escaped(one.row.says),
                    escaped(&lines),
                );
            }
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>");
    xml
}

/// A text as XML 1.0 has it; what no XML may hold is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_may_not_hold_is_escaped_or_replaced() {
        assert_eq!(escaped("<a b=\"c\">&\u{0}\n"), "&lt;a b=&quot;c&quot;&gt;&amp;\u{fffd}&#10;");
    }
}
