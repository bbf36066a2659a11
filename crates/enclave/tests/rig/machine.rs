//! A machine whose clocks a test moves: the wall clock, and the one that counts the time that passes.

use super::*;

/// What a process is started with so that a file in the folder says how far its clocks are ahead.
pub fn movable(folder: &Folder, file: &str) -> [(&'static str, String); 2] {
    let shim = folder.path("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clock.c");
    if !shim.exists() {
        run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).args([source, "-ldl"]));
    }
    [("LD_PRELOAD", shim), ("CLOCK_AHEAD", folder.path(file))]
        .map(|(name, path)| (name, path.display().to_string()))
}

/// The same, before a program's name.
pub fn moved_by(folder: &Folder, file: &str) -> Vec<String> {
    let set = movable(folder, file).map(|(name, value)| format!("{name}={value}"));
    std::iter::once("env".to_owned()).chain(set).collect()
}

/// Starts enclaves on one state directory at different times.
pub struct Machine {
    pub folder: Folder,
}

impl Machine {
    pub fn new() -> Self {
        Self { folder: Folder::new() }
    }

    /// From now on both clocks are so much ahead, also in the enclave that runs.
    pub fn set(&self, wall_s: i64, monotonic_s: i64) {
        let (path, next) = (self.folder.path("ahead"), self.folder.path("ahead.next"));
        std::fs::write(&next, format!("{wall_s} {monotonic_s}")).unwrap();
        std::fs::rename(next, path).unwrap();
    }

    /// An enclave that runs since so long ago, in a machine that was right about the time.
    pub fn start(&self, ahead_s: i64) -> Enclave {
        self.start_with(ahead_s, &[])
    }

    pub fn start_with(&self, ahead_s: i64, extra: &[&str]) -> Enclave {
        let enclave = self.start_at((ahead_s, 0), extra);
        self.set(ahead_s, ahead_s);
        enclave
    }

    /// An enclave that has just been started with its clocks so far ahead.
    pub fn start_at(&self, (wall_s, monotonic_s): (i64, i64), extra: &[&str]) -> Enclave {
        self.set(wall_s, monotonic_s);
        let wrapper = moved_by(&self.folder, "ahead");
        let extra = extra.iter().map(|&word| word.to_owned()).collect();
        Enclave::start(&self.folder, &Settings { extra, wrapper, ..Settings::default() })
    }
}
