//! What a run shows while it goes on: a calm display on a terminal, a line now and then elsewhere.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use promptlake_flow::{Clock, RequestKind};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::tally::{Counts, Tally};

/// Five times a second looks alive and costs nothing.
const TERMINAL_EVERY: Duration = Duration::from_millis(200);

/// A log wants to be short: a line for each ten seconds is six a minute.
const LINES_EVERY: Duration = Duration::from_secs(10);

/// The rate shown is that of the last seconds, not of the whole run.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Shows progress until it is finished.
pub(crate) struct Progress {
    task: JoinHandle<()>,
    end: CancellationToken,
}

impl Progress {
    pub(crate) fn start(tally: Arc<Tally>, clock: Clock) -> Self {
        let end = CancellationToken::new();
        let ended = end.clone();
        let terminal = std::io::stderr().is_terminal();
        let task = tokio::spawn(async move {
            let every = if terminal { TERMINAL_EVERY } else { LINES_EVERY };
            let bar = terminal.then(terminal_bar);
            let mut rate = Rate { seen: [(Duration::ZERO, 0)].into() };
            while !wait(&ended, every).await {
                let counts = tally.counts();
                let now = Now::at(clock.elapsed(), &mut rate, counts);
                match &bar {
                    Some(bar) => now.draw(bar),
                    None => eprintln!("{:>6.0} s  {now}", clock.elapsed().as_secs_f64()),
                }
            }
            bar.inspect(ProgressBar::finish_and_clear);
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

/// Whether the end came before the time was over.
async fn wait(end: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = end.cancelled() => true,
        () = tokio::time::sleep(time) => false,
    }
}

fn terminal_bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{spinner} {bar:30} {human_pos}/{human_len} users  {elapsed}\n  {prefix}\n  {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Requests a second over the last [`RATE_OVER`].
struct Rate {
    seen: std::collections::VecDeque<(Duration, u64)>,
}

impl Rate {
    fn at(&mut self, elapsed: Duration, counts: &Counts) -> f64 {
        let requests = counts.requests_of(RequestKind::Interactions);
        self.seen.push_back((elapsed, requests));
        // The oldest that is kept is just beyond the span, so that there are always two to compare.
        while self.seen.get(1).is_some_and(|(at, _)| elapsed.saturating_sub(*at) >= RATE_OVER) {
            self.seen.pop_front();
        }
        let (since, before) = self.seen.front().copied().unwrap_or_default();
        let seconds = elapsed.saturating_sub(since).as_secs_f64();
        let count = u32::try_from(requests - before).unwrap_or(u32::MAX);
        if seconds > 0.0 { f64::from(count) / seconds } else { 0.0 }
    }
}

/// A moment of a run.
struct Now {
    counts: Counts,
    /// Requests a second, lately and since the start.
    rate: f64,
    rate_overall: f64,
}

impl Now {
    fn at(elapsed: Duration, rate: &mut Rate, counts: Counts) -> Self {
        Self { rate: rate.at(elapsed, &counts), rate_overall: counts.rate(elapsed), counts }
    }

    fn draw(&self, bar: &ProgressBar) {
        // Until the users are known, none of one is settled: an empty bar, not a full one.
        bar.set_length(self.counts.users_found.max(1));
        bar.set_position(self.counts.settled());
        bar.set_prefix(self.source());
        bar.set_message(self.lake());
        bar.tick();
    }

    /// What comes in. With [`Self::lake`] below it, it fits a terminal of 80 columns.
    fn source(&self) -> String {
        let counts = &self.counts;
        let mut parts = vec![
            format!("{:.1} requests/s ({:.1} overall)", self.rate, self.rate_overall),
            format!("{} records", HumanCount(counts.new_records)),
            format!("{} read", HumanBytes(counts.body_bytes)),
        ];
        let throttled = counts.throttled(RequestKind::Interactions);
        if !throttled.is_zero() {
            parts.push(format!("throttled {:.0} s", throttled.as_secs_f64()));
        }
        parts.join("  ")
    }

    /// What becomes of it.
    fn lake(&self) -> String {
        let counts = &self.counts;
        let mut parts = Vec::new();
        if counts.committed_records > 0 {
            parts.push(format!("{} committed", HumanCount(counts.committed_records)));
        }
        if counts.merged_rows > 0 {
            parts.push(format!("{} rows merged", HumanCount(counts.merged_rows)));
        }
        parts.join("  ")
    }
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (settled, found) = (HumanCount(self.counts.settled()), HumanCount(self.counts.users_found));
        write!(f, "{settled}/{found} users  {}  {}", self.source(), self.lake())
    }
}
