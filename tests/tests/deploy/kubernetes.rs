//! The manifests against the schemas of the versions that they say they need, and what they make of each exit code.

use serde_json::Value;

use crate::{script, strings, text, yaml};

const CRONJOB: &str = "deploy/kubernetes/cronjob.yaml";
const INDEXED_JOB: &str = "deploy/kubernetes/indexed-job.yaml";

fn wrong(manifest: &str, version: &str) -> Vec<String> {
    strings(&script(include_str!("kubernetes.py"), &[version], manifest))
}

#[test]
fn the_manifests_are_what_each_version_takes() {
    for (path, versions) in [(CRONJOB, ["1.31", "1.34", "1.37"]), (INDEXED_JOB, ["1.33", "1.34", "1.37"])] {
        for version in versions {
            assert_eq!(wrong(&text(path), version), [""; 0], "{path} with Kubernetes {version}");
        }
    }
}

#[test]
fn what_is_misspelt_is_found() {
    for (right, misspelt) in [
        ("podFailurePolicy:", "podFailurePolicies:"),
        ("runAsNonRoot: true", "runAsNonRoot: \"true\""),
        ("restartPolicy: Never", "restartPolice: Never"),
        ("backoffLimit: 6", "backoffLimit: six"),
    ] {
        let manifest = text(CRONJOB);
        assert!(manifest.contains(right), "{right}");
        assert_eq!(wrong(&manifest.replace(right, misspelt), "1.37").len(), 1, "{misspelt}");
    }
}

/// The job of a manifest.
pub(crate) fn job(path: &str) -> Value {
    let documents = yaml(path);
    let of_kind = |kind: &str| documents.iter().find(|document| document["kind"] == kind);
    match (of_kind("CronJob"), of_kind("Job")) {
        (Some(cron), None) => cron["spec"]["jobTemplate"]["spec"].clone(),
        (None, Some(job)) => job["spec"].clone(),
        _ => panic!("{path} has not one job"),
    }
}

pub(crate) const MANIFESTS: [&str; 2] = [CRONJOB, INDEXED_JOB];

/// What becomes of a pod that ended with this code on a node that stays: the first rule that fits.
fn action(job: &Value, code: u64) -> String {
    let rules = job["podFailurePolicy"]["rules"].as_array().unwrap();
    let fits = |rule: &&Value| {
        let codes = &rule["onExitCodes"];
        codes.is_object()
            && codes["operator"] == "In"
            && codes["values"].as_array().unwrap().contains(&code.into())
    };
    rules.iter().find(fits).map_or("Count".to_owned(), |rule| rule["action"].as_str().unwrap().to_owned())
}

#[test]
fn every_exit_code_has_its_consequence() {
    let codes = [1, 2, 3, 4, 5, 6, 130, 137];
    for (path, expected) in [
        (CRONJOB, ["Count", "FailJob", "FailJob", "FailJob", "Count", "Count", "Ignore", "Count"]),
        (INDEXED_JOB, ["Count", "FailJob", "FailIndex", "FailJob", "Count", "Count", "Ignore", "Count"]),
    ] {
        let job = job(path);
        assert_eq!(codes.map(|code| action(&job, code)), expected, "{path}");
        // Before any exit code: a pod whose node is drained ends with 130 as well.
        let first = &job["podFailurePolicy"]["rules"][0];
        assert_eq!(
            (&first["action"], &first["onPodConditions"][0]["type"]),
            (&"Ignore".into(), &"DisruptionTarget".into())
        );
        // Rules of exit codes name the container that there is.
        let container = &job["template"]["spec"]["containers"][0]["name"];
        for rule in &job["podFailurePolicy"]["rules"].as_array().unwrap()[1..] {
            assert_eq!(&rule["onExitCodes"]["containerName"], container, "{path}");
        }
    }
}

#[test]
fn every_shard_has_its_pod() {
    let job = job(INDEXED_JOB);
    let arguments = strings(&job["template"]["spec"]["containers"][0]["args"]);
    let (_, count) = arguments.last().unwrap().split_once("$(JOB_COMPLETION_INDEX)/").unwrap();
    assert_eq!(
        (&job["completions"], &job["parallelism"]),
        (&count.parse::<u64>().unwrap().into(), &job["completions"])
    );
}

/// What the Pod Security Standard "restricted" asks for, and what beyond it can be had.
#[test]
fn the_pods_are_restricted() {
    for path in MANIFESTS {
        let pod = &job(path)["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{path}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{path}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{path}");
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(container["allowPrivilegeEscalation"], false, "{path}");
        assert_eq!(container["readOnlyRootFilesystem"], true, "{path}");
        assert_eq!(container["capabilities"]["drop"][0], "ALL", "{path}");
    }
}
