//! The lake that a pipeline file names, for the commands that look at it.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use indicatif::HumanCount;
use promptlake_flow::{Clock, ComputePool, Silent};
use promptlake_load::{Loader, Means, Run, Scope, StoreLocation};
use promptlake_model::{PartitionDay, RunId, Timestamp};
use rand::RngExt;
use tokio_util::sync::CancellationToken;

use crate::cli::PipelineArguments;
use crate::failure::Failure;
use crate::memory::Shares;
use crate::run;
use crate::settings::Pipeline;

/// Nobody reads pages here: the least that the shares are made for.
const READERS: usize = 1;

/// A lake, and what it is looked at with.
pub(crate) struct Lake {
    pub(crate) pipeline: Pipeline,
    pub(crate) means: Means,
    pub(crate) shares: Shares,
}

impl Lake {
    /// Opens what is there: to look at a lake makes none.
    pub(crate) fn find(arguments: &PipelineArguments) -> Result<Self, Failure> {
        let clock = Clock::system();
        let pipeline = run::read_pipeline(arguments, Timestamp::from_micros(clock.now_micros()))?;
        let shares = Shares::of(pipeline.run.memory_limit.bytes(), READERS);
        check_place(&pipeline)?;
        let pool = ComputePool::new(0).map_err(|error| Failure::internal(&error, "start"))?;
        let store = run::open_store(&pipeline.destination)?;
        let means = Means { store, pool, clock, observer: Arc::new(Silent) };
        Ok(Self { pipeline, means, shares })
    }

    /// Where it is.
    pub(crate) fn location(&self) -> String {
        location(&self.pipeline)
    }

    /// That nothing was ever written there.
    pub(crate) fn is_none(&self) -> Failure {
        no_lake(&self.pipeline)
    }

    /// Does what a run does when it starts, and leaves.
    pub(crate) async fn recover(&self) -> Result<(), Failure> {
        let started_at = Timestamp::from_micros(self.means.clock.now_micros());
        let scope = Scope::of_nobody();
        let run = Run { id: RunId::new(started_at, run::chance()?.random()), started_at, scope };
        let settings = run::lake_settings(&self.pipeline, self.shares);
        let loader = Loader::open(self.means.clone(), settings, run, CancellationToken::new()).await?;
        Ok(loader.close().await?)
    }
}

/// Refuses a place where no lake can be: to open it would make it.
pub(crate) fn check_place(pipeline: &Pipeline) -> Result<(), Failure> {
    check_root(&pipeline.destination.store.location)
}

pub(crate) fn check_root(location: &StoreLocation) -> Result<(), Failure> {
    match location {
        StoreLocation::Local(root) if !root.exists() => Err(no_lake_at(&location.to_string())),
        _ => Ok(()),
    }
}

fn location(pipeline: &Pipeline) -> String {
    pipeline.destination.store.location.to_string()
}

/// A question of settings, not of the destination: nothing failed there, but the file names a place that is no lake.
pub(crate) fn no_lake(pipeline: &Pipeline) -> Failure {
    no_lake_at(&location(pipeline))
}

fn no_lake_at(place: &str) -> Failure {
    let error = Error::new(ErrorKind::NotFound, "it holds no ledger: no run ever committed anything there");
    let hint = "check destination.url, or fill the lake first with `promptlake run`";
    Failure::setting(&error, &format!("find a lake at {place}"), hint)
}

/// A number and what it counts, in the singular or the plural.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", HumanCount(count))
}

/// The day of an instant, as the lake's partitions have it.
pub(crate) fn day_of(instant: Timestamp) -> String {
    PartitionDay::Day(instant.day()).to_string()
}

/// A length of time in its two largest units.
pub(crate) fn span(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (1.., ..) => format!("{days} d {} h", hours % 24),
        (_, 1.., _) => format!("{hours} h {} m", minutes % 60),
        (_, _, 1..) => format!("{minutes} m {} s", seconds % 60),
        _ => format!("{} s", seconds.max(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        for (seconds, expected) in [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 m 0 s"),
            (3_599, "59 m 59 s"),
            (3_660, "1 h 1 m"),
            (86_399, "23 h 59 m"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
    }
}
