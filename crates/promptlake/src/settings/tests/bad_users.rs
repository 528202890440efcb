//! What is wrong with the choice of users.

use super::{EMULATED, said};

/// What follows such a file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        "users = {}\n",
        r#"read lake.toml, line 3, column 1: source.users says nothing of whom to ask for
hint: write users = { licensed = true }, { group = "…" }, { ids = ["…"] } or { file = "users.csv" }"#,
    ),
    (
        "users = { licensed = false }\n",
        r#"read lake.toml, line 3, column 22: source.users.licensed is false, which leaves nobody to ask for
hint: write users = { licensed = true }, { group = "…" }, { ids = ["…"] } or { file = "users.csv" }"#,
    ),
    (
        r#"users = { licensed = "yes" }
"#,
        r#"read lake.toml, line 3, column 22: source.users.licensed is "yes", not a boolean
hint: write users = { licensed = true }"#,
    ),
    (
        "users = { ids = [] }\n",
        r#"read lake.toml, line 3, column 17: source.users.ids is empty, which leaves nobody to ask for
hint: write users = { licensed = true }, { group = "…" }, { ids = ["…"] } or { file = "users.csv" }"#,
    ),
    (
        r#"users = { ids = "jo@contoso.com" }
"#,
        r#"read lake.toml, line 3, column 17: source.users.ids is "jo@contoso.com", not a list
hint: write users = { ids = ["4db02e4b-d144-400e-b194-53253a34c5be", "jo@contoso.com"] }"#,
    ),
    (
        r#"users = { ids = ["jo@contoso.com",
  "JO@contoso.com"] }
"#,
        "read lake.toml, line 4, column 3: source.users.ids[1] names a user for the second time\nhint: remove it",
    ),
    (
        r#"users = { ids = ["jo@contoso.com", 7] }
"#,
        r#"read lake.toml, line 3, column 36: source.users.ids[1] is 7, not a user
hint: write users = { ids = ["4db02e4b-d144-400e-b194-53253a34c5be", "jo@contoso.com"] }"#,
    ),
    (
        r#"users = { file = "" }
"#,
        r#"read lake.toml, line 3, column 18: source.users.file is "", not a path
hint: write users = { file = "users.csv" }"#,
    ),
    (
        r#"users = { files = "users.csv" }
"#,
        "read lake.toml, line 3, column 11: source.users.files is not a setting\nhint: did you mean file? Write users = { file = \"users.csv\" }",
    ),
    (
        r#"users = { name = "jo" }
"#,
        "read lake.toml, line 3, column 11: source.users.name is not a setting\nhint: known here: licensed, group, ids, file, limit",
    ),
    (
        "users = { licensed = true, limit = 0 }\n",
        "read lake.toml, line 3, column 36: source.users.limit is 0, below the least of 1\nhint: write users = { licensed = true, limit = 20 }",
    ),
    (
        "users = { limit = 20 }\n",
        r#"read lake.toml, line 3, column 1: source.users says nothing of whom to ask for
hint: write users = { licensed = true }, { group = "…" }, { ids = ["…"] } or { file = "users.csv" }"#,
    ),
];

#[test]
fn bad_users() {
    for (text, expected) in BAD {
        assert_eq!(said(&format!("{EMULATED}{text}"), &[]), *expected, "{text}");
    }
}
