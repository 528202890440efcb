//! What is wrong with a source of kind `files`.

use super::{FILES, said};

/// What follows such a file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        "",
        r#"read lake.toml, line 1, column 2: source.path is missing
hint: write path = "./saved""#,
    ),
    (
        r#"path = "./saved"
"#,
        r#"read lake.toml, line 1, column 2: source.tenant_id is missing
hint: write tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee""#,
    ),
    (
        r#"path = "s3://bucket/saved"
"#,
        r#"read lake.toml, line 3, column 8: source.path has the scheme s3://, which this version does not support
hint: a local path belongs here, such as "./lake" or "file:///srv/lake""#,
    ),
    (
        r#"path = "./saved"
tenant_id = "00000000-0000-0000-0000-000000000000"
user_id = "jo"
"#,
        r#"read lake.toml, line 5, column 11: source.user_id is "jo", not a GUID
hint: write user_id = "4db02e4b-d144-400e-b194-53253a34c5be""#,
    ),
    (
        r#"path = "./saved"
tenant_id = "00000000-0000-0000-0000-000000000000"
user_id_from_path = "*.json"
"#,
        r#"read lake.toml, line 5, column 21: source.user_id_from_path is "*.json", which lacks {user_id}
hint: write user_id_from_path = "{user_id}/*.json""#,
    ),
    (
        r#"path = "./saved"
tenant_id = "00000000-0000-0000-0000-000000000000"
user_id_from_path = "a**/{user_id}"
"#,
        r#"read lake.toml, line 5, column 21: source.user_id_from_path is "a**/{user_id}", where ** is not a part of its own
hint: write user_id_from_path = "{user_id}/*.json""#,
    ),
    (
        r#"start = "30d"
"#,
        r#"read lake.toml, line 3, column 1: source.start means nothing with kind = "files"
hint: remove start, or write kind = "graph""#,
    ),
    (
        r#"credential = { kind = "client_secret", env = "S" }
"#,
        r#"read lake.toml, line 3, column 1: source.credential means nothing with kind = "files"
hint: remove credential, or write kind = "graph""#,
    ),
    (
        r#"client_id = "x"
"#,
        r#"read lake.toml, line 3, column 1: source.client_id means nothing with kind = "files"
hint: remove client_id, or write kind = "graph""#,
    ),
    (
        r#"cloud = "global"
"#,
        r#"read lake.toml, line 3, column 1: source.cloud means nothing with kind = "files"
hint: remove cloud, or write kind = "graph""#,
    ),
];

#[test]
fn bad_files() {
    for (text, expected) in BAD {
        assert_eq!(said(&format!("{FILES}{text}"), &[]), *expected, "{text}");
    }
}
