//! What is wrong with `--set`, or with what it says.

use super::{LAKE, said};

/// An argument of `--set` over a file that is right, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        "destination.url",
        r#"read --set: the argument has no "=" between key and value
hint: write --set key.path=value, such as --set destination.url=./lake"#,
    ),
    (
        "=./lake",
        r#"read --set: "" is not the path of a setting
hint: write --set key.path=value, such as --set destination.url=./lake"#,
    ),
    (
        "destination..url=./lake",
        r#"read --set: "destination..url" is not the path of a setting
hint: write --set key.path=value, such as --set destination.url=./lake"#,
    ),
    (
        "destination.options.aws_region=eu-central-1",
        r#"read --set: destination.options means nothing where url is a local path
hint: remove options, or write url = "s3://bucket/lake""#,
    ),
    (
        "destination.ulr=./lake",
        "read --set: destination.ulr is not a setting\nhint: did you mean url? Write --set destination.url=./lake",
    ),
    (
        "source.emulator.users=0",
        "read --set: source.emulator.users is 0, below the least of 1\nhint: write --set 'source.emulator={ users = 100, interactions = 10000 }'",
    ),
    (
        "destination=./lake",
        r#"read --set: destination is "./lake", not a table
hint: write [destination], and below it url = "./lake""#,
    ),
    (
        "destination.url.path=./lake",
        "read --set: destination.url is no table, so nothing can be set inside it\nhint: set it as a whole: --set 'destination.url={ … }'",
    ),
    (
        "run.commit_every=5",
        "read --set: run.commit_every is 5, not a duration\nhint: write --set run.commit_every=5m",
    ),
    (
        "run.commit_every=5 minutes",
        r#"read --set: run.commit_every is "5 minutes", whose unit is none of ms, s, m, h, d and w
hint: write --set run.commit_every=5m"#,
    ),
    (
        "run.memory_limit=64MiB",
        "read --set: run.memory_limit is 64MiB, below the least of 128MiB\nhint: write --set run.memory_limit=512MiB",
    ),
    (
        "source.path=./saved",
        r#"read --set: source.path means nothing with kind = "graph"
hint: remove path, or write kind = "files""#,
    ),
    (
        r#"source.users={ ids = ["jo"] }"#,
        r#"read --set: source.users.ids[0] is "jo", neither a GUID nor a user principal name
hint: write --set 'source.users={ ids = ["4db02e4b-d144-400e-b194-53253a34c5be", "jo@contoso.com"] }'"#,
    ),
    (
        "source.users.licensed=no",
        r#"read --set: source.users.licensed is "no", not a boolean
hint: write --set 'source.users={ licensed = true }'"#,
    ),
    (
        "source.cloud=global",
        r#"read lake.toml, line 1, column 1: source.tenant_id is missing
hint: write tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee""#,
    ),
    (
        "source.kind=files",
        r#"read lake.toml, line 1, column 12: source.cloud means nothing with kind = "files"
hint: remove cloud, or write kind = "graph""#,
    ),
    (
        "transform.tables=links",
        r#"read --set: transform.tables is "links", not a list
hint: write --set 'transform.tables=["attachments", "links", "raw"]'"#,
    ),
    (
        r#"transform.tables=["link"]"#,
        r#"read --set: transform.tables[0] is "link", not a table of the lake
hint: did you mean "links"?"#,
    ),
    (
        "log.level=debug",
        "read --set: log is not a setting\nhint: the sections are [source], [transform], [destination] and [run]",
    ),
    (
        "source.client_secret=kX8Q~secret",
        r#"read --set: source.client_secret would put a secret into the settings
hint: name where the secret is: credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        "destination.url=",
        r#"read --set: destination.url is "", not a path
hint: write --set destination.url=./lake"#,
    ),
    (
        "source.requests_per_second=0",
        "read --set: source.requests_per_second is 0, not a number above 0 and up to 1500\nhint: write --set source.requests_per_second=25",
    ),
];

#[test]
fn bad_overrides() {
    for (set, expected) in BAD {
        assert_eq!(said(LAKE, &[set]), *expected, "{set}");
    }
}
