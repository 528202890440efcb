//! The script: faults that a test asks for, on chosen requests of the interactions call.
//!
//! Rules are tried in order; the first that matches and isn't used up decides. A scripted status or page comes
//! after the token is looked at, and before the limit, the user and the filter. Every scripted request counts
//! against the limit; where a rule changes only how the right answer arrives, that answer can be a 429.

use std::collections::BTreeMap;
use std::time::Duration;

use super::target::Target;

/// A fault on some requests of the interactions call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Only requests for this user (object id or sign-in name as in the request's path, in any case); none
    /// means any user.
    pub user_id: Option<String>,
    /// Which of a user's requests, by their number.
    pub request: RequestNumber,
    /// Which pages of a user's lists, by their place.
    pub page: PagePlace,
    /// Only requests for pages of more records than this (`$top`, or 10 without it); none means any.
    pub above_top: Option<u32>,
    /// How often the rule is used before it is spent; [`u32::MAX`] is for ever.
    pub times: u32,
    /// What happens.
    pub answer: ScriptedAnswer,
}

/// Which of a user's requests of the interactions call a rule is for. Every request with a good token counts,
/// also a throttled or scripted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestNumber {
    /// Each of them.
    Any,
    /// One of them, counted from 0 for each user.
    Exactly(u64),
    /// The one of this number and all after it.
    From(u64),
}

/// Which pages of a list a rule is for. The first page of a list has the place 0 and is asked for without a token; a list
/// that is begun again begins at 0 again, and what makes the page fail once lets it pass the second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePlace {
    /// Each of them.
    Any,
    /// The page at this place.
    Exactly(u64),
    /// The page at this place and all after it.
    From(u64),
}

/// What a rule makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptedAnswer {
    /// This status, with these headers and this body, which counts as JSON unless a header says otherwise. An
    /// empty body of an error status becomes a Graph error body.
    Status {
        /// HTTP status.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body as it is.
        body: String,
    },
    /// Status 200 with a page of HTML, as a proxy on the way sends it.
    NotJson,
    /// The right answer, a page or a refusal, with the connection closed in the middle of the body.
    CutOff,
    /// The right answer after this time.
    Delay(Duration),
    /// The right answer, a page or a refusal, at once, but for a body that stops in its middle for this time.
    Stall(Duration),
    /// The connection is reset before a byte of the answer.
    Reset,
    /// A refusal for a while, such as 429 or 503, with a Graph error body.
    NotNow {
        /// HTTP status.
        status: u16,
        /// How it says for how long.
        wait: RetryAfter,
    },
    /// The right page, but for its nextLink, which leads here, also from the last page.
    NextLink(Target),
    /// A redirect to another place, 302, 307 or the like.
    Redirect {
        /// HTTP status.
        status: u16,
        /// What `Location` says.
        to: Target,
    },
    /// Status 200 with a compressed page, whatever the request accepts, that is this long inflated: valid JSON without a
    /// record, and blanks. At most [`GZIP_BOMB_BYTES_MAX`].
    GzipBomb {
        /// Bytes of the body after decompression.
        inflated_bytes: u64,
    },
}

/// How a refusal says for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// In seconds.
    Seconds(u64),
    /// As an HTTP date, the first whole second after this time.
    Date(Duration),
    /// Not at all.
    Missing,
}

/// The longest that the body of a gzip bomb becomes: it is made in some seconds.
pub const GZIP_BOMB_BYTES_MAX: u64 = 4 << 30;

impl Rule {
    /// Answers every request of every user with a status and a Graph error body, so many times.
    #[must_use]
    pub fn status(status: u16, times: u32) -> Self {
        let answer = ScriptedAnswer::Status { status, headers: Vec::new(), body: String::new() };
        Self::always(answer, times)
    }

    /// Does this to every request of every user, so many times.
    #[must_use]
    pub fn always(answer: ScriptedAnswer, times: u32) -> Self {
        let (request, page) = (RequestNumber::Any, PagePlace::Any);
        Self { user_id: None, request, page, above_top: None, times, answer }
    }

    /// Only for requests of this user.
    #[must_use]
    pub fn for_user(self, user_id: impl Into<String>) -> Self {
        Self { user_id: Some(user_id.into()), ..self }
    }

    /// Only for a user's request of this number, counted from 0.
    #[must_use]
    pub fn at_request(self, number: u64) -> Self {
        Self { request: RequestNumber::Exactly(number), ..self }
    }

    /// Only for a user's request of this number, counted from 0, and those after it.
    #[must_use]
    pub fn from_request(self, number: u64) -> Self {
        Self { request: RequestNumber::From(number), ..self }
    }

    /// Only for requests for more records a page than this: a user whose pages of 100 never come, but pages of 25 do, is
    /// `Rule::status(500, u32::MAX).above_top(25)`.
    #[must_use]
    pub fn above_top(self, top: u32) -> Self {
        Self { above_top: Some(top), ..self }
    }

    /// Only for the page at this place of a list, counted from 0: a token that dies is `Rule::status(410, 1).at_page(9)`.
    #[must_use]
    pub fn at_page(self, place: u64) -> Self {
        Self { page: PagePlace::Exactly(place), ..self }
    }

    /// Only for the page at this place of a list, counted from 0, and those after it.
    #[must_use]
    pub fn from_page(self, place: u64) -> Self {
        Self { page: PagePlace::From(place), ..self }
    }

    fn matches(&self, asked: &Asked<'_>, number: u64) -> bool {
        let by_user = self.user_id.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(asked.user));
        let by_top = self.above_top.is_none_or(|top| asked.top > top);
        let by_number = match self.request {
            RequestNumber::Any => true,
            RequestNumber::Exactly(wanted) => wanted == number,
            RequestNumber::From(first) => first <= number,
        };
        let by_page = match self.page {
            PagePlace::Any => true,
            PagePlace::Exactly(wanted) => wanted == asked.page,
            PagePlace::From(first) => first <= asked.page,
        };
        by_user && by_top && by_number && by_page && self.times > 0
    }
}

/// What a request of the interactions call asks for, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The user as in the request's path.
    pub(super) user: &'a str,
    /// The place of the page in its list.
    pub(super) page: u64,
    /// The most records that the page may have.
    pub(super) top: u32,
}

/// The rules with what is left of them, and how many requests each user has had.
#[derive(Debug)]
pub(super) struct Script {
    rules: Vec<Rule>,
    requests: BTreeMap<String, u64>,
}

impl Script {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self { rules, requests: BTreeMap::new() }
    }

    /// Puts other rules in place of these. Requests are counted on.
    pub(super) fn replace(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
    }

    /// Counts a request, and gives its number among those for its user and what the script makes of it.
    pub(super) fn take(&mut self, asked: &Asked<'_>) -> (u64, Option<ScriptedAnswer>) {
        let count = self.requests.entry(asked.user.to_ascii_lowercase()).or_default();
        let number = *count;
        *count += 1;
        let rule = self.rules.iter_mut().find(|rule| rule.matches(asked, number));
        let answer = rule.map(|rule| {
            // So many times is for ever.
            rule.times -= u32::from(rule.times != u32::MAX);
            rule.answer.clone()
        });
        (number, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Rule, Script, ScriptedAnswer};

    fn take(script: &mut Script, user: &str, page: u64) -> Option<ScriptedAnswer> {
        script.take(&Asked { user, page, top: 100 }).1
    }

    #[test]
    fn rules_are_used_in_order_and_up() {
        let mut script = Script::new(vec![
            Rule::always(ScriptedAnswer::CutOff, 9).for_user("A").at_request(1),
            Rule::always(ScriptedAnswer::NotJson, 2),
        ]);
        let taken: Vec<_> =
            ["a", "a", "b", "a", "b"].into_iter().map(|user| take(&mut script, user, 0)).collect();
        let (cut, html) = (Some(ScriptedAnswer::CutOff), Some(ScriptedAnswer::NotJson));
        assert_eq!(taken, [html.clone(), cut, html, None, None]);
    }

    #[test]
    fn rules_are_for_pages_also_when_a_list_is_begun_again() {
        let mut script = Script::new(vec![
            Rule::always(ScriptedAnswer::CutOff, 1).at_page(2),
            Rule::always(ScriptedAnswer::NotJson, u32::MAX).from_page(3),
        ]);
        let (cut, html) = (Some(ScriptedAnswer::CutOff), Some(ScriptedAnswer::NotJson));
        let list = |script: &mut Script| [0, 1, 2, 3, 4].map(|page| take(script, "a", page));
        assert_eq!(list(&mut script), [None, None, cut, html.clone(), html.clone()]);
        assert_eq!(list(&mut script), [None, None, None, html.clone(), html]);
        script.replace(Vec::new());
        assert_eq!(list(&mut script), [const { None }; 5]);
    }

    #[test]
    fn rules_are_for_large_pages_and_for_requests_from_one_on() {
        let mut script = Script::new(vec![
            Rule::always(ScriptedAnswer::CutOff, u32::MAX).above_top(25),
            Rule::always(ScriptedAnswer::Reset, u32::MAX).from_request(3),
        ]);
        let tops = [25, 26, 100, 25, 10];
        let taken = tops.map(|top| script.take(&Asked { user: "a", page: 0, top }));
        let (cut, reset) = (Some(ScriptedAnswer::CutOff), Some(ScriptedAnswer::Reset));
        assert_eq!(taken, [(0, None), (1, cut.clone()), (2, cut), (3, reset.clone()), (4, reset)]);
    }
}
