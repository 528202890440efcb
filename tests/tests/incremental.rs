//! Day after day: runs over a tenant that changes between them add up to what one run over the whole would have read.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

use std::collections::BTreeSet;

use graph_emulator::{Access, Emulator, Tenant, TenantSpec};
use promptlake_model::Table;
use promptlake_tests::duckdb::{files_of, number, query};
use promptlake_tests::lake::Lake;
use promptlake_tests::program::{Ended, finish, run_command};
use promptlake_tests::tenant::{pipeline, unlimited};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// 2025-03-01, where the tenant's history begins.
const MARCH_MS: i64 = 1_740_787_200_000;

/// The instants of three daily runs; the last is the end of the tenant's history.
const RUNS_MS: [i64; 3] = [MARCH_MS + 2 * DAY_MS, MARCH_MS + 3 * DAY_MS, MARCH_MS + 4 * DAY_MS];

/// `settle_lag` and `lookback`, where nothing else is set.
const SETTLE_LAG_MS: i64 = HOUR_MS / 2;
const LOOKBACK_MS: i64 = 2 * DAY_MS;

/// A record by its owner, session, id and etag.
type Version = (String, Option<String>, String, String);

fn spec() -> TenantSpec {
    TenantSpec::default()
        .with_seed(21)
        .with_users(25)
        .with_interactions(4_000)
        .with_window(MARCH_MS, RUNS_MS[2])
        .with_late_share(0.1)
        .with_edited_share(0.15)
        .with_joining_share(0.7)
}

/// A lake, the tenant that fills it, and the settings that do not change.
struct Daily<'a> {
    emulator: &'a Emulator,
    lake: Lake,
}

impl<'a> Daily<'a> {
    fn of(emulator: &'a Emulator) -> Self {
        Self { emulator, lake: Lake::new() }
    }

    /// A run as of an instant, with more settings; fails where the run does not end as a good one.
    async fn run(&self, at_ms: i64, settings: &[&str]) -> Ended {
        self.emulator.show_as_of(at_ms);
        let mut command =
            run_command(&pipeline(self.emulator, &self.lake, ""), self.emulator.client_secret());
        for setting in settings {
            command.args(["--set", setting]);
        }
        let ended = tokio::task::spawn_blocking(move || finish(command)).await.unwrap();
        ended.assert_code(0);
        ended
    }

    /// A table as SQL, with the partition as a column.
    fn table(&self, table: Table) -> String {
        format!("read_parquet({}, hive_partitioning = true)", files_of(&self.lake.path(), table.name()))
    }

    /// The newest version of each record, as SQL.
    fn latest(&self) -> String {
        format!(
            "(SELECT * FROM {} QUALIFY row_number() OVER (
                PARTITION BY tenant_id, user_id, session_id, interaction_id
                ORDER BY modified_at DESC, extracted_at DESC, record_id DESC) = 1)",
            self.table(Table::Interactions)
        )
    }

    /// The rows of a table that belong to the newest version of a record, without what tells runs apart, as SQL.
    fn latest_of(&self, table: Table) -> String {
        let of_run = if has_run(table) { "EXCLUDE (run_id, extracted_at)" } else { "" };
        let (rows, latest) = (self.table(table), self.latest());
        format!("SELECT * {of_run} FROM {rows} WHERE record_id IN (SELECT record_id FROM {latest})")
    }

    /// All versions in the lake.
    fn versions(&self) -> Vec<Version> {
        let columns = "user_id, session_id, interaction_id, etag";
        let rows = query(&format!("SELECT {columns} FROM {} ORDER BY ALL", self.table(Table::Interactions)));
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let version = |row: Vec<serde_json::Value>| {
            (text(&row[0]).unwrap(), text(&row[1]), text(&row[2]).unwrap(), text(&row[3]).unwrap())
        };
        let mut versions: Vec<Version> = rows.into_iter().map(version).collect();
        versions.sort();
        versions
    }
}

fn has_run(table: Table) -> bool {
    table.columns().iter().any(|column| column.name == "run_id")
}

/// What lies in the tables that hang on records, one after the other.
const RECORD_TABLES: [Table; 7] = [
    Table::Interactions,
    Table::Raw,
    Table::Attachments,
    Table::CardElements,
    Table::Links,
    Table::Contexts,
    Table::Mentions,
];

/// The versions that a run as of an instant finds of what was made in `[from_ms, to_ms)`, of some users.
fn found(tenant: &Tenant, window_ms: (i64, i64), of: impl Fn(&str) -> bool) -> BTreeSet<Version> {
    let (from_us, to_us) = (window_ms.0 * 1_000, window_ms.1 * 1_000);
    let users = tenant.users().filter(|user| user.access == Access::Open && of(&user.id));
    let of_user = |user: graph_emulator::User| {
        let records: Vec<_> = tenant.expected_records(&user).collect();
        let within = records.into_iter().filter(move |it| (from_us..to_us).contains(&it.created_at_us));
        within.map(move |it| (user.id.clone(), it.session_id, it.interaction_id, it.etag))
    };
    users.flat_map(of_user).collect()
}

/// What three daily runs find: new users from the beginning, the others from the lookback on.
fn found_by_daily_runs(tenant: &Tenant) -> BTreeSet<Version> {
    let mut all = BTreeSet::new();
    let mut known = BTreeSet::new();
    for at_ms in RUNS_MS {
        let seen = tenant.seen_at(at_ms);
        let end_ms = at_ms - SETTLE_LAG_MS;
        // Runs are a day apart.
        let again_from_ms = end_ms - DAY_MS - LOOKBACK_MS;
        all.extend(found(&seen, (MARCH_MS, end_ms), |user| !known.contains(user)));
        all.extend(found(&seen, (again_from_ms, end_ms), |user| known.contains(user)));
        known.extend(seen.users().filter(|user| user.access == Access::Open).map(|user| user.id));
    }
    all
}

fn assert_same_rows(table: Table, daily: &str, once: &str) {
    for (rows, others, whose) in [(daily, once, "the daily runs"), (once, daily, "the one run")] {
        let sql = format!("SELECT count(*) FROM ({rows} EXCEPT ALL {others})");
        assert_eq!(number(&sql), 0, "rows of {table} that only {whose} gave");
    }
}

/// The tenant's changes reach the lake, or the comparison compares nothing.
fn assert_something_changed(daily: &Daily<'_>) {
    let versions = daily.versions();
    let records: BTreeSet<_> =
        versions.iter().map(|(user, session, id, _)| (user.clone(), session.clone(), id.clone())).collect();
    assert!(versions.len() >= records.len() + 100, "{} versions of {}", versions.len(), records.len());
    let interactions = daily.table(Table::Interactions);
    let late = format!(
        "SELECT count(*) FROM {interactions} AS late WHERE NOT EXISTS (
            FROM {interactions} AS other WHERE other.user_id = late.user_id AND other.extracted_at < late.extracted_at
            AND other.interaction_id = late.interaction_id)
         AND EXISTS (FROM {} AS covered WHERE covered.user_id = late.user_id
            AND covered.extracted_at < late.extracted_at AND late.created_at < covered.covered_to)",
        daily.table(Table::Coverage)
    );
    assert!(number(&late) > 20, "few records came late");
    let joined = format!(
        "SELECT count(*) FROM (SELECT user_id, min(extracted_at) AS first FROM {} GROUP BY ALL)
         WHERE first > (SELECT min(extracted_at) FROM {interactions})",
        daily.table(Table::Coverage)
    );
    assert!(number(&joined) > 2, "few users joined");
    let links = format!(
        "WITH of_version AS (SELECT record_id, list(url ORDER BY link_ordinal) AS urls FROM {} GROUP BY ALL)
         SELECT count(*) FROM {interactions} AS old JOIN {interactions} AS new
            USING (user_id, session_id, interaction_id)
         JOIN of_version AS old_links ON old_links.record_id = old.record_id
         JOIN of_version AS new_links ON new_links.record_id = new.record_id
         WHERE old.modified_at < new.modified_at AND old_links.urls <> new_links.urls",
        daily.table(Table::Links)
    );
    assert!(number(&links) > 10, "few edits changed links");
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_runs_add_up_to_one_run_over_the_whole() {
    let emulator = unlimited(spec()).await;
    let (daily, once) = (Daily::of(&emulator), Daily::of(&emulator));
    for at_ms in RUNS_MS {
        daily.run(at_ms, &[]).await;
    }
    once.run(RUNS_MS[2], &[]).await;
    assert_something_changed(&daily);

    let tenant = emulator.tenant();
    let expected: Vec<Version> = found_by_daily_runs(tenant).into_iter().collect();
    assert_eq!(daily.versions(), expected, "every version that a run could see, once");
    let last = tenant.seen_at(RUNS_MS[2]);
    let last: Vec<Version> =
        found(&last, (MARCH_MS, RUNS_MS[2] - SETTLE_LAG_MS), |_| true).into_iter().collect();
    assert_eq!(once.versions(), last);
    for table in RECORD_TABLES {
        assert!(once.lake.rows(table) > 100, "{table} is compared");
        assert_same_rows(table, &daily.latest_of(table), &once.latest_of(table));
    }
    daily.lake.assert_no_row_twice();
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_late_is_found_by_the_lookback_alone() {
    let emulator = unlimited(spec().with_joining_share(0.0).with_edited_share(0.0)).await;
    let daily = Daily::of(&emulator);
    daily.run(RUNS_MS[0], &[]).await;
    daily.run(RUNS_MS[1], &["source.lookback=0s"]).await;
    let tenant = emulator.tenant();
    let ends_ms = RUNS_MS.map(|at_ms| at_ms - SETTLE_LAG_MS);
    let mut expected = found(&tenant.seen_at(RUNS_MS[0]), (MARCH_MS, ends_ms[0]), |_| true);
    expected.extend(found(&tenant.seen_at(RUNS_MS[1]), (ends_ms[0], ends_ms[1]), |_| true));
    let all = found(&tenant.seen_at(RUNS_MS[1]), (MARCH_MS, ends_ms[1]), |_| true);
    let missed = all.iter().filter(|version| !expected.contains(version)).count();
    assert!(missed > 10, "{missed} came late");
    assert_eq!(daily.versions(), expected.iter().cloned().collect::<Vec<_>>());

    // A longer one makes good what was missed.
    daily.run(RUNS_MS[2], &["source.lookback=3d"]).await.assert_said("were in the lake already");
    let all = found(&tenant.seen_at(RUNS_MS[2]), (MARCH_MS, ends_ms[2]), |_| true);
    let touched: BTreeSet<Version> = expected.union(&all).cloned().collect();
    assert_eq!(daily.versions(), touched.into_iter().collect::<Vec<_>>());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_start_fills_exactly_the_gap() {
    let emulator = unlimited(spec().with_joining_share(0.0).with_late_share(0.0)).await;
    let daily = Daily::of(&emulator);
    let later = ["source.lookback=0s", "source.start=2025-03-02"];
    daily.run(RUNS_MS[0], &later).await;
    let before = daily.versions();
    let ended = daily.run(RUNS_MS[1], &["source.lookback=0s", "source.start=2025-03-01"]).await;
    assert!(!ended.said.contains("were in the lake already"), "a row was asked for twice:\n{}", ended.said);

    let covered = query(&format!(
        "SELECT user_id, list([epoch_ms(covered_from), epoch_ms(covered_to)] ORDER BY extracted_at, covered_from)
         FROM {} GROUP BY ALL ORDER BY ALL",
        daily.table(Table::Coverage)
    ));
    let (march_2, end_ms) = (MARCH_MS + DAY_MS, RUNS_MS[0] - SETTLE_LAG_MS);
    assert_eq!(covered.len() as u64, emulator.tenant().totals().coverage);
    for row in &covered {
        let windows: Vec<[i64; 2]> = serde_json::from_value(row[1].clone()).unwrap();
        let [[from, first_end], gap, [second_from, _]] = windows[..] else { panic!("{row:?}") };
        assert_eq!((from, first_end / 1_000), (march_2, end_ms / 1_000), "{row:?}");
        assert_eq!((gap, second_from), ([MARCH_MS, march_2], first_end), "{row:?}");
    }
    let tenant = emulator.tenant();
    let mut expected: BTreeSet<Version> = before.into_iter().collect();
    let seen = tenant.seen_at(RUNS_MS[1]);
    expected.extend(found(&seen, (MARCH_MS, march_2), |_| true));
    expected.extend(found(&seen, (end_ms, RUNS_MS[1] - SETTLE_LAG_MS), |_| true));
    assert_eq!(daily.versions(), expected.into_iter().collect::<Vec<_>>());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_begins_with_the_next_new_record_and_ends_with_the_last() {
    let emulator = unlimited(spec()).await;
    let daily = Daily::of(&emulator);
    daily.run(RUNS_MS[0], &[r#"transform.tables=["raw", "users"]"#]).await;
    assert_eq!(daily.lake.rows(Table::Links), 0);
    let with_links = [r#"transform.tables=["raw", "links", "contexts"]"#];
    daily.run(RUNS_MS[1], &with_links).await.assert_said("the table links is new in this lake");
    daily.run(RUNS_MS[2], &[r#"transform.tables=["links"]"#]).await;

    let interactions = daily.table(Table::Interactions);
    let runs = query(&format!("SELECT DISTINCT run_id FROM {interactions} ORDER BY ALL"));
    assert_eq!(runs.len(), 3, "every run found something");
    let of_runs = |table: Table, having: &str| {
        let rows = daily.table(table);
        let sql = format!(
            "WITH of_record AS (SELECT record_id, count(*) AS rows FROM {rows} GROUP BY ALL)
             SELECT DISTINCT dense_rank FROM (
                SELECT dense_rank() OVER (ORDER BY extracted_at) AS dense_rank, rows, * FROM {interactions}
                LEFT JOIN of_record USING (record_id)) WHERE {having} ORDER BY ALL"
        );
        query(&sql).into_iter().map(|row| row[0].as_u64().unwrap()).collect::<Vec<_>>()
    };
    for (table, having, runs) in [
        (Table::Raw, "rows = 1", vec![1, 2]),
        (Table::Raw, "rows IS NULL", vec![3]),
        (Table::Links, "rows > 0", vec![2, 3]),
        // Not only in part: every entry of a record's list has its row.
        (Table::Links, "link_count > 0 AND coalesce(rows, 0) < link_count", vec![1]),
        (Table::Contexts, "rows > 0", vec![2]),
        (Table::Contexts, "context_count IS DISTINCT FROM coalesce(rows, 0)", vec![1, 3]),
    ] {
        assert_eq!(of_runs(table, having), runs, "runs with {having} in {table}");
    }
    let expected: Vec<Version> = found_by_daily_runs(emulator.tenant()).into_iter().collect();
    assert_eq!(daily.versions(), expected, "what is asked for does not follow the tables");
    daily.lake.assert_no_row_twice();
    emulator.shutdown().await;
}
