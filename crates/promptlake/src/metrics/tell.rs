//! Telling metrics while a run goes on, and once more when it has ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use promptlake_flow::Clock;
use promptlake_model::{RunId, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::Metric;
use super::file::MetricsFile;
use super::list::{LastEnded, Moment, seconds_of};
use super::otlp::{Push, PushError, PushSettings};
use crate::failure::Failure;
use crate::resident::Resident;
use crate::stage_waits::StageWaits;
use crate::tally::Tally;

/// As often as Prometheus usually looks.
const FILE_EVERY: Duration = Duration::from_secs(15);

/// What a collector that does not answer may cost a run at its end.
const LAST_PUSH_WITHIN: Duration = Duration::from_secs(3);

/// What all of it may cost a run at its end: a file may lie on a server that is gone.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Where the numbers of a run are read off.
pub(crate) struct Meter {
    pub(crate) tally: Arc<Tally>,
    pub(crate) waits: StageWaits,
    pub(crate) memory_limit_bytes: u64,
    /// What tells the pipelines of a machine apart.
    pub(crate) pipeline: String,
    pub(crate) run_id: RunId,
    pub(crate) started_at: Timestamp,
    pub(crate) clock: Clock,
}

impl Meter {
    fn metrics(&self, last_ended: LastEnded) -> Vec<Metric> {
        let moment = Moment {
            counts: self.tally.counts(),
            elapsed: self.clock.elapsed(),
            waits: self.waits.totals(),
            resident: Resident::now(),
            memory_limit_bytes: self.memory_limit_bytes,
            pipeline: &self.pipeline,
            run_id: &self.run_id,
            started_at: self.started_at,
            last_ended,
        };
        moment.metrics()
    }
}

/// Tells metrics until the run has ended. Tells nobody where nobody asked for it.
pub(crate) struct Telling {
    /// `None` where nobody is told.
    task: Option<JoinHandle<()>>,
    ended: watch::Sender<Option<Ended>>,
}

/// How this run ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    at: Timestamp,
    exit_code: u8,
    is_success: bool,
}

impl Telling {
    /// Begins: with a file where the settings name one, and with pushes where the environment asks for them. What is wrong
    /// with the latter is a warning.
    pub(crate) fn start(meter: Meter, file: Option<PathBuf>) -> Self {
        let (ended, wait) = watch::channel(None);
        let file = file.map(|path| MetricsFile::new(path, meter.run_id.clone()));
        let push = PushSettings::from_environment(|name| std::env::var(name).ok(), meter.run_id.as_str());
        let push = push.map_err(PushError::from).and_then(|settings| settings.map(Push::new).transpose());
        let push = push.unwrap_or_else(|error| {
            let failed = Failure::internal(&error, "push metrics").in_a_line();
            tracing::warn!("{failed}; the run goes on without");
            None
        });
        let is_told = file.is_some() || push.is_some();
        let task = is_told.then(|| tokio::spawn(tell(meter, (file, push), wait)));
        Self { task, ended }
    }

    /// Tells how the run ended, and ends within seconds, whether or not anybody listens.
    pub(crate) async fn finish(self, at: Timestamp, exit_code: u8, is_success: bool) {
        let Some(mut task) = self.task else { return };
        self.ended.send_replace(Some(Ended { at, exit_code, is_success }));
        match timeout(FINISH_WITHIN, &mut task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last metrics are not told"),
            Err(_) => {
                task.abort();
                tracing::warn!("the last metrics are not told: it took too long");
            }
        }
    }
}

async fn tell(
    meter: Meter,
    (mut file, mut push): (Option<MetricsFile>, Option<Push>),
    mut wait: watch::Receiver<Option<Ended>>,
) {
    let before = match &file {
        Some(file) => file.last_ended().await,
        None => LastEnded::default(),
    };
    tokio::join!(
        keep_writing(file.as_mut(), &meter, before, wait.clone()),
        keep_pushing(push.as_mut(), &meter, before, wait.clone()),
    );
    let Some(ended) = *wait.borrow_and_update() else { return };
    let success_s = if ended.is_success { Some(seconds_of(ended.at)) } else { before.success_s };
    let metrics = meter.metrics(LastEnded { success_s, exit_code: Some(ended.exit_code) });
    let write = async {
        if let Some(file) = &mut file {
            file.write(&metrics).await;
        }
    };
    let push = async {
        if let Some(push) = &mut push {
            push.send(&metrics, (meter.started_at, ended.at), LAST_PUSH_WITHIN).await;
        }
    };
    tokio::join!(write, push);
}

/// Writes the file now and then until the run has ended. A write that has begun is not given up: the next one would meet
/// it.
async fn keep_writing(
    file: Option<&mut MetricsFile>,
    meter: &Meter,
    before: LastEnded,
    mut wait: watch::Receiver<Option<Ended>>,
) {
    let Some(file) = file else { return };
    let mut ticks = ticks_from(Instant::now(), FILE_EVERY);
    loop {
        tokio::select! {
            biased;
            () = until_ended(&mut wait) => return,
            _ = ticks.tick() => file.write(&meter.metrics(before)).await,
        }
    }
}

/// Pushes now and then until the run has ended. A push that is under way then is given up: the last one says more.
async fn keep_pushing(
    push: Option<&mut Push>,
    meter: &Meter,
    before: LastEnded,
    mut wait: watch::Receiver<Option<Ended>>,
) {
    let Some(push) = push else { return };
    let every = push.every();
    let mut ticks = ticks_from(Instant::now() + every, every);
    let pushing = async {
        loop {
            ticks.tick().await;
            let now = Timestamp::from_micros(meter.clock.now_micros());
            push.send(&meter.metrics(before), (meter.started_at, now), Duration::MAX).await;
        }
    };
    tokio::select! {
        biased;
        () = until_ended(&mut wait) => {}
        never = pushing => never,
    }
}

async fn until_ended(wait: &mut watch::Receiver<Option<Ended>>) {
    // Where nobody is left to say so, it has ended as well.
    drop(wait.wait_for(Option::is_some).await);
}

/// Ticks that keep their distance, also behind one that took long.
fn ticks_from(first: Instant, every: Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(first, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
