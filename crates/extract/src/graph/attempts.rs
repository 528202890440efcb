//! What follows from an attempt that gave no page: another one, and when, or none.

use std::time::Duration;

use promptlake_flow::JobPanicked;

use super::backoff::{ATTEMPTS_MAX, Chance, THROTTLE_WAIT_MAX, THROTTLED_MAX};
use super::body::describe;
use super::envelope::NotAPage;
use super::gate::Landing;
use super::origin::NotAuthorized;
use super::outage::Blame;
use super::transport::TransportError;
use super::verdict::Verdict;
use crate::ExtractError;

/// What servers answer where they fail at a record, or take too long over so many. 503 is about the server alone.
const FAILING_AT_A_RECORD: [u16; 3] = [500, 502, 504];

/// Why one attempt gave no page.
#[derive(Debug)]
pub(crate) enum AttemptFault {
    /// No answer.
    NoAnswer(TransportError),
    /// The beginning of an answer.
    CutShort(TransportError),
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
    /// Scheme, host and port of where a redirect points.
    pub(crate) redirect_origin: Option<String>,
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
    /// There is no usable answer, and what was asked for may be the cause: fewer records at once may be answered.
    TooMuch { status: u16, code: Option<String>, reason: String },
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, with another token.
    RenewToken,
    /// Another attempt, after a wait of this request alone.
    Wait(Duration),
    /// Another attempt, as soon as the gate lets it.
    AtGate,
}

/// The attempts at one request.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// How many failures prove that it is what was asked for which fails.
    proof_failures: u32,
    failures: u32,
    throttled: u32,
    token_renewed: bool,
}

impl Default for Attempts {
    fn default() -> Self {
        Self::with_proof_of(ATTEMPTS_MAX)
    }
}

impl AttemptFault {
    /// What the gate learns from it.
    pub(crate) fn landing(&self) -> Landing {
        match self {
            Self::NoAnswer(error) => {
                Landing::Unreached { timed_out: matches!(error, TransportError::TimedOut), told: None }
            }
            Self::Refused { refusal: Refusal { verdict: Verdict::Throttled, .. }, wait } => {
                Landing::Throttled(*wait)
            }
            // Who stands in front of Graph says that there is nothing behind him.
            Self::Refused { refusal: Refusal { status: status @ 502..=504, .. }, wait } => {
                Landing::Unreached { timed_out: *status == 504, told: wait.filter(|_| *status == 503) }
            }
            Self::CutShort(TransportError::TimedOut) => Landing::TooSlow,
            _ => Landing::Answered,
        }
    }
}

impl Attempts {
    /// Attempts of which so many failures, and a last answer as of a server that fails at a record, are proof enough.
    pub(crate) fn with_proof_of(proof_failures: u32) -> Self {
        Self { proof_failures, failures: 0, throttled: 0, token_renewed: false }
    }

    /// Takes note of a fault and says what comes next, or gives up. What is the source's own does not count.
    pub(crate) fn after(
        &mut self,
        fault: AttemptFault,
        blame: Blame,
        chance: &Chance,
    ) -> Result<Next, CallFault> {
        match (blame, fault) {
            (Blame::Request, fault) => self.after_own(fault, chance),
            (Blame::SourceForGood { lost_for }, fault) => {
                let last = fault.in_words();
                Err(CallFault::tenant(ExtractError::SourceLost { lost_for, last }))
            }
            (Blame::Source, AttemptFault::Refused { wait: Some(wait), .. }) if wait > THROTTLE_WAIT_MAX => {
                Err(CallFault::tenant(ExtractError::ThrottledTooLong { wait }))
            }
            (Blame::Source, _) => Ok(Next::AtGate),
        }
    }

    fn after_own(&mut self, fault: AttemptFault, chance: &Chance) -> Result<Next, CallFault> {
        match fault {
            AttemptFault::Refused { refusal, wait } => self.after_refusal(refusal, wait, chance),
            AttemptFault::NoAnswer(error) => self.again(None, None, || describe(&error), chance),
            AttemptFault::CutShort(error) => self.again(Some(200), None, || describe(&error), chance),
            AttemptFault::NotAPage(not) => self.again(Some(200), None, || not.to_string(), chance),
            AttemptFault::TooLarge { bytes_max } => {
                let reason = format!(
                    "a page has more than {bytes_max} bytes, which is what run.memory_limit has room for"
                );
                Err(CallFault::TooMuch { status: 200, code: None, reason })
            }
            AttemptFault::NotAuthorized(NotAuthorized::ForeignOrigin { origin }) => Err(failed(
                None,
                format!("the next page is at {origin}, which is not Graph: no token goes there"),
            )),
            AttemptFault::NotAuthorized(NotAuthorized::ForeignUser) => {
                Err(failed(None, "the link to the next page names a user: no token goes with it".to_owned()))
            }
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
            (Verdict::Throttled, _) => self.throttled(refusal),
            (Verdict::Transient, Some(_)) if refusal.status == 503 => {
                self.again(Some(503), refusal.code, || "the answer is 503".to_owned(), chance)?;
                Ok(Next::AtGate)
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

    fn throttled(&mut self, refusal: Refusal) -> Result<Next, CallFault> {
        self.throttled += 1;
        if self.throttled >= THROTTLED_MAX {
            let reason = format!("throttled {} times", self.throttled);
            return Err(CallFault::Failed { status: Some(refusal.status), code: refusal.code, reason });
        }
        Ok(Next::AtGate)
    }

    fn again(
        &mut self,
        status: Option<u16>,
        code: Option<String>,
        reason: impl FnOnce() -> String,
        chance: &Chance,
    ) -> Result<Next, CallFault> {
        self.failures += 1;
        let may_be_too_much = status.filter(|status| FAILING_AT_A_RECORD.contains(status));
        let attempts_max = if may_be_too_much.is_some() { self.proof_failures } else { ATTEMPTS_MAX };
        if self.failures >= attempts_max {
            let reason = format!("{}, after {} attempts", reason(), self.failures);
            return Err(match may_be_too_much {
                Some(status) => CallFault::TooMuch { status, code, reason },
                None => CallFault::Failed { status, code, reason },
            });
        }
        Ok(Next::Wait(chance.backoff(self.failures)))
    }
}

impl AttemptFault {
    /// In a few words, for the reason of a run that ends by it.
    fn in_words(&self) -> String {
        match self {
            Self::NoAnswer(error) | Self::CutShort(error) => describe(error),
            Self::Refused { refusal, .. } => format!("the answer is {}", refusal.status),
            Self::NotAPage(not) => not.to_string(),
            Self::TooLarge { .. } | Self::NotAuthorized(_) | Self::Panicked(_) => "an answer".to_owned(),
        }
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
    let place = refusal.redirect_origin.as_deref().unwrap_or("another place");
    format!("the answer is {}, a redirect to {place}, which is not followed", refusal.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, wait: Option<u64>) -> AttemptFault {
        let verdict = super::super::verdict::classify(status, "", "");
        let refusal = Refusal { verdict, status, code: None, redirect_origin: None };
        AttemptFault::Refused { refusal, wait: wait.map(Duration::from_secs) }
    }

    fn first(fault: AttemptFault) -> Result<Next, CallFault> {
        Attempts::default().after(fault, Blame::Request, &Chance::seeded(1))
    }

    #[test]
    fn what_the_gate_learns() {
        let unreached = |timed_out, told: Option<u64>| Landing::Unreached {
            timed_out,
            told: told.map(Duration::from_secs),
        };
        let lost = |error| AttemptFault::NoAnswer(error);
        for (fault, landing) in [
            (refused(429, Some(17)), Landing::Throttled(Some(Duration::from_secs(17)))),
            (refused(429, None), Landing::Throttled(None)),
            (refused(503, Some(3)), unreached(false, Some(3))),
            (refused(503, None), unreached(false, None)),
            (refused(502, Some(3)), unreached(false, None)),
            (refused(504, None), unreached(true, None)),
            (refused(500, Some(3)), Landing::Answered),
            (refused(509, None), Landing::Answered),
            (refused(401, None), Landing::Answered),
            (refused(404, None), Landing::Answered),
            (lost(TransportError::TimedOut), unreached(true, None)),
            (lost(TransportError::Connect("refused".into())), unreached(false, None)),
            (AttemptFault::CutShort(TransportError::Body("reset".into())), Landing::Answered),
            (AttemptFault::CutShort(TransportError::TimedOut), Landing::TooSlow),
            (AttemptFault::TooLarge { bytes_max: 1 }, Landing::Answered),
        ] {
            assert_eq!(fault.landing(), landing, "{fault:?}");
        }
    }

    #[test]
    fn who_is_told_to_wait_comes_back_with_everybody() {
        for (status, wait, at_gate) in [
            (429, Some(17), true),
            (429, None, true),
            (503, Some(3), true),
            (503, None, false),
            (500, Some(3), false),
        ] {
            let next = first(refused(status, wait)).unwrap();
            assert_eq!(next == Next::AtGate, at_gate, "{status} {wait:?}");
        }
        let too_long = first(refused(429, Some(3601)));
        assert!(matches!(too_long, Err(CallFault::Tenant(_))), "{too_long:?}");
    }

    #[test]
    fn what_is_the_sources_own_never_counts_until_it_is_for_good() {
        let (mut attempts, chance) = (Attempts::default(), Chance::seeded(1));
        let lost = || AttemptFault::NoAnswer(TransportError::Connect("refused".into()));
        for _ in 0..1_000 {
            assert_eq!(attempts.after(lost(), Blame::Source, &chance).unwrap(), Next::AtGate);
        }
        assert!(attempts.after(lost(), Blame::Request, &chance).is_ok());
        let too_long = attempts.after(refused(503, Some(3_601)), Blame::Source, &chance);
        assert!(matches!(too_long, Err(CallFault::Tenant(_))), "{too_long:?}");
        let lost_for = Duration::from_mins(10);
        let over = attempts.after(lost(), Blame::SourceForGood { lost_for }, &chance).unwrap_err();
        let CallFault::Tenant(error) = over else { panic!("{over:?}") };
        assert_eq!(error.to_string(), "reach Graph for 600 s; at last: connect: refused");
    }

    #[test]
    fn the_second_401_is_fatal() {
        let (mut attempts, chance) = (Attempts::default(), Chance::seeded(1));
        let mut again = || attempts.after(refused(401, None), Blame::Request, &chance);
        assert_eq!(again().unwrap(), Next::RenewToken);
        assert!(matches!(again(), Err(CallFault::Tenant(_))));
    }

    #[test]
    fn attempts_are_bounded() {
        let chance = Chance::seeded(1);
        for (status, most) in [(500, ATTEMPTS_MAX), (429, THROTTLED_MAX)] {
            let mut attempts = Attempts::default();
            let made =
                (1..1000).find(|_| attempts.after(refused(status, None), Blame::Request, &chance).is_err());
            assert_eq!(made, Some(most), "{status}");
        }
    }

    #[test]
    fn what_may_be_too_much_is_told_from_what_fails_anyhow() {
        let chance = Chance::seeded(1);
        for (status, proof, made, is_too_much) in [
            (500, 3, 3, true),
            (502, 3, 3, true),
            (504, ATTEMPTS_MAX, ATTEMPTS_MAX, true),
            (503, 3, ATTEMPTS_MAX, false),
            (509, 3, ATTEMPTS_MAX, false),
        ] {
            let mut attempts = Attempts::with_proof_of(proof);
            let mut after = |made| (made, attempts.after(refused(status, None), Blame::Request, &chance));
            let mut faults = (1..).map(&mut after);
            let (attempt, fault) = faults.find_map(|(made, next)| Some((made, next.err()?))).unwrap();
            let too_much = matches!(fault, CallFault::TooMuch { .. });
            assert_eq!((attempt, too_much), (made, is_too_much), "{status}");
        }
        assert!(matches!(first(AttemptFault::TooLarge { bytes_max: 1 }), Err(CallFault::TooMuch { .. })));
    }

    #[test]
    fn what_is_settled_is_not_repeated() {
        for status in [204, 302, 400, 402, 403, 404, 409, 410, 501] {
            assert!(first(refused(status, Some(1))).is_err(), "{status}");
        }
        assert!(first(AttemptFault::TooLarge { bytes_max: 1 }).is_err());
        let foreign = NotAuthorized::ForeignOrigin { origin: "https://evil.test".into() };
        assert!(first(AttemptFault::NotAuthorized(foreign)).is_err());
    }
}
