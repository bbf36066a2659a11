//! Passwords: hashed by Argon2id (RFC 9106), a few at once, on threads where it disturbs nobody.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::entropy::Entropy;
use domain::limits::{PASSWORD_PATIENCE, PASSWORDS_AT_ONCE};
use domain::refusal::Refusal;
use tokio::sync::Semaphore;

use crate::flows::Error;

/// What a password is compared with where there is none: the work is the same, and nothing matches, since nobody
/// knows what it is the hash of.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$aG9sZGZhc3Qgbm9ib2R5$UGVyaGFwcyB0aGVyZSBpcyBubyBzdWNoIHBhc3N3b3I";

/// The one place where passwords are hashed.
pub struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE)) }
    }
}

impl Passwords {
    /// The hash of a new password, as a PHC string.
    pub async fn hash(&self, password: &str, chance: &mut dyn Entropy) -> Result<String, Error> {
        let salt = salt(chance)?;
        let password = password.to_owned();
        self.in_turn(move || hash_with(&Argon2::default(), &password, &salt)).await?
    }

    /// Whether this is the password; with no hash to compare with, a no that takes as long.
    pub async fn is_right(&self, password: &str, hash: Option<&str>) -> Result<bool, Error> {
        let (password, hash) = (password.to_owned(), hash.unwrap_or(NOBODYS).to_owned());
        self.in_turn(move || {
            let hash = PasswordHash::new(&hash).map_err(|_| Error::fault("reading a password's hash"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(PASSWORD_PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Refusal::unavailable("signing in").into()) };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| Error::fault("hashing a password"))
    }
}

/// The hash of a password that a program made of more chance than any attack could try: with the least work, so that
/// a sandbox starts at once.
pub fn hash_of_strong(password: &str, chance: &mut dyn Entropy) -> Result<String, Error> {
    let params =
        Params::new(Params::MIN_M_COST, 1, 1, None).map_err(|_| Error::fault("hashing a password"))?;
    hash_with(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params), password, &salt(chance)?)
}

fn salt(chance: &mut dyn Entropy) -> Result<SaltString, Error> {
    let mut bytes = [0; 16];
    chance.fill(&mut bytes);
    SaltString::encode_b64(&bytes).map_err(|_| Error::fault("salting a password"))
}

fn hash_with(argon2: &Argon2<'_>, password: &str, salt: &SaltString) -> Result<String, Error> {
    let hash = argon2.hash_password(password.as_bytes(), salt);
    hash.map(|hash| hash.to_string()).map_err(|_| Error::fault("hashing a password"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::chance::SystemChance;

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let passwords = Passwords::default();
        let hash = passwords.hash("nine brown teapots", &mut SystemChance).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.is_right("nine brown teapots", Some(&hash)).await.unwrap());
        assert!(!passwords.is_right("nine brown teapot", Some(&hash)).await.unwrap());
        assert!(
            !passwords.is_right("nine brown teapots", None).await.unwrap(),
            "nobody's is a hash like any other"
        );
        assert_ne!(passwords.hash("nine brown teapots", &mut SystemChance).await.unwrap(), hash);
        let strong = hash_of_strong("made by a program", &mut SystemChance).unwrap();
        assert!(passwords.is_right("made by a program", Some(&strong)).await.unwrap());
    }
}
