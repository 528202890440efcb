//! `promptlake init`: a first pipeline file, out of answers.
//!
//! ```text
//! arguments ─▶ Given ─▶ (dialogue) ─▶ Answers ─▶ text ─▶ file
//!              checked   what lacks    whole     pure
//! ```
//!
//! No secret is ever asked for: the file says where one is found, and the end says how to put it there.

mod answers;
mod dialogue;
mod next;
mod text;

#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use graph_emulator::{Tenant, TenantSpec};
use promptlake_flow::Clock;
use promptlake_model::Timestamp;

use crate::cli::{EMULATOR_PORT, InitArguments};
use crate::failure::{Failure, Outcome};
use crate::settings::Pipeline;
use crate::settings::answers::destination;
use crate::terminal;
use answers::{Answers, EmulatorAnswers, Given, SourceAnswers};
use dialogue::Dialogue;

/// Writes a pipeline file, and says what to type next.
pub(crate) fn init(arguments: &InitArguments) -> Result<Outcome, Failure> {
    let file = &arguments.file;
    let now = Timestamp::from_micros(Clock::system().now_micros());
    // Nobody shall answer six questions for nothing.
    if !arguments.force && file.symlink_metadata().is_ok() {
        return Err(unwritten(file, &ErrorKind::AlreadyExists.into()));
    }
    let answers = answers(arguments, now)?;
    let text = text::pipeline_file(file, &answers);
    let wrong = |error| Failure::internal(&error, "make a pipeline file of these answers");
    Pipeline::from_toml(&text, "the file to write", &[], now).map_err(wrong)?;
    write(file, &text, arguments.force).map_err(|error| unwritten(file, &error))?;
    terminal::say(next::steps(file, &answers));
    Ok(Outcome::Done)
}

/// What was said by arguments, and asked for where it was not.
fn answers(arguments: &InitArguments, now: Timestamp) -> Result<Answers, Failure> {
    let given = Given::of(arguments, now)?;
    if arguments.emulator {
        let location =
            given.destination.map_or_else(|| destination(answers::EMULATOR_DESTINATION_DEFAULT), Ok);
        let location = location.map_err(|error| Failure::internal(&error, "read the default destination"))?;
        return Ok(Answers { source: SourceAnswers::Emulator(emulator()?), destination: location });
    }
    let (stdin, stderr) = (io::stdin(), io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        return given.complete(&arguments.file, now);
    }
    let asking = format!("ask for what {} shall say", arguments.file.display());
    let mut dialogue = Dialogue::new(stdin.lock(), stderr.lock());
    let hint = format!("answer again, or give everything: {}", given.whole_command(&arguments.file));
    dialogue.complete(given, now).map_err(|error| Failure::setting(&error, &asking, &hint))
}

/// What `promptlake emulate` serves where nothing else is asked of it.
fn emulator() -> Result<EmulatorAnswers, Failure> {
    let tenant = Tenant::new(TenantSpec::default())
        .map_err(|error| Failure::internal(&error, "make up the tenant of the emulator"))?;
    Ok(EmulatorAnswers {
        origin: format!("http://127.0.0.1:{EMULATOR_PORT}"),
        tenant_id: tenant.id().to_owned(),
        client_id: tenant.client_id().to_owned(),
        client_secret: tenant.client_secret().to_owned(),
    })
}

/// Writes a file; only by `force` in the place of another.
fn write(file: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!force);
    options.open(file)?.write_all(text.as_bytes())
}

fn unwritten(file: &Path, error: &io::Error) -> Failure {
    let what = format!("write {}", file.display());
    match error.kind() {
        ErrorKind::AlreadyExists => {
            let there = io::Error::other("there is a file of that name");
            Failure::setting(&there, &what, "name another file, or add --force to replace what is there")
        }
        ErrorKind::NotFound => Failure::setting(error, &what, "make its folder first"),
        _ => Failure::setting(error, &what, "name a file that can be written"),
    }
}
