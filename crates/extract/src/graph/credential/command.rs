//! A command of the user's that prints a secret or a token.

use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::error::CredentialError;
use crate::graph::body::one_line;

/// Longer than a password store or a login tool takes, shorter than anybody waits for one that asks a question which
/// nobody sees.
const TIME_MAX: Duration = Duration::from_mins(1);

/// The largest answer that makes sense: that of a token with hundreds of roles, in JSON.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// What is kept of its standard error: enough for the reason, which stands in one line.
const SAID_BYTES_MAX: usize = 4 * 1024;

/// A command line for the shell of the system. No `Debug` of its text: someone may have typed a secret into it.
#[derive(Clone)]
pub struct SecretCommand(SecretString);

impl SecretCommand {
    /// A command line, as for `sh -c` (on Windows `cmd /C`).
    #[must_use]
    pub fn new(line: &str) -> Self {
        Self(SecretString::from(line))
    }

    /// Runs it and gives what it printed, without the white space around it. Its standard input is empty; it has a
    /// minute, and its output a limit of 256 KiB. Of its standard error nothing is said unless it fails.
    ///
    /// On cancel it is killed, though not what it may have started itself.
    pub async fn run(&self) -> Result<SecretString, CredentialError> {
        timeout(TIME_MAX, self.run_to_the_end())
            .await
            .unwrap_or(Err(CredentialError::CommandTooSlow(TIME_MAX)))
    }

    async fn run_to_the_end(&self) -> Result<SecretString, CredentialError> {
        let mut child = shell(self.0.expose_secret())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(CredentialError::Command)?;
        let (printed, said) = (child.stdout.take(), child.stderr.take());
        // Both are read at once: a command that fills the one while nobody reads it would never end.
        let (printed, said, end) = tokio::join!(
            read_up_to(printed, OUTPUT_BYTES_MAX),
            read_up_to(said, SAID_BYTES_MAX),
            child.wait()
        );
        let (end, printed) =
            (end.map_err(CredentialError::Command)?, printed.map_err(CredentialError::Command)?);
        if !end.success() {
            let said = one_line(&String::from_utf8_lossy(&said.unwrap_or_default().kept));
            return Err(CredentialError::CommandFailed { end: describe_end(end), said });
        }
        if printed.more {
            return Err(CredentialError::CommandOutput("is longer than 256 KiB"));
        }
        let text =
            String::from_utf8(printed.kept).map_err(|_| CredentialError::CommandOutput("is no text"))?;
        let text = SecretString::from(text.trim());
        if text.expose_secret().is_empty() {
            return Err(CredentialError::CommandOutput("is nothing"));
        }
        Ok(text)
    }
}

impl fmt::Debug for SecretCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCommand(…)")
    }
}

fn shell(line: &str) -> Command {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.arg(flag).arg(line);
    command
}

/// The beginning of a stream, and whether there was more.
#[derive(Default)]
struct Read {
    kept: Vec<u8>,
    more: bool,
}

/// Reads to the end, and keeps the beginning: a command that is not read any more would be killed by its pipe, and
/// its exit code would say that instead of what went wrong.
async fn read_up_to(stream: Option<impl AsyncRead + Unpin>, bytes_max: usize) -> std::io::Result<Read> {
    let mut read = Read::default();
    let Some(mut stream) = stream else { return Ok(read) };
    let mut piece = vec![0; 8 * 1024];
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok(read);
        }
        let room = length.min(bytes_max - read.kept.len());
        read.kept.extend_from_slice(&piece[..room]);
        read.more |= room < length;
    }
}

fn describe_end(end: ExitStatus) -> String {
    end.code().map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}
