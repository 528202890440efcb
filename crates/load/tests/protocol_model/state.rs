//! The state of the model: a ledger, puts under way, objects in a store, and runs. Everything is a few bits, so that
//! a million states fit.

/// A set of small numbers.
pub(crate) type Bits = u32;

/// Segments and files that one run may make: more than any case needs.
const OBJECTS_OF_A_RUN: u8 = 6;

/// Runs of a case, with the last one, which is always clean.
pub(crate) const RUNS_MAX: usize = 4;

const OBJECTS_MAX: usize = RUNS_MAX * OBJECTS_OF_A_RUN as usize;

pub(crate) const fn bit(number: u8) -> Bits {
    1 << number
}

pub(crate) fn numbers(bits: Bits) -> impl Iterator<Item = u8> {
    (0..32).filter(move |number| bits & bit(*number) != 0)
}

/// One record: who made it, which of his attempts it is (its unique id), and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Record {
    pub(crate) run: u8,
    pub(crate) attempt: u8,
    pub(crate) abandoned: Option<u8>,
    pub(crate) commit: Option<Commit>,
    pub(crate) publish: Option<Publish>,
    /// Sequences of publishes.
    pub(crate) carried_out: Bits,
}

/// Rows of one user, in a segment, or in the file that the same record publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    pub(crate) user: u8,
    pub(crate) rows: Bits,
    pub(crate) segment: Option<u8>,
}

/// Segments used up, and the file made of them: two objects, the one of `interactions` and the one of its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Publish {
    pub(crate) segments: Bits,
    pub(crate) file: u8,
}

/// The two tables of the model, in the order in which their files are put in place.
pub(crate) const CHILDREN: usize = 0;
pub(crate) const PARENTS: usize = 1;

/// What lies in the store beside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Objects {
    pub(crate) segments: Bits,
    /// Staged and published files, by table.
    pub(crate) staged: [Bits; 2],
    pub(crate) placed: [Bits; 2],
    segment_rows: [u8; OBJECTS_MAX],
    file_rows: [u8; OBJECTS_MAX],
}

impl Objects {
    pub(crate) fn segment_rows(&self, segment: u8) -> Bits {
        self.segment_rows[segment as usize].into()
    }

    pub(crate) fn file_rows(&self, file: u8) -> Bits {
        self.file_rows[file as usize].into()
    }

    pub(crate) fn stage_segment(&mut self, segment: u8, rows: Bits) {
        self.segments |= bit(segment);
        self.segment_rows[segment as usize] = small(rows);
    }

    pub(crate) fn stage_file(&mut self, file: u8, rows: Bits) {
        self.staged = self.staged.map(|files| files | bit(file));
        self.file_rows[file as usize] = small(rows);
    }

    pub(crate) fn unstage(&mut self, files: Bits) {
        self.staged = self.staged.map(|staged| staged & !files);
    }
}

fn small(rows: Bits) -> u8 {
    u8::try_from(rows).expect("a case has at most eight rows")
}

/// Segments or files that a run made or may make.
pub(crate) fn objects_of(run: u8) -> Bits {
    (bit(OBJECTS_OF_A_RUN) - 1) << (run * OBJECTS_OF_A_RUN)
}

/// What records add up to.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) abandoned: Bits,
    /// Rows that count.
    pub(crate) rows: Bits,
    /// Committed segments that no publish used up.
    pub(crate) segments: Bits,
    pub(crate) used_up: Bits,
    /// Files of publishes that no record calls carried out, by sequence; and of those that one does.
    pub(crate) open: Vec<(u8, Record, Publish)>,
    pub(crate) carried_out: Bits,
    /// A row was committed twice.
    pub(crate) doubled: bool,
    /// A run went on behind the record that gave it up.
    pub(crate) unfenced: bool,
}

impl Books {
    pub(crate) fn of(ledger: &[Record]) -> Self {
        let mut books = Self::default();
        for (record, sequence) in ledger.iter().zip(1..) {
            // To give up a run that was given up already does nothing, whoever does it.
            let does_something = record.commit.is_some() || record.publish.is_some();
            books.unfenced |= does_something && books.abandoned & bit(record.run) != 0;
            books.abandoned |= record.abandoned.map_or(0, bit);
            if let Some(commit) = record.commit {
                books.doubled |= books.rows & commit.rows != 0;
                books.rows |= commit.rows;
                books.segments |= commit.segment.map_or(0, bit);
            }
            if let Some(publish) = record.publish {
                books.used_up |= publish.segments;
                books.open.push((sequence, *record, publish));
            }
            let carried = |(open, _, _): &(u8, Record, Publish)| record.carried_out & bit(*open) != 0;
            for (_, _, publish) in books.open.extract_if(.., |open| carried(open)) {
                books.carried_out |= bit(publish.file);
            }
        }
        books.segments &= !books.used_up;
        books
    }

    /// Files that a record names and whose publish is not known to be carried out.
    pub(crate) fn open_files(&self) -> Bits {
        self.open.iter().map(|(_, _, publish)| bit(publish.file)).fold(0, |all, file| all | file)
    }
}

/// What a run does, after it has recovered the lake and before it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Reads rows of a user and commits those that are new as a segment. The user stays open until his last.
    Commit { user: u8, rows: Bits, last: bool },
    /// Reads all rows of a user; one record commits and publishes them.
    CommitAndPublish { user: u8, rows: Bits },
    /// Publishes what this run committed.
    Publish,
    /// Recovers once more, and publishes what it finds with its own.
    RecoverAgain,
    /// Gives itself up: a stop that leaves publishing to the next run.
    Stop,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Asleep,
    /// About to recover once more.
    Looking,
    Abandoning,
    CarryingOut(Placing),
    Merging,
    Listing,
    Deleting,
    Tasks,
    StagingSegment,
    StagingFile,
    Putting,
    ReadingBack,
    GivingUpInDoubt,
    ReadingBackInDoubt,
    /// Ended without a trace: it had finished.
    Left,
    /// Gone, or ended with an error: it leaves what it staged.
    Gone,
}

/// What of a publish comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Placing {
    Table(usize),
    Unstaging,
    DeletingSegments,
}

/// Why a record is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    GiveUpOther,
    GiveUpItself,
    Commit,
    Publish,
    CarriedOut,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) step: Step,
    /// Records read.
    pub(crate) head: u8,
    /// Records read when it began to recover.
    pub(crate) began_at: u8,
    pub(crate) recovering: bool,
    pub(crate) taken_for_dead: Bits,
    /// Sequences of publishes that it carried out and has not said so.
    pub(crate) placed: Bits,
    pub(crate) task: u8,
    /// The user of whom it holds rows or an open slice, and the rows of his that were known when he was begun.
    pub(crate) open_user: Option<(u8, Bits)>,
    pub(crate) rows: Bits,
    pub(crate) draft: Record,
    pub(crate) purpose: Purpose,
    /// What it is about to delete: segments and staged files.
    pub(crate) doomed: [Bits; 2],
    segments_made: u8,
    files_made: u8,
}

impl Run {
    const fn asleep() -> Self {
        Self {
            step: Step::Asleep,
            head: 0,
            began_at: 0,
            recovering: false,
            taken_for_dead: 0,
            placed: 0,
            task: 0,
            open_user: None,
            rows: 0,
            draft: Record {
                run: 0,
                attempt: 0,
                abandoned: None,
                commit: None,
                publish: None,
                carried_out: 0,
            },
            purpose: Purpose::Commit,
            doomed: [0; 2],
            segments_made: 0,
            files_made: 0,
        }
    }

    /// What has ended does nothing more, so that it is of no account where it stood.
    pub(crate) const fn ended(how: Step) -> Self {
        Self { step: how, ..Self::asleep() }
    }

    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.step, Step::Left | Step::Gone)
    }

    pub(crate) fn next_segment(&mut self, run: u8) -> u8 {
        next_object(run, &mut self.segments_made)
    }

    pub(crate) fn next_file(&mut self, run: u8) -> u8 {
        next_object(run, &mut self.files_made)
    }
}

fn next_object(run: u8, made: &mut u8) -> u8 {
    *made += 1;
    assert!(*made <= OBJECTS_OF_A_RUN, "the case needs more objects");
    run * OBJECTS_OF_A_RUN + *made - 1
}

/// All there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) ledger: Vec<Record>,
    /// Conditional puts whose answer never comes, with their numbers: each may land as long as its number is free.
    pub(crate) under_way: Vec<(u8, Record)>,
    pub(crate) objects: Objects,
    pub(crate) runs: Vec<Run>,
    pub(crate) deaths_left: u8,
    pub(crate) doubts_left: u8,
    /// A record took the place of another.
    pub(crate) overwritten: bool,
}

impl State {
    pub(crate) fn new(runs: usize, deaths: u8, doubts: u8) -> Self {
        assert!(runs <= RUNS_MAX, "the case needs more runs");
        Self {
            ledger: Vec::new(),
            under_way: Vec::new(),
            objects: Objects::default(),
            runs: vec![Run::asleep(); runs],
            deaths_left: deaths,
            doubts_left: doubts,
            overwritten: false,
        }
    }

    /// The number of records there are.
    pub(crate) fn records(&self) -> u8 {
        u8::try_from(self.ledger.len()).expect("a case has few records")
    }

    /// The books as a run knows them.
    pub(crate) fn books(&self, run: usize) -> Books {
        Books::of(&self.ledger[..self.runs[run].head as usize])
    }
}
