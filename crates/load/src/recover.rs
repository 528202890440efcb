//! Recovery, at the start of every run and again before its last publish: what runs that ended had committed is
//! finished, what they only staged is deleted. A run that lives is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use promptlake_flow::Event;
use promptlake_model::RunId;

use crate::error::LoadError;
use crate::failpoint;
use crate::heartbeat::{self, Heartbeat, Life, ProcessIdentity, delta};
use crate::lake::Lake;
use crate::layout;
use crate::publish::Published;
use crate::record::{Deed, Publish};

/// How often a run looks whether another has finished recovering what both found.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What other runs left in the lake, and whether they live.
struct Others {
    runs: BTreeMap<RunId, Other>,
    /// The store's time, by our own heartbeat.
    now: DateTime<Utc>,
}

#[derive(Default)]
struct Other {
    heartbeat: Option<(Heartbeat, DateTime<Utc>)>,
    /// When the newest object that it staged was written.
    staged: Option<DateTime<Utc>>,
    /// Where it runs and until when it is taken for alive; `None` when it has ended.
    alive: Option<String>,
}

impl Lake {
    /// Gives up every run that ended before it had finished, publishes what it had committed, and deletes the rest.
    /// Refuses while another run lives that reads the same users. Where another run that lives is recovering already,
    /// waits for it: what it publishes has to be known before anything is read.
    pub(crate) async fn recover_at_start(&mut self) -> Result<(), LoadError> {
        let mut others = self.other_runs().await?;
        self.check_take_over(&others)?;
        // Ends when the other has finished or its heartbeat is stale, and at once when a stop is asked for.
        loop {
            self.refuse_live_runs(&others)?;
            if self.recover(&others).await? || self.stop.is_cancelled() {
                return Ok(());
            }
            let stop = self.stop.clone();
            // Either way it looks again, and a stop ends it then.
            drop(tokio::time::timeout(LOOK_AGAIN_AFTER, stop.cancelled()).await);
            others = self.other_runs().await?;
        }
    }

    /// The same for runs that ended meanwhile.
    pub(crate) async fn recover_ended(&mut self) -> Result<(), LoadError> {
        let others = self.other_runs().await?;
        self.recover(&others).await.map(drop)
    }

    /// The same before the last publish. Says which unfinished runs it leaves alone. What keeps it from finishing
    /// another run keeps this one from nothing: the next run meets it at its start.
    pub(crate) async fn recover_before_last_publish(&mut self) -> Result<(), LoadError> {
        let others = self.other_runs().await?;
        match self.recover(&others).await {
            Ok(_) => {}
            Err(error @ (LoadError::Ledger(_) | LoadError::Heartbeat(_))) => return Err(error),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, %cause, "could not finish another run; `promptlake verify` says more");
            }
        }
        let silent = delta(2 * self.settings.heartbeat_every);
        for (run, other) in &others.runs {
            let quiet = other.heartbeat.as_ref().is_none_or(|(_, renewed)| others.now - *renewed > silent);
            if let (Some(whereabouts), true) = (&other.alive, quiet) {
                tracing::warn!("run {run} has not finished ({whereabouts}); a later run finishes it");
            }
        }
        Ok(())
    }

    /// To take a run over is to say that it has ended: not one that left nothing, nor one that is seen to live.
    fn check_take_over(&self, others: &Others) -> Result<(), LoadError> {
        let Some(run) = self.settings.take_over.clone() else { return Ok(()) };
        let Some(other) = others.runs.get(&run) else { return Err(LoadError::NothingToTakeOver { run }) };
        let here = ProcessIdentity::of_this_process();
        match other.heartbeat.as_ref().and_then(|(heartbeat, _)| heartbeat.process_seen(&here)) {
            Some(process_id) => Err(LoadError::TakeOverOfLiveRun { run, process_id }),
            None => Ok(()),
        }
    }

    fn refuse_live_runs(&self, others: &Others) -> Result<(), LoadError> {
        for (run, other) in &others.runs {
            let Some(whereabouts) = &other.alive else { continue };
            let scope = other.heartbeat.as_ref().map(|(heartbeat, _)| &heartbeat.scope);
            let own = &self.run.scope;
            let same_users = !own.is_of_nobody() && scope.is_none_or(|scope| scope.is_same(own));
            if same_users || self.means.store.is_single_writer() {
                return Err(LoadError::OtherRun { run: run.clone(), whereabouts: whereabouts.clone() });
            }
        }
        Ok(())
    }

    /// Whether everything that ended runs left is finished; if not, a run that lives is at it.
    async fn recover(&mut self, others: &Others) -> Result<bool, LoadError> {
        let ended: BTreeSet<&RunId> =
            others.runs.iter().filter(|(_, other)| other.alive.is_none()).map(|(run, _)| run).collect();
        // First the record that fences it off: a writer that only slept must find itself given up.
        for run in &ended {
            if !self.ledger.books().abandoned.contains_key(*run) {
                self.append(Deed { abandoned: Some((*run).clone()), ..Deed::default() }).await?;
                failpoint::reach("recover.abandoned");
            }
        }
        let abandoned = &self.ledger.books().abandoned;
        let by_a_live_one = |run: &RunId| {
            abandoned.get(run).is_some_and(|by| others.runs.get(by).is_some_and(|by| by.alive.is_some()))
        };
        let (theirs, ours): (BTreeSet<RunId>, BTreeSet<RunId>) =
            ended.iter().map(|run| (*run).clone()).partition(by_a_live_one);
        self.finish_runs(&ours).await?;
        let books = self.ledger.books();
        let publishing = books.open_publishes.values().map(|(run, _)| run);
        let waiting = books.segments.iter().map(|(run, _)| run).chain(publishing);
        Ok(!waiting.into_iter().any(|run| theirs.contains(run)))
    }

    /// Finishes runs that are given up: carries out their publishes, publishes their committed segments, and deletes
    /// what they staged that no record names.
    async fn finish_runs(&mut self, runs: &BTreeSet<RunId>) -> Result<(), LoadError> {
        for run in runs {
            self.means.observer.observe(&Event::Recovered { run_id: run.to_string() });
        }
        let open = self.ledger.books().open_publishes.iter();
        let open: Vec<(u64, Publish)> = open
            .filter(|(_, (run, _))| runs.contains(run))
            .map(|(sequence, (_, publish))| (*sequence, publish.clone()))
            .collect();
        for (sequence, publish) in open {
            self.carry_out(&publish).await?;
            failpoint::reach("recover.placed");
            self.append(Deed { carried_out: vec![sequence], ..Deed::default() }).await?;
            failpoint::reach("recover.carried_out");
        }
        // Published before anything new is read, so that known rows are always found in published files.
        if self.publish_ended(runs).await? == Published::Stopped {
            return Ok(());
        }
        failpoint::reach("recover.published");
        for run in runs {
            self.delete_unneeded(run).await?;
            self.means.store.delete(&layout::heartbeat(run)).await?;
        }
        failpoint::reach("recover.cleaned");
        Ok(())
    }

    async fn other_runs(&mut self) -> Result<Others, LoadError> {
        let store = self.means.store.clone();
        let own = store.head(&layout::heartbeat(&self.run.id)).await?;
        let now = own.map(|object| object.last_modified).unwrap_or_default();
        let mut runs: BTreeMap<RunId, Other> = BTreeMap::new();
        for object in store.list(&layout::staging_dir()).await? {
            if let Some(run) = layout::staging_run(&object.location) {
                let staged = &mut runs.entry(run).or_default().staged;
                *staged = (*staged).max(Some(object.last_modified));
            }
        }
        // After the staged objects, so that none of them is without the heartbeat that was written before it.
        for (heartbeat, renewed) in heartbeat::read_all(&store).await? {
            let run = heartbeat.run_id.clone();
            runs.entry(run).or_default().heartbeat = Some((heartbeat, renewed));
        }
        // A run that has left since then left nothing open.
        self.ledger.catch_up().await?;
        let books = self.ledger.books();
        let committed = books.segments.iter().map(|(run, _)| run);
        for run in committed.chain(books.open_publishes.values().map(|(run, _)| run)) {
            runs.entry(run.clone()).or_default();
        }
        runs.remove(&self.run.id);
        let here = ProcessIdentity::of_this_process();
        for (run, other) in &mut runs {
            other.alive = self.whereabouts(run, other, now, &here);
        }
        Ok(Others { runs, now })
    }

    /// Where a run that may live is, and until when it is taken for alive.
    fn whereabouts(
        &self,
        run: &RunId,
        other: &Other,
        now: DateTime<Utc>,
        here: &ProcessIdentity,
    ) -> Option<String> {
        let taken_over = self.settings.take_over.as_ref() == Some(run);
        if taken_over || self.ledger.books().abandoned.contains_key(run) {
            return None;
        }
        let stale_after = self.settings.stale_after;
        match (&other.heartbeat, other.staged) {
            (Some((heartbeat, renewed)), _) => match heartbeat.life(here, now - *renewed, stale_after) {
                Life::Alive(whereabouts) => Some(whereabouts),
                Life::Ended => None,
            },
            (None, Some(newest)) if now - newest < delta(stale_after) => {
                Some("it staged something of late and has no heartbeat".into())
            }
            (None, _) => None,
        }
    }
}
