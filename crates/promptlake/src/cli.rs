//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use promptlake_load::Shard;
use promptlake_model::RunId;

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
  7    verify found something that is not as the ledger says
  130  interrupted; what was read is committed, and the next run publishes it
       and asks for the rest";

/// Every Microsoft 365 Copilot prompt and response of a tenant, as partitioned Parquet.
#[derive(Debug, Parser)]
#[command(name = "promptlake", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring what is new into the lake.
    Run(RunArguments),
    /// Say what the lake holds, how far it is behind, and how its runs stand. Changes nothing.
    Status(StatusArguments),
    /// Check every file of the lake against the ledger: sizes, checksums, columns, rows that are there twice.
    Verify(VerifyArguments),
    /// Serve a made-up tenant that behaves like Microsoft Graph, on this machine alone.
    Emulate(EmulateArguments),
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RunArguments {
    /// The pipeline file.
    pub(crate) file: PathBuf,
    /// Set any value of the file, such as `--set destination.url=./lake`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<Override>,
    /// Read one share of the users, such as `0/3`: an array of jobs fills one lake together, each at its share of
    /// `source.requests_per_second`.
    #[arg(long, value_name = "INDEX/COUNT")]
    pub(crate) shard: Option<Shard>,
    /// Give up a run that has ended, though its heartbeat is not stale yet.
    #[arg(long, value_name = "RUN_ID", value_parser = run_id)]
    pub(crate) take_over: Option<RunId>,
}

fn run_id(text: &str) -> Result<RunId, String> {
    RunId::parse(text).ok_or_else(|| "write a run id, such as 20260102T030405Z-00000000000000ff".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct StatusArguments {
    /// The pipeline file: its destination is the lake.
    pub(crate) file: PathBuf,
    /// Set any value of the file, such as `--set destination.url=./lake`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<Override>,
    /// Print JSON: all runs, and the fields that schemas/status.md documents.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct VerifyArguments {
    /// The pipeline file: its destination is the lake.
    pub(crate) file: PathBuf,
    /// Set any value of the file, such as `--set destination.url=./lake`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<Override>,
    /// Finish what runs that have ended left, and delete what they only staged, as the start of a run does. Never
    /// deletes a file that promptlake did not write.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Print JSON, with the fields that schemas/status.md documents.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EmulateArguments {
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 8365)]
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
    /// Requests a second before it answers 429; 0 for no limit.
    #[arg(long, default_value_t = 30)]
    pub(crate) requests_per_second: u32,
    /// Print how many rows each table must have, as JSON, and end.
    #[arg(long)]
    pub(crate) totals: bool,
}
