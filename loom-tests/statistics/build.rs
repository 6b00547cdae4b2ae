//! Sets `floodwall_loom` for this package, as `loom-tests` does, and lets loom see the counters too.

fn main() {
    println!("cargo::rustc-cfg=floodwall_loom");
    println!("cargo::rustc-cfg=floodwall_loom_statistics");
    println!("cargo::rerun-if-changed=build.rs");
}
