//! The enclave's program, with checks that `HOLDFAST_WITHOUT` leaves out.

fn main() -> std::process::ExitCode {
    weakened::run(std::env::args_os().skip(1))
}
