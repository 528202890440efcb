//! Standard error, with a display that may stand at its end: whatever is said goes above it, and neither garbles the
//! other.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;
use tracing_subscriber::fmt::MakeWriter;

/// What is being displayed. One for the process, as its terminal is.
static DISPLAY: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Displays something until [`clear`].
pub(crate) fn show(bar: ProgressBar) {
    *DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
}

/// Says in the display how things stand now.
pub(crate) fn redraw(text: impl Display) {
    if let Some(bar) = &*DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) {
        bar.set_message(text.to_string());
        bar.tick();
    }
}

/// Takes the display away.
pub(crate) fn clear() {
    if let Some(bar) = DISPLAY.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
}

/// Says a line, or several. Whoever does not listen any more has heard enough.
pub(crate) fn say(text: impl Display) {
    above(|| drop(writeln!(io::stderr().lock(), "{text}")));
}

fn above<T>(write: impl FnOnce() -> T) -> T {
    match &*DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Where log lines go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Above;

impl Write for Above {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        above(|| io::stderr().lock().write_all(line)).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Above {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}
