//! promptlake: every Microsoft 365 Copilot prompt and response of a tenant, as partitioned Parquet in a lake.

mod cli;
mod emulate;
mod failure;
mod lake;
mod memory;
mod progress;
mod run;
mod settings;
mod source;
mod status;
mod stopping;
mod summary;
mod tally;
mod topology;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let outcome = start(cli.command);
    match outcome {
        Ok(outcome) => outcome.exit_code(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn start(command: Command) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(&error, "start the I/O threads"))?;
    match command {
        Command::Run(arguments) => runtime.block_on(run::run(arguments)),
        Command::Status(arguments) => runtime.block_on(status::status(arguments)),
        Command::Verify(arguments) => runtime.block_on(verify::verify(arguments)),
        Command::Emulate(arguments) => runtime.block_on(emulate::emulate(arguments)),
    }
}

/// Warnings to standard error; more of them with `PROMPTLAKE_LOG=debug`.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PROMPTLAKE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
