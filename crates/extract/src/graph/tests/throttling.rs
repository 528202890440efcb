use std::time::Duration;

use promptlake_flow::Event;
use promptlake_model::UserStatus;

use crate::ExtractError;
use crate::graph::scripted::{Bench, error, page, plan};

fn plans(users: u32) -> Vec<crate::UserPlan> {
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
    assert!(bench.events().contains(&Event::Throttled { wait }));
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
