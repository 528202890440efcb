//! How a command ends: its exit code, and what it says when it fails.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use promptlake_extract::{ErrorKind, ExtractError};
use promptlake_load::{LoadError, OpenError};

use crate::settings::SettingsError;
use crate::terminal::shown;

/// A command that went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything is done.
    Done,
    /// Everything that could be is done; some users or files could not be read to the end.
    DoneWithFailures,
    /// The lake is not as its ledger says, or lacks what the source gives.
    Found,
    /// Stopped by a signal.
    Interrupted,
    /// Something was found out that would make a run fail so.
    WouldFail(Blame),
}

/// Whose move it is when a command fails. The numbers are documented and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    Internal = 1,
    Settings = 2,
    NotAllowed = 4,
    Source = 5,
    Destination = 6,
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    blame: Blame,
    /// What failed, and each cause below it.
    chain: Vec<String>,
    hint: Option<String>,
}

impl Outcome {
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(self.code())
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::DoneWithFailures => 3,
            Self::Found => 7,
            // As a shell has it for a process that ended by SIGINT.
            Self::Interrupted => 130,
            Self::WouldFail(blame) => blame as u8,
        }
    }
}

impl Failure {
    fn new(blame: Blame, error: &dyn Error, hint: Option<String>) -> Self {
        let mut chain = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next {
            // Some libraries say their cause themselves: once is enough.
            let said = error.to_string();
            if !chain.last().is_some_and(|above: &String| above.contains(&said)) {
                chain.push(said);
            }
            next = error.source();
        }
        Self { blame, chain, hint }
    }

    pub(crate) fn internal(error: &dyn Error, what: &str) -> Self {
        Self::new(Blame::Internal, error, None).while_doing(what)
    }

    /// A setting that names something which is not there, or can't be read.
    pub(crate) fn setting(error: &dyn Error, what: &str, hint: &str) -> Self {
        Self::new(Blame::Settings, error, Some(hint.to_owned())).while_doing(what)
    }

    /// The source failed, in a way that only the program as a whole knows of.
    pub(crate) fn source(error: &dyn Error, what: &str, hint: &str) -> Self {
        Self::new(Blame::Source, error, Some(hint.to_owned())).while_doing(what)
    }

    /// Likewise, and it is a matter of permission.
    pub(crate) fn not_allowed(error: &dyn Error, what: &str, hint: &str) -> Self {
        Self::new(Blame::NotAllowed, error, Some(hint.to_owned())).while_doing(what)
    }

    fn while_doing(mut self, what: &str) -> Self {
        self.chain.insert(0, what.to_owned());
        self
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    pub(crate) const fn code(&self) -> u8 {
        self.blame as u8
    }

    /// The next thing to do.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What failed and why, without the hint.
    pub(crate) fn in_a_line(&self) -> String {
        format!("failed to {}", self.chain.join(": "))
    }

    /// The failure as something that was found out.
    pub(crate) const fn as_outcome(&self) -> Outcome {
        Outcome::WouldFail(self.blame)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let hint = error.hint().to_owned();
        Self::new(Blame::Settings, &error, Some(hint))
    }
}

impl From<ExtractError> for Failure {
    fn from(error: ExtractError) -> Self {
        let blame = match error.kind() {
            ErrorKind::Settings => Blame::Settings,
            ErrorKind::NotAllowed => Blame::NotAllowed,
            ErrorKind::Source => Blame::Source,
        };
        Self::new(blame, &error, error.hint())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::new(Blame::Destination, &error, Some(error.hint()))
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let blame = match error {
            OpenError::Local(_) => Blame::Destination,
            OpenError::Server { .. } | OpenError::Options { .. } => Blame::Settings,
        };
        let hint = error.hint();
        Self::new(blame, &error, Some(hint))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chain = self.chain.iter();
        write!(f, "error: failed to {}", shown(chain.next().map_or("go on", String::as_str)))?;
        for cause in chain {
            write!(f, "\n  caused by: {}", shown(cause))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n\nhint: {}", shown(hint)),
            None => Ok(()),
        }
    }
}
