//! The pictures of the book *Decide*, and the words of the pages that they were taken of.
//!
//! Who votes by a picture of yesterday's page looks for what is no longer there. So the words are committed beside each
//! picture and compared with the page: `HOLDFAST_WRITE_REFERENCE=1` before the story takes both anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::rig::browser::Browser;

const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book");
/// Each; the heading from which on the page is shown, or nothing where that is its top; the place that it ends below.
const PICTURES: [(&str, Option<&str>, &str); 4] = [
    ("notices", None, "main"),
    ("recovery-form", None, "main"),
    ("recovery-to-vote", None, "button.grave"),
    ("recovery-ready", Some("Votes"), "main"),
];
/// Pixels, as wide as the book's column.
const WIDTH: u32 = 860;
/// Pixels of the page: so much above and below is shown besides.
const MARGIN: u32 = 24;
/// The book is read over a phone's network, too.
const PICTURE_BYTES_MAX: usize = 100_000;
/// The page's words without those that are others each time: instants, ids, fingerprints, and the short code.
const WORDS: &str = r"
    const varying = [
        [/\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC/g, 'INSTANT'],
        [/\b(?:just now|in a moment|in \d+ [a-z]+|\d+ [a-z]+ ago)\b/g, 'WHEN'],
        [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID'],
        [/([0-9A-F]{4}\s*){10}/g, 'FINGERPRINT\n'],
        [/\b[0-9A-Z]{4}\s*-\s*[0-9A-Z]{4}\b/g, 'CODE'],
    ];
    let words = document.body.innerText;
    for (const [pattern, name] of varying) words = words.replace(pattern, name);
    return words.split('\n').map(line => line.trim()).filter(line => line !== '').join('\n') + '\n';
";

/// Compares the page with what is committed of it, or takes picture and words anew.
pub async fn in_book(browser: &Browser, name: &str) {
    let (_, heading, last) =
        PICTURES.into_iter().find(|known| known.0 == name).expect("a picture of the book");
    let words = browser.run(WORDS).await;
    let words = words.as_str().expect("a text");
    let kept = Path::new(BOOK).join(format!("pictures/{name}.txt"));
    if std::env::var_os("HOLDFAST_WRITE_REFERENCE").is_some() {
        fs::write(&kept, words).expect("the words are kept");
        let png = browser.part(WIDTH, &top_of(heading), &end_of(last)).await;
        assert!(png.len() <= PICTURE_BYTES_MAX, "{name}: {} bytes", png.len());
        let picture = Path::new(BOOK).join(format!("src/decide/pictures/{name}.png"));
        fs::write(picture, png).expect("the picture is kept");
    }
    let then = fs::read_to_string(&kept).expect("the words of the picture");
    assert_eq!(words, then, "{name}: the book's picture is old: HOLDFAST_WRITE_REFERENCE=1 takes it anew");
}

/// A script that says how far down the page the picture begins.
fn top_of(heading: Option<&str>) -> String {
    let Some(heading) = heading else { return "return 0".to_owned() };
    format!(
        "const heading = [...document.querySelectorAll('h2')].find(h2 => h2.textContent.trim() === '{heading}'); \
         return Math.floor(heading.getBoundingClientRect().top + scrollY) - {MARGIN};"
    )
}

/// A script that says how far down the page the picture ends.
fn end_of(last: &str) -> String {
    format!(
        "const place = document.querySelector('{last}').getBoundingClientRect(); \
         return Math.min(Math.ceil(place.bottom + scrollY) + {MARGIN}, document.documentElement.scrollHeight);"
    )
}

#[test]
fn each_picture_of_the_book_is_taken_by_a_story_and_shown() {
    let mut shown = String::new();
    for page in fs::read_dir(Path::new(BOOK).join("src/decide")).expect("a folder of pages") {
        let page = page.expect("a page").path();
        if page.is_file() {
            shown.push_str(&fs::read_to_string(page).expect("a page"));
        }
    }
    let names = |folder: &str, ending: &str| -> BTreeSet<String> {
        let files = fs::read_dir(Path::new(BOOK).join(folder)).expect("a folder");
        let names = files.map(|file| file.expect("a file").file_name().into_string().expect("a plain name"));
        names.map(|name| name.strip_suffix(ending).expect("one kind of file").to_owned()).collect()
    };
    let taken: BTreeSet<_> = PICTURES.iter().map(|known| known.0.to_owned()).collect();
    assert_eq!(names("src/decide/pictures", ".png"), taken);
    assert_eq!(names("pictures", ".txt"), taken);
    for name in taken {
        assert!(shown.contains(&format!("](pictures/{name}.png)")), "no page shows {name}");
    }
}
