//! The sealed log behind [`State`]: append-only, chained, on the disk before anyone is answered.
//!
//! The file begins with a mark and the sequence number of its first record. A record is its length, the
//! length's complement, and AES-256-GCM whose additional data are the sequence number and the previous record's
//! tag: none can be altered, moved, left out or taken from another log. What can be lost is the tail that was
//! being written when the machine stopped, and nobody was answered for that.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use boundary::message::Refusal;
use boundary::wire::Wire;
use boundary::wire_struct;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::clock::{ELAPSED_STEP_MS, TICK, wall_ms};
use crate::digest::{equal, random};
use crate::root::{Keyring, decrypt, encrypt, replace};
use crate::secret::SymmetricKey;
use crate::service::ensure;
use crate::state::{Life, Record, State};

/// The log's name in the state directory.
pub const FILE: &str = "state.log";
const MARK: &[u8; 8] = b"HFLOG1\0\0";
const HEADER_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// A record that ends in so many zeros was not written to its end; one in 2^32 does so by itself.
const TORN_BYTES: usize = 4;
/// A record cannot be larger than the frame that caused it.
const RECORD_BYTES_MAX: usize = boundary::wire::FRAME_BYTES_MAX;
/// A log of this many bytes is rewritten at the next start.
const REWRITE_BYTES: u64 = 32 * 1024 * 1024;
/// Disk space is taken in steps of this many bytes, ahead of need, so that a full disk is a refusal and not a
/// failed write.
const RESERVE_BYTES: u64 = 1024 * 1024;
/// The exit status after a failed write or sync: the page cache can no longer be believed (fsyncgate).
const EXIT_LOG_FAILED: i32 = 74;

wire_struct! {
    /// One record with its instant.
    pub struct Entry {
        /// Milliseconds since the epoch.
        pub at_ms: i64,
        /// The fact.
        pub record: Record,
    }
}

/// The end of the chain.
struct Chain {
    key: SymmetricKey,
    sequence: u64,
    tag: [u8; TAG_BYTES],
}

impl Chain {
    fn aad(&self, sequence: u64) -> Vec<u8> {
        [b"state-log/v1\0", sequence.to_be_bytes().as_slice(), &self.tag].concat()
    }

    fn append(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        let sealed = encrypt(&self.key, &self.aad(self.sequence + 1), &entry.to_bytes());
        let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&(!length).to_be_bytes());
        out.extend_from_slice(&sealed);
        self.advance(&sealed);
    }

    fn advance(&mut self, sealed: &[u8]) {
        self.sequence += 1;
        self.tag.copy_from_slice(&sealed[sealed.len() - TAG_BYTES..]);
    }

    /// Reads the record at the front of `rest`. None when it is the torn end of a log: the file stops inside
    /// it, or its last bytes and all that follows were never written.
    fn read(&mut self, rest: &mut &[u8]) -> io::Result<Option<Entry>> {
        let damaged = || io::Error::other(format!("{FILE} is damaged after record {}", self.sequence));
        let unwritten = |from: &[u8]| from.iter().all(|&byte| byte == 0);
        let Some((prefix, after)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let length = u32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
        if !length.to_be_bytes().iter().zip(&prefix[4..]).all(|(a, b)| *a == !b) {
            return if unwritten(after) { Ok(None) } else { Err(damaged()) };
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        ensure((TAG_BYTES..=RECORD_BYTES_MAX).contains(&length), damaged())?;
        let Some((sealed, after)) = after.split_at_checked(length) else { return Ok(None) };
        let Some(plain) = decrypt(&self.key, &self.aad(self.sequence + 1), sealed) else {
            let torn = unwritten(&sealed[length - TORN_BYTES..]) && unwritten(after);
            return if torn { Ok(None) } else { Err(damaged()) };
        };
        let entry = Entry::from_bytes(&plain).map_err(|_| damaged())?;
        self.advance(sealed);
        *rest = after;
        Ok(Some(entry))
    }
}

/// What is decided on, under one lock.
struct Core {
    state: State,
    chain: Chain,
    next_serial: u64,
    pending: Vec<u8>,
    file_bytes: u64,
    reserved_bytes: u64,
    synced: u64,
    busy: HashMap<Vec<u8>, usize>,
    /// When this process began to look at the time, and how much had been seen to pass before.
    begun: (Instant, i64),
    is_closed: bool,
}

/// The state and its log.
pub struct Ledger {
    core: Mutex<Core>,
    file: File,
    written: Condvar,
    idle: Condvar,
}

/// One decision: the state as it is, and what it adds to the log.
pub struct Turn<'a> {
    core: &'a mut Core,
    file: &'a File,
    /// The instant to decide by: never before anything in the log.
    pub now_ms: i64,
}

impl Turn<'_> {
    /// The state.
    pub fn state(&self) -> &State {
        &self.core.state
    }

    /// Adds a record; it holds for later decisions at once, and for the world when it is synced.
    pub fn record(&mut self, record: Record) -> Result<(), Refusal> {
        // A delay that begins with it would end early if it were counted from less than has passed.
        if matches!(record, Record::Event(_) | Record::Head(_) | Record::Approved(_) | Record::Freeze(_)) {
            self.look(1)?;
        }
        self.append(self.now_ms, record)
    }

    /// Writes down how much time has passed, where that is so much more than the log says; that it does proves
    /// nothing about what time it is.
    fn look(&mut self, least_ms: i64) -> Result<(), Refusal> {
        let (begun, before_ms) = self.core.begun;
        let elapsed_ms = before_ms + i64::try_from(begun.elapsed().as_millis()).unwrap_or(0);
        let is_due = elapsed_ms - self.core.state.elapsed_ms >= least_ms;
        if is_due { self.append(self.core.state.highest_ms, Record::Elapsed(elapsed_ms)) } else { Ok(()) }
    }

    fn append(&mut self, at_ms: i64, record: Record) -> Result<(), Refusal> {
        let entry = Entry { at_ms, record };
        let bytes = self.core.file_bytes + entry.to_bytes().len() as u64 + 64;
        if bytes > self.core.reserved_bytes {
            let target = bytes + RESERVE_BYTES;
            match fallocate(self.file, FallocateFlags::KEEP_SIZE, 0, target) {
                // Where space cannot be taken ahead, a full disk ends the process at the write.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.core.reserved_bytes = target,
                Err(_) => return Err(Refusal::LogUnavailable),
            }
        }
        let before = self.core.pending.len();
        self.core.chain.append(&entry, &mut self.core.pending);
        self.core.file_bytes += (self.core.pending.len() - before) as u64;
        self.core.state.apply(entry.at_ms, entry.record);
        Ok(())
    }

    /// `count` serials that no key had before; the first of them.
    pub fn serials(&mut self, count: u64) -> Result<u64, Refusal> {
        const STEP: u64 = 256;
        let first = self.core.next_serial;
        if first + count > self.core.state.serials_reserved {
            self.record(Record::SerialsReserved(first + count + STEP))?;
        }
        self.core.next_serial = first + count;
        Ok(first)
    }
}

/// Holds a name for as long as one request works on it.
pub struct Busy<'a> {
    ledger: &'a Ledger,
    name: Vec<u8>,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut core = self.ledger.lock();
        if let Some(holders) = core.busy.get_mut(&self.name) {
            *holders -= 1;
            if *holders == 0 {
                core.busy.remove(&self.name);
            }
        }
        drop(core);
        self.ledger.idle.notify_all();
    }
}

impl Ledger {
    /// Reads the log, or begins one, and starts the thread that writes it. One of the epoch before is sealed anew.
    pub fn open(dir: &Path, keyring: &Keyring) -> io::Result<Arc<Self>> {
        let path = dir.join(FILE);
        if !path.exists() {
            replace(dir, FILE, &header(1))?;
        }
        let found = read(&path, keyring.own("state-log")).or_else(|error| {
            let former = keyring.former.as_ref().ok_or(error)?;
            let (state, chain, _) = read(&path, former.own("state-log"))?;
            // Rewritten, whatever its size.
            Ok::<_, io::Error>((state, Chain { key: keyring.own("state-log"), ..chain }, u64::MAX))
        });
        let (mut state, mut chain, mut file_bytes) = found?;
        if file_bytes > REWRITE_BYTES {
            file_bytes = rewrite(dir, &mut state, &mut chain)?;
        }
        let file = OpenOptions::new().append(true).mode(0o600).open(&path)?;
        file.set_len(file_bytes)?;
        file.sync_all()?;
        let core = Core {
            begun: (Instant::now(), state.elapsed_ms),
            next_serial: state.serials_reserved,
            synced: chain.sequence,
            state,
            chain,
            pending: Vec::new(),
            file_bytes,
            reserved_bytes: file_bytes,
            busy: HashMap::new(),
            is_closed: false,
        };
        let ledger =
            Arc::new(Self { core: Mutex::new(core), file, written: Condvar::new(), idle: Condvar::new() });
        let writer = Arc::clone(&ledger);
        thread::Builder::new().name("log".into()).spawn(move || writer.write())?;
        let begin = ledger.decide(|turn| {
            let sequence = turn.core.chain.sequence;
            // A start proves nothing about the time: a clock that was wrong in that moment would count for good.
            turn.now_ms = turn.state().highest_ms;
            turn.record(Record::Life(Life { id: random(), sequence }))
        });
        begin.map_err(|_| io::Error::other(format!("there is no room for {FILE}")))?;
        Ok(ledger)
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic while deciding leaves the state as its records made it: only `Turn::record` changes it.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides one thing at a time. Whatever `decide` recorded, and all before it, is on the disk when this
    /// returns, with a yes or with a no.
    pub fn decide<T>(&self, decide: impl FnOnce(&mut Turn<'_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut core = self.lock();
        let now_ms = wall_ms().max(core.state.highest_ms);
        let mut turn = Turn { core: &mut core, file: &self.file, now_ms };
        // Without room that time is lost, and delays last longer.
        let _ = turn.look(ELAPSED_STEP_MS);
        let answer = decide(&mut turn);
        let sequence = core.chain.sequence;
        if !core.pending.is_empty() {
            self.idle.notify_all();
        }
        while core.synced < sequence {
            core = self.written.wait(core).unwrap_or_else(PoisonError::into_inner);
        }
        answer
    }

    /// The instant to decide by: never before anything in the log.
    pub fn now_ms(&self) -> i64 {
        wall_ms().max(self.lock().state.highest_ms)
    }

    /// What `look` finds, for what is decided of nothing else.
    pub fn find<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// This life of the process, and the number of the last record.
    pub fn end(&self) -> ([u8; 16], u64) {
        let core = self.lock();
        // A life's record is the first thing that opening writes.
        (core.state.lives.last().map(|life| life.id).unwrap_or_default(), core.synced)
    }

    /// Waits until there is room for one more to work on `name`, as the state and the number of those who do
    /// so now decide, and holds it.
    pub fn hold(&self, name: Vec<u8>, has_room: impl Fn(&State, usize) -> bool) -> Busy<'_> {
        let mut core = self.lock();
        while !has_room(&core.state, core.busy.get(&name).copied().unwrap_or_default()) {
            core = self.idle.wait(core).unwrap_or_else(PoisonError::into_inner);
        }
        *core.busy.entry(name.clone()).or_default() += 1;
        Busy { ledger: self, name }
    }

    /// Ends the thread that writes, when nobody decides anything any more.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.idle.notify_all();
    }

    /// Writes and syncs what is pending, one batch after another. Any failure ends the process before anyone
    /// is answered.
    fn write(&self) {
        loop {
            let mut core = self.lock();
            while core.pending.is_empty() {
                if core.is_closed {
                    return;
                }
                core = self.idle.wait_timeout(core, TICK).unwrap_or_else(PoisonError::into_inner).0;
                if !core.is_closed {
                    let _ = Turn { core: &mut core, file: &self.file, now_ms: 0 }.look(ELAPSED_STEP_MS);
                }
            }
            let batch = std::mem::take(&mut core.pending);
            let sequence = core.chain.sequence;
            drop(core);
            if let Err(error) = (&self.file).write_all(&batch).and_then(|()| self.file.sync_data()) {
                eprintln!("enclave: cannot write {FILE}, stopping: {error}");
                std::process::exit(EXIT_LOG_FAILED);
            }
            self.lock().synced = sequence;
            self.written.notify_all();
        }
    }
}

fn header(first_sequence: u64) -> Vec<u8> {
    [MARK.as_slice(), &first_sequence.to_be_bytes()].concat()
}

/// Adds up a whole log; also says how many of its bytes hold.
fn read(path: &Path, key: SymmetricKey) -> io::Result<(State, Chain, u64)> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let foreign = || io::Error::other(format!("{FILE} is not a log of this program"));
    let (mark, mut rest) = bytes.split_at_checked(HEADER_BYTES).ok_or_else(foreign)?;
    let (mark, first) = mark.split_first_chunk::<8>().ok_or_else(foreign)?;
    let first = u64::from_be_bytes(first.try_into().map_err(io::Error::other)?);
    ensure(equal(mark, MARK) && first > 0, foreign())?;
    let mut chain = Chain { key, sequence: first - 1, tag: [0; TAG_BYTES] };
    let mut state = State::default();
    while let Some(entry) = chain.read(&mut rest)? {
        state.apply(entry.at_ms, entry.record);
    }
    Ok((state, chain, (bytes.len() - rest.len()) as u64))
}

/// Begins a new file that adds up to the same and takes the old one's place; the sequence goes on.
fn rewrite(dir: &Path, state: &mut State, chain: &mut Chain) -> io::Result<u64> {
    let mut bytes = header(chain.sequence + 1);
    chain.tag = [0; TAG_BYTES];
    let records = state.to_records(wall_ms().max(state.highest_ms));
    *state = State::default();
    for (at_ms, record) in records {
        chain.append(&Entry { at_ms, record: record.clone() }, &mut bytes);
        state.apply(at_ms, record);
    }
    replace(dir, FILE, &bytes)?;
    Ok(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::state::CheckFailed;

    fn ring() -> Keyring {
        Keyring::for_test(boundary::Env::Production)
    }

    fn key() -> SymmetricKey {
        ring().own("state-log")
    }

    /// A folder with a log of these records, each synced on its own; also where each record ends.
    fn folder(name: &str, records: u64) -> (PathBuf, Vec<u8>, Vec<usize>) {
        let dir = std::env::temp_dir().join(format!("hf-log-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let _ = fs::remove_file(dir.join(FILE));
        let ledger = Ledger::open(&dir, &ring()).unwrap();
        let mut ends = Vec::new();
        for serial in 0..records {
            ledger.decide(|turn| turn.record(Record::Bound(serial))).unwrap();
            ends.push(usize::try_from(fs::metadata(dir.join(FILE)).unwrap().len()).unwrap());
        }
        let bytes = fs::read(dir.join(FILE)).unwrap();
        (dir, bytes, ends)
    }

    fn bound_after(dir: &Path, bytes: &[u8]) -> io::Result<u64> {
        fs::write(dir.join(FILE), bytes).unwrap();
        let (state, _, _) = read(&dir.join(FILE), key())?;
        Ok((0..9).take_while(|&serial| state.is_bound(serial)).count() as u64)
    }

    #[test]
    fn a_torn_end_is_cut_and_the_log_goes_on() {
        let (dir, bytes, ends) = folder("torn", 3);
        for cut in ends[1]..ends[2] {
            assert_eq!(bound_after(&dir, &bytes[..cut]).unwrap(), 2, "cut at {cut}");
            let mut holed = bytes[..cut].to_vec();
            holed.resize(bytes.len() + 700, 0);
            if bytes.len() - cut >= TORN_BYTES {
                assert_eq!(bound_after(&dir, &holed).unwrap(), 2, "zeros from {cut}");
            }
        }
        fs::write(dir.join(FILE), &bytes[..ends[2] - 1]).unwrap();
        let ledger = Ledger::open(&dir, &ring()).unwrap();
        assert_eq!(ledger.end().1, 1 + 2 + 1, "and a life's beginning before and after");
        ledger.decide(|turn| turn.record(Record::Bound(2))).unwrap();
        assert_eq!(bound_after(&dir, &fs::read(dir.join(FILE)).unwrap()).unwrap(), 3);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn any_altered_bit_is_refused() {
        let (dir, bytes, _) = folder("altered", 3);
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(bound_after(&dir, &bad).is_err(), "bit {at}");
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn records_left_out_repeated_or_swapped_are_refused() {
        let (dir, bytes, ends) = folder("moved", 3);
        let beginning = ends[0] - (ends[1] - ends[0]);
        let record = |n: usize| &bytes[if n == 0 { beginning } else { ends[n - 1] }..ends[n]];
        let head = &bytes[..beginning];
        for order in [vec![1, 2], vec![0, 2], vec![0, 0, 1], vec![1, 0, 2], vec![0, 2, 1]] {
            let bad: Vec<u8> =
                order.iter().fold(head.to_vec(), |all, &n| [all.as_slice(), record(n)].concat());
            assert!(bound_after(&dir, &bad).is_err(), "{order:?}");
        }
        assert_eq!(bound_after(&dir, &bytes).unwrap(), 3);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_rewritten_log_goes_on_counting() {
        let (dir, bytes, _) = folder("rewritten", 3);
        fs::write(dir.join(FILE), &bytes).unwrap();
        let (mut state, mut chain, _) = read(&dir.join(FILE), key()).unwrap();
        rewrite(&dir, &mut state, &mut chain).unwrap();
        let ledger = Ledger::open(&dir, &ring()).unwrap();
        assert!(ledger.end().1 > 3);
        let failed = CheckFailed { key_id: "k".into(), credential: [0; 32] };
        ledger.decide(|turn| turn.record(Record::CheckFailed(failed))).unwrap();
        let (state, _, _) = read(&dir.join(FILE), key()).unwrap();
        assert!((0..3).all(|serial| state.is_bound(serial)));
        assert_eq!(state.failures["k"].life, 1);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_has_passed_goes_on_where_the_log_left_it() {
        let (dir, ..) = folder("elapsed", 0);
        let ledger = Ledger::open(&dir, &ring()).unwrap();
        let waits =
            |ledger: &Ledger| ledger.decide(|turn| Ok((turn.state().elapsed_ms, turn.core.begun.1))).unwrap();
        // A day has passed since it began to look, and the next decision writes that down.
        ledger.lock().begun.1 += 86_400_000;
        let (seen_ms, _) = waits(&ledger);
        assert!((86_400_000..86_460_000).contains(&seen_ms), "{seen_ms}");
        let sequence = ledger.end().1;
        assert_eq!(waits(&ledger).0, seen_ms, "nothing is written anew for less than the step");
        assert_eq!(ledger.end().1, sequence);
        // What a delay is counted from is exact.
        ledger.lock().begun.1 += 5;
        ledger.decide(|turn| turn.record(Record::Approved([1; 32]))).unwrap();
        assert!(waits(&ledger).0 >= seen_ms + 5);
        let (seen_ms, _) = waits(&ledger);
        let again = Ledger::open(&dir, &ring()).unwrap();
        assert_eq!(waits(&again), (seen_ms, seen_ms), "what passed meanwhile is not counted");
        assert_eq!(again.lock().state.approvals[&[1; 32]].elapsed_ms, seen_ms);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn without_space_nothing_is_decided() {
        let (dir, ..) = folder("space", 0);
        let ledger = Ledger::open(&dir, &ring()).unwrap();
        let mut core = ledger.lock();
        // Space cannot be taken through a descriptor that may only read.
        let file = File::open(dir.join(FILE)).unwrap();
        core.reserved_bytes = 0;
        let mut turn = Turn { core: &mut core, file: &file, now_ms: 1 };
        assert_eq!(turn.record(Record::Bound(0)), Err(Refusal::LogUnavailable));
        assert!(!turn.state().is_bound(0) && core.pending.is_empty());
        drop(core);
        ledger.decide(|turn| turn.record(Record::Bound(0))).unwrap();
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn serials_are_never_given_twice() {
        let (dir, ..) = folder("serials", 0);
        let mut last = None;
        for _ in 0..3 {
            let ledger = Ledger::open(&dir, &ring()).unwrap();
            for count in [1, 1, 300, 1] {
                let first = ledger.decide(|turn| turn.serials(count)).unwrap();
                assert!(last.is_none_or(|last| first > last));
                last = Some(first + count - 1);
            }
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
