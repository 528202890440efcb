use std::time::Duration;

use promptlake_flow::{Event, RequestKind};
use promptlake_model::UserStatus;

use crate::graph::GraphSettings;
use crate::graph::scripted::{Bench, Reply, error, page, plan, token};
use crate::graph::settings::tests::settings;
use crate::{ExtractError, UserPlan};

fn plans(users: u32) -> Vec<UserPlan> {
    (1..=users).map(|number| plan(number, 1)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_429_holds_back_the_whole_tenant_and_nobody_sleeps_with_memory() {
    let wait = Duration::from_secs(30);
    let bench = Bench::graph(move |seen| {
        if seen.at < wait {
            error(429, "TooManyRequests", "").header("retry-after", "30")
        } else {
            page(1, None)
        }
    });
    let watch = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        let asked = bench.asked().len();
        assert_eq!(bench.memory.in_use_bytes(), 0, "somebody sleeps with a permit");
        tokio::time::sleep(Duration::from_millis(14_900)).await;
        assert_eq!(bench.asked().len(), asked, "somebody asked during the wait");
    };
    let (outcome, ()) = tokio::join!(bench.extract(plans(8)), watch);
    outcome.result.unwrap();
    assert!(outcome.users.iter().all(|end| end.status == UserStatus::Extracted));
    let after: Vec<Duration> = bench.asked().iter().map(|seen| seen.at).filter(|at| *at >= wait).collect();
    assert!(after[0] >= wait && after[0] < wait + Duration::from_millis(100), "{:?}", after[0]);
    assert!(after[1] >= after[0] + Duration::from_millis(39), "the bucket begins empty");
    let closed = bench.events().iter().map(closed_by).sum::<Duration>();
    assert_eq!(closed, wait, "several 429s of one moment are one wait");
}

fn closed_by(event: &Event) -> Duration {
    match event {
        Event::Throttled { kind: RequestKind::Interactions, wait } => *wait,
        _ => Duration::ZERO,
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_as_a_date_counts_from_the_answers_own_clock() {
    let mut asked = 0;
    let bench = Bench::graph(move |_| {
        asked += 1;
        match asked {
            1 => error(429, "TooManyRequests", "")
                .header("date", "Mon, 24 Nov 2025 10:00:00 GMT")
                .header("retry-after", "Mon, 24 Nov 2025 10:00:12 GMT"),
            _ => page(1, None),
        }
    });
    bench.extract(plans(1)).await.result.unwrap();
    let asked = bench.asked();
    assert!(asked[1].at >= asked[0].at + Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_over_all_users() {
    let bench = Bench::graph(|_| page(0, None));
    bench.extract(plans(101)).await.result.unwrap();
    let asked = bench.asked();
    let at = |place: usize| asked[place].at.as_secs_f64();
    assert_eq!(asked.len(), 101);
    assert!(at(100) >= 3.8, "101 requests at 25 a second took {} s", at(100));
    for place in 30..101 {
        let requests_of_a_second = asked.iter().filter(|seen| {
            let seconds = seen.at.as_secs_f64();
            seconds <= at(place) && seconds > at(place) - 1.0
        });
        assert!(requests_of_a_second.count() <= 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_reason_is_not_shortened_but_ends_the_tenant() {
    let bench = Bench::graph(|_| error(429, "TooManyRequests", "").header("retry-after", "86400"));
    let outcome = bench.extract(plans(2)).await;
    let error = outcome.result.unwrap_err();
    assert!(matches!(error, ExtractError::ThrottledTooLong { .. }), "{error}");
    assert_eq!(outcome.users.len(), 2);
}

/// A client of up to 40 requests at once, whose token is always to be had.
fn wide(mut answer: impl FnMut(Duration) -> Reply + Send + 'static) -> Bench {
    let settings = GraphSettings { concurrency: 40, ..settings() };
    Bench::with(settings, move |seen| if seen.is_token() { token("t", 36_000) } else { answer(seen.at) })
}

#[tokio::test(start_paused = true)]
async fn answers_that_take_a_second_do_not_slow_the_stream() {
    let bench = wide(|_| page(1, None).after(Duration::from_secs(1)));
    bench.extract_in_step(plans(1_400)).await.result.unwrap();
    let asked: Vec<f64> = bench.asked().iter().map(|seen| seen.at.as_secs_f64()).collect();
    assert_eq!(asked.len(), 1_400);
    let in_a_minute_after_ten = asked.iter().filter(|at| (10.0..50.0).contains(*at)).count();
    assert!(in_a_minute_after_ten >= 40 * 25, "{in_a_minute_after_ten} in 40 s");
    let under_way_at = |now: f64| asked.iter().filter(|at| **at <= now && **at > now - 1.0).count();
    assert!(under_way_at(30.0) >= 25, "{}", under_way_at(30.0));
}

#[tokio::test(start_paused = true)]
async fn quick_answers_are_asked_for_by_few() {
    let bench = wide(|_| page(1, None).after(Duration::from_millis(20)));
    bench.extract_in_step(plans(500)).await.result.unwrap();
    let asked = bench.asked();
    assert!(asked.last().unwrap().at < Duration::from_secs(20), "{:?}", asked.last().unwrap().at);
    assert!(bench.memory.peak_bytes() <= 6 * crate::FIRST_RESERVATION_BYTES, "{}", bench.memory.peak_bytes());
}

#[tokio::test(start_paused = true)]
async fn an_outage_for_everybody_is_nobodys_failure() {
    for back_at in [30, 300, 590].map(Duration::from_secs) {
        let lost_at = Duration::from_secs(3);
        let bench = wide(move |at| match at {
            at if at < lost_at || at >= back_at => page(1, None),
            at if at.as_millis() % 2 == 0 => error(503, "serviceNotAvailable", ""),
            _ => Reply::lost(),
        });
        let outcome = bench.extract_in_step(plans(200)).await;
        outcome.result.unwrap();
        assert_eq!(outcome.users.len(), 200);
        assert!(outcome.users.iter().all(|end| end.status == UserStatus::Extracted), "{back_at:?}");
        let asked = bench.asked();
        let in_vain = asked.iter().filter(|seen| seen.at >= lost_at && seen.at < back_at).count();
        assert!(in_vain < 150, "{in_vain} requests in an outage until {back_at:?}");
        let last = asked.last().unwrap().at;
        // Half a minute to the next probe, and what all users take.
        assert!(last < back_at + Duration::from_mins(1), "went on at {last:?}");
        let lost = bench.events().iter().filter(|event| matches!(event, Event::SourceLost { .. })).count();
        let back = bench.events().iter().filter(|event| matches!(event, Event::SourceBack { .. })).count();
        assert_eq!((lost, back), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_end_ends_the_run_and_leaves_users_alone() {
    let bench = wide(|at| if at < Duration::from_secs(3) { page(1, None) } else { Reply::lost() });
    let outcome = bench.extract_in_step(plans(200)).await;
    let error = outcome.result.unwrap_err();
    assert!(matches!(error, ExtractError::SourceLost { .. }), "{error}");
    assert_eq!(error.kind(), crate::ErrorKind::Source);
    let took = bench.clock.elapsed();
    assert!(took >= Duration::from_mins(10) && took < Duration::from_mins(11), "{took:?}");
    let count = |status| outcome.users.iter().filter(|end| end.status == status).count();
    assert!(count(UserStatus::Extracted) > 50);
    assert_eq!(count(UserStatus::Failed), 1, "the one who heard of the end");
    assert!(outcome.users.len() < 140, "{} of 200 users were begun", outcome.users.len());
}

#[tokio::test(start_paused = true)]
async fn users_who_are_never_answered_fail_alone() {
    for never in [&["000000000150"][..], &["000000000010", "000000000075", "000000000140"]] {
        let bench = Bench::with(settings(), |seen| match seen.url.as_str() {
            _ if seen.is_token() => token("t", 36_000),
            url if never.iter().any(|user| url.contains(user)) => Reply::lost(),
            _ => page(1, None).after(Duration::from_millis(50)),
        });
        let outcome = bench.extract_in_step(plans(150)).await;
        outcome.result.unwrap();
        let failed: Vec<_> = outcome.users.iter().filter(|end| end.status == UserStatus::Failed).collect();
        assert_eq!(failed.len(), never.len());
        for end in failed {
            assert_eq!(end.reason.as_deref(), Some("connect: refused, after 8 attempts"));
        }
        assert!(bench.clock.elapsed() < Duration::from_mins(5), "{:?}", bench.clock.elapsed());
    }
}

/// Nobody else is left to be asked while these fail, in the end and once more: what was answered before tells them from
/// an outage.
#[tokio::test(start_paused = true)]
async fn users_who_are_never_answered_are_no_outage() {
    for reply in [Reply::lost, || error(504, "gatewayTimeout", "")] {
        let bench = Bench::with(settings(), move |seen| match seen.url.as_str() {
            _ if seen.is_token() => token("t", 36_000),
            url if (55..=60).any(|user| url.contains(&format!("0000000000{user}"))) => reply(),
            _ => page(1, None).after(Duration::from_millis(50)),
        });
        let outcome = bench.extract_in_step(plans(60)).await;
        outcome.result.unwrap();
        let failed = outcome.users.iter().filter(|end| end.status == UserStatus::Failed);
        assert_eq!(failed.count(), 6);
        let read = outcome.users.iter().filter(|end| end.status == UserStatus::Extracted);
        assert_eq!(read.count(), 54);
        assert!(!bench.events().iter().any(|event| matches!(event, Event::SourceLost { .. })));
    }
}

/// Those who wait for another attempt hold nobody back, wherever in the order they stand.
#[tokio::test(start_paused = true)]
async fn users_who_always_fail_do_not_slow_the_others() {
    let bench = Bench::with(settings(), move |seen| match seen.url.as_str() {
        _ if seen.is_token() => token("t", 36_000),
        url if (1..=9).any(|user| url.contains(&format!("00000000000{user}/"))) => error(500, "error", ""),
        _ => page(1, None).after(Duration::from_millis(50)),
    });
    let outcome = bench.extract_in_step(plans(300)).await;
    outcome.result.unwrap();
    let failed = outcome.users.iter().filter(|end| end.status == UserStatus::Failed);
    assert_eq!(failed.count(), 9);
    let asked = bench.asked();
    let others = asked.iter().filter(|seen| !seen.url.contains("-00000000000"));
    let last = others.map(|seen| seen.at).max().unwrap();
    // 291 requests, and those of the nine in between.
    assert!(last < Duration::from_secs(20), "the last of the others was asked after {last:?}");
}

/// Whoever probes fails in any case: that the source is back shows by what was answered before.
#[tokio::test(start_paused = true)]
async fn an_outage_ends_also_where_only_users_are_left_who_always_fail() {
    let outage = Duration::from_secs(5)..Duration::from_secs(40);
    let bench = Bench::with(settings(), move |seen| match seen.url.as_str() {
        _ if seen.is_token() => token("t", 36_000),
        url if (55..=60).any(|user| url.contains(&format!("0000000000{user}"))) => Reply::lost(),
        _ if outage.contains(&seen.at) => Reply::lost(),
        _ => page(1, None).after(Duration::from_millis(50)),
    });
    let outcome = bench.extract_in_step(plans(60)).await;
    outcome.result.unwrap();
    let failed = outcome.users.iter().filter(|end| end.status == UserStatus::Failed);
    assert_eq!(failed.count(), 6);
    assert!(bench.events().iter().any(|event| matches!(event, Event::SourceBack { .. })));
}

#[tokio::test(start_paused = true)]
async fn of_two_tenants_one_that_is_throttled_leaves_the_other_its_rate() {
    let throttled = wide(|at| match at.as_secs() {
        0..60 => error(429, "TooManyRequests", "").header("retry-after", "60"),
        _ => page(1, None),
    });
    let free = wide(|_| page(1, None));
    let (one, other) =
        tokio::join!(throttled.extract_in_step(plans(100)), free.extract_in_step(plans(1_400)));
    one.result.unwrap();
    other.result.unwrap();
    assert!(throttled.asked().iter().filter(|seen| seen.at < Duration::from_mins(1)).count() < 10);
    let last = free.asked().last().unwrap().at;
    assert!(last < Duration::from_secs(53), "1,400 requests took {last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_directory_does_not_hold_back_interactions() {
    let bench = Bench::with(settings(), |seen| match seen.url.as_str() {
        _ if seen.is_token() => token("t", 36_000),
        url if url.contains("/users?") || url.contains("subscribedSkus") => {
            error(429, "TooManyRequests", "").header("retry-after", "300")
        }
        _ => page(1, None),
    });
    let discovery = async {
        let selection = crate::UserSelection::Licensed;
        tokio::time::timeout(Duration::from_secs(200), bench.client.discover(&selection)).await
    };
    let (discovered, outcome) = tokio::join!(discovery, bench.extract_in_step(plans(100)));
    assert!(discovered.is_err(), "it waits");
    outcome.result.unwrap();
    let asked = bench.asked();
    let pages = asked.iter().filter(|seen| seen.url.contains("getAllEnterpriseInteractions"));
    assert!(pages.map(|seen| seen.at).max().unwrap() < Duration::from_secs(6));
}
