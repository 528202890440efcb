//! `promptlake init`: from arguments or answers to a file, and from the file to a lake.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::Path;
use std::process::{Command, Stdio};

use graph_emulator::{Emulator, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::python;
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, bare_command, command_of, finish, program};
use promptlake_tests::tenant::unlimited;
use serde_json::{Value, json};

const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

fn spec() -> TenantSpec {
    TenantSpec::default().with_users(20).with_interactions(2_000)
}

/// A process started by a test has no terminal.
fn init(file: &Path, arguments: &[&str]) -> Ended {
    let mut command = bare_command();
    command.arg("init").arg(file).args(arguments).stdin(Stdio::null());
    finish(command)
}

/// A command over the file, sent to where the emulator of the test listens; faster than Graph lets one be.
async fn ended(verb: &str, file: &Path, secret: &str, emulator: &Emulator) -> Ended {
    let mut command = command_of(verb, file, secret);
    for set in [
        "source.cloud=custom".to_owned(),
        format!("source.graph_url={}", emulator.graph_url()),
        format!("source.login_url={}", emulator.login_url()),
        "source.requests_per_second=1000".to_owned(),
    ] {
        command.args(["--set", &set]);
    }
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_for_the_emulator_becomes_a_lake() {
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    let file = lake.path().with_file_name("emulated.toml");
    let written = init(&file, &["--emulator", "--destination", &lake.path().display().to_string()]);
    written.assert_code(0).assert_said("promptlake emulate\n");
    assert_eq!(written.printed, "", "what is said is for people");
    for verb in ["check", "plan", "run"] {
        written.assert_said(&format!("promptlake {verb} {}", file.display()));
    }
    let exported = written.said.split_once("export PROMPTLAKE_CLIENT_SECRET=").unwrap().1;
    let secret = exported.lines().next().unwrap().trim_matches('\'');
    ended("check", &file, secret, &emulator).await.assert_code(0);
    ended("run", &file, secret, &emulator).await.assert_code(0);
    assert_eq!(lake.rows(Table::Interactions), emulator.tenant().totals().interactions);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_for_a_tenant_becomes_a_lake() {
    let emulator = unlimited(spec().with_seed(5)).await;
    let lake = Lake::new();
    let file = lake.path().with_file_name("tenant.toml");
    let destination = lake.path().display().to_string();
    let ids = ["--tenant-id", emulator.tenant_id(), "--client-id", emulator.client_id()];
    let arguments = [&ids[..], &["--start", "2025-01-01", "--destination", &destination]].concat();
    init(&file, &arguments).assert_code(0).assert_said("read -rs PROMPTLAKE_CLIENT_SECRET");
    ended("check", &file, emulator.client_secret(), &emulator).await.assert_code(0);
    ended("run", &file, emulator.client_secret(), &emulator).await.assert_code(0);
    assert_eq!(lake.rows(Table::Interactions), emulator.tenant().totals().interactions);
    emulator.shutdown().await;
}

#[test]
fn what_is_there_is_replaced_by_force_alone() {
    let lake = Lake::new();
    let file = lake.write_beside("pipeline.toml", b"# mine\n");
    let refused = init(&file, &["--emulator"]);
    refused.assert_code(2).assert_said("--force");
    assert_eq!(std::fs::read(&file).unwrap(), b"# mine\n");
    init(&file, &["--emulator", "--force"]).assert_code(0);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with(
        "#:schema https://raw.githubusercontent.com/promptlake/promptlake/main/schemas/pipeline.schema.json\n"
    ));
    let nowhere = lake.path().join("missing/pipeline.toml");
    init(&nowhere, &["--emulator"]).assert_code(2).assert_said("make its folder first");
}

#[test]
fn without_a_terminal_what_is_missing_is_named_with_a_command_that_is_whole() {
    let lake = Lake::new();
    let file = lake.path().with_file_name("pipeline.toml");
    let ended = init(&file, &["--start", "90d"]);
    ended.assert_code(2).assert_said("--tenant-id and --client-id are missing");
    assert!(!file.exists());
    let (_, command) = ended.said.split_once("hint: write promptlake init ").unwrap();
    let (command, _) = command.split_once(';').unwrap();
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(arguments.windows(2).any(|pair| pair == ["--start", "90d"]), "{command}");
    init(&file, &arguments).assert_code(0);
    for (arguments, said) in [
        (["--emulator", "--tenant-id", TENANT], "cannot be used with"),
        (["--tenant-id", "contoso.com", "--force"], "is \"contoso.com\", not a GUID"),
        (["--users", "everyone", "--force"], "neither licensed, nor the object id of a group"),
    ] {
        init(&file, &arguments).assert_code(2).assert_said(said);
    }
}

/// Starts a program in a terminal of its own, waits for each prompt and types its answer; prints how that ended.
const TALK: &str = r#"
import json, os, pty, signal, sys
child, terminal = pty.fork()
if child == 0:
    # Ignored where the tests run in the background of a shell.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.argv[2], sys.argv[2:])
screen, seen = b"", 0
try:
    for prompt, answer in json.loads(sys.argv[1]):
        while (at := screen.find(prompt.encode(), seen)) < 0:
            screen += os.read(terminal, 4096)
        seen = at + len(prompt.encode())
        os.write(terminal, answer.encode())
    while chunk := os.read(terminal, 4096):
        screen += chunk
except OSError:
    pass  # The program has closed its terminal.
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps({"code": code, "screen": screen.decode().replace("\r\n", "\n")}))
"#;

fn talk(file: &Path, answers: &Value) -> (i64, String) {
    let mut command = Command::new(python());
    command.args(["-c", TALK, &answers.to_string()]).arg(program()).arg("init").arg(file);
    command.env_remove("PROMPTLAKE_LOG").env_remove("PROMPTLAKE_LOG_FORMAT");
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let ended: Value = serde_json::from_slice(&output.stdout).unwrap();
    (ended["code"].as_i64().unwrap(), ended["screen"].as_str().unwrap().to_owned())
}

#[test]
fn on_a_terminal_it_asks_and_the_answers_are_as_good_as_arguments() {
    let lake = Lake::new();
    let (asked, given) = (lake.path().with_file_name("asked.toml"), lake.path().with_file_name("given.toml"));
    let answers = json!([
        ["tenant_id: ", "contoso.com\n"],
        ["tenant_id: ", format!("{TENANT}\n")],
        ["credential [client_secret]: ", "certificate\n"],
        ["client_id: ", format!("{CLIENT}\n")],
        ["users [licensed]: ", "\n"],
        ["start [30d]: ", "2025-01-01\n"],
        ["destination [./copilot-lake]: ", "s3://bucket/lake\n"],
    ]);
    let (code, screen) = talk(&asked, &answers);
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("tenant_id is \"contoso.com\", not a GUID\n  hint: write aaaabbbb-"), "{screen}");
    assert!(screen.contains(&format!("\n  promptlake check {}\n", asked.display())), "{screen}");
    let ids = ["--tenant-id", TENANT, "--client-id", CLIENT, "--credential", "certificate"];
    let arguments = [&ids[..], &["--start", "2025-01-01", "--destination", "s3://bucket/lake"]].concat();
    init(&given, &arguments).assert_code(0);
    let asked = std::fs::read_to_string(asked).unwrap();
    assert_eq!(asked.replace("asked.toml", "given.toml"), std::fs::read_to_string(given).unwrap());
}

#[test]
fn a_dialogue_that_is_given_up_leaves_no_file() {
    const CTRL_C: &str = "\u{3}";
    const CTRL_D: &str = "\u{4}";
    let lake = Lake::new();
    let file = lake.path().with_file_name("pipeline.toml");
    let until =
        |key: &str| json!([["tenant_id: ", format!("{TENANT}\n")], ["credential [client_secret]: ", key]]);
    let (code, screen) = talk(&file, &until(CTRL_D));
    assert_eq!(code, 2, "{screen}");
    assert!(screen.contains("the input ended before the last answer"), "{screen}");
    assert!(!file.exists());
    let (code, screen) = talk(&file, &until(CTRL_C));
    assert_eq!(code, -2, "ended by SIGINT: {screen}");
    assert!(!file.exists());
    std::fs::write(&file, "").unwrap();
    let (code, screen) = talk(&file, &json!([]));
    assert_eq!(code, 2, "nothing is asked for a file that is there: {screen}");
    assert!(!screen.contains("tenant_id"), "{screen}");
}
