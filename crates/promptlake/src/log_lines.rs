//! Log lines: for a person on a terminal, for a collector elsewhere. Each line of a run carries its id.

use std::fmt;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use promptlake_flow::RequestKind;
use promptlake_model::RunId;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::failure::Failure;
use crate::tally::Counts;
use crate::terminal::{self, Above, shown};

/// What levels are shown, when it is set.
const LEVELS: &str = "PROMPTLAKE_LOG";

/// The id of the run that this process is, once it has one. A process is one run.
static RUN_ID: OnceLock<RunId> = OnceLock::new();

/// Whether lines are JSON. Decided once, before the first of them.
static IS_JSON: OnceLock<bool> = OnceLock::new();

/// What log lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Human,
    /// A JSON object a line.
    Json,
}

/// Log lines to standard error, of the levels that `PROMPTLAKE_LOG` names; `info` and above without it.
///
/// Of libraries nothing below a warning, whatever is asked for: they log headers and URLs, which hold tokens.
pub(crate) fn start(format: LogFormat) -> Result<(), Failure> {
    let is_terminal = std::io::stderr().is_terminal();
    let is_json = *IS_JSON.get_or_init(|| match format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    });
    let levels = std::env::var(LEVELS).ok().filter(|text| !text.is_empty());
    let levels = levels.map_or_else(|| Ok(EnvFilter::new("info")), |text| read_levels(&text))?;
    let own =
        filter_fn(|metadata| metadata.target().starts_with("promptlake") || *metadata.level() <= Level::WARN);
    // Colours are for people: a file that the lines go to is searched.
    let has_colours =
        is_terminal && !is_json && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_writer(Above).with_ansi(has_colours);
    let lines = lines.event_format(Lines { is_json });
    tracing_subscriber::registry().with(lines.with_filter(own)).with(levels).init();
    Ok(())
}

/// Reads what `PROMPTLAKE_LOG` says: a level, or levels by the module that logs. What is neither is refused: the filter
/// would take a misspelt level for the name of a module, and be silent.
fn read_levels(text: &str) -> Result<EnvFilter, Failure> {
    let refused = |error: &dyn std::error::Error| {
        let hint = "write off, error, warn, info, debug or trace, such as PROMPTLAKE_LOG=debug";
        Failure::setting(error, &format!("read the variable {LEVELS} = {text:?}"), hint)
    };
    for part in text.split(',').filter(|part| !part.contains(['=', '['])) {
        part.trim().parse::<LevelFilter>().map_err(|error| refused(&error))?;
    }
    EnvFilter::builder().parse(text).map_err(|error| refused(&error))
}

/// From now on each line carries the id of the run.
pub(crate) fn name_run(id: &RunId) {
    // A process has one run; a second name would be a defect that no run should end for.
    drop(RUN_ID.set(id.clone()));
}

/// Tells a person something that is no log line: plainly on a terminal, as a log line among log lines.
pub(crate) fn tell(text: impl fmt::Display) {
    if is_json() {
        say_json(Level::INFO, text.to_string(), []);
    } else {
        terminal::say(text);
    }
}

/// Tells what came of a command: to a collector with the numbers that it would look for.
pub(crate) fn tell_summary(text: impl fmt::Display, counts: &Counts) {
    if is_json() {
        let fields = [
            ("users", json!(counts.users_settled)),
            ("new_records", counts.new_records.into()),
            ("known_records", counts.known_records.into()),
            ("late_records", counts.late_records.into()),
            ("rejects", counts.rejects.into()),
            ("requests", counts.requests_of(RequestKind::Interactions).into()),
            ("bytes_read", counts.body_bytes.into()),
            ("summary", text.to_string().into()),
        ];
        say_json(Level::INFO, "ended".to_owned(), fields);
    } else {
        terminal::say(text);
    }
}

/// Tells why a command failed.
pub(crate) fn tell_failure(failure: &Failure) {
    if is_json() {
        let fields = [("hint", failure.hint().into()), ("exit_code", failure.code().into())];
        say_json(Level::ERROR, failure.in_a_line(), fields);
    } else {
        terminal::say(failure);
    }
}

/// Tells a program how far a run is, whatever log lines look like.
pub(crate) fn tell_progress<const N: usize>(fields: [(&str, Value); N]) {
    say_json(Level::INFO, "progress".to_owned(), fields);
}

/// Says what is said at any level, as a line of JSON among log lines.
fn say_json<const N: usize>(level: Level, message: String, fields: [(&str, Value); N]) {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    terminal::say(Line { message, fields }.json(&now(), level));
}

/// The instant, as it stands in a line.
fn now() -> String {
    let mut at = String::new();
    SystemTime.format_time(&mut Writer::new(&mut at)).expect("a string takes everything");
    at
}

fn is_json() -> bool {
    IS_JSON.get().copied().unwrap_or_default()
}

/// Writes an event as a line.
struct Lines {
    is_json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let level = *event.metadata().level();
        if self.is_json {
            writeln!(writer, "{}", line.json(&now(), level))
        } else {
            line.human(&mut writer, &now(), level)
        }
    }
}

/// A line for a collector, in the order in which a person would look at it.
#[derive(Serialize)]
struct JsonLine<'a> {
    timestamp: &'a str,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
    message: &'a str,
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
}

/// An event, as it is read.
#[derive(Default)]
struct Line {
    message: String,
    fields: Map<String, Value>,
}

impl Line {
    /// One object: when, how grave, which run, what, and the fields.
    fn json(&self, at: &str, level: Level) -> String {
        let line = JsonLine {
            timestamp: at,
            level: level.as_str(),
            run_id: RUN_ID.get().map(RunId::as_str),
            message: &self.message,
            fields: &self.fields,
        };
        serde_json::to_string(&line).expect("texts, numbers and values of JSON are JSON")
    }

    /// The time of day, the level, what is to be said, and its fields.
    fn human(&self, writer: &mut Writer<'_>, at: &str, level: Level) -> fmt::Result {
        let time = at.get(11..19).unwrap_or(at);
        let (colour, plain) = match level {
            _ if !writer.has_ansi_escapes() => ("", ""),
            Level::ERROR => ("\u{1b}[31m", "\u{1b}[0m"),
            Level::WARN => ("\u{1b}[33m", "\u{1b}[0m"),
            _ => ("\u{1b}[2m", "\u{1b}[0m"),
        };
        write!(writer, "{time} {colour}{level:<5}{plain} {}", shown(&self.message))?;
        for (name, value) in &self.fields {
            match value {
                Value::Null => {}
                Value::String(text) if !text.contains([' ', '"']) => {
                    write!(writer, " {name}={}", shown(text))?;
                }
                value => write!(writer, " {name}={value}")?,
            }
        }
        if let Some(id) = RUN_ID.get() {
            write!(writer, " run_id={id}")?;
        }
        writeln!(writer)
    }

    fn keep(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.keep(field, text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let mut fields = Map::new();
        fields.insert("lost_s".to_owned(), 7.into());
        fields.insert("reason".to_owned(), "two words".into());
        fields.insert("host".to_owned(), "here".into());
        Line { message: "Graph is back".to_owned(), fields }
    }

    #[test]
    fn a_line_for_a_person() {
        let mut text = String::new();
        line().human(&mut Writer::new(&mut text), "2026-01-02T03:04:05.678901Z", Level::WARN).unwrap();
        assert_eq!(text, "03:04:05 WARN  Graph is back host=here lost_s=7 reason=\"two words\"\n");
    }

    #[test]
    fn a_line_for_a_collector() {
        let json = line().json("2026-01-02T03:04:05Z", Level::WARN);
        let expected = concat!(
            r#"{"timestamp":"2026-01-02T03:04:05Z","level":"WARN","message":"Graph is back","#,
            r#""host":"here","lost_s":7,"reason":"two words"}"#
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn a_level_that_nobody_knows_is_refused() {
        for (text, is_taken) in [
            ("debug", true),
            ("WARN", true),
            ("off", true),
            ("warn,promptlake_load=debug", true),
            ("loud", false),
            ("promptlake=loud", false),
            ("warn,lod", false),
        ] {
            assert_eq!(read_levels(text).is_ok(), is_taken, "{text}");
        }
    }
}
