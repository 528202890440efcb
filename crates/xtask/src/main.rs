//! Developer commands: `cargo ci` is the one that says whether a change may land.

mod ci;
mod fuzz;
mod schemas;
mod test_programs;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of promptlake.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the checks need, then run every check and every test, with the time of each step.
    Ci {
        /// Sample densely what is otherwise sampled with fixed seeds: more kill moments, a larger memory run, and
        /// the checks whose tools take minutes to build.
        #[arg(long)]
        full: bool,
    },
    /// Try inputs that nobody thought of, led by the code that they reach, on each target of `fuzz/`.
    Fuzz {
        /// How long each target is tried.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// These alone.
        targets: Vec<String>,
    },
    /// Write the files under `schemas/`, and the page about tables in `docs/`, from the code; or with `--check` say which
    /// differ.
    Schemas {
        /// Change nothing; fail where a file differs.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Ci { full } => ci::run(full),
        Command::Fuzz { seconds, targets } => fuzz::run(seconds, &targets),
        Command::Schemas { check: true } => schemas::check(),
        Command::Schemas { check: false } => schemas::write(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or_else(|| here.clone(), PathBuf::from)
}
