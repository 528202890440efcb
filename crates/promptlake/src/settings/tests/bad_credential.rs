//! What is wrong with a credential. No message holds what may be a secret.

use super::{REAL, said};

/// What follows such a file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        "",
        r#"read lake.toml, line 1, column 2: source.credential is missing
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = "kX8Q~secret"
"#,
        r#"read lake.toml, line 4, column 14: source.credential is a text, not a table
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { env = "S" }
"#,
        r#"read lake.toml, line 4, column 1: source.credential.kind is missing
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret" }
"#,
        r#"read lake.toml, line 4, column 1: source.credential has neither env nor file
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", env = "S", file = "s" }
"#,
        r#"read lake.toml, line 4, column 1: source.credential has both env and file
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", env = "kX8Q~secret" }
"#,
        r#"read lake.toml, line 4, column 46: source.credential.env is not the name of an environment variable
hint: write env = "PROMPTLAKE_CLIENT_SECRET", and put the secret into that variable"#,
    ),
    (
        r#"credential = { kind = "client_secret", secret = "kX8Q~secret" }
"#,
        r#"read lake.toml, line 4, column 40: source.credential.secret would put a secret into the settings
hint: name where the secret is: credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", command = "pass show graph" }
"#,
        r#"read lake.toml, line 4, column 40: source.credential.command is not supported by this version
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }, or file = "…""#,
    ),
    (
        r#"credential = { kind = "client_secret", environment = "S" }
"#,
        "read lake.toml, line 4, column 40: source.credential.environment is not a setting\nhint: known here: kind, env, file",
    ),
    (
        r#"credential = { kind = "client_secret", file = "s3://bucket/secret" }
"#,
        r#"read lake.toml, line 4, column 47: source.credential.file has the scheme s3://, which this version does not support
hint: a local path belongs here, such as "./lake" or "file:///srv/lake""#,
    ),
    (
        r#"credential = { kind = "certificate", path = "app.pem" }
"#,
        r#"read lake.toml, line 4, column 38: source.credential.path is not supported by this version
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }, or file = "…""#,
    ),
    (
        r#"credential = { kind = "workload_identity" }
"#,
        r#"read lake.toml, line 4, column 23: source.credential.kind is "workload_identity", which this version does not support
hint: this version takes "client_secret""#,
    ),
    (
        r#"credential = { kind = "managed_identity", client_id = "x" }
"#,
        r#"read lake.toml, line 4, column 43: source.credential.client_id is not supported by this version
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }, or file = "…""#,
    ),
    (
        r#"credential = { kind = "token" }
"#,
        r#"read lake.toml, line 4, column 23: source.credential.kind is "token", which this version does not support
hint: this version takes "client_secret""#,
    ),
    (
        r#"credential = { kind = "secret" }
"#,
        r#"read lake.toml, line 4, column 23: source.credential.kind is "secret", not a kind of credential
hint: this version takes "client_secret""#,
    ),
    (
        r#"credential = { kind = ["client_secret"] }
"#,
        r#"read lake.toml, line 4, column 23: source.credential.kind is a list, not a kind of credential
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"[source.credential]
kind = "client_secret"
env = 5
"#,
        r#"read lake.toml, line 6, column 7: source.credential.env is 5, not the name of an environment variable
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
];

#[test]
fn bad_credential() {
    for (text, expected) in BAD {
        assert_eq!(said(&format!("{REAL}{text}"), &[]), *expected, "{text}");
    }
}
