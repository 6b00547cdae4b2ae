//! Turns the library's atomics into loom's, for this package alone.

fn main() {
    println!("cargo::rustc-cfg=floodwall_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
