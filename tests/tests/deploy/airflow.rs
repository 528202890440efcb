//! The DAG, with a stand-in for Airflow and the program itself.

use std::process::Command;

use promptlake_tests::duckdb::python;
use promptlake_tests::program::program;
use serde_json::{Value, json};

use crate::{fed, strings, text};

/// What the DAG would run, and what it makes of exit codes.
fn dag() -> Value {
    // The program as the worker finds it: on the path.
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(program(), folder.path().join("promptlake")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(python());
    command.args(["-c", include_str!("airflow_dag.py")]).env("PATH", path);
    let output = fed(command, &text("deploy/airflow/promptlake_dag.py"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let last = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap();
    serde_json::from_slice(last).unwrap()
}

/// The commands of all its tasks.
pub(crate) fn commands() -> Vec<Vec<String>> {
    dag()["commands"].as_array().unwrap().iter().map(strings).collect()
}

#[test]
fn an_exit_code_fails_retries_or_warns() {
    let dag = dag();
    let codes = json!({
        "0": "success", "1": "AirflowException", "2": "AirflowFailException", "3": "success",
        "4": "AirflowFailException", "5": "AirflowException", "6": "AirflowException", "130": "AirflowException",
        "-9": "AirflowException",
    });
    assert_eq!(dag["codes"], codes);
    // The program was started, and said so by its own exit code.
    assert_eq!(dag["without_a_file"], "AirflowFailException");
}

#[test]
fn every_share_of_a_tenant_has_its_task() {
    let dag = dag();
    assert_eq!(strings(&dag["tasks"])[..2], ["contoso", "fabrikam_0_of_4"]);
    let shards: Vec<String> =
        commands().into_iter().filter_map(|command| Some(command.get(4)?.clone())).collect();
    assert_eq!(shards, ["0/4", "1/4", "2/4", "3/4"]);
}
