//! Forty mistakes that people make, each in a whole file, and what they are told: word for word, in the order of a file.
//! The snapshot is there to be read.

use super::read;
use crate::failure::Failure;

/// A file with a real tenant; `more` are lines of its source.
fn tenant(more: &str) -> String {
    tenant_with("credential = { kind = \"client_secret\", env = \"PROMPTLAKE_CLIENT_SECRET\" }", more)
}

/// The same with a credential of one's own.
fn tenant_with(credential: &str, more: &str) -> String {
    source(&format!(
        "tenant_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"\n\
         client_id = \"04b07795-8ddb-461a-bbee-02f9e1bf7b46\"\n{credential}\n{more}"
    ))
}

/// A file with this source.
fn source(lines: &str) -> String {
    format!("[source]\n{}\n\n[destination]\nurl = \"./lake\"\n", lines.trim_end())
}

/// A file with these sections behind a source that is right.
fn behind(sections: &str) -> String {
    format!("[source]\ncloud = \"emulator\"\n\n{sections}")
}

/// A file with this destination.
fn into(lines: &str) -> String {
    behind(&format!("[destination]\n{lines}\n"))
}

/// A file with this section behind everything that is needed.
fn with(section: &str) -> String {
    into(&format!("url = \"./lake\"\n\n{section}"))
}

/// What was done wrong, and the file.
type Mistake = (&'static str, String);

fn of_the_file() -> Vec<Mistake> {
    vec![
        ("the file begins with the lake", "[destination]\nurl = \"./lake\"\n".to_owned()),
        ("the file ends before the lake", "[source]\ncloud = \"emulator\"\n".to_owned()),
        ("a section is misspelt", source("cloud = \"emulator\"").replace("[source]", "[sorce]")),
        ("a section is called as in another tool", with("[sink]\nformat = \"parquet\"")),
        ("a text has no quotes", source("cloud = global")),
        ("quotes come from a word processor", into("url = “./lake”")),
        ("a line was copied and not changed", source("cloud = \"global\"\ncloud = \"emulator\"")),
        ("a key is misspelt", source("tenat_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"")),
        ("a setting stands in another section", with("[run]\nsingle_writer = true")),
    ]
}

fn of_the_tenant() -> Vec<Mistake> {
    vec![
        ("the tenant is named by its domain", source("tenant_id = \"contoso.onmicrosoft.com\"")),
        ("the tenant is not named", source("client_id = \"04b07795-8ddb-461a-bbee-02f9e1bf7b46\"")),
        ("the cloud is named by half", source("cloud = \"us-gov\"")),
        ("the cloud has no such interface", source("cloud = \"china\"")),
        ("the emulator is set up and not asked for", tenant("emulator = { users = 40 }")),
        (
            "the server is given with a version",
            source("cloud = \"custom\"\ngraph_url = \"https://graph.example.com/v1.0\""),
        ),
        ("the secret stands in the file", tenant("client_secret = \"kX8Q~not-to-be-shown\"")),
        (
            "the secret stands in place of its variable",
            tenant_with("credential = { kind = \"client_secret\", env = \"kX8Q~not-to-be-shown\" }", ""),
        ),
        (
            "the kind of a credential is misspelt",
            tenant_with("credential = { kind = \"certificat\", path = \"app.pem\" }", ""),
        ),
        ("a certificate is nowhere", tenant_with("credential = { kind = \"certificate\" }", "")),
        ("a managed identity has an app", tenant_with("credential = { kind = \"managed_identity\" }", "")),
    ]
}

fn of_what_is_read() -> Vec<Mistake> {
    let one = "tenant_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"\ncredential = { kind = \"managed_identity\" }\n";
    let twice = source(&format!("{one}\n[[source]]\n{one}")).replacen("[source]", "[[source]]", 1);
    vec![
        ("users are a word", tenant("users = \"all\"")),
        ("users are chosen in two ways", tenant("users = { licensed = true, file = \"pilot.csv\" }")),
        ("a group is given by its name", tenant("users = { group = \"Copilot pilots\" }")),
        ("a user is given by a short name", tenant("users = { ids = [\"jo@contoso.com\", \"kim\"] }")),
        ("history begins in the future", tenant("start = \"2062-01-01\"")),
        ("a date is written in another order", tenant("start = \"01.02.2025\"")),
        ("a duration has no unit", tenant("lookback = 2")),
        ("a duration is said in words", tenant("settle_lag = \"half an hour\"")),
        ("a number stands in quotes", tenant("requests_per_second = \"25\"")),
        ("a tenant stands there twice", twice),
        ("files are given by a pattern", source("kind = \"files\"\npath = \"./saved/*.json\"")),
    ]
}

fn of_the_lake() -> Vec<Mistake> {
    let onelake = "abfss://copilot@onelake.dfs.fabric.microsoft.com/copilot.Lakehouse/Tables/lake";
    let key = "url = \"az://container/lake\"\n\n[destination.options]\nazure_storage_account_key = \"not-to-be-shown\"";
    vec![
        ("a table is misspelt", behind("[transform]\ntables = [\"links\", \"atachments\"]\n")),
        ("the lake is given as to a shell", into("url = \"~/lake\"")),
        ("a slash is missing", into("url = \"s3:/bucket/lake\"")),
        ("the lake lies where only tables may", into(&format!("url = \"{onelake}\""))),
        ("the key of the store stands in the file", into(key)),
        ("a size has a unit of disks", into("url = \"./lake\"\ntarget_file_size = \"256MB\"")),
        ("a run has too little memory", with("[run]\nmemory_limit = \"64MiB\"")),
        ("two settings do not go together", with("[run]\ncommit_every = \"12h\"")),
        ("a deadline is a number of seconds", with("[run]\ndeadline = 7200")),
    ]
}

/// Between two mistakes of the snapshot.
const RULE: &str = "------------------------------------------------------------------------------";

#[test]
fn forty_bad_settings() {
    let mistakes = [of_the_file(), of_the_tenant(), of_what_is_read(), of_the_lake()].concat();
    assert_eq!(mistakes.len(), 40);
    let mut told = String::new();
    for (number, (mistake, file)) in mistakes.iter().enumerate() {
        let error = read(file, &[]).expect_err(mistake);
        let message = Failure::from(error).to_string();
        let line = line_of(&message).unwrap_or_else(|| panic!("no place in {message}"));
        let typed = file.lines().nth(line - 1).unwrap_or("(the end of the file)");
        assert!(message.contains(", column ") && message.contains("\n\nhint: "), "{message}");
        assert!(!message.contains("not-to-be-shown"), "{message}");
        let typed = typed.replace("not-to-be-shown", "…");
        told.extend(
            [&format!("{}. {mistake}\n\n    {typed}\n\n{message}\n{RULE}\n", number + 1)].map(String::as_str),
        );
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("forty_bad_settings", told);
    });
}

/// The line that a message names.
fn line_of(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once(", line ")?;
    rest.split(',').next()?.parse().ok()
}
