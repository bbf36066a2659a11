//! What the log calls somebody for whom a tenant's own issuer speaks: a keyed hash of the issuer's name for him. The key
//! is a salt of his own, kept beside the log. Whoever has salt and name can tell which entries are his; once the salt
//! is gone nobody can, and the chain is as it was.

use aws_lc_rs::hmac;

use super::hex;

/// How much of the hash is in the name: as much as an id has.
const HASH_BYTES: usize = 16;

/// What he is called under this salt.
pub fn pseudonym(salt: &[u8; 32], name: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), name.as_bytes());
    format!("subject-{}", hex(&tag.as_ref()[..HASH_BYTES]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_keyed_hash_of_the_name() {
        let one = pseudonym(&[11; 32], "erika@example.org");
        // By Python: hmac.new(bytes([11] * 32), b"erika@example.org", "sha256").hexdigest()[:32]
        assert_eq!(one, "subject-e330935af0b780c97d088c8effbfc11c");
        assert_ne!(one, pseudonym(&[12; 32], "erika@example.org"), "another salt");
        assert_ne!(one, pseudonym(&[11; 32], "erika@example.com"), "another name");
    }
}
