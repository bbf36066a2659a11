//! The enclave as a program of its own; everything is in the library.

fn main() -> std::process::ExitCode {
    enclave::run(std::env::args_os().skip(1))
}
