use std::time::Duration;

use promptlake_flow::channel;
use promptlake_model::UserStatus;
use tokio_util::sync::CancellationToken;

use crate::graph::GraphSettings;
use crate::graph::scripted::{Bench, Reply, error, page, plan, token, user};
use crate::graph::settings::tests::settings;
use crate::{ErrorKind, ExtractError};

fn plans(users: u32) -> Vec<crate::UserPlan> {
    (1..=users).map(|number| plan(number, 2)).collect()
}

/// The first user gets this, everybody else a page.
fn first_gets(reply: fn() -> Reply) -> Bench {
    Bench::graph(move |seen| if seen.url.contains("000000000001/") { reply() } else { page(1, None) })
}

/// An answer, what it makes of the user, and the status and code that are kept.
type StatusCase = (fn() -> Reply, UserStatus, u16, &'static str);

#[tokio::test(start_paused = true)]
async fn what_a_status_makes_of_a_user() {
    let cases: [StatusCase; 6] = [
        (|| error(403, "Forbidden", "User has no valid license"), UserStatus::Unlicensed, 403, "Forbidden"),
        (|| error(403, "Forbidden", "no"), UserStatus::Failed, 403, "Forbidden"),
        (|| error(404, "NotFound", "no license"), UserStatus::NotFound, 404, "NotFound"),
        (|| error(409, "Conflict", ""), UserStatus::Failed, 409, "Conflict"),
        (|| error(500, "generalException", ""), UserStatus::Failed, 500, "generalException"),
        (|| error(307, "x", "").header("location", "https://else.test/?secret"), UserStatus::Failed, 307, ""),
    ];
    for (reply, status, http_status, code) in cases {
        let bench = first_gets(reply);
        let outcome = bench.extract(plans(2)).await;
        outcome.result.unwrap();
        let end = outcome.users.iter().find(|end| end.owner.user == user(1)).unwrap();
        assert_eq!((end.status, end.http_status), (status, Some(http_status)));
        assert_eq!(end.error_code.as_deref().unwrap_or_default(), code);
        let reason = end.reason.as_deref().unwrap();
        assert!(!reason.contains("secret") && reason.len() < 200, "{reason}");
        assert_eq!(outcome.users.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_settled_user_is_not_asked_for_his_other_slices() {
    let bench = first_gets(|| error(404, "NotFound", ""));
    let outcome = bench.extract(vec![plan(1, 3)]).await;
    assert_eq!((bench.asked().len(), outcome.slices), (1, vec![(10, 0, false)]));
}

#[tokio::test(start_paused = true)]
async fn everybody_forbidden_means_consent_is_missing() {
    for (users, asked_most) in [(1, 1), (5, 5), (100, 24)] {
        let bench = Bench::graph(|_| error(403, "Forbidden", "no"));
        let outcome = bench.extract(plans(users)).await;
        let error = outcome.result.unwrap_err();
        assert!(matches!(error, ExtractError::InteractionsForbidden { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::NotAllowed);
        assert!(error.hint().unwrap().contains("AiEnterpriseInteraction.Read.All"));
        assert!(bench.asked().len() <= asked_most, "{} asked of {users}", bench.asked().len());
        assert_eq!(outcome.users.len(), outcome.slices.len());
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_may_be_read_shows_that_consent_is_there() {
    let good: [fn() -> Reply; 3] =
        [|| page(0, None), || error(404, "NotFound", ""), || error(403, "Forbidden", "no license")];
    for good in good {
        // One after the other, so that his answer is there before the others'.
        let settings = GraphSettings { concurrency: 1, ..settings() };
        let bench = Bench::with(settings, move |seen| match seen {
            seen if seen.is_token() => token("t", 3600),
            seen if seen.url.contains("000000000001/") => good(),
            _ => error(403, "Forbidden", "no"),
        });
        let outcome = bench.extract(plans(40)).await;
        outcome.result.unwrap();
        assert_eq!(outcome.users.len(), 40);
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_payment_model_ends_the_tenant() {
    let bench = Bench::graph(|_| error(402, "PaymentRequired", "used up"));
    let outcome = bench.extract(plans(30)).await;
    let error = outcome.result.unwrap_err();
    assert!(error.to_string().contains("402 (PaymentRequired)"), "{error}");
    assert!(outcome.users.len() <= 4);
    assert_eq!(outcome.users[0].http_status, Some(402));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_what_was_begun_and_nothing_else() {
    const LAST: usize = 50;
    let (stop, mut asked) = (CancellationToken::new(), 0);
    let stopping = stop.clone();
    let mut bench = Bench::graph(move |_| {
        asked += 1;
        if asked == LAST {
            stopping.cancel();
        }
        page(1, Some(&format!("https://graph.test/next?{asked}")))
    });
    bench.stop = stop;
    let outcome = bench.extract(plans(40)).await;
    outcome.result.unwrap();
    assert_eq!(outcome.users.len(), 4, "those in flight");
    assert!(outcome.users.iter().all(|end| end.status == UserStatus::Interrupted));
    assert!(outcome.slices.iter().all(|(_, _, whole)| !whole));
    let pages: u32 = outcome.slices.iter().map(|slice| slice.1).sum();
    assert_eq!(pages as usize, outcome.pages.len());
    assert_eq!(bench.asked().len(), LAST, "nothing was asked after the stop");
    assert_eq!(bench.memory.in_use_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_interrupts_a_long_wait() {
    let bench = Bench::graph(|_| error(429, "TooManyRequests", "").header("retry-after", "3000"));
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        bench.stop.cancel();
    };
    let (outcome, ()) = tokio::join!(bench.extract(plans(3)), stop);
    outcome.result.unwrap();
    assert!(bench.clock.elapsed() < Duration::from_secs(6));
    assert_eq!((outcome.users.len(), outcome.slices.len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_nothing_more_is_asked() {
    let bench = Bench::graph(|_| page(1, None));
    let (sender, receiver) = channel(1);
    drop(receiver);
    bench.client.extract(plans(40), sender, bench.stop.clone()).await.unwrap();
    assert_eq!(bench.asked().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_plan_with_somebody_elses_slice_is_refused() {
    let bench = Bench::graph(|_| page(1, None));
    let mut mixed = plan(1, 1);
    mixed.slices.extend(plan(2, 1).slices);
    let error = bench.extract(vec![mixed]).await.result.unwrap_err();
    assert!(matches!(error, ExtractError::ForeignSlice { .. }), "{error}");
    assert_eq!(bench.seen().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_user_without_slices_ends_as_well() {
    let bench = Bench::graph(|_| page(1, None));
    let outcome = bench.extract(vec![plan(1, 0)]).await;
    assert_eq!(outcome.users[0].status, UserStatus::Empty);
}
