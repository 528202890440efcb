//! The rules of the protocol, as moves from one state to the next. A move is what happens to the store or the ledger
//! at one instant; what a run only thinks in between is part of the move before it.

use crate::state::{
    Bits, Books, CHILDREN, Commit, PARENTS, Placing, Publish, Purpose, Record, Run, State, Step, Task, bit,
    numbers, objects_of,
};

/// A rule that is broken on purpose: the model must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// What a run left is deleted before the record that gives it up.
    DeletesBeforeAbandoning,
    /// What no record names is told by the records read before the run was given up.
    DeletesWithoutReadingAgain,
    /// What is staged is deleted although publishes of the run are open.
    DeletesWithoutCarryingOut,
    /// The loser of a number tries the next one, whatever was committed in between.
    RetriesThoughTouched,
    /// Only uncommitted rows make a user one's own, not that he is still being read.
    ForgetsOpenSlices,
    /// A commit in doubt is tried again, rather than given up at its number.
    RetriesInDoubt,
    /// A run whose commit is in doubt deletes what it staged, and gives nothing up.
    CleansUpInDoubt,
    /// Files are put in place before a record names them.
    PlacesBeforeRecord,
    /// A publish is called carried out before it is.
    SaysCarriedOutFirst,
    /// `interactions` come first.
    PlacesParentsFirst,
    /// Files are published although others used up the segments that they were made of.
    IgnoresUsedUp,
    /// A run does not look whether it was given up, as if it read a checkpoint.
    MissesAbandonment,
    /// Rows are committed whether or not they are known.
    ForgetsKnownRows,
    /// The store takes a put although the number is taken.
    PutsWithoutCondition,
}

/// Runs, and what may befall them. The last run starts when all others have ended, and nothing befalls it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) tasks: Vec<Vec<Task>>,
    pub(crate) deaths: u8,
    pub(crate) doubts: u8,
    /// Files are renamed into place, as on a local file system, rather than copied and then deleted.
    pub(crate) renames: bool,
    pub(crate) broken: Option<Broken>,
}

/// What happened, to be read in a trace.
pub(crate) type Move = (usize, &'static str, State);

impl Case {
    pub(crate) fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    /// Everything that can happen next.
    pub(crate) fn moves(&self, state: &State) -> Vec<Move> {
        let mut moves = late_landings(state);
        for run in 0..state.runs.len() {
            moves.extend(self.steps(state, run));
            moves.extend(death(state, run));
        }
        for (_, _, state) in &mut moves {
            let records = state.records();
            state.under_way.retain(|(number, _)| *number > records);
            state.under_way.sort_unstable_by_key(|(number, record)| (*number, record.run, record.attempt));
        }
        moves
    }

    fn steps(&self, state: &State, run: usize) -> Vec<Move> {
        let mut moves = match state.runs[run].step {
            Step::Left | Step::Gone => Vec::new(),
            Step::Asleep | Step::Looking => self.look(state, run),
            Step::Putting => self.put(state, run),
            Step::ReadingBack => vec![self.read_back(state, run)],
            Step::GivingUpInDoubt => self.give_up_in_doubt(state, run),
            Step::ReadingBackInDoubt => vec![self.read_back_in_doubt(state, run)],
            Step::CarryingOut(placing) => self.carry_out(state, run, placing).into_iter().collect(),
            Step::Merging => self.merge(state, run).into_iter().collect(),
            Step::StagingSegment => vec![stage_segment(state, run)],
            Step::StagingFile => vec![stage_file(state, run)],
            Step::Listing => vec![self.list(state, run)],
            Step::Deleting => vec![self.delete(state, run)],
            Step::Abandoning | Step::Tasks => unreachable!("these are only thought"),
        };
        for (_, _, state) in &mut moves {
            self.think(state, run);
        }
        moves
    }

    /// Reads heartbeats and the ledger. Whom it takes for dead is open, since anybody may be slow.
    fn look(&self, state: &State, run: usize) -> Vec<Move> {
        let is_last = run + 1 == state.runs.len();
        if is_last && state.runs[..run].iter().any(|other| !other.has_ended()) {
            return Vec::new();
        }
        let mut next = state.clone();
        if state.runs[run].step == Step::Looking && !self.read_on(&mut next, run) {
            return vec![(run, "looks at the lake, and learns that it must end", next)];
        }
        next.runs[run].head = next.records();
        next.runs[run].began_at = next.records();
        next.runs[run].recovering = true;
        let first = if self.is(Broken::DeletesBeforeAbandoning) { Step::Listing } else { Step::Abandoning };
        next.runs[run].step = first;
        let abandoned = Books::of(&state.ledger).abandoned;
        let unfinished = |(_, other): &(u8, &Run)| !matches!(other.step, Step::Asleep | Step::Left);
        let others = (0..).zip(&state.runs).filter(unfinished).map(|(other, _)| bit(other));
        let mine = bit(name(run));
        let suspects = others.fold(0, |all, other| all | other) & !abandoned & !mine;
        let chosen = subsets(suspects).filter(|chosen| !is_last || *chosen == suspects);
        let starts = chosen.map(|chosen| {
            let mut next = next.clone();
            next.runs[run].taken_for_dead = chosen;
            (run, "looks at the lake", next)
        });
        starts.collect()
    }

    pub(crate) const fn first_placing(&self) -> Placing {
        match self.broken {
            Some(Broken::PlacesParentsFirst) => Placing::Table(PARENTS),
            _ => Placing::Table(CHILDREN),
        }
    }

    const fn placing_after(&self, table: usize) -> Placing {
        match (table, self.broken) {
            (PARENTS, Some(Broken::PlacesParentsFirst)) => Placing::Table(CHILDREN),
            (CHILDREN, None) => Placing::Table(PARENTS),
            (CHILDREN, Some(broken)) if !matches!(broken, Broken::PlacesParentsFirst) => {
                Placing::Table(PARENTS)
            }
            _ => Placing::Unstaging,
        }
    }

    /// One change to the store. That it looks first and copies then makes no difference: a file of this name has these
    /// bytes whoever puts it there, and who finds its staged file gone looks for it in its place once more.
    fn carry_out(&self, state: &State, run: usize, placing: Placing) -> Option<Move> {
        let (sequence, publish) = self.open_publish(state, run)?;
        let file = bit(publish.file);
        let mut next = state.clone();
        let (after, said) = match placing {
            Placing::Table(table) => {
                if (next.objects.staged[table] | next.objects.placed[table]) & file == 0 {
                    return None;
                }
                next.objects.placed[table] |= file;
                if self.renames {
                    next.objects.staged[table] &= !file;
                }
                (self.placing_after(table), "puts a file in its place")
            }
            Placing::Unstaging => {
                next.objects.unstage(file);
                (Placing::DeletingSegments, "deletes staged files that are in their places")
            }
            Placing::DeletingSegments => {
                next.objects.segments &= !publish.segments;
                next.runs[run].placed |= bit(sequence);
                (self.first_placing(), "deletes segments that are used up")
            }
        };
        next.runs[run].step = Step::CarryingOut(after);
        Some((run, said, next))
    }

    /// Makes files of committed segments. Where one is gone, somebody else used it up: the ledger says so.
    fn merge(&self, state: &State, run: usize) -> Option<Move> {
        let segments = self.segments_to_publish(state, run);
        let mut next = state.clone();
        if segments & !state.objects.segments != 0 {
            (state.records() > state.runs[run].head).then(|| self.read_on(&mut next, run))?;
            if next.runs[run].step == Step::Putting && next.runs[run].purpose != Purpose::GiveUpItself {
                next.runs[run].step = Step::Merging;
            }
            return Some((run, "misses a segment, and reads on", next));
        }
        let rows = numbers(segments).map(|segment| state.objects.segment_rows(segment));
        let file = next.runs[run].next_file(name(run));
        next.objects.stage_file(file, rows.fold(0, |all, rows| all | rows));
        if self.is(Broken::PlacesBeforeRecord) {
            next.objects.placed[CHILDREN] |= bit(file);
        }
        let deed = Record { publish: Some(Publish { segments, file }), ..Record::default() };
        draft(&mut next.runs[run], run, Purpose::Publish, deed);
        Some((run, "merges segments into staged files", next))
    }

    /// What runs that were given up left, and no record needs.
    fn list(&self, state: &State, run: usize) -> Move {
        let mut next = state.clone();
        let own = &state.runs[run];
        let read = match self.broken {
            Some(Broken::DeletesWithoutReadingAgain) => own.began_at,
            _ => own.head,
        };
        let books = Books::of(&state.ledger[..read as usize]);
        let given_up = match self.broken {
            Some(Broken::DeletesBeforeAbandoning) => own.taken_for_dead,
            _ => state.books(run).abandoned & !bit(name(run)),
        };
        let folders = numbers(given_up).map(objects_of).fold(0, |all, objects| all | objects);
        let kept = if self.is(Broken::DeletesWithoutCarryingOut) { 0 } else { books.open_files() };
        let staged = state.objects.staged[CHILDREN] | state.objects.staged[PARENTS];
        next.runs[run].doomed =
            [folders & state.objects.segments & !books.segments, folders & staged & !kept];
        next.runs[run].step = Step::Deleting;
        (run, "lists what no record names", next)
    }

    fn delete(&self, state: &State, run: usize) -> Move {
        let mut next = state.clone();
        let [segments, files] = next.runs[run].doomed;
        next.objects.segments &= !segments;
        next.objects.unstage(files);
        let own = &mut next.runs[run];
        own.doomed = [0; 2];
        own.step = if self.is(Broken::DeletesBeforeAbandoning) && own.taken_for_dead != 0 {
            Step::Abandoning
        } else {
            Step::Tasks
        };
        (run, "deletes what no record names", next)
    }

    /// The first publish that this run has to carry out.
    fn open_publish(&self, state: &State, run: usize) -> Option<(u8, Publish)> {
        let own = &state.runs[run];
        let books = state.books(run);
        let skips = self.is(Broken::DeletesWithoutCarryingOut);
        let given_up = if own.recovering && !skips { books.abandoned } else { 0 };
        let responsible = given_up | bit(name(run));
        let mut open = books.open.iter().filter(|(sequence, record, _)| {
            responsible & bit(record.run) != 0 && own.placed & bit(*sequence) == 0
        });
        open.next().map(|(sequence, _, publish)| (*sequence, *publish))
    }

    fn segments_to_publish(&self, state: &State, run: usize) -> Bits {
        let own = &state.runs[run];
        let books = match self.broken {
            Some(Broken::DeletesWithoutReadingAgain) if own.recovering => {
                Books::of(&state.ledger[..own.began_at as usize])
            }
            _ => state.books(run),
        };
        let given_up = if own.recovering { books.abandoned } else { 0 };
        let folders = numbers(given_up | bit(name(run))).map(objects_of);
        books.segments & !state.books(run).used_up & folders.fold(0, |all, objects| all | objects)
    }

    /// Goes on to the next step that touches the store.
    fn think(&self, state: &mut State, run: usize) {
        loop {
            let books = state.books(run);
            match state.runs[run].step {
                Step::Abandoning => {
                    let own = &mut state.runs[run];
                    match numbers(own.taken_for_dead & !books.abandoned).next() {
                        Some(other) => {
                            let deed = Record { abandoned: Some(other), ..Record::default() };
                            draft(own, run, Purpose::GiveUpOther, deed);
                        }
                        None => own.step = Step::CarryingOut(self.first_placing()),
                    }
                }
                Step::CarryingOut(placing) if placing == self.first_placing() => {
                    let open = self.open_publish(state, run);
                    let own = &mut state.runs[run];
                    match open {
                        Some((sequence, _)) if self.is(Broken::SaysCarriedOutFirst) => {
                            own.placed |= bit(sequence);
                        }
                        Some(_) => return,
                        None if own.placed != 0 => {
                            let deed = Record { carried_out: own.placed, ..Record::default() };
                            draft(own, run, Purpose::CarriedOut, deed);
                        }
                        None => own.step = Step::Merging,
                    }
                }
                Step::Merging if self.segments_to_publish(state, run) == 0 => {
                    let own = &mut state.runs[run];
                    own.step = if own.recovering { Step::Listing } else { Step::Tasks };
                }
                Step::Tasks => self.next_task(&mut state.runs[run], run, &books),
                _ => return,
            }
        }
    }

    fn next_task(&self, own: &mut Run, run: usize, books: &Books) {
        own.recovering = false;
        let Some(task) = self.tasks[run].get(own.task as usize) else { return end(own, Step::Left) };
        match *task {
            Task::Commit { user, rows, .. } | Task::CommitAndPublish { user, rows } => {
                // His known rows are looked up when he is begun, and kept until he is done.
                let known = if self.is(Broken::ForgetsKnownRows) { 0 } else { books.rows };
                let open = own.open_user.filter(|(open, _)| *open == user).unwrap_or((user, known));
                own.open_user = Some(open);
                own.rows = rows & !open.1;
                own.step = match task {
                    Task::Commit { .. } => Step::StagingSegment,
                    _ => Step::StagingFile,
                };
                if own.rows == 0 {
                    own.step = Step::Tasks;
                    own.task += 1;
                    if !matches!(task, Task::Commit { last: false, .. }) {
                        own.open_user = None;
                    }
                }
            }
            Task::Publish => {
                own.step = Step::Merging;
                own.task += 1;
            }
            Task::RecoverAgain => {
                own.step = Step::Looking;
                own.task += 1;
            }
            Task::Stop => give_up_itself(own, run),
        }
    }
}

/// A run that sleeps for ever is a run that died; one that wakes up is one that took no step for a while.
fn death(state: &State, run: usize) -> Option<Move> {
    let awake = state.runs[run].step != Step::Asleep && !state.runs[run].has_ended();
    let mortal = run + 1 < state.runs.len() && state.deaths_left > 0;
    (awake && mortal).then(|| {
        let mut next = state.clone();
        next.deaths_left -= 1;
        end(&mut next.runs[run], Step::Gone);
        (run, "dies", next)
    })
}

pub(crate) fn name(run: usize) -> u8 {
    u8::try_from(run).expect("a case has few runs")
}

fn subsets(of: Bits) -> impl Iterator<Item = Bits> {
    (0..=of).filter(move |subset| subset & !of == 0)
}

fn draft(own: &mut Run, run: usize, purpose: Purpose, deed: Record) {
    own.draft = Record { run: name(run), attempt: own.draft.attempt, ..deed };
    own.purpose = purpose;
    own.step = Step::Putting;
}

pub(crate) fn give_up_itself(own: &mut Run, run: usize) {
    own.rows = 0;
    let deed = Record { abandoned: Some(name(run)), ..Record::default() };
    draft(own, run, Purpose::GiveUpItself, deed);
}

pub(crate) fn end(own: &mut Run, how: Step) {
    *own = Run::ended(how);
}

fn late_landings(state: &State) -> Vec<Move> {
    let free = state.records() + 1;
    let landing = state.under_way.iter().filter(|(number, _)| *number == free);
    let landed = landing.map(|(_, record)| {
        let mut next = state.clone();
        next.ledger.push(*record);
        (record.run as usize, "has a late put land", next)
    });
    landed.collect()
}

fn stage_segment(state: &State, run: usize) -> Move {
    let mut next = state.clone();
    let own = &mut next.runs[run];
    let (rows, segment) = (own.rows, own.next_segment(name(run)));
    let user = own.open_user.expect("rows are somebody's").0;
    let commit = Commit { user, rows, segment: Some(segment) };
    draft(own, run, Purpose::Commit, Record { commit: Some(commit), ..Record::default() });
    next.objects.stage_segment(segment, rows);
    (run, "stages a segment", next)
}

fn stage_file(state: &State, run: usize) -> Move {
    let mut next = state.clone();
    let own = &mut next.runs[run];
    let (rows, file) = (own.rows, own.next_file(name(run)));
    let user = own.open_user.expect("rows are somebody's").0;
    let commit = Some(Commit { user, rows, segment: None });
    let publish = Some(Publish { segments: 0, file });
    draft(own, run, Purpose::Commit, Record { commit, publish, ..Record::default() });
    next.objects.stage_file(file, rows);
    (run, "stages files of rows in memory", next)
}
