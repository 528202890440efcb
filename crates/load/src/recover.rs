//! Recovery, at the start of every run: what earlier runs committed is finished, what they only staged is deleted.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use promptlake_flow::Event;
use promptlake_model::RunId;

use crate::error::LoadError;
use crate::heartbeat::{self, Heartbeat, Life, ProcessIdentity, delta};
use crate::lake::Lake;
use crate::layout;
use crate::record::Deed;

/// What other runs left in the lake.
struct Others {
    heartbeats: BTreeMap<RunId, (Heartbeat, DateTime<Utc>)>,
    /// The newest object that each staged.
    staged: BTreeMap<RunId, DateTime<Utc>>,
    runs: BTreeSet<RunId>,
    /// The store's time, by our own heartbeat.
    now: DateTime<Utc>,
}

impl Lake {
    /// Gives up every run that ended before it had finished, publishes what it had committed, and deletes the rest.
    /// Refuses while another run may live.
    pub(crate) async fn recover(&mut self) -> Result<(), LoadError> {
        let others = self.other_runs().await?;
        let here = ProcessIdentity::of_this_process();
        for run in &others.runs {
            if let Life::Alive(whereabouts) = self.life(&others, run, &here) {
                return Err(LoadError::OtherRun { run: run.clone(), whereabouts });
            }
        }
        // First the record that fences it off: a writer that only slept must find itself given up.
        for run in &others.runs {
            if !self.ledger.books().abandoned.contains(run) {
                self.append(Deed { abandoned: Some(run.clone()), ..Deed::default() }).await?;
            }
            self.means.observer.observe(&Event::Recovered { run_id: run.to_string() });
        }
        let open = self.ledger.books().open_publishes.clone();
        for (_, publish) in open.values() {
            self.carry_out(publish).await?;
        }
        if !open.is_empty() {
            self.append(Deed { carried_out: open.into_keys().collect(), ..Deed::default() }).await?;
        }
        // Published before anything new is read, so that known rows are always found in published files.
        self.publish(None).await?;
        for run in &others.runs {
            self.means.store.delete_below(&layout::staging_of(run)).await?;
            self.means.store.delete(&layout::heartbeat(run)).await?;
        }
        Ok(())
    }

    async fn other_runs(&self) -> Result<Others, LoadError> {
        let store = &self.means.store;
        let own = store.head(&layout::heartbeat(&self.run.id)).await?;
        let heartbeats = heartbeat::read_all(store).await?.into_iter();
        let heartbeats: BTreeMap<_, _> =
            heartbeats.map(|(beat, at)| (beat.run_id.clone(), (beat, at))).collect();
        let mut staged: BTreeMap<RunId, DateTime<Utc>> = BTreeMap::new();
        for object in store.list(&layout::staging_dir()).await? {
            if let Some(run) = layout::staging_run(&object.location) {
                let newest = staged.entry(run).or_insert(object.last_modified);
                *newest = (*newest).max(object.last_modified);
            }
        }
        let books = self.ledger.books();
        let committed = books.segments.iter().map(|(run, _)| run);
        let publishing = books.open_publishes.values().map(|(run, _)| run);
        let mut runs: BTreeSet<RunId> =
            heartbeats.keys().chain(staged.keys()).chain(committed).chain(publishing).cloned().collect();
        runs.remove(&self.run.id);
        let now = own.map(|object| object.last_modified).unwrap_or_default();
        Ok(Others { heartbeats, staged, runs, now })
    }

    fn life(&self, others: &Others, run: &RunId, here: &ProcessIdentity) -> Life {
        if self.ledger.books().abandoned.contains(run) {
            return Life::Ended;
        }
        let stale_after = self.settings.stale_after;
        match (others.heartbeats.get(run), others.staged.get(run)) {
            (Some((heartbeat, renewed)), _) => heartbeat.life(here, others.now - *renewed, stale_after),
            (None, Some(newest)) if others.now - *newest < delta(stale_after) => {
                Life::Alive("it staged something of late and has no heartbeat".into())
            }
            (None, _) => Life::Ended,
        }
    }
}
