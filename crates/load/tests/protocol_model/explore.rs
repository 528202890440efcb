//! Breadth first through every state that a case can reach, with the invariants looked at in each.
//!
//! By hand rather than with stateright: that brings a web server to look at states with, and what a search needs is
//! this one page.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::rules::Case;
use crate::state::{Bits, Books, CHILDREN, PARENTS, State, Step, Task, numbers};

/// What broke, and how it came to it.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) trace: Vec<(usize, &'static str)>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.invariant)?;
        self.trace.iter().try_for_each(|(run, what)| writeln!(f, "  run {run} {what}"))
    }
}

/// A state is known by its hash of 64 bits: among ten million states, two share one in fewer than one search of a
/// hundred thousand, and then a part of a search is cut short, never a violation made up.
fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// How each state was first reached: from which, by whom, doing what.
type Reached = HashMap<u64, Option<(u64, usize, &'static str)>>;

/// Gives the number of states, or the shortest way to a violation.
pub(crate) fn explore(case: &Case) -> Result<usize, Violation> {
    let first = State::new(case.tasks.len(), case.deaths, case.doubts);
    let mut reached: Reached = HashMap::from([(fingerprint(&first), None)]);
    let mut waiting = VecDeque::from([first]);
    while let Some(state) = waiting.pop_front() {
        let here = fingerprint(&state);
        let moves = case.moves(&state);
        let broken =
            violated(&state).or_else(|| moves.is_empty().then(|| unfinished(case, &state)).flatten());
        if let Some(invariant) = broken {
            return Err(Violation { invariant, trace: trace(&reached, here) });
        }
        for (run, what, next) in moves {
            reached.entry(fingerprint(&next)).or_insert_with(|| {
                waiting.push_back(next);
                Some((here, run, what))
            });
        }
    }
    Ok(reached.len())
}

fn trace(reached: &Reached, mut at: u64) -> Vec<(usize, &'static str)> {
    let mut trace = Vec::new();
    while let Some(Some((before, run, what))) = reached.get(&at) {
        trace.push((*run, *what));
        at = *before;
    }
    trace.reverse();
    trace
}

/// What must hold at any instant. A reader sees what is in its place; since nothing ever leaves its place, one that
/// takes its time to list sees a part of what is there at the end of it.
fn violated(state: &State) -> Option<&'static str> {
    let (books, objects) = (Books::of(&state.ledger), &state.objects);
    let named = state.ledger.iter().filter_map(|record| record.publish).map(|publish| publish.file);
    let named: Bits = named.fold(0, |all, file| all | crate::state::bit(file));
    let visible = objects.placed[CHILDREN] | objects.placed[PARENTS];
    let there = |table: usize| objects.staged[table] | objects.placed[table];
    let lost = |table: usize| books.open_files() & !there(table) | books.carried_out & !objects.placed[table];
    let checks = [
        (state.overwritten, "there are two records of one number"),
        (books.doubled, "a row was committed twice"),
        (is_double(state, CHILDREN) || is_double(state, PARENTS), "a row is seen twice"),
        (visible & !named != 0, "a row is seen that no record names"),
        (objects.placed[PARENTS] & !objects.placed[CHILDREN] != 0, "a row is seen without its children"),
        (books.segments & !objects.segments != 0, "a segment that counts is gone"),
        (lost(CHILDREN) | lost(PARENTS) != 0, "a file that counts is gone"),
        (books.unfenced, "a run went on although it had been given up"),
    ];
    checks.into_iter().find_map(|(broken, invariant)| broken.then_some(invariant))
}

fn is_double(state: &State, table: usize) -> bool {
    let mut seen = 0;
    let mut rows = numbers(state.objects.placed[table]).map(|file| state.objects.file_rows(file));
    rows.any(|rows| {
        let double = seen & rows != 0;
        seen |= rows;
        double
    })
}

/// What must hold once nothing more can happen: the last run has gone through, everything is seen, nothing is left.
fn unfinished(case: &Case, state: &State) -> Option<&'static str> {
    let rows = case.tasks.iter().flatten().map(|task| match task {
        Task::Commit { rows, .. } | Task::CommitAndPublish { rows, .. } => *rows,
        _ => 0,
    });
    let all = rows.fold(0, |all, rows| all | rows);
    let objects = &state.objects;
    let seen = |table: usize| {
        numbers(objects.placed[table]).map(|file| objects.file_rows(file)).fold(0, |all, rows| all | rows)
    };
    let checks = [
        (state.runs.last().is_none_or(|run| run.step != Step::Left), "nobody can go on"),
        (seen(CHILDREN) != all || seen(PARENTS) != all, "a row is not seen at the end"),
        (objects.segments | objects.staged[CHILDREN] | objects.staged[PARENTS] != 0, "something is left"),
    ];
    checks.into_iter().find_map(|(broken, invariant)| broken.then_some(invariant))
}
