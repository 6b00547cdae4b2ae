//! What must not compile, and that the compiler says why: which class it is, and which numbers.
//!
//! Each case in `compile_fail/` begins with the words that any compiler must say of it. Whatever else
//! one compiler says of it lies beside it.

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

/// The compiler that is cited in the `.stderr` files. With another one,
/// `TRYBUILD=overwrite cargo test --test compile_fail` writes them anew once its name is here.
const COMPILER: &str = "1.95.0";

#[test]
fn the_compiler_says_all_that_was_committed() {
    let release = release();
    if release == COMPILER {
        return trybuild::TestCases::new().compile_fail(CASES);
    }
    // Not by `eprintln!`, of which the harness shows nothing if the test passes.
    let note = format!("NOT COMPARED: the .stderr files cite rustc {COMPILER}, this is {release}");
    writeln!(io::stderr(), "{note}").unwrap();
}

#[test]
fn any_compiler_names_the_class_and_the_numbers() {
    let cases = cases();
    let errors = errors_of(&cases);
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let words = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("// "));
        let words = words.expect("a case begins with what the compiler must say");
        let errors = errors.get(name(&case)).map_or("nothing", String::as_str);
        assert!(
            errors.contains(words),
            "{case:?}: {words}\nit says {errors}"
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

/// The errors of each case, by its name: all are checked as binaries of one package.
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
    // For the versions that were fetched already.
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
        let said: Value = serde_json::from_str(line).unwrap();
        if said["message"]["level"] == "error" {
            let case = said["target"]["name"].as_str().unwrap().to_owned();
            *errors.entry(case).or_default() += said["message"]["rendered"].as_str().unwrap();
        }
    }
    let outcome = String::from_utf8(check.stderr).unwrap();
    assert!(!errors.is_empty(), "no case was refused: {outcome}");
    errors
}
