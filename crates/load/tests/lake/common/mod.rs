//! Pages of rows, runs over them, and what readers of the lake see.

pub(crate) mod faulty;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use promptlake_flow::{ByteBudget, Clock, ComputePool, Held, Sender, Silent, channel};
use promptlake_load::{
    FileCompression, LakeSettings, LoadError, Loaded, Loader, Loading, Means, Run, Scope, Shard, Store,
};
use promptlake_model::{
    AppClasses, Owner, PageBatch, PageReading, PartitionDay, RecordId, RecordKey, RejectKey, RunId,
    SavedFile, Slice, SliceEnd, SliceId, SliceOutcome, SliceScope, Table, TableRows, TenantId, Timestamp,
    UserEnd, UserId, UserProfile, UserStatus, Window,
};
use tokio_util::sync::CancellationToken;

/// 2025-06-01T00:00:00Z.
pub(crate) const START_MICROS: i64 = 1_748_736_000_000_000;
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
pub(crate) const RECORDS_A_PAGE: u64 = 7;
pub(crate) const PAGES_A_USER: u32 = 4;

pub(crate) fn owner(user: u128) -> Owner {
    let guid = format!("00000000-0000-0000-0000-{user:012x}");
    let tenant = TenantId::parse("aaaaaaaa-0000-0000-0000-000000000000").unwrap();
    Owner { tenant, user: UserId::parse(&guid).unwrap() }
}

/// A page whose records lie one an hour, so that a user's four pages span two days, and a link for every second one.
pub(crate) fn page(slice: &Arc<Slice>, user: u128, index: u32) -> PageBatch {
    let first = u64::from(index) * RECORDS_A_PAGE;
    let numbers: Vec<u64> = (first..first + RECORDS_A_PAGE).collect();
    let created = |number: u64| Timestamp::from_micros(START_MICROS + number.cast_signed() * 3_600_000_000);
    let id = |number: u64| RecordId((user << 64) | u128::from(number));
    let key = |n: &u64| RecordKey {
        id: id(*n),
        day: PartitionDay::Day(created(*n).day()),
        created_at: Some(created(*n)),
    };
    let records = numbers.iter().map(key);
    let interactions: Vec<(RecordId, Timestamp)> = numbers.iter().map(|n| (id(*n), created(*n))).collect();
    let linked: Vec<(RecordId, Timestamp)> =
        numbers.iter().filter(|n| *n % 2 == 0).map(|n| (id(*n), created(*n))).collect();
    let mut linked_so_far = 0;
    let link_ends = numbers.iter().map(|n| {
        linked_so_far += u32::from(n % 2 == 0);
        linked_so_far
    });
    PageBatch {
        slice: Arc::clone(slice),
        owner: owner(user),
        index,
        reading: PageReading::Read,
        records: records.collect(),
        rejects: Vec::new(),
        unknown_fields: promptlake_model::UnknownFields::default(),
        lost_markers: 0,
        tables: vec![
            TableRows {
                table: Table::Interactions,
                batch: rows(Table::Interactions, user, &interactions),
                ends: (1..=u32::try_from(RECORDS_A_PAGE).unwrap()).collect(),
            },
            TableRows {
                table: Table::Links,
                batch: rows(Table::Links, user, &linked),
                ends: link_ends.collect(),
            },
        ],
    }
}

fn rows(table: Table, user: u128, records: &[(RecordId, Timestamp)]) -> RecordBatch {
    let owner = owner(user);
    let text = |value: &dyn Fn(&(RecordId, Timestamp)) -> String| -> ArrayRef {
        Arc::new(StringArray::from(records.iter().map(value).collect::<Vec<_>>()))
    };
    let instants = |value: &dyn Fn(&(RecordId, Timestamp)) -> i64| -> ArrayRef {
        let micros = TimestampMicrosecondArray::from(records.iter().map(value).collect::<Vec<_>>());
        Arc::new(micros.with_timezone("UTC"))
    };
    let schema = table.schema();
    let column = |field: &Arc<arrow_schema::Field>| match field.name().as_str() {
        "tenant_id" => text(&|_| owner.tenant.to_string()),
        "user_id" => text(&|_| owner.user.to_string()),
        "record_id" => text(&|record| record.0.to_string()),
        "created_at" => instants(&|record| record.1.micros()),
        "run_id" => text(&|_| "r".into()),
        "extracted_at" => instants(&|_| START_MICROS),
        _ => new_null_array(field.data_type(), records.len()),
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()
}

/// How a run is to go.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) run: u64,
    pub(crate) users: Vec<u128>,
    /// What is gathered before it is committed.
    pub(crate) gather_bytes: usize,
    pub(crate) known_bytes: usize,
    pub(crate) merge_bytes: usize,
    pub(crate) target_file_bytes: usize,
    /// What is published while it runs, after this many users.
    pub(crate) publish_after: Duration,
    /// Whose history it reads: runs of the same selection refuse each other.
    pub(crate) selection: String,
    pub(crate) shard: Option<Shard>,
    pub(crate) heartbeat_every: Duration,
    pub(crate) take_over: Option<RunId>,
    pub(crate) stop: CancellationToken,
}

impl Plan {
    pub(crate) fn new(run: u64, users: impl IntoIterator<Item = u128>) -> Self {
        Self {
            run,
            users: users.into_iter().collect(),
            gather_bytes: 1 << 20,
            known_bytes: 1 << 20,
            merge_bytes: 8 << 20,
            target_file_bytes: 64 << 20,
            publish_after: Duration::from_hours(6),
            selection: "everyone".into(),
            shard: None,
            heartbeat_every: Duration::from_hours(1),
            take_over: None,
            stop: CancellationToken::new(),
        }
    }
}

/// The process of these runs lives on, so only age can tell that they have ended: at once.
pub(crate) async fn open(store: Store, plan: &Plan) -> Result<Loader, LoadError> {
    open_with_stale_after(store, plan, Duration::ZERO).await
}

pub(crate) async fn open_with_stale_after(
    store: Store,
    plan: &Plan,
    stale_after: Duration,
) -> Result<Loader, LoadError> {
    let started_at = Timestamp::from_micros(START_MICROS + 30 * DAY_MICROS + plan.run.cast_signed());
    let settings = LakeSettings {
        tables: vec![Table::Interactions, Table::Links, Table::Users, Table::Coverage, Table::Rejects],
        gather_bytes: plan.gather_bytes,
        merge_bytes: plan.merge_bytes,
        known_bytes: plan.known_bytes,
        target_file_bytes: plan.target_file_bytes,
        compression: FileCompression::Zstd(1),
        commit_every: Duration::from_mins(5),
        publish_every: plan.publish_after,
        heartbeat_every: plan.heartbeat_every,
        stale_after,
        take_over: plan.take_over.clone(),
    };
    let scope = Scope { selection: plan.selection.clone(), shard: plan.shard };
    let means = Means {
        store,
        pool: ComputePool::new(1).unwrap(),
        clock: Clock::starting_at(started_at.micros()),
        observer: Arc::new(Silent),
    };
    Loader::open(
        means,
        settings,
        Run { id: RunId::new(started_at, plan.run), started_at, scope },
        plan.stop.clone(),
    )
    .await
}

/// A run that does not take others for dead before this has passed since their last heartbeat.
pub(crate) const LONG: Duration = Duration::from_mins(10);

/// The id that a plan's run has.
pub(crate) fn run_id(plan: &Plan) -> RunId {
    RunId::new(Timestamp::from_micros(START_MICROS + 30 * DAY_MICROS + plan.run.cast_signed()), plan.run)
}

/// Reads every user whole; others that have not ended by their age are dead.
pub(crate) async fn run(store: Store, plan: &Plan) -> Result<Loaded, LoadError> {
    run_with_stale_after(store, plan, Duration::ZERO).await
}

/// Reads every user whole beside other runs.
pub(crate) async fn run_with_stale_after(
    store: Store,
    plan: &Plan,
    stale_after: Duration,
) -> Result<Loaded, LoadError> {
    let loader = open_with_stale_after(store, plan, stale_after).await?;
    let owners: Vec<Owner> = plan.users.iter().map(|user| owner(*user)).collect();
    let loader = loader.check_users(&owners).await?;
    let (sender, receiver) = channel(1);
    let users = plan.users.clone();
    let feed = async move {
        for (number, user) in users.into_iter().enumerate() {
            for item in items(u32::try_from(number).unwrap(), user).await {
                if sender.send(item).await.is_err() {
                    return;
                }
            }
        }
    };
    let (loaded, ()) = tokio::join!(loader.run(receiver, drop), feed);
    loaded
}

/// A run under way that reads what it is sent.
pub(crate) struct Fed {
    pub(crate) sender: Sender<Loading>,
    pub(crate) loaded: tokio::task::JoinHandle<Result<Loaded, LoadError>>,
}

/// Starts a run that commits every item by itself, and waits for the next one.
pub(crate) async fn start(store: Store, plan: &Plan, stale_after: Duration) -> Result<Fed, LoadError> {
    let loader = open_with_stale_after(store, plan, stale_after).await?;
    let (sender, receiver) = channel(1);
    let loaded = tokio::task::spawn_local(loader.run(receiver, drop));
    Ok(Fed { sender, loaded })
}

impl Fed {
    /// Sends everything of a user. A run that has ended takes nothing more.
    pub(crate) async fn send_user(&self, number: u32, user: u128) {
        for item in items(number, user).await {
            if self.sender.send(item).await.is_err() {
                return;
            }
        }
    }

    pub(crate) async fn end(self) -> Result<Loaded, LoadError> {
        drop(self.sender);
        self.loaded.await.unwrap()
    }
}

/// Reads one page of one user; then his slice is cut off.
pub(crate) async fn run_cut_off(store: Store, plan: &Plan) -> Result<Loaded, LoadError> {
    let loader = open(store, plan).await?;
    let (sender, receiver) = channel(8);
    let slice = slice(0, plan.users[0]);
    let end = SliceEnd { slice: Arc::clone(&slice), page_count: 1, outcome: SliceOutcome::CutOff };
    sender.send(held(page(&slice, plan.users[0], 0)).await).await.unwrap();
    sender.send(Loading::SliceEnd(end)).await.unwrap();
    sender.send(Loading::UserEnd(user_end(plan.users[0], 1))).await.unwrap();
    drop(sender);
    loader.run(receiver, drop).await
}

/// Everything comes, and then a stop before the end.
pub(crate) async fn run_and_stop(store: Store, plan: &Plan) -> Result<Loaded, LoadError> {
    let plan = &Plan { stop: CancellationToken::new(), ..plan.clone() };
    let loader = open(store, plan).await?;
    let (sender, receiver) = channel(1_000);
    for (number, user) in plan.users.iter().enumerate() {
        for item in items(u32::try_from(number).unwrap(), *user).await {
            sender.send(item).await.unwrap();
        }
    }
    drop(sender);
    plan.stop.cancel();
    loader.run(receiver, drop).await
}

/// A page of undated records, and a thing that can't be read; on another day with each run.
pub(crate) async fn run_undated_and_reject(store: Store, plan: &Plan) -> Result<Loaded, LoadError> {
    let loader = open(store, plan).await?;
    let (sender, receiver) = channel(8);
    let (slice, user) = (slice(0, plan.users[0]), plan.users[0]);
    let mut page = page(&slice, user, 0);
    for record in &mut page.records {
        record.day = PartitionDay::Undated;
    }
    let run_day = Timestamp::from_micros(START_MICROS + (30 + plan.run.cast_signed()) * DAY_MICROS).day();
    page.rejects.push(RejectKey { id: RecordId(77), day: PartitionDay::Day(run_day) });
    let batch = reject(user);
    page.tables.push(TableRows { table: Table::Rejects, batch, ends: vec![1] });
    sender.send(held(page).await).await.unwrap();
    sender.send(Loading::UserEnd(user_end(user, 1))).await.unwrap();
    drop(sender);
    loader.run(receiver, drop).await
}

/// The source does not know the user: not a page, and nothing is covered.
pub(crate) async fn run_not_found(store: Store, plan: &Plan) -> Result<Loaded, LoadError> {
    let loader = open(store, plan).await?;
    let (sender, receiver) = channel(8);
    let (slice, user) = (slice(0, plan.users[0]), plan.users[0]);
    let outcome = SliceOutcome::CutOff;
    sender.send(Loading::SliceEnd(SliceEnd { slice, page_count: 0, outcome })).await.unwrap();
    let end = UserEnd { status: UserStatus::NotFound, http_status: Some(404), ..user_end(user, 0) };
    sender.send(Loading::UserEnd(end)).await.unwrap();
    drop(sender);
    loader.run(receiver, drop).await
}

/// A saved file with the first page of a user.
pub(crate) async fn run_import(store: Store, plan: &Plan) -> Result<Loaded, LoadError> {
    let loader = open(store, plan).await?;
    let (sender, receiver) = channel(8);
    let user = plan.users[0];
    let file = SavedFile { path: "a.json".into(), bytes: 1, etag: "e".into() };
    let scope = SliceScope::File(file);
    let slice = Arc::new(Slice { id: SliceId(0), tenant: owner(user).tenant, scope });
    sender.send(held(page(&slice, user, 0)).await).await.unwrap();
    let end = SliceEnd { slice, page_count: 1, outcome: SliceOutcome::Whole };
    sender.send(Loading::SliceEnd(end)).await.unwrap();
    sender.send(Loading::UserEnd(user_end(user, 1))).await.unwrap();
    drop(sender);
    loader.run(receiver, drop).await
}

/// The same undated records in two slices of one user: they pass every window.
pub(crate) async fn run_undated_twice(store: Store, plan: &Plan) -> Result<Loaded, LoadError> {
    let loader = open(store, plan).await?;
    let (sender, receiver) = channel(8);
    let user = plan.users[0];
    for number in 0..2 {
        let mut page = page(&slice(number, user), user, 0);
        for record in &mut page.records {
            record.day = PartitionDay::Undated;
        }
        sender.send(held(page).await).await.unwrap();
    }
    sender.send(Loading::UserEnd(user_end(user, 2))).await.unwrap();
    drop(sender);
    loader.run(receiver, drop).await
}

fn reject(user: u128) -> RecordBatch {
    let owner = owner(user);
    let text = |value: String| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let schema = Table::Rejects.schema();
    let column = |field: &Arc<arrow_schema::Field>| match field.name().as_str() {
        "tenant_id" => text(owner.tenant.to_string()),
        "user_id" => text(owner.user.to_string()),
        "reject_id" => text(RecordId(77).to_string()),
        "run_id" => text("r".into()),
        "extracted_at" => Arc::new(TimestampMicrosecondArray::from(vec![START_MICROS]).with_timezone("UTC")),
        _ => new_null_array(field.data_type(), 1),
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()
}

pub(crate) fn slice(number: u32, user: u128) -> Arc<Slice> {
    let from = Timestamp::from_micros(START_MICROS);
    let window = Window::new(from, Timestamp::from_micros(START_MICROS + 20 * DAY_MICROS)).unwrap();
    let scope = SliceScope::History { owner: owner(user), window, classes: AppClasses::default() };
    Arc::new(Slice { id: SliceId(number), tenant: owner(user).tenant, scope })
}

pub(crate) async fn held(page: PageBatch) -> Loading {
    let permit = ByteBudget::new(1 << 20).acquire(1).await;
    Loading::Page(Held { value: page, permit })
}

/// One user: his pages, out of order; the end of his slice before the last of them; his own end.
pub(crate) async fn items(number: u32, user: u128) -> Vec<Loading> {
    let slice = slice(number, user);
    let mut items = Vec::new();
    for index in (0..PAGES_A_USER).rev() {
        if index == 0 {
            let outcome = SliceOutcome::Whole;
            items.push(Loading::SliceEnd(SliceEnd {
                slice: Arc::clone(&slice),
                page_count: PAGES_A_USER,
                outcome,
            }));
        }
        items.push(held(page(&slice, user, index)).await);
    }
    items.push(Loading::UserEnd(user_end(user, PAGES_A_USER)));
    items
}

pub(crate) fn user_end(user: u128, page_count: u32) -> UserEnd {
    UserEnd {
        owner: owner(user),
        profile: UserProfile::default(),
        status: UserStatus::Extracted,
        http_status: None,
        error_code: None,
        reason: None,
        page_count,
    }
}

/// What a reader who globs sees: the record ids of a table, each as often as it is there. Panics where a file can't
/// be read, its rows are not in order, or lie under another day.
pub(crate) async fn seen(objects: &dyn ObjectStore, table: Table) -> BTreeMap<String, u32> {
    let mut seen = BTreeMap::new();
    let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
    let prefix = format!("{table}/date=");
    for object in listed {
        let Some(rest) = object.location.as_ref().strip_prefix(&prefix) else { continue };
        assert!(rest.ends_with(".parquet"), "{rest}");
        let day = PartitionDay::parse(rest.split('/').next().unwrap()).unwrap();
        let body = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(body).unwrap().build().unwrap();
        let mut last = None;
        for batch in reader {
            let batch = batch.unwrap();
            let ids = batch.column_by_name("record_id").unwrap().as_string::<i32>();
            let users = batch.column_by_name("user_id").unwrap().as_string::<i32>();
            let created = batch.column_by_name("created_at").unwrap();
            let created = created.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
            for row in 0..batch.num_rows() {
                let key = (users.value(row).to_owned(), created.value(row), ids.value(row).to_owned());
                assert_eq!(PartitionDay::Day(Timestamp::from_micros(key.1).day()), day);
                *seen.entry(key.2.clone()).or_default() += 1;
                assert!(last.as_ref().is_none_or(|last| *last <= key), "{rest} is not sorted");
                last = Some(key);
            }
        }
    }
    seen
}

/// How many rows a table without record ids has, over all of its files.
pub(crate) async fn row_count(objects: &dyn ObjectStore, table: Table) -> usize {
    let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
    let mut rows = 0;
    for object in listed.iter().filter(|object| object.location.as_ref().starts_with(table.name())) {
        let body = objects.get(&object.location).await.unwrap().bytes().await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(body).unwrap();
        rows += usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap();
    }
    rows
}

/// The record ids that users have, each once.
pub(crate) fn expected(users: impl IntoIterator<Item = u128>, table: Table) -> BTreeMap<String, u32> {
    let mut expected = BTreeMap::new();
    for user in users {
        for number in 0..u64::from(PAGES_A_USER) * RECORDS_A_PAGE {
            if table == Table::Interactions || number % 2 == 0 {
                expected.insert(RecordId((user << 64) | u128::from(number)).to_string(), 1);
            }
        }
    }
    expected
}
