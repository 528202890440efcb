//! The program, started as a person starts it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The program: what `PROMPTLAKE_PROGRAM` names, such as a release build to be measured, else what cargo built. The
/// tests are those of its package, so it is built before them, beside their folder.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(program) = std::env::var_os("PROMPTLAKE_PROGRAM") {
            return PathBuf::from(program);
        }
        let test = std::env::current_exe().expect("the test is a program");
        let folder = test.ancestors().nth(2).expect("it lies in target/<profile>/deps");
        let program = folder.join("promptlake");
        assert!(program.exists(), "{} is missing: run the tests by cargo", program.display());
        program
    })
}

/// A run of a pipeline file, ready to be started. `secret` is in its environment.
#[must_use]
pub fn run_command(pipeline: &Path, secret: &str) -> Command {
    command_of("run", pipeline, secret)
}

/// The program without any argument, as it speaks to a person.
#[must_use]
pub fn bare_command() -> Command {
    let mut command = Command::new(program());
    command.env("PROMPTLAKE_LOG_FORMAT", "human").env_remove("PROMPTLAKE_LOG");
    command
}

/// The same of any command that takes a pipeline file.
#[must_use]
pub fn command_of(verb: &str, pipeline: &Path, secret: &str) -> Command {
    let mut command = bare_command();
    command.arg(verb).arg(pipeline).env("PROMPTLAKE_CLIENT_SECRET", secret);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard error.
    pub said: String,
    /// What it wrote to standard output.
    pub printed: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }
}

#[expect(clippy::must_use_candidate, reason = "they are called to fail; what they give is to chain them")]
impl Ended {
    /// Fails with what was said where the run did not end with this exit code.
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "the run said:\n{}", self.said);
        self
    }

    /// Fails where it did not say this.
    pub fn assert_said(&self, text: &str) -> &Self {
        assert!(self.said.contains(text), "the run did not say {text:?}, but:\n{}", self.said);
        self
    }
}

/// Starts a command and waits for its end.
#[must_use]
pub fn finish(mut command: Command) -> Ended {
    command.output().expect("start the program").into()
}

/// Starts a command and lets it run; its output is thrown away, so that it never waits for a reader.
#[must_use]
pub fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start the program")
}
