//! Codes of files of every size, read by this program and by another one; and whatever else is put under the camera.

use std::process::Command;

use super::*;

/// A file of so many bytes, of every value.
fn file(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| ((at * 31 + at / 256) % 256).try_into().unwrap()).collect()
}

fn told(texts: &[String]) -> String {
    join(texts).unwrap_err().to_string()
}

#[test]
fn another_program_reads_each_picture_and_the_file_is_the_same() {
    for (bytes, codes) in [(1, 1), (CODE_BYTES, 1), (CODE_BYTES + 1, 2), (3_333, 7)] {
        let folder = tempfile::tempdir().unwrap();
        let file = file(bytes);
        let pictures = write(folder.path(), ANSWER_FILE, &file).unwrap().unwrap();
        assert_eq!(pictures.len(), codes);
        let mut said = Vec::new();
        for picture in &pictures {
            let output = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(picture).output();
            let text = String::from_utf8(output.expect("Debian's zbar-tools").stdout).unwrap();
            assert_eq!(text.lines().count(), 1, "{text}");
            said.push(text.trim_end().to_owned());
        }
        assert_eq!(said, texts(ANSWER_FILE, &file));
        said.reverse();
        let lines = folder.path().join("said.txt");
        fs::write(&lines, format!("a heading\nQR-Code:{}\n", said.join("\nQR-Code:"))).unwrap();
        let (name, read) = scan(&[lines]).unwrap();
        assert_eq!((name, read), (ANSWER_FILE, file.clone()));
        let (name, read) = scan(&pictures).unwrap();
        assert_eq!((name, read), (ANSWER_FILE, file), "and so does this one");
    }
}

#[test]
fn order_and_repeats_do_not_matter_and_what_is_missing_is_named() {
    let file = file(2_750);
    let texts = texts(REQUEST_FILE, &file);
    assert_eq!(texts.len(), 6);
    let mut mixed = [texts.clone(), texts.clone()].concat();
    mixed.rotate_left(5);
    mixed.swap(0, 3);
    assert_eq!(join(&mixed).unwrap(), (REQUEST_FILE, file));
    mixed.retain(|text| !text.contains("/2/6/") && !text.contains("/5/6/"));
    assert!(told(&mixed).contains("of 6 codes these are missing: 2, 5"), "{}", told(&mixed));
    assert!(told(&[]).contains("no code of a ceremony"));
}

#[test]
fn what_was_altered_or_is_of_another_file_is_refused() {
    let (first, second) = (texts(REQUEST_FILE, &file(900)), texts(REQUEST_FILE, &file(901)));
    // One letter at a time: whatever it is in, the check does not fit.
    for at in (0..first[0].len()).step_by(7) {
        let mut letters = first[0].clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(letters).unwrap();
        assert!(told(&[altered, first[1].clone()]).contains("altered"), "letter {at}");
    }
    assert!(told(&[first[0].clone(), second[1].clone()]).contains("two different files"));
    let answers = texts(ANSWER_FILE, &file(900));
    assert!(told(&[first[0].clone(), answers[1].clone()]).contains("two different files"));
    // With a check that fits, as whoever makes codes of his own can have it.
    let again = |text: &str, data: &str| {
        let parts: Vec<&str> = text.split('/').collect();
        let forged = [&parts[..6], &[data]].concat().join("/");
        format!("{forged}/{}", check_of(&forged))
    };
    let forged = again(&first[0], &BASE32_NOPAD.encode(&[7; CODE_BYTES]));
    assert!(told(&[forged.clone(), first[1].clone()]).contains("do not make up the file"));
    assert!(told(&[forged, first[0].clone()]).contains("two different codes with the number 1"));
    for numbers in ["0/2", "3/2", "1/99999999"] {
        let forged = first[0].replace("/1/2/", &format!("/{numbers}/"));
        let forged = again(&forged, "AA");
        assert!(told(&[forged]).contains("altered"), "{numbers}");
    }
    assert!(told(&[again(&first[0], "AA/AA")]).contains("altered"), "more than there is in a code");
}

#[test]
fn only_small_files_become_codes() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(write(folder.path(), REQUEST_FILE, &file(QR_BYTES_MAX + 1)).unwrap(), None);
    assert!(!folder.path().join(FOLDER).exists());
    assert_eq!(texts(REQUEST_FILE, &file(QR_BYTES_MAX)).len(), QR_BYTES_MAX.div_ceil(CODE_BYTES));
    write(folder.path(), REQUEST_FILE, &file(700)).unwrap();
    let page = fs::read_to_string(folder.path().join(FOLDER).join("request.html")).unwrap();
    assert!(page.contains("1 of 2</figcaption>") && page.matches("data:image/png;base64,").count() == 2);
}
