//! Heartbeats: which runs live. Only they let a run tell one that is dead from one that is slow.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use promptlake_flow::Clock;
use promptlake_model::{RunId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::layout;
use crate::shard::Scope;
use crate::store::{Store, StoreError};

/// A heartbeat could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// The store failed.
    #[error("reach the heartbeats")]
    Store(#[from] StoreError),
    /// A heartbeat is not readable, so nobody can say whether its run lives.
    #[error("parse heartbeat {path}")]
    Parse {
        /// Its path.
        path: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It was not renewed for half the time after which others take this run for dead.
    #[error("renew the heartbeat of this run for {0:?}; others may take it for dead")]
    Lost(Duration),
}

/// What a heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heartbeat {
    pub(crate) run_id: RunId,
    pub(crate) started_at: Timestamp,
    pub(crate) renewed_at: Timestamp,
    pub(crate) process: ProcessIdentity,
    pub(crate) scope: Scope,
}

/// A process, told apart from every other: across reboots, and from a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) host: String,
    /// `None` where the system does not tell.
    pub(crate) boot_id: Option<String>,
    /// The namespace that the process id is counted in; `None` where the system does not tell, or hides processes.
    pub(crate) process_namespace: Option<String>,
    pub(crate) process_id: u32,
    /// Clock ticks from boot to the start of the process, `None` where the system does not tell.
    pub(crate) process_start: Option<u64>,
}

/// Whether a run lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Life {
    Ended,
    /// It may live; the text says where, and until when it is taken for alive.
    Alive(String),
}

impl ProcessIdentity {
    pub(crate) fn of_this_process() -> Self {
        let process_id = std::process::id();
        let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Self {
            host: read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown".into()),
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            process_namespace: process_namespace(),
            process_id,
            process_start: process_start(process_id),
        }
    }

    /// Whether this process is known to be gone.
    fn is_gone(&self, here: &Self) -> bool {
        self.can_be_seen_from(here) && process_start(self.process_id) != self.process_start
    }

    /// Whether this is another process than `here`, and is known to be there.
    fn is_there(&self, here: &Self) -> bool {
        self.can_be_seen_from(here) && self != here && process_start(self.process_id) == self.process_start
    }

    /// Only a process of the same host and boot can be looked for.
    fn can_be_seen_from(&self, here: &Self) -> bool {
        let same_boot = self.boot_id.is_some() && self.boot_id == here.boot_id && self.host == here.host;
        // Containers of one host share its boot and may share its name, but don't see each other's processes.
        let same_namespace =
            self.process_namespace.is_some() && self.process_namespace == here.process_namespace;
        same_boot && same_namespace && self.process_start.is_some()
    }
}

/// Where /proc hides the processes of other users, this one's namespace is as good as untold: a process that is not to be
/// seen there would be taken for dead. The first process of a namespace is nearly always another user's.
fn process_namespace() -> Option<String> {
    process_start(1)?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(namespace.to_string_lossy().into_owned())
}

/// When a process started; `None` where there is none, or only one that waits to be reaped.
fn process_start(process_id: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).ok()?;
    // The name, in parentheses, may hold anything: the fields are counted from its end. Then come the state, which
    // proc(5) numbers 3, and in place 22 the start.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let dead = matches!(state, "Z" | "X" | "x");
    fields.nth(18).filter(|_| !dead)?.parse().ok()
}

impl Heartbeat {
    /// The process of its run, where it is seen to be there: no doubt about that run is left.
    pub(crate) fn process_seen(&self, here: &ProcessIdentity) -> Option<u32> {
        self.process.is_there(here).then_some(self.process.process_id)
    }

    pub(crate) async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let body = serde_json::to_vec(self).expect("a heartbeat holds strings and numbers alone");
        store.replace(&layout::heartbeat(&self.run_id), Bytes::from(body)).await
    }

    /// Whether its run lives, by its process on this host and boot, else by its age in the store's own time.
    pub(crate) fn life(&self, here: &ProcessIdentity, age: TimeDelta, stale_after: Duration) -> Life {
        if self.process.is_gone(here) || age >= delta(stale_after) {
            return Life::Ended;
        }
        let ProcessIdentity { host, process_id, .. } = &self.process;
        let left = (delta(stale_after) - age).num_seconds();
        Life::Alive(format!("process {process_id} on {host}; taken for dead in {left} s unless it shows up"))
    }
}

pub(crate) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Every heartbeat in the lake, with the store's time of its last renewal.
pub(crate) async fn read_all(store: &Store) -> Result<Vec<(Heartbeat, DateTime<Utc>)>, HeartbeatError> {
    let mut heartbeats = Vec::new();
    for object in store.list(&layout::runs_dir()).await? {
        if layout::heartbeat_run(&object.location).is_none() {
            continue;
        }
        // Gone in between: its run has ended.
        let Some(body) = store.get(&object.location).await? else { continue };
        let path = object.location.to_string();
        let heartbeat =
            serde_json::from_slice(&body).map_err(|source| HeartbeatError::Parse { path, source })?;
        heartbeats.push((heartbeat, object.last_modified));
    }
    Ok(heartbeats)
}

/// Renews the heartbeat of this run until it is stopped.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// `None` once it was stopped.
    task: Option<JoinHandle<()>>,
    stop: CancellationToken,
    /// How long the last renewal is past, once that is too long.
    lost: watch::Receiver<Option<Duration>>,
}

impl Pulse {
    /// Renews every `every`; gives up after half of `stale_after` without success.
    pub(crate) fn start(
        store: Store,
        heartbeat: Heartbeat,
        clock: Clock,
        every: Duration,
        stale_after: Duration,
    ) -> Self {
        let (sender, lost) = watch::channel(None);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut heartbeat = heartbeat;
            let mut renewed = clock.elapsed();
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(every) => {}
                }
                heartbeat.renewed_at = Timestamp::from_micros(clock.now_micros());
                let began = clock.elapsed();
                let deadline = (renewed + stale_after / 2).saturating_sub(began);
                let mut write = std::pin::pin!(heartbeat.write(&store));
                match tokio::time::timeout(deadline, &mut write).await {
                    Ok(Ok(())) => renewed = began,
                    Ok(Err(error)) => tracing::warn!(%error, "could not renew the heartbeat"),
                    Err(_) => {
                        tracing::warn!("the heartbeat was not renewed in time");
                        sender.send(Some(clock.elapsed().saturating_sub(renewed))).ok();
                        // It may still land: whoever stops this waits for it, and then deletes it.
                        if let Err(error) = write.await {
                            tracing::warn!(%error, "could not renew the heartbeat");
                        }
                        return;
                    }
                }
                let past = clock.elapsed().saturating_sub(renewed);
                if past >= stale_after / 2 {
                    // Where nobody is left to tell, the run has ended.
                    sender.send(Some(past)).ok();
                    return;
                }
            }
        });
        Self { task: Some(task), stop, lost }
    }

    /// Renews no more. A renewal under way has landed when this returns, so that what is deleted stays deleted.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        let Some(task) = self.task.take() else { return };
        if let Err(error) = task.await {
            tracing::warn!(%error, "the heartbeat ended early");
        }
    }

    /// Fails when the heartbeat was lost. To be asked before anything is made to count.
    pub(crate) fn check(&self) -> Result<(), HeartbeatError> {
        self.lost.borrow().map_or(Ok(()), |past| Err(HeartbeatError::Lost(past)))
    }
}

impl Drop for Pulse {
    /// A run that fails does not wait for its heartbeat: its process ends.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: Duration = Duration::from_mins(10);

    fn heartbeat(process: ProcessIdentity) -> Heartbeat {
        let at = Timestamp::from_micros(0);
        let scope = Scope { selection: "t licensed".into(), shard: None };
        Heartbeat { run_id: RunId::parse("r").unwrap(), started_at: at, renewed_at: at, process, scope }
    }

    #[test]
    fn a_process_that_is_gone_has_ended_at_once_but_only_on_this_boot() {
        let here = ProcessIdentity::of_this_process();
        assert!(here.process_start.is_some(), "this system tells when a process started");
        let reused = ProcessIdentity { process_start: Some(1), ..here.clone() };
        let other_host = ProcessIdentity { host: "elsewhere".into(), ..reused.clone() };
        let other_boot = ProcessIdentity { boot_id: Some("b".into()), ..reused.clone() };
        let untold = ProcessIdentity { boot_id: None, ..reused.clone() };
        let hidden = ProcessIdentity { process_namespace: None, ..reused.clone() };
        let container = ProcessIdentity { process_namespace: Some("pid:[1]".into()), ..reused.clone() };
        for (name, process, ended) in [
            ("this very process", here.clone(), false),
            ("another process of the same number", reused, true),
            ("another host", other_host, false),
            ("another boot", other_boot, false),
            ("another container", container, false),
            ("a system that does not tell", untold, false),
            ("a system that hides processes", hidden, false),
        ] {
            let life = heartbeat(process).life(&here, TimeDelta::zero(), STALE);
            assert_eq!(life == Life::Ended, ended, "{name}: {life:?}");
        }
    }

    #[test]
    fn a_process_is_seen_while_it_is_there() {
        let here = ProcessIdentity::of_this_process();
        let parent = std::os::unix::process::parent_id();
        let other =
            ProcessIdentity { process_id: parent, process_start: process_start(parent), ..here.clone() };
        let container = ProcessIdentity { process_namespace: Some("pid:[1]".into()), ..other.clone() };
        let gone = ProcessIdentity { process_start: Some(1), ..other.clone() };
        for (process, seen) in [(here.clone(), None), (other, Some(parent)), (container, None), (gone, None)]
        {
            assert_eq!(heartbeat(process.clone()).process_seen(&here), seen, "{process:?}");
        }
    }

    #[test]
    fn a_heartbeat_goes_stale_by_the_time_of_the_store() {
        let here = ProcessIdentity::of_this_process();
        let elsewhere = ProcessIdentity { host: "elsewhere".into(), ..here.clone() };
        for (seconds, ended) in [(0, false), (599, false), (600, true)] {
            let life = heartbeat(elsewhere.clone()).life(&here, TimeDelta::seconds(seconds), STALE);
            assert_eq!(life == Life::Ended, ended, "{seconds} s");
        }
    }
}
