//! What is wrong with the tenant that is made up.

use super::{EMULATED, said};

/// What follows such a file, and what is said.
const BAD: &[(&str, &str)] = &[
    (
        "emulator = { seed = -1 }\n",
        "read lake.toml, line 3, column 21: source.emulator.seed is -1, below the least of 0\nhint: write emulator = { seed = 1 }",
    ),
    (
        "emulator = { users = 0 }\n",
        "read lake.toml, line 3, column 22: source.emulator.users is 0, below the least of 1\nhint: write emulator = { users = 100, interactions = 10000 }",
    ),
    (
        "emulator = { users = 2_000_000 }\n",
        "read lake.toml, line 3, column 22: source.emulator.users is 2000000, above the most of 1000000\nhint: write emulator = { users = 100, interactions = 10000 }",
    ),
    (
        "emulator = { interactions = 1_000_000_001 }\n",
        "read lake.toml, line 3, column 29: source.emulator.interactions is 1000000001, above the most of 1000000000\nhint: write emulator = { users = 100, interactions = 10000 }",
    ),
    (
        r#"emulator = { interactions = 100_000_000, end = "2025-01-02" }
"#,
        "read lake.toml, line 3, column 29: source.emulator.interactions is 100000000, above the 10800000 that fit between start and end\nhint: write emulator = { users = 100, interactions = 10000 }",
    ),
    (
        r#"emulator = { start = "2025-05-01" }
"#,
        r#"read lake.toml, line 3, column 1: source.emulator.end is 2025-04-01, not after the start, 2025-05-01
hint: write emulator = { end = "2025-04-01" }"#,
    ),
    (
        r#"emulator = { start = "1969-01-01" }
"#,
        r#"read lake.toml, line 3, column 22: source.emulator.start is 1969-01-01, before 1970
hint: write emulator = { start = "2025-01-01" }"#,
    ),
    (
        r#"emulator = { start = "30d" }
"#,
        r#"read lake.toml, line 3, column 22: source.emulator.start is "30d", not a date (year-month-day)
hint: write emulator = { start = "2025-01-01" }"#,
    ),
    (
        "emulator = { requests_per_second = -1 }\n",
        "read lake.toml, line 3, column 36: source.emulator.requests_per_second is -1, not a number above 0 and up to 1500\nhint: write emulator = { requests_per_second = 30 }",
    ),
    (
        "emulator = { port = 8080 }\n",
        "read lake.toml, line 3, column 14: source.emulator.port is not a setting\nhint: known here: seed, users, interactions, start, end, requests_per_second",
    ),
    (
        "emulator = 1\n",
        "read lake.toml, line 3, column 12: source.emulator is 1, not a table\nhint: write emulator = { users = 100, interactions = 10000 }",
    ),
];

#[test]
fn bad_emulator() {
    for (text, expected) in BAD {
        assert_eq!(said(&format!("{EMULATED}{text}"), &[]), *expected, "{text}");
    }
}
