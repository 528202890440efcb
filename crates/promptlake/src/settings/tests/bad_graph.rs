//! What is wrong with a source of kind `graph`.

use super::said;

/// A file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        r#"[source]
kind = "lake"
"#,
        r#"read lake.toml, line 1, column 2: source.url is missing
hint: write url = "./lake""#,
    ),
    (
        r#"[source]
kind = "grap"
"#,
        r#"read lake.toml, line 2, column 8: source.kind is "grap", not a kind of source
hint: did you mean "graph"?"#,
    ),
    (
        "[source]\nkind = 1\n",
        r#"read lake.toml, line 2, column 8: source.kind is 1, not a kind of source
hint: write kind = "graph""#,
    ),
    (
        r#"[source]
cloud = "Global"
"#,
        r#"read lake.toml, line 2, column 9: source.cloud is "Global", not a cloud
hint: did you mean "global"?"#,
    ),
    (
        "[source]\ntenant_id = 7\n",
        r#"read lake.toml, line 2, column 13: source.tenant_id is 7, not a GUID
hint: write tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee""#,
    ),
    (
        r#"[source]
tenant_id = "00000000-0000-0000-0000-000000000000"
"#,
        r#"read lake.toml, line 1, column 2: source.client_id is missing
hint: write client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46""#,
    ),
    (
        r#"[source]
tenant_id = "00000000-0000-0000-0000-000000000000"
client_id = "my-app"
"#,
        r#"read lake.toml, line 3, column 13: source.client_id is "my-app", not a GUID
hint: write client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46""#,
    ),
    (
        r#"[source]
cloud = "global"
graph_url = "https://graph.example.com"
"#,
        r#"read lake.toml, line 3, column 1: source.graph_url means nothing with cloud = "global"
hint: remove graph_url, or write cloud = "custom""#,
    ),
    (
        r#"[source]
cloud = "custom"
"#,
        r#"read lake.toml, line 1, column 2: source.graph_url is missing
hint: write graph_url = "https://graph.example.com""#,
    ),
    (
        r#"[source]
cloud = "custom"
graph_url = "https://graph.example.com"
"#,
        r#"read lake.toml, line 1, column 2: source.login_url is missing
hint: write login_url = "https://login.example.com""#,
    ),
    (
        r#"[source]
cloud = "custom"
graph_url = "http://graph.example.com"
"#,
        r#"read lake.toml, line 3, column 13: source.graph_url is "http://graph.example.com", http to another machine
hint: write graph_url = "https://graph.example.com""#,
    ),
    (
        r#"[source]
cloud = "custom"
graph_url = "https://jo:secret@graph.example.com"
"#,
        r#"read lake.toml, line 3, column 13: source.graph_url holds a user or a password
hint: write graph_url = "https://graph.example.com""#,
    ),
    (
        r#"[source]
cloud = "emulator"
tenant_id = "x"
"#,
        r#"read lake.toml, line 3, column 1: source.tenant_id means nothing with cloud = "emulator"
hint: remove tenant_id, or write another cloud, such as cloud = "global""#,
    ),
    (
        r#"[source]
cloud = "emulator"
ca_file = "ca.pem"
"#,
        r#"read lake.toml, line 3, column 1: source.ca_file means nothing with cloud = "emulator"
hint: remove ca_file, or write another cloud, such as cloud = "global""#,
    ),
    (
        r#"[source]
tenant_id = "00000000-0000-0000-0000-000000000000"
credential = { kind = "managed_identity" }
ca_file = "s3://bucket/ca.pem"
"#,
        r#"read lake.toml, line 4, column 11: source.ca_file has the scheme s3://, which this version does not support
hint: a local path belongs here, such as "./lake" or "file:///srv/lake""#,
    ),
    (
        r#"[source]
cloud = "emulator"
path = "./saved"
"#,
        r#"read lake.toml, line 3, column 1: source.path means nothing with kind = "graph"
hint: remove path, or write kind = "files""#,
    ),
    (
        r#"[source]
cloud = "emulator"
start = "1969-12-31"
"#,
        r#"read lake.toml, line 3, column 9: source.start is 1969-12-31, before 1970
hint: write start = "2025-01-01""#,
    ),
    (
        r#"[source]
cloud = "emulator"
start = "100w"
lookback = "0d"
settle_lag = "1h30m"
"#,
        r#"read lake.toml, line 5, column 14: source.settle_lag is "1h30m", whose unit is none of ms, s, m, h, d and w
hint: write settle_lag = "30m""#,
    ),
    (
        r#"[source]
cloud = "emulator"
start = "0d"
"#,
        r#"read lake.toml, line 3, column 9: source.start is 2026-01-15, which is not in the past
hint: write start = "2025-01-01""#,
    ),
    (
        r#"[source]
cloud = "emulator"
start = "last year"
"#,
        r#"read lake.toml, line 3, column 9: source.start is "last year", neither a date nor a duration
hint: write start = "2025-01-01""#,
    ),
    (
        r#"[source]
cloud = "emulator"
start = 30
"#,
        r#"read lake.toml, line 3, column 9: source.start is 30, not a date or a duration
hint: write start = "2025-01-01""#,
    ),
    (
        r#"[source]
cloud = "emulator"
lookback = "2 days"
"#,
        r#"read lake.toml, line 3, column 12: source.lookback is "2 days", whose unit is none of ms, s, m, h, d and w
hint: write lookback = "2d""#,
    ),
    (
        r#"[source]
cloud = "emulator"
lookback = "2y"
"#,
        r#"read lake.toml, line 3, column 12: source.lookback is "2y", whose unit is none of ms, s, m, h, d and w
hint: write lookback = "2d""#,
    ),
    (
        r#"[source]
cloud = "emulator"
lookback = "4000d"
"#,
        r#"read lake.toml, line 3, column 12: source.lookback is 4000d, above the most of 3660d
hint: write lookback = "2d""#,
    ),
    (
        r#"[source]
cloud = "emulator"
settle_lag = "90d"
"#,
        r#"read lake.toml, line 3, column 14: source.settle_lag is 90d, above the most of 31d
hint: write settle_lag = "30m""#,
    ),
    (
        r#"[source]
cloud = "emulator"
requests_per_second = 0
"#,
        "read lake.toml, line 3, column 23: source.requests_per_second is 0, not a number above 0 and up to 1500\nhint: write requests_per_second = 25",
    ),
    (
        r#"[source]
cloud = "emulator"
requests_per_second = 2000
"#,
        "read lake.toml, line 3, column 23: source.requests_per_second is 2000, not a number above 0 and up to 1500\nhint: write requests_per_second = 25",
    ),
    (
        r#"[source]
cloud = "emulator"
requests_per_second = nan
"#,
        "read lake.toml, line 3, column 23: source.requests_per_second is NaN, not a number above 0 and up to 1500\nhint: write requests_per_second = 25",
    ),
    (
        r#"[source]
cloud = "emulator"
requests_per_second = 9_000_000_000
"#,
        "read lake.toml, line 3, column 23: source.requests_per_second is 9000000000, not a number within reason\nhint: write requests_per_second = 25",
    ),
    (
        r#"[source]
cloud = "emulator"
concurrency = 0
"#,
        "read lake.toml, line 3, column 15: source.concurrency is 0, below the least of 1\nhint: write concurrency = 64",
    ),
    (
        r#"[source]
cloud = "emulator"
concurrency = 257
"#,
        "read lake.toml, line 3, column 15: source.concurrency is 257, above the most of 256\nhint: write concurrency = 64",
    ),
    (
        r#"[source]
cloud = "emulator"
concurrency = 8.5
"#,
        "read lake.toml, line 3, column 15: source.concurrency is 8.5, not a whole number\nhint: write concurrency = 64",
    ),
    (
        r#"[source]
cloud = "emulator"
concurrency = 99999999999999999999
"#,
        "read lake.toml, line 3, column 15: source.concurrency is 99999999999999999999, beyond every limit\nhint: write concurrency = 64",
    ),
    (
        r#"[source]
cloud = "emulator"
app_class = []
"#,
        r#"read lake.toml, line 3, column 13: source.app_class is empty, which leaves nothing to ask for
hint: write app_class = ["IPM.SkypeTeams.Message.Copilot.Word"]"#,
    ),
    (
        r#"[source]
cloud = "emulator"
app_class = ["IPM.A", "IPM.*"]
"#,
        r#"read lake.toml, line 3, column 23: source.app_class[1] is "IPM.*", not an app class
hint: write app_class = ["IPM.SkypeTeams.Message.Copilot.Word"]"#,
    ),
    (
        r#"[source]
cloud = "emulator"
app_class = "IPM.A"
"#,
        r#"read lake.toml, line 3, column 13: source.app_class is "IPM.A", not a list
hint: write app_class = ["IPM.SkypeTeams.Message.Copilot.Word"]"#,
    ),
    (
        r#"[source]
cloud = "emulator"
model = "evaluation"
"#,
        r#"read lake.toml, line 3, column 9: source.model is "evaluation", not a payment model
hint: this version takes "A" and "B""#,
    ),
    (
        r#"[source]
cloud = "emulator"
api_version = "v2.0"
"#,
        r#"read lake.toml, line 3, column 15: source.api_version is "v2.0", not a version of Graph
hint: did you mean "v1.0"?"#,
    ),
    (
        r#"[source]
cloud = "emulator"
pages_max = 0
"#,
        "read lake.toml, line 3, column 13: source.pages_max is 0, below the least of 1\nhint: write pages_max = 100000",
    ),
];

#[test]
fn bad_graph() {
    for (text, expected) in BAD {
        assert_eq!(said(text, &[]), *expected, "{text}");
    }
}
