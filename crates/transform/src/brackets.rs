//! A page that is no JSON, cut into records by its brackets alone.
//!
//! It is asked only after the parser gave up. A page that is cut short has brackets that don't close: it is refused
//! here too, for nobody knows what it would have held.

use std::ops::Range;

use promptlake_model::PageForm;

/// The places of the records; `None` where the brackets don't close or hold no list of records.
pub(crate) fn cut(text: &str, form: PageForm) -> Option<Vec<Range<usize>>> {
    let mut cutter =
        Cutter { text, form, open: Vec::new(), name: None, list_depth: None, records: None, start: 0 };
    let mut at = 0;
    while at < text.len() {
        at = cutter.step(at)?;
    }
    if cutter.open.is_empty() { cutter.records } else { None }
}

/// An open bracket, and the name of the member that it is the value of.
struct Open<'a> {
    bracket: u8,
    name: Option<&'a str>,
}

struct Cutter<'a> {
    text: &'a str,
    form: PageForm,
    open: Vec<Open<'a>>,
    /// The last string, as long as only a colon followed it.
    name: Option<&'a str>,
    /// How many brackets are open where the records stand, while in their list.
    list_depth: Option<usize>,
    records: Option<Vec<Range<usize>>>,
    /// Where the record begins that is being passed.
    start: usize,
}

impl Cutter<'_> {
    /// Passes one token; gives the place after it.
    fn step(&mut self, at: usize) -> Option<usize> {
        let byte = self.text.as_bytes()[at];
        match byte {
            b'"' => {
                let end = string_end(self.text, at)?;
                self.name = Some(&self.text[at + 1..end - 1]);
                return Some(end);
            }
            b'{' | b'[' => self.open(byte, at),
            b'}' | b']' => self.close(byte, at)?,
            b',' => {
                self.end_record(at);
                self.start = at + 1;
                self.name = None;
            }
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            // Outside of every bracket nothing but white space can stand.
            _ if self.open.is_empty() => return None,
            _ => self.name = None,
        }
        Some(at + 1)
    }

    fn open(&mut self, bracket: u8, at: usize) {
        self.open.push(Open { bracket, name: self.name.take() });
        if bracket == b'[' && self.list_depth.is_none() && self.is_list_of_records() {
            self.list_depth = Some(self.open.len());
            self.records = Some(Vec::new());
            self.start = at + 1;
        }
    }

    fn close(&mut self, bracket: u8, at: usize) -> Option<()> {
        self.end_record_before_close(at);
        let opened = self.open.pop()?;
        self.name = None;
        // `{` and `[` stand two before their counterparts in ASCII.
        (opened.bracket + 2 == bracket).then_some(())
    }

    fn end_record_before_close(&mut self, at: usize) {
        if self.list_depth == Some(self.open.len()) {
            self.end_record(at);
            self.list_depth = None;
        }
    }

    fn end_record(&mut self, at: usize) {
        if self.list_depth != Some(self.open.len()) {
            return;
        }
        let record = self.text[self.start..at].trim_ascii_start();
        let start = at - record.len();
        let length = record.trim_ascii_end().len();
        if length > 0
            && let Some(records) = &mut self.records
        {
            records.push(start..start + length);
        }
    }

    /// Whether the bracket opened last is that of the records.
    fn is_list_of_records(&self) -> bool {
        let mut names = self.open.iter().map(|open| open.name);
        match (self.form, self.open.len()) {
            (PageForm::RecordArray, 1) => true,
            (PageForm::Page, 2) => names.nth(1) == Some(Some("value")),
            (PageForm::Page, 3) => {
                names.nth(1) == Some(Some("response")) && names.next() == Some(Some("value"))
            }
            _ => false,
        }
    }
}

/// The place after the string that begins here; `None` where it does not end.
fn string_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
