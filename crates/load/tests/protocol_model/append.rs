//! How a run makes a record: a conditional put, and what follows when it is lost or in doubt.

use crate::rules::{Broken, Case, Move, end, give_up_itself, name};
use crate::state::{Books, Purpose, Record, State, Step, Task, bit, objects_of};

impl Case {
    /// A conditional put at the number after the last one read. Its answer may get lost, and then the put itself may
    /// land at any time or never.
    pub(crate) fn put(&self, state: &State, run: usize) -> Vec<Move> {
        let mut next = state.clone();
        next.runs[run].draft.attempt += 1;
        let record = next.runs[run].draft;
        let number = next.runs[run].head + 1;
        if next.records() >= number {
            if self.is(Broken::PutsWithoutCondition) {
                next.ledger[number as usize - 1] = record;
                next.overwritten = true;
            } else {
                self.read_on(&mut next, run);
            }
            return vec![(run, "finds its number taken, and reads on", next)];
        }
        let in_doubt = doubt(&next, run, number, Step::ReadingBack);
        next.ledger.push(record);
        self.made(&mut next, run);
        let made = (run, what_was_made(&record), next);
        std::iter::once(made).chain(in_doubt).collect()
    }

    pub(crate) fn read_back(&self, state: &State, run: usize) -> Move {
        let mut next = state.clone();
        if let Some(found) = self.settle(&mut next, run) {
            return (run, found, next);
        }
        if self.is(Broken::RetriesInDoubt) {
            next.runs[run].step = Step::Putting;
        } else if self.is(Broken::CleansUpInDoubt) {
            let books = next.books(run);
            next.objects.segments &= !objects_of(name(run)) | books.segments;
            next.objects.unstage(objects_of(name(run)) & !books.open_files());
            end(&mut next.runs[run], Step::Gone);
        } else {
            next.runs[run].step = Step::GivingUpInDoubt;
        }
        (run, "reads back, and nothing is there", next)
    }

    /// Takes the number of the record in doubt with a record that gives this run up.
    pub(crate) fn give_up_in_doubt(&self, state: &State, run: usize) -> Vec<Move> {
        let mut next = state.clone();
        if let Some(found) = self.settle(&mut next, run) {
            return vec![(run, found, next)];
        }
        let surrender = surrender(&next.runs[run].draft, run);
        let number = next.runs[run].head + 1;
        let mut doubtful = next.clone();
        doubtful.runs[run].draft = surrender;
        let mut in_doubt = doubt(&doubtful, run, number, Step::ReadingBackInDoubt);
        if let Some((_, _, doubtful)) = &mut in_doubt {
            doubtful.runs[run].draft = next.runs[run].draft;
        }
        next.ledger.push(surrender);
        end(&mut next.runs[run], Step::Gone);
        std::iter::once((run, "gives itself up at that number", next)).chain(in_doubt).collect()
    }

    pub(crate) fn read_back_in_doubt(&self, state: &State, run: usize) -> Move {
        let mut next = state.clone();
        let surrender = surrender(&next.runs[run].draft, run);
        let there = next.ledger.get(next.runs[run].head as usize);
        if there.is_none_or(|there| *there == surrender) {
            end(&mut next.runs[run], Step::Gone);
            return (run, "has given itself up, as far as it knows, and ends", next);
        }
        let found = self.settle(&mut next, run).unwrap_or("finds nothing");
        (run, found, next)
    }

    /// What is there at the number of the last put decides. Nothing where nothing is there.
    fn settle(&self, state: &mut State, run: usize) -> Option<&'static str> {
        let there = state.ledger.get(state.runs[run].head as usize)?;
        if *there == state.runs[run].draft {
            self.made(state, run);
            return Some("finds its record after all");
        }
        self.read_on(state, run);
        Some("finds another's record, and reads on")
    }

    fn made(&self, state: &mut State, run: usize) {
        let own = &mut state.runs[run];
        own.head += 1;
        match own.purpose {
            Purpose::GiveUpOther => own.step = Step::Abandoning,
            Purpose::GiveUpItself => end(own, Step::Gone),
            Purpose::Publish => own.step = Step::CarryingOut(self.first_placing()),
            Purpose::CarriedOut => {
                own.placed = 0;
                own.step = Step::Merging;
            }
            Purpose::Commit => {
                let publishes = own.draft.publish.is_some();
                own.step = if publishes { Step::CarryingOut(self.first_placing()) } else { Step::Tasks };
                own.rows = 0;
                let task = self.tasks[run][own.task as usize];
                if !matches!(task, Task::Commit { last: false, .. }) {
                    own.open_user = None;
                }
                own.task += 1;
            }
        }
    }

    /// Reads to the newest record, and decides whether this run may go on. It reads one by one, but what it would do
    /// between two records, the next put would undo: so they are one move.
    pub(crate) fn read_on(&self, state: &mut State, run: usize) -> bool {
        let records = state.ledger[state.runs[run].head as usize..].to_vec();
        let own = &mut state.runs[run];
        own.head += u8::try_from(records.len()).expect("a case has few records");
        let given_up = records.iter().any(|record| record.abandoned == Some(name(run)));
        if given_up && !self.is(Broken::MissesAbandonment) {
            end(own, Step::Gone);
            return false;
        }
        let user = own.open_user.map(|(user, _)| user);
        let by_others = records.iter().filter(|record| record.run != name(run));
        let touched = by_others.filter_map(|record| record.commit).any(|commit| Some(commit.user) == user);
        let counts = match self.broken {
            Some(Broken::RetriesThoughTouched) => false,
            Some(Broken::ForgetsOpenSlices) => own.rows != 0,
            _ => own.purpose != Purpose::GiveUpItself,
        };
        if touched && counts {
            give_up_itself(own, run);
            return false;
        }
        let used_up = Books::of(&state.ledger).used_up;
        match own.draft.publish.filter(|_| own.purpose == Purpose::Publish) {
            Some(publish) if publish.segments & used_up != 0 && !self.is(Broken::IgnoresUsedUp) => {
                own.step = Step::Merging;
                state.objects.unstage(bit(publish.file));
            }
            _ => own.step = Step::Putting,
        }
        if own.purpose == Purpose::GiveUpOther {
            own.step = Step::Abandoning;
        }
        true
    }
}

fn surrender(draft: &Record, run: usize) -> Record {
    let attempt = draft.attempt + 1;
    Record { run: name(run), attempt, abandoned: Some(name(run)), ..Record::default() }
}

fn doubt(state: &State, run: usize, number: u8, then: Step) -> Option<Move> {
    (state.doubts_left > 0 && run + 1 < state.runs.len()).then(|| {
        let mut next = state.clone();
        next.doubts_left -= 1;
        next.under_way.push((number, next.runs[run].draft));
        next.runs[run].step = then;
        (run, "gets no answer to its put", next)
    })
}

fn what_was_made(record: &Record) -> &'static str {
    match (record.abandoned, record.commit, record.publish) {
        (Some(given_up), _, _) if given_up == record.run => "gives itself up",
        (Some(_), _, _) => "gives another up",
        (None, Some(_), Some(_)) => "commits and publishes",
        (None, Some(_), None) => "commits",
        (None, None, Some(_)) => "makes a publish record",
        (None, None, None) => "says that publishes are carried out",
    }
}
