//! A right example for every setting: the hint of a message about it.

use super::key_path::KeyPath;
use super::tree::Place;

/// The path of a setting, and a line that sets it, as it stands in its section.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("source.kind", r#"kind = "graph""#),
    ("source.cloud", r#"cloud = "global""#),
    ("source.tenant_id", r#"tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee""#),
    ("source.client_id", r#"client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46""#),
    ("source.credential", r#"credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#),
    (
        "source.credential.file",
        r#"credential = { kind = "client_secret", file = "/run/secrets/promptlake" }"#,
    ),
    (
        "source.credential.command",
        r#"credential = { kind = "token", command = "az account get-access-token --resource https://graph.microsoft.com" }"#,
    ),
    (
        "source.credential.path",
        r#"credential = { kind = "certificate", path = "/run/secrets/promptlake.pem" }"#,
    ),
    (
        "source.credential.password_env",
        r#"credential = { kind = "certificate", path = "app.pfx", password_env = "PROMPTLAKE_PFX_PASSWORD" }"#,
    ),
    (
        "source.credential.client_id",
        r#"credential = { kind = "managed_identity", client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46" }"#,
    ),
    ("source.graph_url", r#"graph_url = "https://graph.example.com""#),
    ("source.login_url", r#"login_url = "https://login.example.com""#),
    ("source.ca_file", r#"ca_file = "/etc/ssl/company-ca.pem""#),
    ("source.users", "users = { licensed = true }"),
    ("source.users.group", r#"users = { group = "8c5a3f5e-4ab6-4d0e-9a0f-5d8e6f3c2b1a" }"#),
    ("source.users.ids", r#"users = { ids = ["4db02e4b-d144-400e-b194-53253a34c5be", "jo@contoso.com"] }"#),
    ("source.users.file", r#"users = { file = "users.csv" }"#),
    ("source.users.limit", "users = { licensed = true, limit = 20 }"),
    ("source.start", r#"start = "2025-01-01""#),
    ("source.lookback", r#"lookback = "2d""#),
    ("source.settle_lag", r#"settle_lag = "30m""#),
    ("source.requests_per_second", "requests_per_second = 25"),
    ("source.app_class", r#"app_class = ["IPM.SkypeTeams.Message.Copilot.Word"]"#),
    ("source.model", r#"model = "A""#),
    ("source.api_version", r#"api_version = "v1.0""#),
    ("source.pages_max", "pages_max = 100000"),
    ("source.concurrency", "concurrency = 64"),
    ("source.emulator", "emulator = { users = 100, interactions = 10000 }"),
    ("source.emulator.seed", "emulator = { seed = 1 }"),
    ("source.emulator.start", r#"emulator = { start = "2025-01-01" }"#),
    ("source.emulator.end", r#"emulator = { end = "2025-04-01" }"#),
    ("source.emulator.requests_per_second", "emulator = { requests_per_second = 30 }"),
    ("source.url", r#"url = "./lake""#),
    ("source.options", r#"options = { aws_region = "eu-central-1" }"#),
    ("source.path", r#"path = "./saved""#),
    ("source.user_id", r#"user_id = "4db02e4b-d144-400e-b194-53253a34c5be""#),
    ("source.user_id_from_path", r#"user_id_from_path = "{user_id}/*.json""#),
    ("transform.tables", r#"tables = ["attachments", "links", "raw"]"#),
    ("transform.content", r#"content = "full""#),
    ("destination.url", r#"url = "./lake""#),
    ("destination.options", r#"options = { aws_region = "eu-central-1" }"#),
    ("destination.single_writer", "single_writer = true"),
    ("destination.partition_by", r#"partition_by = ["date"]"#),
    ("destination.target_file_size", r#"target_file_size = "256MiB""#),
    ("destination.compression", r#"compression = "zstd(3)""#),
    ("run.memory_limit", r#"memory_limit = "512MiB""#),
    ("run.commit_every", r#"commit_every = "5m""#),
    ("run.publish_every", r#"publish_every = "6h""#),
    ("run.heartbeat", r#"heartbeat = "30s""#),
    ("run.stale_after", r#"stale_after = "10m""#),
    ("run.deadline", r#"deadline = "2h""#),
    ("run.metrics_file", r#"metrics_file = "/var/lib/node_exporter/promptlake.prom""#),
];

/// What a file is made of.
pub(super) const SECTIONS: &str = "the sections are [source], [transform], [destination] and [run]";

/// The line that sets a setting, where it has an example of its own.
pub(super) fn line_of(path: &str) -> Option<&'static str> {
    EXAMPLES.iter().find(|(known, _)| *known == path).map(|(_, line)| *line)
}

/// The value alone of the example of a setting, without its quotes.
pub(super) fn value_of(path: &str) -> Option<&'static str> {
    line_of(path)?.split_once(" = ").map(|(_, value)| value.trim_matches('"'))
}

/// "write …", in the words of where the setting was typed.
pub(super) fn hint(path: &KeyPath, place: Place) -> String {
    let keys: Vec<&str> = path.keys().collect();
    let dotted = |length| keys[..length].join(".");
    let nearest = (2..=keys.len()).rev().find_map(|length| line_of(&dotted(length)));
    match (nearest, keys.first()) {
        (Some(line), Some(section)) if place == Place::Override => on_the_command_line(section, line),
        (Some(line), _) => format!("write {line}"),
        (None, Some(&"source")) => {
            "begin with [source], and below it cloud, tenant_id, client_id and credential".to_owned()
        }
        (None, Some(&"destination")) => "write [destination], and below it url = \"./lake\"".to_owned(),
        (None, _) => SECTIONS.to_owned(),
    }
}

/// The argument that says the same, without the quotes that neither TOML nor the shell needs here.
fn on_the_command_line(section: &str, line: &str) -> String {
    let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let argument = format!("{section}.{key}={bare}");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:=,".contains(&b);
    if argument.bytes().all(plain) {
        format!("write --set {argument}")
    } else {
        format!("write --set '{argument}'")
    }
}

#[cfg(test)]
mod tests {
    use super::EXAMPLES;
    use crate::settings::{Override, Pipeline};
    use promptlake_model::Timestamp;

    /// A whole file for every kind of source: each setting belongs to one of them.
    const FILES: [&str; 6] = [
        r#"source = { cloud = "emulator" }"#,
        r#"source = { kind = "lake", url = "s3://bucket/older" }"#,
        r#"source = { kind = "files", path = "./saved", tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee" }"#,
        r#"
[source]
tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }
"#,
        r#"
[source]
tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
credential = { kind = "managed_identity" }
"#,
        r#"
[source]
cloud = "custom"
graph_url = "https://graph.example.org"
login_url = "https://login.example.org"
tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }
"#,
    ];

    #[test]
    fn every_example_is_right_somewhere() {
        let now = Timestamp::parse("2026-01-15T12:00:00Z").unwrap();
        for (path, line) in EXAMPLES {
            let (section, _) = path.split_once('.').unwrap();
            let set: Override = format!("{section}.{}", line.replacen(" = ", "=", 1)).parse().unwrap();
            let lakes = ["./lake", "s3://bucket/lake"];
            let taken = FILES.iter().flat_map(|file| lakes.map(|lake| (file, lake))).any(|(file, lake)| {
                let file = format!("{file}\n[destination]\nurl = \"{lake}\"\n");
                Pipeline::from_toml(&file, "lake.toml", std::slice::from_ref(&set), now).is_ok()
            });
            assert!(taken, "{path}: {line}");
        }
    }
}
