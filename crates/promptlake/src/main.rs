//! promptlake: every Microsoft 365 Copilot prompt and response of a tenant, as partitioned Parquet in a lake.

mod allocator;
mod audit;
mod check;
mod cli;
mod credential;
mod emulate;
mod ending;
mod failure;
mod forecast;
mod init;
mod lake;
mod lake_source;
mod log_lines;
mod memory;
mod metrics;
mod plan;
mod progress;
mod report;
mod resident;
mod run;
mod schema;
mod settings;
mod source;
mod stage_waits;
mod status;
mod stdout;
mod stopping;
mod summary;
mod tally;
mod tenants;
mod terminal;
mod topology;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Run(_) | Command::Audit(_)) {
        allocator::settle();
    }
    let outcome = log_lines::start(cli.log).and_then(|()| start(cli.command));
    outcome.map_or_else(
        |failure| {
            log_lines::tell_failure(&failure);
            failure.exit_code()
        },
        Outcome::exit_code,
    )
}

fn start(command: Command) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(&error, "start the I/O threads"))?;
    match command {
        Command::Init(arguments) => init::init(&arguments),
        Command::Run(arguments) => runtime.block_on(run::run(arguments)),
        Command::Check(arguments) => runtime.block_on(check::check(arguments)),
        Command::Plan(arguments) => runtime.block_on(forecast::forecast(arguments)),
        Command::Status(arguments) => runtime.block_on(status::status(arguments)),
        Command::Verify(arguments) => runtime.block_on(verify::verify(arguments)),
        Command::Audit(arguments) => runtime.block_on(audit::audit(arguments)),
        Command::Schema(command) => runtime.block_on(schema::schema(command)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "promptlake", &mut script);
            stdout::print(String::from_utf8_lossy(&script));
            Ok(Outcome::Done)
        }
        Command::Man => manual(),
        Command::Emulate(arguments) => runtime.block_on(emulate::emulate(arguments)),
    }
}

/// The manual page, with all commands in it.
fn manual() -> Result<Outcome, Failure> {
    let mut page = Vec::new();
    let mut render = |command: clap::Command| clap_mangen::Man::new(command).render(&mut page);
    let unwritten = |error| Failure::internal(&error, "write the manual page");
    let mut command = Cli::command();
    command.build();
    render(command).map_err(unwritten)?;
    stdout::print(String::from_utf8_lossy(&page));
    Ok(Outcome::Done)
}
