//! Workflows, templates and updates by the schemas of GitHub, and what the workflows may and may not.

use crate::{fed, files_below, has_extension, program_of_python, text, yaml};

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/release.yml"];

/// Every file that GitHub reads, with its schema.
const SCHEMAS: [(&str, &str); 6] = [
    (WORKFLOWS[0], "github-workflows"),
    (WORKFLOWS[1], "github-workflows"),
    (".github/dependabot.yml", "dependabot"),
    (".github/ISSUE_TEMPLATE/bug.yml", "github-issue-forms"),
    (".github/ISSUE_TEMPLATE/feature.yml", "github-issue-forms"),
    (".github/ISSUE_TEMPLATE/config.yml", "github-issue-config"),
];

/// What a schema finds wrong with a file.
fn check(schema: &str, file: &str) -> Result<(), String> {
    let mut command = program_of_python("check-jsonschema");
    command.args(["--builtin-schema", &format!("vendor.{schema}"), "--default-filetype", "yaml", "-"]);
    let output = fed(command, file);
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stdout).unwrap()) }
}

#[test]
fn github_takes_every_file() {
    for (path, schema) in SCHEMAS {
        assert_eq!(check(schema, &text(path)), Ok(()), "{path}");
    }
    let named: Vec<&str> = SCHEMAS.iter().map(|(path, _)| *path).collect();
    for path in files_below(".github").iter().filter(|path| has_extension(path, "yml")) {
        assert!(named.contains(&path.as_str()), "{path} has no schema here");
    }
    let misspelt = text(WORKFLOWS[0]).replace("timeout-minutes", "timeout_minutes");
    assert!(check("github-workflows", &misspelt).is_err());
}

#[test]
fn a_workflow_may_read_and_ends() {
    for path in WORKFLOWS {
        let workflow = &yaml(path)[0];
        assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }), "{path}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            assert!(job["timeout-minutes"].as_u64().is_some_and(|minutes| minutes <= 240), "{path}: {name}");
            // Who is called, is called by a version; nobody gets the token of a checkout.
            for step in job["steps"].as_array().unwrap() {
                let Some(action) = step["uses"].as_str() else { continue };
                let (name, version) = action.split_once('@').unwrap();
                assert!(version.starts_with('v') && version[1..].parse::<u32>().is_ok(), "{path}: {action}");
                assert!(name != "actions/checkout" || step["with"]["persist-credentials"] == false, "{path}");
            }
        }
    }
}

#[test]
fn the_workflow_runs_what_a_developer_runs() {
    let workflow = &yaml(WORKFLOWS[0])[0];
    let job = &workflow["jobs"]["ci"];
    assert!(job["steps"].as_array().unwrap().iter().any(|step| step["run"] == "cargo ci"));
    assert_eq!(job["timeout-minutes"], 60);
}
