//! Holders of shares, and what they do.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use boundary::ceremony::*;
use boundary::message::*;
use boundary::wire::Wire;

use super::{Enclave, Settings};
use crate::expect;

/// Keeps shares of any number, under one RSA key.
pub struct Keeper(PrivateDecryptingKey);

impl Keeper {
    pub fn new() -> Self {
        Self(PrivateDecryptingKey::generate(KeySize::Rsa4096).unwrap())
    }

    pub fn holder(&self) -> Holder {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        Holder::Rsa(der.as_ref().to_vec())
    }

    pub fn plan(&self, threshold: u32, count: usize) -> Plan {
        Plan { threshold, holders: vec![self.holder(); count] }
    }

    pub fn open(&self, dealt: &Dealt) -> Vec<Vec<u8>> {
        let key = OaepPrivateDecryptingKey::new(self.0.clone()).unwrap();
        let open = |share: &Vec<u8>| {
            let mut buffer = vec![0; key.min_output_size()];
            key.decrypt(&OAEP_SHA256_MGF1SHA256, share, &mut buffer, None).unwrap().to_vec()
        };
        dealt.shares.iter().map(open).collect()
    }
}

pub fn shares() -> Settings {
    Settings { root: "shares", ..Settings::default() }
}

pub fn found(enclave: &Enclave, keeper: &Keeper) -> Vec<Vec<u8>> {
    keeper.open(&expect!(enclave.call(&Request::Found(keeper.plan(3, 5))), Dealt))
}

/// A share, encrypted to an attempt.
pub fn to(begun: &Begun, share: &[u8]) -> Request {
    let attempt = Attempt::from_bytes(&begun.attempt).unwrap();
    let key =
        OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&attempt.public_key).unwrap()).unwrap();
    let mut ciphertext = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, share, &mut ciphertext, None).unwrap();
    Request::Give(Give { ciphertext })
}

pub fn begin(enclave: &Enclave, purpose: Purpose) -> Begun {
    expect!(enclave.call(&Request::Begin(purpose)), Begun)
}

pub fn unseal(enclave: &Enclave, shares: &[Vec<u8>]) {
    let begun = begin(enclave, Purpose::Unseal);
    for share in shares {
        expect!(enclave.call(&to(&begun, share)), Given);
    }
    expect!(enclave.call(&Request::Hello(Hello { env: enclave.env })), Welcome);
}

pub fn standing(enclave: &Enclave) -> Standing {
    expect!(enclave.call(&Request::Stand(Hello { env: enclave.env })), Stands)
}

pub fn refused(reply: &Reply, refusal: Refusal) {
    assert_eq!(*reply, Reply::Refused(refusal));
}
