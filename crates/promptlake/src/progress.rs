//! What a run shows while it goes on: a calm display on a terminal, a log line now and then elsewhere.

use std::collections::VecDeque;
use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{HumanBytes, HumanCount};
use promptlake_flow::{Clock, RequestKind};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::log_lines;
use crate::phrases::span;
use crate::resident::Resident;
use crate::tally::{Counts, Tally};
use crate::terminal;

/// Twice a second looks alive, and can be read.
const TERMINAL_EVERY: Duration = Duration::from_millis(500);

/// A log wants to be short.
const LINES_EVERY: Duration = Duration::from_secs(30);

/// A program that shows it to somebody wants it sooner.
const JSON_EVERY: Duration = Duration::from_secs(2);

/// The rate shown is that of the last seconds, not of the whole run.
const RATE_OVER: Duration = Duration::from_secs(5);

/// What is left is told by the pace of the last minutes: long histories come first.
const PACE_OVER: Duration = Duration::from_mins(2);

/// The part of the users, in percent, that must be done before their pace says anything of the others.
const PACE_PERCENT_MIN: u64 = 10;

const BAR_WIDTH: u64 = 24;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A display on a terminal, log lines elsewhere.
    #[default]
    Auto,
    /// A display.
    Bar,
    /// A log line every half minute.
    Plain,
    /// A JSON object a line, every two seconds, to standard error.
    Json,
    /// Nothing.
    Off,
}

/// What progress is measured against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Requests a second that all tenants together allow; `None` where nobody limits them.
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) memory_limit_bytes: u64,
}

/// Shows progress until it is finished.
pub(crate) struct Progress {
    task: JoinHandle<()>,
    end: CancellationToken,
}

impl Progress {
    pub(crate) fn start(mode: ProgressMode, tally: Arc<Tally>, clock: Clock, bounds: Bounds) -> Self {
        let end = CancellationToken::new();
        let ended = end.clone();
        let task = tokio::spawn(async move {
            let (mode, every) = resolved(mode);
            let mut pace = Pace::default();
            while !wait(&ended, every).await {
                let now = Now::at(clock.elapsed(), &mut pace, tally.counts(), bounds);
                match mode {
                    ProgressMode::Bar => terminal::display(&now),
                    ProgressMode::Json => now.tell(),
                    ProgressMode::Plain | ProgressMode::Auto => now.log(),
                    ProgressMode::Off => {}
                }
            }
            terminal::clear();
        });
        Self { task, end }
    }

    /// Clears the display.
    pub(crate) async fn finish(self) {
        self.end.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the progress display ended early");
        }
    }
}

/// What is meant here, and how often it is shown.
fn resolved(mode: ProgressMode) -> (ProgressMode, Duration) {
    match mode {
        ProgressMode::Auto if std::io::stderr().is_terminal() => (ProgressMode::Bar, TERMINAL_EVERY),
        ProgressMode::Bar => (mode, TERMINAL_EVERY),
        ProgressMode::Json => (mode, JSON_EVERY),
        ProgressMode::Auto | ProgressMode::Plain | ProgressMode::Off => (mode, LINES_EVERY),
    }
}

/// Whether the end came before the time was over.
async fn wait(end: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = end.cancelled() => true,
        () = tokio::time::sleep(time) => false,
    }
}

/// How fast requests and users went lately.
#[derive(Default)]
struct Pace {
    requests: Lately,
    users: Lately,
}

/// A count as it grew over a span of time.
#[derive(Default)]
struct Lately {
    seen: VecDeque<(Duration, u64)>,
}

impl Lately {
    /// How much the count grew a second, over about `span`.
    fn per_second(&mut self, elapsed: Duration, count: u64, span: Duration) -> f64 {
        if self.seen.is_empty() {
            self.seen.push_back((Duration::ZERO, 0));
        }
        self.seen.push_back((elapsed, count));
        // The oldest that is kept is just beyond the span, so that there are always two to compare.
        while self.seen.get(1).is_some_and(|(at, _)| elapsed.saturating_sub(*at) >= span) {
            self.seen.pop_front();
        }
        let (since, before) = self.seen.front().copied().unwrap_or_default();
        let seconds = elapsed.saturating_sub(since).as_secs_f64();
        let grown = u32::try_from(count.saturating_sub(before)).unwrap_or(u32::MAX);
        if seconds > 0.0 { f64::from(grown) / seconds } else { 0.0 }
    }
}

/// How long it will still take, as far as anybody can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// One request for each user who is not done, at the limit. More is not known yet.
    AtLeast(Duration),
    /// At the pace of the last minutes.
    About(Duration),
}

/// A moment of a run.
struct Now {
    elapsed: Duration,
    counts: Counts,
    /// Requests a second, lately and since the start.
    rate: f64,
    rate_overall: f64,
    left: Option<Left>,
    resident: Option<Resident>,
    bounds: Bounds,
}

impl Now {
    fn at(elapsed: Duration, pace: &mut Pace, counts: Counts, bounds: Bounds) -> Self {
        let requests = counts.requests_of(RequestKind::Interactions);
        let users_per_second = pace.users.per_second(elapsed, counts.settled(), PACE_OVER);
        Self {
            elapsed,
            rate: pace.requests.per_second(elapsed, requests, RATE_OVER),
            rate_overall: counts.rate(elapsed),
            left: left(&counts, users_per_second, bounds.requests_per_second),
            resident: Resident::now(),
            counts,
            bounds,
        }
    }

    fn users(&self) -> String {
        let (settled, found) = (self.counts.settled(), self.counts.users_found);
        if found == 0 && self.counts.files_read > 0 {
            return format!("{} files read", HumanCount(self.counts.files_read));
        }
        // Until the users are known, none of one is settled: an empty bar, not a full one.
        let full = settled.min(found) * BAR_WIDTH / found.max(1);
        let bar: String = (0..BAR_WIDTH).map(|place| if place < full { '━' } else { '─' }).collect();
        let left = self.left.map(|left| format!("   {left}")).unwrap_or_default();
        format!("{bar} {} of {}{left}", HumanCount(settled), HumanCount(found))
    }

    fn source(&self) -> String {
        let limit =
            self.bounds.requests_per_second.map(|limit| format!(" of {limit:.1}")).unwrap_or_default();
        let throttled = self.counts.throttled(RequestKind::Interactions);
        let throttled = match throttled.as_secs() {
            0 => String::new(),
            seconds => format!("   throttled {seconds} s"),
        };
        format!("{:.1} requests/s{limit}, {:.1} overall{throttled}", self.rate, self.rate_overall)
    }

    fn lake(&self) -> String {
        let counts = &self.counts;
        let parts = [
            (counts.new_records, "records"),
            (counts.committed_records, "committed"),
            (counts.merged_rows, "rows merged"),
        ];
        // That nothing is new is said; that nothing is committed or merged yet, goes without saying.
        let said = parts.into_iter().enumerate().filter(|(place, (count, _))| *place == 0 || *count > 0);
        let said: Vec<String> =
            said.map(|(_, (count, what))| format!("{} {what}", HumanCount(count))).collect();
        said.join(", ")
    }

    fn memory(&self) -> String {
        let limit = HumanBytes(self.bounds.memory_limit_bytes);
        let used = self.resident.map(|resident| format!("{} of {limit}   ", HumanBytes(resident.bytes)));
        let elapsed = span(i64::try_from(self.elapsed.as_secs()).unwrap_or(i64::MAX));
        format!("{}{} read   {elapsed} so far", used.unwrap_or_default(), HumanBytes(self.counts.body_bytes))
    }

    /// A log line with the same numbers.
    fn log(&self) {
        let counts = &self.counts;
        let (users_settled, users_found) = (counts.settled(), counts.users_found);
        let (records, committed_records) = (counts.new_records, counts.committed_records);
        let throttled_s = counts.throttled(RequestKind::Interactions).as_secs();
        tracing::info!(
            users_settled,
            users_found,
            requests_per_second = rounded(self.rate),
            records,
            committed_records,
            bytes_read = counts.body_bytes,
            throttled_s,
            memory_bytes = self.resident.map(|resident| resident.bytes),
            left = self.left.map(|left| left.to_string()),
            "progress"
        );
    }

    /// The same numbers for a program.
    fn tell(&self) {
        let counts = &self.counts;
        let (at_least, about) = match self.left {
            Some(Left::AtLeast(time)) => (Some(time.as_secs()), None),
            Some(Left::About(time)) => (None, Some(time.as_secs())),
            None => (None, None),
        };
        log_lines::tell_progress([
            ("elapsed_s", self.elapsed.as_secs().into()),
            ("users_found", counts.users_found.into()),
            ("users_settled", counts.settled().into()),
            ("files_read", counts.files_read.into()),
            ("requests", counts.requests_of(RequestKind::Interactions).into()),
            ("requests_per_second", rounded(self.rate).into()),
            ("records", counts.new_records.into()),
            ("committed_records", counts.committed_records.into()),
            ("merged_rows", counts.merged_rows.into()),
            ("bytes_read", counts.body_bytes.into()),
            ("throttled_s", counts.throttled(RequestKind::Interactions).as_secs().into()),
            ("memory_bytes", self.resident.map(|resident| resident.bytes).into()),
            ("left_at_least_s", at_least.into()),
            ("left_about_s", about.into()),
        ]);
    }
}

/// To a tenth: more is noise.
fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

fn left(counts: &Counts, users_per_second: f64, limit: Option<f64>) -> Option<Left> {
    let (settled, found) = (counts.settled(), counts.users_found);
    let waiting = u32::try_from(found.saturating_sub(settled)).unwrap_or(u32::MAX);
    if waiting == 0 {
        return None;
    }
    let at = |per_second: f64| Duration::try_from_secs_f64(f64::from(waiting) / per_second).ok();
    if settled * 100 >= found * PACE_PERCENT_MIN && users_per_second > 0.0 {
        return at(users_per_second).map(Left::About);
    }
    at(limit?).map(Left::AtLeast)
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, time) = match self {
            Self::AtLeast(time) => ("at least", time),
            Self::About(time) => ("about", time),
        };
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        write!(f, "{how} {} left", span(seconds))
    }
}

/// The display: four lines, each of which fits a terminal of 80 columns.
impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "users   {}", self.users())?;
        writeln!(f, "graph   {}", self.source())?;
        writeln!(f, "lake    {}", self.lake())?;
        write!(f, "memory  {}", self.memory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(settled: u64, found: u64) -> Counts {
        let mut counts = Counts { users_found: found, ..Counts::default() };
        counts.users_settled.insert("extracted", settled);
        counts
    }

    #[test]
    fn what_is_left_is_said_as_far_as_it_is_known() {
        let seconds = Duration::from_secs;
        for (settled, found, users_per_second, limit, expected) in [
            (0, 0, 0.0, Some(25.0), None),
            (0, 1_000, 0.0, None, None),
            (0, 1_000, 0.0, Some(25.0), Some(Left::AtLeast(seconds(40)))),
            (99, 1_000, 3.0, Some(1.0), Some(Left::AtLeast(seconds(901)))),
            (100, 1_000, 3.0, Some(25.0), Some(Left::About(seconds(300)))),
            (500, 1_000, 0.0, Some(25.0), Some(Left::AtLeast(seconds(20)))),
            (1_000, 1_000, 3.0, Some(25.0), None),
        ] {
            assert_eq!(left(&counts(settled, found), users_per_second, limit), expected, "{settled}/{found}");
        }
    }

    #[test]
    fn the_pace_is_that_of_the_last_while() {
        let mut lately = Lately::default();
        let span = Duration::from_secs(5);
        let mut at = |second, count| lately.per_second(Duration::from_secs(second), count, span);
        let rates = [at(1, 10), at(2, 20), at(8, 20)].map(|rate| format!("{rate:.1}"));
        assert_eq!(rates, ["10.0", "10.0", "0.0"]);
    }

    #[test]
    fn the_display_fits_eighty_columns() {
        let mut counts = counts(123_456, 1_000_000);
        counts.requests.insert((RequestKind::Interactions, Some(200)), 12_345_678);
        counts.throttled.insert(RequestKind::Interactions, Duration::from_secs(12_345));
        counts.new_records = 123_456_789;
        counts.committed_records = 123_456_789;
        counts.merged_rows = 999_999_999;
        counts.body_bytes = 999 << 30;
        let bounds = Bounds { requests_per_second: Some(1_500.0), memory_limit_bytes: 512 << 20 };
        let now = Now::at(Duration::from_secs(90_061), &mut Pace::default(), counts, bounds);
        let lines: Vec<String> = now.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 4);
        for line in lines {
            assert!(line.chars().count() < 80, "{line}");
        }
    }
}
