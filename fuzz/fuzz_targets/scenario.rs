//! Fuzzes `floodwall_fuzz::scenario`. Without `--cfg fuzzing`, runs it once for each file that is named as an argument.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    floodwall_fuzz::scenario(bytes);
});

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    floodwall_fuzz::run_files(floodwall_fuzz::scenario)
}
