//! Standard error, with a display that may stand at its end: whatever is said goes above it, and neither garbles the
//! other.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use console::{Term, truncate_str};
use tracing_subscriber::fmt::MakeWriter;

/// What every terminal has, and a log as well.
pub(crate) const COLUMNS: usize = 80;

/// What is being displayed. One for the process, as its terminal is.
static BOARD: Mutex<Option<Board>> = Mutex::new(None);

/// Lines that stand at the end of a terminal and are written again and again.
struct Board {
    term: Term,
    text: String,
    /// Lines that stand there, each with its line break: what a key echoes, such as `^C`, stands below them, where it is wiped
    /// away.
    lines: usize,
}

impl Board {
    fn draw(&mut self) -> io::Result<()> {
        let width = usize::from(self.term.size().1);
        for line in self.text.lines() {
            // A line that wraps would be two to wipe away.
            self.term.write_line(&truncate_str(line, width, "…"))?;
            self.lines += 1;
        }
        self.term.flush()
    }

    fn wipe(&mut self) -> io::Result<()> {
        self.term.clear_line()?;
        self.term.clear_last_lines(std::mem::take(&mut self.lines))?;
        self.term.flush()
    }
}

/// Does something with the display taken away, which is drawn again behind what was written. A terminal that takes nothing any
/// more is not to be helped.
fn above<T>(write: impl FnOnce(&mut Option<Board>) -> T) -> T {
    let mut board = BOARD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(board) = &mut *board {
        drop(board.wipe());
    }
    let written = write(&mut board);
    if let Some(board) = &mut *board {
        drop(board.draw());
    }
    written
}

/// Displays this from now on, until [`clear`]; nothing where there is no terminal.
pub(crate) fn display(text: impl Display) {
    let term = Term::buffered_stderr();
    if term.is_term() {
        above(|board| {
            board.get_or_insert(Board { term, text: String::new(), lines: 0 }).text = text.to_string();
        });
    }
}

/// Takes the display away.
pub(crate) fn clear() {
    above(|board| *board = None);
}

/// Says a line, or several. Whoever does not listen any more has heard enough.
pub(crate) fn say(text: impl Display) {
    above(|_| drop(writeln!(io::stderr().lock(), "{text}")));
}

/// A text of somebody else as a terminal may have it: what would move its cursor or change its colours is spelt out.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let spelt =
        |char: char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() };
    text.chars().map(spelt).collect::<String>().into()
}

/// A text in lines of at most so many columns; a word that is longer has a line of its own.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the beginning");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > columns {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A text behind a head, in lines of at most [`COLUMNS`] columns: what does not fit goes on below itself, not below the head.
pub(crate) fn hanging(head: &str, text: &str) -> String {
    let width = head.chars().count();
    let lines = wrapped(text, COLUMNS - width);
    format!("{head}{}\n", lines.join(&format!("\n{:width$}", "")))
}

/// Where log lines go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Above;

impl Write for Above {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        above(|_| io::stderr().lock().write_all(line)).map(|()| line.len())
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
