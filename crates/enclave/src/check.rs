//! `Check`: does every item open, and is it what the device said? One answer, one duration.

use boundary::message::{CHECK_ITEMS_MAX, Check, CheckItem, Checked, KeyType, Refusal};
use boundary::token::{NO_CHECKSUM, Record as RecordToken, Ticket};

use crate::clock::seconds_until;
use crate::digest::sha256;
use crate::generate::RsaKey;
use crate::release::demand;
use crate::seal::{KeyFacts, open};
use crate::service::{Enclave, ensure};
use crate::session::{self, Token, check_names, user_tag};
use crate::state::{CheckFailed, DAY_MS, MINUTE_MS, Record, State, spent};

/// Failed checks of one key in a day; Manger's attack needs thousands.
const KEY_FAILURES_A_DAY: usize = 20;
/// Failed checks of one key in its life, then it takes no more stores.
const KEY_FAILURES_IN_LIFE: u32 = 100;
/// Failed checks of one credential in a minute.
const CREDENTIAL_FAILURES_A_MINUTE: usize = 60;

/// Opens items, compares their checksums, says yes or no. For `Try`, the checksum is one that nobody gave.
pub fn check(enclave: &Enclave, request: &Check, any_checksum: bool) -> Result<Checked, Refusal> {
    let is_bare = |item: &CheckItem| request.ticket.is_none() && item.checksum == NO_CHECKSUM;
    ensure(!any_checksum || request.items.iter().all(is_bare), Refusal::Malformed)?;
    check_names(&[&request.credential_id, &request.tenant_id, &request.user_identifier])?;
    ensure((1..=CHECK_ITEMS_MAX).contains(&request.items.len()), Refusal::Malformed)?;
    for item in &request.items {
        check_names(&[&item.backup_id])?;
    }
    let tag = user_tag(&request.tenant_id, &request.user_identifier);
    let (facts, private_half) = open(&enclave.keyring, &request.key)?;
    let is_theirs = facts.tenant_id == request.tenant_id && facts.user_tag == Some(tag);
    demand(is_theirs, "8 key to check is another user's", Refusal::SealBroken)?;
    ensure((facts.key_type, facts.home) == (KeyType::Rsa4096, enclave.keyring.home), Refusal::WrongKeyType)?;
    let ticket = request.ticket.as_ref().map(|bytes| session::ticket(enclave, bytes)).transpose()?;
    let is_its = |ticket: &Ticket| ticket.tenant_id == request.tenant_id && ticket.user_tag == tag;
    demand(ticket.as_ref().is_none_or(is_its), "2 ticket is another user's", Refusal::SealBroken)?;
    let session_id = ticket.map(|ticket| ticket.session_id);
    let key = RsaKey::read(&private_half, &facts.public_key).map_err(|_| Refusal::SealBroken)?;
    let checked_at_ms = within_budget(enclave, &facts, &request.credential_id, || {
        all_agree(&key, &request.items, any_checksum)
    })?;
    let records = request.items.iter().map(|item| {
        RecordToken {
            env: enclave.keyring.env,
            generation: enclave.keyring.generation(&request.tenant_id),
            tenant_id: request.tenant_id.clone(),
            user_tag: tag,
            session_id,
            backup_id: item.backup_id.clone(),
            key_id: facts.key_id.clone(),
            record_digest: facts.digest_of(&item.item_key, &item.ciphertext, &item.checksum),
            checked_at_ms,
        }
        .issue(&enclave.keyring)
    });
    Ok(Checked { records: records.collect() })
}

/// Does the private operation and the hash for every item, whatever came of those before it.
fn all_agree(key: &RsaKey, items: &[CheckItem], any_checksum: bool) -> bool {
    let nothing = crate::secret::Plaintext::new(Vec::new().into());
    items.iter().fold(true, |all, item| {
        let plaintext = key.decrypt(&item.ciphertext);
        let agrees = plaintext.as_ref().unwrap_or(&nothing).has_checksum(&item.checksum) | any_checksum;
        all & agrees & plaintext.is_some()
    })
}

/// Runs a check if the budgets allow one, and counts it if it fails, on the disk, before anyone hears of it.
///
/// A key is checked by one request at a time, and a credential never has more checks under way than it may
/// still fail: parallel calls cannot outrun the count.
fn within_budget(
    enclave: &Enclave,
    facts: &KeyFacts,
    credential_id: &str,
    check: impl FnOnce() -> bool,
) -> Result<i64, Refusal> {
    let credential = sha256(credential_id.as_bytes());
    let failed = |state: &State| state.credentials.get(&credential).into_iter().flatten().count();
    let name = [b"credential ", credential.as_slice()].concat();
    let _credential = enclave
        .ledger
        .hold(name, |state, checks| checks == 0 || checks + failed(state) < CREDENTIAL_FAILURES_A_MINUTE);
    let _key = enclave.ledger.hold([b"key ", facts.key_id.as_bytes()].concat(), |_, checks| checks == 0);
    let now_ms = enclave.ledger.decide(|turn| {
        budget(turn.state(), &facts.key_id, &credential, turn.now_ms)?;
        Ok(turn.now_ms)
    })?;
    if check() {
        return Ok(now_ms);
    }
    enclave.ledger.decide(|turn| {
        turn.record(Record::CheckFailed(CheckFailed { key_id: facts.key_id.clone(), credential }))?;
        Err(Refusal::CheckFailed)
    })
}

/// Whether one more check may fail.
fn budget(state: &State, key_id: &str, credential: &[u8; 32], now_ms: i64) -> Result<(), Refusal> {
    let key = state.failures.get(key_id);
    let lives = key.is_none_or(|key| key.life < KEY_FAILURES_IN_LIFE);
    demand(lives, "8 key failed too often", Refusal::KeyLocked)?;
    let by_key = spent(key.map(|key| &key.recent), now_ms, DAY_MS, KEY_FAILURES_A_DAY);
    let by_credential =
        spent(state.credentials.get(credential), now_ms, MINUTE_MS, CREDENTIAL_FAILURES_A_MINUTE);
    let free_at_ms = by_key.max(by_credential);
    let spent = Refusal::CheckBudgetSpent(seconds_until(free_at_ms.unwrap_or(now_ms), now_ms));
    demand(free_at_ms.is_none(), "8 checks are spent", spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(state: &mut State, at_ms: i64, key_id: &str, credential: u8) {
        let failed = CheckFailed { key_id: key_id.into(), credential: [credential; 32] };
        state.apply(at_ms, Record::CheckFailed(failed));
    }

    #[test]
    fn a_key_fails_twenty_times_a_day() {
        let mut state = State::default();
        for at in 0..20 {
            assert_eq!(budget(&state, "k", &[0; 32], at * 1_000), Ok(()));
            fail(&mut state, at * 1_000, "k", 0);
        }
        assert_eq!(budget(&state, "k", &[1; 32], 20_000), Err(Refusal::CheckBudgetSpent(86_381)));
        assert_eq!(budget(&state, "other", &[0; 32], 20_000), Ok(()));
        assert!(budget(&state, "k", &[0; 32], DAY_MS - 1).is_err());
        assert_eq!(budget(&state, "k", &[0; 32], DAY_MS), Ok(()));
    }

    #[test]
    fn a_key_fails_a_hundred_times_in_its_life() {
        let mut state = State::default();
        for at in 0..100 {
            assert_eq!(budget(&state, "k", &[0; 32], at * DAY_MS), Ok(()));
            fail(&mut state, at * DAY_MS, "k", 0);
        }
        assert_eq!(budget(&state, "k", &[0; 32], 1_000 * DAY_MS), Err(Refusal::KeyLocked));
    }

    #[test]
    fn a_credential_fails_sixty_times_a_minute() {
        let mut state = State::default();
        for at in 0..60 {
            fail(&mut state, at, &format!("k{at}"), 7);
        }
        assert_eq!(budget(&state, "fresh", &[7; 32], 60), Err(Refusal::CheckBudgetSpent(60)));
        assert_eq!(budget(&state, "fresh", &[8; 32], 60), Ok(()));
        assert_eq!(budget(&state, "fresh", &[7; 32], MINUTE_MS), Ok(()));
    }

    /// An early return anywhere would show as a class that takes a fraction of the others. For a finer figure:
    /// a release build, an idle machine, and `CHECK_ROUNDS` in the thousands.
    #[test]
    fn all_causes_of_failure_take_one_time() {
        use crate::generate::{encrypt_for_test, make};
        let rounds = std::env::var("CHECK_ROUNDS").map_or(60, |rounds| rounds.parse().unwrap());
        let (mine, theirs) = (make(KeyType::Rsa4096).unwrap(), make(KeyType::Rsa4096).unwrap());
        let key = RsaKey::read(&mine.private_half, &mine.public_key).unwrap();
        let item = |ciphertext, checksum| CheckItem {
            backup_id: "b".into(),
            item_key: "i".into(),
            ciphertext,
            checksum,
        };
        let plain = [5; 200];
        let fresh = |class: usize| {
            let mut good = encrypt_for_test(&mine.public_key, &plain);
            match class {
                0 => item(good, sha256(&plain)),
                1 => item(good, [0; 32]),
                2 => {
                    good[511] ^= 1;
                    item(good, sha256(&plain))
                }
                3 => item(encrypt_for_test(&theirs.public_key, &plain), sha256(&plain)),
                4 => item(good[..511].to_vec(), sha256(&plain)),
                _ => item(vec![0xff; boundary::RSA_CIPHERTEXT_BYTES], sha256(&plain)),
            }
        };
        let names = ["good", "checksum", "padding", "key", "length", "range"];
        let mut times = vec![Vec::new(); names.len()];
        for _ in 0..rounds * names.len() {
            let class = usize::from(crate::digest::random::<1>()[0]) % names.len();
            let items = [fresh(class)];
            let began = std::time::Instant::now();
            let agrees = std::hint::black_box(all_agree(&key, &items, false));
            times[class].push(began.elapsed().as_nanos());
            assert_eq!(agrees, class == 0);
        }
        // What others do on the machine only adds to a time, and seldom to all of a class.
        let fastest: Vec<u128> = times.iter().map(|times| *times.iter().min().unwrap()).collect();
        for (name, fastest) in names.iter().zip(&fastest) {
            println!("figure: check_{name}_fastest {fastest} ns");
        }
        let (least, most) = (fastest.iter().min().unwrap(), fastest.iter().max().unwrap());
        assert!(most - least < least / 5, "{fastest:?}");
    }
}
