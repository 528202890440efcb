use promptlake_model::UserStatus;

use crate::graph::backoff::ATTEMPTS_MAX;
use crate::graph::scripted::{Bench, MADE_UP, Outcome, Reply, error, page, plan, reply};
use crate::graph::settings::tests::settings;
use crate::graph::{ApiVersion, GraphSettings};

const NEXT: &str = "https://graph.test/v1.0/next?$skiptoken=";

fn link(number: usize) -> String {
    format!("{NEXT}{number}")
}

/// Page after page of these lengths.
fn pages(lengths: &'static [usize]) -> Bench {
    let mut place = 0;
    Bench::graph(move |_| {
        place += 1;
        let next = (place < lengths.len()).then(|| link(place));
        page(lengths[place - 1], next.as_deref())
    })
}

fn reason(outcome: &Outcome) -> &str {
    outcome.users[0].reason.as_deref().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn only_a_missing_link_ends_a_slice() {
    let bench = pages(&[2, 0, 0, 1]);
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    outcome.result.unwrap();
    assert_eq!(
        outcome.pages.iter().map(|page| (page.0, page.1)).collect::<Vec<_>>(),
        [(10, 0), (10, 1), (10, 2), (10, 3)]
    );
    assert_eq!(outcome.slices, [(10, 4, true)]);
    assert_eq!((outcome.users[0].status, outcome.users[0].page_count), (UserStatus::Extracted, 4));
    assert_eq!(bench.memory.in_use_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_user_without_records_is_empty() {
    for (lengths, status) in
        [(&[0][..], UserStatus::Empty), (&[0, 0], UserStatus::Empty), (&[0, 3], UserStatus::Extracted)]
    {
        let outcome = pages(lengths).extract(vec![plan(1, 1)]).await;
        assert_eq!(outcome.users[0].status, status, "{lengths:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_page_names_window_and_size_and_links_are_followed_as_they_stand() {
    let first = "https://graph.test/v1.0/copilot/users/00000000-0000-0000-0000-000000000001/\
                 interactionHistory/getAllEnterpriseInteractions?$top=100&$filter=createdDateTime%20gt%20\
                 2025-11-23T23:59:59.999Z%20and%20createdDateTime%20lt%202025-11-25T00:00:00.000Z";
    let odd = "https://graph.test/V1.0/x?$skiptoken=a%2Bb+c%20d|&$filter=none";
    let bench = Bench::graph(move |seen| page(1, (seen.url == first).then_some(odd)));
    bench.extract(vec![plan(1, 1)]).await.result.unwrap();
    assert_eq!(bench.asked().iter().map(|seen| seen.url.as_str()).collect::<Vec<_>>(), [first, odd]);
}

#[tokio::test(start_paused = true)]
async fn beta_is_a_setting() {
    let settings = GraphSettings { api_version: ApiVersion::Beta, ..settings() };
    let bench = Bench::with(settings, |seen| {
        if seen.is_token() { super::super::scripted::token("t", 3600) } else { page(0, None) }
    });
    bench.extract(vec![plan(1, 1)]).await.result.unwrap();
    assert!(bench.asked()[0].url.starts_with("https://graph.test/beta/copilot/users/"));
}

#[tokio::test(start_paused = true)]
async fn the_token_follows_no_link_elsewhere() {
    for foreign in [
        "https://evil.test/v1.0/x?secret",
        "http://graph.test/v1.0/x?secret",
        "https://graph.test:8443/x?secret",
        "https://graph.test@evil.test/x?secret",
        "//evil.test/x?secret",
    ] {
        let bench = Bench::graph(move |_| page(1, Some(foreign)));
        let outcome = bench.extract(vec![plan(1, 2)]).await;
        outcome.result.as_ref().unwrap();
        // Both windows, which are asked for as one at the end.
        assert_eq!(bench.asked().len(), 3, "first pages and nothing else: {foreign}");
        assert_eq!(outcome.slices, [(10, 1, false), (11, 1, false), (MADE_UP, 1, false)], "{foreign}");
        assert_eq!(outcome.users[0].status, UserStatus::Failed);
        let reason = reason(&outcome);
        assert!(!reason.contains("secret") && reason.contains("next page"), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn links_that_go_round_end_the_slice() {
    let mut asked = 0;
    let bench = Bench::graph(move |_| {
        asked += 1;
        page(1, Some(&link(asked % 3)))
    });
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    assert_eq!(outcome.slices, [(10, 4, false), (MADE_UP, 4, false)], "also when it is tried again");
    assert!(reason(&outcome).contains("go round"), "{}", reason(&outcome));
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_asked_again() {
    let faults: [fn() -> Reply; 7] = [
        || reply(200, "<html>"),
        || reply(200, r#"{"value":"#),
        || reply(200, r#"{"ok":true}"#),
        || page(3, None).cut(),
        || error(503, "serviceNotAvailable", ""),
        || reply(504, "gateway"),
        Reply::lost,
    ];
    for fault in faults {
        let mut left = ATTEMPTS_MAX - 1;
        let bench = Bench::graph(move |_| {
            if left == 0 {
                return page(1, None);
            }
            left -= 1;
            fault()
        });
        let outcome = bench.extract(vec![plan(1, 1)]).await;
        assert_eq!((outcome.users[0].status, outcome.slices), (UserStatus::Extracted, vec![(10, 1, true)]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_fails_the_slice_and_the_next_one_is_read() {
    let bench = Bench::graph(|seen| {
        // The window of the first slice begins at the 23rd's last millisecond.
        if seen.url.contains("2025-11-23T23") { reply(200, "<html>") } else { page(1, None) }
    });
    let outcome = bench.extract(vec![plan(1, 2)]).await;
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.slices, [(10, 0, false), (11, 1, true), (MADE_UP, 0, false)]);
    assert_eq!(outcome.users[0].status, UserStatus::Failed);
    assert_eq!(reason(&outcome), format!("the answer is not JSON, after {ATTEMPTS_MAX} attempts"));
    assert_eq!(bench.asked().len(), 2 * ATTEMPTS_MAX as usize + 1);
}

#[tokio::test(start_paused = true)]
async fn a_later_page_that_is_not_found_is_no_word_on_the_user() {
    // Once, and the list is begun again; for good, and he has failed.
    for (times, status) in [(1, UserStatus::Extracted), (usize::MAX, UserStatus::Failed)] {
        let mut left = times;
        let bench = Bench::graph(move |seen| {
            if seen.url.starts_with(NEXT) && left > 0 {
                left -= 1;
                return error(404, "NotFound", "");
            }
            page(1, (!seen.url.starts_with(NEXT)).then(|| link(1)).as_deref())
        });
        let outcome = bench.extract(vec![plan(1, 1)]).await;
        assert_eq!(outcome.users[0].status, status, "{times}");
        assert_eq!(outcome.slices.iter().filter(|slice| slice.2).count(), usize::from(times == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_pages_are_all_beyond_the_limit_comes_to_an_end() {
    let bench = Bench::graph(|_| reply(200, format!(r#"{{"value":["{}"]}}"#, "x".repeat(1 << 20))));
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    // The whole in pages of two sizes, and its parts, six times halved; and all of it once more at the end.
    assert_eq!((bench.asked().len(), outcome.slices.len()), (256, 256));
    assert!(outcome.slices.iter().all(|(_, pages, whole)| *pages == 0 && !whole));
    assert_eq!(outcome.users[0].status, UserStatus::Failed);
    assert!(reason(&outcome).contains("1048576 bytes"), "{}", reason(&outcome));
    assert_eq!(bench.memory.in_use_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stale_token_begins_another_slice_of_the_same_window() {
    for status in [400, 410] {
        let mut asked = 0;
        let bench = Bench::graph(move |_| {
            asked += 1;
            match asked {
                1 | 3 => page(2, Some(&link(7))),
                2 => error(status, "resyncRequired", ""),
                _ => page(1, None),
            }
        });
        let outcome = bench.extract(vec![plan(1, 1)]).await;
        let pages: Vec<_> = outcome.pages.iter().map(|page| (page.0, page.1)).collect();
        assert_eq!(pages, [(10, 0), (MADE_UP, 0), (MADE_UP, 1)], "{status}");
        assert_eq!(outcome.slices, [(10, 1, false), (MADE_UP, 2, true)], "{status}");
        assert_eq!((outcome.users[0].status, outcome.users[0].page_count), (UserStatus::Extracted, 3));
        assert!(bench.asked()[2].url.contains("$filter"), "a restart asks for the window again");
    }
}

#[tokio::test(start_paused = true)]
async fn restarts_are_bounded() {
    let bench = Bench::graph(|seen| {
        if seen.url.starts_with(NEXT) { error(410, "resyncRequired", "") } else { page(1, Some(&link(1))) }
    });
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    assert_eq!(outcome.slices.len(), 8, "four times, and as often at the end");
    assert!(outcome.slices.iter().all(|(_, pages, whole)| *pages == 1 && !whole));
    assert!(reason(&outcome).contains("3 restarts"), "{}", reason(&outcome));
    assert_eq!(outcome.users[0].http_status, Some(410));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_date_filters_is_asked_without_from_then_on() {
    let bench = Bench::graph(|seen| {
        if seen.url.contains("$filter") { error(400, "BadRequest", "filter") } else { page(1, None) }
    });
    let outcome = bench.extract(vec![plan(1, 2)]).await;
    assert_eq!(outcome.slices, [(10, 1, true), (11, 1, true)]);
    bench.extract(vec![plan(2, 1)]).await.result.unwrap();
    let filtered: Vec<bool> = bench.asked().iter().map(|seen| seen.url.contains("$filter")).collect();
    assert_eq!(filtered, [true, false, false, false]);
}

#[tokio::test(start_paused = true)]
async fn without_date_filters_one_list_is_enough_for_all_other_windows() {
    let bench = Bench::graph(|seen| {
        if seen.url.contains("$filter") { error(400, "BadRequest", "filter") } else { page(1, None) }
    });
    let outcome = bench.extract(vec![plan(1, 5)]).await;
    outcome.result.unwrap();
    let (first, rest) = (outcome.slices[0], outcome.slices[1]);
    assert_eq!((first, rest.1, rest.2, outcome.slices.len()), ((10, 1, true), 1, true, 2));
    let (of_first, of_rest) = (outcome.windows[&first.0], outcome.windows[&rest.0]);
    assert_eq!(
        (of_first.to, of_rest.to.micros() - of_rest.from.micros()),
        (of_rest.from, 4 * 86_400_000_000)
    );
    assert_eq!(bench.asked().len(), 3);
}

/// A list that is odd does not cost the others their filter, which spares them their whole histories.
#[tokio::test(start_paused = true)]
async fn a_filter_that_others_were_answered_with_stays() {
    let bench = Bench::graph(|seen| {
        let is_odd = seen.url.contains("000000000002") && seen.url.contains("$filter");
        if is_odd { error(400, "BadRequest", "filter") } else { page(1, None) }
    });
    for user in 1..=3 {
        bench.extract(vec![plan(user, 1)]).await.result.unwrap();
    }
    let filtered: Vec<bool> = bench.asked().iter().map(|seen| seen.url.contains("$filter")).collect();
    assert_eq!(filtered, [true, true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn one_bad_request_is_no_proof_against_date_filters() {
    let bench = Bench::graph(|seen| {
        if seen.url.contains("000000000001") { error(400, "BadRequest", "") } else { page(1, None) }
    });
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    assert_eq!((outcome.users[0].status, outcome.users[0].http_status), (UserStatus::Failed, Some(400)));
    bench.extract(vec![plan(2, 1)]).await.result.unwrap();
    assert!(bench.asked()[2].url.contains("$filter"));
}
