//! `schemas/pipeline.schema.json` as editors use it: it takes every pipeline file that we ship, and refuses what the program
//! refuses by name or kind.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::process::{Command, Stdio};

use promptlake_tests::duckdb::python;
use promptlake_tests::program::bare_command;
use promptlake_tests::root;

/// Reads a TOML text and says what a validator finds wrong with it, as paths, in a line.
const SCRIPT: &str = r#"
import json, sys, tomllib
from jsonschema import Draft7Validator
schema = json.load(open(sys.argv[1]))
Draft7Validator.check_schema(schema)
document = json.loads(json.dumps(tomllib.loads(sys.stdin.read()), default=str))
print(",".join(sorted({".".join(map(str, error.absolute_path)) or "/" for error in Draft7Validator(schema).iter_errors(document)})))
"#;

fn wrong(toml: &str) -> String {
    let schema = root().join("schemas/pipeline.schema.json");
    let mut command = Command::new(python());
    command.args(["-c", SCRIPT]).arg(schema).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), toml.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the validator failed on:\n{toml}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_pipeline_file_that_we_ship_is_taken() {
    let mut files = 0;
    for entry in std::fs::read_dir(root().join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(wrong(&std::fs::read_to_string(&path).unwrap()), "", "{}", path.display());
        files += 1;
    }
    assert!(files > 5);
}

#[test]
fn what_the_program_refuses_by_name_or_kind_is_refused() {
    let file =
        |source: &str, rest: &str| format!("[source]\n{source}\n[destination]\nurl = \"./lake\"\n{rest}");
    assert_eq!(wrong(&file("cloud = \"emulator\"", "")), "");
    for (toml, at) in [
        (file("cloud = \"emulater\"", ""), "source"),
        (file("clout = \"emulator\"", ""), "source"),
        (file("requests_per_second = \"25\"", ""), "source"),
        (file("users = { everyone = true }", ""), "source"),
        (file("", "target_file_size = \"256 megabytes\""), "destination.target_file_size"),
        (file("", "[transform]\ntables = [\"atachments\"]"), "transform.tables.0"),
        (file("", "[transform]\ncontent = \"some\""), "transform.content"),
        (file("", "[run]\ncommit_every = 5"), "run.commit_every"),
        (file("", "[runs]\n"), "/"),
        ("[source]\ncloud = \"emulator\"\n".to_owned(), "/"),
    ] {
        assert_eq!(wrong(&toml), at, "{toml}");
    }
}

#[test]
fn the_program_prints_it() {
    let printed = bare_command().args(["schema", "pipeline"]).output().unwrap();
    let file = std::fs::read(root().join("schemas/pipeline.schema.json")).unwrap();
    assert!(printed.status.success() && printed.stdout == file);
}

#[test]
fn every_file_that_init_writes_is_taken() {
    let folder = promptlake_tests::lake::Lake::new();
    let file = folder.path().with_file_name("pipeline.toml");
    let ids = ["--tenant-id", "aaaabbbb-0000-cccc-1111-dddd2222eeee"];
    let app = ["--client-id", "04b07795-8ddb-461a-bbee-02f9e1bf7b46"];
    let onelake = "abfss://copilot@onelake.dfs.fabric.microsoft.com/my.Lakehouse/Files/lake";
    for arguments in [
        vec!["--emulator"],
        [&ids[..], &app].concat(),
        [&ids[..], &app, &["--credential", "certificate", "--users", "pilot.csv", "--start", "2025-01-01"]]
            .concat(),
        [&ids[..], &app, &["--credential", "workload_identity", "--destination", "s3://bucket/lake"]]
            .concat(),
        [&ids[..], &app, &["--credential", "managed_identity", "--destination", onelake]].concat(),
        [&ids[..], &["--credential", "token", "--destination", "gs://bucket/lake"]].concat(),
    ] {
        let mut command = bare_command();
        command.arg("init").arg(&file).arg("--force").args(&arguments).stdin(Stdio::null());
        let written = command.output().unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        assert_eq!(wrong(&std::fs::read_to_string(&file).unwrap()), "", "{arguments:?}");
    }
}
