//! Files that others read while they are written again: they see one or the other, and never a part.

use std::io;
use std::path::{Path, PathBuf};

use promptlake_model::RunId;

use super::list::LastEnded;
use super::{Metric, text};

/// The file that Prometheus reads by way of a collector.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    run_id: RunId,
    warned: bool,
}

impl MetricsFile {
    pub(super) fn new(path: PathBuf, run_id: RunId) -> Self {
        Self { path, run_id, warned: false }
    }

    /// What the file of an earlier run says of how it ended. Nothing where there is none, or none that can be read: then
    /// it can't be written either, which is said.
    pub(super) async fn last_ended(&self) -> LastEnded {
        let text = tokio::fs::read_to_string(&self.path).await;
        text.map(|text| text::last_ended(&text)).unwrap_or_default()
    }

    /// Writes the file again. That it can't be is said once.
    pub(super) async fn write(&mut self, metrics: &[Metric]) {
        let text = text::encode(metrics).into_bytes();
        let Err(error) = write_beside(&self.path, &self.run_id, text).await else { return };
        if !self.warned {
            self.warned = true;
            let file = self.path.display();
            tracing::warn!(%file, %error, "can't write run.metrics_file; the run goes on without");
        }
    }
}

/// Writes a file beside its place and renames it. Two runs that write the same file do not get in each other's way: the
/// last one stands.
pub(crate) async fn write_beside(path: &Path, run_id: &RunId, content: Vec<u8>) -> io::Result<()> {
    let part = path.with_added_extension(format!("{run_id}.part"));
    let written = match tokio::fs::write(&part, content).await {
        Ok(()) => tokio::fs::rename(&part, path).await,
        Err(error) => Err(error),
    };
    if written.is_err() {
        // The first error is what matters, and there may be no such file at all.
        drop(tokio::fs::remove_file(&part).await);
    }
    written
}
