//! Files that are none, sections and keys that are none.

use super::said;

/// A file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        "",
        "read lake.toml, line 1, column 1: source is missing\nhint: begin with [source], and below it cloud, tenant_id, client_id and credential",
    ),
    (
        r#"[source
cloud = "emulator"
"#,
        r#"read lake.toml, line 1, column 8: this is not TOML: unclosed table, expected `]`
hint: look for a quote or bracket that is missing and for a key or section that stands twice; right is [source], and below it cloud = "global""#,
    ),
    (
        r#"source = "graph"
"#,
        r#"read lake.toml, line 1, column 10: source is "graph", not a table
hint: begin with [source], and below it cloud, tenant_id, client_id and credential"#,
    ),
    (
        r#"[[source]]
cloud = "emulator"

[[source]]
cloud = "emulator"
lookbak = "2d"
"#,
        "read lake.toml, line 6, column 1: source[1].lookbak is not a setting\nhint: did you mean lookback? Write lookback = \"2d\"",
    ),
    (
        r#"[[source]]
cloud = "emulator"

[[source]]
cloud = "emulator"
lookback = "soon"
"#,
        "read lake.toml, line 6, column 12: source[1].lookback is \"soon\", not a duration\nhint: write lookback = \"2d\"",
    ),
    (
        r#"[[source]]
cloud = "emulator"

[[source]]
cloud = "emulator"
path = "./saved"
"#,
        "read lake.toml, line 6, column 1: source[1].path means nothing with kind = \"graph\"\nhint: remove path, or write kind = \"files\"",
    ),
    (
        r#"[[source]]
cloud = "emulator"

[[source]]
kind = "files"
tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
path = "./saved"
"#,
        "read lake.toml, line 5, column 8: source[1].kind is \"files\", which stands alone in a pipeline file\nhint: write a pipeline file for it",
    ),
    (
        r#"[[source]]
cloud = "global"
credential = { kind = "client_secret", secret = "hush" }
"#,
        "read lake.toml, line 3, column 40: source[0].credential.secret would put a secret into the settings\nhint: name where the secret is: credential = { kind = \"client_secret\", env = \"PROMPTLAKE_CLIENT_SECRET\" }",
    ),
    (
        "source = []\n",
        "read lake.toml, line 1, column 10: source names 0 tenants, not 1 to 1000\nhint: write one [[source]] for each tenant",
    ),
    (
        r#"[source]
Tenant_ID = "x"
"#,
        "read lake.toml, line 2, column 1: source.Tenant_ID is not a setting\nhint: did you mean tenant_id? Write tenant_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"",
    ),
    (
        r#"[source]
tenant = "x"
"#,
        "read lake.toml, line 2, column 1: source.tenant is not a setting\nhint: did you mean tenant_id? Write tenant_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"",
    ),
    (
        r#"[source]
filter = "x"
"#,
        "read lake.toml, line 2, column 1: source.filter is not a setting\nhint: known here: kind, cloud, tenant_id, client_id, credential, graph_url, login_url, ca_file, users, start, lookback, settle_lag, requests_per_second, concurrency, app_class, model, api_version, pages_max, emulator, url, options, path, user_id, user_id_from_path",
    ),
    (
        r#"[source]
"a.b" = 1
"#,
        r#"read lake.toml, line 2, column 1: source."a.b" is not a setting
hint: known here: kind, cloud, tenant_id, client_id, credential, graph_url, login_url, ca_file, users, start, lookback, settle_lag, requests_per_second, concurrency, app_class, model, api_version, pages_max, emulator, url, options, path, user_id, user_id_from_path"#,
    ),
    (
        r#"[source]
client_secret = "kX8Q~secret"
"#,
        r#"read lake.toml, line 2, column 1: source.client_secret would put a secret into the settings
hint: name where the secret is: credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"source = { cloud = "emulator" }
destination = "./lake"
"#,
        r#"read lake.toml, line 2, column 15: destination is "./lake", not a table
hint: write [destination], and below it url = "./lake""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[run]
memory = "1GiB"
"#,
        "read lake.toml, line 3, column 1: run.memory is not a setting\nhint: did you mean memory_limit? Write memory_limit = \"512MiB\"",
    ),
];

#[test]
fn bad_shape() {
    for (text, expected) in BAD {
        assert_eq!(said(text, &[]), *expected, "{text}");
    }
}
