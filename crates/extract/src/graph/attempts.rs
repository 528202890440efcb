//! What follows from an attempt that gave no page: another one, and when, or none.

use std::time::Duration;

use promptlake_flow::JobPanicked;

use super::backoff::{ATTEMPTS_MAX, Chance, THROTTLE_WAIT_MAX, THROTTLED_MAX, ceiling};
use super::body::describe;
use super::envelope::NotAPage;
use super::origin::NotAuthorized;
use super::transport::TransportError;
use super::verdict::Verdict;
use crate::ExtractError;

/// Why one attempt gave no page.
#[derive(Debug)]
pub(crate) enum AttemptFault {
    /// No answer, or a part of one.
    NoAnswer(TransportError),
    /// A body beyond the limit: another attempt gives the same.
    TooLarge { bytes_max: usize },
    /// A body that is no page. Seen behind proxies; it passes.
    NotAPage(NotAPage),
    /// A status other than 200.
    Refused { refusal: Refusal, wait: Option<Duration> },
    /// The token must not go there.
    NotAuthorized(NotAuthorized),
    /// A defect of ours.
    Panicked(JobPanicked),
}

/// A status other than 200, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) verdict: Verdict,
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    /// Where a redirect points.
    pub(crate) host: Option<String>,
}

/// Why a request is given up.
#[derive(Debug)]
pub(crate) enum CallFault {
    /// Nothing of the tenant can be read.
    Tenant(Box<ExtractError>),
    /// The status settles it.
    Refused(Refusal),
    /// There is no usable answer.
    Failed { status: Option<u16>, code: Option<String>, reason: String },
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, with another token.
    RenewToken,
    /// Another attempt, after a wait of this request alone.
    Wait(Duration),
    /// Another attempt, after a wait of the whole tenant.
    ShutGate(Duration),
}

/// The attempts at one request.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failures: u32,
    throttled: u32,
    token_renewed: bool,
}

impl Attempts {
    /// Takes note of a fault and says what comes next, or gives up.
    pub(crate) fn after(&mut self, fault: AttemptFault, chance: &Chance) -> Result<Next, CallFault> {
        match fault {
            AttemptFault::Refused { refusal, wait } => self.after_refusal(refusal, wait, chance),
            AttemptFault::NoAnswer(error) => self.again(None, None, || describe(&error), chance),
            AttemptFault::NotAPage(not) => self.again(Some(200), None, || not.to_string(), chance),
            AttemptFault::TooLarge { bytes_max } => {
                Err(failed(Some(200), format!("a page has more than {bytes_max} bytes, which is the limit")))
            }
            AttemptFault::NotAuthorized(NotAuthorized::ForeignOrigin { host }) => Err(failed(
                None,
                format!("the next page is at {host}, which is not Graph: no token goes there"),
            )),
            AttemptFault::NotAuthorized(NotAuthorized::UnusableToken) => {
                let (login, last) = ("the login service".to_owned(), "it is no header value".to_owned());
                Err(CallFault::tenant(ExtractError::TokenUnavailable { login, attempts: 1, last }))
            }
            AttemptFault::Panicked(panic) => Err(failed(Some(200), describe(&panic))),
        }
    }

    fn after_refusal(
        &mut self,
        refusal: Refusal,
        wait: Option<Duration>,
        chance: &Chance,
    ) -> Result<Next, CallFault> {
        match (refusal.verdict, wait) {
            (Verdict::Throttled | Verdict::Transient, Some(wait))
                if wait > THROTTLE_WAIT_MAX && matches!(refusal.status, 429 | 503) =>
            {
                Err(CallFault::tenant(ExtractError::ThrottledTooLong { wait }))
            }
            (Verdict::Throttled, wait) => self.throttled(refusal, wait),
            (Verdict::Transient, Some(wait)) if refusal.status == 503 => {
                self.again(Some(503), refusal.code, || "the answer is 503".to_owned(), chance)?;
                Ok(Next::ShutGate(wait))
            }
            (Verdict::Transient, _) => {
                let status = refusal.status;
                self.again(Some(status), refusal.code, || format!("the answer is {status}"), chance)
            }
            (Verdict::TokenRejected, _) if !self.token_renewed => {
                self.token_renewed = true;
                Ok(Next::RenewToken)
            }
            (Verdict::TokenRejected, _) => {
                Err(CallFault::tenant(ExtractError::TokenRejected { code: refusal.code }))
            }
            (Verdict::PaymentRequired, _) => {
                Err(CallFault::tenant(ExtractError::PaymentRequired { code: refusal.code }))
            }
            (Verdict::Redirected, _) => Err(failed(Some(refusal.status), redirected(&refusal))),
            _ => Err(CallFault::Refused(refusal)),
        }
    }

    fn throttled(&mut self, refusal: Refusal, wait: Option<Duration>) -> Result<Next, CallFault> {
        self.throttled += 1;
        if self.throttled >= THROTTLED_MAX {
            let reason = format!("throttled {} times", self.throttled);
            return Err(CallFault::Failed { status: Some(refusal.status), code: refusal.code, reason });
        }
        Ok(Next::ShutGate(wait.unwrap_or_else(|| ceiling(self.throttled))))
    }

    fn again(
        &mut self,
        status: Option<u16>,
        code: Option<String>,
        reason: impl FnOnce() -> String,
        chance: &Chance,
    ) -> Result<Next, CallFault> {
        self.failures += 1;
        if self.failures >= ATTEMPTS_MAX {
            let reason = format!("{}, after {} attempts", reason(), self.failures);
            return Err(CallFault::Failed { status, code, reason });
        }
        Ok(Next::Wait(chance.backoff(self.failures)))
    }
}

impl CallFault {
    pub(crate) fn tenant(error: ExtractError) -> Self {
        Self::Tenant(Box::new(error))
    }
}

fn failed(status: Option<u16>, reason: String) -> CallFault {
    CallFault::Failed { status, code: None, reason }
}

fn redirected(refusal: &Refusal) -> String {
    let host = refusal.host.as_deref().unwrap_or("another place");
    format!("the answer is {}, a redirect to {host}, which is not followed", refusal.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, wait: Option<u64>) -> AttemptFault {
        let verdict = super::super::verdict::classify(status, "", "");
        let refusal = Refusal { verdict, status, code: None, host: None };
        AttemptFault::Refused { refusal, wait: wait.map(Duration::from_secs) }
    }

    fn first(fault: AttemptFault) -> Result<Next, CallFault> {
        Attempts::default().after(fault, &Chance::seeded(1))
    }

    #[test]
    fn throttling_shuts_the_gate_for_everybody() {
        for (status, wait, shut) in [
            (429, Some(17), Some(17.0)),
            (429, None, Some(0.5)),
            (503, Some(3), Some(3.0)),
            (503, None, None),
            (500, Some(3), None),
        ] {
            let next = first(refused(status, wait)).unwrap();
            let is = if let Next::ShutGate(wait) = next { Some(wait.as_secs_f64()) } else { None };
            assert_eq!(is, shut, "{status} {wait:?}");
        }
        let too_long = first(refused(429, Some(3601)));
        assert!(matches!(too_long, Err(CallFault::Tenant(_))), "{too_long:?}");
    }

    #[test]
    fn the_second_401_is_fatal() {
        let (mut attempts, chance) = (Attempts::default(), Chance::seeded(1));
        assert_eq!(attempts.after(refused(401, None), &chance).unwrap(), Next::RenewToken);
        assert!(matches!(attempts.after(refused(401, None), &chance), Err(CallFault::Tenant(_))));
    }

    #[test]
    fn attempts_are_bounded() {
        let chance = Chance::seeded(1);
        for (status, most) in [(500, ATTEMPTS_MAX), (429, THROTTLED_MAX)] {
            let mut attempts = Attempts::default();
            let made = (1..1000).find(|_| attempts.after(refused(status, None), &chance).is_err());
            assert_eq!(made, Some(most), "{status}");
        }
    }

    #[test]
    fn what_is_settled_is_not_repeated() {
        for status in [204, 302, 400, 402, 403, 404, 409, 410, 501] {
            assert!(first(refused(status, Some(1))).is_err(), "{status}");
        }
        assert!(first(AttemptFault::TooLarge { bytes_max: 1 }).is_err());
        let foreign = NotAuthorized::ForeignOrigin { host: "evil.test".into() };
        assert!(first(AttemptFault::NotAuthorized(foreign)).is_err());
    }
}
