//! What lies in `deploy/` and `.github/`: files for machines that are not here. Each is read by the vendor's own schema, models or
//! program, every command line in it by the program itself, and what two of them must agree on is compared.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

mod airflow;
mod azure;
mod commands;
mod github;
mod image;
mod kubernetes;
mod numbers;
mod systemd;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use promptlake_tests::duckdb::python;
use promptlake_tests::root;
use serde_json::Value;

/// A file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a command does with this on its input.
fn fed(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The JSON that a script prints of a text.
fn script(script: &str, arguments: &[&str], input: &str) -> Value {
    let mut command = Command::new(python());
    command.args(["-c", script]).args(arguments);
    let output = fed(command, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "a script failed; run `cargo ci` once, which installs what it needs:\n{said}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A program that a package of Python brings.
fn program_of_python(name: &str) -> Command {
    let program = python().with_file_name(name);
    assert!(program.exists(), "{} is missing: run `cargo ci` once, which installs it", program.display());
    Command::new(program)
}

/// The documents of a YAML file.
fn yaml(path: &str) -> Vec<Value> {
    match script(include_str!("yaml_to_json.py"), &[], &text(path)) {
        Value::Array(documents) => documents,
        other => panic!("{path}: {other}"),
    }
}

/// The strings of a JSON array.
fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Every file below a folder of the repository, as paths from its root.
fn files_below(folder: &str) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.push(entry.path());
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string()).collect()
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}
