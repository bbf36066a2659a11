//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::config::Settings;

/// What is open besides callers' connections, at most: webhooks on their way, the database's files and connections,
/// the enclave's connections, logs.
const OTHERS: u64 = 1_024;

/// Makes room for as many connections as the settings allow, as far as the system does. What then does not fit is
/// taken off the settings, and the log says so.
pub fn make_room(settings: &mut Settings) {
    let connections = u64::try_from(settings.limits.connections).unwrap_or(u64::MAX);
    let wanted = connections.saturating_add(OTHERS);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let now = Rlimit { current: Some(raised), maximum: limit.maximum };
    let is_raised = setrlimit(Resource::Nofile, now).is_ok();
    let open = if is_raised { raised } else { limit.current.unwrap_or(wanted) };
    if open < wanted {
        let room = room(open);
        tracing::warn!(
            files = open,
            connections = room,
            "the system lets this process open few files: so many connections are served at once, more wait"
        );
        settings.limits.connections = usize::try_from(room).unwrap_or(usize::MAX);
    }
}

/// How many connections fit where so many files may be open.
fn room(files: u64) -> u64 {
    files.saturating_sub(OTHERS).max(files / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_else_is_open_has_its_room() {
        assert_eq!(room(8_192), 8_192 - OTHERS);
        assert_eq!((room(1_024), room(256)), (512, 128));
    }
}
