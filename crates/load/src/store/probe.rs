//! The probe: whether a store does what a lake needs, found out before anything counts on it.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use promptlake_model::RunId;

use super::error::StoreError;
use super::{Created, Store};
use crate::heartbeat::delta;
use crate::layout;

/// What a store can't do, or ignores.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It can't be written.
    #[error("write to the destination")]
    Write(#[source] StoreError),
    /// It answers a conditional put neither with success nor with "it exists".
    #[error("make an object at the destination only where none is")]
    Create(#[source] StoreError),
    /// What was written does not read back.
    #[error("read back what was written to the destination")]
    Read(#[source] StoreError),
    /// What was written reads back as something else, or is gone.
    #[error("read back {path} as it was written to the destination")]
    Changed {
        /// The path of the probe.
        path: String,
    },
    /// It made an object that was there already.
    #[error(
        "rely on the destination: it ignores conditional puts, so two runs could overwrite each other's commits"
    )]
    IgnoresConditions,
    /// It can't copy or rename.
    #[error("put a file in its place at the destination")]
    Place(#[source] StoreError),
    /// It can't list.
    #[error("list the destination")]
    List(#[source] StoreError),
    /// It can't delete.
    #[error("delete at the destination")]
    Delete(#[source] StoreError),
}

/// What a probe tries, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeStep {
    /// An object is written, and read back.
    Write,
    /// One is made only where none is, so that runs can't overwrite each other's commits.
    ConditionalPut,
    /// One is copied or renamed into its place.
    Place,
    /// One is deleted.
    Delete,
    /// All are listed.
    List,
}

impl ProbeStep {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Write, Self::ConditionalPut, Self::Place, Self::Delete, Self::List];
}

impl ProbeError {
    /// Where it failed: what comes before has passed, what comes after was not tried.
    #[must_use]
    pub const fn step(&self) -> ProbeStep {
        match self {
            Self::Write(_) | Self::Read(_) | Self::Changed { .. } => ProbeStep::Write,
            Self::Create(_) | Self::IgnoresConditions => ProbeStep::ConditionalPut,
            Self::Place(_) => ProbeStep::Place,
            Self::Delete(_) => ProbeStep::Delete,
            Self::List(_) => ProbeStep::List,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Write(error) | Self::Read(error) | Self::List(error) | Self::Delete(error) => error.hint(),
            Self::Create(_) => {
                "conditional puts (If-None-Match), and hard links of a local file system, are needed; where only one \
                 run ever writes: destination.single_writer = true, and aws_conditional_put = \"disabled\" for S3"
                    .into()
            }
            Self::Changed { .. } => {
                "use a store that is consistent: what was written must be read at once, by everybody".into()
            }
            Self::IgnoresConditions => {
                "use a store that honours If-None-Match; or, where you make sure that only one run ever writes to \
                 this lake at a time, set destination.single_writer = true"
                    .into()
            }
            Self::Place(error) => format!("copies within the bucket are needed; {}", error.hint()),
        }
    }
}

impl Store {
    /// Tries on objects of its own, below `_promptlake/probe/`, everything that a run will need. Refuses a store that
    /// ignores conditional puts, unless it is opened for a single writer. Deletes what it made, and what probes that
    /// were cut off left there longer than `stale_after` ago, in the store's time.
    pub async fn probe(&self, run: &RunId, stale_after: Duration) -> Result<(), ProbeError> {
        let outcome = self.try_everything(run).await;
        if outcome.is_err() {
            // The first error is what matters, and a store that fails may well fail here too.
            drop(self.delete_below(&layout::probe_of(run)).await);
            return outcome;
        }
        self.delete_left_probes(run, stale_after).await?;
        self.delete_below(&layout::probe_of(run)).await.map_err(ProbeError::Delete)
    }

    async fn try_everything(&self, run: &RunId) -> Result<(), ProbeError> {
        let (made, placed) = (layout::probe(run, "made"), layout::probe(run, "placed"));
        let (first, second) = (body(run, "first"), body(run, "second"));
        self.replace(&placed, second.clone()).await.map_err(ProbeError::Write)?;
        self.probe_conditions(&made, &first, &second).await?;
        // Whatever conditions did to it: from here on it is known.
        self.replace(&made, first.clone()).await.map_err(ProbeError::Write)?;
        // Over what is there, as a publish may have to after it was cut off.
        self.place(&made, &placed, first.len() as u64).await.map_err(ProbeError::Place)?;
        self.expect(&placed, &first).await?;
        for path in [&made, &placed] {
            self.delete(path).await.map_err(ProbeError::Delete)?;
            if self.head(path).await.map_err(ProbeError::Read)?.is_some() {
                return Err(ProbeError::Changed { path: path.to_string() });
            }
        }
        Ok(())
    }

    /// Makes one object twice. The first answer may have got lost, which a read settles; the second must be that it
    /// is there, and what is there must be the first.
    async fn probe_conditions(&self, path: &Path, first: &Bytes, second: &Bytes) -> Result<(), ProbeError> {
        if let Err(error) = self.put_if_absent(path, first.clone()).await
            && self.get(path).await.map_err(ProbeError::Read)?.as_ref() != Some(first)
        {
            return if self.single_writer { Ok(()) } else { Err(ProbeError::Create(error)) };
        }
        let again = self.put_if_absent(path, second.clone()).await;
        let there = self.get(path).await.map_err(ProbeError::Read)?;
        match again {
            Ok(Created::Existed) if there.as_ref() == Some(first) => Ok(()),
            _ if self.single_writer => Ok(()),
            Ok(Created::Existed) => Err(ProbeError::Changed { path: path.to_string() }),
            Ok(Created::Made) => Err(ProbeError::IgnoresConditions),
            Err(error) => Err(ProbeError::Create(error)),
        }
    }

    async fn expect(&self, path: &Path, body: &Bytes) -> Result<(), ProbeError> {
        let found = self.get(path).await.map_err(ProbeError::Read)?;
        if found.as_ref() == Some(body) {
            return Ok(());
        }
        Err(ProbeError::Changed { path: path.to_string() })
    }

    async fn delete_left_probes(&self, run: &RunId, stale_after: Duration) -> Result<(), ProbeError> {
        let others = |path: &Path| !path.prefix_matches(&layout::probe_of(run));
        let listed = self.list(&layout::probe_dir()).await.map_err(ProbeError::List)?;
        if !listed.iter().any(|object| others(&object.location)) {
            return Ok(());
        }
        // The store's time, by an object just written.
        let clock = layout::probe(run, "clock");
        self.replace(&clock, body(run, "clock")).await.map_err(ProbeError::Write)?;
        let now = self.head(&clock).await.map_err(ProbeError::Read)?;
        let Some(now) = now.map(|object| object.last_modified) else {
            return Err(ProbeError::Changed { path: clock.to_string() });
        };
        for object in listed {
            if others(&object.location) && now - object.last_modified >= delta(stale_after) {
                self.delete(&object.location).await.map_err(ProbeError::Delete)?;
            }
        }
        Ok(())
    }
}

fn body(run: &RunId, which: &str) -> Bytes {
    Bytes::from(format!("{which} probe of run {run}; it may be deleted\n"))
}
