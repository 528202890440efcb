//! One planned slice: as it is planned, or in parts where an answer to the whole of it can't be had.
//!
//! Each list that is read is a slice of its own in the books: what is whole is covered, whatever becomes of the rest.

use std::collections::VecDeque;
use std::sync::Arc;

use promptlake_flow::Event;
use promptlake_model::{Slice, SliceEnd, SliceOutcome, SliceScope, Window};

use super::attempts::Refusal;
use super::part::{FailedAt, Instead, Part};
use super::pass::{Broken, Fault, ListReader, Tally};
use crate::Extracted;

/// One record that can't be had splits a history of ten years into 80 parts. Whoever has more than a dozen of them is
/// read on by the next run, which asks for what is not covered.
const LISTS_MAX: usize = 1_000;

/// Lists in a row of which not even a first page was to be had: a whole, its halves and their halves. It is no record that
/// is at fault then, and asking on would spend the limit on a server that is down.
const FRUITLESS_MAX: usize = 7;

/// The same where the server answers at more length than there is room for: it is up, and several long records stand at the
/// heads of several parts. Six times halved.
const FRUITLESS_MAX_ANSWERED: usize = 127;

/// When a list that moved while it was read is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reread {
    /// At the end of the run, when others have been read.
    AtTheEnd,
    /// This is the end of the run.
    Now,
}

/// A window of which everything around was read, and which can't be had itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) window: Window,
    pub(crate) fault: Fault,
}

/// What came of a slice.
#[derive(Debug, Default)]
pub(crate) struct SliceReading {
    pub(crate) tally: Tally,
    /// The first thing that kept it from being read, apart from the gaps.
    pub(crate) broken: Option<Broken>,
    /// What may be had another time.
    pub(crate) unfinished: Vec<Window>,
    pub(crate) gaps: Vec<Gap>,
}

impl SliceReading {
    /// It was not even asked for.
    pub(crate) fn not_begun(window: Window) -> Self {
        Self { broken: Some(Broken::Stopped), unfinished: vec![window], ..Self::default() }
    }
}

/// A slice while it is read.
pub(crate) struct SliceReader<'a> {
    lists: ListReader<'a>,
    reread: Reread,
    /// The slice as it was planned, until its first list is read.
    planned: Option<Arc<Slice>>,
    waiting: VecDeque<Part>,
    lists_read: usize,
    fruitless: usize,
    reading: SliceReading,
}

impl<'a> SliceReader<'a> {
    pub(crate) fn new(lists: ListReader<'a>, reread: Reread, planned: Arc<Slice>, window: Window) -> Self {
        Self {
            lists,
            reread,
            planned: Some(planned),
            waiting: VecDeque::from([Part::whole(window)]),
            lists_read: 0,
            fruitless: 0,
            reading: SliceReading::default(),
        }
    }

    /// Reads the slice, and sends its pages and the end of each list.
    pub(crate) async fn read(mut self) -> SliceReading {
        // Parts in the order in which they were made: those of equal width one after the other, so that a server that
        // is down is told from a record that can't be had.
        while let Some(part) = self.waiting.pop_front() {
            match self.read_list(&part).await {
                Ok(Listed::Whole) => {}
                Ok(Listed::Moved) => self.reread(part),
                Err(Broken::Stale(refusal)) => self.restart(part, refusal),
                Err(Broken::TooMuch(failed_at, fault)) => self.ask_instead(part, failed_at, fault),
                Err(broken @ Broken::Failed(_)) => self.leave(part, broken),
                Err(broken @ (Broken::Stopped | Broken::Tenant(_) | Broken::Refused(_))) => {
                    self.give_up(part, broken);
                }
            }
        }
        self.reading
    }

    /// Reads a list as a slice of its own, and sends its end.
    async fn read_list(&mut self, part: &Part) -> Result<Listed, Broken> {
        let slice = self.planned.take().unwrap_or_else(|| self.slice_of(part.window));
        let mut tally = Tally::default();
        let ended = self.lists.read(&slice, part, &mut tally).await;
        self.reading.tally.add(tally);
        self.lists_read += 1;
        self.fruitless = if tally.pages > 0 { 0 } else { self.fruitless };
        let listed = if self.is_to_be_reread(part, tally) { Listed::Moved } else { Listed::Whole };
        let is_whole = ended.is_ok() && listed == Listed::Whole;
        // What is not whole is asked for again anyway.
        if ended.is_ok() && tally.repeated > 0 {
            let reread = listed == Listed::Moved;
            let event = Event::Repeated { records: tally.repeated, reread };
            self.lists.shared.caller.observer.observe(&event);
        }
        let outcome = if is_whole { SliceOutcome::Whole } else { SliceOutcome::CutOff };
        let end = SliceEnd { slice, page_count: tally.pages, outcome };
        let sent = self.lists.outlet.send(Extracted::SliceEnd(end)).await;
        ended?;
        sent.map_err(|_| Broken::Stopped)?;
        Ok(listed)
    }

    fn is_to_be_reread(&self, part: &Part, tally: Tally) -> bool {
        let once_more = match self.reread {
            Reread::AtTheEnd => true,
            Reread::Now => part.reread().is_some(),
        };
        once_more && tally.repeated > 0
    }

    fn reread(&mut self, part: Part) {
        match part.reread() {
            Some(again) if self.reread == Reread::Now => self.waiting.push_front(again),
            _ => self.reading.unfinished.push(part.window),
        }
    }

    fn restart(&mut self, part: Part, refusal: Refusal) {
        if let Some(again) = part.restarted() {
            let (user, status) = (self.lists.owner.user, refusal.status);
            tracing::debug!(%user, status, "a list is read from its beginning");
            return self.waiting.push_front(again);
        }
        let reason = format!("the next page was gone, also after {} restarts", part.restarts);
        let fault = Fault { status: Some(refusal.status), code: refusal.code, reason };
        self.leave(part, Broken::Failed(fault));
    }

    fn ask_instead(&mut self, part: Part, failed_at: FailedAt, fault: Fault) {
        match part.instead(failed_at, !self.lists.shared.date_filter_refused()) {
            Instead::SmallerPages(smaller) => self.waiting.push_front(smaller),
            // What was too long stays so; what the server failed at may pass until the end of the run.
            Instead::Nothing if self.reread == Reread::AtTheEnd && fault.status != Some(200) => {
                self.reading.unfinished.push(part.window);
            }
            Instead::Nothing => self.reading.gaps.push(Gap { window: part.window, fault }),
            Instead::Halves(halves) => {
                self.fruitless += usize::from(failed_at == FailedAt::FirstPage);
                let is_answered = fault.status == Some(200);
                let fruitless_max = if is_answered { FRUITLESS_MAX_ANSWERED } else { FRUITLESS_MAX };
                if self.fruitless >= fruitless_max || self.lists_read >= LISTS_MAX {
                    return self.give_up(part, Broken::Failed(fault));
                }
                self.lists.shared.caller.observer.observe(&Event::Split);
                self.waiting.extend(halves);
            }
        }
    }

    /// Goes on without this part.
    fn leave(&mut self, part: Part, broken: Broken) {
        self.reading.broken.get_or_insert(broken);
        self.reading.unfinished.push(part.window);
    }

    /// Goes on without this part and those that wait.
    fn give_up(&mut self, part: Part, broken: Broken) {
        self.reading.unfinished.extend(self.waiting.drain(..).map(|part| part.window));
        self.leave(part, broken);
    }

    fn slice_of(&self, window: Window) -> Arc<Slice> {
        let (owner, classes) = (self.lists.owner, self.lists.classes.clone());
        let scope = SliceScope::History { owner, window, classes };
        Arc::new(Slice { id: self.lists.shared.slice_ids.take(), tenant: owner.tenant, scope })
    }
}

/// A list that was read to its last page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Whole,
    /// It moved, and is to be read again before it counts.
    Moved,
}
