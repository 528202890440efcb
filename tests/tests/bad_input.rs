//! What is wrong is said clearly, with the exit code that is documented, and nothing is lost by it.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use graph_emulator::{Rule, ScriptedAnswer, ServerOptions, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, query};
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, serve, unlimited};

fn small() -> TenantSpec {
    TenantSpec::default()
        .with_seed(3)
        .with_users(8)
        .with_interactions(400)
        .with_window(1_735_689_600_000, 1_736_899_200_000)
}

async fn run(command: std::process::Command) -> Ended {
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

fn interrupt(process: u32) {
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-INT", &process.to_string()]).status().unwrap().success());
}

/// Waits until a process catches SIGINT, as the kernel says.
async fn wait_until_it_listens(process: u32) {
    const SIGINT_BIT: u64 = 1 << 1;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() & SIGINT_BIT != 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    let lake = Lake::new();
    let file = lake.write_beside(
        "pipeline.toml",
        b"[source]\ncloud = \"emulator\"\nlook_back = \"3d\"\n[destination]\nurl = \"./lake\"\n",
    );
    finish(run_command(&file, ""))
        .assert_code(2)
        .assert_said("source.look_back")
        .assert_said("line 3")
        .assert_said("lookback")
        .assert_said("hint: ");
}

#[test]
fn a_pipeline_file_that_is_not_there_is_named() {
    let ended = finish(run_command(std::path::Path::new("no/such.toml"), ""));
    ended.assert_code(2).assert_said("no/such.toml").assert_said("hint: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_not_allowed_and_touches_no_lake() {
    let emulator = unlimited(small()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let ended = run(run_command(&file, "not-the-secret")).await;
    ended.assert_code(4).assert_said("AADSTS7000215").assert_said("hint: ");
    assert!(!ended.said.contains("not-the-secret"), "the secret was said:\n{}", ended.said);
    assert!(!lake.path().exists());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_empty_secret_names_its_variable() {
    let emulator = unlimited(small()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let mut command = run_command(&file, "");
    command.env_remove("PROMPTLAKE_CLIENT_SECRET");
    run(command).await.assert_code(2).assert_said("PROMPTLAKE_CLIENT_SECRET");
    let ended = run(run_command(&file, " ")).await;
    ended.assert_code(2).assert_said("PROMPTLAKE_CLIENT_SECRET").assert_said("it is empty");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_is_not_there_is_a_failed_source() {
    let emulator = unlimited(small()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let secret = emulator.client_secret().to_owned();
    // From here on nobody listens on its port.
    emulator.shutdown().await;
    let ended = run(run_command(&file, &secret)).await;
    ended.assert_code(5).assert_said("127.0.0.1").assert_said("hint: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_cannot_be_written_is_named() {
    let emulator = unlimited(small()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    // A file where the folder should be: also root can't write below it.
    lake.write_beside("lake", b"not a folder");
    let ended = run(run_command(&file, emulator.client_secret())).await;
    let path = lake.path().display().to_string();
    ended.assert_code(6).assert_said(&path).assert_said("hint: ");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_json_fails_its_user_alone_and_the_next_run_completes_him() {
    let tenant = graph_emulator::Tenant::new(small()).unwrap();
    let by_records = tenant.users().max_by_key(|user| tenant.records(user)).unwrap();
    let user = by_records.id.clone();
    let rule = Rule::always(ScriptedAnswer::NotJson, u32::MAX).for_user(user.as_str());
    let options = ServerOptions { requests_per_second: None, script: vec![rule], ..ServerOptions::default() };
    let emulator = serve(small(), options).await;
    let lake = Lake::new();
    let ended = run(run_command(&pipeline(&emulator, &lake, ""), emulator.client_secret())).await;
    ended.assert_code(3).assert_said("1 failed").assert_said("1 failed: ");
    let users = query(&format!(
        "SELECT user_id, reason FROM {} WHERE status = 'failed'",
        files_of(&lake.path(), "users")
    ));
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(users[0][0].as_str(), Some(user.as_str()));
    assert!(users[0][1].as_str().is_some_and(|reason| !reason.is_empty()));
    let totals = emulator.tenant().totals();
    assert_eq!(lake.rows(Table::Coverage), totals.coverage - 1, "his window is not covered");
    let of_him = emulator.tenant().user_totals(&by_records).interactions;
    assert_eq!(lake.rows(Table::Interactions), totals.interactions - of_him);
    emulator.shutdown().await;

    let mended = unlimited(small()).await;
    run(run_command(&pipeline(&mended, &lake, ""), mended.client_secret())).await.assert_code(0);
    lake.assert_holds(mended.tenant());
    mended.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_json_for_a_while_is_asked_again() {
    let rules = vec![Rule::always(ScriptedAnswer::NotJson, 2), Rule::always(ScriptedAnswer::CutOff, 2)];
    let options = ServerOptions { requests_per_second: None, script: rules, ..ServerOptions::default() };
    let emulator = serve(small(), options).await;
    let lake = Lake::new();
    run(run_command(&pipeline(&emulator, &lake, ""), emulator.client_secret())).await.assert_code(0);
    lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_while_it_signs_in_stops_at_once_and_touches_no_lake() {
    let emulator = unlimited(small()).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let secret = emulator.client_secret().to_owned();
    // Nobody listens on its port any more: the sign-in is tried again and again for half a minute.
    emulator.shutdown().await;
    let child = run_command(&file, &secret).spawn().unwrap();
    wait_until_it_listens(child.id()).await;
    interrupt(child.id());
    let ended: Ended =
        tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap().into();
    ended.assert_code(130).assert_said("stopping");
    assert!(!lake.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_says_how_to_go_on_and_the_next_one_does() {
    let options = ServerOptions { requests_per_second: Some(30), ..ServerOptions::default() };
    let emulator = serve(small().with_interactions(6_000), options).await;
    let lake = Lake::new();
    let file = pipeline(&emulator, &lake, "");
    let mut paced = run_command(&file, emulator.client_secret());
    paced.args(["--set", "source.requests_per_second=20"]);
    let child = paced.spawn().unwrap();
    emulator.wait_for_pages(10).await;
    interrupt(child.id());
    let ended: Ended =
        tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap().into();
    ended
        .assert_code(130)
        .assert_said("records are committed")
        .assert_said("--set source.requests_per_second=20");
    let staged = objects_below(&lake.path()).iter().filter(|path| path.ends_with(".segment")).count();
    assert!(staged > 0, "what was read is committed");
    run(run_command(&file, emulator.client_secret())).await.assert_code(0).assert_said("recovered run");
    lake.assert_holds(emulator.tenant());
    emulator.shutdown().await;
}
