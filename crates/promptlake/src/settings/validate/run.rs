//! `[run]`.

use std::path::PathBuf;

use super::section::{Limits, Section};
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::RunLimits;
use crate::settings::typed::RunTable;
use crate::settings::value::{ByteSize, TimeSpan};

const RUN: Section = Section("run");

/// Below the least, a page of every table and an encoder for each no longer fit; the most is a slip.
const MEMORY_LIMIT: Limits<ByteSize> = Limits {
    default: ByteSize::from_mebibytes(512),
    least: ByteSize::from_mebibytes(128),
    most: ByteSize::from_bytes(1 << 40),
};

/// What a crash can cost: a day of it is more than anybody wants to lose.
const COMMIT_EVERY: Limits<TimeSpan> = Limits {
    default: TimeSpan::from_secs(5 * 60),
    least: TimeSpan::from_millis(100),
    most: TimeSpan::from_days(1),
};

/// What readers wait for.
const PUBLISH_EVERY: Limits<TimeSpan> = Limits {
    default: TimeSpan::from_hours(6),
    least: TimeSpan::from_millis(100),
    most: TimeSpan::from_days(30),
};

const HEARTBEAT: Limits<TimeSpan> = Limits {
    default: TimeSpan::from_secs(30),
    least: TimeSpan::from_millis(100),
    most: TimeSpan::from_hours(1),
};

const STALE_AFTER: Limits<TimeSpan> = Limits {
    default: TimeSpan::from_secs(10 * 60),
    least: TimeSpan::from_millis(400),
    most: TimeSpan::from_days(1),
};

/// In less nothing is read; after a month every user is to be asked again.
const DEADLINE: Limits<TimeSpan> =
    Limits { default: TimeSpan::from_hours(2), least: TimeSpan::from_secs(1), most: TimeSpan::from_days(30) };

/// A run stops itself after half the stale time without a heartbeat: within it, one that fails can be tried
/// again.
const HEARTBEATS_UNTIL_STALE_MIN: u64 = 4;

pub(super) fn limits(typed: &RunTable) -> Result<RunLimits, Problem> {
    let limits = RunLimits {
        memory_limit: RUN.within("memory_limit", typed.memory_limit.as_ref(), &MEMORY_LIMIT)?,
        commit_every: RUN.within("commit_every", typed.commit_every.as_ref(), &COMMIT_EVERY)?,
        publish_every: RUN.within("publish_every", typed.publish_every.as_ref(), &PUBLISH_EVERY)?,
        heartbeat: RUN.within("heartbeat", typed.heartbeat.as_ref(), &HEARTBEAT)?,
        stale_after: RUN.within("stale_after", typed.stale_after.as_ref(), &STALE_AFTER)?,
        deadline: RUN.optional_within("deadline", typed.deadline.as_ref(), &DEADLINE)?,
        metrics_file: metrics_file(typed)?,
    };
    let (commit, publish) = (limits.commit_every, limits.publish_every);
    if publish < commit {
        let fault = Fault::new(format!("is {publish}, below run.commit_every, {commit}"));
        return Err(
            RUN.fault("publish_every", fault.hint(format!("write publish_every = \"{commit}\" or more")))
        );
    }
    let least = limits.heartbeat.times(HEARTBEATS_UNTIL_STALE_MIN);
    if limits.stale_after < least {
        let wrong =
            format!("is {}, below four times run.heartbeat, {}", limits.stale_after, limits.heartbeat);
        let hint = format!("write stale_after = \"{least}\" or more");
        return Err(RUN.fault("stale_after", Fault::new(wrong).hint(hint)));
    }
    Ok(limits)
}

/// Whoever collects such files reads those of this name alone. And what stands there is written over: not a file of some
/// other kind.
fn metrics_file(typed: &RunTable) -> Result<Option<PathBuf>, Problem> {
    let Some(path) = RUN.optional("metrics_file", typed.metrics_file.as_ref())? else { return Ok(None) };
    if path.0.extension().is_none_or(|extension| extension != "prom") {
        let fault = Fault::is(&path.0.to_string_lossy(), "whose name does not end in .prom");
        return Err(RUN.fault("metrics_file", fault));
    }
    Ok(Some(path.0))
}
