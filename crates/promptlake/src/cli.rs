//! What can be typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};
use graph_emulator::Permission;
use promptlake_load::{SampleSize, Shard};
use promptlake_model::{Day, RunId, SCHEMA_VERSION, Table, Window};

use crate::log_lines::LogFormat;
use crate::progress::ProgressMode;
use crate::schema::LakeArgument;
use crate::settings::Override;

/// What every command ends with, as `--help` and the README say it.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a defect of promptlake
  2    bad settings or arguments
  3    done, but some users or files could not be read to the end; they are
       asked again next time
  4    not allowed: a wrong secret, a missing permission or consent, no licence
  5    the source failed
  6    the destination failed, or another run is writing to it
  7    verify found something that is not as the ledger says, or audit a record
       that the lake lacks
  130  interrupted; what was read is committed, and the next run publishes it
       and asks for the rest";

/// The version, the commit that it was built from, and the version of the tables.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let commit = match env!("PROMPTLAKE_BUILT_FROM") {
            "" => "no release".to_owned(),
            commit => format!("commit {commit}"),
        };
        format!("{} ({commit}, schema {SCHEMA_VERSION})", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}

/// Every Microsoft 365 Copilot prompt and response of a tenant, as partitioned Parquet.
#[derive(Debug, Parser)]
#[command(name = "promptlake", version = version(), after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What log lines look like; `PROMPTLAKE_LOG` says which: error, warn, info (default), debug, trace.
    #[arg(
        long,
        global = true,
        value_enum,
        env = "PROMPTLAKE_LOG_FORMAT",
        default_value_t,
        hide_env_values = true
    )]
    pub(crate) log: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented pipeline file; asks on a terminal for what no argument says.
    Init(InitArguments),
    /// Bring what is new into the lake.
    Run(RunArguments),
    /// Try everything that a run needs, and say of what is missing what to do. Reads nothing into the lake.
    Check(CheckArguments),
    /// Say what a run would ask for, and how long that takes at the limit. Asks for no interaction.
    Plan(PlanArguments),
    /// Say what the lake holds, how far it is behind, and how its runs stand. Changes nothing.
    Status(StatusArguments),
    /// Check every file of the lake against the ledger: sizes, checksums, columns, rows that are there twice.
    Verify(VerifyArguments),
    /// Ask Graph again for a sample of what is covered, and say what the lake lacks of it.
    Audit(AuditArguments),
    /// Print what the tables and the pipeline file are: for editors, for DuckDB, for Spark, for programs.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Serve a made-up tenant that behaves like Microsoft Graph, on this machine alone.
    Emulate(EmulateArguments),
    /// Print a script that completes commands and options in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page: `promptlake man | man -l -`.
    Man,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// The JSON Schema of the pipeline file, for editors.
    Pipeline,
    /// The columns of a table, or of all of them, as JSON.
    Tables {
        /// The table, such as interactions.
        #[arg(value_parser = table)]
        table: Option<Table>,
    },
    /// SQL that makes views of the tables: `promptlake schema duckdb ./lake | duckdb my.db`. The view of a table that has no file
    /// yet stays empty: make them again once it has one.
    Duckdb {
        /// A folder, the URL of a bucket, or a pipeline file. Without one, the views are of the variable `lake`.
        lake: Option<LakeArgument>,
    },
    /// SQL that makes tables of Spark: `promptlake schema spark ./lake > lake.sql; spark-sql -f lake.sql`.
    Spark {
        /// A folder, the URL of a bucket, or a pipeline file. Without one, the tables are of the configuration `lake`.
        lake: Option<LakeArgument>,
    },
}

fn table(name: &str) -> Result<Table, String> {
    let names = Table::ALL.map(Table::name).join(", ");
    Table::ALL.into_iter().find(|table| table.name() == name).ok_or_else(|| format!("write one of {names}"))
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The pipeline file to write.
    #[arg(default_value = "promptlake.toml")]
    pub(crate) file: PathBuf,
    /// The directory (tenant) id of the app registration.
    #[arg(long, value_name = "GUID")]
    pub(crate) tenant_id: Option<String>,
    /// The application (client) id of the app registration.
    #[arg(long, value_name = "GUID")]
    pub(crate) client_id: Option<String>,
    /// How the app proves who it is: `client_secret` (default), `certificate`, `workload_identity`, `managed_identity` or
    /// `token`. The secret itself is never asked for.
    #[arg(long, value_name = "KIND")]
    pub(crate) credential: Option<String>,
    /// Whose history is asked for: `licensed` (default), the object id of a group, or a CSV file with a column id or
    /// userPrincipalName.
    #[arg(long, value_name = "licensed|GUID|FILE.csv")]
    pub(crate) users: Option<String>,
    /// Where the history of a new user begins: a date such as 2025-01-01, or a duration back from now such as 30d
    /// (default).
    #[arg(long, value_name = "DATE|DURATION")]
    pub(crate) start: Option<String>,
    /// Where the lake shall be: a folder (default: ./copilot-lake, or ./emulator-lake with --emulator) or the URL of a bucket.
    #[arg(long, value_name = "URL")]
    pub(crate) destination: Option<String>,
    /// Write a file that reads what `promptlake emulate` serves, and ask nothing.
    #[arg(long, conflicts_with_all = ["tenant_id", "client_id", "credential", "users", "start"])]
    pub(crate) emulator: bool,
    /// Replace the file where it is there already.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which pipeline a command is about.
#[derive(Debug, Args)]
pub(crate) struct PipelineArguments {
    /// The pipeline file.
    pub(crate) file: PathBuf,
    /// Set any value of the file, such as `--set destination.url=./lake`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<Override>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// Read one share of the users, such as `0/3`: an array of jobs fills one lake together, each at its share of
    /// `source.requests_per_second`.
    #[arg(long, value_name = "INDEX/COUNT")]
    pub(crate) shard: Option<Shard>,
    /// Ask again for what is covered between two days, such as `2025-01-01..2025-03-01`, beside what is new. Prints how
    /// many records of which user and day the lake lacked.
    #[arg(long, value_name = "FROM..TO", value_parser = days)]
    pub(crate) reread: Option<Window>,
    /// Give up a run that has ended, though its heartbeat is not stale yet.
    #[arg(long, value_name = "RUN_ID", value_parser = run_id)]
    pub(crate) take_over: Option<RunId>,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) progress: ProgressMode,
    /// Write what came of the run to a file, as JSON with the fields that schemas/report.md documents. The lake has it as
    /// well, as `_promptlake/reports/<run id>.json`.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

impl RunArguments {
    /// A run that shows nothing, of which another command needs what it begins with.
    pub(crate) fn silent(pipeline: PipelineArguments) -> Self {
        let progress = ProgressMode::Off;
        Self { pipeline, shard: None, reread: None, take_over: None, progress, report: None }
    }
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// Print JSON, with the fields that schemas/status.md documents.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// What one of several runs would ask for, such as `0/3`.
    #[arg(long, value_name = "INDEX/COUNT")]
    pub(crate) shard: Option<Shard>,
    /// What a run with `--reread` would ask for.
    #[arg(long, value_name = "FROM..TO", value_parser = days)]
    pub(crate) reread: Option<Window>,
    /// Print JSON, with the fields that schemas/status.md documents.
    #[arg(long)]
    pub(crate) json: bool,
}

fn days(text: &str) -> Result<Window, String> {
    let window = text.split_once("..").and_then(|(from, to)| {
        let (from, to) = (Day::parse(from)?, Day::parse(to)?);
        Window::new(from.start(), to.start())
    });
    window.ok_or_else(|| {
        "write two days, of which the second is not included: 2025-01-01..2025-03-01".to_owned()
    })
}

fn run_id(text: &str) -> Result<RunId, String> {
    RunId::parse(text).ok_or_else(|| "write a run id, such as 20260102T030405Z-00000000000000ff".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// Print JSON: all runs, and the fields that schemas/status.md documents.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// Finish what runs that have ended left, and delete what they only staged, as the start of a run does. Never
    /// deletes a file that promptlake did not write.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Print JSON, with the fields that schemas/status.md documents.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// How many user-weeks of what is covered are asked for again, each for a request or two; `all` for everything, in
    /// lists as long as those of a first run.
    #[arg(long, value_name = "N|all", default_value = "1000", value_parser = sample_size)]
    pub(crate) sample: SampleSize,
    /// Where the sample comes from: a seed draws the same user-weeks again. Without one it is drawn by chance, and said.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Put into the lake what it lacks of the sample, as a run does.
    #[arg(long)]
    pub(crate) repair: bool,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) progress: ProgressMode,
}

/// An hour's work at the rate of a tenant: beyond it, `all` asks for more with fewer requests.
const USER_WEEKS_MAX: usize = 100_000;

fn sample_size(text: &str) -> Result<SampleSize, String> {
    if text == "all" {
        return Ok(SampleSize::All);
    }
    let weeks = text.parse().ok().filter(|weeks: &NonZeroUsize| weeks.get() <= USER_WEEKS_MAX);
    let weeks = weeks.map(SampleSize::UserWeeks);
    weeks.ok_or_else(|| format!("write a number from 1 to {USER_WEEKS_MAX}, or all"))
}

/// Where the emulator listens unless it is told otherwise; a file that `init` writes for it names this port.
pub(crate) const EMULATOR_PORT: u16 = 8365;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct EmulateArguments {
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = EMULATOR_PORT)]
    pub(crate) port: u16,
    /// Where all chance comes from: the same seed is the same tenant.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Users of the tenant.
    #[arg(long, default_value_t = 100)]
    pub(crate) users: u32,
    /// Interactions over all users.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) interactions: u64,
    /// Requests a second before it answers 429, and fifty times as many in a minute; 0 for no limit.
    #[arg(long, default_value_t = 30)]
    pub(crate) requests_per_second: u32,
    /// The share of answers about interactions that go wrong, such as 0.2: throttled, refused, cut, stalled, reset.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) faults: f64,
    /// The share of users that answer 500, whatever is asked.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) broken_users: f64,
    /// Answer 400 to every filter by date, as some tenants do.
    #[arg(long)]
    pub(crate) reject_date_filters: bool,
    /// A permission that the app has not been granted, such as User.Read.All.
    #[arg(long, value_name = "NAME", value_parser = permission)]
    pub(crate) without_permission: Vec<Permission>,
    /// No subscription of the tenant contains Copilot.
    #[arg(long)]
    pub(crate) without_copilot: bool,
    /// Compress answers for who accepts it.
    #[arg(long)]
    pub(crate) gzip: bool,
    /// How many seconds a token is good.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_599)]
    pub(crate) token_lifetime: u64,
    /// Print how many rows each table must have, as JSON, and end.
    #[arg(long)]
    pub(crate) totals: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a share from 0 to 1, such as 0.2".to_owned())
}

fn permission(name: &str) -> Result<Permission, String> {
    let names = Permission::ALL.map(Permission::name).join(", ");
    Permission::named(name).ok_or_else(|| format!("write one of {names}"))
}
