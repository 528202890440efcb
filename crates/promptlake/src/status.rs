//! `promptlake status`: what the books of the lake say.

use std::fmt;

use indicatif::{HumanBytes, HumanCount};
use promptlake_load::{RunState, RunStatus, Status};
use promptlake_model::{Table, UserStatus};

use crate::cli::StatusArguments;
use crate::failure::{Failure, Outcome};
use crate::lake::Lake;
use crate::phrases::{counted, day_of, span};
use crate::stdout;

/// Runs that a person is shown: the newest. JSON has all.
const RUNS_SHOWN: usize = 8;

struct Report {
    location: String,
    status: Status,
}

/// Prints how a lake stands to standard output.
pub(crate) async fn status(arguments: StatusArguments) -> Result<Outcome, Failure> {
    let lake = Lake::find(&arguments.pipeline)?;
    let stale_after = lake.pipeline.run.stale_after.as_duration();
    let status = promptlake_load::status(&lake.means, stale_after).await?;
    // A run that has only just begun shows itself before its first record.
    if status.records == 0 && status.runs.is_empty() {
        return Err(lake.is_none());
    }
    if arguments.json {
        stdout::print(format_args!("{:#}\n", serde_json::json!(status)));
    } else {
        stdout::print(Report { location: lake.location(), status });
    }
    Ok(Outcome::Done)
}

impl Report {
    fn users(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = &self.status.users;
        write!(f, "users     {} covered", HumanCount(users.covered))?;
        writeln!(f, ", {} begun and not covered", HumanCount(users.begun_not_covered))?;
        let outcome = |status: &UserStatus| {
            let count = users.by_outcome.get(status.as_str())?;
            Some(format!("{} {}", HumanCount(*count), status.as_str().replace('_', " ")))
        };
        let outcomes: Vec<String> = UserStatus::ALL.iter().filter_map(outcome).collect();
        if !outcomes.is_empty() {
            writeln!(f, "          when last asked: {}", outcomes.join(", "))?;
        }
        Ok(())
    }

    fn coverage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coverage = &self.status.coverage;
        if let (Some(earliest), Some(newest)) = (coverage.earliest, coverage.newest) {
            let (from, to) = (day_of(earliest), day_of(newest));
            writeln!(f, "coverage  from {from} to {to}, {}", counted(coverage.gaps, "gap"))?;
        }
        if let Some(lag) = &self.status.lag {
            let (most, median) = (span(lag.max_seconds), span(lag.median_seconds));
            writeln!(f, "lag       {median} for half of the users, {most} at most")?;
        }
        Ok(())
    }

    fn tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.status.tables.is_empty() {
            return writeln!(f, "\nNothing is published yet.");
        }
        writeln!(f, "\n{:<14} {:>13} {:>8} {:>12} {:>13}", "table", "rows", "files", "size", "to publish")?;
        for table in Table::ALL {
            let Some(table_status) = self.status.tables.get(table.name()) else { continue };
            let [rows, files, waiting] =
                [table_status.rows, table_status.files, table_status.unpublished_rows]
                    .map(|count| HumanCount(count).to_string());
            let size = HumanBytes(table_status.bytes).to_string();
            writeln!(f, "{:<14} {rows:>13} {files:>8} {size:>12} {waiting:>13}", table.name())?;
        }
        Ok(())
    }

    fn runs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = &self.status.runs;
        let earlier = runs.len().saturating_sub(RUNS_SHOWN);
        writeln!(f, "\n{:<34} {:<15} {:>9} {:>8}", "run", "state", "records", "commits")?;
        if earlier > 0 {
            writeln!(f, "{} earlier ones", HumanCount(earlier as u64))?;
        }
        runs[earlier..].iter().try_for_each(|run| write_run(f, run))
    }
}

fn write_run(f: &mut fmt::Formatter<'_>, run: &RunStatus) -> fmt::Result {
    let records = run.ledger.as_ref().map_or_else(String::new, |ledger| {
        if ledger.first_record == ledger.last_record {
            ledger.first_record.to_string()
        } else {
            format!("{}-{}", ledger.first_record, ledger.last_record)
        }
    });
    let commits = run.ledger.as_ref().map_or(0, |ledger| ledger.commits);
    let state = state_text(run.state);
    writeln!(f, "{:<34} {state:<15} {records:>9} {commits:>8}", run.run_id.as_str())?;
    if let Some(beat) = &run.heartbeat {
        let (process, host, age) = (beat.process_id, &beat.host, span(beat.age_seconds));
        writeln!(f, "  process {process} on {host}, last seen {age} ago")?;
    }
    if run.unpublished_rows > 0 {
        writeln!(f, "  {} rows wait to be published", HumanCount(run.unpublished_rows))?;
    }
    Ok(())
}

const fn state_text(state: RunState) -> &'static str {
    match state {
        RunState::Done => "done",
        RunState::Abandoned => "abandoned",
        RunState::MayLive => "may live",
        RunState::LeftSomething => "left something",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = &self.status;
        writeln!(f, "lake      {}", self.location)?;
        let runs = counted(status.runs.len() as u64, "run");
        writeln!(f, "ledger    {} of {runs}", counted(status.records, "record"))?;
        self.users(f)?;
        self.coverage(f)?;
        if status.unfinished_publishes > 0 {
            let publishes = HumanCount(status.unfinished_publishes);
            writeln!(f, "waiting   unfinished publishes: {publishes}; their runs, or the next, finish them")?;
        }
        self.tables(f)?;
        self.runs(f)
    }
}
