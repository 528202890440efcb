//! What goes wrong between the server and its client: connections, bodies, compression. Seen by a client that reads bytes.

use std::io::Read as _;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use graph_emulator::{
    Access, FaultKind, Faults, NO_ANSWER, RequestKind, RetryAfter, Rule, ScriptedAnswer, ServerOptions,
    Tenant,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Served, interactions, unlimited};
use crate::{small, user_of};

#[expect(clippy::disallowed_methods, reason = "a stall is measured by the clock")]
fn now() -> Instant {
    Instant::now()
}

/// A tenant of one user with so many records that a page has some hundred kilobytes, and the path of the first one.
async fn serve(script: Vec<Rule>, options: ServerOptions) -> (Served, String) {
    let options = ServerOptions { script, ragged_pages: false, ..options };
    let served = Served::start(small().with_users(1), options).await;
    let path = interactions(&served.emulator.tenant().user(0).unwrap().id, "?$top=100");
    (served, path)
}

/// Everything that comes back for a request, with the error that ends it, if it is one.
async fn raw(served: &Served, path: &str, headers: &str) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let url = served.emulator.graph_url();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = &served.token;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n");
    let request = format!("{head}connection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    (bytes, ended.err().map(|error| error.kind()))
}

/// The head as text and the body.
fn parts(answer: &[u8]) -> (String, &[u8]) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends");
    (String::from_utf8_lossy(&answer[..end]).to_lowercase(), &answer[end + 4..])
}

/// What a head says of its body's length.
fn content_length(head: &str) -> usize {
    head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_reset_says_nothing_at_all() {
    let reset = Rule::always(ScriptedAnswer::Reset, 1);
    let (served, path) = serve(vec![reset], unlimited()).await;
    let (bytes, error) = raw(&served, &path, "").await;
    assert_eq!((bytes.len(), error), (0, Some(std::io::ErrorKind::ConnectionReset)));
    let (bytes, error) = raw(&served, &path, "").await;
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n") && error.is_none());
    let report = served.emulator.report();
    assert_eq!(report.answered(RequestKind::Interactions, NO_ANSWER), 1);
    assert_eq!((report.pages, report.interactions_requests), (1, 2));
    assert!(report.sent_bytes > bytes.len() as u64);
    served.emulator.shutdown().await;
}

#[tokio::test]
async fn a_kept_connection_is_reset_between_two_answers() {
    let (served, path) = serve(vec![Rule::always(ScriptedAnswer::Reset, 1).at_request(1)], unlimited()).await;
    assert_eq!(served.get(&path).await.status().as_u16(), 200);
    let request = served.client.get(format!("{}{path}", served.emulator.graph_url()));
    assert!(request.bearer_auth(&served.token).send().await.is_err());
    assert_eq!(served.get(&path).await.status().as_u16(), 200);
}

#[tokio::test]
async fn a_cut_body_is_shorter_than_it_said() {
    let (served, path) = serve(vec![Rule::always(ScriptedAnswer::CutOff, 1)], unlimited()).await;
    let (answer, _) = raw(&served, &path, "").await;
    let (head, body) = parts(&answer);
    assert_eq!(body.len(), content_length(&head) / 2);
}

#[tokio::test]
async fn refusals_are_cut_and_stalled_as_pages_are() {
    for scripted in [ScriptedAnswer::CutOff, ScriptedAnswer::Stall(Duration::from_millis(1))] {
        let is_cut = scripted == ScriptedAnswer::CutOff;
        // One request passes, and those of the next minute are throttled.
        let options = ServerOptions {
            script: vec![Rule::always(scripted, u32::MAX)],
            requests_per_second: Some(1),
            requests_per_minute: Some(1),
            ..ServerOptions::default()
        };
        for (access, status) in [(Access::Forbidden, 403), (Access::Unknown, 404), (Access::Open, 200)] {
            let served = Served::start(small(), options.clone()).await;
            let path = interactions(&user_of(served.emulator.tenant(), access), "");
            for status in [status, 429] {
                let (answer, _) = raw(&served, &path, "").await;
                let (head, body) = parts(&answer);
                assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
                let said = content_length(&head);
                assert_eq!(body.len(), if is_cut { said / 2 } else { said }, "{status}");
            }
        }
    }
}

#[tokio::test]
async fn a_stalled_body_stops_in_its_middle_and_is_whole_in_the_end() {
    let pause = Duration::from_millis(300);
    let script = vec![
        Rule::always(ScriptedAnswer::Stall(pause), 1),
        Rule::always(ScriptedAnswer::Delay(pause), 1).at_request(1),
    ];
    let (served, path) = serve(script, unlimited()).await;
    let begun = now();
    let mut stalled = served.get(&path).await;
    let mut sizes = Vec::new();
    while let Some(part) = stalled.chunk().await.unwrap() {
        sizes.push((part.len(), begun.elapsed() >= pause));
    }
    let of = |late| sizes.iter().filter(|(_, is_late)| *is_late == late).map(|(size, _)| size).sum::<usize>();
    assert!(of(true) >= of(false) && of(true) <= of(false) + 1, "{sizes:?}");
    let begun = now();
    let delayed = served.get(&path).await;
    assert!(begun.elapsed() >= pause);
    assert_eq!(delayed.bytes().await.unwrap().len(), of(true) + of(false));
}

#[tokio::test]
async fn refusals_say_for_how_long_or_do_not() {
    let wait = |wait| Rule::always(ScriptedAnswer::NotNow { status: 429, wait }, 1);
    let date = RetryAfter::Date(Duration::from_secs(5));
    let script = vec![wait(RetryAfter::Seconds(7)), wait(date), wait(RetryAfter::Missing)];
    let (served, path) = serve(script, unlimited()).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = served.get(&path).await;
        assert_eq!(answer.status().as_u16(), 429);
        seen.push(answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned()));
    }
    assert_eq!((seen[0].as_deref(), &seen[2]), (Some("7"), &None));
    assert!(seen[1].as_ref().unwrap().ends_with(" GMT"), "{seen:?}");
    assert_eq!(served.emulator.report().throttled, 3);
}

#[tokio::test]
async fn scripted_dates_are_told_by_the_clock_that_dates_the_answer() {
    let wait = RetryAfter::Date(Duration::from_secs(5));
    let script = vec![Rule::always(ScriptedAnswer::NotNow { status: 503, wait }, u32::MAX)];
    let (served, path) = serve(script, unlimited()).await;
    for (unix_ms, date, until) in [
        (1_763_978_400_000, "Mon, 24 Nov 2025 10:00:00 GMT", "Mon, 24 Nov 2025 10:00:05 GMT"),
        // A wait that ends within a second is told as that second's end.
        (1_763_978_400_500, "Mon, 24 Nov 2025 10:00:00 GMT", "Mon, 24 Nov 2025 10:00:06 GMT"),
    ] {
        served.emulator.show_as_of(unix_ms);
        let headers = served.get(&path).await.headers().clone();
        assert_eq!([&headers["date"], &headers["retry-after"]], [date, until]);
    }
}

#[tokio::test]
async fn answers_are_compressed_for_who_accepts_it() {
    let (served, path) = serve(Vec::new(), ServerOptions { gzip: true, ..unlimited() }).await;
    let (plain, _) = raw(&served, &path, "").await;
    let (head, body) = parts(&plain);
    assert!(!head.contains("content-encoding"));
    let (compressed, _) = raw(&served, &path, "accept-encoding: br, gzip\r\n").await;
    let (head, small_body) = parts(&compressed);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(small_body.len() * 2 < body.len());
    let mut inflated = Vec::new();
    GzDecoder::new(small_body).read_to_end(&mut inflated).unwrap();
    assert_eq!(inflated, body);
    let bomb = Rule::always(ScriptedAnswer::GzipBomb { inflated_bytes: 5_000_000 }, 1);
    served.emulator.replace_script(vec![bomb]);
    let (bomb, _) = raw(&served, &path, "accept-encoding: gzip\r\n").await;
    let mut inflated = Vec::new();
    GzDecoder::new(parts(&bomb).1).read_to_end(&mut inflated).unwrap();
    assert!(inflated.len() == 5_000_000 && bomb.len() < 50_000);
}

#[tokio::test]
async fn without_the_option_nothing_is_compressed() {
    let (served, path) = serve(Vec::new(), unlimited()).await;
    let (answer, _) = raw(&served, &path, "accept-encoding: gzip\r\n").await;
    assert!(!parts(&answer).0.contains("content-encoding"));
}

/// The statuses of a user's first requests; a connection without an answer, or a body that is cut, is 0.
async fn statuses(seed: u64, requests: usize) -> (Vec<u16>, graph_emulator::RequestReport) {
    let faults = Faults { stall: Duration::from_millis(1), ..Faults::evenly(seed, 0.5, &FaultKind::ALL) };
    let (served, path) = serve(Vec::new(), ServerOptions { faults, ..unlimited() }).await;
    let mut statuses = Vec::new();
    for _ in 0..requests {
        let request = served.client.get(format!("{}{path}", served.emulator.graph_url()));
        let answered = request.bearer_auth(&served.token).send().await;
        statuses.push(match answered {
            Ok(answer) => {
                let status = answer.status().as_u16();
                if answer.bytes().await.is_ok() { status } else { 0 }
            }
            Err(_) => 0,
        });
    }
    (statuses, served.emulator.report())
}

#[tokio::test]
async fn faults_by_seed_hit_the_same_requests_in_every_run() {
    let (first, report) = statuses(3, 200).await;
    let (second, again) = statuses(3, 200).await;
    assert_eq!((&first, &report.faults), (&second, &again.faults));
    assert_ne!(first, statuses(4, 200).await.0);
    assert_eq!(report.faults.len(), FaultKind::ALL.len());
    let hits: u64 = report.faults.values().sum();
    assert!((70..130).contains(&hits), "{hits}");
    let of = |kind| usize::try_from(report.faults[&kind]).unwrap();
    let count = |status| first.iter().filter(|seen| **seen == status).count();
    assert_eq!(count(0), of(FaultKind::Reset) + of(FaultKind::CutOff));
    let unavailable = of(FaultKind::UnavailableForSeconds) + of(FaultKind::UnavailableSilently);
    assert_eq!((count(503), count(509)), (unavailable, of(FaultKind::BandwidthExceeded)));
    assert_eq!(report.answered(RequestKind::Interactions, NO_ANSWER), report.faults[&FaultKind::Reset]);
}

#[tokio::test]
async fn shares_that_are_none_are_refused() {
    let faults = Faults::evenly(1, 1.5, &FaultKind::ALL);
    let options = ServerOptions { faults, ..unlimited() };
    let refused = graph_emulator::Emulator::start(small(), options).await.unwrap_err();
    assert!(refused.to_string().starts_with("make faults: their shares must lie in 0..=1"), "{refused}");
    assert!(Tenant::new(small().with_unreadable_share(-0.1)).is_err());
}
