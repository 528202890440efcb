//! What a run tells whoever watches it: a closed set, sent as it happens, never a text.

use std::time::Duration;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The users to ask are known.
    UsersFound {
        /// How many.
        users: u64,
    },
    /// The source answered a request, or did not.
    Answered {
        /// What was asked.
        kind: RequestKind,
        /// Its HTTP status; `None` where no answer came.
        status: Option<u16>,
        /// Bytes of its body, after decompression.
        body_bytes: u64,
    },
    /// A saved file was read to its end.
    FileRead,
    /// Records came more than once within one list: it moved while it was read, and others may have been skipped.
    Repeated {
        /// How many came again.
        records: u64,
        /// Whether the list is read again for that.
        reread: bool,
    },
    /// A slice is asked for in parts, since an answer to the whole of it can't be had.
    Split,
    /// A request is about to be repeated.
    Retried {
        /// What is asked.
        kind: RequestKind,
    },
    /// The source wants everybody to wait.
    Throttled {
        /// Who waits: all requests of this kind.
        kind: RequestKind,
        /// By how much longer than was known before; the sum is the time in which nothing was asked.
        wait: Duration,
    },
    /// Nobody reaches the source any more.
    SourceLost {
        /// What was asked.
        kind: RequestKind,
    },
    /// The source is reached again.
    SourceBack {
        /// What was asked.
        kind: RequestKind,
        /// How long it was not reached.
        lost_for: Duration,
    },
    /// A user's outcome is settled.
    UserSettled {
        /// The value of `users.status`.
        status: &'static str,
        /// In words, where it did not go well.
        reason: Option<String>,
    },
    /// A page passed the gate.
    PagePassed {
        /// Records that are new.
        new_records: u64,
        /// Records that were there already.
        known_records: u64,
        /// Those of the new ones that lie in a window which was covered already.
        late_records: u64,
        /// Things that could not be read.
        rejects: u64,
    },
    /// Records have a field that this version does not know.
    UnknownField {
        /// Its name, with that of the object that it is in.
        name: String,
        /// How often it was met.
        count: u64,
    },
    /// Bodies have markers that name no attachment.
    LostMarkers {
        /// How many.
        count: u64,
    },
    /// A record of the ledger was made.
    Committed {
        /// Its number.
        sequence: u64,
        /// Interactions that count from now on.
        interactions: u64,
    },
    /// Rows were merged into a file that is not published yet.
    Merged {
        /// The table.
        table: &'static str,
        /// Rows.
        rows: u64,
    },
    /// Files became visible.
    Published {
        /// The table.
        table: &'static str,
        /// Files.
        files: u64,
        /// Their rows.
        rows: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// An earlier run that had not finished was given up, and what it had committed is being published.
    Recovered {
        /// Its id.
        run_id: String,
    },
}

/// What was asked of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// A token.
    Token,
    /// Users, groups, plans.
    Directory,
    /// A page of interactions.
    Interactions,
    /// A saved file.
    File,
}

/// Whoever watches. Called on the thread where it happens: it counts and returns, it neither waits nor writes.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn observe(&self, event: &Event);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: &Event) {}
}
