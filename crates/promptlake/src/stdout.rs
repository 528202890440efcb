//! Standard output: data alone, for whoever reads it on.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stdout};

/// Prints. A reader that has gone, such as `head`, has read enough: that is no failure.
pub(crate) fn print(text: impl Display) {
    let mut stdout = stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            tracing::error!(%error, "could not write to standard output");
        }
        Ok(()) | Err(_) => {}
    }
}
