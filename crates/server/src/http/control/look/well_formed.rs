//! Whether a page is one that every reader can use: read by a small parser of our own, which takes nothing that the
//! standard would mend.

use std::collections::{BTreeMap, BTreeSet};

/// Elements without content.
const EMPTY: [&str; 7] = ["br", "hr", "img", "input", "link", "meta", "source"];

/// One element's beginning.
#[derive(Debug)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, with the entities in their values read.
    pub attributes: BTreeMap<String, String>,
    /// The names of those that it stands in, outermost first.
    pub within: Vec<String>,
    /// The text in it and its elements.
    pub text: String,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Asserts all that every page must keep, and gives its elements for what is asked besides.
pub fn check(page: &str) -> Vec<Element> {
    let elements = read(page);
    check_document(&elements);
    check_ids(&elements);
    check_names(&elements);
    check_forms(&elements);
    check_headings(&elements);
    check_nothing_inline(&elements);
    elements
}

fn read(page: &str) -> Vec<Element> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document begins with its type");
    let (mut elements, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        let text = unescape(&rest[..at]);
        for index in &open {
            elements[*index].text.push_str(&text);
        }
        assert!(!rest[..at].contains('>'), "a stray `>` in {:?}", &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(closing) = rest.strip_prefix('/') {
            let end = closing.find('>').expect("a closing tag ends");
            let index = open.pop().unwrap_or_else(|| panic!("</{}> closes nothing", &closing[..end]));
            assert_eq!(elements[index].name, closing[..end], "tags are closed in order");
            rest = &closing[end + 1..];
            continue;
        }
        let (mut element, after) = read_tag(rest);
        element.within = open.iter().map(|index| elements[*index].name.clone()).collect();
        if !EMPTY.contains(&element.name.as_str()) {
            open.push(elements.len());
        }
        elements.push(element);
        rest = after;
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "every tag is closed: {open:?} {rest:?}");
    elements
}

fn read_tag(tag: &str) -> (Element, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':';
    let end = tag.find(|c| !is_name(c)).expect("a tag ends");
    let (name, mut rest) = (tag[..end].to_owned(), &tag[end..]);
    assert!(!name.is_empty(), "a stray `<` before {:?}", tag.get(..20));
    let mut attributes = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            let element = Element { name, attributes, within: Vec::new(), text: String::new() };
            return (element, after);
        }
        let end = rest.find(|c| !is_name(c)).expect("an attribute ends");
        let attribute = rest[..end].to_owned();
        assert!(!attribute.is_empty(), "no attribute: {:?}", rest.get(..20));
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix("=\"") {
            let end = after.find('"').expect("a value is quoted");
            value = unescape(&after[..end]);
            rest = &after[end + 1..];
        }
        assert!(attributes.insert(attribute.clone(), value).is_none(), "{attribute} twice on {name}");
    }
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, after) = part.split_once(';').expect("an ampersand begins an entity");
        read.push_str(match entity {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            other => panic!("an unknown entity: {other}"),
        });
        read.push_str(after);
    }
    read
}

fn check_document(elements: &[Element]) {
    let count = |name| elements.iter().filter(|element| element.name == name).count();
    for name in ["html", "head", "body", "title", "main", "h1"] {
        assert_eq!(count(name), 1, "one {name}");
    }
    assert_eq!(elements[0].get("lang"), Some("en"));
    let title = elements.iter().find(|element| element.name == "title").unwrap();
    assert!(title.text.ends_with(" · Holdfast") && title.text.len() > " · Holdfast".len(), "{}", title.text);
    let skip = elements.iter().find(|element| element.name == "a").unwrap();
    assert_eq!(skip.get("href"), Some("#content"), "the first link skips to the page");
    for element in elements {
        let landmark = ["header", "main", "footer", "nav", "a"];
        let is_words = ["p", "h1", "h2", "table", "form"].contains(&element.name.as_str());
        assert!(
            !is_words || element.within.iter().any(|name| landmark.contains(&name.as_str())),
            "{} stands outside of every landmark",
            element.name
        );
    }
}

fn check_ids(elements: &[Element]) {
    let mut ids = BTreeSet::new();
    for id in elements.iter().filter_map(|element| element.get("id")) {
        assert!(!id.is_empty() && !id.contains(char::is_whitespace), "no id: {id:?}");
        assert!(ids.insert(id), "the id {id} stands twice");
    }
    for element in elements {
        for name in ["for", "aria-describedby", "aria-labelledby", "data-into"] {
            for id in element.get(name).unwrap_or_default().split_whitespace() {
                assert!(ids.contains(id), "{name} of {} names {id}, which is not there", element.name);
            }
        }
        if let Some(id) = element.get("href").and_then(|href| href.strip_prefix('#')) {
            assert!(ids.contains(id), "a link to #{id}, which is not there");
        }
    }
}

fn check_names(elements: &[Element]) {
    let labelled: BTreeSet<_> = elements
        .iter()
        .filter(|element| element.name == "label" && !element.text.trim().is_empty())
        .filter_map(|element| element.get("for"))
        .collect();
    for element in elements {
        let has_text =
            !element.text.trim().is_empty() || element.get("aria-label").is_some_and(|text| !text.is_empty());
        match element.name.as_str() {
            "input" if element.get("type") == Some("hidden") => {}
            "input" | "select" | "textarea" => {
                let id = element.get("id").unwrap_or_else(|| panic!("{element:?} has no id"));
                assert!(labelled.contains(id), "{id} has no label");
            }
            "a" | "button" | "summary" | "th" | "caption" | "legend" | "h1" | "h2" | "h3" => {
                assert!(has_text, "an empty {element:?}");
            }
            "nav" => assert!(element.get("aria-label").is_some(), "a nav without a name"),
            "img" => assert!(element.attributes.contains_key("alt"), "a picture without words"),
            "svg" => assert!(
                element.get("aria-hidden") == Some("true") || element.get("aria-label").is_some(),
                "a drawing that is neither hidden nor named"
            ),
            "td" => assert!(element.attributes.contains_key("data-label"), "a cell without its label"),
            _ => {}
        }
    }
}

fn check_forms(elements: &[Element]) {
    for (at, form) in elements.iter().enumerate().filter(|(_, element)| element.name == "form") {
        assert!(!form.within.iter().any(|name| name == "form"), "a form in a form");
        let inner: Vec<_> = elements[at + 1..]
            .iter()
            .take_while(|element| element.within.len() > form.within.len())
            .collect();
        assert!(inner.iter().any(|element| element.name == "button"), "a form without a button: {form:?}");
        let token = inner.iter().find(|element| element.get("name") == Some("csrf"));
        match form.get("method") {
            Some("get") => assert!(token.is_none(), "a token in an address: {form:?}"),
            Some("post") => assert!(token.is_some(), "a form without its token: {form:?}"),
            other => panic!("a form by {other:?}"),
        }
        assert!(form.get("action").is_some_and(|path| path.starts_with("/control/")), "{form:?}");
    }
    for button in elements.iter().filter(|element| element.name == "button") {
        assert!(button.within.iter().any(|name| name == "form"), "a button without a form");
    }
}

fn check_headings(elements: &[Element]) {
    let mut last = 0;
    for element in elements {
        let level = match element.name.as_str() {
            "h1" => 1,
            "h2" => 2,
            "h3" => 3,
            _ => continue,
        };
        assert!(level <= last + 1, "a heading of level {level} after one of level {last}: {}", element.text);
        last = level;
    }
}

fn check_nothing_inline(elements: &[Element]) {
    for element in elements {
        assert_ne!(element.name, "style");
        assert!(element.name != "script" || element.text.is_empty(), "a script within the page");
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on") && name != "style", "{name} on {}", element.name);
            let is_address = ["href", "src", "action", "formaction"].contains(&name.as_str());
            let is_ours =
                ["/", "#", "?"].iter().any(|start| value.starts_with(start)) && !value.starts_with("//");
            let is_picture = value.starts_with("data:") && ["img", "link"].contains(&element.name.as_str());
            assert!(!is_address || is_ours || is_picture, "{name}={value} leads elsewhere");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    fn page(body: &str) -> String {
        format!(
            "<!DOCTYPE html><html lang=\"en\"><head><title>A · Holdfast</title></head>\
             <body><a href=\"#content\">Skip</a><main id=\"content\"><h1>A</h1>{body}</main></body></html>"
        )
    }

    #[test]
    fn a_good_page_is_taken_and_each_fault_is_seen() {
        check(&page("<p>All &lt;well&gt;</p>"));
        for fault in [
            "<p>",
            "<p><b></p></b>",
            "<p id=\"a\"></p><p id=\"a\"></p>",
            "<p style=\"color: red\">x</p>",
            "<style>p{}</style>",
            "<script>alert(1)</script>",
            "<p onclick=\"x()\">x</p>",
            "<a href=\"https://elsewhere.example\">x</a>",
            "<a href=\"//elsewhere.example\">x</a>",
            "<a href=\"javascript:x()\">x</a>",
            "<a href=\"/x\"></a>",
            "<a href=\"#nowhere\">x</a>",
            "<img src=\"/x\">",
            "<input id=\"x\" type=\"text\">",
            "<label for=\"x\">X</label>",
            "<h3>too deep</h3>",
            "<h1>another</h1>",
            "<p>fish & chips</p>",
            "<p>a > b</p>",
            "<form method=\"post\" action=\"/control/x\"><button>x</button></form>",
            "<form method=\"get\" action=\"/control/x\"></form>",
            "<nav></nav>",
            "<table><tr><td>x</td></tr></table>",
            "<svg></svg>",
        ] {
            let faulty = page(fault);
            assert!(std::panic::catch_unwind(|| check(&faulty)).is_err(), "not seen: {fault}");
        }
    }
}
