//! The last stage: takes pages of rows, makes them count, makes them seen.

use promptlake_flow::{Event, Held, Receiver};
use promptlake_model::{Owner, PageBatch, SliceEnd, Table, Timestamp, UserEnd, UserStatus};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::book_rows::{RunColumns, coverage_rows, user_rows};
use crate::books::Books;
use crate::error::LoadError;
use crate::failpoint;
use crate::gate::Gate;
use crate::gather::Gathered;
use crate::heartbeat::{Heartbeat, ProcessIdentity, Pulse};
use crate::keys::KeyReader;
use crate::lake::{Lake, LakeSettings, Means, Run, lake_facts};
use crate::late::{Lacking, LateRows};
use crate::layout;
use crate::ledger::{Appended, Ledger, LedgerMeans};
use crate::progress::Progress;
use crate::publish::Published;
use crate::record::{Commit, Deed};

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
    late: LateRows,
    progress: Progress,
}

impl Loader {
    /// Opens a lake: shows that this run lives, reads the ledger, and finishes what earlier runs left.
    ///
    /// Once `stop` is asked for, what earlier runs left is not finished: the run then ends without anything new.
    pub async fn open(
        means: Means,
        settings: LakeSettings,
        run: Run,
        stop: CancellationToken,
    ) -> Result<Self, LoadError> {
        let heartbeat = Heartbeat {
            run_id: run.id.clone(),
            started_at: run.started_at,
            renewed_at: run.started_at,
            process: ProcessIdentity::of_this_process(),
            scope: run.scope.clone(),
        };
        means.store.probe(&run.id, settings.stale_after).await?;
        // Before anything is staged, so that nothing staged is ever without a heartbeat.
        heartbeat.write(&means.store).await?;
        let (every, stale_after) = (settings.heartbeat_every, settings.stale_after);
        let mut pulse = Pulse::start(means.store.clone(), heartbeat, means.clock, every, stale_after);
        failpoint::reach("heartbeat.written");
        let ledger_means =
            LedgerMeans { store: means.store.clone(), pool: means.pool.clone(), clock: means.clock };
        let ledger = Ledger::open(ledger_means, run.id.clone(), lake_facts()).await;
        if ledger.is_err() {
            // It never began: nobody should wait for it. Where even that fails, its heartbeat goes stale.
            pulse.stop().await;
            if let Err(error) = means.store.delete(&layout::heartbeat(&run.id)).await {
                tracing::warn!(%error, "could not delete the heartbeat of a run that did not begin");
            }
        }
        let mut lake = Lake::new(means, settings, run, ledger?, pulse);
        lake.stop = stop;
        failpoint::reach("ledger.opened");
        if let Err(error) = lake.recover_at_start().await {
            match error {
                // Refused, it has changed nothing.
                LoadError::OtherRun { .. }
                | LoadError::NothingToTakeOver { .. }
                | LoadError::TakeOverOfLiveRun { .. } => drop(lake.leave().await),
                _ => lake.give_up().await,
            }
            return Err(error);
        }
        warn_of_new_tables(&lake);
        let gate = Gate::new(lake.settings.known_bytes);
        let (gathered, late, progress) = Default::default();
        Ok(Self { lake, gate, gathered, late, progress })
    }

    /// What the lake holds: for planning.
    #[must_use]
    pub fn books(&self) -> &Books {
        self.lake.ledger.books()
    }

    /// Leaves the lake without reading anything new: what opening it finished is all that is done.
    pub async fn close(mut self) -> Result<(), LoadError> {
        self.lake.leave().await
    }

    /// Refuses a lake whose coverage reaches beyond `now`.
    pub async fn check_coverage(mut self, now: Timestamp) -> Result<Self, LoadError> {
        if let Some((owner, until)) = self.books().covered_after(now) {
            self.lake.leave().await?;
            return Err(LoadError::FutureCoverage { owner, until, now });
        }
        Ok(self)
    }

    /// Refuses users of whom another run has committed rows that are not published yet, and gives this run up.
    pub async fn check_users(mut self, users: impl IntoIterator<Item = &Owner>) -> Result<Self, LoadError> {
        for owner in users {
            if let Err(error) = self.check_user(*owner) {
                self.lake.give_up().await;
                return Err(error);
            }
        }
        Ok(self)
    }

    fn check_user(&self, owner: Owner) -> Result<(), LoadError> {
        let run = self.books().run_with_unpublished(&owner, &self.lake.run.id);
        run.map_or(Ok(()), |run| Err(LoadError::UserInCommon { owner, run: run.clone() }))
    }

    /// Takes everything until the channel closes, then commits and publishes. Once a stop is asked for, what came
    /// is committed and left for the next run to publish: that may take longer than a stop should. A run that fails
    /// gives itself up, and takes away what it staged in vain.
    ///
    /// Of each user of whom anything came that a window should have held which was covered already, `tell_late` is told when
    /// he is done.
    pub async fn run(
        mut self,
        input: Receiver<Loading>,
        tell_late: impl FnMut(Lacking),
    ) -> Result<Loaded, LoadError> {
        let loaded = self.load(input, tell_late).await;
        if loaded.is_err() {
            self.lake.give_up().await;
        }
        loaded
    }

    async fn load(
        &mut self,
        mut input: Receiver<Loading>,
        mut tell_late: impl FnMut(Lacking),
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
                Some(Some(item)) => self.take(item, &mut tell_late).await?,
                Some(None) => return self.finish().await,
                None => {}
            }
            let now = Instant::now();
            if self.is_full() || now >= due {
                self.commit().await?;
                commit_at = Instant::now() + commit_every;
            }
            let forget = self.gate.is_full();
            if forget || now >= publish_at {
                self.publish_all(forget).await?;
                publish_at = Instant::now() + publish_every;
            }
        }
    }

    async fn take(&mut self, item: Loading, tell_late: &mut impl FnMut(Lacking)) -> Result<(), LoadError> {
        match item {
            Loading::Page(page) => self.take_page(page).await?,
            Loading::SliceEnd(end) => self.progress.slice_end(&end),
            Loading::UserEnd(end) => self.progress.user_end(end),
        }
        self.settle_users(tell_late)
    }

    async fn take_page(&mut self, page: Held<PageBatch>) -> Result<(), LoadError> {
        let Held { value: page, permit } = page;
        self.refuse_unpublished_of_others(page.owner).await?;
        let (means, books) = (&self.lake.means, self.lake.ledger.books());
        let reader = KeyReader { store: &means.store, pool: &means.pool };
        for look_up in self.gate.look_ups(&page, books) {
            reader.tell_gate(&mut self.gate, books, &look_up, &page).await?;
        }
        let admission = self.gate.admit(&page);
        let known_records = admission.known_records as u64;
        let applied = self.lake.means.pool.run(move || admission.apply(page)).await?;
        let page = applied.map_err(sort_failed(Table::Interactions))?;
        self.gathered.page(&page).map_err(sort_failed(Table::Interactions))?;
        if self.is_full() {
            // What goes beyond the share of gathered rows counts as a page until it is committed.
            self.gathered.hold(permit);
        }
        self.progress.page(&page, known_records);
        let late_records = self.late.page(&page, self.lake.ledger.books());
        if page.lost_markers > 0 {
            self.lake.means.observer.observe(&Event::LostMarkers { count: page.lost_markers });
        }
        for (name, count) in page.unknown_fields.iter() {
            self.lake.means.observer.observe(&Event::UnknownField { name: name.to_owned(), count });
        }
        self.lake.means.observer.observe(&Event::PagePassed {
            new_records: page.records.len() as u64,
            known_records,
            late_records,
            rejects: page.rejects.len() as u64,
        });
        Ok(())
    }

    /// Rows of another run that are committed and not published can't be looked up.
    async fn refuse_unpublished_of_others(&mut self, owner: Owner) -> Result<(), LoadError> {
        if self.check_user(owner).is_ok() {
            return Ok(());
        }
        // Published by now, perhaps.
        self.declare_stake();
        self.lake.ledger.catch_up().await?;
        if self.check_user(owner).is_err() {
            // Of a run that has ended since, perhaps: what it committed is published by whoever comes first.
            self.lake.recover_ended().await?;
        }
        self.check_user(owner)
    }

    /// Another run that commits for one of these users ends this one: their rows were not checked against its.
    fn declare_stake(&mut self) {
        self.lake.ledger.set_stake(self.progress.owners());
    }

    /// Adds the rows of users whose outcome is settled; their keys are needed no more.
    fn settle_users(&mut self, tell_late: &mut impl FnMut(Lacking)) -> Result<(), LoadError> {
        let settled = self.progress.take_settled();
        if settled.is_empty() {
            return Ok(());
        }
        for user in &settled {
            let owner = user.end.owner;
            self.gate.forget(&owner);
            if let Some(late) = self.late.take(&owner) {
                tell_late(late);
            }
            let turned_away = matches!(user.end.status, UserStatus::Unlicensed | UserStatus::NotFound);
            if turned_away && !self.books().is_turned_away(&owner) {
                self.progress.turn_away(owner);
            }
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
        let (tables, _held) = self.gathered.take();
        commit.segments = self.lake.write_segments(tables).await?;
        self.declare_stake();
        let deed = Deed { commit: Some(commit), ..Deed::default() };
        if let Appended::Made(sequence) = self.lake.append(deed).await? {
            failpoint::reach("commit.recorded");
            self.progress.committed();
            self.lake.means.observer.observe(&Event::Committed { sequence, interactions: records });
        }
        Ok(())
    }

    /// Publishes what is committed. To `forget` the known keys, everything has to be.
    async fn publish_all(&mut self, forget: bool) -> Result<Published, LoadError> {
        self.commit().await?;
        self.declare_stake();
        let published = self.lake.publish_own().await?;
        if forget && published != Published::Stopped {
            self.gate.forget_all();
        }
        Ok(published)
    }

    async fn finish(&mut self) -> Result<Loaded, LoadError> {
        if self.lake.stop.is_cancelled() {
            return self.finish_early().await;
        }
        self.declare_stake();
        self.lake.recover_before_last_publish().await?;
        let own = self.lake.run.id.clone();
        let published = if self.books().segments_of(|run| *run == own).is_empty() {
            self.publish_directly().await?
        } else {
            self.publish_all(false).await?
        };
        if published == Published::Stopped {
            return self.finish_early().await;
        }
        self.lake.leave().await?;
        Ok(Loaded::Published)
    }

    /// Commits what came and leaves the rest to the next run.
    async fn finish_early(&mut self) -> Result<Loaded, LoadError> {
        self.commit().await?;
        // So that no run, on whatever host, waits for this one.
        self.lake.ledger.surrender().await?;
        self.lake.leave().await?;
        Ok(Loaded::Committed)
    }

    /// Rows that still fit in memory need no segments: one record commits and publishes them.
    async fn publish_directly(&mut self) -> Result<Published, LoadError> {
        if self.gathered.memory_bytes() == 0 && !self.progress.has_news() {
            return Ok(Published::Nothing);
        }
        let commit = self.draft_commit()?;
        let interactions = self.gathered.records();
        let (tables, _held) = self.gathered.take();
        self.declare_stake();
        let sequence = self.lake.publish_directly(tables, commit).await?;
        self.progress.committed();
        self.lake.means.observer.observe(&Event::Committed { sequence, interactions });
        Ok(Published::Done(sequence))
    }
}

/// A table that is switched on holds only what is read from then on.
fn warn_of_new_tables(lake: &Lake) {
    let before = &lake.ledger.books().tables;
    for table in lake.settings.tables.iter().filter(|table| !before.is_empty() && !before.contains(table)) {
        tracing::warn!("the table {table} is new in this lake: it begins with the next new record");
    }
}

fn sort_failed(table: Table) -> impl Fn(arrow_schema::ArrowError) -> LoadError {
    move |source| LoadError::Sort { table, source }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("run", &self.lake.run).finish_non_exhaustive()
    }
}
