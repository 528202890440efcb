//! The script: faults that a test asks for, on chosen requests of the interactions call.
//!
//! Rules are tried in order; the first that matches and isn't used up decides. A scripted status or page comes
//! after the token is looked at, and before the limit, the user and the filter. Every scripted request counts
//! against the limit; where a rule changes only how the right answer arrives, that answer can be a 429.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// The right answer, with the connection closed in the middle of the body.
    CutOff,
    /// The right answer after this time.
    Delay(Duration),
}

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
        Self { user_id: None, request: RequestNumber::Any, page: PagePlace::Any, times, answer }
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

    fn matches(&self, user: &str, number: u64, place: u64) -> bool {
        let by_user = self.user_id.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(user));
        let by_number = match self.request {
            RequestNumber::Any => true,
            RequestNumber::Exactly(wanted) => wanted == number,
        };
        let by_page = match self.page {
            PagePlace::Any => true,
            PagePlace::Exactly(wanted) => wanted == place,
            PagePlace::From(first) => first <= place,
        };
        by_user && by_number && by_page && self.times > 0
    }
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

    /// Counts a request for a user (as in its path) and a page of a list, and gives what the script makes of it.
    pub(super) fn take(&mut self, user: &str, page: u64) -> Option<ScriptedAnswer> {
        let count = self.requests.entry(user.to_ascii_lowercase()).or_default();
        let number = *count;
        *count += 1;
        let rule = self.rules.iter_mut().find(|rule| rule.matches(user, number, page))?;
        // So many times is for ever.
        rule.times -= u32::from(rule.times != u32::MAX);
        Some(rule.answer.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, Script, ScriptedAnswer};

    #[test]
    fn rules_are_used_in_order_and_up() {
        let mut script = Script::new(vec![
            Rule::always(ScriptedAnswer::CutOff, 9).for_user("A").at_request(1),
            Rule::always(ScriptedAnswer::NotJson, 2),
        ]);
        let taken: Vec<_> = ["a", "a", "b", "a", "b"].into_iter().map(|user| script.take(user, 0)).collect();
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
        let list = |script: &mut Script| [0, 1, 2, 3, 4].map(|page| script.take("a", page));
        assert_eq!(list(&mut script), [None, None, cut, html.clone(), html.clone()]);
        assert_eq!(list(&mut script), [None, None, None, html.clone(), html]);
        script.replace(Vec::new());
        assert_eq!(list(&mut script), [const { None }; 5]);
    }
}
