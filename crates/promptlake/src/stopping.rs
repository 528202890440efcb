//! Signals. The first asks the run to stop: no new page, one last commit. The second ends the process at once, which
//! loses nothing that was committed.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::{log_lines, terminal};

/// A token that the first SIGINT or SIGTERM cancels, after saying what comes of it.
pub(crate) fn on_signals(what_follows: &'static str) -> Result<CancellationToken, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::internal(&error, "listen to signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    // Ends with the process: there is nobody to join it before.
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if again {
                log_lines::tell("stopped at once");
                terminal::clear();
                std::process::exit(130);
            }
            log_lines::tell(format_args!("stopping: {what_follows}; press again to stop at once"));
            token.cancel();
        }
    });
    Ok(stop)
}
