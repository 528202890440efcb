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
        r#"read lake.toml, line 4, column 1: source.credential has none of env, file and command
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", env = "S", file = "s" }
"#,
        r#"read lake.toml, line 4, column 1: source.credential has both env and file
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", secret = "kX8Q~secret" }
"#,
        r#"read lake.toml, line 4, column 40: source.credential.secret would put a secret into the settings
hint: name where the secret is: credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", environment = "S" }
"#,
        "read lake.toml, line 4, column 40: source.credential.environment is not a setting\nhint: known here: kind, env, file, command, path, password_env, client_id",
    ),
    (
        r#"credential = { kind = "client_secret", file = "s3://bucket/secret" }
"#,
        r#"read lake.toml, line 4, column 47: source.credential.file has the scheme s3://, which this version does not support
hint: a local path belongs here, such as "./lake" or "file:///srv/lake""#,
    ),
    (
        r#"credential = { kind = "client_secret", env = "S", command = "pass show graph" }
"#,
        r#"read lake.toml, line 4, column 1: source.credential has both env and command
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", file = "s", command = "pass show graph" }
"#,
        r#"read lake.toml, line 4, column 1: source.credential has both file and command
hint: write credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", command = " " }
"#,
        r#"read lake.toml, line 4, column 50: source.credential.command is empty, not a command
hint: write credential = { kind = "token", command = "az account get-access-token --resource https://graph.microsoft.com" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", command = ["kX8Q~secret"] }
"#,
        r#"read lake.toml, line 4, column 50: source.credential.command is a list, not a command
hint: write credential = { kind = "token", command = "az account get-access-token --resource https://graph.microsoft.com" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", password = "kX8Q~secret" }
"#,
        r#"read lake.toml, line 4, column 40: source.credential.password would put a secret into the settings
hint: name where the secret is: credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "client_secret", env = "S", path = "app.pem" }
"#,
        r#"read lake.toml, line 4, column 51: source.credential.path means nothing with credential.kind = "client_secret"
hint: remove path: this kind takes env, file, command"#,
    ),
    (
        r#"credential = { kind = "certificate", path = "app.pfx", password = "kX8Q~secret" }
"#,
        r#"read lake.toml, line 4, column 56: source.credential.password would put a secret into the settings
hint: name where the secret is: credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
    (
        r#"credential = { kind = "certificate", path = "app.pfx", password_env = "kX8Q~secret" }
"#,
        r"read lake.toml, line 4, column 71: source.credential.password_env is not the name of an environment variable
hint: name a variable, such as PROMPTLAKE_CLIENT_SECRET, and put the secret into it",
    ),
    (
        r#"credential = { kind = "certificate", path = "app.pem", file = "app.pem" }
"#,
        r#"read lake.toml, line 4, column 56: source.credential.file means nothing with credential.kind = "certificate"
hint: remove file: this kind takes path, password_env"#,
    ),
    (
        r#"credential = { kind = "workload_identity", client_id = "x" }
"#,
        r#"read lake.toml, line 4, column 44: source.credential.client_id means nothing with credential.kind = "workload_identity"
hint: remove client_id: this kind takes nothing else"#,
    ),
    (
        r#"credential = { kind = "managed_identity", env = "S" }
"#,
        r#"read lake.toml, line 4, column 43: source.credential.env means nothing with credential.kind = "managed_identity"
hint: remove env: this kind takes client_id"#,
    ),
    (
        r#"credential = { kind = "token", command = "print-token" }
"#,
        r#"read lake.toml, line 3, column 1: source.client_id means nothing with credential.kind = "token"
hint: remove client_id: the token says whose it is"#,
    ),
    (
        r#"credential = { kind = "token", env = "T" }
"#,
        r#"read lake.toml, line 4, column 32: source.credential.env means nothing with credential.kind = "token"
hint: remove env: this kind takes command"#,
    ),
    (
        r#"credential = { kind = "secret" }
"#,
        r#"read lake.toml, line 4, column 23: source.credential.kind is "secret", not a kind of credential
hint: this version takes "client_secret", "certificate", "workload_identity", "managed_identity" and "token""#,
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

/// The same, for the kinds that take no `source.client_id`.
const BAD_WITHOUT_APP: &[(&str, &str)] = &[
    (
        r#"credential = { kind = "certificate", path = "app.pem" }
"#,
        r#"read lake.toml, line 1, column 2: source.client_id is missing
hint: write client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46""#,
    ),
    (
        r#"credential = { kind = "managed_identity", client_id = "my-identity" }
"#,
        r#"read lake.toml, line 3, column 55: source.credential.client_id is "my-identity", not a GUID
hint: write credential = { kind = "managed_identity", client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46" }"#,
    ),
    (
        r#"credential = { kind = "token" }
"#,
        r#"read lake.toml, line 3, column 1: source.credential.command is missing
hint: write credential = { kind = "token", command = "az account get-access-token --resource https://graph.microsoft.com" }"#,
    ),
    (
        r#"token = "kX8Q~secret"
"#,
        r#"read lake.toml, line 3, column 1: source.token would put a secret into the settings
hint: name where the secret is: credential = { kind = "client_secret", env = "PROMPTLAKE_CLIENT_SECRET" }"#,
    ),
];

#[test]
fn bad_credential_without_an_app() {
    let tenant = "[source]\ntenant_id = \"00000000-0000-0000-0000-000000000000\"\n";
    for (text, expected) in BAD_WITHOUT_APP {
        assert_eq!(said(&format!("{tenant}{text}"), &[]), *expected, "{text}");
    }
}

#[test]
fn bad_credential() {
    for (text, expected) in BAD {
        assert_eq!(said(&format!("{REAL}{text}"), &[]), *expected, "{text}");
    }
}
