//! A counter outside the machine's disk, as a TPM has one: it goes up and never back. What is counted is in the log
//! before the counter goes up, and the counter is up before anything leaves; so a copy of the log from before has
//! counted less than the counter.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use boundary::message::Refusal;
use boundary::wire::Wire;

use crate::digest::random;
use crate::mark::refuse_all;
use crate::service::{Enclave, ensure, note};
use crate::state::{Count, Life, Record};

/// How long the counter may take. A TPM writes slowly, and has other users.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the counter has come, after it has gone up by one where that is asked for.
fn ask(socket: &Path, increment: bool) -> io::Result<Count> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&increment.to_bytes())?;
    let mut answer = [0; 32 + 8];
    stream.read_exact(&mut answer)?;
    Count::from_bytes(&answer).map_err(io::Error::other)
}

/// Finds out whether the log is the newest, counts all that is in it where that is asked for, and has the counter come
/// as far. A log that is not the newest counts nothing, or it would catch up; unless the operator gave up what it lacks,
/// by how far the counter has come, which is 0 for none.
pub fn settle(enclave: &Enclave, counts: bool) -> Result<(), Refusal> {
    let socket = enclave.counter.as_ref().map(|socket| socket.lock().unwrap_or_else(PoisonError::into_inner));
    let ask = |increment| {
        let found = socket.as_ref().map_or(Ok(Count::default()), |socket| ask(socket, increment));
        found.map_err(|error| {
            note("counter", &format!("cannot be asked: {error}"));
            Refusal::CounterAway
        })
    };
    let mut found = ask(false)?;
    let count = enclave.ledger.decide(|turn| {
        let last = turn.state().counted;
        let is_its = last.counter == found.counter || last.value == 0;
        let mut from = last.value;
        if !is_its || last.value < found.value {
            let lacks =
                format!("the log has counted to {}, and not by this counter to {}", from, found.value);
            ensure(enclave.give_up_to == Some(found.value), lacks)
                .map_err(|lacks| refuse_all(enclave, "counter", &lacks))?;
            turn.record(Record::GivenUp(Life { id: random(), sequence: 0 }))?;
            from = found.value;
        }
        let count = Count { value: from + u64::from(counts && socket.is_some()), ..found };
        if count != last {
            turn.record(Record::Counted(count))?;
        }
        Ok(count)
    })?;
    while found.value < count.value {
        found = ask(true)?;
    }
    // Another log would have counted as well.
    ensure(found == count, ()).map_err(|()| refuse_all(enclave, "counter", "somebody else counts"))
}
