//! Receiving an answer: bounded in bytes and in time.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use promptlake_flow::{BytePermit, Clock};
use tokio::time::timeout;

use super::transport::{Request, Response, Transport, TransportError};
use crate::PAGE_MEMORY_FACTOR;

/// Graph begins most answers within seconds; behind a busy mailbox it may take a minute or more.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(2);

/// A line that lives does not stay silent for so long within a body.
const SILENCE_TIME_MAX: Duration = Duration::from_mins(2);

/// The same within a long body, for whose sake the others that are long wait, whichever tenant's they are.
const SILENCE_TIME_MAX_OF_LONG: Duration = Duration::from_secs(10);

/// What waiting for the rest of a body may come to. A line that drips must not hold its memory for hours; the time
/// in which memory itself is waited for does not count.
const BODY_TIME_MAX: Duration = Duration::from_mins(10);

/// A reason stands in one cell of a table and in one line of a log.
const REASON_CHARS_MAX: usize = 200;

/// Why there is no whole body.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// It was cut short or came too slowly.
    Cut(TransportError),
    /// It is longer than it may be.
    TooLarge,
}

/// Waits for the head of an answer, for so long and no longer.
pub(crate) async fn answer(transport: &dyn Transport, request: Request) -> Result<Response, TransportError> {
    timeout(ANSWER_TIME_MAX, transport.send(request)).await.unwrap_or(Err(TransportError::TimedOut))
}

/// Receives a body of up to `bytes_max`. With a permit, it spans [`PAGE_MEMORY_FACTOR`] times the bytes before they
/// are kept.
pub(crate) async fn receive(
    response: Response,
    bytes_max: usize,
    clock: &Clock,
    mut permit: Option<&mut BytePermit>,
) -> Result<Bytes, BodyFault> {
    let mut stream = response.body;
    let mut body = BytesMut::new();
    let mut time_left = BODY_TIME_MAX;
    loop {
        let asked_at = clock.elapsed();
        let others_wait = permit.as_ref().is_some_and(|permit| permit.is_growing());
        let silence_max = if others_wait { SILENCE_TIME_MAX_OF_LONG } else { SILENCE_TIME_MAX };
        let next = timeout(time_left.min(silence_max), stream.next()).await;
        let chunk = match next {
            Err(_) => return Err(BodyFault::Cut(TransportError::TimedOut)),
            Ok(Some(chunk)) => chunk.map_err(BodyFault::Cut)?,
            Ok(None) => return Ok(body.freeze()),
        };
        time_left = time_left.saturating_sub(clock.elapsed().saturating_sub(asked_at));
        let length = body.len().saturating_add(chunk.len());
        if length > bytes_max {
            return Err(BodyFault::TooLarge);
        }
        if let Some(permit) = permit.as_deref_mut() {
            permit.grow_to(length.saturating_mul(PAGE_MEMORY_FACTOR)).await;
        }
        body.extend_from_slice(&chunk);
    }
}

/// An error and what caused it, on one short line.
pub(crate) fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    one_line(&text)
}

/// A text of somebody else's, on one short line.
pub(crate) fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use promptlake_flow::ByteBudget;

    use super::*;

    /// A body of so many bytes, each after a wait.
    fn dripping(bytes: usize, wait: Duration) -> Response {
        let body = futures::stream::iter(0..bytes).then(move |_| async move {
            tokio::time::sleep(wait).await;
            Ok(Bytes::from_static(b"x"))
        });
        Response { status: StatusCode::OK, headers: HeaderMap::new(), body: body.boxed() }
    }

    async fn received(
        response: Response,
        permit: Option<&mut BytePermit>,
    ) -> (Result<usize, BodyFault>, u64) {
        let clock = Clock::starting_at(0);
        let received = receive(response, 1_000, &clock, permit).await;
        (received.map(|body| body.len()), clock.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_an_end_in_time() {
        for (bytes, wait_s, length, seconds) in [
            (500, 1, Some(500), 500),
            // A byte a second would go on for ever.
            (1_000_000, 1, None, 600),
            (2, 119, Some(2), 238),
            (2, 121, None, 120),
            (9, 100, None, 600),
        ] {
            let (received, took) = received(dripping(bytes, Duration::from_secs(wait_s)), None).await;
            match (received, length) {
                (Ok(received), Some(length)) => assert_eq!(received, length),
                (Err(BodyFault::Cut(TransportError::TimedOut)), None) => {}
                (other, _) => panic!("{bytes} bytes, each after {wait_s} s: {other:?}"),
            }
            assert_eq!(took, seconds, "{bytes} bytes, each after {wait_s} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_that_falls_silent_keeps_nobody_waiting_for_long() {
        let memory = ByteBudget::new(1 << 20);
        let mut permit = memory.acquire(0).await;
        let (received, took) = received(dripping(2, Duration::from_mins(1)), Some(&mut permit)).await;
        // Its first byte made it long.
        assert!(matches!(received, Err(BodyFault::Cut(TransportError::TimedOut))), "{received:?}");
        assert_eq!(took, 70);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_memory_is_not_the_line_s_fault() {
        let memory = ByteBudget::new(PAGE_MEMORY_FACTOR);
        let others = memory.acquire(PAGE_MEMORY_FACTOR).await;
        let mut own = memory.acquire(0).await;
        let busy = async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            drop(others);
        };
        let ((received, took), ()) =
            tokio::join!(received(dripping(1, Duration::from_secs(1)), Some(&mut own)), busy);
        assert_eq!((received.ok(), took), (Some(1), 3_600));
    }
}
