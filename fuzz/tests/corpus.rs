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
fn committed_inputs_of_http_connection_pass() {
    replay("http_connection", floodwall_fuzz::http_connection);
    bodies_up_to_64_kib_are_served();
}

#[test]
fn committed_inputs_of_scenario_pass() {
    replay("scenario", floodwall_fuzz::scenario);
}

/// Too long for the fuzzer. Not a test of its own, because connections share a counter.
fn bodies_up_to_64_kib_are_served() {
    let post = "\nPOST / HTTP/1.1\r\nHost: a\r\n";
    for (bytes, is_served) in [(65_536, true), (65_537, false)] {
        let body = "x".repeat(bytes);
        let whole = format!("{post}Content-Length: {bytes}\r\n\r\n{body}");
        assert_eq!(floodwall_fuzz::http_connection(whole.as_bytes()), is_served);
        let (start, end) = body.split_at(1);
        let chunks = format!("1\r\n{start}\r\n{:x}\r\n{end}\r\n0\r\n\r\n", end.len());
        let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(
            floodwall_fuzz::http_connection(chunked.as_bytes()),
            is_served
        );
    }
}
