//! Many users at once, until all are read, the run is stopped, or the tenant turns out to be closed.
//!
//! Whoever fails does not stop the others, and is asked once more when all of them are read: for what is missing of him
//! alone. Only then does he end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use promptlake_flow::Sender;
use promptlake_model::SliceScope;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::client::{GraphClient, Shared};
use super::gate::AWAY_MAX;
use super::slice::Reread;
use super::user::{Standing, UserReading};
use crate::{ExtractError, Extracted, UserPlan};

/// A tenant in which so many users are forbidden, and nobody is answered or was ever read, has not consented: asking fifty
/// thousand more would only spend the limit.
const FORBIDDEN_MAX: usize = 20;

/// One call of [`GraphClient::extract`].
pub(crate) struct Extraction<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) outlet: Sender<Extracted>,
    /// Cancelled by the caller's stop, by what is fatal, and when nobody receives any more.
    pub(crate) halt: CancellationToken,
    /// A permit for each slice that is read at once, whoever's it is: as many as requests may be under way, and as many
    /// more as may wait for another attempt.
    pub(crate) readers: Semaphore,
    /// Users to be asked again when all others are read.
    unfinished: Mutex<Vec<UserReading>>,
    census: Mutex<Census>,
    /// Whether any of the users was read before: then the app was allowed to, and it takes all of them to say that it is not
    /// any more.
    was_allowed: bool,
}

/// What the users asked so far say about the tenant.
#[derive(Default)]
struct Census {
    /// Users of whom Graph answered as it answers an app that may ask.
    answered: usize,
    forbidden: usize,
    fatal: Option<ExtractError>,
}

impl GraphClient {
    /// Reads the plans, several users at once and in their order, and sends what there is.
    ///
    /// Every slice that was begun ends with one [`Extracted::SliceEnd`], also one that is read again or in parts, which are
    /// slices of their own; every user that was begun ends with one [`Extracted::UserEnd`], also when `stop` is cancelled, after which nothing more is asked and plans that were
    /// not begun are passed over. A receiver that is gone counts as a stop.
    ///
    /// An error means that the tenant can't be read: a new token was refused, no token is to be had, a payment model
    /// is missing, every user is forbidden, or the wait Graph asks for is too long. Ends are sent before.
    pub async fn extract(
        &self,
        plans: impl IntoIterator<Item = UserPlan>,
        out: Sender<Extracted>,
        stop: CancellationToken,
    ) -> Result<(), ExtractError> {
        let plans: Vec<UserPlan> = plans.into_iter().collect();
        check_plans(&plans)?;
        let run = Extraction {
            shared: &self.shared,
            outlet: out,
            halt: stop.child_token(),
            readers: Semaphore::new(self.shared.settings.concurrency + AWAY_MAX),
            unfinished: Mutex::default(),
            census: Mutex::default(),
            was_allowed: plans.iter().any(|plan| plan.was_read),
        };
        let all = async {
            run.read_all(plans).await;
            run.finish_all().await;
        };
        // Also one that waits at the gate hears at once that nobody receives any more.
        let until_nobody_receives = async {
            run.outlet.closed().await;
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
    /// Reads everyone; who is worth another try is kept for it.
    async fn read_all(&self, plans: Vec<UserPlan>) {
        self.for_each(plans, |plan| self.read(plan)).await;
    }

    async fn read(&self, plan: UserPlan) {
        if self.is_halted() {
            return;
        }
        let (mut user, slices) = UserReading::planned(plan);
        user.read(self, slices, Reread::AtTheEnd).await;
        self.count(user.standing());
        if user.is_worth_another_try() && !self.is_halted() {
            self.unfinished().push(user);
        } else {
            user.end(self).await;
        }
    }

    /// Asks again whoever is worth it, once, and ends all of them.
    async fn finish_all(&self) {
        let asks_again = !self.census().all_are_forbidden();
        let users = std::mem::take(&mut *self.unfinished());
        self.for_each(users, |user| self.finish(user, asks_again)).await;
    }

    async fn finish(&self, mut user: UserReading, asks_again: bool) {
        if asks_again && !self.is_halted() {
            let slices = user.retry(self);
            user.read(self, slices, Reread::Now).await;
        }
        user.end(self).await;
    }

    fn unfinished(&self) -> MutexGuard<'_, Vec<UserReading>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn census(&self) -> MutexGuard<'_, Census> {
        self.census.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what is fatal, the first of it, and stops everybody.
    pub(crate) fn end_with(&self, error: ExtractError) {
        self.census().fatal.get_or_insert(error);
        self.halt.cancel();
    }

    /// Works at as many users at once as the gate says: whoever is begun should not wait for others.
    async fn for_each<T, F: Future<Output = ()>>(&self, users: Vec<T>, work: impl Fn(T) -> F) {
        let gate = self.shared.gate();
        let mut waiting = users.into_iter();
        let mut begun = FuturesUnordered::new();
        loop {
            while begun.len() < gate.users_at_once() {
                let Some(user) = waiting.next() else { break };
                begun.push(work(user));
            }
            tokio::select! {
                ended = begun.next() => if ended.is_none() { return },
                // More may be begun now.
                () = gate.grown() => {}
            }
        }
    }

    fn is_halted(&self) -> bool {
        self.halt.is_cancelled() || self.outlet.is_closed()
    }

    fn count(&self, standing: Standing) {
        let users = {
            let mut census = self.census();
            census.answered += usize::from(standing == Standing::Answered);
            census.forbidden += usize::from(standing == Standing::Forbidden);
            if census.forbidden < FORBIDDEN_MAX || census.answered > 0 || self.was_allowed {
                return;
            }
            census.forbidden
        };
        self.end_with(ExtractError::InteractionsForbidden { users });
    }

    fn conclude(self, stopped: bool) -> Result<(), ExtractError> {
        let census = self.census.into_inner().unwrap_or_else(PoisonError::into_inner);
        let all_are_forbidden = census.all_are_forbidden();
        match census.fatal {
            Some(error) => Err(error),
            None if !stopped && all_are_forbidden => {
                Err(ExtractError::InteractionsForbidden { users: census.forbidden })
            }
            None => Ok(()),
        }
    }
}

impl Census {
    const fn all_are_forbidden(&self) -> bool {
        self.forbidden > 0 && self.answered == 0
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
