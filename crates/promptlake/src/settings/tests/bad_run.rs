//! What is wrong with `[run]`.

use super::{LAKE, said};

/// What follows such a file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        r#"[run]
memory_limit = "2TiB"
"#,
        r#"read lake.toml, line 5, column 16: run.memory_limit is 2TiB, above the most of 1TiB
hint: write memory_limit = "512MiB""#,
    ),
    (
        r#"[run]
memory_limit = "1.5GiB"
"#,
        r#"read lake.toml, line 5, column 16: run.memory_limit is "1.5GiB", not a whole number of one unit
hint: write memory_limit = "512MiB""#,
    ),
    (
        "[run]\ncommit_every = 5\n",
        r#"read lake.toml, line 5, column 16: run.commit_every is 5, not a duration
hint: write commit_every = "5m""#,
    ),
    (
        r#"[run]
commit_every = "0s"
"#,
        r#"read lake.toml, line 5, column 16: run.commit_every is 0s, below the least of 100ms
hint: write commit_every = "5m""#,
    ),
    (
        r#"[run]
commit_every = "2d"
"#,
        r#"read lake.toml, line 5, column 16: run.commit_every is 2d, above the most of 1d
hint: write commit_every = "5m""#,
    ),
    (
        r#"[run]
publish_every = "1m"
"#,
        r#"read lake.toml, line 5, column 17: run.publish_every is 1m, below run.commit_every, 5m
hint: write publish_every = "5m" or more"#,
    ),
    (
        r#"[run]
publish_every = "60d"
"#,
        r#"read lake.toml, line 5, column 17: run.publish_every is 60d, above the most of 30d
hint: write publish_every = "6h""#,
    ),
    (
        r#"[run]
heartbeat = "1ms"
"#,
        r#"read lake.toml, line 5, column 13: run.heartbeat is 1ms, below the least of 100ms
hint: write heartbeat = "30s""#,
    ),
    (
        r#"[run]
heartbeat = "3m"
"#,
        r#"read lake.toml, line 4, column 2: run.stale_after is 10m, below four times run.heartbeat, 3m
hint: write stale_after = "12m" or more"#,
    ),
    (
        r#"[run]
stale_after = "1m"
"#,
        r#"read lake.toml, line 5, column 15: run.stale_after is 1m, below four times run.heartbeat, 30s
hint: write stale_after = "2m" or more"#,
    ),
    (
        r#"[run]
stale_after = "2d"
"#,
        r#"read lake.toml, line 5, column 15: run.stale_after is 2d, above the most of 1d
hint: write stale_after = "10m""#,
    ),
    (
        r#"[run]
deadline = "500ms"
"#,
        r#"read lake.toml, line 5, column 12: run.deadline is 500ms, below the least of 1s
hint: write deadline = "2h""#,
    ),
    (
        r#"[run]
deadline = "31d"
"#,
        r#"read lake.toml, line 5, column 12: run.deadline is 31d, above the most of 30d
hint: write deadline = "2h""#,
    ),
    (
        r#"[run]
metrics_file = "/var/lib/node_exporter/promptlake.txt"
"#,
        r#"read lake.toml, line 5, column 16: run.metrics_file is "/var/lib/node_exporter/promptlake.txt", whose name does not end in .prom
hint: write metrics_file = "/var/lib/node_exporter/promptlake.prom""#,
    ),
    (
        r#"[run]
metrics_file = "/srv/.prom"
"#,
        r#"read lake.toml, line 5, column 16: run.metrics_file is "/srv/.prom", whose name does not end in .prom
hint: write metrics_file = "/var/lib/node_exporter/promptlake.prom""#,
    ),
    (
        r#"[run]
metrics_file = "s3://bucket/promptlake.prom"
"#,
        r#"read lake.toml, line 5, column 16: run.metrics_file has the scheme s3://, which this version does not support
hint: a local path belongs here, such as "./lake" or "file:///srv/lake""#,
    ),
    (
        r#"[run]
commit_evry = "5m"
"#,
        "read lake.toml, line 5, column 1: run.commit_evry is not a setting\nhint: did you mean commit_every? Write commit_every = \"5m\"",
    ),
];

#[test]
fn bad_run() {
    for (text, expected) in BAD {
        assert_eq!(said(&format!("{LAKE}{text}"), &[]), *expected, "{text}");
    }
}
