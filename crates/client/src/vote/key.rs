//! A person's Ed25519 key, in a file that OpenSSL reads too.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::VoteFault;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A private key to vote with (RFC 8032).
pub struct VotingKey(Ed25519KeyPair);

impl std::fmt::Debug for VotingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("VotingKey").field(&self.public_key()).finish()
    }
}

impl VotingKey {
    /// A fresh one.
    pub fn generate() -> Result<Self, VoteFault> {
        Ed25519KeyPair::generate().map(Self).map_err(|_| VoteFault::NoChance)
    }

    /// Reads PKCS#8 in PEM (RFC 7468 §10), of one key and nothing else.
    pub fn from_pem(text: &str) -> Result<Self, VoteFault> {
        let body = text.trim().strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
        let body = Zeroizing::new(body.ok_or(VoteFault::Key)?.split_ascii_whitespace().collect::<String>());
        let der = STANDARD.decode(body.as_bytes()).map(Zeroizing::new).map_err(|_| VoteFault::Key)?;
        Ed25519KeyPair::from_pkcs8(&der).map(Self).map_err(|_| VoteFault::Key)
    }

    /// The same, to be kept where nobody else reads it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, VoteFault> {
        let der = self.0.to_pkcs8v1().map_err(|_| VoteFault::NoChance)?;
        let body = Zeroizing::new(STANDARD.encode(der.as_ref()));
        Ok(Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", body.as_str())))
    }

    /// The public half, as access lists hold it: lower-case hexadecimal of its 32 bytes.
    pub fn public_key(&self) -> String {
        crate::hex::encode(self.0.public_key().as_ref())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}
