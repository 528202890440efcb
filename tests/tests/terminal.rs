//! What the program writes, and to whom: nothing is lost on the way to a log, a file or a terminal.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, bare_command, finish};
use serde_json::Value;

/// As in a log: no terminal, and nothing chosen.
fn logging(arguments: &[&str]) -> Command {
    let mut command = bare_command();
    command.args(arguments).env_remove("PROMPTLAKE_LOG_FORMAT").stdin(Stdio::null());
    command
}

fn only_line(ended: &Ended) -> Value {
    let lines: Vec<&str> = ended.said.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ended.said);
    serde_json::from_str(lines[0]).unwrap()
}

#[test]
fn a_failure_is_said_whatever_the_level_is() {
    for levels in ["off", "error", "promptlake_load=debug", "loud"] {
        let mut command = logging(&["status", "nowhere.toml"]);
        command.env("PROMPTLAKE_LOG", levels);
        let ended = finish(command);
        ended.assert_code(2);
        let line = only_line(&ended);
        assert_eq!((&line["level"], &line["exit_code"]), (&"ERROR".into(), &2.into()), "{line}");
        let about = if levels == "loud" { "PROMPTLAKE_LOG" } else { "nowhere.toml" };
        assert!(line["message"].as_str().unwrap().contains(about), "{line}");
        assert!(!line["hint"].as_str().unwrap().is_empty(), "{line}");
    }
}

#[test]
fn the_end_of_a_run_is_said_whatever_the_level_is() {
    let lake = Lake::new();
    let saved = lake.path().with_file_name("saved");
    std::fs::create_dir(&saved).unwrap();
    let page = r#"{"userId":"b5419e2d-afc5-4370-a18f-509ebc139b29","response":{"value":[]}}"#;
    std::fs::write(saved.join("page.json"), page).unwrap();
    let file = files_pipeline(&lake, &saved);
    let mut command = logging(&["run", &file.display().to_string()]);
    command.env("PROMPTLAKE_LOG", "error");
    let ended = finish(command);
    ended.assert_code(0);
    let line = only_line(&ended);
    assert_eq!((&line["message"], &line["new_records"]), (&"ended".into(), &0.into()), "{line}");
    assert!(line["summary"].as_str().unwrap().contains("files     1 read"), "{line}");
}

fn files_pipeline(lake: &Lake, saved: &std::path::Path) -> PathBuf {
    let text = format!(
        "[source]\nkind = \"files\"\npath = \"{}\"\ntenant_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"\n\n\
         [destination]\nurl = \"{}\"\n",
        saved.display(),
        lake.path().display()
    );
    lake.write_beside("files.toml", text.as_bytes())
}

/// What is printed for somebody who keeps it is whole, or the command has failed.
#[test]
fn a_full_disk_behind_standard_output_is_a_failure_and_a_reader_that_left_is_none() {
    for arguments in [&["schema", "tables"][..], &["man"], &["completions", "bash"]] {
        let mut command = bare_command();
        command.args(arguments).stdout(File::create("/dev/full").unwrap());
        finish(command).assert_code(2).assert_said("write to standard output");
        let mut child = bare_command().args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

/// A file can be called anything, and a terminal obeys.
#[test]
fn names_of_others_move_no_cursor() {
    let lake = Lake::new();
    let saved = lake.path().with_file_name("saved");
    std::fs::create_dir(&saved).unwrap();
    std::fs::write(saved.join("a\u{1b}[31m\rb.json"), "[]").unwrap();
    let file = files_pipeline(&lake, &saved).display().to_string();
    for verb in ["check", "run"] {
        let mut command = bare_command();
        command.args([verb, &file, "--log", "human"]);
        let ended = finish(command);
        ended.assert_code(5);
        let all = ended.said + &ended.printed;
        assert!(all.contains("a\\u{1b}[31m\\rb.json"), "{all}");
        assert!(!all.contains(|char: char| char.is_control() && char != '\n'), "{all:?}");
    }
}

#[test]
fn a_lake_that_is_not_there_is_not_there_when_it_was_tried() {
    let lake = Lake::new();
    let saved = lake.path().with_file_name("saved");
    std::fs::create_dir(&saved).unwrap();
    let file = files_pipeline(&lake, &saved).display().to_string();
    let deep = lake.path().with_file_name("not").join("yet");
    let set = format!("destination.url={}", deep.display());
    let mut command = bare_command();
    command.args(["check", &file, "--set", &set]);
    let ended = finish(command);
    assert!(ended.printed.contains("✓ lake: list"), "{}", ended.printed);
    assert!(!deep.parent().unwrap().exists());
}
