//! The enclave's socket, and what a holder's tool believes of what comes through it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use boundary::Env;
use boundary::ceremony::{
    Attempt, Begun, Dealt, Give, Given, Plan, Purpose, Share, Standing, attempt_preimage,
};
use boundary::message::{Hello, Refusal, Reply, Request};
use boundary::wire::{Wire as _, frame, frame_length, unframe};
use zeroize::Zeroizing;

use crate::Fault;

/// Which enclave.
#[derive(Clone, Debug)]
pub struct Door {
    /// Its socket.
    pub socket: PathBuf,
    /// The environment it must be of.
    pub env: Env,
}

impl Door {
    /// One request and its reply; a refusal is a failure in plain words.
    fn ask(&self, request: &Request) -> Result<Reply, Fault> {
        match exchange(&self.socket, request)? {
            Reply::Refused(refusal) => Err(Fault::new(plain(&refusal))),
            reply => Ok(reply),
        }
    }

    /// Makes a root key and its shares.
    pub fn found(&self, plan: Plan) -> Result<Dealt, Fault> {
        match self.ask(&Request::Found(plan))? {
            Reply::Dealt(dealt) => Ok(dealt),
            _ => Err(out_of_protocol()),
        }
    }

    /// What a rekey has made; none as long as it waits for shares.
    pub fn collect(&self) -> Result<Option<Dealt>, Fault> {
        match exchange(&self.socket, &Request::Collect(Hello { env: self.env }))? {
            Reply::Dealt(dealt) => Ok(Some(dealt)),
            Reply::Refused(Refusal::NoAttempt) => Ok(None),
            Reply::Refused(refusal) => Err(Fault::new(plain(&refusal))),
            _ => Err(out_of_protocol()),
        }
    }

    /// Hands in an encrypted share.
    pub fn give(&self, ciphertext: Vec<u8>) -> Result<Given, Fault> {
        match self.ask(&Request::Give(Give { ciphertext }))? {
            Reply::Given(given) => Ok(given),
            _ => Err(out_of_protocol()),
        }
    }

    /// Gives a share for this purpose, and for no other that whoever relays may have put in its place.
    pub fn give_share(&self, purpose: &Purpose, share: &Share) -> Result<Given, Fault> {
        let begun = self.begin(purpose.clone())?;
        if purpose_of(&begun)? != *purpose {
            return Err(Fault::new("shares are asked for something else: your share was not given"));
        }
        self.give(answer(&begun, share)?)
    }

    /// How things stand with the root key.
    pub fn stand(&self) -> Result<Standing, Fault> {
        match self.ask(&Request::Stand(Hello { env: self.env }))? {
            Reply::Stands(standing) => Ok(standing),
            _ => Err(out_of_protocol()),
        }
    }

    /// Whether the enclave, which is open, is an offline one: that answers nobody but holders.
    pub fn is_offline(&self) -> Result<bool, Fault> {
        match exchange(&self.socket, &Request::Hello(Hello { env: self.env }))? {
            Reply::Welcome(_) => Ok(false),
            Reply::Refused(Refusal::Sealed) if self.stand()?.open.is_some() => Ok(true),
            Reply::Refused(refusal) => Err(Fault::new(plain(&refusal))),
            _ => Err(out_of_protocol()),
        }
    }

    /// An attempt for this purpose: the one that runs, or a new one.
    pub fn begin(&self, purpose: Purpose) -> Result<Begun, Fault> {
        match self.ask(&Request::Begin(purpose))? {
            Reply::Begun(begun) => Ok(begun),
            _ => Err(out_of_protocol()),
        }
    }
}

/// What the enclave answered is not what belongs to the question.
fn out_of_protocol() -> Fault {
    Fault::new("the enclave answers out of protocol; is it of the same version?")
}

fn exchange(socket: &Path, request: &Request) -> Result<Reply, Fault> {
    let doing = format!("cannot speak to the enclave at {}", socket.display());
    let fails = Fault::of::<std::io::Error>(&doing);
    let strange = Fault::of(&doing);
    let mut stream = UnixStream::connect(socket).map_err(&fails)?;
    stream.write_all(&frame(request)).map_err(&fails)?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).map_err(&fails)?;
    let length = frame_length(prefix).map_err(&strange)?;
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body).map_err(&fails)?;
    unframe(&body).map_err(&strange)
}

fn plain(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Sealed => "the enclave is sealed: its root key is with the holders of its shares".to_owned(),
        Refusal::WrongShare => {
            "this is not a share of this ceremony, or it was altered on the way; it does not count, \
                                what others gave does"
                .to_owned()
        }
        Refusal::NoAttempt => {
            "nobody asks for shares now: none was begun, or its 15 minutes are over; begin anew".to_owned()
        }
        Refusal::NotNow => {
            "that cannot be done as things stand with the root key; `holdfast ceremony status` says how they \
                            stand"
                .to_owned()
        }
        Refusal::Recipient(fault) => {
            format!("a holder's OpenPGP certificate cannot be encrypted to: {fault:?}; nothing was made")
        }
        Refusal::LogUnavailable => "the enclave cannot use its folder; its log says why".to_owned(),
        Refusal::Malformed => {
            "the enclave does not take this; is it of this environment and version?".to_owned()
        }
        other => format!("the enclave refuses: {other:?}"),
    }
}

/// Believes an attempt that the enclave of this share signed, and encrypts the share to it.
pub fn answer(begun: &Begun, share: &Share) -> Result<Vec<u8>, Fault> {
    let attempt = believe(begun, share)?;
    let bytes = Zeroizing::new(share.to_bytes());
    let key = PublicEncryptingKey::from_der(&attempt.public_key).map_err(|_| out_of_protocol())?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| out_of_protocol())?;
    let mut ciphertext = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, &bytes, &mut ciphertext, None).map_err(|_| out_of_protocol())?;
    Ok(ciphertext)
}

/// The attempt, if it is of the enclave and of the ceremony that the share is for.
fn believe(begun: &Begun, share: &Share) -> Result<Attempt, Fault> {
    let identity = digest(&SHA256, &begun.identity);
    if !identity.as_ref().starts_with(&share.enclave) {
        return Err(Fault::new(
            "this is not the enclave that your share was made by: your share was not given; find out who answers here",
        ));
    }
    let signed = UnparsedPublicKey::new(&ED25519, &begun.identity)
        .verify(&attempt_preimage(&begun.attempt), &begun.signature);
    signed.map_err(|_| {
        Fault::new("what asks for your share is not signed by its enclave: your share was not given")
    })?;
    let attempt =
        Attempt::from_bytes(&begun.attempt).map_err(Fault::of("cannot read what the enclave asks"))?;
    if attempt.ceremony_id != share.ceremony_id {
        return Err(Fault::new(
            "your share is of another ceremony than the one that is asked for: it is an older one, or one that is not \
             in force yet",
        ));
    }
    Ok(attempt)
}

/// What an attempt says, unverified: for showing it.
pub fn purpose_of(begun: &Begun) -> Result<Purpose, Fault> {
    Ok(Attempt::from_bytes(&begun.attempt).map_err(Fault::of("cannot read what the enclave asks"))?.purpose)
}

/// A key that lives as long as the command: shares that are to be printed travel under it.
pub struct PrinterKey(PrivateDecryptingKey);

impl PrinterKey {
    /// A new one.
    pub fn generate() -> Result<Self, Fault> {
        PrivateDecryptingKey::generate(KeySize::Rsa4096).map(Self).map_err(Fault::of("no key could be made"))
    }

    /// Its public half, as DER.
    pub fn public_half(&self) -> Result<Vec<u8>, Fault> {
        let der: PublicKeyX509Der<'_> =
            self.0.public_key().as_der().map_err(Fault::of("no key could be made"))?;
        Ok(der.as_ref().to_vec())
    }

    /// Opens a share.
    pub fn open(self, ciphertexts: &[&Vec<u8>]) -> Result<Vec<Share>, Fault> {
        let key = OaepPrivateDecryptingKey::new(self.0).map_err(Fault::of("a share cannot be opened"))?;
        let open = |ciphertext: &&Vec<u8>| {
            let mut buffer = Zeroizing::new(vec![0; key.min_output_size()]);
            let opened = key.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut buffer, None);
            Share::from_bytes(opened.map_err(Fault::of("a share cannot be opened"))?)
                .map_err(Fault::of("a share cannot be read"))
        };
        ciphertexts.iter().map(open).collect()
    }
}
