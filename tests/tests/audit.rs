//! Lists that change while they are read: what comes twice is said, what is skipped in silence is found by asking again.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::Duration;

use graph_emulator::{Emulator, ListChange, ListChangeKind, ServerOptions, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::lake::{Lake, objects_below};
use promptlake_tests::program::{Ended, command_of, finish, start};
use promptlake_tests::tenant::{pipeline, serve};

/// 2025-01-01 to 2025-03-01.
const WINDOW_MS: (i64, i64) = (1_735_689_600_000, 1_740_787_200_000);

/// 2025-03-31: so much later that no run looks at the tenant's history again by itself.
const NOW_MS: i64 = 1_743_379_200_000;

/// A tenant in which the list of each user who has more than two pages changes once, before its third.
async fn moving(kind: ListChangeKind) -> Emulator {
    let spec = TenantSpec::default().with_seed(32).with_users(12).with_interactions(6_000);
    let spec = spec.with_unlicensed_share(0.0).with_forbidden_share(0.0).with_unknown_share(0.0);
    let change = ListChange { user_id: None, at_page: 2, records: 17, kind };
    let options = ServerOptions {
        requests_per_second: None,
        ragged_pages: false,
        list_changes: vec![change],
        ..ServerOptions::default()
    };
    let emulator = serve(spec.with_window(WINDOW_MS.0, WINDOW_MS.1), options).await;
    emulator.show_as_of(NOW_MS);
    emulator
}

fn command(verb: &str, emulator: &Emulator, lake: &Lake, arguments: &[&str]) -> Command {
    let mut command = command_of(verb, &pipeline(emulator, lake, ""), emulator.client_secret());
    command.args(arguments);
    command
}

async fn call(verb: &str, emulator: &Emulator, lake: &Lake, arguments: &[&str]) -> Ended {
    let command = command(verb, emulator, lake, arguments);
    tokio::task::spawn_blocking(move || finish(command)).await.unwrap()
}

/// What an audit printed: how many records of which user and day.
fn printed(audited: &Ended, emulator: &Emulator) -> BTreeMap<(String, String), u64> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [tenant, user, day, records] = fields[..] else { panic!("{line:?} has not four fields") };
        assert_eq!(tenant, emulator.tenant_id());
        ((user.to_owned(), day.to_owned()), records.parse().unwrap())
    };
    let lines = audited.printed.lines().count();
    let groups: BTreeMap<_, _> = audited.printed.lines().map(line).collect();
    assert_eq!(groups.len(), lines, "each user and day once:\n{}", audited.printed);
    groups
}

/// How often each user was asked for interactions, by now.
fn asked(emulator: &Emulator) -> BTreeMap<(String, u16), u64> {
    emulator.report().interactions_by_user
}

/// How often each user was asked for interactions since.
fn asked_since(emulator: &Emulator, before: &BTreeMap<(String, u16), u64>) -> BTreeMap<(String, u16), u64> {
    let mut since = asked(emulator);
    for (user, count) in before {
        *since.get_mut(user).unwrap() -= count;
    }
    since.retain(|_, count| *count > 0);
    since
}

async fn assert_verified(emulator: &Emulator, lake: &Lake) {
    let verified = call("verify", emulator, lake, &[]).await;
    assert_eq!(verified.code, Some(0), "{}{}", verified.printed, verified.said);
}

async fn assert_a_list_with_doubles_is_reread(kind: ListChangeKind) {
    let emulator = moving(kind).await;
    let lake = Lake::new();
    let ended = call("run", &emulator, &lake, &[]).await;
    let report = emulator.report();
    assert!(report.list_changes > 3 && report.records_repeated > 0 && report.records_skipped > 0);
    let changes = report.list_changes;
    ended.assert_code(0).assert_said(&format!("reread    {changes} lists moved while they were read"));
    assert!(!ended.said.contains("doubles"), "what was read again has none:\n{}", ended.said);
    lake.assert_holds(emulator.tenant());
    assert_verified(&emulator, &lake).await;
    call("audit", &emulator, &lake, &[]).await.assert_code(0).assert_said("missing   nothing");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_at_the_front_of_a_list_shows_by_doubles_and_is_reread() {
    assert_a_list_with_doubles_is_reread(ListChangeKind::Arrive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_to_the_end_of_a_list_shows_by_doubles_and_is_reread() {
    assert_a_list_with_doubles_is_reread(ListChangeKind::MoveToEnd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_skipped_in_silence_is_found_by_an_audit_and_put_in_once() {
    let emulator = moving(ListChangeKind::StepOut).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    let ended = call("run", &emulator, &lake, &[]).await;
    ended.assert_code(0);
    assert!(!ended.said.contains("doubles") && !ended.said.contains("reread"), "{}", ended.said);
    let report = emulator.report();
    assert!(report.list_changes > 3 && report.records_repeated == 0 && report.records_skipped > 0);
    let lacking = lake.lacking(tenant);
    assert_eq!(lacking.values().sum::<u64>(), report.records_skipped);
    assert_verified(&emulator, &lake).await;

    let before = objects_below(&lake.path());
    for sample in ["1000", "all"] {
        let audited = call("audit", &emulator, &lake, &["--sample", sample]).await;
        audited.assert_code(7).assert_said(&format!("missing   {} records of", report.records_skipped));
        assert_eq!(printed(&audited, &emulator), lacking, "--sample {sample}");
    }
    assert_eq!(objects_below(&lake.path()), before, "an audit changes nothing");

    let repaired = call("audit", &emulator, &lake, &["--repair"]).await;
    repaired.assert_code(0).assert_said(&format!("added     {} records\n", report.records_skipped));
    assert_eq!(printed(&repaired, &emulator), lacking, "what it put in");
    lake.assert_holds(tenant);
    let again = call("audit", &emulator, &lake, &[]).await;
    again.assert_code(0).assert_said("missing   nothing");
    assert_eq!(again.printed, "");
    let nothing_left = call("audit", &emulator, &lake, &["--repair"]).await;
    nothing_left.assert_code(0).assert_said("added     0 records\n");
    lake.assert_holds(tenant);
    assert_verified(&emulator, &lake).await;
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_covered_is_asked_for_again_between_two_days_and_what_came_late_is_told() {
    let emulator = moving(ListChangeKind::StepOut).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    call("run", &emulator, &lake, &[]).await.assert_code(0);
    let lacking = lake.lacking(tenant);
    assert!(lacking.len() > 3);
    let middle = lacking.keys().map(|(_, day)| day.clone()).max().unwrap();
    let (early, late): (BTreeMap<_, _>, BTreeMap<_, _>) =
        lacking.into_iter().partition(|((_, day), _)| *day < middle);
    for (from, to, found, left) in
        [("2024-12-01", middle.as_str(), &early, &late), (&middle, "2025-03-01", &late, &BTreeMap::new())]
    {
        let ended = call("run", &emulator, &lake, &["--reread", &format!("{from}..{to}")]).await;
        let records: u64 = found.values().sum();
        ended.assert_code(0).assert_said(&format!("late      {records} records"));
        assert_eq!(printed(&ended, &emulator), *found, "{from}..{to}");
        assert_eq!(lake.lacking(tenant), *left, "{from}..{to}");
    }
    lake.assert_holds(tenant);
    assert_verified(&emulator, &lake).await;
    for wrong in ["2025-01-01", "2025-03-01..2025-03-01", "yesterday..today"] {
        let refused = call("run", &emulator, &lake, &["--reread", wrong]).await;
        refused.assert_code(2).assert_said("2025-01-01..2025-03-01");
    }
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_draws_the_same_sample_and_repairs_what_it_found() {
    let emulator = moving(ListChangeKind::StepOut).await;
    let (lake, tenant) = (Lake::new(), emulator.tenant());
    call("run", &emulator, &lake, &[]).await.assert_code(0);
    let lacking = lake.lacking(tenant);

    let before = asked(&emulator);
    let first = call("audit", &emulator, &lake, &["--sample", "80", "--seed", "5"]).await;
    let asked_first = asked_since(&emulator, &before);
    first.assert_code(7).assert_said("audit     80 of 168 user-weeks, of 12 users, drawn by --seed 5\n");
    let found = printed(&first, &emulator);
    assert!(found.len() < lacking.len(), "a sample finds a part");
    assert!(
        found.iter().all(|(group, records)| lacking.get(group) == Some(records)),
        "{found:?} {lacking:?}"
    );
    let before = asked(&emulator);
    let same = call("audit", &emulator, &lake, &["--sample", "80", "--seed", "5"]).await;
    assert_eq!(asked_since(&emulator, &before), asked_first);
    assert_eq!((printed(&same, &emulator), same.code), (found.clone(), Some(7)));
    let before = asked(&emulator);
    call("audit", &emulator, &lake, &["--sample", "80", "--seed", "6"]).await;
    assert_ne!(asked_since(&emulator, &before), asked_first, "another seed asks for something else");

    let repair = ["--sample", "80", "--seed", "5", "--repair"];
    let records: u64 = found.values().sum();
    let repaired = call("audit", &emulator, &lake, &repair).await;
    repaired.assert_code(0).assert_said(&format!("added     {records} record"));
    let mut left = lacking;
    left.retain(|group, _| !found.contains_key(group));
    assert_eq!(lake.lacking(tenant), left);
    call("audit", &emulator, &lake, &repair[..4]).await.assert_code(0);
    assert_verified(&emulator, &lake).await;
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_that_is_drawn_by_chance_says_how_to_repair_it() {
    let emulator = moving(ListChangeKind::StepOut).await;
    let lake = Lake::new();
    call("run", &emulator, &lake, &[]).await.assert_code(0);
    // All of 168 but eight: chance alone would have to hide everything in those.
    let before = asked(&emulator);
    let audited = call("audit", &emulator, &lake, &["--sample", "160"]).await;
    let asked_first = asked_since(&emulator, &before);
    audited.assert_code(7);
    let (_, command) = audited.said.split_once("to put them in: promptlake ").unwrap();
    let arguments: Vec<&str> = command.lines().next().unwrap().split(' ').collect();
    let ["audit", _, "--sample", "160", "--seed", seed, "--repair"] = arguments[..] else {
        panic!("{arguments:?}")
    };
    let before = asked(&emulator);
    let repaired = call("audit", &emulator, &lake, &["--sample", "160", "--seed", seed, "--repair"]).await;
    assert_eq!(asked_since(&emulator, &before), asked_first);
    let records: u64 = printed(&audited, &emulator).values().sum();
    repaired.assert_code(0).assert_said(&format!("added     {records} record"));
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_covered_for_the_chosen_apps_is_audited() {
    let emulator = moving(ListChangeKind::StepOut).await;
    let lake = Lake::new();
    let word = ["--set", r#"source.app_class=["IPM.SkypeTeams.Message.Copilot.Word"]"#];
    let excel = ["--set", r#"source.app_class=["IPM.SkypeTeams.Message.Copilot.Excel"]"#];
    for classes in [word, excel] {
        call("run", &emulator, &lake, &classes).await.assert_code(0);
    }
    let rows = lake.rows(Table::Interactions);
    assert!(0 < rows && rows < emulator.tenant().totals().interactions / 2);
    // One list of a class is long enough to move.
    let skipped = emulator.report().records_skipped;
    assert!(skipped > 0);
    for (classes, code) in [(&word[..], 7), (&excel[..], 0), (&[], 0)] {
        let audited = call("audit", &emulator, &lake, classes).await;
        audited.assert_code(code);
        let nothing = classes.is_empty();
        assert_eq!(
            audited.said.contains("audit     nothing: no window is covered"),
            nothing,
            "{}",
            audited.said
        );
    }
    let both = [
        "--set",
        r#"source.app_class=["IPM.SkypeTeams.Message.Copilot.Word", "IPM.SkypeTeams.Message.Copilot.Excel"]"#,
    ];
    let audited = call("audit", &emulator, &lake, &both).await;
    let compared = format!("compared  {} records with the lake", rows + skipped);
    assert!(audited.said.replace(',', "").contains(&compared), "{compared}:\n{}", audited.said);
    audited.assert_code(7);
    assert_eq!(printed(&audited, &emulator).values().sum::<u64>(), skipped);
    emulator.shutdown().await;
}

/// Commits as often as it may, and publishes at the end alone.
const EAGER: [&str; 4] = ["--set", "run.commit_every=100ms", "--set", "source.requests_per_second=60"];

/// How often something is looked at that is awaited, and how long that may take.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const WITHIN: Duration = Duration::from_mins(2);

async fn wait_until_stopped(child: &Child) {
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let stopped = async {
        while !state().rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T")) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(WITHIN, stopped).await.expect("the run never went to sleep");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_live_run_has_not_published_is_not_missing() {
    let emulator = moving(ListChangeKind::Arrive).await;
    let lake = Lake::new();
    let mut sleeping = command("run", &emulator, &lake, &EAGER);
    sleeping.args(["--set", "run.memory_limit=128MiB"]);
    sleeping.env("PROMPTLAKE_FAILPOINT", "commit.recorded:3:stop");
    let mut sleeper = start(sleeping);
    wait_until_stopped(&sleeper).await;
    assert!(!lake.path().join("interactions").exists(), "nothing is published");
    let audited = call("audit", &emulator, &lake, &["--sample", "all"]).await;
    audited.assert_code(0).assert_said("left out").assert_said("not published yet");
    assert_eq!(audited.printed, "");
    let refused = call("audit", &emulator, &lake, &["--sample", "all", "--repair"]).await;
    refused.assert_code(6).assert_said("start while run").assert_said("hint: ");
    assert!(Command::new("kill").args(["-CONT", &sleeper.id().to_string()]).status().unwrap().success());
    assert!(tokio::task::spawn_blocking(move || sleeper.wait().unwrap()).await.unwrap().success());
    lake.assert_holds(emulator.tenant());
    let audited = call("audit", &emulator, &lake, &["--sample", "all"]).await;
    audited.assert_code(0).assert_said("missing   nothing");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_lake_or_no_graph_there_is_nothing_to_audit() {
    let emulator = moving(ListChangeKind::Arrive).await;
    let lake = Lake::new();
    let audited = call("audit", &emulator, &lake, &[]).await;
    audited.assert_code(2).assert_said("find a lake").assert_said("hint: ");
    assert!(!lake.path().exists(), "to look at a lake makes none");
    lake.write_beside("saved/page.json", br#"{"value":[]}"#);
    let text = format!(
        "[source]\nkind = \"files\"\npath = \"{}\"\ntenant_id = \"{}\"\nuser_id = \"{}\"\n\n[destination]\nurl = \"{}\"\n",
        lake.path().with_file_name("saved").display(),
        emulator.tenant_id(),
        emulator.tenant_id(),
        lake.path().display(),
    );
    let file = lake.write_beside("files.toml", text.as_bytes());
    let audited = finish(command_of("audit", &file, ""));
    audited.assert_code(2).assert_said("folder of files").assert_said("promptlake verify");
    for sample in ["0", "100001", "some"] {
        let refused = call("audit", &emulator, &lake, &["--sample", sample]).await;
        refused.assert_code(2).assert_said("write a number from 1 to 100000, or all");
    }
    emulator.shutdown().await;
}
