//! What is wrong with the URL and the options of a lake's store. No message holds what may be a secret.

use super::{EMULATED, said};

/// What follows `[destination]`, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        r#"url = "s3://Bucket/lake"
"#,
        r#"read lake.toml, line 4, column 7: destination.url is "s3://Bucket/lake", whose bucket is not 3 to 63 lower-case letters, digits, "." and "-"
hint: write url = "s3://bucket/lake""#,
    ),
    (
        r#"url = "s3://bucket//lake"
"#,
        r#"read lake.toml, line 4, column 7: destination.url is "s3://bucket//lake", whose path is not made of letters, digits, "-", "_", "." and "=" between single slashes
hint: write url = "s3://bucket/lake""#,
    ),
    (
        r#"url = "s3://AKIA:kX8Q~secret@bucket/lake"
"#,
        r#"read lake.toml, line 4, column 7: destination.url holds a user or a password
hint: write url = "s3://bucket/lake""#,
    ),
    (
        r#"url = "s3://AKIA:kX8Q~secret/lake"
"#,
        r#"read lake.toml, line 4, column 7: destination.url is a URL whose bucket is not 3 to 63 lower-case letters, digits, "." and "-"
hint: write url = "s3://bucket/lake""#,
    ),
    (
        r#"url = "az://container/lake?sig=kX8Q~secret"
"#,
        r#"read lake.toml, line 4, column 7: destination.url has a query or a fragment
hint: write url = "az://container/lake""#,
    ),
    (
        r#"url = "abfss://lake@contoso.example.com/x"
"#,
        r#"read lake.toml, line 4, column 7: destination.url is "abfss://lake@contoso.example.com/x", which names no account, as container@account.dfs.core.windows.net does
hint: write url = "abfss://container@account.dfs.core.windows.net/lake""#,
    ),
    (
        r#"url = "abfs://lake@contoso.dfs.core.windows.net/x"
"#,
        r#"read lake.toml, line 4, column 7: destination.url has the unknown scheme "abfs://"
hint: write url = "abfss://container@account.dfs.core.windows.net/lake""#,
    ),
    (
        r#"url = "https://jo:secret@example.com/lake"
"#,
        r#"read lake.toml, line 4, column 7: destination.url has the unknown scheme "https://"
hint: write url = "s3://bucket/lake", or a local path such as "./lake""#,
    ),
    (
        r#"url = "./lake"
options = { aws_region = "eu-central-1" }
"#,
        r#"read lake.toml, line 5, column 1: destination.options means nothing where url is a local path
hint: remove options, or write url = "s3://bucket/lake""#,
    ),
    (
        r#"url = "s3://bucket/lake"
options = "aws_region"
"#,
        r#"read lake.toml, line 5, column 11: destination.options is a text, not a table
hint: write options = { aws_region = "eu-central-1" }"#,
    ),
    (
        r#"url = "s3://bucket/lake"
options = { aws_region = 5 }
"#,
        r#"read lake.toml, line 5, column 26: destination.options.aws_region is 5, not a text
hint: write options = { aws_region = "eu-central-1" }"#,
    ),
    (
        r#"url = "s3://bucket/lake"
options = { aws_regoin = "eu-central-1" }
"#,
        r"read lake.toml, line 5, column 13: destination.options.aws_regoin is not an option of S3
hint: did you mean aws_region?",
    ),
    (
        r#"url = "gs://bucket/lake"
options = { aws_region = "eu-central-1" }
"#,
        r"read lake.toml, line 5, column 13: destination.options.aws_region is not an option of Google Cloud Storage
hint: known here: google_service_account, google_application_credentials, google_base_url, google_skip_signature, google_allow_http, google_connect_timeout, google_http1_only, google_http2_only, google_proxy_ca_certificate, google_proxy_excludes",
    ),
    (
        r#"url = "s3://bucket/lake"
options = { aws_secret_access_key = "kX8Q~secret" }
"#,
        r"read lake.toml, line 5, column 13: destination.options.aws_secret_access_key would put a secret into the settings
hint: put it into the environment variable AWS_SECRET_ACCESS_KEY",
    ),
    (
        r#"url = "s3://bucket/lake"
options = { aws_bucket = "other" }
"#,
        r"read lake.toml, line 5, column 13: destination.options.aws_bucket says again what destination.url says
hint: remove it",
    ),
    (
        r#"url = "s3://bucket/lake"
options = { aws_endpoint = "http://minio:9000" }
"#,
        r#"read lake.toml, line 5, column 28: destination.options.aws_endpoint is http to another machine
hint: write aws_endpoint = "https://store.example.com"; http is for servers on this machine, such as "http://127.0.0.1:9000""#,
    ),
    (
        r#"url = "s3://bucket/lake"
options = { aws_allow_http = "yes" }
"#,
        r#"read lake.toml, line 5, column 30: destination.options.aws_allow_http is neither "true" nor "false"
hint: write aws_allow_http = "true""#,
    ),
    (
        r#"url = "s3://bucket/lake"
single_writer = "yes"
"#,
        r#"read lake.toml, line 5, column 17: destination.single_writer is "yes", not a boolean
hint: write single_writer = true"#,
    ),
];

#[test]
fn bad_store() {
    for (text, expected) in BAD {
        assert_eq!(said(&format!("{EMULATED}[destination]\n{text}"), &[]), *expected, "{text}");
    }
}
