//! Sets the cfg under which a check can be left out, for this package and for no other.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=holdfast_check_switch");
}
