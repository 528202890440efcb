//! How a request of the interactions call is answered: rightly, or as the script or a fault by seed wants it.

use std::sync::Arc;

use super::answer::{Answer, Delivery, GraphError};
use super::interactions::{Cursor, PageRequest, TOP_DEFAULT, TOP_MAX, at_rest};
use super::list_change::ListRequest;
use super::list_order::ListOrder;
use super::script::{Asked, RetryAfter, ScriptedAnswer};
use super::state::{Call, ServerState, lock, on_worker};
use super::target::{Here, Target};
use crate::instant;

impl ServerState {
    /// Answers a request of the interactions call with a good token.
    pub(super) async fn interactions(
        self: &Arc<Self>,
        call: &Arc<Call>,
        user_id: &str,
    ) -> Result<Answer, GraphError> {
        let wrong = self.wrong_answer(call, user_id);
        let limited = self.take_request();
        match wrong {
            Some(ScriptedAnswer::Status { status, headers, body }) => scripted_status(status, headers, body),
            Some(ScriptedAnswer::NotNow { status, wait }) => Err(not_now(status, wait, self.unix_ms())),
            Some(ScriptedAnswer::NotJson) => Ok(proxy_page()),
            Some(ScriptedAnswer::Reset) => {
                Ok(Answer { delivery: Delivery::Reset, ..Answer::new(200, Vec::new()) })
            }
            Some(ScriptedAnswer::Redirect { status, to }) => {
                Ok(Answer::new(status, Vec::new()).with_header("location", &self.url(&to, call)))
            }
            Some(ScriptedAnswer::GzipBomb { inflated_bytes }) => {
                on_worker(move || Ok(Answer::gzip_bomb(inflated_bytes))).await
            }
            Some(ScriptedAnswer::Delay(delay)) => {
                limited?;
                self.sleep(delay).await;
                self.page(call, user_id, None).await
            }
            Some(ScriptedAnswer::Stall(pause)) => {
                Ok(self.delivered(Delivery::Stalled(pause), limited, call, user_id).await)
            }
            Some(ScriptedAnswer::CutOff) => {
                Ok(self.delivered(Delivery::CutOff, limited, call, user_id).await)
            }
            Some(ScriptedAnswer::NextLink(to)) => {
                limited?;
                self.page(call, user_id, Some(self.url(&to, call))).await
            }
            None => {
                limited?;
                self.page(call, user_id, None).await
            }
        }
    }

    /// What the script wants of a request, or else a fault by seed.
    fn wrong_answer(&self, call: &Call, user_id: &str) -> Option<ScriptedAnswer> {
        // A token that can't be read points nowhere: no rule for a page is for it.
        let page = Cursor::of(&call.query).map_or(u64::MAX, |cursor| cursor.page);
        let top = call.query.top(TOP_DEFAULT, TOP_MAX).unwrap_or(u32::MAX);
        let (number, scripted) = lock(&self.script).take(&Asked { user: user_id, page, top });
        if scripted.is_some() {
            return scripted;
        }
        let fault = self.options.faults.at(user_id, number)?;
        lock(&self.report).add_fault(fault);
        Some(self.options.faults.answer(fault))
    }

    fn url(&self, target: &Target, call: &Call) -> String {
        let second_port = self.place.second_host.port();
        target.url(&Here { link: &call.link, query: &call.query, raw_query: &call.raw_query, second_port })
    }

    /// The right answer, a page or a refusal, which does not arrive as it should: what breaks a connection does not look
    /// at the status.
    async fn delivered(
        self: &Arc<Self>,
        delivery: Delivery,
        limited: Result<(), GraphError>,
        call: &Arc<Call>,
        user_id: &str,
    ) -> Answer {
        let answer = match limited {
            Ok(()) => self.page(call, user_id, None).await,
            Err(throttled) => Err(throttled),
        };
        Answer { delivery, ..answer.unwrap_or_else(|error| self.refusal(&error, &call.ids)) }
    }

    /// The right page, but for a nextLink that is given.
    async fn page(
        self: &Arc<Self>,
        call: &Arc<Call>,
        user_id: &str,
        next: Option<String>,
    ) -> Result<Answer, GraphError> {
        let tenant = self.shown();
        let mut request = PageRequest::read(&tenant, user_id, &call.query, &self.options)?;
        let is_arranged =
            self.options.order != ListOrder::NewestFirst || lock(&self.list_changes).are_for(user_id);
        if !is_arranged && request.is_light(&tenant) {
            return request.answer(&tenant, call, next);
        }
        let (state, call, user_id) = (Arc::clone(self), Arc::clone(call), user_id.to_owned());
        on_worker(move || {
            if is_arranged {
                request.arrange(&tenant, |at_rest| state.arranged(&call, &user_id, at_rest));
            }
            request.answer(&tenant, &call, next)
        })
        .await
    }

    /// A list that can change or has an order of its own, as it is for a request.
    fn arranged(&self, call: &Call, user: &str, list: at_rest::List) -> Vec<u64> {
        let request = ListRequest {
            user,
            user_index: list.user_index,
            filter: call.query.get("$filter").unwrap_or_default(),
            top: list.top,
            page: list.page,
            skip: list.skip,
        };
        let arranged = lock(&self.list_changes).arrange(&request, list.positions);
        if let Some(toll) = arranged.happened {
            lock(&self.report).add_list_change(toll);
        }
        arranged.positions
    }
}

/// An answer of the script; an error without a body gets the body that Graph would give it.
fn scripted_status(status: u16, headers: Vec<(String, String)>, body: String) -> Result<Answer, GraphError> {
    if status >= 400 && body.is_empty() {
        return Err(
            GraphError::new(status, code_of(status), "The script asks for this.").with_headers(headers)
        );
    }
    Ok(Answer::new(status, body.into_bytes()).with_headers(&headers))
}

/// A refusal for a while, from an instant of the server's clock on: a date is read against the answer's own `Date`.
fn not_now(status: u16, wait: RetryAfter, unix_ms: i64) -> GraphError {
    let value = match wait {
        RetryAfter::Seconds(seconds) => Some(seconds.to_string()),
        RetryAfter::Date(wait) => {
            let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            // A date has whole seconds: the next one is never too early.
            let until_ms = unix_ms.saturating_add(wait_ms).saturating_add(999);
            Some(instant::http_date(until_ms))
        }
        RetryAfter::Missing => None,
    };
    let headers = value.map(|value| ("Retry-After".to_owned(), value)).into_iter().collect();
    GraphError::new(status, code_of(status), "Try again later.").with_headers(headers)
}

/// What a proxy that wants a login answers in Graph's place.
fn proxy_page() -> Answer {
    let html = "<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>";
    Answer::new(200, html.as_bytes().to_vec()).with_header("content-type", "text/html; charset=utf-8")
}

fn code_of(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "InvalidAuthenticationToken",
        402 => "PaymentRequired",
        403 => "Forbidden",
        404 => "NotFound",
        410 => "ResyncRequired",
        429 => "TooManyRequests",
        500 => "InternalServerError",
        502 => "BadGateway",
        503 => "ServiceUnavailable",
        504 => "GatewayTimeout",
        509 => "BandwidthLimitExceeded",
        _ => "UnknownError",
    }
}
