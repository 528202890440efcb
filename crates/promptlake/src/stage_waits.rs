//! How long the stages waited for one another: which of them a run is as slow as.
//!
//! Where the store is slow, `extract` waits for its output most of the time; where the source is, `load` waits for its
//! input.

use std::time::Duration;

use promptlake_flow::Waits;

/// How long each stage waited for its neighbours.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageWaits {
    /// For room: in its channel, and in the budget of pages, which is what a slow store uses up first.
    pub(crate) extract_output: Waits,
    /// For a page, with none in work.
    pub(crate) transform_input: Waits,
    /// For room in its channel.
    pub(crate) transform_output: Waits,
    /// For rows.
    pub(crate) load_input: Waits,
}

impl StageWaits {
    /// Each wait with the stage that waits and what for.
    pub(crate) fn totals(&self) -> [StageWait; 4] {
        let wait = |stage, waits_for, waits: &Waits| StageWait { stage, waits_for, total: waits.total() };
        [
            wait("extract", "output", &self.extract_output),
            wait("transform", "input", &self.transform_input),
            wait("transform", "output", &self.transform_output),
            wait("load", "input", &self.load_input),
        ]
    }
}

/// How long a stage waited for another, by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StageWait {
    pub(crate) stage: &'static str,
    /// `input`: for the stage before it. `output`: for the one behind it.
    pub(crate) waits_for: &'static str,
    pub(crate) total: Duration,
}
