//! What a request asks for: a query string read strictly, and the filter of the interactions call.
//!
//! Only the filters that every tenant takes are taken: `appClass eq` in any number, and a range of
//! `createdDateTime` with both of its strict bounds. All else is an error, as some tenants answer it.

use crate::instant;
use crate::text::append;

/// Deepest nesting of parentheses in a filter.
const DEPTH_MAX: u32 = 8;

/// The parameters of a query or form, decoded, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `a=b&c=d` with percent-encoding and `+` for a blank.
    pub(super) fn read(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name, true), decode(value, true)))
                .collect(),
        )
    }

    /// The first value of a parameter; names are compared without regard to case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All parameters but one, encoded again.
    pub(super) fn encoded_without(&self, name: &str) -> String {
        let others = self.0.iter().filter(|(key, _)| !key.eq_ignore_ascii_case(name));
        others.map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect::<Vec<_>>().join("&")
    }

    /// `$top`, or `default` when absent, or none when it isn't a number from 1 to `max`.
    pub(super) fn top(&self, default: u32, max: u32) -> Option<u32> {
        let Some(text) = self.get("$top") else { return Some(default) };
        text.parse().ok().filter(|top| (1..=max).contains(top))
    }
}

/// Percent-decoding, with `+` as a blank in queries only; a broken escape stays as it is.
pub(super) fn decode(text: &str, is_query: bool) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut place) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(place) {
        let escaped = text.get(place + 1..place + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, escaped) {
            (b'%', Some(value)) => {
                decoded.push(value);
                place += 2;
            }
            (b'+', _) if is_query => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
        place += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Encodes all but unreserved characters, `$`, and marks that Graph leaves in its links; a blank is `+`.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'-' | b'.' | b'_' | b'~' | b'$' | b'(' | b')' | b':' | b'/' | b',' => {
                encoded.push(char::from(byte));
            }
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => append(&mut encoded, format_args!("%{byte:02x}")),
        }
    }
    encoded
}

/// The filter of the interactions call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Filter {
    /// App classes of which a record has one; empty means any.
    pub(super) app_classes: Vec<String>,
    /// Ticks between which a record was created, both exclusive.
    pub(super) created_between: Option<(i64, i64)>,
}

impl Filter {
    /// Reads `$filter`; an error is a message for the caller.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), depth: 0 };
        let term = parser.disjunction()?;
        if let Some(extra) = parser.tokens.next() {
            return Err(format!("Syntax error: unexpected '{extra}' in the filter."));
        }
        let terms = if let Term::And(terms) = term { terms } else { vec![term] };
        Self::of_conjunction(terms)
    }

    /// Whether a record of an app class and an instant passes.
    pub(super) fn passes(&self, app_class: &str, created: i64) -> bool {
        let by_class = self.app_classes.is_empty()
            // Nobody knows whether Graph regards case here: whoever relies on either is found out.
            || self.app_classes.iter().any(|it| it == app_class);
        by_class && self.created_between.is_none_or(|(after, before)| after < created && created < before)
    }

    fn of_conjunction(terms: Vec<Term>) -> Result<Self, String> {
        let mut filter = Self::default();
        let (mut after, mut before) = (None, None);
        for term in terms {
            match term {
                Term::After(ticks) if after.is_none() => after = Some(ticks),
                Term::Before(ticks) if before.is_none() => before = Some(ticks),
                Term::AppClass(_) | Term::Or(_) if filter.app_classes.is_empty() => {
                    filter.app_classes = app_classes(term)?;
                }
                _ => return Err("The filter combines its terms in a way that isn't supported.".to_owned()),
            }
        }
        filter.created_between = match (after, before) {
            (None, None) => None,
            (Some(after), Some(before)) => Some((after, before)),
            _ => return Err("A filter on createdDateTime needs both 'gt' and 'lt'.".to_owned()),
        };
        Ok(filter)
    }
}

/// A filter as it is written.
#[derive(Debug)]
enum Term {
    AppClass(String),
    After(i64),
    Before(i64),
    And(Vec<Term>),
    Or(Vec<Term>),
}

fn app_classes(term: Term) -> Result<Vec<String>, String> {
    match term {
        Term::AppClass(class) => Ok(vec![class]),
        Term::Or(terms) => Ok(terms.into_iter().map(app_classes).collect::<Result<Vec<_>, _>>()?.concat()),
        _ => Err("Only comparisons of appClass can be joined by 'or'.".to_owned()),
    }
}

/// Words, quoted texts (with their first quote, so that they differ from words) and parentheses.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' | ')' => (first.to_string(), 1),
            '\'' => quoted(rest).ok_or("Syntax error: a quoted text has no end.")?,
            _ => {
                let length = rest.find([' ', '(', ')', '\'']).unwrap_or(rest.len());
                (rest[..length].to_owned(), length)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// The quoted text at the start, where two quotes stand for one, and how many bytes it takes.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut end = 1;
    loop {
        end += text.get(end..)?.find('\'')?;
        if !text[end + 1..].starts_with('\'') {
            return Some((format!("'{}", text[1..end].replace("''", "'")), end + 1));
        }
        end += 2;
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<String>>,
    depth: u32,
}

impl Parser {
    fn disjunction(&mut self) -> Result<Term, String> {
        let mut terms = vec![self.conjunction()?];
        while self.tokens.next_if(|token| token == "or").is_some() {
            terms.push(self.conjunction()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Term::Or(terms) })
    }

    fn conjunction(&mut self) -> Result<Term, String> {
        let mut terms = vec![self.comparison()?];
        while self.tokens.next_if(|token| token == "and").is_some() {
            terms.push(self.comparison()?);
        }
        let flat =
            terms.into_iter().flat_map(|term| if let Term::And(terms) = term { terms } else { vec![term] });
        let mut terms: Vec<Term> = flat.collect();
        Ok(if terms.len() == 1 { terms.remove(0) } else { Term::And(terms) })
    }

    fn comparison(&mut self) -> Result<Term, String> {
        if self.tokens.next_if(|token| token == "(").is_some() {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err("The filter is nested too deeply.".to_owned());
            }
            let term = self.disjunction()?;
            self.depth -= 1;
            return match self.tokens.next().as_deref() {
                Some(")") => Ok(term),
                _ => Err("Syntax error: a parenthesis has no end.".to_owned()),
            };
        }
        let mut word = || self.tokens.next().ok_or("Syntax error: the filter ends too early.");
        let (property, operator, value) = (word()?, word()?, word()?);
        comparison(&property, &operator, &value)
    }
}

fn comparison(property: &str, operator: &str, value: &str) -> Result<Term, String> {
    let instant = || instant::parse(value).ok_or_else(|| format!("'{value}' isn't a DateTimeOffset in UTC."));
    match (property, operator, value.strip_prefix('\'')) {
        ("appClass", "eq", Some(class)) => Ok(Term::AppClass(class.to_owned())),
        ("createdDateTime", "gt", None) => Ok(Term::After(instant()?)),
        ("createdDateTime", "lt", None) => Ok(Term::Before(instant()?)),
        _ => Err(format!("The filter '{property} {operator} {value}' isn't supported.")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Parameters, decode, encode};

    const RANGE: &str = "createdDateTime gt 2025-11-24T00:00:00Z and createdDateTime lt 2025-11-25T00:00:00Z";

    #[test]
    fn reads_the_filters_that_every_tenant_takes() {
        for (text, classes, has_range) in [
            ("appClass eq 'A'", vec!["A"], false),
            ("appClass eq 'A' or appClass eq 'B'", vec!["A", "B"], false),
            ("(appClass eq 'A' or appClass eq 'it''s')", vec!["A", "it's"], false),
            (RANGE, vec![], true),
            (&format!("({RANGE})"), vec![], true),
            (&format!("appClass eq 'A' and {RANGE}"), vec!["A"], true),
            (&format!("{RANGE} and (appClass eq 'A' or appClass eq 'B')"), vec!["A", "B"], true),
        ] {
            let filter = Filter::read(text).unwrap();
            assert_eq!(filter.app_classes, classes, "{text}");
            assert_eq!(filter.created_between.is_some(), has_range, "{text}");
        }
    }

    #[test]
    fn refuses_all_other_filters() {
        for text in [
            "",
            "appClass eq",
            "appClass eq A",
            "appClass eq 'A",
            "appClass ne 'A'",
            "appClass eq 'A' appClass eq 'B'",
            "(appClass eq 'A'",
            "locale eq 'en-us'",
            "createdDateTime gt 2025-11-24T00:00:00Z",
            "createdDateTime lt 2025-11-24T00:00:00Z",
            "createdDateTime ge 2025-11-24T00:00:00Z and createdDateTime lt 2025-11-25T00:00:00Z",
            "createdDateTime gt 2025-11-24T00:00:00Z and createdDateTime le 2025-11-25T00:00:00Z",
            "createdDateTime gt 2025-11-24 and createdDateTime lt 2025-11-25T00:00:00Z",
            "createdDateTime gt '2025-11-24T00:00:00Z' and createdDateTime lt 2025-11-25T00:00:00Z",
            &format!("appClass eq 'A' or appClass eq 'B' and {RANGE}"),
            &format!("appClass eq 'A' or ({RANGE})"),
            &format!("{RANGE} and {RANGE}"),
            "((((((((((appClass eq 'A'))))))))))",
        ] {
            assert!(Filter::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds_are_strict() {
        let filter = Filter::read(RANGE).unwrap();
        let (after, before) = filter.created_between.unwrap();
        for (ticks, passes) in [(after, false), (after + 1, true), (before - 1, true), (before, false)] {
            assert_eq!(filter.passes("any", ticks), passes);
        }
    }

    #[test]
    fn codes_queries() {
        for (encoded, decoded) in
            [("a+b%20c", "a b c"), ("%E2%82%AC", "€"), ("100%", "100%"), ("%zz", "%zz"), ("%", "%")]
        {
            assert_eq!(decode(encoded, true), decoded);
            assert_eq!(decode(&encode(decoded), true), decoded);
        }
        assert_eq!(decode("a+b", false), "a+b");
        let query = Parameters::read("$top=5&%24filter=appClass+eq+%27A%27&$skiptoken=x%3d&");
        assert_eq!(query.get("$FILTER"), Some("appClass eq 'A'"));
        assert_eq!(query.encoded_without("$skiptoken"), "$top=5&$filter=appClass+eq+%27A%27");
        assert_eq!([query.top(10, 100), query.top(10, 4)], [Some(5), None]);
        assert_eq!(Parameters::default().top(10, 100), Some(10));
    }
}
