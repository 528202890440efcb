//! The tenants of a run, asked side by side: each with its own credential, limits and users. One that can't be read
//! stops none of the others, and is how the run ends.

use std::collections::{BTreeMap, HashSet};

use futures::future::join_all;
use promptlake_extract::{
    DiscoveredUser, Discovery, ExtractError, Extracted, RunContext, Unresolved, UserPlan, UserSelection,
};
use promptlake_flow::Sender;
use promptlake_load::{Books, Draw, Shard};
use promptlake_model::{Owner, SliceIds, TenantId, Timestamp, UserProfile, Window};
use tokio_util::sync::CancellationToken;

use crate::credential::NotReady;
use crate::failure::Failure;
use crate::plan;
use crate::settings::{GraphSource, GraphTenant, Users};
use crate::source::{self, Apps, Limits, Tenant};

/// Tenants that can be asked. Nothing is asked of them yet.
pub(crate) struct Tenants<'a> {
    connected: Vec<Connected<'a>>,
    failures: Failures,
}

/// Why tenants can't be read.
struct Failures {
    errors: Vec<ExtractError>,
    /// Whether there is one tenant alone: then nobody asks whose failure it is.
    is_one: bool,
}

struct Connected<'a> {
    source: &'a GraphSource,
    selection: UserSelection,
    tenant: Tenant,
}

/// Tenants whose users are known.
pub(crate) struct Populated<'a> {
    tenants: Vec<(Connected<'a>, Discovery)>,
    failures: Failures,
}

/// What is asked of each tenant, in their order.
pub(crate) struct Plans(Vec<Vec<UserPlan>>);

impl<'a> Tenants<'a> {
    /// Reads what the settings name, and connects: a mistake in any source ends the run before anything is asked. A
    /// credential that can't be used, of one of several, is that tenant's failure.
    pub(crate) async fn connect(
        sources: &'a [GraphSource],
        limits: Limits,
        context: &RunContext,
    ) -> Result<Self, Failure> {
        let mut connected = Vec::with_capacity(sources.len());
        let mut failures = Failures { errors: Vec::new(), is_one: sources.len() == 1 };
        let mut apps = Apps::new();
        for source in sources {
            let selection = source::selection(&source.users)?;
            match (Tenant::connect(source, limits, context.clone(), &mut apps).await, &source.tenant) {
                (Ok(tenant), _) => connected.push(Connected { source, selection, tenant }),
                (Err(NotReady::Credential(error)), GraphTenant::Real(real)) => {
                    failures.add(real.tenant_id, ExtractError::Credential(error));
                }
                (Err(not_ready), _) => return Err(not_ready.into()),
            }
        }
        if connected.is_empty() {
            Err(failures.into_first().into())
        } else {
            Ok(Self { connected, failures })
        }
    }

    /// Finds the users of all tenants. Fails where that fails for every tenant.
    pub(crate) async fn discover(self) -> Result<Populated<'a>, ExtractError> {
        let asked = self.connected.into_iter().map(async |connected| {
            let found = connected.tenant.client.discover(&connected.selection).await;
            (connected, found)
        });
        let mut populated = Populated { tenants: Vec::new(), failures: self.failures };
        for (connected, found) in join_all(asked).await {
            match found {
                Ok(discovery) => populated.tenants.push((connected, discovery)),
                Err(error) => populated.failures.add(connected.tenant.id, error),
            }
        }
        if populated.tenants.is_empty() { Err(populated.failures.into_first()) } else { Ok(populated) }
    }
}

impl Populated<'_> {
    /// The earliest of the tenants' own times: none of them must be covered beyond its own.
    pub(crate) fn server_time(&self) -> Option<Timestamp> {
        self.tenants.iter().filter_map(|(_, discovery)| discovery.server_time).min()
    }

    /// The tenants, with what the settings say of them.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (TenantId, &GraphSource)> {
        self.tenants.iter().map(|(connected, _)| (connected.tenant.id, connected.source))
    }

    /// The names that nobody goes by.
    pub(crate) fn unresolved(&self) -> impl Iterator<Item = &Unresolved> {
        self.tenants.iter().flat_map(|(_, discovery)| &discovery.unresolved)
    }

    /// What to ask of every user: of those that were found, and of those that a tenant no longer lists; what is covered is
    /// asked `again` in one window. Whoever was found
    /// goes over into the plans: what the directory says of a hundred thousand users is held once.
    pub(crate) fn plan(
        &mut self,
        books: &Books,
        shard: Option<Shard>,
        (now, again): (Timestamp, Option<Window>),
        ids: &SliceIds,
    ) -> Plans {
        let plan_tenant = |(connected, discovery): &mut (Connected<'_>, Discovery)| {
            let users = users_to_ask(connected, std::mem::take(&mut discovery.users), books);
            let own = |(owner, _): &(Owner, UserProfile)| shard.is_none_or(|shard| shard.holds(owner));
            let wanted = plan::wanted(connected.source, now, again);
            plan::plan(books, users.into_iter().filter(own), connected.source, wanted, ids)
        };
        Plans(self.tenants.iter_mut().map(plan_tenant).collect())
    }

    /// A sample of what is covered, of all tenants together.
    pub(crate) fn draw(&self, books: &Books, mut draw: Draw) -> Draw {
        for (connected, discovery) in &self.tenants {
            let GraphSource { lookback, app_classes, .. } = connected.source;
            for owner in owners_to_ask(connected, &discovery.users, books) {
                for window in books.windows_to_audit(&owner, lookback.as_micros(), app_classes) {
                    draw.offer(owner, window);
                }
            }
        }
        draw
    }

    /// What to ask of every user of whom windows were drawn.
    pub(crate) fn plan_windows(
        &mut self,
        books: &Books,
        mut drawn: BTreeMap<Owner, Vec<Window>>,
        ids: &SliceIds,
    ) -> Plans {
        let mut plan_tenant = |(connected, discovery): &mut (Connected<'_>, Discovery)| {
            let users = users_to_ask(connected, std::mem::take(&mut discovery.users), books).into_iter();
            let users = users.filter_map(|(owner, profile)| Some((owner, profile, drawn.remove(&owner)?)));
            let classes = &connected.source.app_classes;
            users.map(|user| plan::plan_windows(user, classes, ids)).collect()
        };
        Plans(self.tenants.iter_mut().map(&mut plan_tenant).collect())
    }

    /// Reads all tenants at once. Fails as the first of those that failed, when all have ended.
    pub(crate) async fn extract(
        mut self,
        plans: Plans,
        pages: Sender<Extracted>,
        stop: CancellationToken,
    ) -> Result<(), ExtractError> {
        let asked = self.tenants.iter().zip(plans.0).map(async |((connected, _), plans)| {
            connected.tenant.client.extract(plans, pages.clone(), stop.clone()).await
        });
        let ended = join_all(asked).await;
        // The stage has ended when nobody can send any more.
        drop(pages);
        for ((connected, _), ended) in std::mem::take(&mut self.tenants).into_iter().zip(ended) {
            if let Err(error) = ended {
                self.failures.add(connected.tenant.id, error);
            }
            connected.tenant.disconnect().await;
        }
        self.failures.errors.into_iter().next().map_or(Ok(()), Err)
    }
}

impl Failures {
    fn add(&mut self, tenant: TenantId, error: ExtractError) {
        if self.is_one {
            self.errors.push(error);
            return;
        }
        let error = ExtractError::OfTenant { tenant, source: Box::new(error) };
        tracing::error!(%tenant, cause = %error.of_any_tenant(), "a tenant could not be read; the others go on");
        self.errors.push(error);
    }

    /// The first of them. Asked for where there is one.
    fn into_first(mut self) -> ExtractError {
        self.errors.swap_remove(0)
    }
}

impl Plans {
    pub(crate) fn users(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// The plans of each tenant, in their order.
    pub(crate) fn by_tenant(&self) -> impl Iterator<Item = &[UserPlan]> {
        self.0.iter().map(Vec::as_slice)
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.0.iter().flatten().map(|plan| &plan.owner)
    }
}

/// Those of the directory, as many as the settings allow. Who was asked before and is not listed any more, because he
/// lost his licence or his account, still has a history until Graph says otherwise; whom a group or a list leaves
/// out, somebody left out.
fn users_to_ask(
    connected: &Connected<'_>,
    discovered: Vec<DiscoveredUser>,
    books: &Books,
) -> Vec<(Owner, UserProfile)> {
    let owners = owners_to_ask(connected, &discovered, books);
    let listed = discovered.into_iter().map(|user| user.profile);
    // Of those who are not listed, the directory says nothing.
    owners.into_iter().zip(listed.chain(std::iter::repeat_with(UserProfile::default))).collect()
}

/// The same without what the directory says of them: first those it lists, in its order.
fn owners_to_ask(connected: &Connected<'_>, discovered: &[DiscoveredUser], books: &Books) -> Vec<Owner> {
    let Connected { source, tenant, .. } = connected;
    let limit = source.users_limit.map_or(usize::MAX, std::num::NonZeroUsize::get);
    let listed = discovered.iter().take(limit);
    let mut owners: Vec<Owner> = listed.map(|user| Owner { tenant: tenant.id, user: user.id }).collect();
    if source.users == Users::Licensed && source.users_limit.is_none() {
        let listed: HashSet<Owner> = owners.iter().copied().collect();
        let mut unlisted: Vec<Owner> =
            books.users_to_ask_again(tenant.id).filter(|owner| !listed.contains(owner)).collect();
        unlisted.sort_unstable();
        owners.append(&mut unlisted);
    }
    owners
}
