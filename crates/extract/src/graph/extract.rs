//! Many users at once, until all are read, the run is stopped, or the tenant turns out to be closed.

use std::sync::{Mutex, PoisonError};

use futures::StreamExt;
use promptlake_model::SliceScope;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::{GraphClient, Shared};
use super::user::{Standing, read_user};
use crate::extracted::Outlet;
use crate::{ExtractError, Extracted, UserPlan};

/// A tenant in which so many users in a row are forbidden, and none is not, has not consented: asking fifty thousand
/// more would only spend the limit.
const FORBIDDEN_MAX: usize = 20;

/// One call of [`GraphClient::extract`].
pub(crate) struct Extraction<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) outlet: Outlet,
    /// Cancelled by the caller's stop, by what is fatal, and when nobody receives any more.
    pub(crate) halt: CancellationToken,
    census: Mutex<Census>,
}

/// What the users asked so far say about the tenant.
#[derive(Default)]
struct Census {
    asked: usize,
    forbidden: usize,
    fatal: Option<ExtractError>,
}

impl GraphClient {
    /// Reads the plans, several users at once, and sends what there is.
    ///
    /// Every slice that was begun ends with one [`Extracted::SliceEnd`], every user that was begun with one
    /// [`Extracted::UserEnd`], also when `stop` is cancelled, after which nothing more is asked and plans that were
    /// not begun are passed over. A receiver that is gone counts as a stop.
    ///
    /// An error means that the tenant can't be read: a new token was refused, no token is to be had, a payment model
    /// is missing, every user is forbidden, or the wait Graph asks for is too long. Ends are sent before.
    pub async fn extract(
        &self,
        plans: impl IntoIterator<Item = UserPlan>,
        out: mpsc::Sender<Extracted>,
        stop: CancellationToken,
    ) -> Result<(), ExtractError> {
        let plans: Vec<UserPlan> = plans.into_iter().collect();
        check_plans(&plans)?;
        let run = Extraction {
            shared: &self.shared,
            outlet: Outlet(out),
            halt: stop.child_token(),
            census: Mutex::default(),
        };
        let users = futures::stream::iter(plans).take_while(|_| std::future::ready(!run.is_halted()));
        let all = users.for_each_concurrent(self.shared.settings.concurrency, async |plan| {
            if !run.is_halted() {
                run.count(read_user(&run, plan).await);
            }
        });
        // Also one that waits at the gate hears at once that nobody receives any more.
        let until_nobody_receives = async {
            run.outlet.0.closed().await;
            run.halt.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = all => {}
            () = until_nobody_receives => {}
        }
        run.conclude(stop.is_cancelled())
    }
}

impl Extraction<'_> {
    /// Remembers what is fatal, the first of it, and stops everybody.
    pub(crate) fn end_with(&self, error: ExtractError) {
        self.census.lock().unwrap_or_else(PoisonError::into_inner).fatal.get_or_insert(error);
        self.halt.cancel();
    }

    fn is_halted(&self) -> bool {
        self.halt.is_cancelled() || self.outlet.0.is_closed()
    }

    fn count(&self, standing: Standing) {
        let users = {
            let mut census = self.census.lock().unwrap_or_else(PoisonError::into_inner);
            census.asked += usize::from(standing != Standing::Unknown);
            census.forbidden += usize::from(standing == Standing::Forbidden);
            if census.forbidden < FORBIDDEN_MAX || census.forbidden < census.asked {
                return;
            }
            census.forbidden
        };
        self.end_with(ExtractError::InteractionsForbidden { users });
    }

    fn conclude(self, stopped: bool) -> Result<(), ExtractError> {
        let Census { asked, forbidden, fatal } =
            self.census.into_inner().unwrap_or_else(PoisonError::into_inner);
        match fatal {
            Some(error) => Err(error),
            None if !stopped && forbidden > 0 && forbidden == asked => {
                Err(ExtractError::InteractionsForbidden { users: forbidden })
            }
            None => Ok(()),
        }
    }
}

/// A slice of a file, or of somebody else, would put records under the wrong name.
fn check_plans(plans: &[UserPlan]) -> Result<(), ExtractError> {
    let slices = plans.iter().flat_map(|plan| plan.slices.iter().map(move |slice| (plan, slice)));
    for (plan, slice) in slices {
        match slice.scope {
            SliceScope::History { owner, .. } if owner == plan.owner => {}
            _ => return Err(ExtractError::ForeignSlice { scope: slice.scope.to_string() }),
        }
    }
    Ok(())
}
