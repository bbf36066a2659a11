//! What the words of the database are called on pages, and the shape that goes with each.

use domain::backup::{BackupKind, BackupState, CheckState};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use maud::{Markup, html};

use super::look::parts::{Mark, Tone, state};

/// Where a backup's life stands.
pub fn backup_state(of: BackupState) -> Markup {
    match of {
        BackupState::Unconfirmed => state(Tone::Waiting, Mark::Half, "Waits for its identity check"),
        BackupState::Confirmed => state(Tone::Good, Mark::Tick, "Confirmed"),
        BackupState::DeletePending => state(Tone::Waiting, Mark::Hourglass, "Will be deleted"),
        BackupState::Deleted => state(Tone::Over, Mark::Bar, "Deleted"),
    }
}

/// The name of the same, for a list to choose from.
pub const fn backup_state_name(of: BackupState) -> &'static str {
    match of {
        BackupState::Unconfirmed => "Waits for its identity check",
        BackupState::Confirmed => "Confirmed",
        BackupState::DeletePending => "Will be deleted",
        BackupState::Deleted => "Deleted",
    }
}

/// What is known about a backup's checksum.
pub fn check_state(of: CheckState) -> Markup {
    match of {
        CheckState::Verified => state(Tone::Good, Mark::Tick, "Opened when it was stored, and right"),
        CheckState::UnverifiedCold => state(Tone::Waiting, Mark::Half, "The next offline ceremony checks it"),
        CheckState::Failed => state(Tone::Bad, Mark::Cross, "A ceremony found it wrong: store it anew"),
        CheckState::NotChecked => state(Tone::Over, Mark::Lock, "A file: it stays closed to the service"),
    }
}

/// What a backup holds.
pub const fn backup_kind(of: BackupKind) -> &'static str {
    match of {
        BackupKind::Data => "Data",
        BackupKind::File => "File",
    }
}

/// Where a key's life stands.
pub fn key_state(of: KeyState) -> Markup {
    let (tone, mark) = match of {
        KeyState::Active => (Tone::Good, Mark::Tick),
        KeyState::Superseding => (Tone::Waiting, Mark::Half),
        KeyState::Superseded => (Tone::Over, Mark::Bar),
        KeyState::Released => (Tone::Waiting, Mark::Diamond),
        KeyState::DestroyPending => (Tone::Waiting, Mark::Hourglass),
        KeyState::Destroyed => (Tone::Over, Mark::Cross),
    };
    state(tone, mark, key_state_name(of))
}

/// The name of the same.
pub const fn key_state_name(of: KeyState) -> &'static str {
    match of {
        KeyState::Active => "Active",
        KeyState::Superseding => "Being replaced",
        KeyState::Superseded => "Replaced",
        KeyState::Released => "Given out",
        KeyState::DestroyPending => "Will be destroyed",
        KeyState::Destroyed => "Destroyed",
    }
}

/// What a key's state means for whoever holds it.
pub const fn key_state_meaning(of: KeyState) -> &'static str {
    match of {
        KeyState::Active => "It takes new backups, and what it guards can be recovered.",
        KeyState::Superseding => {
            "Its successor waits for the offline ceremony. What it guards can still be recovered."
        }
        KeyState::Superseded => {
            "Its successor guards what it guarded. It takes nothing and releases nothing."
        }
        KeyState::Released => {
            "Its private half went out in a recovery. It takes no new backups; replace it by a new key."
        }
        KeyState::DestroyPending => {
            "It will be destroyed unless somebody stops that. It takes no new backups."
        }
        KeyState::Destroyed => "It is gone for good.",
    }
}

/// Where a key is held.
pub fn environment(of: KeyEnvironment) -> Markup {
    match of {
        KeyEnvironment::Hot => html! { "Online " span.soft { "(HOT)" } },
        KeyEnvironment::Cold => html! { "Offline " span.soft { "(COLD)" } },
    }
}

/// The name of the same.
pub const fn environment_name(of: KeyEnvironment) -> &'static str {
    match of {
        KeyEnvironment::Hot => "Online (HOT)",
        KeyEnvironment::Cold => "Offline (COLD)",
    }
}

/// What pair a key is.
pub const fn key_type(of: KeyType) -> &'static str {
    match of {
        KeyType::Rsa4096 => "RSA, 4,096 bits",
        KeyType::Secp256k1 => "secp256k1",
        KeyType::Ed25519 => "Ed25519",
    }
}

/// What was done, by its name in the log: `key.assigned` as `Key assigned`.
pub fn action(name: &str) -> String {
    let words = name.replace(['.', '-', '_'], " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

/// Who did it, by what the log knows.
pub fn actor(kind: &str, id: &str) -> Markup {
    let words = match kind {
        "api_key" => "API credential",
        "user_credentials" => "Token of your issuer",
        "operator" => "Operator of this service",
        "identity_provider" => "Identity provider",
        "service" => "The service itself",
        "person" => "Person",
        other => other,
    };
    html! { (words) @if kind != "service" { " " code title=(id) { (short(id)) } } }
}

/// The end of an id, which tells it from others where many stand below one another, and does not leave the sign before
/// it; whole where it is short.
pub fn short(id: &str) -> String {
    match id.rsplit_once('-') {
        Some((_, end)) if end.len() >= 12 => format!("…\u{2060}{end}"),
        _ => id.to_owned(),
    }
}

/// A number of bytes.
pub fn bytes(count: i64) -> String {
    const KIB: i64 = 1024;
    match count {
        ..KIB => super::look::parts::count(count, "byte", "bytes"),
        _ if count < KIB * KIB => tenths(count, KIB, "KiB"),
        _ => tenths(count, KIB * KIB, "MiB"),
    }
}

fn tenths(count: i64, unit: i64, name: &str) -> String {
    let tenths = (count * 10 + unit / 2) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (count, text) in [(1, "1 byte"), (512, "512 bytes"), (1536, "1.5 KiB"), (10 << 20, "10.0 MiB")] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn an_action_reads_as_words() {
        assert_eq!(action("backup.deletion-requested"), "Backup deletion requested");
        assert_eq!(action(""), "");
    }
}
