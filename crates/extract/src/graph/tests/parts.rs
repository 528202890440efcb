//! Lists that can't be had as they are: what is asked instead, against a history of records at known instants.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::DateTime;
use promptlake_flow::Event;
use promptlake_model::{Timestamp, UserStatus, Window};

use crate::graph::GraphSettings;
use crate::graph::scripted::{Bench, Outcome, Reply, Seen, error, plan, reply, token};
use crate::graph::settings::tests::settings;

/// The first instant of the plan's window, which is a day.
const DAY_MS: i64 = 86_400_000;
const FROM_MS: i64 = 1_763_942_400_000;

/// What is wrong with a page of so many records, of which these are the instants in milliseconds of the day.
type Wrong = fn(&[i64]) -> Option<Reply>;

/// A history in pages, newest first, found by an offset as Graph finds them.
struct History {
    records_ms: Vec<i64>,
    wrong: Wrong,
    takes_dates: bool,
    /// What was answered, by instant.
    given: Arc<Mutex<Vec<i64>>>,
}

impl History {
    fn answer(&self, seen: &Seen) -> Reply {
        if seen.is_token() {
            return token("t", 3600);
        }
        let url = url::Url::parse(&seen.url).unwrap();
        let get =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let top: usize = get("$top").unwrap().parse().unwrap();
        let skip: usize = get("$skiptoken").map_or(0, |skip| skip.parse().unwrap());
        let filter = get("$filter");
        if filter.is_some() && !self.takes_dates {
            return error(400, "BadRequest", "filter");
        }
        let (after, before) = filter.as_deref().map_or((i64::MIN, i64::MAX), bounds);
        let mut listed: Vec<i64> =
            self.records_ms.iter().copied().filter(|ms| after < *ms && *ms < before).collect();
        listed.sort_unstable_by(|a, b| b.cmp(a));
        let page: Vec<i64> = listed.iter().copied().skip(skip).take(top).collect();
        if let Some(wrong) = (self.wrong)(&page) {
            return wrong;
        }
        self.given.lock().unwrap().extend(&page);
        let filter = filter.map(|filter| format!("&$filter={filter}")).unwrap_or_default();
        let next = format!("https://graph.test/v1.0/x?$top={top}{filter}&$skiptoken={}", skip + top);
        let next =
            if skip + top < listed.len() { format!(r#""@odata.nextLink":"{next}","#) } else { String::new() };
        let value: Vec<String> = page.iter().map(|ms| format!(r#"{{"at":{ms}}}"#)).collect();
        reply(200, format!(r#"{{{next}"value":[{}]}}"#, value.join(",")))
    }
}

/// The bounds of a filter in milliseconds of the day, both exclusive.
fn bounds(filter: &str) -> (i64, i64) {
    let words: Vec<&str> = filter.split(' ').collect();
    let ms = |at: usize| DateTime::parse_from_rfc3339(words[at]).unwrap().timestamp_millis() - FROM_MS;
    assert_eq!((words[1], words[5]), ("gt", "lt"), "{filter}");
    (ms(2), ms(6))
}

struct Read {
    bench: Bench,
    outcome: Outcome,
    given: BTreeSet<i64>,
}

async fn read(records_ms: Vec<i64>, takes_dates: bool, wrong: Wrong) -> Read {
    let given: Arc<Mutex<Vec<i64>>> = Arc::default();
    let history = History { records_ms, wrong, takes_dates, given: Arc::clone(&given) };
    let settings = GraphSettings { requests_per_second: 1_000.0, ..settings() };
    let bench = Bench::with(settings, move |seen| history.answer(seen));
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    outcome.result.as_ref().unwrap();
    let given = given.lock().unwrap().iter().copied().collect();
    Read { bench, outcome, given }
}

impl Read {
    /// The windows that are covered, joined, in microseconds of the day.
    fn covered(&self) -> Vec<(i64, i64)> {
        let whole = self.outcome.slices.iter().filter(|(_, _, whole)| *whole).map(|(id, ..)| *id);
        let windows: Vec<Window> = whole.map(|id| self.outcome.windows[&id]).collect();
        let micros = |at: Timestamp| at.micros() - FROM_MS * 1_000;
        let joined = crate::graph::part::joined(windows).into_iter();
        joined.map(|window| (micros(window.from), micros(window.to))).collect()
    }

    fn requests(&self) -> usize {
        self.bench.asked().len()
    }
}

/// A record every half a minute.
fn half_minutes() -> Vec<i64> {
    (0..DAY_MS / 30_000).map(|n| n * 30_000 + 123).collect()
}

const BAD: i64 = 1_500 * 30_000 + 123;

#[tokio::test(start_paused = true)]
async fn all_but_one_bad_record_is_read_and_its_millisecond_is_a_gap() {
    let server_fails: Wrong = |page| page.contains(&BAD).then(|| error(500, "generalException", ""));
    let too_large: Wrong =
        |page| page.contains(&BAD).then(|| reply(200, format!(r#"{{"value":["{}"]}}"#, "x".repeat(1 << 20))));
    for (wrong, status, reason, requests_max) in [
        (server_fails, 500, "the answer is 500, after 8 attempts", 230),
        (
            too_large,
            200,
            "a page has more than 1048576 bytes, which is what run.memory_limit has room for",
            130,
        ),
    ] {
        let read = read(half_minutes(), true, wrong).await;
        let mut expected: BTreeSet<i64> = half_minutes().into_iter().collect();
        expected.remove(&BAD);
        assert_eq!(read.given, expected);
        let bad_micros = BAD * 1_000;
        assert_eq!(read.covered(), [(0, bad_micros), (bad_micros + 1_000, DAY_MS * 1_000)]);
        let end = &read.outcome.users[0];
        assert_eq!((end.status, end.http_status), (UserStatus::Failed, Some(status)));
        let gap = "[2025-11-24T12:30:00.123000Z, 2025-11-24T12:30:00.124000Z)";
        assert_eq!(end.reason.as_deref(), Some(&*format!("all but 1 window is read: {gap}: {reason}")));
        assert_eq!(end.page_count as usize, read.outcome.pages.len());
        assert!(read.requests() < requests_max, "{} requests", read.requests());
        println!("{status}: {} requests for 29 pages", read.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_long_at_the_head_of_each_part_costs_no_other() {
    // One at the end of every third hour: the whole, its halves, theirs and theirs have one on their first page each.
    const EVERY: usize = 3 * 120;
    let is_bad = |ms: i64| usize::try_from(ms / 30_000).unwrap() % EVERY == EVERY - 1;
    let wrong: Wrong = |page| {
        let is_bad = |ms: &i64| usize::try_from(ms / 30_000).unwrap() % EVERY == EVERY - 1;
        page.iter().any(is_bad).then(|| reply(200, format!(r#"{{"value":["{}"]}}"#, "x".repeat(1 << 20))))
    };
    let read = read(half_minutes(), true, wrong).await;
    let expected: BTreeSet<i64> = half_minutes().into_iter().filter(|ms| !is_bad(*ms)).collect();
    assert_eq!(read.given, expected);
}

#[tokio::test(start_paused = true)]
async fn several_bad_records_cost_no_other() {
    let bad = [0, 1, 2, 700, 701, 1_999, 2_000, 2_879].map(|n| n * 30_000 + 123);
    let wrong: Wrong = |page| {
        let bad = [0, 1, 2, 700, 701, 1_999, 2_000, 2_879].map(|n| n * 30_000 + 123);
        page.iter().any(|ms| bad.contains(ms)).then(|| error(504, "gatewayTimeout", ""))
    };
    let read = read(half_minutes(), true, wrong).await;
    let expected: BTreeSet<i64> = half_minutes().into_iter().filter(|ms| !bad.contains(ms)).collect();
    assert_eq!(read.given, expected);
    assert_eq!(read.covered().len(), 9);
    let reason = read.outcome.users[0].reason.as_deref().unwrap();
    assert!(reason.starts_with("all but 8 windows are read: [2025-11-24T00:00:00.123"), "{reason}");
    assert!(reason.contains(", …: the answer is 504"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_too_much_are_asked_for_in_smaller_ones_and_nothing_is_lost() {
    // Nothing is wrong with any record: a hundred of them are too many.
    let wrong: Wrong = |page| (page.len() > 50).then(|| error(500, "generalException", ""));
    let read = read(half_minutes(), true, wrong).await;
    assert_eq!(read.given, half_minutes().into_iter().collect());
    assert_eq!(read.covered(), [(0, DAY_MS * 1_000)]);
    assert_eq!((read.outcome.users[0].status, read.outcome.slices.len()), (UserStatus::Extracted, 2));
    assert_eq!(read.requests(), 8 + 288, "eight in vain, and pages of ten");
}

#[tokio::test(start_paused = true)]
async fn records_of_one_millisecond_are_had_one_by_one() {
    // Sixty at once, of which more than one are too many.
    let records: Vec<i64> = std::iter::repeat_n(BAD, 60).chain([5, DAY_MS - 1]).collect();
    let wrong: Wrong = |page| {
        let together = page.iter().filter(|ms| **ms == BAD).count();
        (together > 1).then(|| reply(200, format!(r#"{{"value":["{}"]}}"#, "x".repeat(1 << 20))))
    };
    let read = read(records, true, wrong).await;
    assert_eq!(read.given, BTreeSet::from([5, BAD, DAY_MS - 1]));
    assert_eq!(read.covered(), [(0, DAY_MS * 1_000)]);
    assert_eq!(read.outcome.users[0].status, UserStatus::Extracted);
}

#[tokio::test(start_paused = true)]
async fn without_a_date_filter_what_comes_before_the_bad_record_is_read_and_nothing_is_covered() {
    let wrong: Wrong = |page| page.contains(&BAD).then(|| error(500, "generalException", ""));
    // As many as may come one a page.
    let records: Vec<i64> = half_minutes().into_iter().filter(|ms| *ms < BAD + 20_000_000).collect();
    let read = read(records.clone(), false, wrong).await;
    assert!(read.given.iter().copied().eq(records.into_iter().filter(|ms| *ms > BAD)));
    assert_eq!(read.covered(), []);
    assert_eq!(read.outcome.users[0].status, UserStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_always_fails_costs_few_requests() {
    let read = read(half_minutes(), true, |_| Some(error(500, "generalException", ""))).await;
    assert_eq!(read.covered(), []);
    let end = &read.outcome.users[0];
    assert_eq!((end.status, end.http_status), (UserStatus::Failed, Some(500)));
    // The whole eight times, then in smaller pages and in six parts three times each; all of it twice.
    assert_eq!(read.requests(), 2 * (8 + 7 * 3));
    let splits = read.bench.events().iter().filter(|event| **event == Event::Split).count();
    assert_eq!(splits, 2 * 6);
}
