//! `promptlake run`: settings to a source and a lake, the flow between them, and what there is to say about it.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use promptlake_extract::{RunContext, UserRef};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Event, Observer};
use promptlake_load::{
    FileCompression, Lacking, LakeSettings, Loaded, Loader, Means, Run, Scope, Shard, Store,
};
use promptlake_model::{RunId, Slice, SliceIds, SliceScope, Timestamp, Window};
use promptlake_transform::{TransformSettings, Transformer};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::cli::{PipelineArguments, RunArguments};
use crate::failure::{Failure, Outcome};
use crate::lake_source::LakeReader;
use crate::log_lines;
use crate::memory::Shares;
use crate::plan;
use crate::progress::{Bounds, Progress, ProgressMode};
use crate::settings::{self, Compression, Destination, GraphSource, Pipeline, Source};
use crate::shell;
use crate::source::{self, Limits};
use crate::stage_waits::StageWaits;
use crate::stdout;
use crate::stopping;
use crate::summary::Summary;
use crate::tally::Tally;
use crate::tenants::{Plans, Populated, Tenants};
use crate::topology::{self, Ended};

/// How far the local clock may be off before it is said: windows end by the earlier of the two clocks.
pub(crate) const CLOCK_SKEW_MICROS_MAX: i64 = 5 * 60 * 1_000_000;

/// Files are one slice each, read one after the other.
const FILE_READERS: usize = 1;

/// What comes of a run that is asked to stop.
pub(crate) const WHAT_FOLLOWS_STOP: &str = "no new page, one last commit";

/// What every part of a run shares.
pub(crate) struct Context {
    pub(crate) pipeline: Pipeline,
    pub(crate) run: Run,
    pub(crate) clock: Clock,
    pub(crate) pool: ComputePool,
    pub(crate) tally: Arc<Tally>,
    pub(crate) shares: Shares,
    /// What pages and their rows may hold, from the request that fetches them until they are gathered: the bound of
    /// both channels together.
    pages_budget: ByteBudget,
    pub(crate) waits: StageWaits,
    pub(crate) chance_seed: u64,
    pub(crate) shard: Option<Shard>,
    take_over: Option<RunId>,
    /// What of the covered windows is read again.
    pub(crate) reread: Option<Window>,
    /// Names for all slices of the run.
    pub(crate) slice_ids: SliceIds,
    pub(crate) stop: CancellationToken,
    /// What comes of a stop, in words.
    what_follows_stop: &'static str,
    progress: ProgressMode,
    /// The name of the pipeline file without its ending.
    pub(crate) pipeline_name: String,
    /// Where the report is to be written beside the lake.
    pub(crate) report_file: Option<PathBuf>,
}

/// Runs a pipeline file to its end, and says on standard error how it went.
pub(crate) async fn run(arguments: RunArguments) -> Result<Outcome, Failure> {
    let context = Context::new(&arguments, WHAT_FOLLOWS_STOP)?;
    let running = async {
        let ran = context.with_progress(async {
            match &context.pipeline.source {
                Source::Graph(sources) => Box::pin(run_graph(&context, sources)).await,
                Source::Files(source) => Box::pin(run_files(&context, source)).await,
                Source::Lake(source) => Box::pin(run_lake(&context, source)).await,
            }
        });
        context.conclude(ran.await, |summary| log_lines::tell_summary(summary, &summary.counts))
    };
    context.kept_account_of(running).await
}

/// A run whose stages have ended.
pub(crate) struct Ran {
    pub(crate) ended: Ended<Loaded>,
    pub(crate) unresolved: Vec<String>,
}

impl Ended<Loaded> {
    /// The first failure that matters: what could not be stored comes before what could not be read.
    pub(crate) fn conclude(self, summary: &Summary) -> Result<Outcome, Failure> {
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
    pub(crate) fn new(arguments: &RunArguments, what_follows_stop: &'static str) -> Result<Self, Failure> {
        let clock = Clock::system();
        let started_at = Timestamp::from_micros(clock.now_micros());
        let pipeline = read_pipeline(&arguments.pipeline, started_at)?;
        let readers = match &pipeline.source {
            Source::Graph(sources) => sources.iter().map(|source| source.concurrency.get()).sum(),
            Source::Files(_) | Source::Lake(_) => FILE_READERS,
        };
        let mut chance = chance()?;
        let shares = Shares::of(pipeline.run.memory_limit.bytes(), readers);
        refuse_shard(arguments, &pipeline)?;
        refuse_report(arguments)?;
        let pool = ComputePool::new(0).map_err(|error| Failure::internal(&error, "start"))?;
        let waits = StageWaits::default();
        let id = RunId::new(started_at, chance.random());
        log_lines::name_run(&id);
        Ok(Self {
            pages_budget: ByteBudget::new(shares.pages_bytes).noting(waits.extract_output.clone()),
            waits,
            shares,
            run: Run {
                id,
                started_at,
                scope: Scope { selection: source::scope(&pipeline.source), shard: arguments.shard },
            },
            shard: arguments.shard,
            take_over: arguments.take_over.clone(),
            reread: arguments.reread,
            slice_ids: SliceIds::default(),
            chance_seed: chance.random(),
            tally: Arc::new(Tally::default()),
            stop: stopping::on_signals(what_follows_stop)?,
            what_follows_stop,
            progress: arguments.progress,
            pipeline_name: name_of(&arguments.pipeline.file),
            report_file: arguments.report.clone(),
            pipeline,
            clock,
            pool,
        })
    }

    /// Does the work of a command with its progress shown, within the time that it may take.
    pub(crate) async fn with_progress<T>(&self, work: impl Future<Output = T>) -> T {
        let bounds = Bounds {
            requests_per_second: self.requests_per_second(),
            memory_limit_bytes: self.pipeline.run.memory_limit.bytes(),
        };
        let progress = Progress::start(self.progress, Arc::clone(&self.tally), self.clock, bounds);
        let done = tokio::select! {
            done = work => done,
            never = self.stop_at_deadline() => match never {},
        };
        progress.finish().await;
        self.log_peaks();
        done
    }

    /// What all tenants together sustain, as this run shares in it.
    fn requests_per_second(&self) -> Option<f64> {
        let Source::Graph(sources) = &self.pipeline.source else { return None };
        let whole: f64 = sources.iter().map(|source| source.requests_per_second.per_second()).sum();
        Some(whole / f64::from(self.shard.map_or(1, Shard::count)))
    }

    /// What there is to say by now.
    pub(crate) fn summary(&self, loaded: Option<Loaded>, unresolved: Vec<String>) -> Summary {
        Summary {
            counts: self.tally.counts(),
            took: self.clock.elapsed(),
            lake: self.pipeline.destination.store.location.in_duckdb(),
            command: shell::typed_command(),
            loaded,
            unresolved,
        }
    }

    pub(crate) fn tell_users_found(&self, plans: &Plans) {
        self.tally.observe(&Event::UsersFound { users: plans.users() as u64 });
    }

    pub(crate) fn extract_context(&self) -> RunContext {
        RunContext {
            clock: self.clock,
            chance_seed: self.chance_seed,
            observer: Arc::clone(&self.tally) as _,
            pool: self.pool.clone(),
            slice_ids: self.slice_ids.clone(),
            pages_budget: self.pages_budget.clone(),
        }
    }

    /// Stops the run once its time is over, as a signal would. Has no end of its own.
    async fn stop_at_deadline(&self) -> Infallible {
        if let Some(deadline) = self.pipeline.run.deadline {
            tokio::time::sleep(deadline.as_duration().saturating_sub(self.clock.elapsed())).await;
            let what_follows = self.what_follows_stop;
            log_lines::tell(format_args!("stopping: run.deadline, {deadline}, is over; {what_follows}"));
            self.stop.cancel();
        }
        std::future::pending().await
    }

    /// How full the channels were: by how much a slower store would slow the requests down.
    fn log_peaks(&self) {
        let (peak_bytes, bound_bytes) = (self.pages_budget.peak_bytes(), self.pages_budget.total_bytes());
        tracing::debug!(name = "pages", peak_bytes, bound_bytes, "channel peak");
    }

    pub(crate) fn transformer(&self, now: Timestamp) -> Transformer {
        Transformer::new(TransformSettings {
            tables: self.pipeline.transform.tables.iter().copied().collect(),
            content: self.pipeline.transform.content,
            run_id: self.run.id.clone(),
            extracted_at: self.run.started_at,
            now,
        })
    }

    pub(crate) fn means(&self) -> Result<Means, Failure> {
        Ok(Means {
            store: open_store(&self.pipeline.destination)?,
            pool: self.pool.clone(),
            clock: self.clock,
            observer: Arc::clone(&self.tally) as _,
        })
    }

    pub(crate) async fn open_lake(&self) -> Result<Loader, Failure> {
        let settings =
            LakeSettings { take_over: self.take_over.clone(), ..lake_settings(&self.pipeline, self.shares) };
        Ok(Loader::open(self.means()?, settings, self.run.clone(), self.stop.clone()).await?)
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

/// That there is no folder for a report is said before a run, not after hours of it.
fn refuse_report(arguments: &RunArguments) -> Result<(), Failure> {
    let Some(file) = &arguments.report else { return Ok(()) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_none_or(Path::is_dir) {
        return Ok(());
    }
    let error = std::io::Error::from(std::io::ErrorKind::NotFound);
    Err(Failure::setting(&error, &format!("take --report {}", file.display()), "make its folder first"))
}

/// What a pipeline is called by: its file without folder and ending.
fn name_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| file.to_string_lossy(), OsStr::to_string_lossy).into_owned()
}

/// Shards are of users, and runs beside one another.
fn refuse_shard(arguments: &RunArguments, pipeline: &Pipeline) -> Result<(), Failure> {
    let (wrong, hint) = match &pipeline.source {
        _ if arguments.shard.is_none() => return Ok(()),
        Source::Files(_) | Source::Lake(_) => (
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

pub(crate) fn read_pipeline(arguments: &PipelineArguments, now: Timestamp) -> Result<Pipeline, Failure> {
    let PipelineArguments { file, overrides } = arguments;
    let origin = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let hint = "name a pipeline file; pipelines/demo.toml needs no tenant";
        Failure::setting(&error, &format!("read the pipeline file {origin}"), hint)
    })?;
    Ok(Pipeline::from_toml(&text, &origin, overrides, now)?)
}

/// Connects to the tenants and finds their users. Nothing where a stop came first.
pub(crate) async fn find_users<'a>(
    context: &Context,
    sources: &'a [GraphSource],
) -> Result<Option<Populated<'a>>, Failure> {
    let shards = context.shard.map_or(1, Shard::count);
    let Shares { page_bytes_max, readers, .. } = context.shares;
    if sources.len() > readers {
        let wrong =
            format!("{} tenants are read at once, and it has room for {readers} requests", sources.len());
        let hint = "raise run.memory_limit, or read fewer tenants in one run";
        return Err(Failure::setting(&std::io::Error::other(wrong), "share out run.memory_limit", hint));
    }
    // Memory has room for so many requests of all tenants together.
    let at_once_max = (readers / sources.len()).max(1);
    let limits = Limits { page_bytes_max, at_once_max, rate_shares: shards };
    let tenants = Tenants::connect(sources, limits, &context.extract_context()).await?;
    tokio::select! {
        biased;
        () = context.stop.cancelled() => Ok(None),
        populated = tenants.discover() => Ok(Some(populated?)),
    }
}

/// Nothing where a stop came before anything was begun.
async fn run_graph(context: &Context, sources: &[GraphSource]) -> Result<Option<Ran>, Failure> {
    let Some(mut tenants) = find_users(context, sources).await? else { return Ok(None) };
    let now = honest_now(context.clock, tenants.server_time());
    let loader = context.open_lake().await?.check_coverage(now).await?;
    let plans = tenants.plan(loader.books(), context.shard, (now, context.reread), &context.slice_ids);
    // Who asks for something again wants to know what it brought.
    let tell_late = |late| {
        if context.reread.is_some() {
            stdout::print_by_day(late);
        }
    };
    read_into(context, Reading { tenants, plans, loader, now }, tell_late).await.map(Some)
}

/// What is to be read, and where it goes.
pub(crate) struct Reading<'a> {
    pub(crate) tenants: Populated<'a>,
    pub(crate) plans: Plans,
    pub(crate) loader: Loader,
    pub(crate) now: Timestamp,
}

/// Reads plans of Graph into the lake. What came late is told of, user by user.
pub(crate) async fn read_into(
    context: &Context,
    Reading { tenants, plans, loader, now }: Reading<'_>,
    tell_late: impl FnMut(Lacking),
) -> Result<Ran, Failure> {
    context.tell_users_found(&plans);
    let loader = loader.check_users(plans.owners()).await?;
    let unresolved = name_unresolved(&tenants);
    let stop = context.stop.clone();
    let extract = |pages| tenants.extract(plans, pages, stop);
    let load = |rows| loader.run(rows, tell_late);
    let ended =
        topology::flow(extract, context.transformer(now), load, context.pool.clone(), &context.waits).await;
    Ok(Ran { ended, unresolved })
}

async fn run_files(context: &Context, source: &settings::FilesSource) -> Result<Option<Ran>, Failure> {
    let files = source::open_files(source, context.shares.page_bytes_max, context.extract_context())?;
    let found = files.list().await?;
    let now = Timestamp::from_micros(context.clock.now_micros());
    let loader = context.open_lake().await?;
    let new = found.into_iter().filter(|file| !loader.books().has_file(source.tenant_id, file));
    let slices: Vec<Arc<Slice>> =
        new.map(|file| plan::slice(&context.slice_ids, source.tenant_id, SliceScope::File(file))).collect();
    let stop = context.stop.clone();
    let extract = |pages| async move { files.extract(slices, pages, stop).await };
    let transformer = context.transformer(now);
    let load = |rows| loader.run(rows, drop);
    let ended = topology::flow(extract, transformer, load, context.pool.clone(), &context.waits).await;
    Ok(Some(Ran { ended, unresolved: Vec::new() }))
}

async fn run_lake(context: &Context, source: &settings::LakeSource) -> Result<Option<Ran>, Failure> {
    let reader = LakeReader::new(Store::open(&source.store)?, context.extract_context());
    let found = reader.list().await?;
    let now = Timestamp::from_micros(context.clock.now_micros());
    let loader = context.open_lake().await?;
    let new = found.into_iter().filter(|file| !loader.books().has_file(LakeReader::TENANT, file));
    let slices: Vec<Arc<Slice>> =
        new.map(|file| plan::slice(&context.slice_ids, LakeReader::TENANT, SliceScope::File(file))).collect();
    let extract = |pages| reader.extract(slices, pages, context.stop.clone());
    let load = |rows| loader.run(rows, drop);
    let ended =
        topology::flow(extract, context.transformer(now), load, context.pool.clone(), &context.waits).await;
    Ok(Some(Ran { ended, unresolved: Vec::new() }))
}

/// The earlier of the local clock and Graph's: a clock that runs ahead must not cover what is yet to come.
pub(crate) fn honest_now(clock: Clock, server_time: Option<Timestamp>) -> Timestamp {
    let local = Timestamp::from_micros(clock.now_micros());
    let Some(server) = server_time else { return local };
    let skew_micros = local.micros().abs_diff(server.micros());
    if skew_micros > CLOCK_SKEW_MICROS_MAX.unsigned_abs() {
        tracing::warn!("the clock of this machine is off by {} s against Graph's", skew_micros / 1_000_000);
    }
    local.min(server)
}

/// The names that nobody goes by, each with what was answered.
pub(crate) fn name_unresolved(tenants: &Populated<'_>) -> Vec<String> {
    let named = tenants.unresolved().map(|unresolved| {
        let name = match &unresolved.user {
            UserRef::Id(id) => id.to_string(),
            UserRef::PrincipalName(name) => name.clone(),
        };
        format!("{name} (HTTP {})", unresolved.http_status)
    });
    named.collect()
}
