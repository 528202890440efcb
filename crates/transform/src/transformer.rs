//! The transformer: what holds for a run, and the way of a page through it.

use std::sync::Arc;

use promptlake_cards::{Detail, repair_json};
use promptlake_model::{
    PageBatch, PageReading, PartitionDay, RawPage, RecordKey, RejectKey, RunId, SliceScope, Table, Timestamp,
    UnknownFields,
};

use crate::content::Content;
use crate::day::partition_day;
use crate::json::{self, Kind};
use crate::key::{record_id, reject_id};
use crate::message::Message;
use crate::page;
use crate::page_rows::{PageRows, ReadRecord};
use crate::record::Record;
use crate::table::{PageValues, RawRow, RecordKeys, RejectRow};

/// What holds for all pages of a run.
#[derive(Debug, Clone)]
pub struct TransformSettings {
    /// The tables of records that are written beside `interactions` and `rejects`, which always are: any of
    /// `attachments`, `card_elements`, `links`, `contexts`, `mentions` and `raw`.
    pub tables: Vec<Table>,
    /// How much of what people wrote is kept. Without it `raw` and `card_elements` must not be among the tables.
    pub content: Content,
    /// The run that reads the pages: every row that says so names it.
    pub run_id: RunId,
    /// The instant at which it started; its day is the partition of `rejects`.
    pub extracted_at: Timestamp,
    /// Now, against which a record's day is believed or not.
    pub now: Timestamp,
}

/// Turns pages into rows. It holds nothing but its settings, so many threads can share it.
#[derive(Debug)]
pub struct Transformer {
    settings: TransformSettings,
}

impl Transformer {
    /// A transformer for one run.
    #[must_use]
    pub fn new(settings: TransformSettings) -> Self {
        Self { settings }
    }

    /// The rows of one page: a batch for each table that is written and has any.
    ///
    /// It never fails. A record that can't be read is a row of `rejects`; a body that is no page at all is one such
    /// row, and [`PageReading::Unreadable`]. Records created outside the slice's window leave no trace.
    #[must_use]
    pub fn page(&self, page: &RawPage) -> PageBatch {
        match page::records(&page.body, page.form) {
            Ok(records) => {
                let mut draft = Draft::new(&self.settings, page, records.len());
                for (index, bytes) in records.into_iter().enumerate() {
                    draft.record(index, bytes);
                }
                draft.finish(PageReading::Read)
            }
            Err(fault) => self.unreadable(page, fault.reason(), &fault.to_string()),
        }
    }

    /// What stands for a page that could not be turned into rows: one reject with its bytes, and nothing covered.
    #[must_use]
    pub fn unreadable(&self, page: &RawPage, reason: &'static str, detail: &str) -> PageBatch {
        let mut draft = Draft::new(&self.settings, page, 0);
        draft.reject(None, reason, detail, &page.body);
        draft.finish(PageReading::Unreadable)
    }
}

/// A page on its way to a batch.
struct Draft<'a> {
    settings: &'a TransformSettings,
    page: &'a RawPage,
    records: Vec<RecordKey>,
    rejects: Vec<RejectKey>,
    unknown_fields: UnknownFields,
    lost_markers: u64,
    /// What is wanted of cards.
    detail: Detail,
    rows: PageRows,
}

impl<'a> Draft<'a> {
    fn new(settings: &'a TransformSettings, page: &'a RawPage, records: usize) -> Self {
        Self {
            settings,
            page,
            records: Vec::with_capacity(records),
            rejects: Vec::new(),
            unknown_fields: UnknownFields::default(),
            lost_markers: 0,
            detail: Detail {
                elements: settings.tables.contains(&Table::CardElements),
                links: settings.tables.contains(&Table::Links),
            },
            rows: PageRows::new(&settings.tables, records),
        }
    }

    /// Reads one record: to rows, to a reject, or out of the window.
    fn record(&mut self, index: usize, bytes: &[u8]) {
        let json = String::from_utf8_lossy(bytes);
        let kind = Kind::of(&json);
        if kind != Kind::Object && json::check(&json).is_ok() {
            let detail = format!("{} instead of an object", kind.name());
            self.reject(Some(index), "record_not_object", &detail, bytes);
            return;
        }
        let raw = RawRow { bytes, json: &json };
        let error = match Record::read(&json) {
            Ok(record) => return self.read_record(&record, raw),
            Err(error) => error,
        };
        // Only what keeps the parser from reading is repaired; the record stays as received in `raw`.
        let repaired = repair_json(&json);
        match repaired.as_deref().map(Record::read) {
            Some(Ok(record)) => self.read_record(&record, raw),
            Some(Err(_)) | None => self.reject(Some(index), "record_not_json", &error.to_string(), bytes),
        }
    }

    fn read_record(&mut self, record: &Record<'_>, raw: RawRow<'_>) {
        let created_at = record.created_at();
        if !self.is_in_window(created_at) {
            return;
        }
        let id = record_id(&self.page.owner, record, raw.bytes);
        let now = self.page.provenance.as_ref().map_or(self.settings.now, |by| by.extracted_at);
        let day = partition_day(record, created_at, now);
        self.records.push(RecordKey { id, day, created_at });
        self.unknown_fields.add(&record.unknown_fields);
        let message = Message::of(record, self.detail);
        self.lost_markers += message.lost_markers;
        let keys = RecordKeys::of(id, record, created_at);
        self.rows.push(&ReadRecord { keys, record, message: &message, raw });
    }

    /// Whether the slice asked for it. Undated records pass every window; a file has none.
    fn is_in_window(&self, created_at: Option<Timestamp>) -> bool {
        match (&self.page.slice.scope, created_at) {
            (SliceScope::History { window, .. }, Some(created_at)) => window.contains(created_at),
            _ => true,
        }
    }

    fn reject(&mut self, record_index: Option<usize>, reason: &'static str, detail: &str, raw_bytes: &[u8]) {
        let id = reject_id(&self.page.owner, raw_bytes);
        let day = PartitionDay::Day(self.extracted_at().day());
        self.rejects.push(RejectKey { id, day });
        self.rows.push_reject(&RejectRow { id, record_index, reason, detail, raw_bytes });
    }

    /// When the run started that read the page.
    fn extracted_at(&self) -> Timestamp {
        self.page.provenance.as_ref().map_or(self.settings.extracted_at, |by| by.extracted_at)
    }

    fn finish(self, reading: PageReading) -> PageBatch {
        let values = PageValues {
            tenant_id: self.page.owner.tenant.to_string(),
            user_id: self.page.owner.user.to_string(),
            run_id: self.page.provenance.as_ref().map_or(&self.settings.run_id, |by| &by.run_id).as_str(),
            extracted_at: self.extracted_at(),
            page_index: self.page.index,
            content: self.settings.content,
        };
        PageBatch {
            slice: Arc::clone(&self.page.slice),
            owner: self.page.owner,
            index: self.page.index,
            reading,
            records: self.records,
            rejects: self.rejects,
            unknown_fields: self.unknown_fields,
            lost_markers: self.lost_markers,
            tables: self.rows.finish(&values),
        }
    }
}
