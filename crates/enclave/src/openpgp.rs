//! Who may receive: our policy over rPGP, which checks signatures and leaves the judging to its caller.
//!
//! A certificate may receive when it is one whole public certificate, its newest self-signature is good, it is
//! neither expired nor revoked, and it has a key for encryption of which the same is true and that is strong
//! enough: RSA of 2,048 bits or more, Curve25519, Curve448, or a NIST curve (RFC 9580 §5.2.3, §10.1).

use std::io::Read;
use std::panic::{UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use boundary::message::{CERTIFICATE_BYTES_MAX, Recipient, RecipientFault};
use pgp::armor::{BlockType, Dearmor, DearmorOptions};
use pgp::composed::{
    ArmorOptions, Deserializable as _, DetachedSignature, Encryption, MessageBuilder, PublicOrSecret,
    SignedPublicKey, SignedPublicSubKey,
};
use pgp::crypto::aead::{AeadAlgorithm, ChunkSize};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{EncryptionKey, KeyDetails, KeyVersion, PublicParams, Tag};
use rand_core::{CryptoRng, RngCore};

use crate::digest::sha256;
use crate::secret::Plaintext;
use crate::service::ensure;

/// How long one certificate may be looked at.
const INSPECTION_MAX: Duration = Duration::from_secs(2);
/// How many may be looked at, or be stuck, at once.
const INSPECTIONS_MAX: usize = 16;
/// How far a signer's clock may be ahead of ours.
const SKEW_S: u64 = 300;
/// The shortest hash under a vote: SHA-256's.
const HASH_BYTES_MIN: usize = 32;
/// RFC 9580 §9.1 and the contract.
const RSA_BITS_MIN: u32 = 2_048;
const PUBLIC_BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

static INSPECTIONS: AtomicUsize = AtomicUsize::new(0);

/// A certificate that may receive.
pub struct Certificate {
    /// What names it.
    pub recipient: Recipient,
    key: SignedPublicKey,
    /// Which subkey is encrypted to; none for the primary key.
    subkey: Option<usize>,
    /// The certificate announces SEIPD version 2; GnuPG 2.2 reads only version 1.
    seipd_v2: bool,
}

/// Reads a certificate, and judges it as of that instant.
pub fn inspect(certificate: &[u8], now_ms: i64) -> Result<Certificate, RecipientFault> {
    ensure(certificate.len() <= CERTIFICATE_BYTES_MAX, RecipientFault::TooLarge)?;
    let bytes = certificate.to_vec();
    apart(move || read(&bytes, seconds(now_ms))).unwrap_or(Err(RecipientFault::Unreadable))
}

/// Whether a detached signature over a message is good, and made with a key of this certificate that may sign.
pub fn signed(certificate: Vec<u8>, signature: Vec<u8>, message: Vec<u8>, now_ms: i64) -> bool {
    apart(move || verify(&certificate, &signature, &message, seconds(now_ms))).flatten().is_some()
}

fn seconds(now_ms: i64) -> u64 {
    u64::try_from(now_ms / 1_000).unwrap_or_default()
}

/// Works on a thread of its own, so that neither a panic nor an endless loop in the parser ends anything else.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + UnwindSafe + 'static) -> Option<T> {
    if INSPECTIONS.fetch_add(1, Ordering::SeqCst) >= INSPECTIONS_MAX {
        INSPECTIONS.fetch_sub(1, Ordering::SeqCst);
        return None;
    }
    let (sender, answer) = channel();
    let spawned = thread::Builder::new().name("openpgp".into()).spawn(move || {
        let found = catch_unwind(work);
        INSPECTIONS.fetch_sub(1, Ordering::SeqCst);
        // Whoever waited may have stopped waiting.
        let _ = sender.send(found);
    });
    if spawned.is_err() {
        INSPECTIONS.fetch_sub(1, Ordering::SeqCst);
    }
    answer.recv_timeout(INSPECTION_MAX).ok()?.ok()
}

fn read(certificate: &[u8], now_s: u64) -> Result<Certificate, RecipientFault> {
    let key = parse(certificate)?;
    let primary = Primary::judge(&key, now_s)?;
    let (subkey, enc) = match newest_subkey(&key, &primary, now_s) {
        Ok(at) => (Some(at), key.public_subkeys[at].fingerprint()),
        Err(_) if primary.may_encrypt() => (None, key.fingerprint()),
        Err(fault) => return Err(fault),
    };
    let recipient = Recipient {
        openpgp_fpr: format!("{:X}", key.fingerprint()),
        enc_subkey_fpr: format!("{enc:X}"),
        cert_sha256: sha256(certificate),
    };
    let seipd_v2 = primary.newest.features().is_some_and(pgp::packet::Features::seipd_v2);
    Ok(Certificate { recipient, key, subkey, seipd_v2 })
}

/// Takes one armoured certificate out of a text that may surround it.
fn parse(certificate: &[u8]) -> Result<SignedPublicKey, RecipientFault> {
    let text = str::from_utf8(certificate).map_err(|_| RecipientFault::Unreadable)?;
    ensure(!text.contains("PRIVATE KEY BLOCK-----"), RecipientFault::SecretKey)?;
    let block = match text.match_indices(PUBLIC_BEGIN).collect::<Vec<_>>().as_slice() {
        [(at, _)] => &text[*at..],
        [] => return Err(RecipientFault::Unreadable),
        _ => return Err(RecipientFault::SeveralKeys),
    };
    // The armour's checksum is not looked at (RFC 9580 §6.1 says it should not be): the signatures are.
    let options = DearmorOptions::new().set_limit(CERTIFICATE_BYTES_MAX);
    let mut armour = Dearmor::with_options(block.as_bytes(), options);
    let mut binary = Vec::new();
    let whole = armour.read_to_end(&mut binary).is_ok() && armour.typ == Some(BlockType::PublicKey);
    ensure(whole && !binary.is_empty(), RecipientFault::Unreadable)?;
    only_one(&binary)
}

/// The one certificate that these bytes are.
fn only_one(binary: &[u8]) -> Result<SignedPublicKey, RecipientFault> {
    let mut found = PublicOrSecret::from_bytes_many(binary).map_err(|_| RecipientFault::Unreadable)?;
    let first = found.next().ok_or(RecipientFault::Unreadable)?.map_err(|_| RecipientFault::Unreadable)?;
    ensure(found.next().is_none(), RecipientFault::SeveralKeys)?;
    match first {
        PublicOrSecret::Public(key) => Ok(key),
        PublicOrSecret::Secret(_) => Err(RecipientFault::SecretKey),
    }
}

/// A primary key and the self-signature that speaks for it.
struct Primary<'a> {
    key: &'a SignedPublicKey,
    newest: &'a Signature,
}

impl<'a> Primary<'a> {
    /// Finds the newest good self-signature and judges the certificate by it.
    fn judge(key: &'a SignedPublicKey, now_s: u64) -> Result<Self, RecipientFault> {
        let primary = &key.primary_key;
        let is_known = matches!(primary.version(), KeyVersion::V4 | KeyVersion::V6);
        ensure(is_known && strong(primary.public_params()), RecipientFault::Weak)?;
        let mut revocations = key.details.revocation_signatures.iter();
        ensure(!revocations.any(|one| one.verify_key(primary).is_ok()), RecipientFault::Revoked)?;
        let direct = key.details.direct_signatures.iter().filter(|signature| {
            signature.typ() == Some(SignatureType::Key) && signature.verify_key(primary).is_ok()
        });
        let users = key.details.users.iter().filter_map(|user| {
            let good = |signature: &&Signature| {
                signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
            };
            let newest = newest(user.signatures.iter().filter(good), now_s)?;
            (newest.typ() != Some(SignatureType::CertRevocation)).then_some(newest)
        });
        let newest = newest(direct.chain(users), now_s).ok_or(RecipientFault::Unreadable)?;
        ensure(!expired(primary, newest, now_s), RecipientFault::Expired)?;
        Ok(Self { key, newest })
    }

    /// Whether the primary key itself is meant to be encrypted to.
    fn may_encrypt(&self) -> bool {
        let primary = &self.key.primary_key;
        primary.algorithm().can_encrypt() && for_encryption(self.newest)
    }
}

/// Verifies a detached signature (RFC 9580 §10.4), binary or armoured, by the primary key or a subkey that is meant
/// to sign and says so itself (§5.2.1.9); both must be good now, not only when they signed.
fn verify(certificate: &[u8], signature: &[u8], message: &[u8], now_s: u64) -> Option<()> {
    let key = only_one(certificate).ok()?;
    let primary = Primary::judge(&key, now_s).ok()?;
    let mut found = DetachedSignature::from_bytes_many(signature).ok()?;
    let made = match (found.next()?, found.next()) {
        (Ok(made), None) => made.signature,
        // One signature, and nothing behind it.
        (Ok(_), Some(_)) => return None,
        (Err(_), _) => DetachedSignature::from_armor_single(signature).ok()?.0.signature,
    };
    let strong = made.hash_alg().and_then(HashAlgorithm::digest_size) >= Some(HASH_BYTES_MIN);
    (strong && made.typ() == Some(SignatureType::Binary)).then_some(())?;
    newest(std::iter::once(&made), now_s + SKEW_S)?;
    let by_primary = primary.newest.key_flags().sign() && made.verify(&key.primary_key, message).is_ok();
    let by_subkey = || {
        key.public_subkeys.iter().any(|subkey| {
            let binding = judge_subkey(subkey, &primary, now_s, |binding| {
                let back = binding.embedded_signature();
                let own =
                    |back: &Signature| back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok();
                binding.key_flags().sign() && back.is_some_and(own)
            });
            binding.is_ok() && made.verify(&subkey.key, message).is_ok()
        })
    };
    (by_primary || by_subkey()).then_some(())
}

/// The newest subkey that may be encrypted to, or why none may.
fn newest_subkey(key: &SignedPublicKey, primary: &Primary<'_>, now_s: u64) -> Result<usize, RecipientFault> {
    let mut fault = RecipientFault::NoEncryptionKey;
    let mut best: Option<(u32, usize)> = None;
    for (at, subkey) in key.public_subkeys.iter().enumerate() {
        let encrypts = |binding: &Signature| for_encryption(binding) && subkey.algorithm().can_encrypt();
        match judge_subkey(subkey, primary, now_s, encrypts) {
            Ok(()) => best = best.max(Some((subkey.created_at().as_secs(), at))),
            Err(RecipientFault::NoEncryptionKey) => {}
            Err(its_own) => fault = its_own,
        }
    }
    best.map(|(_, at)| at).ok_or(fault)
}

fn judge_subkey(
    subkey: &SignedPublicSubKey,
    primary: &Primary<'_>,
    now_s: u64,
    serves: impl FnOnce(&Signature) -> bool,
) -> Result<(), RecipientFault> {
    let good: Vec<&Signature> = subkey
        .signatures
        .iter()
        .filter(|signature| signature.verify_subkey_binding(&primary.key.primary_key, &subkey.key).is_ok())
        .collect();
    let of = |typ| good.iter().copied().filter(move |signature: &&Signature| signature.typ() == Some(typ));
    let binding = newest(of(SignatureType::SubkeyBinding), now_s).ok_or(RecipientFault::NoEncryptionKey)?;
    ensure(serves(binding), RecipientFault::NoEncryptionKey)?;
    ensure(of(SignatureType::SubkeyRevocation).next().is_none(), RecipientFault::Revoked)?;
    ensure(!expired(&subkey.key, binding, now_s), RecipientFault::Expired)?;
    ensure(strong(subkey.public_params()), RecipientFault::Weak)
}

/// The newest of these that is made already, has not expired, and says nothing critical that we do not know.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>, now_s: u64) -> Option<&'a Signature> {
    let counts = |signature: &&Signature| {
        let Some(created) = signature.created() else { return false };
        let life = signature.signature_expiration_time().map_or(0, |life| u64::from(life.as_secs()));
        let known = signature.config().is_some_and(|config| {
            config.hashed_subpackets().all(|part| {
                !(part.is_critical
                    && matches!(part.data, SubpacketData::Other(..) | SubpacketData::Experimental(..)))
            })
        });
        let created = u64::from(created.as_secs());
        known && created <= now_s && (life == 0 || created + life > now_s)
    };
    signatures.filter(counts).max_by_key(|signature| signature.created())
}

fn expired(key: &impl KeyDetails, signature: &Signature, now_s: u64) -> bool {
    let life = signature.key_expiration_time().map_or(0, |life| u64::from(life.as_secs()));
    life > 0 && u64::from(key.created_at().as_secs()) + life <= now_s
}

fn for_encryption(signature: &Signature) -> bool {
    let flags = signature.key_flags();
    flags.encrypt_comms() || flags.encrypt_storage()
}

/// Whether a key is of a kind that we accept, and strong enough of it.
fn strong(params: &PublicParams) -> bool {
    match params {
        PublicParams::RSA(rsa) => {
            // RFC 9580 §3.2: a multiprecision integer, here the modulus, begins with its length in bits.
            let mut encoded = Vec::new();
            let bits = rsa.to_writer(&mut encoded).ok().and_then(|()| encoded.first_chunk::<2>().copied());
            bits.is_some_and(|bits| u32::from(u16::from_be_bytes(bits)) >= RSA_BITS_MIN)
        }
        PublicParams::ECDH(ecdh) => {
            matches!(
                ecdh.curve(),
                ECCCurve::Curve25519Legacy | ECCCurve::P256 | ECCCurve::P384 | ECCCurve::P521
            )
        }
        PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_)
        | PublicParams::X25519(_)
        | PublicParams::X448(_) => true,
        _ => false,
    }
}

impl Certificate {
    /// A message that only this certificate's owner can read: armoured, or as it is.
    pub fn encrypt(&self, plaintext: Plaintext, armoured: bool) -> Result<Vec<u8>, pgp::errors::Error> {
        match self.subkey {
            Some(at) => self.encrypt_to(&self.key.public_subkeys[at], plaintext, armoured),
            None => self.encrypt_to(&self.key.primary_key, plaintext, armoured),
        }
    }

    fn encrypt_to(
        &self,
        key: &impl EncryptionKey,
        plaintext: Plaintext,
        armoured: bool,
    ) -> Result<Vec<u8>, pgp::errors::Error> {
        let message = MessageBuilder::from_bytes("", plaintext.into_bytes());
        let cipher = SymmetricKeyAlgorithm::AES256;
        if self.seipd_v2 {
            let mut message = message.seipd_v2(Chance, cipher, AeadAlgorithm::Ocb, ChunkSize::C4KiB);
            message.encrypt_to_key(Chance, key)?;
            written(message, armoured)
        } else {
            let mut message = message.seipd_v1(Chance, cipher);
            message.encrypt_to_key(Chance, key)?;
            written(message, armoured)
        }
    }
}

fn written<R: Read, E: Encryption>(
    message: MessageBuilder<'_, R, E>,
    armoured: bool,
) -> Result<Vec<u8>, pgp::errors::Error> {
    if armoured {
        Ok(message.to_armored_string(Chance, ArmorOptions::default())?.into_bytes())
    } else {
        message.to_vec(Chance)
    }
}

/// aws-lc's generator behind the trait that rPGP and `blahaj` take.
pub struct Chance;

impl RngCore for Chance {
    fn next_u32(&mut self) -> u32 {
        u32::from_ne_bytes(crate::digest::random())
    }
    fn next_u64(&mut self) -> u64 {
        u64::from_ne_bytes(crate::digest::random())
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        aws_lc_rs::rand::fill(dest).expect("the kernel gives random bytes");
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Chance {}
