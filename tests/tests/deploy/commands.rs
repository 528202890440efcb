//! Every command line of promptlake in these files, given to the program; and every pipeline file.

use std::path::Path;
use std::process::Output;

use promptlake_tests::program::bare_command;
use promptlake_tests::root;
use serde_json::Value;

use crate::{airflow, azure, files_below, has_extension, kubernetes, strings, text};

/// What stands for an id in a pipeline file.
const SOME_ID: &str = "00000000-0000-0000-0000-000000000001";

/// A command line without the program, and the file it stands in.
#[derive(Debug)]
struct Typed {
    path: String,
    arguments: Vec<String>,
}

fn typed(path: &str, arguments: impl IntoIterator<Item = impl Into<String>>) -> Typed {
    Typed { path: path.to_owned(), arguments: arguments.into_iter().map(Into::into).collect() }
}

/// The arguments in a list of a Dockerfile.
fn of_dockerfile(instruction: &str) -> Vec<String> {
    let dockerfile = text("deploy/Dockerfile");
    let list = dockerfile.lines().find_map(|line| line.strip_prefix(instruction)).unwrap();
    strings(&serde_json::from_str::<Value>(list).unwrap())
}

/// What a person or a workflow types: lines that begin with the program, or run its image. Of a document those in its blocks of
/// code.
fn of_lines(path: &str) -> Vec<Typed> {
    let mut whole = text(path);
    if has_extension(path, "md") {
        whole = whole.split("```").skip(1).step_by(2).collect();
    }
    let whole = whole.replace("\\\n", " ");
    let lines = whole.lines().map(str::trim_start);
    let is_program = |word: &str| word == "promptlake" || word.ends_with("/promptlake");
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let lines = lines.filter(|line| is_program(&first(line)) || line.starts_with("docker run "));
    let words = |line: &str| -> Vec<String> {
        let end = [" #", " > "].iter().filter_map(|end| line.find(end)).min();
        let line = line[..end.unwrap_or(line.len())].replace("${SHELL_NAME}", "bash");
        let words = line.split_whitespace().skip_while(|word| !is_program(word)).skip(1);
        words.map(|word| word.trim_matches(['\'', '"']).to_owned()).collect()
    };
    lines.map(|line| typed(path, words(line))).collect()
}

/// Every command line, with what the platform puts in put in.
fn all() -> Vec<Typed> {
    let entry = of_dockerfile("ENTRYPOINT ");
    assert_eq!(entry, ["/usr/bin/promptlake"]);
    let mut all = vec![typed("deploy/Dockerfile", of_dockerfile("CMD "))];
    for path in kubernetes::MANIFESTS {
        let arguments = strings(&kubernetes::job(path)["template"]["spec"]["containers"][0]["args"]);
        all.push(typed(path, arguments.iter().map(|word| word.replace("$(JOB_COMPLETION_INDEX)", "0"))));
    }
    all.push(typed("deploy/azure/container-apps-job.bicep", of_bicep()));
    let unit = text("deploy/systemd/promptlake@.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/promptlake ")).unwrap();
    all.push(typed("deploy/systemd/promptlake@.service", line.replace("%i", "contoso").split(' ')));
    all.extend(
        airflow::commands()
            .into_iter()
            .map(|command| typed("deploy/airflow/promptlake_dag.py", command[1..].to_vec())),
    );
    let typed_in = |path: &&String| has_extension(path, "md") || has_extension(path, "yml");
    for path in files_below("deploy").iter().chain(&files_below(".github")).filter(typed_in) {
        all.extend(of_lines(path));
    }
    all
}

/// The arguments of the job, with values in place of expressions.
fn of_bicep() -> Vec<String> {
    let arguments = strings(&azure::job()["properties"]["template"]["containers"][0]["args"]);
    let values = [
        ("${tenantId}", SOME_ID),
        ("${identity.properties.clientId}", SOME_ID),
        ("${container}", "my-container"),
        ("${storageAccount}", "myaccount"),
        ("${environment().suffixes.storage}", "core.windows.net"),
    ];
    let put_in =
        |word: &String| values.iter().fold(word.clone(), |word, (name, value)| word.replace(name, value));
    arguments.iter().map(put_in).collect()
}

/// The program in a folder where there is nothing, so that a file that is named by mistake is none of ours.
fn promptlake(arguments: &[String]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = bare_command();
    command.args(arguments).current_dir(nowhere.path()).env("PROMPTLAKE_CLIENT_SECRET", "none");
    command.output().unwrap()
}

/// Commands that take a pipeline file.
const OF_A_FILE: [&str; 4] = ["run", "status", "verify", "audit"];

#[test]
fn the_program_takes_every_command_line() {
    let all = all();
    assert!(all.len() > 10, "{all:?}");
    for Typed { path, mut arguments } in all {
        let is_of_file = OF_A_FILE.contains(&arguments[0].as_str());
        if is_of_file {
            let output = promptlake(&arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            let no_file = format!("failed to read the pipeline file {}", arguments[1]);
            assert!(
                output.status.code() == Some(2) && said.contains(&no_file),
                "{path}: {arguments:?} gave\n{said}"
            );
        }
        // A word that it doesn't know comes before its help.
        arguments.push("--help".to_owned());
        let output = promptlake(&arguments);
        assert!(
            output.status.success(),
            "{path}: {arguments:?} gave\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_word_that_the_program_does_not_know_is_found() {
    for wrong in
        [vec!["run", "file.toml", "--shrad", "0/4"], vec!["run", "file.toml", "--shard", "4/4"], vec!["rnu"]]
    {
        let mut arguments: Vec<String> = wrong.iter().map(|word| (*word).to_owned()).collect();
        arguments.push("--help".to_owned());
        assert_eq!(promptlake(&arguments).status.code(), Some(2), "{wrong:?}");
    }
}

/// A pipeline file that is right to its end is refused only for what is asked beside it, before anybody is called.
fn assert_right(file: &Path, beside: &[String]) {
    let mut arguments = vec!["run".to_owned(), file.display().to_string()];
    arguments.extend(["--shard", "0/2", "--set", "destination.single_writer=true"].map(str::to_owned));
    arguments.extend_from_slice(beside);
    let output = promptlake(&arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("failed to take --shard"), "{} gave\n{said}", file.display());
}

#[test]
fn every_pipeline_file_is_right() {
    assert_right(&root().join("deploy/systemd/contoso.toml"), &[]);
    assert_right(&root().join("deploy/azure/contoso.toml"), &of_bicep()[2..]);
    let folder = tempfile::tempdir().unwrap();
    let documents = crate::yaml("deploy/kubernetes/cronjob.yaml");
    let config = documents.iter().find(|document| document["kind"] == "ConfigMap").unwrap();
    for (name, pipeline) in config["data"].as_object().unwrap() {
        let file = folder.path().join(name);
        std::fs::write(&file, pipeline.as_str().unwrap()).unwrap();
        assert_right(&file, &[]);
    }
}
