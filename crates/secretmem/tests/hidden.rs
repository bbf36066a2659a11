//! What reads a process's memory from outside does not read this.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use secretmem::Secret;

/// As the kernel shows this process's memory to whoever may trace it.
fn read_from_outside(at: *const [u8; 32]) -> io::Result<[u8; 32]> {
    let mut found = [0; 32];
    File::open("/proc/self/mem")?.read_exact_at(&mut found, at.addr() as u64)?;
    Ok(found)
}

/// Before Linux 6.5 secret memory is there only where the machine was started with `secretmem.enable`.
fn must_be_granted() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(5))
}

#[test]
fn the_owner_alone_reads_it() {
    let bytes = [0x5a; 32];
    let secret = Secret::copied(&bytes);
    assert_eq!(secret.expose(), &bytes);
    assert!(secret.is_hidden() || !must_be_granted(), "no secret memory, which this kernel has");
    assert_eq!(read_from_outside(secret.expose()).is_err(), secret.is_hidden());
    assert_eq!(read_from_outside(&raw const bytes).expect("ordinary memory can be read"), bytes);
}

#[test]
fn many_are_apart_and_may_be_held_by_any_thread() {
    let secrets: Vec<Secret> = (0..200).map(|n| Secret::copied(&[n; 32])).collect();
    std::thread::scope(|scope| {
        let all = secrets.iter().zip(0..);
        all.for_each(|(secret, n)| drop(scope.spawn(move || assert_eq!(secret.expose(), &[n; 32]))));
    });
}
