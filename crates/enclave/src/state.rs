//! What the enclave must remember against the server, as records and as what they add up to.

use std::collections::{HashMap, HashSet, VecDeque};

use boundary::checkpoint::TreeHead;
use boundary::freeze::Frozen;
use boundary::token::{Admission, Outcome};
use boundary::wire::Wire;
use boundary::{wire_enum, wire_struct};

use crate::session::since_reset;

/// How long a session may still be spoken of: events for an older one are refused, and it is forgotten.
pub const SESSION_LIFE_MS: i64 = 90 * DAY_MS;
/// Seven days.
pub const WEEK_MS: i64 = 7 * DAY_MS;
/// One day.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// One hour.
pub const HOUR_MS: i64 = 3_600_000;
/// One minute.
pub const MINUTE_MS: i64 = 60_000;

wire_enum! {
    /// One fact that outlives the process.
    #[derive(Clone)]
    pub enum Record {
        /// Serials below this may have been given to pool keys.
        1 = SerialsReserved(u64),
        /// The key of this serial belongs to someone.
        2 = Bound(u64),
        /// Many of them at once, when the log is rewritten: bit n of the whole is serial n.
        3 = BoundBits(Vec<u8>),
        /// A batch of keys was taken in.
        4 = Adopted(Adoption),
        /// A check failed.
        5 = CheckFailed(CheckFailed),
        /// A key's failed checks so far, when the log is rewritten.
        6 = Failures(Failures),
        /// A provider's event was believed.
        7 = Event(Event),
        /// RELEASE-INTENT: something is about to be decrypted.
        8 = Intended(Intended),
        /// RELEASED: something goes out.
        9 = Delivered(Delivered),
        /// A user was approved for the first time, as this person.
        10 = Identity(Identity),
        /// A version of a roster or of an access list was taken.
        11 = Head(Head),
        /// A key was put under an access list.
        12 = Guarded(Guarded),
        /// A list's approval of the recovery of this intent was seen for the first time.
        13 = Approved([u8; 32]),
        /// A tenant was reset.
        16 = Generation(Generation),
        /// A checkpoint of a log was signed.
        19 = Cosigned(TreeHead),
        /// So much time, in milliseconds, has been seen to pass.
        17 = Elapsed(i64),
        /// A tenant was frozen, or thawed.
        18 = Freeze(Freeze),
        /// The version of a list that has this hash was stopped while it waited.
        42 = Stopped([u8; 32]),
        /// Offline: a bundle was taken up.
        32 = Bundled(Bundled),
        /// A process began to write.
        30 = Life(Life),
        /// The operator gave up what came after an older copy of the log, up to this record of a life.
        31 = GivenUp(Life),
        /// All before it is counted outside; no longer where that is 0.
        40 = Counted(Count),
    }
}

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// A batch, by its name.
    pub struct Adoption {
        /// Its name.
        pub name: [u8; 16],
        /// SHA-256 of its encoding.
        pub digest: [u8; 32],
        /// The serial of its first key; the others follow.
        pub first_serial: u64,
        /// How many keys it has.
        pub keys: u64,
    }

    /// One failed check.
    pub struct CheckFailed {
        /// Of which key.
        pub key_id: String,
        /// SHA-256 of the credential that asked.
        pub credential: [u8; 32],
    }

    /// A key's failed checks.
    pub struct Failures {
        /// Of which key.
        pub key_id: String,
        /// In its life.
        pub life: u32,
        /// The instants of the latest.
        pub recent: Vec<i64>,
    }

    /// A believed event.
    pub struct Event {
        /// SHA-256 of provider and event id.
        pub digest: [u8; 32],
        /// Whose session.
        pub session_id: [u8; 16],
        /// When that was opened.
        pub opened_at_ms: i64,
        /// The session's verdict as of this event.
        pub admission: Option<Vec<u8>>,
    }

    /// A bundle of requests.
    #[derive(Default)]
    pub struct Bundled {
        /// Its number; zero before the first.
        pub sequence: u64,
        /// SHA-256 of its encoding.
        pub hash: [u8; 32],
        /// The receipt key of the online enclave that is believed; empty before the first.
        pub online: Vec<u8>,
        /// When it was made, by that one's clock.
        pub made_at_ms: i64,
        /// How much time had passed by then.
        pub elapsed_ms: i64,
    }

    /// A life of the process.
    pub struct Life {
        /// Its name.
        pub id: [u8; 16],
        /// The last record before it; of a life that was given up, the last one of it that anybody remembers.
        pub sequence: u64,
    }

    /// How far a counter outside has come.
    #[derive(Copy, Default)]
    pub struct Count {
        /// Which counter.
        pub counter: [u8; 32],
        /// How far; 0 before the first.
        pub value: u64,
    }

    /// A tenant's beginning anew.
    pub struct Generation {
        /// The tenant.
        pub tenant_id: String,
        /// His generation from then on.
        pub generation: u32,
    }

    /// A version of a document.
    pub struct Head {
        /// The tenant.
        pub tenant_id: String,
        /// The list; empty for the roster.
        pub acl_id: String,
        /// Counted from one.
        pub version: i64,
        /// The document's hash.
        pub hash: [u8; 32],
        /// That of the first version.
        pub genesis: [u8; 32],
        /// From when it is in force.
        pub effective_at_ms: i64,
    }

    /// A key and the list that it is under.
    pub struct Guarded {
        /// The key.
        pub serial: u64,
        /// The tenant.
        pub tenant_id: String,
        /// The list.
        pub acl_id: String,
    }

    /// How long nothing leaves of a tenant.
    pub struct Freeze {
        /// The tenant.
        pub tenant_id: String,
        /// Counted from one; one that is made longer, or ended, is another.
        pub number: i64,
        /// How long, from the record on, in milliseconds.
        pub span_ms: i64,
    }

    /// Who a user is.
    pub struct Identity {
        /// SHA-256 of the user's tag and of his tenant's generation.
        pub user_tag: [u8; 32],
        /// Keyed hash of the person.
        pub identity_tag: [u8; 32],
    }

    /// An intended delivery.
    pub struct Intended {
        /// Whose session.
        pub session_id: [u8; 16],
        /// When that was opened.
        pub opened_at_ms: i64,
        /// The tenant.
        pub tenant_id: String,
        /// Whose items.
        pub user_tag: [u8; 32],
        /// SHA-256 of the intent's preimage.
        pub intent_hash: [u8; 32],
        /// SHA-256 of the list of items.
        pub items_digest: [u8; 32],
        /// The fingerprints that receive.
        pub recipient: String,
    }

    /// The end of a session's latest intended delivery.
    pub struct Delivered {
        /// Whose session.
        pub session_id: [u8; 16],
        /// SHA-256 of all that goes out, in order.
        pub output_sha256: [u8; 32],
        /// To whom.
        pub recipient: String,
        /// How many items.
        pub items: u32,
    }
}

/// An instant by both clocks: what a delay is counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// How much time had been seen to pass by then.
    pub elapsed_ms: i64,
}

/// A version of a document, and when it was taken.
pub type Taken = (Head, Moment);

/// One identity session, as far as the enclave has seen it.
#[derive(Default)]
pub struct Session {
    /// When it was opened.
    pub opened_at_ms: i64,
    /// The events believed for it.
    events: Vec<[u8; 32]>,
    /// The verdict. The first is final, save that a review ends in another.
    pub admission: Option<Vec<u8>>,
    /// When that was believed.
    pub admitted: Moment,
    /// Each intended delivery and its end.
    pub deliveries: Vec<(i64, Intended, Option<Delivered>)>,
}

impl Session {
    /// The deliveries that let something out.
    pub fn released(&self) -> impl Iterator<Item = &Intended> {
        let out = |end: &Option<Delivered>| end.as_ref().is_some_and(|end| end.items > 0);
        self.deliveries.iter().filter(move |(_, _, end)| out(end)).map(|(_, intended, _)| intended)
    }
}

/// A key's failed checks.
#[derive(Default)]
pub struct KeyFailures {
    /// In its life.
    pub life: u32,
    /// The instants of those within a day.
    pub recent: VecDeque<i64>,
}

/// All that the records add up to.
#[derive(Default)]
pub struct State {
    /// The highest instant any record carries.
    pub highest_ms: i64,
    /// How much time has been seen to pass, as far as it is written down: no change of the wall clock adds to it, and
    /// what passes while nobody runs is not counted.
    pub elapsed_ms: i64,
    freezes: HashMap<String, (Freeze, Moment)>,
    /// Serials below this are never given again.
    pub serials_reserved: u64,
    bound: Vec<u8>,
    /// The batches taken in.
    pub batches: HashMap<[u8; 16], Adoption>,
    /// Failed checks by key.
    pub failures: HashMap<String, KeyFailures>,
    /// Instants of failed checks within a minute, by credential.
    pub credentials: HashMap<[u8; 32], VecDeque<i64>>,
    /// Sessions that an event or a release has touched.
    pub sessions: HashMap<[u8; 16], Session>,
    /// The person that each user was when he was first approved.
    pub identities: HashMap<[u8; 32], [u8; 32]>,
    /// Instants of declined checks within seven days, by user.
    pub declines: HashMap<[u8; 32], VecDeque<i64>>,
    /// The generations of tenants that were reset.
    pub generations: HashMap<String, u32>,
    /// Which session an event was believed for.
    pub events: HashMap<[u8; 32], [u8; 16]>,
    /// Instants of sessions that released something within a day, by user.
    pub recoveries: HashMap<[u8; 32], VecDeque<i64>>,
    /// Instants of releases within a day, by tenant.
    pub releases: HashMap<String, VecDeque<i64>>,
    /// The same of what lists approved.
    pub packages: HashMap<String, VecDeque<i64>>,
    /// Of each roster and list, the latest version and the one before, in order, and when each was taken.
    heads: HashMap<(String, String), Vec<Taken>>,
    /// The hashes of versions that were stopped: none of them is ever taken again.
    pub stopped: HashSet<[u8; 32]>,
    /// The list that each key is under, by the key's serial.
    pub guarded: HashMap<u64, Guarded>,
    /// Since when a recovery is approved, by its intent's hash.
    pub approvals: HashMap<[u8; 32], Moment>,
    /// The last checkpoint of each log that was signed, by the log's origin.
    pub cosigned: HashMap<String, TreeHead>,
    /// The lives of the process, in order.
    pub lives: Vec<Life>,
    given_up: Vec<Life>,
    /// How far the counter outside has come, where this log is the newest.
    pub counted: Count,
    /// Offline: the last bundle that was taken up.
    pub bundled: Bundled,
    /// Sessions that were opened by then are over: what became of them was given up.
    pub sessions_ended_ms: i64,
}

impl State {
    /// Whether the key of that serial belongs to someone.
    pub fn is_bound(&self, serial: u64) -> bool {
        usize::try_from(serial / 8)
            .ok()
            .and_then(|byte| self.bound.get(byte))
            .is_some_and(|bits| bits >> (serial % 8) & 1 == 1)
    }

    fn set_bound(&mut self, serial: u64) {
        // Serials are dense and sealed, so the register is as long as the number of keys ever made.
        let Ok(byte) = usize::try_from(serial / 8) else { return };
        if self.bound.len() <= byte {
            self.bound.resize(byte + 1, 0);
        }
        self.bound[byte] |= 1 << (serial % 8);
    }

    /// The latest versions of a list, or of the roster.
    pub fn heads(&self, tenant_id: &str, acl_id: &str) -> &[Taken] {
        self.heads.get(&(tenant_id.to_owned(), acl_id.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// How many milliseconds of a delay are left, by whichever clock has come less far; once it is over, 0 or less.
    pub fn wait_ms(&self, since: Moment, delay_ms: i64, now_ms: i64) -> i64 {
        (since.at_ms - now_ms).max(since.elapsed_ms - self.elapsed_ms) + delay_ms
    }

    /// How the tenant's latest freeze stands.
    pub fn frozen(&self, tenant_id: &str, now_ms: i64) -> Frozen {
        let none = Frozen { number: 0, left_ms: 0 };
        self.freezes.get(tenant_id).map_or(none, |(freeze, since)| Frozen {
            number: freeze.number,
            left_ms: self.wait_ms(*since, freeze.span_ms, now_ms).max(0),
        })
    }

    /// The version that is in force: a later one may wait.
    pub fn in_force(&self, tenant_id: &str, acl_id: &str, now_ms: i64) -> Option<&Head> {
        let waits_ms =
            |(head, taken): &Taken| self.wait_ms(*taken, head.effective_at_ms - taken.at_ms, now_ms);
        let heads = self.heads(tenant_id, acl_id).iter();
        heads.rev().find(|taken| waits_ms(taken) <= 0).map(|(head, _)| head)
    }

    /// Whether this log has that record: it was written in one of its lives, before the next one began.
    pub fn has(&self, life: &[u8; 16], sequence: u64) -> bool {
        let given_up = self.given_up.iter().any(|one| one.id == *life && sequence <= one.sequence);
        let at = self.lives.iter().position(|one| one.id == *life);
        let ended = at.map(|at| self.lives.get(at + 1).is_some_and(|next| sequence > next.sequence));
        given_up || ended == Some(false)
    }

    /// Adds one record.
    pub fn apply(&mut self, at_ms: i64, record: Record) {
        self.highest_ms = self.highest_ms.max(at_ms);
        let now = Moment { at_ms, elapsed_ms: self.elapsed_ms };
        match record {
            Record::SerialsReserved(below) => self.serials_reserved = self.serials_reserved.max(below),
            Record::Bound(serial) => self.set_bound(serial),
            Record::BoundBits(bits) => self.bound = bits,
            Record::Adopted(adoption) => {
                self.serials_reserved = self.serials_reserved.max(adoption.first_serial + adoption.keys);
                self.batches.insert(adoption.name, adoption);
            }
            Record::CheckFailed(failed) => {
                let key = self.failures.entry(failed.key_id).or_default();
                key.life += 1;
                push_within(&mut key.recent, at_ms, DAY_MS);
                push_within(self.credentials.entry(failed.credential).or_default(), at_ms, MINUTE_MS);
            }
            Record::Failures(all) => {
                self.failures.insert(all.key_id, KeyFailures { life: all.life, recent: all.recent.into() });
            }
            Record::Event(event) => self.believe(event, now),
            Record::Intended(intended) => {
                let session = self.sessions.entry(intended.session_id).or_default();
                session.opened_at_ms = intended.opened_at_ms;
                session.deliveries.push((at_ms, intended, None));
            }
            Record::Delivered(end) => self.deliver(at_ms, end),
            Record::Identity(first) => {
                self.identities.entry(first.user_tag).or_insert(first.identity_tag);
            }
            Record::Head(head) => {
                let heads = self.heads.entry((head.tenant_id.clone(), head.acl_id.clone())).or_default();
                heads.drain(..heads.len().saturating_sub(1));
                heads.push((head, now));
            }
            Record::Stopped(hash) => {
                self.heads.values_mut().for_each(|heads| heads.retain(|(head, _)| head.hash != hash));
                self.stopped.insert(hash);
            }
            Record::Guarded(key) => drop(self.guarded.entry(key.serial).or_insert(key)),
            Record::Cosigned(head) => drop(self.cosigned.insert(head.origin.clone(), head)),
            Record::Bundled(bundle) => {
                self.elapsed_ms = self.elapsed_ms.max(bundle.elapsed_ms);
                self.bundled = bundle;
            }
            Record::Life(life) => self.lives.push(life),
            Record::Counted(count) => self.counted = count,
            Record::GivenUp(life) => {
                self.given_up.push(life);
                self.sessions_ended_ms = self.sessions_ended_ms.max(at_ms);
            }
            Record::Approved(intent_hash) => drop(self.approvals.entry(intent_hash).or_insert(now)),
            Record::Elapsed(elapsed_ms) => self.elapsed_ms = elapsed_ms,
            Record::Freeze(freeze) => drop(self.freezes.insert(freeze.tenant_id.clone(), (freeze, now))),
            Record::Generation(reset) => {
                self.heads.retain(|(tenant_id, _), _| *tenant_id != reset.tenant_id);
                self.guarded.retain(|_, key| key.tenant_id != reset.tenant_id);
                self.generations.insert(reset.tenant_id, reset.generation);
            }
        }
    }

    fn believe(&mut self, event: Event, now: Moment) {
        self.events.insert(event.digest, event.session_id);
        let session = self.sessions.entry(event.session_id).or_default();
        session.opened_at_ms = event.opened_at_ms;
        session.events.push(event.digest);
        if event.admission.is_none() || event.admission == session.admission {
            return;
        }
        (session.admission, session.admitted) = (event.admission, now);
        let verdict = Admission::take(&mut session.admission.as_deref().unwrap_or_default());
        if let Some(no) = verdict.ok().filter(|verdict| verdict.outcome == Outcome::Declined) {
            let declines = self.declines.entry(since_reset(&no.user_tag, no.generation)).or_default();
            push_within(declines, no.event_at_ms, WEEK_MS);
        }
    }

    fn deliver(&mut self, at_ms: i64, end: Delivered) {
        let Some(session) = self.sessions.get_mut(&end.session_id) else { return };
        let first = session.released().next().is_none();
        let Some((_, intended, open)) = session.deliveries.last_mut() else { return };
        if end.items > 0 && self.approvals.contains_key(&intended.intent_hash) {
            push_within(self.packages.entry(intended.tenant_id.clone()).or_default(), at_ms, DAY_MS);
        } else if end.items > 0 {
            push_within(self.releases.entry(intended.tenant_id.clone()).or_default(), at_ms, DAY_MS);
            if first {
                push_within(self.recoveries.entry(intended.user_tag).or_default(), at_ms, DAY_MS);
            }
        }
        *open = Some(end);
    }

    /// The fewest records that add up to the same, with the instant of each; what can no longer matter at
    /// `now_ms` is left out.
    pub fn to_records(&self, now_ms: i64) -> Vec<(i64, Record)> {
        let mut out = vec![
            (self.highest_ms, Record::SerialsReserved(self.serials_reserved)),
            (self.highest_ms, Record::BoundBits(self.bound.clone())),
        ];
        out.extend(self.batches.values().map(|batch| (self.highest_ms, Record::Adopted(batch.clone()))));
        let person = |(&user_tag, &identity_tag): (&_, &_)| Identity { user_tag, identity_tag };
        out.extend(self.identities.iter().map(|one| (self.highest_ms, Record::Identity(person(one)))));
        let reset = |(id, &generation): (&String, &u32)| Generation { tenant_id: id.clone(), generation };
        out.extend(self.generations.iter().map(|one| (self.highest_ms, Record::Generation(reset(one)))));
        let at = |now: &Moment, record| [(now.at_ms, Record::Elapsed(now.elapsed_ms)), (now.at_ms, record)];
        let heads = self.heads.values().flatten();
        out.extend(heads.flat_map(|(head, taken)| at(taken, Record::Head(head.clone()))));
        let freezes = self.freezes.values();
        out.extend(freezes.flat_map(|(freeze, since)| at(since, Record::Freeze(freeze.clone()))));
        out.extend(self.stopped.iter().map(|&hash| (self.highest_ms, Record::Stopped(hash))));
        out.extend(self.guarded.values().map(|key| (self.highest_ms, Record::Guarded(key.clone()))));
        out.extend(self.cosigned.values().map(|head| (self.highest_ms, Record::Cosigned(head.clone()))));
        out.extend(self.lives.iter().map(|life| (self.highest_ms, Record::Life(life.clone()))));
        out.push((self.highest_ms, Record::Bundled(self.bundled.clone())));
        out.push((self.highest_ms, Record::Counted(self.counted)));
        let given_up = self.given_up.iter().map(|life| Record::GivenUp(life.clone()));
        out.extend(given_up.map(|record| (self.sessions_ended_ms, record)));
        let lasts = |at_ms: i64| at_ms + SESSION_LIFE_MS + DAY_MS >= now_ms;
        let approvals = self.approvals.iter().filter(|(_, since)| lasts(since.at_ms));
        out.extend(approvals.flat_map(|(&intent_hash, since)| at(since, Record::Approved(intent_hash))));
        for (key_id, failures) in &self.failures {
            let recent = failures.recent.iter().copied().collect();
            let all = Failures { key_id: key_id.clone(), life: failures.life, recent };
            out.push((self.highest_ms, Record::Failures(all)));
        }
        for (&session_id, session) in &self.sessions {
            let opened_at_ms = session.opened_at_ms;
            if !lasts(opened_at_ms) {
                continue;
            }
            let mut admission = session.admission.clone();
            for &digest in &session.events {
                let admission = admission.take();
                let event = Event { digest, session_id, opened_at_ms, admission };
                out.extend(at(&session.admitted, Record::Event(event)));
            }
            for (at_ms, intended, end) in &session.deliveries {
                out.push((*at_ms, Record::Intended(intended.clone())));
                out.extend(end.iter().map(|end| (*at_ms, Record::Delivered(end.clone()))));
            }
        }
        out.push((self.highest_ms, Record::Elapsed(self.elapsed_ms)));
        out
    }
}

/// Appends an instant and drops those that are `span_ms` older.
fn push_within(instants: &mut VecDeque<i64>, at_ms: i64, span_ms: i64) {
    instants.push_back(at_ms);
    instants.retain(|&instant| instant > at_ms - span_ms);
}

/// How many of the instants lie within `span_ms` before `now_ms`, and, when they are `allowed` or more, the
/// instant at which they will be one fewer than that.
pub fn spent(instants: Option<&VecDeque<i64>>, now_ms: i64, span_ms: i64, allowed: usize) -> Option<i64> {
    let mut within: Vec<i64> =
        instants.into_iter().flatten().copied().filter(|&instant| instant > now_ms - span_ms).collect();
    within.sort_unstable();
    let at = within.len().checked_sub(allowed)?;
    within.get(at).map(|instant| instant + span_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(key_id: &str) -> Record {
        Record::CheckFailed(CheckFailed { key_id: key_id.into(), credential: [1; 32] })
    }

    #[test]
    fn a_budget_frees_up_when_its_oldest_instant_leaves_the_span() {
        let instants = VecDeque::from([10, 20, 30]);
        assert_eq!(spent(Some(&instants), 40, 100, 4), None);
        assert_eq!(spent(Some(&instants), 40, 100, 3), Some(110));
        assert_eq!(spent(Some(&instants), 40, 100, 2), Some(120));
        assert_eq!(spent(Some(&instants), 110, 100, 3), None);
        assert_eq!(spent(None, 0, 100, 1), None);
    }

    #[test]
    fn failures_are_counted_for_a_day_and_for_life() {
        let mut state = State::default();
        for at in 0..30 {
            state.apply(at, failed("a"));
        }
        state.apply(DAY_MS + 29, failed("a"));
        let key = &state.failures["a"];
        assert_eq!((key.life, key.recent.len()), (31, 1));
        assert_eq!(state.credentials[&[1; 32]].len(), 1);
    }

    fn declined(n: u8) -> Event {
        let verdict = Admission {
            env: boundary::Env::Production,
            generation: 1,
            session_id: [n; 16],
            tenant_id: "t".into(),
            user_tag: [2; 32],
            provider: "p".into(),
            verification_id: "v".into(),
            outcome: Outcome::Declined,
            event_at_ms: 3,
            identity_tag: None,
        };
        let admission = Some(verdict.to_bytes());
        Event { digest: [n + 100; 32], session_id: [n; 16], opened_at_ms: 1, admission }
    }

    #[test]
    fn what_is_rewritten_adds_up_to_the_same() {
        let mut state = State::default();
        let session_id = [5; 16];
        let intended = Intended {
            session_id,
            opened_at_ms: 1,
            tenant_id: "t".into(),
            user_tag: [2; 32],
            intent_hash: [3; 32],
            items_digest: [4; 32],
            recipient: "r".into(),
        };
        let end = Delivered { session_id, output_sha256: [6; 32], recipient: "r".into(), items: 2 };
        let event = |digest, admission| Event { digest, session_id, opened_at_ms: 1, admission };
        for (at, record) in [
            Record::SerialsReserved(256),
            Record::Bound(0),
            Record::Bound(77),
            Record::Adopted(Adoption { name: [8; 16], digest: [9; 32], first_serial: 256, keys: 10 }),
            failed("a"),
            Record::Event(event([1; 32], None)),
            Record::Event(event([2; 32], Some(vec![7]))),
            Record::Event(declined(4)),
            Record::Event(declined(6)),
            Record::Event(Event { digest: [7; 32], ..declined(6) }),
            Record::Identity(Identity { user_tag: [2; 32], identity_tag: [11; 32] }),
            Record::Identity(Identity { user_tag: [2; 32], identity_tag: [12; 32] }),
            Record::Generation(Generation { tenant_id: "t".into(), generation: 3 }),
            Record::Intended(intended.clone()),
            Record::Delivered(end),
            Record::Intended(intended),
            Record::Cosigned(TreeHead { origin: "o".into(), size: 3, root: [1; 32] }),
            Record::Cosigned(TreeHead { origin: "o".into(), size: 4, root: [2; 32] }),
        ]
        .into_iter()
        .enumerate()
        {
            state.apply(i64::try_from(at).unwrap(), record);
        }
        let mut again = State::default();
        for (at, record) in state.to_records(10) {
            again.apply(at, record);
        }
        for state in [&state, &again] {
            assert_eq!(
                state.sessions[&session_id].admitted.at_ms, 6,
                "at the second event, which had the verdict"
            );
            assert_eq!((state.highest_ms, state.serials_reserved, state.batches.len()), (17, 266, 1));
            assert_eq!((state.cosigned.len(), state.cosigned["o"].size), (1, 4), "the last of each log");
            assert_eq!(state.generations["t"], 3);
            assert!(
                state.is_bound(0) && state.is_bound(77) && !state.is_bound(1) && !state.is_bound(u64::MAX)
            );
            assert_eq!(state.failures["a"].life, 1);
            let session = &state.sessions[&session_id];
            assert_eq!((session.admission.as_deref(), session.events.len()), (Some([7].as_slice()), 2));
            assert_eq!((session.deliveries.len(), session.released().count()), (2, 1));
            assert_eq!(state.events.len(), 5);
            assert_eq!(state.declines[&since_reset(&[2; 32], 1)].len(), 2, "one a session");
            assert_eq!(state.identities[&[2; 32]], [11; 32], "the first counts");
            assert_eq!((state.recoveries[&[2; 32]].len(), state.releases["t"].len()), (1, 1));
        }
        assert!(again.to_records(SESSION_LIFE_MS + DAY_MS + 2).len() < again.to_records(10).len());
    }

    #[test]
    fn lives_are_rewritten_in_their_order() {
        let life = |id: u8, sequence| Life { id: [id; 16], sequence };
        let mut state = State::default();
        for (at, record) in [
            Record::Life(life(1, 0)),
            Record::Life(life(2, 10)),
            Record::GivenUp(life(9, 40)),
            Record::Life(life(3, 20)),
        ]
        .into_iter()
        .enumerate()
        {
            state.apply(i64::try_from(at).unwrap(), record);
        }
        let mut again = State::default();
        for (at, record) in state.to_records(10) {
            again.apply(at, record);
        }
        for state in [&state, &again] {
            for (id, last) in [(1, 10), (2, 20), (9, 40), (3, u64::MAX)] {
                assert!(state.has(&[id; 16], last), "{id}");
                assert!(last == u64::MAX || !state.has(&[id; 16], last + 1), "{id}");
            }
            assert!(!state.has(&[4; 16], 0));
            assert_eq!(state.sessions_ended_ms, 2);
        }
    }

    #[test]
    fn delays_are_rewritten_with_what_they_have_waited() {
        let (tenant_id, acl_id, hash) = ("t".to_owned(), "l".to_owned(), [7; 32]);
        let head = |version, effective_at_ms| {
            let (tenant_id, acl_id) = (tenant_id.clone(), acl_id.clone());
            Record::Head(Head { tenant_id, acl_id, version, hash, genesis: hash, effective_at_ms })
        };
        let freeze = Freeze { tenant_id: tenant_id.clone(), number: 3, span_ms: 400 };
        let mut state = State::default();
        for (at_ms, record) in [
            (1_000, Record::Elapsed(10)),
            (1_000, head(1, 1_000)),
            (1_000, Record::Elapsed(20)),
            (2_000, head(2, 2_500)),
            (2_000, Record::Elapsed(30)),
            (2_000, Record::Approved([8; 32])),
            (2_000, Record::Elapsed(40)),
            (2_100, Record::Freeze(freeze)),
            (2_100, Record::Elapsed(50)),
            (2_100, Record::Event(declined(4))),
            (2_100, Record::Elapsed(300)),
        ] {
            state.apply(at_ms, record);
        }
        let mut again = State::default();
        for (at_ms, record) in state.to_records(2_100) {
            again.apply(at_ms, record);
        }
        for state in [&mut state, &mut again] {
            assert_eq!((state.highest_ms, state.elapsed_ms), (2_100, 300));
            assert_eq!(state.sessions[&[4; 16]].admitted, Moment { at_ms: 2_100, elapsed_ms: 50 });
            assert_eq!(state.approvals[&[8; 32]], Moment { at_ms: 2_000, elapsed_ms: 30 });
            // 140 of its 400 have been seen to pass, whatever the wall clock says; then the other one counts.
            for (now_ms, left_ms) in [(2_100, 400), (2_300, 200), (2_400, 140), (9_000, 140)] {
                assert_eq!(state.frozen("t", now_ms), Frozen { number: 3, left_ms }, "{now_ms}");
            }
            assert_eq!(state.frozen("u", 2_100), Frozen { number: 0, left_ms: 0 });
            let in_force = |state: &State, now_ms| state.in_force("t", "l", now_ms).map(|head| head.version);
            assert_eq!(in_force(state, 9_000), Some(1), "500 were to pass, and 280 have");
            state.elapsed_ms = 520;
            assert_eq!([in_force(state, 2_499), in_force(state, 2_500)], [Some(1), Some(2)]);
            state.elapsed_ms = 440;
            assert_eq!([2_499, 2_500].map(|now_ms| state.frozen("t", now_ms).left_ms), [1, 0]);
        }
    }

    #[test]
    fn what_lists_decided_is_rewritten_too() {
        let head = |version: u8, effective_at_ms| {
            let (tenant_id, acl_id) = ("t".to_owned(), "l".to_owned());
            let (hash, genesis, version) = ([version; 32], [1; 32], i64::from(version));
            Record::Head(Head { tenant_id, acl_id, version, hash, genesis, effective_at_ms })
        };
        let (session_id, recipient, user_tag) = ([5; 16], "r".to_owned(), [2; 32]);
        let (tenant_id, acl_id) = ("t".to_owned(), "l".to_owned());
        let mut state = State::default();
        for (at, record) in [
            head(1, 1),
            head(2, 2),
            head(3, 90),
            Record::Guarded(Guarded { serial: 5, tenant_id: tenant_id.clone(), acl_id }),
            Record::Approved([44; 32]),
            Record::Approved([44; 32]),
            Record::Intended(Intended {
                session_id,
                opened_at_ms: 1,
                tenant_id,
                user_tag,
                intent_hash: [44; 32],
                items_digest: [44; 32],
                recipient: recipient.clone(),
            }),
            Record::Delivered(Delivered { session_id, output_sha256: [6; 32], recipient, items: 1 }),
            Record::Elapsed(100),
        ]
        .into_iter()
        .enumerate()
        {
            state.apply(i64::try_from(at).unwrap(), record);
        }
        let mut again = State::default();
        for (at, record) in state.to_records(10) {
            again.apply(at, record);
        }
        for state in [&state, &again] {
            assert_eq!((state.packages["t"].len(), state.releases.len()), (1, 0), "counted by itself");
            assert_eq!(
                state.heads("t", "l").iter().map(|(head, _)| head.version).collect::<Vec<_>>(),
                [2, 3]
            );
            let in_force = |now_ms| state.in_force("t", "l", now_ms).map(|head| (head.version, head.genesis));
            assert_eq!([1, 2, 89].map(in_force), [None, Some((2, [1; 32])), Some((2, [1; 32]))]);
            assert_eq!(in_force(90), Some((3, [1; 32])));
            assert_eq!(state.guarded[&5].acl_id, "l");
            assert_eq!(state.approvals[&[44; 32]].at_ms, 4, "the first counts");
        }
        let forgotten = again.to_records(SESSION_LIFE_MS + DAY_MS + 5);
        assert!(!forgotten.iter().any(|(_, record)| matches!(record, Record::Approved(_))));
        let reset =
            |tenant_id: &str| Record::Generation(Generation { tenant_id: tenant_id.into(), generation: 2 });
        again.apply(24, reset("neighbour"));
        assert!(again.guarded.contains_key(&5) && !again.heads("t", "l").is_empty());
        again.apply(25, reset("t"));
        assert!(again.guarded.is_empty() && again.heads("t", "l").is_empty());
    }
}
