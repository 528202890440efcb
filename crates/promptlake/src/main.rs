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
mod phrases;
mod plan;
mod progress;
mod report;
mod resident;
mod run;
mod schema;
mod settings;
mod shell;
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
use std::time::Duration;

use clap::{CommandFactory, Parser};
use tokio::runtime::Runtime;

use cli::{Cli, Command};
use failure::{Failure, Outcome};

/// What the end of a process waits for what still blocks: a file system or a name server that does not answer may do so for
/// ever, and nobody waits for what it would say.
const BLOCKED_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Run(_) | Command::Audit(_)) {
        allocator::settle();
    }
    let outcome = log_lines::start(cli.log).and_then(|()| start(cli.command));
    let outcome = outcome.and_then(|outcome| stdout::is_whole().map(|()| outcome));
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
    let outcome = perform(command, &runtime);
    runtime.shutdown_timeout(BLOCKED_MAX);
    outcome
}

fn perform(command: Command, runtime: &Runtime) -> Result<Outcome, Failure> {
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
        Command::Man => print_manual(),
        Command::Emulate(arguments) => runtime.block_on(emulate::emulate(arguments)),
    }
}

fn print_manual() -> Result<Outcome, Failure> {
    let page = manual().map_err(|error| Failure::internal(&error, "write the manual page"))?;
    stdout::print(page);
    Ok(Outcome::Done)
}

/// The manual page: that of the program, and behind it a chapter for each command with all that it takes.
fn manual() -> std::io::Result<String> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).replace(".SH EXTRA\n", ".SH \"EXIT STATUS\"\n");
    for command in command.get_subcommands() {
        // They have no pages of their own.
        let name = command.get_name();
        page = page.replace(&format!("promptlake\\-{name}(1)"), &format!("promptlake {name}"));
    }
    write_chapters(&command, &mut page)?;
    Ok(page)
}

fn write_chapters(command: &clap::Command, page: &mut String) -> std::io::Result<()> {
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_display_name().unwrap_or(command.get_name()).replace('-', " ");
        let man = clap_mangen::Man::new(command.clone());
        let mut chapter = Vec::new();
        man.render_synopsis_section(&mut chapter)?;
        man.render_description_section(&mut chapter)?;
        man.render_options_section(&mut chapter)?;
        // What is a section of a page of its own, is a part of a chapter.
        let chapter = String::from_utf8_lossy(&chapter).replace(".SH ", ".SS ");
        page.extend([".SH \"", &name.to_uppercase(), "\"\n", &chapter]);
        write_chapters(command, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_has_all(page: &str, command: &clap::Command) {
        for argument in command.get_arguments() {
            if let Some(long) = argument.get_long() {
                let flag = format!("\\-\\-{}", long.replace('-', "\\-"));
                assert!(page.contains(&flag), "{}: --{long}", command.get_name());
            }
        }
        command.get_subcommands().for_each(|command| assert_has_all(page, command));
    }

    #[test]
    fn the_manual_has_every_option_of_every_command() {
        let page = manual().unwrap();
        let mut command = Cli::command();
        command.build();
        assert_has_all(&page, &command);
        assert!(!page.contains("(1)\n"), "there is no page beside this one");
        for chapter in ["EXIT STATUS", "PROMPTLAKE RUN", "PROMPTLAKE SCHEMA DUCKDB"] {
            assert!(page.contains(&format!(".SH \"{chapter}\"\n")), "{chapter}");
        }
    }
}
