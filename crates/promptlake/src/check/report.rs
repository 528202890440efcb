//! What a check found: a line for each thing that a run needs, said as soon as it is known.

use std::fmt;

use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::stdout;
use crate::terminal::{hanging, shown};

/// The longest name of a line, so that what follows stands in one column.
const NAME_WIDTH: usize = 15;

/// What was tried.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    name: &'static str,
    #[serde(flatten)]
    found: Found,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Found {
    Passed {
        detail: String,
    },
    Failed {
        detail: String,
        /// What to do.
        advice: Option<String>,
    },
    NotTried {
        detail: String,
    },
}

/// All lines so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
    /// How the command ends: as the first thing that failed.
    outcome: Option<Outcome>,
    json: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, ..Self::default() }
    }

    pub(crate) fn passed(&mut self, name: &'static str, detail: impl Into<String>) {
        self.say(name, Found::Passed { detail: detail.into() });
    }

    pub(crate) fn failed(&mut self, name: &'static str, failure: &Failure) {
        self.outcome.get_or_insert_with(|| failure.as_outcome());
        let advice = failure.hint().map(str::to_owned);
        self.say(name, Found::Failed { detail: failure.in_a_line(), advice });
    }

    /// Things that can't be tried, and why.
    pub(crate) fn not_tried(&mut self, names: &[&'static str], detail: &str) {
        for name in names {
            self.say(name, Found::NotTried { detail: detail.to_owned() });
        }
    }

    /// Which tenant the lines that follow are about.
    pub(crate) fn tenant(&mut self, id: &str) {
        self.passed("tenant", id);
    }

    fn say(&mut self, name: &'static str, found: Found) {
        let line = Line { name, found };
        if !self.json {
            stdout::print(format_args!("{line}"));
        }
        self.lines.push(line);
    }

    /// Ends it. What is JSON is one object, printed now.
    pub(crate) fn finish(self) -> Outcome {
        if self.json {
            let text = serde_json::json!({ "checks": self.lines });
            stdout::print(format_args!("{text:#}\n"));
        }
        self.outcome.unwrap_or(Outcome::Done)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, detail, advice) = match &self.found {
            Found::Passed { detail } => ('✓', detail, None),
            Found::Failed { detail, advice } => ('✗', detail, advice.as_deref()),
            Found::NotTried { detail } => ('–', detail, None),
        };
        f.write_str(&hanging(&format!("{mark} {:<NAME_WIDTH$} ", self.name), &shown(detail)))?;
        // Below what it is about, beyond the mark and the name.
        advice.map_or(Ok(()), |advice| {
            f.write_str(&hanging(&format!("  {:<NAME_WIDTH$} → ", ""), &shown(advice)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_below_what_it_is_about() {
        let advice =
            "set up the payment model of this API for the app, or license the tenant's users for Copilot";
        let detail =
            "failed to read source.credential: environment variable PROMPTLAKE_CLIENT_SECRET: it is not set";
        let found = Found::Failed { detail: detail.to_owned(), advice: Some(advice.to_owned()) };
        let text = Line { name: "one page", found }.to_string();
        let expected = "\
✗ one page        failed to read source.credential: environment variable
                  PROMPTLAKE_CLIENT_SECRET: it is not set
                  → set up the payment model of this API for the app, or license
                    the tenant's users for Copilot
";
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }
}
