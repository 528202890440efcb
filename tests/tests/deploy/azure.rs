//! The Bicep file and the lifecycle policy against the models of Microsoft's own client libraries.

use serde_json::Value;

use crate::{script, strings, text};

const JOB: &str = "deploy/azure/container-apps-job.bicep";
const LIFECYCLE: &str = "deploy/policies/azure-lifecycle.json";

fn checked(kind: &str, input: &str) -> (Vec<String>, Value) {
    let checked = script(include_str!("azure_models.py"), &[kind], input);
    (strings(&checked["wrong"]), checked["value"].clone())
}

/// The job of the Bicep file.
pub(crate) fn job() -> Value {
    checked("job", &text(JOB)).1
}

#[test]
fn the_job_and_the_lifecycle_are_what_azure_takes() {
    assert_eq!(checked("job", &text(JOB)).0, [""; 0]);
    assert_eq!(checked("lifecycle", &text(LIFECYCLE)).0, [""; 0]);
}

#[test]
fn what_is_misspelt_is_found() {
    for (kind, path, right, misspelt, found) in [
        ("job", JOB, "'Schedule'", "'Scheduled'", "properties.configuration.triggerType is Scheduled"),
        ("job", JOB, "volumeMounts", "mounts", "properties.template.containers.mounts is unknown"),
        ("lifecycle", LIFECYCLE, "\"Lifecycle\"", "\"Life\"", "rules.type is Life"),
    ] {
        let (wrong, _) = checked(kind, &text(path).replace(right, misspelt));
        assert_eq!(wrong, [found], "{misspelt}");
    }
}

#[test]
fn the_job_mounts_the_pipeline_file_that_it_runs() {
    let properties = &job()["properties"];
    let (container, volume) =
        (&properties["template"]["containers"][0], &properties["template"]["volumes"][0]);
    let secret = &properties["configuration"]["secrets"][0];
    let loaded = &secret["value"]["function"]["parameters"]["file_path"];
    assert!(!text(&format!("deploy/azure/{}", loaded.as_str().unwrap())).is_empty());
    assert_eq!(volume["secrets"][0]["secretRef"], secret["name"]);
    assert_eq!(container["volumeMounts"][0]["volumeName"], volume["name"]);
    let mounted = format!(
        "{}/{}",
        container["volumeMounts"][0]["mountPath"].as_str().unwrap(),
        volume["secrets"][0]["path"].as_str().unwrap()
    );
    assert_eq!(container["args"][1], mounted);
}

/// The operations on data that Azure knows of blobs.
const BLOB_ACTIONS: [&str; 7] =
    ["add/action", "delete", "deleteBlobVersion/action", "move/action", "read", "tags/read", "write"];

#[test]
fn the_role_is_of_what_a_run_does_with_blobs() {
    let role: Value = serde_json::from_str(&text("deploy/policies/azure-writer-role.json")).unwrap();
    let fields: Vec<&String> = role.as_object().unwrap().keys().collect();
    let expected = [
        "Actions",
        "AssignableScopes",
        "DataActions",
        "Description",
        "IsCustom",
        "Name",
        "NotActions",
        "NotDataActions",
    ];
    let mut sorted = fields.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    let blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/";
    let actions: Vec<String> = strings(&role["DataActions"]);
    let of_blobs: Vec<&str> = actions.iter().map(|action| action.strip_prefix(blobs).unwrap()).collect();
    assert!(of_blobs.iter().all(|action| BLOB_ACTIONS.contains(action)), "{of_blobs:?}");
    assert_eq!(of_blobs, ["read", "write", "delete"]);
}
