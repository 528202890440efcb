//! promptlake: every Microsoft 365 Copilot prompt and response of a tenant, as partitioned Parquet in a lake.

mod allocator;
mod audit;
mod cli;
mod credential;
mod emulate;
mod failure;
mod lake;
mod lake_source;
mod memory;
mod plan;
mod progress;
mod run;
mod settings;
mod source;
mod status;
mod stdout;
mod stopping;
mod summary;
mod tally;
mod tenants;
mod topology;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::prelude::*;

use clap::Parser;

use cli::{Cli, Command};
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Run(_) | Command::Audit(_)) {
        allocator::settle();
    }
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
        Command::Audit(arguments) => runtime.block_on(audit::audit(arguments)),
        Command::Schema => {
            stdout::print(format_args!("{:#}\n", settings::json_schema()));
            Ok(Outcome::Done)
        }
        Command::Emulate(arguments) => runtime.block_on(emulate::emulate(arguments)),
    }
}

/// Warnings to standard error; more of them with `PROMPTLAKE_LOG=debug`.
///
/// Of libraries nothing below a warning, whatever is asked for: they log headers and URLs, which hold tokens.
fn start_logging() {
    let filter = EnvFilter::try_from_env("PROMPTLAKE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let own = filter_fn(|metadata| {
        metadata.target().starts_with("promptlake") || *metadata.level() <= tracing::Level::WARN
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    // Colours are for people: a file that the lines go to is searched.
    let lines = lines.with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    tracing_subscriber::registry().with(lines.with_filter(own)).with(filter).init();
}
