//! What is asked again at the end of a run, in which order users are asked, and how many slices at once.

use std::sync::{Arc, Mutex};

use promptlake_flow::Event;
use promptlake_model::UserStatus;

use crate::graph::GraphSettings;
use crate::graph::backoff::ATTEMPTS_MAX;
use crate::graph::scripted::{Bench, MADE_UP, Reply, error, page, plan, reply, token, user};
use crate::graph::settings::tests::settings;

fn bench(settings: GraphSettings, mut answer: impl FnMut(&str) -> Reply + Send + 'static) -> Bench {
    Bench::with(settings, move |seen| if seen.is_token() { token("t", 3600) } else { answer(&seen.url) })
}

/// The number of the user in a URL.
fn user_of(url: &str) -> Option<u32> {
    url.split_once("users/")?.1.split_once('/')?.0.rsplit('-').next()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn who_failed_is_asked_once_more_when_all_others_are_read_and_for_what_is_missing_alone() {
    // His second day fails as often as it is tried at first.
    let (mut failures_left, mut others) = (ATTEMPTS_MAX, 0);
    let bench = bench(settings(), move |url| match user_of(url) {
        Some(1) if url.contains("2025-11-24T23") => {
            if failures_left == 0 {
                assert_eq!(others, 12, "all others were asked");
                return page(1, None);
            }
            failures_left -= 1;
            reply(200, "<html>")
        }
        Some(1) => page(1, None),
        _ => {
            others += 1;
            page(1, None)
        }
    });
    let plans = (1..=7).map(|number| plan(number, 2)).collect();
    let outcome = bench.extract(plans).await;
    outcome.result.unwrap();
    let last = outcome.users.last().unwrap();
    assert_eq!((last.owner.user, last.status, last.page_count), (user(1), UserStatus::Extracted, 2));
    assert!(outcome.users.iter().all(|end| end.status == UserStatus::Extracted));
    let of_first: Vec<_> =
        outcome.slices.iter().filter(|slice| [10, 11, MADE_UP].contains(&slice.0)).collect();
    assert_eq!(of_first, [&(10, 1, true), &(11, 0, false), &(MADE_UP, 1, true)]);
    assert_eq!(outcome.windows[&11], outcome.windows[&MADE_UP]);
}

#[tokio::test(start_paused = true)]
async fn who_fails_again_has_failed_and_is_not_asked_a_third_time() {
    let bench = bench(settings(), |url| match user_of(url) {
        Some(1) => error(409, "Conflict", ""),
        _ => page(1, None),
    });
    let outcome = bench.extract(vec![plan(1, 1), plan(2, 1)]).await;
    outcome.result.unwrap();
    assert_eq!(bench.asked().iter().filter(|seen| user_of(&seen.url) == Some(1)).count(), 2);
    let ends: Vec<_> = outcome.users.iter().map(|end| (end.owner.user, end.status)).collect();
    assert_eq!(ends, [(user(2), UserStatus::Extracted), (user(1), UserStatus::Failed)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_is_not_asked_again() {
    let cases: [(fn() -> Reply, UserStatus); 2] = [
        (|| error(404, "NotFound", ""), UserStatus::NotFound),
        (|| error(403, "Forbidden", "no license"), UserStatus::Unlicensed),
    ];
    for (reply, status) in cases {
        let bench = bench(settings(), move |_| reply());
        let outcome = bench.extract(vec![plan(1, 2)]).await;
        assert_eq!((bench.asked().len(), outcome.users[0].status), (1, status));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_those_who_wait_for_another_try() {
    let stop = tokio_util::sync::CancellationToken::new();
    let stopping = stop.clone();
    let settings = GraphSettings { concurrency: 1, ..settings() };
    let mut bench = bench(settings, move |url| {
        if user_of(url) == Some(1) {
            return error(409, "Conflict", "");
        }
        stopping.cancel();
        page(1, Some("https://graph.test/next?1"))
    });
    bench.stop = stop;
    let outcome = bench.extract((1..=5).map(|number| plan(number, 1)).collect()).await;
    outcome.result.unwrap();
    let ends: Vec<_> = outcome.users.iter().map(|end| (end.owner.user, end.status)).collect();
    assert_eq!(ends, [(user(2), UserStatus::Interrupted), (user(1), UserStatus::Failed)]);
    assert_eq!(bench.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_those_who_wait_for_others() {
    let (stop, mut asked) = (tokio_util::sync::CancellationToken::new(), 0);
    let stopping = stop.clone();
    let settings = GraphSettings { concurrency: 2, ..settings() };
    // The second user is done with a page; the lists of the first one have no end, and others wait for them.
    let mut bench = bench(settings, move |url| {
        asked += 1;
        if asked == 30 {
            stopping.cancel();
        }
        let is_of_second = user_of(url) == Some(2);
        page(1, (!is_of_second).then(|| format!("https://graph.test/next?{asked}")).as_deref())
    });
    bench.stop = stop;
    // Were anybody left to wait, this would never end.
    let outcome = bench.extract(vec![plan(1, 4), plan(2, 1), plan(3, 2)]).await;
    outcome.result.unwrap();
    let ends: Vec<_> = outcome.users.iter().map(|end| (end.owner.user, end.status)).collect();
    assert_eq!(ends.len(), 3);
    assert_eq!(ends[0], (user(2), UserStatus::Extracted));
    assert!(ends[1..].iter().all(|end| end.1 == UserStatus::Interrupted), "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn users_are_asked_in_the_order_of_their_plans() {
    let settings = GraphSettings { concurrency: 1, ..settings() };
    let bench = bench(settings, |_| page(1, None));
    bench.extract([3, 2, 4, 1].map(|number| plan(number, 1)).to_vec()).await.result.unwrap();
    let asked: Vec<_> = bench.asked().iter().filter_map(|seen| user_of(&seen.url)).collect();
    assert_eq!(asked, [3, 2, 4, 1]);
}

#[tokio::test(start_paused = true)]
async fn slices_of_one_user_are_read_at_once_behind_his_first_page_and_no_more_than_the_setting_allows() {
    /// So many that no list ends before all that may are begun, on however many threads pages are read.
    const PAGES: u64 = 50;
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let settings = GraphSettings { requests_per_second: 1_000.0, ..settings() };
    let bench = bench(settings, move |url| {
        seen.lock().unwrap().push(url.to_owned());
        // Each link counts the pages of its list, behind its name.
        let (next, list) =
            match url.split_once("https://graph.test/next?").and_then(|it| it.1.split_once('-')) {
                None => (1, seen.lock().unwrap().len().to_string()),
                Some((page, list)) => (page.parse::<u64>().unwrap() + 1, list.to_owned()),
            };
        page(1, (next < PAGES).then(|| format!("https://graph.test/next?{next}-{list}")).as_deref())
    });
    let outcome = bench.extract(vec![plan(1, 6)]).await;
    outcome.result.unwrap();
    assert_eq!((outcome.users.len(), u64::from(outcome.users[0].page_count)), (1, 6 * PAGES));
    assert!(outcome.slices.iter().all(|(_, pages, whole)| u64::from(*pages) == PAGES && *whole));
    let asked = asked.lock().unwrap();
    assert!(asked[0].contains("$filter") && asked[1].contains("next?1-1"), "one page comes first: {asked:?}");
    // With four readers the fifth list begins when one has ended.
    let ends = asked.iter().position(|url| url.contains(&format!("next?{}-", PAGES - 1))).unwrap();
    let begun = asked[..ends].iter().filter(|url| url.contains("$filter")).count();
    assert_eq!(begun, 4);
}

/// A list of two pages in which the last record of the first comes again.
fn moved(url: &str) -> Reply {
    let next = r#""@odata.nextLink":"https://graph.test/next?1","#;
    if url.contains("next?1") {
        reply(200, r#"{"value":[{"id":2},{"id":4}]}"#)
    } else {
        reply(200, format!(r#"{{{next}"value":[{{"id":1}},{{"id":2}}]}}"#))
    }
}

fn repeated(bench: &Bench) -> Vec<(u64, bool)> {
    let of = |event: &Event| match event {
        Event::Repeated { records, reread } => Some((*records, *reread)),
        _ => None,
    };
    bench.events().iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_that_moved_is_read_again_at_the_end_until_it_is_still() {
    for moves in 1..=2 {
        let mut lists = 0;
        let bench = bench(settings(), move |url| {
            lists += u32::from(url.contains("$filter"));
            // Equal records of one page are no sign of anything.
            if lists <= moves { moved(url) } else { page(2, None) }
        });
        let outcome = bench.extract(vec![plan(1, 1)]).await;
        let whole: Vec<bool> = outcome.slices.iter().map(|slice| slice.2).collect();
        assert_eq!(whole, [vec![false; moves as usize], vec![true]].concat());
        assert_eq!(repeated(&bench), vec![(1, true); moves as usize]);
        assert_eq!(outcome.users[0].status, UserStatus::Extracted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_is_still_counts_in_the_end_and_is_said_to_have_moved() {
    let bench = bench(settings(), moved);
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    assert_eq!(outcome.slices, [(10, 2, false), (MADE_UP, 2, false), (MADE_UP + 1, 2, true)]);
    assert_eq!(repeated(&bench), [(1, true), (1, true), (1, false)]);
    assert_eq!((outcome.users[0].status, outcome.users[0].page_count), (UserStatus::Extracted, 6));
}

#[tokio::test(start_paused = true)]
async fn what_came_twice_in_a_list_that_broke_off_is_not_told_of() {
    let mut lists = 0;
    let bench = bench(settings(), move |url| {
        lists += u32::from(url.contains("$filter"));
        let third = r#"{"@odata.nextLink":"https://graph.test/next?2","value":[{"id":1}]}"#;
        match lists {
            1 if url.contains("next?1") => reply(200, third),
            1 if url.contains("next?2") => reply(410, "{}"),
            1 => moved(url),
            _ => page(1, None),
        }
    });
    let outcome = bench.extract(vec![plan(1, 1)]).await;
    assert_eq!(repeated(&bench), []);
    assert_eq!(outcome.users[0].status, UserStatus::Extracted);
}
