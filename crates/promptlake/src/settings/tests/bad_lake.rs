//! What is wrong with `[transform]` and `[destination]`.

use super::said;

/// A file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        r#"source = { cloud = "emulator" }
[transform]
tables = "raw"
"#,
        r#"read lake.toml, line 3, column 10: transform.tables is "raw", not a list
hint: write tables = ["attachments", "links", "raw"]"#,
    ),
    (
        r#"source = { cloud = "emulator" }
[transform]
tables = ["links", "card_elements"]
content = "none"
"#,
        r#"read lake.toml, line 3, column 20: transform.tables[1] is "card_elements", which holds what content = "none" leaves out
hint: leave the table out, or write content = "full""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[transform]
tables = ["prompts"]
"#,
        r#"read lake.toml, line 3, column 11: transform.tables[0] is "prompts", not a table of the lake
hint: this version takes "interactions", "attachments", "card_elements", "links", "contexts", "mentions", "raw", "users", "coverage" and "rejects""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[transform]
tables = [1]
"#,
        r#"read lake.toml, line 3, column 11: transform.tables[0] is 1, not a table of the lake
hint: write tables = ["attachments", "links", "raw"]"#,
    ),
    (
        r#"source = { cloud = "emulator" }
[transform]
content = "all"
"#,
        r#"read lake.toml, line 3, column 11: transform.content is "all", not a kind of content
hint: this version takes "full" and "none""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[transform]
table = ["raw"]
"#,
        "read lake.toml, line 3, column 1: transform.table is not a setting\nhint: did you mean tables? Write tables = [\"attachments\", \"links\", \"raw\"]",
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
"#,
        r#"read lake.toml, line 2, column 2: destination.url is missing
hint: write url = "./lake""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = ""
"#,
        r#"read lake.toml, line 3, column 7: destination.url is "", not a path
hint: write url = "./lake""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "file://lake"
"#,
        r#"read lake.toml, line 3, column 7: destination.url is "file://lake", which names no file of this machine
hint: a local path belongs here, such as "./lake" or "file:///srv/lake""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
uri = "./lake"
"#,
        "read lake.toml, line 3, column 1: destination.uri is not a setting\nhint: did you mean url? Write url = \"./lake\"",
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
partition_by = ["date", "app"]
"#,
        r#"read lake.toml, line 4, column 25: destination.partition_by[1] is "app", which this version does not support
hint: this version takes "date""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
partition_by = []
"#,
        r#"read lake.toml, line 4, column 16: destination.partition_by is empty
hint: write partition_by = ["date"]"#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
partition_by = ["date", "date"]
"#,
        r#"read lake.toml, line 4, column 16: destination.partition_by names a column twice
hint: write partition_by = ["date"]"#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
partition_by = "date"
"#,
        r#"read lake.toml, line 4, column 16: destination.partition_by is "date", not a list
hint: write partition_by = ["date"]"#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
partition_by = ["day"]
"#,
        r#"read lake.toml, line 4, column 17: destination.partition_by[0] is "day", not a column to partition by
hint: this version takes "date""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
target_file_size = "256"
"#,
        r#"read lake.toml, line 4, column 20: destination.target_file_size is "256", a number without a unit
hint: write target_file_size = "256MiB""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
target_file_size = 268435456
"#,
        r#"read lake.toml, line 4, column 20: destination.target_file_size is 268435456, not a size
hint: write target_file_size = "256MiB""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
target_file_size = "64KiB"
"#,
        r#"read lake.toml, line 4, column 20: destination.target_file_size is 64KiB, below the least of 1MiB
hint: write target_file_size = "256MiB""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
target_file_size = "4GiB"
"#,
        r#"read lake.toml, line 4, column 20: destination.target_file_size is 4GiB, above the most of 4095MiB
hint: write target_file_size = "256MiB""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
compression = "snappy"
"#,
        r#"read lake.toml, line 4, column 15: destination.compression is "snappy", not a compression
hint: write compression = "zstd(3)", or "uncompressed""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
compression = "zstd"
"#,
        r#"read lake.toml, line 4, column 15: destination.compression is "zstd", which lacks the level in brackets
hint: write compression = "zstd(3)", or "uncompressed""#,
    ),
    (
        r#"source = { cloud = "emulator" }
[destination]
url = "./lake"
compression = "zstd(23)"
"#,
        r#"read lake.toml, line 4, column 15: destination.compression is "zstd(23)", whose level is not a number from 1 to 22
hint: write compression = "zstd(3)", or "uncompressed""#,
    ),
];

#[test]
fn bad_lake() {
    for (text, expected) in BAD {
        assert_eq!(said(text, &[]), *expected, "{text}");
    }
}
