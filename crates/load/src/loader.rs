//! The last stage: takes pages of rows, makes them count, makes them seen.

use promptlake_flow::{Event, Held};
use promptlake_model::{PageBatch, SliceEnd, Table, Timestamp, UserEnd};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::book_rows::{RunColumns, coverage_rows, user_rows};
use crate::books::Books;
use crate::error::LoadError;
use crate::gate::Gate;
use crate::gather::Gathered;
use crate::heartbeat::{Heartbeat, ProcessIdentity, Pulse};
use crate::keys::keys_in;
use crate::lake::{Lake, LakeSettings, Means, Run};
use crate::layout;
use crate::ledger::Ledger;
use crate::progress::Progress;
use crate::publish::Direct;
use crate::record::{Commit, Deed, LakeFacts};

/// What reaches the loader.
#[derive(Debug)]
pub enum Loading {
    /// Rows of a page.
    Page(Held<PageBatch>),
    /// A slice has ended.
    SliceEnd(SliceEnd),
    /// A user has ended.
    UserEnd(UserEnd),
}

/// How a run left the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// All that counts is published.
    Published,
    /// What was read is committed; the next run publishes it.
    Committed,
}

/// A lake that is open for one run.
pub struct Loader {
    lake: Lake,
    gate: Gate,
    gathered: Gathered,
    progress: Progress,
}

impl Loader {
    /// Opens a lake: shows that this run lives, reads the ledger, and finishes what earlier runs left.
    pub async fn open(means: Means, settings: LakeSettings, run: Run) -> Result<Self, LoadError> {
        let heartbeat = Heartbeat {
            run_id: run.id.clone(),
            started_at: run.started_at,
            renewed_at: run.started_at,
            process: ProcessIdentity::of_this_process(),
        };
        means.store.probe(&run.id, settings.stale_after).await?;
        // Before anything is staged, so that nothing staged is ever without a heartbeat.
        heartbeat.write(&means.store).await?;
        let (every, stale_after) = (settings.heartbeat_every, settings.stale_after);
        let pulse = Pulse::start(means.store.clone(), heartbeat, means.clock, every, stale_after);
        let facts = LakeFacts { partition_by: vec!["date".into()] };
        let ledger = Ledger::open(means.store.clone(), run.id.clone(), means.clock, facts).await;
        if ledger.is_err() {
            // It never began: nobody should wait for it. Where even that fails, its heartbeat goes stale.
            drop(means.store.delete(&layout::heartbeat(&run.id)).await);
        }
        let mut lake = Lake::new(means, settings, run, ledger?, pulse);
        if let Err(error) = lake.recover().await {
            // Refused, it has changed nothing. After any other failure it may have, and the heartbeat tells whose.
            if matches!(error, LoadError::OtherRun { .. }) {
                drop(lake.leave().await);
            }
            return Err(error);
        }
        warn_of_new_tables(&lake);
        let (gate, gathered, progress) = Default::default();
        Ok(Self { lake, gate, gathered, progress })
    }

    /// What the lake holds: for planning.
    #[must_use]
    pub fn books(&self) -> &Books {
        self.lake.ledger.books()
    }

    /// Refuses a lake whose coverage reaches beyond `now`.
    pub fn check_coverage(&self, now: Timestamp) -> Result<(), LoadError> {
        match self.books().covered_after(now) {
            Some((owner, until)) => Err(LoadError::FutureCoverage { owner, until, now }),
            None => Ok(()),
        }
    }

    /// Takes everything until the channel closes, then commits and publishes. Once `stop` is asked for, what came
    /// is committed and left for the next run to publish: that may take longer than a stop should.
    pub async fn run(
        mut self,
        mut input: mpsc::Receiver<Loading>,
        stop: CancellationToken,
    ) -> Result<Loaded, LoadError> {
        let (commit_every, publish_every) =
            (self.lake.settings.commit_every, self.lake.settings.publish_every);
        let now = Instant::now();
        let (mut commit_at, mut publish_at) = (now + commit_every, now + publish_every);
        loop {
            let due = commit_at.min(publish_at);
            let received = tokio::select! {
                biased;
                () = tokio::time::sleep_until(due) => None,
                received = input.recv() => Some(received),
            };
            match received {
                Some(Some(item)) => self.take(item).await?,
                Some(None) => return self.finish(stop.is_cancelled()).await,
                None => {}
            }
            let now = Instant::now();
            if self.is_full() || now >= due {
                self.commit().await?;
                commit_at = Instant::now() + commit_every;
            }
            let forget = self.gate.memory_bytes() > self.lake.settings.known_bytes;
            if forget || now >= publish_at {
                self.publish_all(forget).await?;
                publish_at = Instant::now() + publish_every;
            }
        }
    }

    async fn take(&mut self, item: Loading) -> Result<(), LoadError> {
        match item {
            Loading::Page(page) => self.take_page(page).await?,
            Loading::SliceEnd(end) => self.progress.slice_end(&end),
            Loading::UserEnd(end) => self.progress.user_end(end),
        }
        self.settle_users()
    }

    async fn take_page(&mut self, page: Held<PageBatch>) -> Result<(), LoadError> {
        let Held { value: page, permit } = page;
        for look_up in self.gate.look_ups(&page, self.lake.ledger.books()) {
            let files = self.lake.ledger.books().files_of(look_up.table, look_up.day, look_up.owner);
            for file in files {
                let keys =
                    keys_in(&self.lake.means.store, &self.lake.means.pool, file, look_up.owner).await?;
                self.gate.learn(&look_up, keys);
            }
        }
        let admission = self.gate.admit(&page);
        let known_records = admission.known_records as u64;
        let applied = self.lake.means.pool.run(move || admission.apply(page)).await?;
        let page = applied.map_err(sort_failed(Table::Interactions))?;
        self.gathered.page(&page).map_err(sort_failed(Table::Interactions))?;
        drop(permit);
        self.progress.page(&page, known_records);
        self.lake.means.observer.observe(&Event::PagePassed {
            new_records: page.records.len() as u64,
            known_records,
            rejects: page.rejects.len() as u64,
        });
        Ok(())
    }

    /// Adds the rows of users whose outcome is settled; their keys are needed no more.
    fn settle_users(&mut self) -> Result<(), LoadError> {
        let settled = self.progress.take_settled();
        if settled.is_empty() {
            return Ok(());
        }
        for user in &settled {
            self.gate.forget(&user.end.owner);
            let (status, reason) = (user.end.status.as_str(), user.end.reason.clone());
            self.lake.means.observer.observe(&Event::UserSettled { status, reason });
        }
        if self.lake.settings.tables.contains(&Table::Users) {
            let failed = sort_failed(Table::Users);
            let rows = user_rows(&settled, self.run_columns()).map_err(&failed)?;
            let day = self.lake.run.started_at.day();
            self.gathered.rows_of_day(Table::Users, &rows, day).map_err(&failed)?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.gathered.memory_bytes() >= self.lake.settings.gather_bytes
    }

    fn run_columns(&self) -> RunColumns<'_> {
        RunColumns { run_id: &self.lake.run.id, extracted_at: self.lake.run.started_at }
    }

    /// What the next commit says, with its coverage also as rows.
    fn draft_commit(&mut self) -> Result<Commit, LoadError> {
        let mut commit = self.progress.draft_commit();
        commit.tables.clone_from(&self.lake.settings.tables);
        let failed = sort_failed(Table::Coverage);
        let rows = coverage_rows(&commit.covered, self.run_columns()).map_err(&failed)?;
        let day = self.lake.run.started_at.day();
        self.gathered.rows_of_day(Table::Coverage, &rows, day).map_err(&failed)?;
        Ok(commit)
    }

    /// Makes what was gathered count: segments, then one record.
    async fn commit(&mut self) -> Result<(), LoadError> {
        if self.gathered.memory_bytes() == 0 && !self.progress.has_news() {
            return Ok(());
        }
        let mut commit = self.draft_commit()?;
        let records = self.gathered.records();
        for (table, batches) in self.gathered.take() {
            commit.segments.push(self.lake.write_segment(table, batches).await?);
        }
        let sequence = self.lake.append(Deed { commit: Some(commit), ..Deed::default() }).await?;
        self.progress.committed();
        self.lake.means.observer.observe(&Event::Committed { sequence, interactions: records });
        Ok(())
    }

    /// Publishes what is committed. To `forget` the known keys, everything has to be.
    async fn publish_all(&mut self, forget: bool) -> Result<(), LoadError> {
        self.commit().await?;
        self.lake.publish(None).await?;
        if forget {
            self.gate.forget_all();
        }
        Ok(())
    }

    async fn finish(mut self, interrupted: bool) -> Result<Loaded, LoadError> {
        if interrupted {
            self.commit().await?;
            // So that no run, on whatever host, waits for this one.
            self.lake.ledger.surrender().await?;
            self.lake.leave().await?;
            return Ok(Loaded::Committed);
        }
        if self.books().segments.is_empty() {
            self.publish_directly().await?;
        } else {
            self.publish_all(false).await?;
        }
        let staging = layout::staging_of(&self.lake.run.id);
        self.lake.means.store.delete_below(&staging).await?;
        self.lake.leave().await?;
        Ok(Loaded::Published)
    }

    /// Rows that still fit in memory need no segments: one record commits and publishes them.
    async fn publish_directly(&mut self) -> Result<(), LoadError> {
        if self.gathered.memory_bytes() == 0 && !self.progress.has_news() {
            return Ok(());
        }
        let commit = self.draft_commit()?;
        let interactions = self.gathered.records();
        let tables = self.gathered.take();
        if let Some(sequence) = self.lake.publish(Some(Direct { tables, commit })).await? {
            self.progress.committed();
            self.lake.means.observer.observe(&Event::Committed { sequence, interactions });
        }
        Ok(())
    }
}

/// A table that is switched on holds only what is read from then on.
fn warn_of_new_tables(lake: &Lake) {
    let before = &lake.ledger.books().tables;
    for table in lake.settings.tables.iter().filter(|table| !before.is_empty() && !before.contains(table)) {
        tracing::warn!("the table {table} is new in this lake: it begins with the next new record");
    }
}

fn sort_failed(table: Table) -> impl Fn(arrow::error::ArrowError) -> LoadError {
    move |source| LoadError::Sort { table, source }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("run", &self.lake.run).finish_non_exhaustive()
    }
}
