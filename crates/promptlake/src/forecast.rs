//! `promptlake plan`: what a run would ask for now, and how long that takes at the limit. It asks the directory who there
//! is and the lake what is covered, and Graph for no interaction.

use std::fmt;

use indicatif::HumanCount;
use promptlake_extract::UserPlan;
use promptlake_load::{Auditor, Books, Store, StoreLocation};
use promptlake_model::{SavedFile, SliceScope, TenantId, Timestamp};
use serde::Serialize;

use crate::cli::{PlanArguments, RunArguments};
use crate::failure::{Failure, Outcome};
use crate::lake_source::LakeReader;
use crate::phrases::{counted, day_of, span};
use crate::run::{self, Context};
use crate::settings::{GraphSource, Source};
use crate::source;
use crate::stdout;

/// What a run would ask for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Forecast {
    Tenants(Vec<TenantForecast>),
    Files(FilesForecast),
}

/// What a run would ask a tenant for.
#[derive(Debug, Serialize)]
struct TenantForecast {
    tenant_id: TenantId,
    users: u64,
    /// Users of whom nothing is covered.
    new_users: u64,
    known_users: u64,
    /// Users who are covered as far as a run looks.
    up_to_date_users: u64,
    windows: u64,
    from: Option<String>,
    to: Option<String>,
    /// From the earliest start to the latest end.
    #[serde(skip)]
    span: Option<(Timestamp, Timestamp)>,
    /// One for each window, and as many as the user's earlier lists were long.
    requests_at_least: u64,
    requests_per_second: f64,
    seconds_at_least: u64,
}

/// What a run would read of saved pages, or of another lake.
#[derive(Debug, Serialize)]
struct FilesForecast {
    files: u64,
    new_files: u64,
}

/// Says what a run of a pipeline file would do.
pub(crate) async fn forecast(arguments: PlanArguments) -> Result<Outcome, Failure> {
    let PlanArguments { pipeline, shard, reread, json } = arguments;
    let run = RunArguments { shard, reread, ..RunArguments::silent(pipeline) };
    let context = Context::new(&run, "nothing was begun")?;
    let forecast = tokio::select! {
        () = context.stop.cancelled() => None,
        forecast = Box::pin(of_source(&context)) => forecast?,
    };
    let Some(forecast) = forecast else { return Ok(Outcome::Interrupted) };
    if json {
        let text = serde_json::to_string_pretty(&forecast)
            .map_err(|error| Failure::internal(&error, "write the plan"))?;
        stdout::print(format_args!("{text}\n"));
    } else {
        stdout::print(&forecast);
    }
    Ok(Outcome::Done)
}

/// Nothing where a stop came first.
async fn of_source(context: &Context) -> Result<Option<Forecast>, Failure> {
    Ok(Some(match &context.pipeline.source {
        Source::Graph(sources) => return Ok(of_tenants(context, sources).await?.map(Forecast::Tenants)),
        Source::Files(files) => {
            let opened = source::open_files(files, context.shares.page_bytes_max, context.extract_context())?;
            of_files(context, files.tenant_id, opened.list().await?).await?
        }
        Source::Lake(lake) => {
            let reader = LakeReader::new(Store::open(&lake.store)?, context.extract_context());
            of_files(context, LakeReader::TENANT, reader.list().await?).await?
        }
    }))
}

/// The lake as it is; an empty one where there is none, which is not made for that.
async fn auditor(context: &Context) -> Result<Option<Auditor>, Failure> {
    match &context.pipeline.destination.store.location {
        StoreLocation::Local(root) if !root.exists() => Ok(None),
        // No row is looked up.
        _ => Ok(Some(Auditor::open(context.means()?, context.run.id.clone(), 0, 0).await?)),
    }
}

async fn of_tenants(
    context: &Context,
    sources: &[GraphSource],
) -> Result<Option<Vec<TenantForecast>>, Failure> {
    let Some(mut tenants) = run::find_users(context, sources).await? else { return Ok(None) };
    let now = run::honest_now(context.clock, tenants.server_time());
    let auditor = auditor(context).await?;
    let none = Books::default();
    let books = auditor.as_ref().map_or(&none, Auditor::books);
    let plans = tenants.plan(books, context.shard, (now, context.reread), &context.slice_ids);
    let shares = context.shard.map_or(1.0, |shard| f64::from(shard.count()));
    let asked = tenants.sources().zip(plans.by_tenant());
    let forecasts = asked.map(|((tenant_id, source), plans)| {
        TenantForecast::of(tenant_id, plans, books, source.requests_per_second.per_second() / shares)
    });
    Ok(Some(forecasts.collect()))
}

async fn of_files(context: &Context, tenant: TenantId, found: Vec<SavedFile>) -> Result<Forecast, Failure> {
    let auditor = auditor(context).await?;
    let is_known = |file: &_| auditor.as_ref().is_some_and(|it| it.books().has_file(tenant, file));
    let new = found.iter().filter(|file| !is_known(file)).count();
    Ok(Forecast::Files(FilesForecast { files: found.len() as u64, new_files: new as u64 }))
}

impl TenantForecast {
    fn of(tenant_id: TenantId, plans: &[UserPlan], books: &Books, requests_per_second: f64) -> Self {
        let mut forecast = Self {
            tenant_id,
            users: plans.len() as u64,
            new_users: plans.iter().filter(|plan| !plan.was_read).count() as u64,
            known_users: 0,
            up_to_date_users: plans.iter().filter(|plan| plan.slices.is_empty()).count() as u64,
            windows: 0,
            from: None,
            to: None,
            span: None,
            requests_at_least: 0,
            requests_per_second,
            seconds_at_least: 0,
        };
        forecast.known_users = forecast.users - forecast.new_users;
        for slice in plans.iter().flat_map(|plan| &plan.slices) {
            let SliceScope::History { owner, window, .. } = &slice.scope else { continue };
            forecast.windows += 1;
            let (from, to) = forecast.span.unwrap_or((window.from, window.to));
            forecast.span = Some((from.min(window.from), to.max(window.to)));
            forecast.requests_at_least += books.pages_to_expect(owner, *window).max(1);
        }
        forecast.from = forecast.span.map(|(from, _)| from.to_string());
        forecast.to = forecast.span.map(|(_, to)| to.to_string());
        forecast.seconds_at_least = seconds(forecast.requests_at_least, requests_per_second);
        forecast
    }
}

/// How long so many requests take at a rate, rounded up.
fn seconds(requests: u64, per_second: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "it is said to a person, and no run makes 2^53 requests"
    )]
    let seconds = (requests as f64 / per_second).ceil() as u64;
    seconds
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(FilesForecast { files, new_files }) => {
                writeln!(
                    f,
                    "files     {}, of which {} are new",
                    counted(*files, "file"),
                    HumanCount(*new_files)
                )
            }
            Self::Tenants(tenants) => {
                for (place, tenant) in tenants.iter().enumerate() {
                    if tenants.len() > 1 {
                        let gap = if place > 0 { "\n" } else { "" };
                        writeln!(f, "{gap}tenant    {}", tenant.tenant_id)?;
                    }
                    tenant.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for TenantForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [users, new, known] = [self.users, self.new_users, self.known_users].map(HumanCount);
        write!(f, "users     {users}: {new} new, {known} known")?;
        if self.up_to_date_users > 0 {
            write!(f, ", {} with nothing to ask", HumanCount(self.up_to_date_users))?;
        }
        write!(f, "\nwindows   {}", HumanCount(self.windows))?;
        if let Some((from, to)) = self.span {
            write!(f, ", from {} to {}", day_of(from), day_of(to))?;
        }
        write!(f, "\nrequests  at least {}", HumanCount(self.requests_at_least))?;
        if self.new_users > 0 {
            write!(f, "; how long new histories are, nobody knows yet")?;
        }
        let time = span(i64::try_from(self.seconds_at_least).unwrap_or(i64::MAX));
        writeln!(f, "\ntime      at least {time}, at {:.1} requests a second", self.requests_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rounded_up() {
        for (requests, per_second, expected) in [(0, 25.0, 0), (1, 25.0, 1), (50, 25.0, 2), (51, 25.0, 3)] {
            assert_eq!(seconds(requests, per_second), expected, "{requests}");
        }
    }
}
