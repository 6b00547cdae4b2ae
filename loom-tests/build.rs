//! Sets `floodwall_loom` for this package, so that the library uses loom's atomics.

fn main() {
    println!("cargo::rustc-cfg=floodwall_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
