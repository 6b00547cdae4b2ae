//! Programs that must not compile, with an error that names the class and the numbers.
//!
//! The first line of each case in `compile_fail/` is text that every compiler must print. The `.stderr`
//! file beside it has the complete output of one compiler.

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const CASES: &str = "tests/compile_fail/*.rs";

/// The compiler that wrote the `.stderr` files. To move to another one, change this, and run
/// `TRYBUILD=overwrite cargo test --test compile_fail`.
const COMPILER: &str = "1.95.0";

#[test]
fn compiler_output_matches_the_stderr_files() {
    let release = release();
    if release == COMPILER {
        return trybuild::TestCases::new().compile_fail(CASES);
    }
    // Not `eprintln!`: the harness captures its output if the test passes.
    let note =
        format!("NOT COMPARED: the .stderr files are of rustc {COMPILER}, this is {release}");
    writeln!(io::stderr(), "{note}").unwrap();
}

#[test]
fn compiler_error_contains_the_expected_text() {
    let cases = cases();
    let errors = errors_of(&cases);
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let expected = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("// "))
            .expect("the first line is the expected text");
        let errors = errors.get(name(&case)).map_or("", String::as_str);
        assert!(
            errors.contains(expected),
            "{case:?}: expected {expected:?}, found {errors:?}"
        );
    }
}

fn release() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    version.split_whitespace().nth(1).unwrap().to_owned()
}

fn cases() -> Vec<PathBuf> {
    let files = fs::read_dir(Path::new(ROOT).join("tests/compile_fail")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
        .collect()
}

fn name(case: &Path) -> &str {
    case.file_stem().unwrap().to_str().unwrap()
}

/// Checks all cases as binaries of one package, and returns the errors of each, by name.
fn errors_of(cases: &[PathBuf]) -> HashMap<String, String> {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
    let mut manifest = format!(
        "[package]\nname = \"cases\"\nedition = \"2024\"\n\
         [dependencies]\nfloodwall.path = {ROOT:?}\n[workspace]\n"
    );
    for case in cases {
        write!(
            manifest,
            "[[bin]]\nname = {:?}\npath = {case:?}\n",
            name(case)
        )
        .unwrap();
    }
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    // `--offline` needs the versions that are already downloaded.
    fs::copy(
        Path::new(ROOT).join("Cargo.lock"),
        package.join("Cargo.lock"),
    )
    .unwrap();

    let check = Command::new(env!("CARGO"))
        .args([
            "check",
            "--offline",
            "--keep-going",
            "--message-format",
            "json",
        ])
        .args(["--target-dir", "target"])
        .current_dir(package)
        .output()
        .unwrap();
    let mut errors = HashMap::<_, String>::new();
    for line in String::from_utf8(check.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        if message["message"]["level"] == "error" {
            let case = message["target"]["name"].as_str().unwrap().to_owned();
            *errors.entry(case).or_default() += message["message"]["rendered"].as_str().unwrap();
        }
    }
    let outcome = String::from_utf8(check.stderr).unwrap();
    assert!(!errors.is_empty(), "no case failed: {outcome}");
    errors
}
