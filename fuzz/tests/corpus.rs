//! Replays the committed inputs of each fuzz target, without a fuzzer.

use std::fs;
use std::path::Path;

/// Runs the inputs of a target: those in `seeds/`, whose names say whether they are valid, and those in `corpus/`, which
/// a fuzzer found.
fn replay(name: &str, target: fn(&[u8]) -> bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut is_valid_seen = [false; 2];
    for file in fs::read_dir(root.join("seeds").join(name)).unwrap() {
        let path = file.unwrap().path();
        let is_valid = path
            .file_name()
            .unwrap()
            .as_encoded_bytes()
            .starts_with(b"valid-");
        assert_eq!(run(&path, target), is_valid, "{}", path.display());
        is_valid_seen[usize::from(is_valid)] = true;
    }
    assert_eq!(is_valid_seen, [true; 2]);
    for file in fs::read_dir(root.join("corpus").join(name)).unwrap() {
        run(&file.unwrap().path(), target);
    }
}

fn run(path: &Path, target: fn(&[u8]) -> bool) -> bool {
    // The output of a failed test ends with the input that failed.
    println!("{}", path.display());
    target(&fs::read(path).unwrap())
}

#[test]
fn committed_inputs_of_rules_json_pass() {
    replay("rules_json", floodwall_fuzz::rules_json);
}

#[test]
fn committed_inputs_of_rules_toml_pass() {
    replay("rules_toml", floodwall_fuzz::rules_toml);
}

#[test]
fn committed_inputs_of_http_head_pass() {
    replay("http_head", floodwall_fuzz::http_head);
}
