//! Metrics pushed to a collector: OTLP over HTTP, in its binary encoding, which every collector takes.
//!
//! The SDK of OpenTelemetry is not used. It would count once more what is counted already, in instruments of its own, and
//! push from a thread of its own whose waits at the end of a run are not ours to bound. What is left for it to do is the
//! encoding, and that is nine messages.

mod message;
mod push;
mod settings;

pub(super) use push::{Push, PushError};
pub(super) use settings::PushSettings;

#[cfg(test)]
mod tests;
