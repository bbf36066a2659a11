//! What is refused before an enclave, or a holder, is asked for anything.

use super::*;

fn ceremony_of(count: usize, threshold: u32) -> Ceremony {
    let holders = vec!["rsa".to_owned(); count];
    Ceremony { ceremony_id: [0; 8], threshold, holders, made_at_ms: 0, digests: Vec::new() }
}

#[test]
fn shares_that_are_lost_may_be_as_many_as_are_not_needed() {
    let is_refused = |lost| check_lost(&ceremony_of(5, 3), lost).map_err(|failure| failure.to_string());
    assert_eq!(is_refused(0), Ok(()));
    assert_eq!(is_refused(2), Ok(()));
    for (lost, left) in [(3, "2 of 5"), (5, "0 of 5"), (6, "0 of 5"), (u32::MAX, "0 of 5")] {
        let error = is_refused(lost).unwrap_err();
        assert!(error.starts_with(&format!("{left} shares are left and 3 are needed")), "{error}");
    }
}

#[test]
fn a_key_is_split_among_two_to_sixteen_of_whom_two_at_least_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate.asc");
    fs::write(&certificate, "a certificate").unwrap();
    let printer = PrinterKey::generate().unwrap();
    let plan = |threshold, named, print, out: &str| {
        let out = folder.path().join(out);
        let among = Among { threshold, holder: vec![certificate.clone(); named], print, out };
        plan_of(&among, &printer).map_err(|failure| failure.to_string())
    };
    for (threshold, named, print) in [(2, 2, 0), (2, 1, 1), (5, 5, 0), (2, 16, 0), (16, 10, 6)] {
        let plan = plan(threshold, named, print, "new").unwrap();
        assert_eq!((plan.threshold, plan.holders.len()), (threshold, named + print));
    }
    for (threshold, named, print) in [(0, 3, 0), (1, 3, 0), (4, 3, 0), (3, 0, 0), (2, 17, 0), (2, 10, 7)] {
        let error = plan(threshold, named, print, "none").unwrap_err();
        assert!(error.contains("cannot put the key together"), "{threshold} of {named} and {print}: {error}");
    }
    assert!(!folder.path().join("none").exists(), "refused before anything is made");
    // Where a share lies already nothing is asked for: it could not be written afterwards.
    fs::write(folder.path().join("new/share-2.asc"), "a share").unwrap();
    assert!(plan(2, 3, 0, "new").unwrap_err().contains("share-2.asc is there already"));
    assert!(plan(2, 1, 1, "new").is_ok(), "nobody writes that one");
}

#[test]
fn a_share_is_given_for_the_code_that_was_told_and_no_other() {
    let plan = || Plan { threshold: 2, holders: vec![Holder::Rsa(vec![1]), Holder::Rsa(vec![2])] };
    let other = Plan { threshold: 2, holders: vec![Holder::Rsa(vec![1]), Holder::Rsa(vec![3])] };
    let sittings = [1, 2].map(|bundle| Purpose::Sit([bundle; 32]));
    let deeds = [Purpose::Rekey(plan()), Purpose::Renew(plan()), Purpose::Retire(1), Purpose::Retire(2)];
    let deeds = [&deeds[..], &sittings].concat();
    for deed in &deeds {
        let right = code_of(deed);
        assert!(check_code(deed, Some(&right)).is_ok());
        assert!(check_code(deed, Some(&right.to_lowercase())).is_ok(), "as it is typed");
        for others in deeds.iter().filter(|others| *others != deed).chain([&Purpose::Rekey(other.clone())]) {
            assert_ne!(code_of(others), right);
            assert!(check_code(deed, Some(&code_of(others))).is_err());
        }
        for code in [None, Some(""), Some("AAAA-AAAA"), Some(&right[..8])] {
            let error = check_code(deed, code).unwrap_err().to_string();
            assert!(error.contains(&format!("with the code {right} is asked for")), "{error}");
        }
    }
    for deed in [Purpose::Unseal, Purpose::Verify] {
        assert!(check_code(&deed, None).is_ok());
        let error = check_code(&deed, Some(&code_of(&deed))).unwrap_err().to_string();
        assert!(error.contains("no rekey is asked for"), "{error}");
    }
}

#[test]
fn a_share_is_written_for_its_owner_alone_and_over_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("share-1.asc");
    write_new(&path, b"the first").unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(write_new(&path, b"the second").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"the first");
}

#[test]
fn no_more_of_a_file_is_read_than_a_share_can_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endless");
    let file = fs::File::create(&path).unwrap();
    file.set_len(2 * FILE_BYTES_MAX).unwrap();
    assert_eq!(u64::try_from(read_file(&path).unwrap().len()), Ok(FILE_BYTES_MAX));
}

#[test]
fn a_public_key_is_32_bytes_in_hexadecimal_on_the_first_line() {
    let digits = "00ff".repeat(16);
    let key = [[0x00, 0xff]; 16].concat();
    assert_eq!(key_of(&digits).unwrap().as_slice(), key);
    assert_eq!(key_of(&format!("{digits}\n04ab\n")).unwrap().as_slice(), key);
    assert_eq!(key_of(&digits.to_uppercase()).unwrap().as_slice(), key);
    for bad in [
        String::new(),
        "\n".to_owned() + &digits,
        digits[..62].to_owned(),
        digits[..63].to_owned(),
        format!("{digits}0"),
        format!("{digits}00"),
        format!("{}zz", &digits[..62]),
        format!(" {digits}"),
        format!("{} ", &digits[..63]),
        "é".repeat(64),
    ] {
        assert!(key_of(&bad).is_none(), "{bad:?}");
    }
}

#[test]
fn nobody_of_the_same_account_looks_into_a_program_that_has_a_share() {
    let nowhere = PathBuf::from("/nowhere/at/all");
    let what = What::Answer { question: nowhere.clone(), share: nowhere.clone(), code: None, out: nowhere };
    let _ = run(Args { json: false, what });
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}
