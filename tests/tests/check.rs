//! `promptlake check` and `promptlake plan` against the emulator: with everything in order, and with each thing broken in
//! turn.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::path::{Path, PathBuf};

use graph_emulator::{
    Emulator, Permission, RequestKind, Rule, ScriptedAnswer, ServerOptions, Subscriptions, TenantSpec,
};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, command_of, finish, run_command};
use promptlake_tests::tenant::{pipeline, pipeline_into, serve, unlimited};
use serde_json::Value;

fn spec() -> TenantSpec {
    TenantSpec::default().with_seed(33).with_users(20).with_interactions(2_000)
}

fn without_limit() -> ServerOptions {
    ServerOptions { requests_per_second: None, ..ServerOptions::default() }
}

async fn ended(verb: &'static str, file: PathBuf, secret: String, more: &[&str]) -> Ended {
    let more: Vec<String> = more.iter().map(|argument| (*argument).to_owned()).collect();
    let run = move || {
        let mut command = command_of(verb, &file, &secret);
        command.args(more);
        finish(command)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn check(emulator: &Emulator, file: &Path) -> Ended {
    ended("check", file.to_owned(), emulator.client_secret().to_owned(), &[]).await
}

/// The names of the lines with a mark.
fn marked(ended: &Ended, mark: char) -> Vec<String> {
    let lines = ended.printed.lines().filter_map(|line| line.strip_prefix(mark));
    // A name is parted from what follows by the width of its column.
    lines.map(|line| line.chars().skip(1).take(15).collect::<String>().trim().to_owned()).collect()
}

/// That this line fails and no other, with this advice, and that the command ends so.
fn assert_fails(ended: &Ended, line: &str, advice: &str, code: i32) {
    assert_eq!(marked(ended, '✗'), [line], "{}", ended.printed);
    assert_eq!(ended.code, Some(code), "{}", ended.printed);
    let mut block = ended.printed.lines().skip_while(|line| !line.starts_with('✗')).skip(1);
    let has_advice = block
        .by_ref()
        .take_while(|line| line.starts_with("  "))
        .any(|line| line.trim_start().starts_with('→'));
    let printed = ended.printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(has_advice && printed.contains(advice), "{}", ended.printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_everything_in_order_every_line_passes_and_nothing_is_left_in_the_lake() {
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let ended = check(&emulator, &file).await;
    ended.assert_code(0);
    let expected = [
        "pipeline file",
        "credential",
        "permissions",
        "licence",
        "users",
        "date filter",
        "one page",
        "clock",
        "lake: write",
        "lake: if-absent",
        "lake: copy",
        "lake: delete",
        "lake: list",
    ];
    assert_eq!(marked(&ended, '✓'), expected, "{}", ended.printed);
    assert!(ended.printed.lines().all(|line| line.chars().count() <= 80), "{}", ended.printed);
    let left: Vec<_> = walk(&lake.path());
    assert!(left.is_empty(), "{left:?}");
    let report = emulator.report();
    assert!(report.requests(RequestKind::Interactions) < 20, "it asks for a page, and not for a history");
    emulator.shutdown().await;
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_named() {
    for (permission, not_tried) in [
        (Permission::Interactions, &["date filter", "one page"][..]),
        (Permission::Organization, &["licence", "users", "date filter", "one page", "clock"]),
        (Permission::Users, &["users", "date filter", "one page"]),
    ] {
        let options = ServerOptions { withheld_permissions: vec![permission], ..without_limit() };
        let emulator = serve(spec(), options).await;
        let lake = Lake::new();
        let ended = check(&emulator, &pipeline(&emulator, &lake, "")).await;
        assert_fails(&ended, "permissions", permission.name(), 4);
        assert_eq!(marked(&ended, '–'), not_tried, "{}", ended.printed);
        emulator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_tenant_fails_in_its_line() {
    let emulator =
        serve(spec(), ServerOptions { subscriptions: Subscriptions::WithoutCopilot, ..without_limit() })
            .await;
    let lake = Lake::new();
    let ended = check(&emulator, &pipeline(&emulator, &lake, "")).await;
    assert_eq!(marked(&ended, '✗'), ["licence", "users"], "{}", ended.printed);
    ended.assert_code(4);
    emulator.shutdown().await;

    let emulator = unlimited(spec()).await;
    let body = r#"{"error":{"code":"Forbidden","message":"Access is denied."}}"#.to_owned();
    let forbidden = ScriptedAnswer::Status { status: 403, headers: Vec::new(), body };
    emulator.replace_script(vec![Rule::always(forbidden, u32::MAX)]);
    let ended = check(&emulator, &pipeline(&emulator, &lake, "")).await;
    assert_fails(&ended, "one page", "AiEnterpriseInteraction.Read.All", 4);
    emulator.shutdown().await;

    let emulator = unlimited(spec()).await;
    let payment = ScriptedAnswer::Status { status: 402, headers: Vec::new(), body: String::new() };
    emulator.replace_script(vec![Rule::always(payment, u32::MAX)]);
    let ended = check(&emulator, &pipeline(&emulator, &lake, "")).await;
    assert_fails(&ended, "one page", "payment model", 4);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_date_filters_is_fit_and_that_is_said() {
    let emulator = serve(spec(), ServerOptions { rejects_date_filters: true, ..without_limit() }).await;
    let lake = Lake::new();
    let ended = check(&emulator, &pipeline(&emulator, &lake, "")).await;
    ended.assert_code(0);
    let line = ended.printed.lines().find(|line| line.contains("date filter")).unwrap();
    assert!(line.starts_with('✓') && line.contains("not taken by this tenant"), "{line}");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_told_from_a_tenant_that_is_lost() {
    let emulator = unlimited(spec()).await;
    emulator.show_as_of(1_750_000_000_000);
    let lake = Lake::new();
    let ended = check(&emulator, &pipeline(&emulator, &lake, "")).await;
    assert_fails(&ended, "clock", "NTP", 2);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_fails_at_the_credential_and_the_lake_is_tried_all_the_same() {
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let ended = ended("check", file.clone(), "wrong".to_owned(), &[]).await;
    assert_fails(&ended, "credential", "the secret's value, not the secret's id", 4);
    assert_eq!(marked(&ended, '✓').last().unwrap(), "lake: list", "{}", ended.printed);
    assert!(!ended.printed.contains("wrong\n"), "{}", ended.printed);

    let unset = self::ended("check", file, String::new(), &[]).await;
    assert_fails(&unset, "credential", "PROMPTLAKE_CLIENT_SECRET", 2);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_cant_be_written_fails_at_its_first_line() {
    let emulator = unlimited(spec()).await;
    let lake = Lake::new();
    // Where a file stands, no folder can be made, whoever tries.
    let blocked = lake.write_beside("a-file", b"");
    let file = pipeline_into(&emulator, &lake, &format!("{}/lake", blocked.display()), "");
    let ended = check(&emulator, &file).await;
    assert_eq!(marked(&ended, '✗'), ["lake: write"], "{}", ended.printed);
    ended.assert_code(6);
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cant_be_read_is_the_only_line() {
    let lake = Lake::new();
    let file = lake.write_beside("pipeline.toml", b"[source]\ncloud = \"globe\"\n");
    let ended = ended("check", file, String::new(), &["--json"]).await;
    ended.assert_code(2);
    let printed: Value = serde_json::from_str(&ended.printed).unwrap();
    let checks = printed["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1, "{printed}");
    assert_eq!((&checks[0]["name"], &checks[0]["outcome"]), (&"pipeline file".into(), &"failed".into()));
    assert!(checks[0]["detail"].as_str().unwrap().contains("line 2, column 9"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_a_run_then_does_and_asks_for_no_interaction() {
    // Whoever answers that he has no history stays new.
    let emulator = unlimited(spec().with_forbidden_share(0.0).with_unknown_share(0.0)).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let secret = emulator.client_secret().to_owned();
    let planned = async |more: &[&str]| {
        let arguments: Vec<&str> = ["--json"].into_iter().chain(more.iter().copied()).collect();
        let ended = ended("plan", file.clone(), secret.clone(), &arguments).await;
        ended.assert_code(0);
        let printed: Value = serde_json::from_str(&ended.printed).unwrap();
        printed["tenants"][0].clone()
    };
    let first = planned(&[]).await;
    let users = first["users"].as_u64().unwrap();
    assert!(users > 10, "{first}");
    assert_eq!([&first["new_users"], &first["windows"], &first["requests_at_least"]], [users; 3], "{first}");
    assert_eq!(emulator.report().requests(RequestKind::Interactions), 0);
    assert!(!lake.path().exists() || walk(&lake.path()).is_empty(), "a plan makes no lake");
    let thirds = [0, 1, 2].map(|index| format!("{index}/3"));
    let mut shared = 0;
    for shard in &thirds {
        shared += planned(&["--shard", shard]).await["users"].as_u64().unwrap();
    }
    assert_eq!(shared, users, "shards share the users");

    let run = run_command(&file, &secret);
    tokio::task::spawn_blocking(move || finish(run)).await.unwrap().assert_code(0);
    let asked = emulator.report().requests(RequestKind::Interactions);
    assert!(asked >= users, "{asked}");

    let second = planned(&[]).await;
    assert_eq!(second["new_users"], 0, "{second}");
    assert_eq!(second["known_users"], users, "{second}");
    let text = ended("plan", file.clone(), secret.clone(), &[]).await;
    text.assert_code(0);
    assert!(text.printed.contains(&format!("users     {users}: 0 new, {users} known")), "{}", text.printed);
    emulator.shutdown().await;
}
