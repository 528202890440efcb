//! Standard output: data alone, for whoever reads it on.

use std::fmt::Display;
use std::io::{Error, ErrorKind, Write, stdout};
use std::sync::{Mutex, PoisonError};

use promptlake_load::Lacking;
use promptlake_model::Owner;

use crate::failure::Failure;

/// What kept standard output from being whole.
static LOST: Mutex<Option<Error>> = Mutex::new(None);

/// Prints. A reader that has gone, such as `head`, has read enough: that is no failure. Any other is one of the command, once it
/// has come to its end: see [`is_whole`].
pub(crate) fn print(text: impl Display) {
    let mut stdout = stdout().lock();
    let printed = write!(stdout, "{text}").and_then(|()| stdout.flush());
    if let Err(error) = printed.map_err(|error| (error.kind() != ErrorKind::BrokenPipe).then_some(error)) {
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        *lost = lost.take().or(error);
    }
}

/// That all that was printed is there, for whoever keeps it.
pub(crate) fn is_whole() -> Result<(), Failure> {
    let lost = LOST.lock().unwrap_or_else(PoisonError::into_inner).take();
    lost.map_or(Ok(()), |error| {
        let hint = "throw away what is there of it, make room, and type the command again";
        Err(Failure::setting(&error, "write to standard output", hint))
    })
}

/// Prints what the lake lacks of a user, or lacked: a line for each day, its fields parted by tabs.
pub(crate) fn print_by_day(Lacking { owner: Owner { tenant, user }, records, rejects }: Lacking) {
    for (day, records) in records {
        print(format_args!("{tenant}\t{user}\t{day}\t{records}\n"));
    }
    if rejects > 0 {
        print(format_args!("{tenant}\t{user}\trejects\t{rejects}\n"));
    }
}
