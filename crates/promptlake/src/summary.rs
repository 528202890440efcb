//! What a run says at its end.

use std::fmt;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use promptlake_flow::RequestKind;
use promptlake_load::Loaded;
use promptlake_model::{Table, UserStatus};

use crate::tally::Counts;

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

    fn users(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settled = &self.counts.users_settled;
        let outcome = |status: &UserStatus| {
            let users = settled.get(status.as_str())?;
            Some(format!("{} {}", HumanCount(*users), status.as_str().replace('_', " ")))
        };
        let outcomes: Vec<String> = UserStatus::ALL.iter().filter_map(outcome).collect();
        let outcomes = if outcomes.is_empty() { "none".to_owned() } else { outcomes.join(", ") };
        writeln!(f, "users     {outcomes}")?;
        for (reason, users) in &self.counts.failure_reasons {
            writeln!(f, "          {} failed: {reason}", HumanCount(*users))?;
        }
        if !self.unresolved.is_empty() {
            writeln!(f, "          not in the directory: {}", self.unresolved.join(", "))?;
        }
        Ok(())
    }

    fn requests(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let pages = counts.requests_of(RequestKind::Interactions);
        let others = counts.requests_of(RequestKind::Directory) + counts.requests_of(RequestKind::Token);
        if pages + others > 0 {
            write!(f, "requests  {pages} for interactions, {others} others")?;
            writeln!(
                f,
                "; {} answered 429, {:.0} s throttled",
                counts.throttled_requests(),
                counts.throttled.as_secs_f64()
            )?;
        }
        if counts.files_read > 0 {
            writeln!(f, "files     {} read", HumanCount(counts.files_read))?;
        }
        writeln!(f, "read      {} in {:.1} s", HumanBytes(counts.body_bytes), self.took.as_secs_f64())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(f)?;
        self.tables(f)?;
        writeln!(f)?;
        self.users(f)?;
        self.requests(f)?;
        if counts.known_records > 0 {
            writeln!(f, "known     {} records were in the lake already", HumanCount(counts.known_records))?;
        }
        if counts.rejects > 0 {
            writeln!(f, "rejects   {} could not be read: see the table rejects", HumanCount(counts.rejects))?;
        }
        for run in &counts.recovered_runs {
            writeln!(f, "recovered run {run}: what it had committed is published")?;
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
