//! The policies of S3, held against a server that enforces them: what each allows is enough, and nothing in it is too much.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::process::{Command, Output, Stdio};

use graph_emulator::{Emulator, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{number, python, s3_prelude};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, command_of, finish};
use promptlake_tests::root;
use promptlake_tests::servers::Server;
use promptlake_tests::tenant::{pipeline_into, unlimited};
use serde_json::{Value, json};

/// Gives a user of the server a policy and a key, empties the bucket where asked to, and enforces policies from then on. Before
/// that, the server lets everybody do everything.
const ENFORCE: &str = r#"
import json, sys, urllib.request
import boto3

endpoint, bucket, empty, policy = sys.argv[1:]

def enforce_after(requests):
    headers = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", requests.encode(), headers, method="POST")
    urllib.request.urlopen(request).read()

keys = dict(endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
enforce_after("1000000000")
iam, s3 = boto3.client("iam", **keys), boto3.resource("s3", **keys)
if empty == "empty":
    s3.Bucket(bucket).objects.all().delete()
if not iam.list_users()["Users"]:
    iam.create_user(UserName="promptlake")
for old in iam.list_access_keys(UserName="promptlake")["AccessKeyMetadata"]:
    iam.delete_access_key(UserName="promptlake", AccessKeyId=old["AccessKeyId"])
iam.put_user_policy(UserName="promptlake", PolicyName="policy", PolicyDocument=policy)
key = iam.create_access_key(UserName="promptlake")["AccessKey"]
enforce_after("0")
print(json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]))
"#;

/// Takes the lifecycle rules as the service would, and gives back what it made of them.
const LIFECYCLE: &str = r#"
import json, sys
import boto3

keys = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
s3 = boto3.client("s3", **keys)
s3.put_bucket_lifecycle_configuration(Bucket="my-bucket", LifecycleConfiguration=json.loads(sys.argv[2]))
print(json.dumps(s3.get_bucket_lifecycle_configuration(Bucket="my-bucket")["Rules"]))
"#;

/// What parliament knows of AWS: its actions, and the resources and conditions that go with each.
const PARLIAMENT: &str = include_str!("deploy/policy.py");

fn python_prints(script: &str, arguments: &[&str], input: &str) -> Value {
    let mut command = Command::new(python());
    command
        .args(["-c", script])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).unwrap()
}

fn policy_text(name: &str) -> String {
    std::fs::read_to_string(root().join("deploy/policies").join(name)).unwrap()
}

/// The statements of a policy that the server can enforce. It knows no conditions: what is denied under one is left out.
fn statements(name: &str) -> Vec<Value> {
    let policy: Value = serde_json::from_str(&policy_text(name)).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let allowed = statements.filter(|statement| statement["Effect"] == "Allow").cloned().collect::<Vec<_>>();
    assert!(allowed.iter().all(|statement| statement.get("Condition").is_none()), "{name}");
    allowed
}

fn resources(statement: &Value) -> Vec<String> {
    match &statement["Resource"] {
        Value::String(resource) => vec![resource.clone()],
        Value::Array(resources) => {
            resources.iter().map(|resource| resource.as_str().unwrap().to_owned()).collect()
        }
        other => panic!("{other}"),
    }
}

/// A bucket as a policy leaves it, and a tenant to fill it from.
struct Bucket {
    server: Server,
    emulator: Emulator,
    folder: Lake,
    key: [String; 2],
}

impl Bucket {
    async fn new() -> Self {
        let server = Server::moto();
        server.make_bucket("my-bucket");
        let spec = TenantSpec::default().with_seed(4).with_users(6).with_interactions(300);
        // 2025-01-01 to 2025-01-08.
        let emulator = unlimited(spec.with_window(1_735_689_600_000, 1_736_294_400_000)).await;
        Self { server, emulator, folder: Lake::new(), key: [String::new(), String::new()] }
    }

    /// From here on whoever comes with the key may do what the statements say.
    fn enforce(&mut self, statements: &[Value], empty: bool) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let empty = if empty { "empty" } else { "keep" };
        let key = python_prints(ENFORCE, &[&self.server.url(), "my-bucket", empty, &policy], "");
        self.key = [0, 1].map(|part| key[part].as_str().unwrap().to_owned());
    }

    fn command(&self, verb: &str) -> Command {
        // AWS asks for the right to delete each object in a list; the server for that of the bucket. So one by one.
        let options = format!(
            "[destination.options]\naws_endpoint = \"{}\"\naws_allow_http = \"true\"\naws_region = \"us-east-1\"\n\
             aws_disable_bulk_delete = \"true\"",
            self.server.url()
        );
        let file = pipeline_into(&self.emulator, &self.folder, "s3://my-bucket/copilot", &options);
        let mut command = command_of(verb, &file, self.emulator.client_secret());
        command.env("AWS_ACCESS_KEY_ID", &self.key[0]).env("AWS_SECRET_ACCESS_KEY", &self.key[1]);
        command
    }

    async fn ends(&self, verb: &str) -> Ended {
        self.ends_by(self.command(verb)).await
    }

    async fn ends_by(&self, command: Command) -> Ended {
        tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_may_do_what_a_run_does() {
    let mut bucket = Bucket::new().await;
    bucket.enforce(&statements("s3-writer.json"), true);
    // A run that dies with everything still to be put in its place is finished by the next one.
    let mut dying = bucket.command("run");
    dying.env("PROMPTLAKE_FAILPOINT", "publish.recorded:1:kill");
    assert_eq!(bucket.ends_by(dying).await.code, None);
    for verb in ["run", "run", "status", "verify"] {
        bucket.ends(verb).await.assert_code(0);
    }
    let mut audit = bucket.command("audit");
    audit.args(["--sample", "all", "--repair"]);
    bucket.ends_by(audit).await.assert_code(0);
    bucket.emulator.shutdown().await;
}

/// What no short run comes to: a part of an upload that fails, and the third checkpoint, after 384 records.
const NOT_COME_TO: [&str; 2] = ["s3:AbortMultipartUpload", "checkpoints/*"];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_any_one_of_them_fails() {
    let mut bucket = Bucket::new().await;
    let whole = statements("s3-writer.json");
    let mut tried = 0;
    for (place, statement) in whole.iter().enumerate() {
        for resource in resources(statement) {
            let action = statement["Action"].as_str().unwrap();
            if NOT_COME_TO.iter().any(|rare| action == *rare || resource.ends_with(rare)) {
                continue;
            }
            let mut less = whole.clone();
            let left: Vec<String> =
                resources(statement).into_iter().filter(|other| *other != resource).collect();
            if left.is_empty() {
                less.remove(place);
            } else {
                less[place]["Resource"] = json!(left);
            }
            bucket.enforce(&less, true);
            let ended = bucket.ends("run").await;
            assert_eq!(ended.code, Some(6), "without {action} on {resource} the run said:\n{}", ended.said);
            tried += 1;
        }
    }
    assert_eq!(tried, 6);
    bucket.emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_everything_and_a_reader_the_tables() {
    let mut bucket = Bucket::new().await;
    bucket.enforce(&statements("s3-writer.json"), true);
    bucket.ends("run").await.assert_code(0);
    for (policy, code) in [("s3-auditor.json", 0), ("s3-reader.json", 6)] {
        bucket.enforce(&statements(policy), false);
        bucket.ends("status").await.assert_code(code);
        bucket.ends("verify").await.assert_code(code);
        bucket.ends("run").await.assert_code(6);
        let [id, secret] = &bucket.key;
        let query = "SELECT count(*) FROM 's3://my-bucket/copilot/interactions/**/*.parquet'";
        let rows = number(&format!("{}{query}", s3_prelude(&bucket.server, id, secret)));
        assert_eq!(rows, bucket.emulator.tenant().totals().interactions, "{policy}");
    }
    bucket.emulator.shutdown().await;
}

#[test]
fn a_reader_may_read_every_table() {
    let expected = Table::ALL.map(|table| format!("arn:aws:s3:::my-bucket/copilot/{table}/*"));
    let tables = statements("s3-reader.json").iter().map(resources).find(|resources| resources.len() > 1);
    assert_eq!(tables.unwrap(), expected);
}

#[test]
fn parliament_finds_nothing() {
    let found = |policy: &str| python_prints(PARLIAMENT, &[], policy);
    for name in ["s3-writer.json", "s3-auditor.json", "s3-reader.json"] {
        assert_eq!(found(&policy_text(name)), json!([]), "{name}");
    }
    for (right, misspelt, finding) in [
        ("s3:AbortMultipartUpload", "s3:AbortUpload", "UNKNOWN_ACTION"),
        ("s3:if-none-match", "s3:if-none", "UNKNOWN_CONDITION"),
        ("my-bucket/copilot/*", "my-bucket", "RESOURCE_MISMATCH"),
    ] {
        let found = found(&policy_text("s3-writer.json").replace(right, misspelt));
        assert!(found[0].as_str().unwrap().starts_with(finding), "{misspelt}: {found}");
    }
}

/// The rules of each provider, as: what they match, and whether they touch only what is no longer, or never was, an object.
fn lifecycle_rules() -> Vec<(String, bool)> {
    let read = |name: &str| -> Value { serde_json::from_str(&policy_text(name)).unwrap() };
    let (s3, azure, gcs) =
        (read("s3-lifecycle.json"), read("azure-lifecycle.json"), read("gcs-lifecycle.json"));
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut rules = Vec::new();
    for rule in s3["Rules"].as_array().unwrap() {
        let harmless =
            ["AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration", "Filter", "ID", "Status"];
        let marker = json!({ "ExpiredObjectDeleteMarker": true });
        let spares = rule.as_object().unwrap().iter().all(|(key, value)| {
            harmless.contains(&key.as_str()) || (key == "Expiration" && *value == marker)
        });
        rules.push((rule["Filter"]["Prefix"].as_str().unwrap().to_owned(), spares));
    }
    for rule in azure["rules"].as_array().unwrap() {
        let definition = &rule["definition"];
        let spares = definition["actions"].as_object().unwrap().keys().all(|action| action == "version");
        let prefixes = texts(&definition["filters"]["prefixMatch"]);
        rules.extend(prefixes.iter().map(|prefix| (prefix.replace("my-container/", ""), spares)));
    }
    for rule in gcs["rule"].as_array().unwrap() {
        let aborts = rule["action"]["type"] == "AbortIncompleteMultipartUpload";
        let spares = aborts || (rule["action"]["type"] == "Delete" && rule["condition"]["isLive"] == false);
        rules.extend(texts(&rule["condition"]["matchesPrefix"]).into_iter().map(|prefix| (prefix, spares)));
    }
    rules
}

#[test]
fn no_lifecycle_rule_touches_an_object_that_is_there() {
    let rules = lifecycle_rules();
    assert_eq!(rules.len(), 14);
    for (prefix, spares) in &rules {
        assert!(spares, "a rule of {prefix} takes what is current");
        assert!(prefix.starts_with("copilot/") && prefix.ends_with('/'), "{prefix}");
    }
    // Versions of tables and of the ledger are nobody's to throw away.
    let of_versions = rules.iter().filter(|(prefix, _)| prefix != "copilot/");
    for (prefix, _) in of_versions {
        let below = prefix.strip_prefix("copilot/_promptlake/").unwrap();
        assert!(["checkpoints/", "probe/", "runs/", "staging/"].contains(&below), "{prefix}");
    }
}

#[test]
fn s3_takes_the_lifecycle_rules() {
    let server = Server::moto();
    server.make_bucket("my-bucket");
    let rules = python_prints(LIFECYCLE, &[&server.url(), &policy_text("s3-lifecycle.json")], "");
    let ids =
        |rules: &Value| rules.as_array().unwrap().iter().map(|rule| rule["ID"].clone()).collect::<Vec<_>>();
    let written: Value = serde_json::from_str(&policy_text("s3-lifecycle.json")).unwrap();
    assert_eq!(ids(&rules), ids(&written["Rules"]));
}
