//! Standard output: data alone, for whoever reads it on.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stdout};

use promptlake_load::Lacking;
use promptlake_model::Owner;

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

/// Prints what the lake lacks of a user, or lacked: a line for each day, its fields parted by tabs.
pub(crate) fn print_by_day(Lacking { owner: Owner { tenant, user }, records, rejects }: Lacking) {
    for (day, records) in records {
        print(format_args!("{tenant}\t{user}\t{day}\t{records}\n"));
    }
    if rejects > 0 {
        print(format_args!("{tenant}\t{user}\trejects\t{rejects}\n"));
    }
}
