//! What a run says at its end.

use std::fmt;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use promptlake_flow::RequestKind;
use promptlake_load::Loaded;
use promptlake_model::{Table, UserStatus};

use crate::tally::Counts;
use crate::terminal::hanging;

/// The whole of a run in a dozen lines.
pub(crate) struct Summary {
    pub(crate) counts: Counts,
    pub(crate) took: Duration,
    /// Its root, as `DuckDB` names it.
    pub(crate) lake: String,
    /// What was typed to start this run.
    pub(crate) command: String,
    /// How the lake was left; `None` where storing failed.
    pub(crate) loaded: Option<Loaded>,
    /// Names that nobody goes by.
    pub(crate) unresolved: Vec<String>,
}

impl Summary {
    /// Whether somebody could not be read to the end.
    pub(crate) fn has_failures(&self) -> bool {
        let failed = self.counts.users_settled.get(UserStatus::Failed.as_str());
        failed.is_some_and(|users| *users > 0) || !self.unresolved.is_empty()
    }

    fn tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        if counts.tables.is_empty() && counts.committed_records > 0 {
            let records = HumanCount(counts.committed_records);
            return writeln!(f, "{records} records are committed; the next run publishes them");
        }
        if counts.tables.is_empty() {
            return writeln!(f, "nothing new was published");
        }
        writeln!(f, "{:<14} {:>12} {:>7} {:>12}", "table", "new rows", "files", "size")?;
        for table in Table::ALL {
            if let Some(counts) = self.counts.tables.get(table.name()) {
                let (rows, size) =
                    (HumanCount(counts.rows).to_string(), HumanBytes(counts.bytes).to_string());
                writeln!(f, "{:<14} {rows:>12} {:>7} {size:>12}", table.name(), counts.files)?;
            }
        }
        Ok(())
    }

    /// How users fared, and why those who failed did.
    pub(crate) fn write_users(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settled = &self.counts.users_settled;
        let outcome = |status: &UserStatus| {
            let users = settled.get(status.as_str())?;
            Some(format!("{} {}", HumanCount(*users), status.as_str().replace('_', " ")))
        };
        let outcomes: Vec<String> = UserStatus::ALL.iter().filter_map(outcome).collect();
        let outcomes = if outcomes.is_empty() { "none".to_owned() } else { outcomes.join(", ") };
        f.write_str(&hanging("users     ", &outcomes))?;
        for (reason, users) in &self.counts.failure_reasons {
            writeln!(f, "          {} failed: {reason}", HumanCount(*users))?;
        }
        if !self.unresolved.is_empty() {
            writeln!(f, "          not in the directory: {}", self.unresolved.join(", "))?;
        }
        Ok(())
    }

    /// Which lists moved while they were read.
    pub(crate) fn write_moved(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        if counts.rereads > 0 {
            writeln!(f, "reread    {} lists moved while they were read", HumanCount(counts.rereads))?;
        }
        if counts.repeated_records > 0 {
            let records = HumanCount(counts.repeated_records);
            write!(
                f,
                "doubles   {records} records came twice: lists moved, also when they were read again, and may have "
            )?;
            // Their windows are covered by now: another run does not ask for them by itself.
            writeln!(
                f,
                "skipped others; `promptlake run --reread` asks for days that are covered once more"
            )?;
        }
        Ok(())
    }

    /// How requests fared.
    pub(crate) fn write_requests(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let [pages, directory, tokens] =
            [RequestKind::Interactions, RequestKind::Directory, RequestKind::Token]
                .map(|kind| counts.requests_of(kind));
        if pages + directory + tokens > 0 {
            write!(f, "requests  {} for interactions", HumanCount(pages))?;
            write!(f, " ({:.1} a second)", counts.rate(self.took))?;
            writeln!(f, ", {} of the directory, {tokens} for tokens", HumanCount(directory))?;
        }
        for (kind, what) in
            [(RequestKind::Interactions, "interactions"), (RequestKind::Directory, "the directory")]
        {
            if let Some(trouble) = self.trouble(kind) {
                writeln!(f, "          {what}: {trouble}")?;
            }
        }
        if !counts.lost.is_zero() {
            writeln!(f, "          Graph was out of reach for {:.0} s", counts.lost.as_secs_f64())?;
        }
        if counts.files_read > 0 {
            writeln!(f, "files     {} read", HumanCount(counts.files_read))?;
        }
        writeln!(f, "read      {} in {:.1} s", HumanBytes(counts.body_bytes), self.took.as_secs_f64())
    }
}

impl Summary {
    /// What did not go smoothly with requests of a kind, if anything.
    fn trouble(&self, kind: RequestKind) -> Option<String> {
        let (throttled, waited) = (self.counts.throttled_requests(kind), self.counts.throttled(kind));
        let repeated = self.counts.repeated.get(&kind).copied().unwrap_or(0);
        let mut parts = Vec::new();
        if throttled > 0 {
            parts.push(format!("{} answered 429", HumanCount(throttled)));
        }
        if repeated > 0 {
            parts.push(format!("{} repeated", HumanCount(repeated)));
        }
        if !waited.is_zero() {
            parts.push(format!("waited {:.0} s as Graph asked", waited.as_secs_f64()));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(f)?;
        self.tables(f)?;
        writeln!(f)?;
        self.write_users(f)?;
        self.write_requests(f)?;
        if counts.known_records > 0 {
            writeln!(f, "known     {} records were in the lake already", HumanCount(counts.known_records))?;
        }
        if counts.late_records > 0 {
            let records = HumanCount(counts.late_records);
            writeln!(
                f,
                "late      {records} records, or versions of them, of days that were covered before"
            )?;
        }
        if counts.halved_windows > 0 {
            let windows = HumanCount(counts.halved_windows);
            writeln!(f, "halved    {windows} windows, since Graph did not give the whole of them")?;
        }
        self.write_moved(f)?;
        if counts.rejects > 0 {
            writeln!(f, "rejects   {} could not be read: see the table rejects", HumanCount(counts.rejects))?;
        }
        if counts.lost_markers > 0 {
            let markers = HumanCount(counts.lost_markers);
            writeln!(f, "markers   {markers} in bodies name attachments that are not there")?;
        }
        if !counts.unknown_fields.is_empty() {
            let fields = counts.unknown_fields.iter();
            let fields: Vec<String> =
                fields.map(|(name, count)| format!("{name} ({})", HumanCount(*count))).collect();
            writeln!(f, "fields    new to this version, in no table but raw: {}", fields.join(", "))?;
        }
        for run in &counts.recovered_runs {
            writeln!(f, "recovered run {run}: what it committed is published")?;
        }
        if self.loaded == Some(Loaded::Committed) {
            writeln!(f, "stopped   to go on: {}", self.command)?;
        }
        if counts.tables.contains_key(Table::Interactions.name()) {
            let lake = &self.lake;
            writeln!(f, "\nTry it in DuckDB:\n")?;
            writeln!(f, "  SELECT app, interaction_type, count(*) AS records")?;
            writeln!(f, "  FROM '{lake}/interactions/**/*.parquet'")?;
            write!(f, "  GROUP BY ALL ORDER BY records DESC;")?;
        }
        Ok(())
    }
}
