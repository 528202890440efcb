//! The outline of a record: what it is made of and how much of each, without a word of it.
//!
//! Totals are counted over outlines, which cost a handful of draws each; the full record is composed from the
//! same outline, so the two can't drift apart by a different draw.

use crate::apps::Habit;
use crate::history::{History, Seat, Speaker, Stamp};
use crate::random::{Chance, Purpose};

/// How the words of a record are dressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dress {
    /// A body of plain text.
    Text,
    /// A body of html with so many `<a href>`.
    Html { anchors: u8 },
    /// Only a card with nothing in it.
    EmptyCard,
    /// Only a card of one text block, with so many markdown links in it.
    SimpleCard { links: u8 },
    /// Only a card of one text block that holds JSON: the model's thoughts and its final response.
    ReasoningCard,
    /// Only a card with what the person saw and the model's raw text.
    EntityCard { meetings: u8, files: u8, citations: u8 },
}

/// How many words a record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// A word or an emoji.
    Tiny,
    /// One or two sentences.
    Short,
    /// Some paragraphs.
    Medium,
    /// Tens of kilobytes.
    Long,
}

/// What a record is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    pub(crate) seat: Seat,
    pub(crate) stamp: Stamp,
    pub(crate) dress: Dress,
    pub(crate) length: Length,
    /// Attachments with a name and a `contentUrl`.
    pub(crate) files: u8,
    /// Attachments with a name and no `contentUrl`.
    pub(crate) files_without_url: u8,
    /// Whether the meeting is attached, with its `contentUrl`.
    pub(crate) attaches_meeting: bool,
    /// Contexts with a `contextReference`.
    pub(crate) contexts: u8,
    /// Contexts without a `contextReference`.
    pub(crate) contexts_without_reference: u8,
    pub(crate) mentions: u8,
}

/// The rows that a record gives to the tables that count its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) attachments: u32,
    pub(crate) card_elements: u32,
    pub(crate) links: u32,
    pub(crate) contexts: u32,
    pub(crate) mentions: u32,
}

impl Outline {
    /// The outline of the record at a seat of a history.
    pub(crate) fn of(history: &History, seat: Seat) -> Self {
        let stamp = history.stamp(&seat);
        let mut chance = history.chance_of_version(Purpose::Outline, &seat, stamp.version.parts_of);
        let bare = Self {
            seat,
            stamp,
            dress: Dress::Text,
            length: Length::Short,
            files: 0,
            files_without_url: 0,
            attaches_meeting: false,
            contexts: 0,
            contexts_without_reference: 0,
            mentions: 0,
        };
        match seat.speaker {
            Speaker::Person => bare.prompt(&mut chance),
            Speaker::Assistant => bare.answer(&mut chance),
        }
    }

    fn prompt(mut self, chance: &mut Chance) -> Self {
        self.length = match chance.below(1_000) {
            0..70 => Length::Tiny,
            70..960 => Length::Short,
            960..997 => Length::Medium,
            _ => Length::Long,
        };
        let in_meeting = self.seat.app.habit == Habit::Meeting;
        if chance.percent(if in_meeting { 45 } else { 10 }) {
            self.dress = Dress::Html { anchors: u8::from(chance.percent(30)) };
            self.mentions = if in_meeting { chance.small(4) } else { u8::from(chance.percent(40)) };
        }
        if in_meeting {
            self.contexts = 1;
            self.attaches_meeting = chance.percent(70);
        } else if self.seat.app.habit == Habit::Document {
            self.contexts = u8::from(chance.percent(85));
            self.contexts_without_reference = u8::from(chance.percent(12));
        }
        if chance.percent(12) {
            self.files = 1 + chance.small(3);
            self.files_without_url = u8::from(chance.percent(20));
        }
        self
    }

    fn answer(mut self, chance: &mut Chance) -> Self {
        self.length = match chance.below(1_000) {
            0..40 => Length::Tiny,
            40..420 => Length::Short,
            420..992 => Length::Medium,
            _ => Length::Long,
        };
        self.dress = answer_dress(self.seat.app.habit, chance);
        if self.seat.app.habit == Habit::Meeting {
            self.contexts = u8::from(chance.percent(70));
            self.attaches_meeting = chance.percent(60);
        }
        if chance.percent(2) {
            self.files = 1;
        }
        self
    }

    /// The rows that the record gives to each table.
    pub(crate) fn counts(&self) -> Counts {
        let (cards, card_elements, dress_links) = match self.dress {
            Dress::Text => (0, 0, 0),
            Dress::Html { anchors } => (0, 0, u32::from(anchors)),
            Dress::EmptyCard => (1, 0, 0),
            Dress::ReasoningCard => (1, 2, 0),
            Dress::SimpleCard { links } => (1, 1, u32::from(links)),
            Dress::EntityCard { meetings, files, citations } => {
                let (meetings, files) = (u32::from(meetings), u32::from(files));
                let in_list = 2 * meetings + files;
                let in_card = meetings + files + u32::from(citations);
                (1, 2, in_list + in_card)
            }
        };
        let contexts = u32::from(self.contexts);
        let with_url = u32::from(self.files) + u32::from(self.attaches_meeting);
        Counts {
            attachments: cards + with_url + u32::from(self.files_without_url),
            card_elements,
            links: dress_links + with_url + contexts,
            contexts: contexts + u32::from(self.contexts_without_reference),
            mentions: u32::from(self.mentions),
        }
    }
}

fn answer_dress(habit: Habit, chance: &mut Chance) -> Dress {
    let drawn = chance.below(100);
    match habit {
        Habit::EntityCard if drawn < 2 => Dress::EmptyCard,
        Habit::EntityCard => {
            let (meetings, files) = (chance.small(4), chance.small(3));
            let targets = meetings + files;
            let citations = if targets == 0 { 0 } else { targets + chance.small(2) };
            Dress::EntityCard { meetings, files, citations }
        }
        Habit::Document if drawn < 3 => Dress::EmptyCard,
        Habit::Document if drawn < 6 => Dress::ReasoningCard,
        Habit::Document if drawn < 40 => Dress::SimpleCard { links: u8::from(chance.percent(30)) },
        Habit::Document if drawn < 65 => Dress::Html { anchors: chance.small(3) },
        Habit::Chat | Habit::Proactive if drawn < 25 => Dress::SimpleCard { links: chance.small(3) },
        Habit::Chat | Habit::Proactive if drawn < 45 => Dress::Html { anchors: chance.small(4) },
        Habit::Meeting if drawn < 15 => Dress::Html { anchors: 0 },
        _ => Dress::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Dress, Outline};
    use crate::change::Changes;
    use crate::history::History;

    #[test]
    fn counts_follow_the_definitions() {
        let changes = Changes::NONE;
        let history = History { seed: 1, user: 0, records: 10, start_ms: 0, end_ms: 1_000_000, changes };
        let bare = Outline {
            dress: Dress::EntityCard { meetings: 2, files: 1, citations: 4 },
            files: 2,
            files_without_url: 1,
            attaches_meeting: true,
            contexts: 1,
            contexts_without_reference: 1,
            mentions: 3,
            ..Outline::of(&history, history.seat(0))
        };
        let links = (2 * 2 + 1) + (3 + 4) + 3 + 1;
        assert_eq!(
            bare.counts(),
            Counts { attachments: 5, card_elements: 2, links, contexts: 2, mentions: 3 }
        );
        let html = Outline { dress: Dress::Html { anchors: 2 }, contexts: 0, ..bare };
        assert_eq!(
            html.counts(),
            Counts { attachments: 4, card_elements: 0, links: 5, contexts: 1, mentions: 3 }
        );
    }
}
