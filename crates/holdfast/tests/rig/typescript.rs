//! Programs in TypeScript that use the client, compiled against it as it was built.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles what lies in a folder, as `args` say; the modules that it may use are put there.
pub fn compile(folder: &Path, args: &[&str]) {
    let built = std::env::var_os("HOLDFAST_TYPESCRIPT").expect("HOLDFAST_TYPESCRIPT (scripts/test sets it)");
    let (built, modules) = (PathBuf::from(built), folder.join("node_modules"));
    fs::create_dir_all(modules.join("@holdfast")).expect("a folder for modules");
    symlink(&built, modules.join("@holdfast/client")).expect("the client");
    for module in ["openpgp", "@types", "undici-types"] {
        symlink(built.join("node_modules").join(module), modules.join(module)).expect("a module");
    }
    let mut compiler = Command::new("node");
    compiler.arg(built.join("node_modules/typescript/bin/tsc")).args(args).current_dir(folder);
    let ended = compiler.output().expect("node runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}
