//! The JSON Schema of a pipeline file, for editors: what can be typed where, and what it means.
//!
//! It is no second truth: it says of each setting what a file may hold at all. What goes together, and which values are
//! within their limits, is checked when a file is read.

use promptlake_model::Table;
use serde_json::{Map, Value, json};

/// The dialect that editors for TOML take.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// What the value of a setting looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    Guid,
    /// `30m`, `2d`.
    Duration,
    /// A day, an instant, or a duration back from now.
    Start,
    Day,
    /// `256MiB`.
    Size,
    Number,
    Whole,
    Boolean,
    OneOf(&'static [&'static str]),
    Texts,
    Tables,
    /// Names with a text each.
    Options,
    /// A table with settings of its own.
    Table,
}

use Shape::{Boolean, Day, Duration, Guid, Number, OneOf, Options, Size, Start, Tables, Text, Texts, Whole};

/// Every setting by its path, with its shape and its meaning.
pub(super) const SETTINGS: &[(&str, Shape, &str)] = &[
    ("source", Shape::Table, "Where the records come from; several [[source]] are several tenants."),
    (
        "source.kind",
        OneOf(&["graph", "files", "lake"]),
        "Microsoft Graph, saved pages, or the table raw of another lake. Default: graph.",
    ),
    (
        "source.cloud",
        OneOf(&["global", "us-gov-l4", "us-gov-dod", "custom", "emulator"]),
        "The cloud of the tenant. Default: global.",
    ),
    ("source.tenant_id", Guid, "Directory (tenant) id."),
    ("source.client_id", Guid, "Application (client) id of the app registration."),
    ("source.credential", Shape::Table, "How the app proves who it is. No secret stands in the file."),
    (
        "source.credential.kind",
        OneOf(&["client_secret", "certificate", "workload_identity", "managed_identity", "token"]),
        "The kind of credential.",
    ),
    ("source.credential.env", Text, "Environment variable that holds the secret."),
    ("source.credential.file", Text, "File that holds the secret."),
    ("source.credential.command", Text, "Command that prints the secret, or the token."),
    ("source.credential.path", Text, "Certificate with its key, in PEM or PFX."),
    ("source.credential.password_env", Text, "Environment variable that holds the password of a PFX."),
    ("source.credential.client_id", Guid, "Which of several managed identities."),
    ("source.graph_url", Text, "Origin of Graph, with cloud = \"custom\"."),
    ("source.login_url", Text, "Origin of the login service, with cloud = \"custom\"."),
    ("source.ca_file", Text, "PEM file of authorities that are trusted beside those of the system."),
    ("source.users", Shape::Table, "Whose history is asked for: one of licensed, group, ids and file."),
    ("source.users.licensed", Boolean, "Everyone with a licence for Copilot."),
    ("source.users.group", Guid, "The members of a group, by its object id."),
    ("source.users.ids", Texts, "Object ids or user principal names."),
    ("source.users.file", Text, "CSV file with a column id or userPrincipalName."),
    ("source.users.limit", Whole, "The most users that are asked, for a pilot."),
    (
        "source.start",
        Start,
        "Where the history of a new user begins. Default: 30d, or where that of the emulator begins.",
    ),
    (
        "source.lookback",
        Duration,
        "How much of what is covered is asked for again, for what came late. Default: 2d.",
    ),
    ("source.settle_lag", Duration, "How long before now a window ends. Default: 30m."),
    ("source.requests_per_second", Number, "What Graph sustains over the whole tenant. Default: 25."),
    ("source.concurrency", Whole, "The most requests under way at once. Default: 64."),
    ("source.app_class", Texts, "App classes that are asked for. Default: all."),
    ("source.model", OneOf(&["A", "B"]), "How the use of the API is paid for."),
    ("source.api_version", OneOf(&["v1.0", "beta"]), "Version of Graph. Default: v1.0."),
    ("source.pages_max", Whole, "The most pages of one list. Default: 100000."),
    ("source.emulator", Shape::Table, "The tenant that is made up, with cloud = \"emulator\"."),
    ("source.emulator.seed", Whole, "What it is made from. Default: 1."),
    ("source.emulator.users", Whole, "Users in its directory. Default: 100."),
    ("source.emulator.interactions", Whole, "Interactions of all users. Default: 10000."),
    ("source.emulator.start", Day, "First day of its history. Default: 2025-01-01."),
    ("source.emulator.end", Day, "The day after its history. Default: 2025-04-01."),
    ("source.emulator.requests_per_second", Number, "Where it begins to answer 429. Default: 30."),
    ("source.url", Text, "The lake whose table raw is read, with kind = \"lake\"."),
    ("source.options", Options, "Options of the store of that lake."),
    ("source.path", Text, "File or folder of saved pages, with kind = \"files\"."),
    ("source.user_id", Guid, "Owner of saved records that say nothing else."),
    ("source.user_id_from_path", Text, "Where the owner stands in the path of a file: {user_id}, * and **."),
    ("transform", Shape::Table, "What becomes of the records."),
    (
        "transform.tables",
        Tables,
        "Tables beside interactions, coverage and rejects, which are always written. Default: all.",
    ),
    (
        "transform.content",
        OneOf(&["full", "none"]),
        "Whether words are kept that anybody wrote. Default: full.",
    ),
    ("destination", Shape::Table, "Where the lake is, and what its files are like."),
    (
        "destination.url",
        Text,
        "A folder, s3://bucket/prefix, abfss://…, az://container/prefix or gs://bucket/prefix.",
    ),
    (
        "destination.options",
        Options,
        "Options of the store, under their names in object_store. Secrets come from the environment.",
    ),
    (
        "destination.single_writer",
        Boolean,
        "Nobody but this run writes: a store without conditional puts is taken. Default: false.",
    ),
    ("destination.partition_by", Texts, "[\"date\"]."),
    ("destination.target_file_size", Size, "Size of a published file. Default: 256MiB."),
    ("destination.compression", Text, "zstd(1) to zstd(22), or uncompressed. Default: zstd(3)."),
    ("run", Shape::Table, "What a run may use, and how often it makes its work durable and visible."),
    ("run.memory_limit", Size, "For everything that the run holds at once. Default: 512MiB."),
    ("run.commit_every", Duration, "How much work a crash can cost. Default: 5m."),
    ("run.publish_every", Duration, "How long readers wait for new files during a long run. Default: 6h."),
    ("run.heartbeat", Duration, "How often a run says that it lives. Default: 30s."),
    ("run.stale_after", Duration, "When a run that says nothing counts as dead. Default: 10m."),
    ("run.deadline", Duration, "How long a run may take; then it stops as on a signal."),
    (
        "run.metrics_file",
        Text,
        "Metrics for Prometheus, as a text file that is written again every 15 s; its name ends in .prom.",
    ),
];

impl Shape {
    fn schema(self) -> Value {
        let texts = || json!({"type": "array", "items": {"type": "string"}});
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Guid => json!({"type": "string", "pattern": "^[0-9A-Fa-f-]{32,36}$"}),
            Self::Duration => json!({"type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d|w)$"}),
            // TOML has dates of its own, which editors hand on as texts.
            Self::Start => {
                json!({"type": "string", "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]+ *(ms|s|m|h|d|w))$"})
            }
            Self::Day => json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
            Self::Size => json!({"type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|TiB)$"}),
            Self::Number => json!({"type": "number", "exclusiveMinimum": 0}),
            Self::Whole => json!({"type": "integer", "minimum": 0}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::OneOf(names) => json!({"enum": names}),
            Self::Texts => texts(),
            Self::Tables => {
                let names = Table::ALL.map(Table::name);
                json!({"type": "array", "items": {"enum": names}})
            }
            Self::Options => {
                json!({"type": "object", "additionalProperties": {"type": ["string", "boolean"]}})
            }
            Self::Table => json!({"type": "object", "additionalProperties": false, "properties": {}}),
        }
    }
}

/// The schema as it is checked in under `schemas/`.
pub(crate) fn json_schema() -> Value {
    let mut properties = Map::new();
    for (path, shape, meaning) in SETTINGS {
        let mut schema = shape.schema();
        schema["description"] = Value::from(*meaning);
        insert(&mut properties, path, schema);
    }
    // One table, or a list of them.
    if let Some(source) = properties.remove("source") {
        let several = json!({"type": "array", "items": source.clone()});
        properties.insert("source".to_owned(), json!({"oneOf": [source, several]}));
    }
    json!({
        "$schema": DIALECT,
        "title": "promptlake pipeline file",
        "type": "object",
        "additionalProperties": false,
        "required": ["source", "destination"],
        "properties": properties,
    })
}

/// Puts a setting below its tables, which stand before it in the list.
fn insert(properties: &mut Map<String, Value>, path: &str, schema: Value) {
    let Some((table, rest)) = path.split_once('.') else {
        properties.insert(path.to_owned(), schema);
        return;
    };
    let inner = properties.get_mut(table).and_then(|table| table["properties"].as_object_mut());
    insert(inner.expect("the table of a setting stands before it"), rest, schema);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::examples::EXAMPLES;

    #[test]
    fn every_setting_that_has_an_example_is_in_the_schema_and_no_other() {
        let tables = ["source", "transform", "destination", "run"];
        let grouped = |path: &str| EXAMPLES.iter().any(|(other, _)| other.starts_with(&format!("{path}.")));
        for (path, _) in EXAMPLES {
            assert!(SETTINGS.iter().any(|(setting, ..)| setting == path), "{path} is not in the schema");
        }
        for (path, ..) in SETTINGS.iter().filter(|(path, ..)| !tables.contains(path)) {
            let is_known = EXAMPLES.iter().any(|(example, line)| {
                let key = path.rsplit('.').next().unwrap();
                example == path || (path.starts_with(*example) && line.contains(&format!("{key} = ")))
            });
            assert!(is_known || grouped(path), "{path} has no example");
        }
    }

    #[test]
    fn the_file_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/pipeline.schema.json");
        let text = format!("{:#}\n", json_schema());
        assert!(
            std::fs::read_to_string(path).is_ok_and(|there| there == text),
            "write it again: promptlake schema pipeline > schemas/pipeline.schema.json"
        );
    }
}
