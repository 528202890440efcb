//! `promptlake run`: settings to a source and a lake, the flow between them, and what there is to say about it.

use std::path::Path;
use std::sync::Arc;

use promptlake_extract::{RunContext, Unresolved, UserPlan, UserRef};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Event, Observer};
use promptlake_load::{
    Books, FileCompression, LakeSettings, Loaded, Loader, Means, Run, Scope, Shard, Store, Wanted,
    WantedStart,
};
use promptlake_model::{Owner, RunId, Slice, SliceId, SliceScope, TenantId, Timestamp, UserProfile};
use promptlake_transform::{TransformSettings, Transformer};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::cli::RunArguments;
use crate::failure::{Failure, Outcome};
use crate::memory::Shares;
use crate::progress::Progress;
use crate::settings::{self, Compression, Destination, GraphSource, Override, Pipeline, Source, Start};
use crate::source::{self, Limits, Tenant};
use crate::stopping;
use crate::summary::Summary;
use crate::tally::Tally;
use crate::topology::{self, Ended};

/// How far the local clock may be off before it is said: windows end by the earlier of the two clocks.
const CLOCK_SKEW_MICROS_MAX: i64 = 5 * 60 * 1_000_000;

/// What a page must be able to take: a hundred records that are all twenty times as long as usual.
const LEAST_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Files are one slice each, read one after the other.
const FILE_READERS: usize = 1;

/// What every part of a run shares.
struct Context {
    pipeline: Pipeline,
    run: Run,
    clock: Clock,
    pool: ComputePool,
    tally: Arc<Tally>,
    shares: Shares,
    /// What pages and their rows may hold, from the request that fetches them until they are gathered: the bound of
    /// both channels together.
    pages_budget: ByteBudget,
    chance_seed: u64,
    shard: Option<Shard>,
    take_over: Option<RunId>,
    stop: CancellationToken,
}

/// Runs a pipeline file to its end, and says on standard error how it went.
pub(crate) async fn run(arguments: RunArguments) -> Result<Outcome, Failure> {
    let context = Context::new(&arguments)?;
    let progress = Progress::start(Arc::clone(&context.tally), context.clock);
    let ran = match &context.pipeline.source {
        Source::Graph(source) => Box::pin(run_graph(&context, source)).await,
        Source::Files(source) => Box::pin(run_files(&context, source)).await,
    };
    progress.finish().await;
    context.log_peaks();
    let Some(Ran { ended, unresolved }) = ran? else { return Ok(Outcome::Interrupted) };
    let summary = Summary {
        counts: context.tally.counts(),
        took: context.clock.elapsed(),
        lake: context.pipeline.destination.store.location.in_duckdb(),
        command: typed_command(),
        loaded: ended.load.as_ref().ok().copied(),
        unresolved,
    };
    eprintln!("{summary}");
    ended.conclude(&summary)
}

/// The command of this run, to be typed again. It holds no secret: none can be given as an argument.
fn typed_command() -> String {
    let quote =
        |argument: String| if argument.contains([' ', '"']) { format!("'{argument}'") } else { argument };
    let arguments = std::env::args().skip(1).map(quote);
    std::iter::once("promptlake".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// A run whose stages have ended.
struct Ran {
    ended: Ended,
    unresolved: Vec<String>,
}

impl Ended {
    /// The first failure that matters: what could not be stored comes before what could not be read.
    fn conclude(self, summary: &Summary) -> Result<Outcome, Failure> {
        let loaded = self.load?;
        self.transform.map_err(|error| Failure::internal(&error, "turn a page into rows"))?;
        self.extract?;
        // A stop that came when the last publish had begun interrupted nothing.
        Ok(match (loaded, summary.has_failures()) {
            (Loaded::Committed, _) => Outcome::Interrupted,
            (Loaded::Published, true) => Outcome::DoneWithFailures,
            (Loaded::Published, false) => Outcome::Done,
        })
    }
}

impl Context {
    fn new(arguments: &RunArguments) -> Result<Self, Failure> {
        let clock = Clock::system();
        let started_at = Timestamp::from_micros(clock.now_micros());
        let pipeline = read_pipeline(&arguments.file, &arguments.overrides, started_at)?;
        let readers = match &pipeline.source {
            Source::Graph(source) => source.concurrency.get(),
            Source::Files(_) => FILE_READERS,
        };
        let mut chance = chance()?;
        let shares = Shares::of(pipeline.run.memory_limit.bytes(), readers);
        if shares.page_bytes_max < LEAST_PAGE_BYTES {
            return Err(too_many_readers(readers, shares));
        }
        refuse_shard(arguments, &pipeline)?;
        let pool = ComputePool::new(0).map_err(|error| Failure::internal(&error, "start"))?;
        Ok(Self {
            pages_budget: ByteBudget::new(shares.pages_bytes),
            shares,
            run: Run {
                id: RunId::new(started_at, chance.random()),
                started_at,
                scope: Scope { selection: source::scope(&pipeline.source), shard: arguments.shard },
            },
            shard: arguments.shard,
            take_over: arguments.take_over.clone(),
            chance_seed: chance.random(),
            tally: Arc::new(Tally::default()),
            stop: stopping::on_signals("no new page, one last commit")?,
            pipeline,
            clock,
            pool,
        })
    }

    fn extract_context(&self) -> RunContext {
        RunContext {
            clock: self.clock,
            chance_seed: self.chance_seed,
            observer: Arc::clone(&self.tally) as _,
            pool: self.pool.clone(),
            pages_budget: self.pages_budget.clone(),
        }
    }

    /// How full the channels were: by how much a slower store would slow the requests down.
    fn log_peaks(&self) {
        let (peak_bytes, bound_bytes) = (self.pages_budget.peak_bytes(), self.pages_budget.total_bytes());
        tracing::debug!(name = "pages", peak_bytes, bound_bytes, "channel peak");
    }

    fn transformer(&self, now: Timestamp) -> Transformer {
        Transformer::new(TransformSettings {
            tables: self.pipeline.transform.tables.iter().copied().collect(),
            run_id: self.run.id.clone(),
            extracted_at: self.run.started_at,
            now,
        })
    }

    async fn open_lake(&self) -> Result<Loader, Failure> {
        let settings =
            LakeSettings { take_over: self.take_over.clone(), ..lake_settings(&self.pipeline, self.shares) };
        let means = Means {
            store: open_store(&self.pipeline.destination)?,
            pool: self.pool.clone(),
            clock: self.clock,
            observer: Arc::clone(&self.tally) as _,
        };
        Ok(Loader::open(means, settings, self.run.clone(), self.stop.clone()).await?)
    }
}

/// The one place where chance comes in from outside.
pub(crate) fn chance() -> Result<StdRng, Failure> {
    StdRng::try_from_rng(&mut SysRng)
        .map_err(|error| Failure::internal(&error, "draw a seed from the system"))
}

/// The store of a lake, which is made where it is missing.
pub(crate) fn open_store(destination: &Destination) -> Result<Store, Failure> {
    Ok(Store::open(&destination.store)?)
}

/// What a lake is written with.
pub(crate) fn lake_settings(pipeline: &Pipeline, shares: Shares) -> LakeSettings {
    let (destination, limits) = (&pipeline.destination, &pipeline.run);
    let compression = match destination.compression {
        Compression::Uncompressed => FileCompression::Uncompressed,
        Compression::Zstd { level } => FileCompression::Zstd(level.into()),
    };
    LakeSettings {
        tables: pipeline.transform.tables.iter().copied().collect(),
        gather_bytes: shares.gather_bytes,
        merge_bytes: shares.merge_bytes,
        known_bytes: shares.known_bytes,
        target_file_bytes: usize::try_from(destination.target_file_size.bytes()).unwrap_or(usize::MAX),
        compression,
        commit_every: limits.commit_every.as_duration(),
        publish_every: limits.publish_every.as_duration(),
        heartbeat_every: limits.heartbeat.as_duration(),
        stale_after: limits.stale_after.as_duration(),
        take_over: None,
    }
}

/// Shards are of users, and runs beside one another.
fn refuse_shard(arguments: &RunArguments, pipeline: &Pipeline) -> Result<(), Failure> {
    let (wrong, hint) = match &pipeline.source {
        _ if arguments.shard.is_none() => return Ok(()),
        Source::Files(_) => (
            "users are not known before their files are read",
            "leave out --shard, and run one pipeline file for each folder of users",
        ),
        Source::Graph(_) if pipeline.destination.store.single_writer => (
            "destination.single_writer says that nobody else writes to this lake",
            "leave out --shard, or use a store that takes conditional puts",
        ),
        Source::Graph(_) => return Ok(()),
    };
    Err(Failure::setting(&std::io::Error::other(wrong), "take --shard", hint))
}

fn too_many_readers(readers: usize, shares: Shares) -> Failure {
    let room = format!("{readers} requests at once leave {} bytes for a page", shares.page_bytes_max);
    let hint = "lower source.concurrency, or raise run.memory_limit, such as \"512MiB\"";
    Failure::setting(&std::io::Error::other(room), "share out run.memory_limit", hint)
}

pub(crate) fn read_pipeline(
    file: &Path,
    overrides: &[Override],
    now: Timestamp,
) -> Result<Pipeline, Failure> {
    let origin = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let hint = "name a pipeline file; pipelines/demo.toml needs no tenant";
        Failure::setting(&error, &format!("read the pipeline file {origin}"), hint)
    })?;
    Ok(Pipeline::from_toml(&text, &origin, overrides, now)?)
}

/// Nothing where a stop came before anything was begun.
async fn run_graph(context: &Context, source: &GraphSource) -> Result<Option<Ran>, Failure> {
    let selection = source::selection(&source.users)?;
    let shards = context.shard.map_or(1, Shard::count);
    let limits = Limits { page_bytes_max: context.shares.page_bytes_max, rate_shares: shards };
    let tenant = Tenant::connect(source, limits, context.extract_context()).await?;
    let discovery = tokio::select! {
        biased;
        () = context.stop.cancelled() => return Ok(None),
        discovery = tenant.client.discover(&selection) => discovery?,
    };
    let now = honest_now(context.clock, discovery.server_time);
    let loader = context.open_lake().await?.check_coverage(now).await?;
    let users = discovery.users.into_iter().map(|user| (user.id, user.profile));
    let users = users.map(|(user, profile)| (Owner { tenant: tenant.id, user }, profile));
    let users = users.filter(|(owner, _)| context.shard.is_none_or(|shard| shard.holds(owner)));
    let plans = plan(loader.books(), users, wanted(source, now));
    context.tally.observe(&Event::UsersFound { users: plans.len() as u64 });
    let loader = loader.check_users(plans.iter().map(|plan| &plan.owner)).await?;
    let (client, stop) = (tenant.client.clone(), context.stop.clone());
    let extract = |pages| async move { client.extract(plans, pages, stop).await };
    let transformer = context.transformer(now);
    let ended = topology::flow(extract, transformer, loader, context.pool.clone()).await;
    tenant.disconnect().await;
    let unresolved = discovery.unresolved.iter().map(name_unresolved).collect();
    Ok(Some(Ran { ended, unresolved }))
}

async fn run_files(context: &Context, source: &settings::FilesSource) -> Result<Option<Ran>, Failure> {
    let files = source::open_files(source, context.shares.page_bytes_max, context.extract_context())?;
    let found = files.list().await?;
    let now = Timestamp::from_micros(context.clock.now_micros());
    let loader = context.open_lake().await?;
    let new = found.into_iter().filter(|file| !loader.books().has_file(source.tenant_id, file));
    let slices: Vec<Arc<Slice>> =
        new.zip(0..).map(|(file, id)| slice(id, source.tenant_id, SliceScope::File(file))).collect();
    let stop = context.stop.clone();
    let extract = |pages| async move { files.extract(slices, pages, stop).await };
    let transformer = context.transformer(now);
    let ended = topology::flow(extract, transformer, loader, context.pool.clone()).await;
    Ok(Some(Ran { ended, unresolved: Vec::new() }))
}

/// The earlier of the local clock and Graph's: a clock that runs ahead must not cover what is yet to come.
fn honest_now(clock: Clock, server_time: Option<Timestamp>) -> Timestamp {
    let local = Timestamp::from_micros(clock.now_micros());
    let Some(server) = server_time else { return local };
    let skew_micros = local.micros().abs_diff(server.micros());
    if skew_micros > CLOCK_SKEW_MICROS_MAX.unsigned_abs() {
        tracing::warn!("the clock of this machine is off by {} s against Graph's", skew_micros / 1_000_000);
    }
    local.min(server)
}

fn wanted(source: &GraphSource, now: Timestamp) -> Wanted {
    let start = match source.start {
        Start::At(_) => WantedStart::At(source.start.resolve(now)),
        Start::Back(_) => WantedStart::OfNewUsers(source.start.resolve(now)),
    };
    Wanted {
        start,
        end: now.saturating_add_micros(-source.settle_lag.as_micros()),
        lookback_micros: source.lookback.as_micros(),
    }
}

/// What to ask of each user: a slice for every window that is missing or to be looked at again.
fn plan(books: &Books, users: impl Iterator<Item = (Owner, UserProfile)>, wanted: Wanted) -> Vec<UserPlan> {
    let mut ids = 0..;
    let plans = users.map(|(owner, profile)| {
        let windows = books.windows_to_ask(&owner, wanted).into_iter().zip(ids.by_ref());
        let history = |window| SliceScope::History { owner, window };
        let slices = windows.map(|(window, id)| slice(id, owner.tenant, history(window))).collect();
        UserPlan { owner, profile, slices }
    });
    plans.collect()
}

fn slice(id: u32, tenant: TenantId, scope: SliceScope) -> Arc<Slice> {
    Arc::new(Slice { id: SliceId(id), tenant, scope })
}

fn name_unresolved(unresolved: &Unresolved) -> String {
    let name = match &unresolved.user {
        UserRef::Id(id) => id.to_string(),
        UserRef::PrincipalName(name) => name.clone(),
    };
    format!("{name} (HTTP {})", unresolved.http_status)
}
