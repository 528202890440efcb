//! A model of the commit protocol, explored in every interleaving of small cases: runs that die or sleep at any step,
//! puts that land late or never, runs taken for dead that are not, and readers who look at any moment.
//!
//! It is a model of the rules, not of the code: what it says is that rules which the code keeps lose and double
//! nothing. Each rule is also broken on purpose, and the model must find what comes of it.

mod append;
mod explore;
mod rules;
mod state;

use explore::explore;
use rules::{Broken, Case};
use state::{Bits, Task};

const A: u8 = 0;
const B: u8 = 1;

/// All rows of a user, and the halves of them.
const ROWS: [Bits; 2] = [0b0011, 0b1100];

fn commit(user: u8) -> Task {
    Task::Commit { user, rows: ROWS[user as usize], last: true }
}

fn first_half(user: u8) -> Task {
    Task::Commit { user, rows: ROWS[user as usize] & 0b0101, last: false }
}

fn second_half(user: u8) -> Task {
    Task::Commit { user, rows: ROWS[user as usize] & 0b1010, last: true }
}

fn commit_and_publish(user: u8) -> Task {
    Task::CommitAndPublish { user, rows: ROWS[user as usize] }
}

/// Runs, with a last clean one that reads every user.
fn case(tasks: &[&[Task]]) -> Case {
    let last = vec![commit(A), commit(B), Task::Publish];
    let tasks = tasks.iter().map(|tasks| tasks.to_vec()).chain([last]).collect();
    Case { tasks, deaths: 1, doubts: 1, renames: false, broken: None }
}

fn cases() -> Vec<(&'static str, Case)> {
    use Task::{Publish, RecoverAgain, Stop};
    vec![
        (
            "one run, dying and doubting",
            Case {
                doubts: 3,
                ..case(&[&[first_half(A), Publish, second_half(A), commit_and_publish(B), Publish]])
            },
        ),
        ("two runs of one user", case(&[&[commit(A), Publish], &[commit(A), Publish]])),
        ("two runs of two users", case(&[&[commit(A), Publish], &[commit(B), Publish]])),
        ("two runs in memory of one user", case(&[&[commit_and_publish(A)], &[commit_and_publish(A)]])),
        ("two runs in memory of two users", case(&[&[commit_and_publish(A)], &[commit_and_publish(B)]])),
        ("segments against memory", case(&[&[commit(A), Publish], &[commit_and_publish(A)]])),
        (
            "a user open across a publish",
            case(&[&[first_half(A), Publish, second_half(A), Publish], &[commit(A), Publish]]),
        ),
        (
            "a stop, and a run that recovers twice",
            case(&[&[commit(A), Stop], &[commit(B), RecoverAgain, Publish]]),
        ),
        (
            "two that recover a third",
            Case { doubts: 0, ..case(&[&[commit(A), Publish], &[Publish], &[Publish]]) },
        ),
        (
            "files that are renamed into place",
            Case { renames: true, ..case(&[&[commit(A), Publish], &[commit(B), Publish]]) },
        ),
    ]
}

#[test]
fn nothing_is_lost_or_doubled() {
    for (name, case) in cases() {
        match explore(&case) {
            Ok(states) => println!("{name}: {states} states"),
            Err(violation) => panic!("{name}: {violation}"),
        }
    }
}

#[test]
fn a_rule_that_is_broken_is_found_out() {
    use Broken::{
        CleansUpInDoubt, DeletesBeforeAbandoning, DeletesWithoutCarryingOut, DeletesWithoutReadingAgain,
        ForgetsKnownRows, ForgetsOpenSlices, IgnoresUsedUp, MissesAbandonment, PlacesBeforeRecord,
        PlacesParentsFirst, PutsWithoutCondition, RetriesInDoubt, RetriesThoughTouched, SaysCarriedOutFirst,
    };
    for (broken, expected) in [
        (DeletesBeforeAbandoning, "a segment that counts is gone"),
        (DeletesWithoutReadingAgain, "a segment that counts is gone"),
        (DeletesWithoutCarryingOut, "a file that counts is gone"),
        (RetriesThoughTouched, "a row was committed twice"),
        (ForgetsOpenSlices, "a row was committed twice"),
        (RetriesInDoubt, "a row was committed twice"),
        (CleansUpInDoubt, "a segment that counts is gone"),
        (PlacesBeforeRecord, "a row is seen that no record names"),
        (SaysCarriedOutFirst, "a file that counts is gone"),
        (PlacesParentsFirst, "a row is seen without its children"),
        (IgnoresUsedUp, "a row is seen twice"),
        (MissesAbandonment, "a run went on although it had been given up"),
        (ForgetsKnownRows, "a row was committed twice"),
        (PutsWithoutCondition, "there are two records of one number"),
    ] {
        let found = cases().into_iter().find_map(|(name, case)| {
            let violation = explore(&Case { broken: Some(broken), ..case }).err()?;
            Some((name, violation))
        });
        let Some((name, violation)) = found else { panic!("{broken:?} goes unnoticed") };
        assert_eq!(violation.invariant, expected, "{broken:?} in {name}: {violation}");
        println!("{broken:?}: found in {name}, after {} moves", violation.trace.len());
    }
}
