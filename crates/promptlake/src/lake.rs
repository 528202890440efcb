//! The lake that a pipeline file names, for the commands that look at it.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use promptlake_flow::{Clock, ComputePool, Silent};
use promptlake_load::{Loader, Means, Run, Scope, StoreLocation};
use promptlake_model::{RunId, Timestamp};
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
