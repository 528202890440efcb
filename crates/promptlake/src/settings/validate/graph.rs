//! `[source]` with `kind = "graph"`.

use promptlake_model::{AppClasses, Timestamp};
use url::Url;

use super::section::{Limits, Section};
use super::{credential, emulator, users};
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::{Cloud, GraphSource, GraphTenant, RealTenant};
use crate::settings::typed::{List, Number, SourceTable, Typed};
use crate::settings::value::{AppClass, CloudName, RequestRate, Start, TimeSpan};

const SOURCE: Section = Section("source");

/// Where the history of a new user begins when nothing is said.
const START_DEFAULT: Start = Start::Back(TimeSpan::from_days(30));

/// Records come late by hours; ten years ask for everything again, which is one way to find what was missed.
const LOOKBACK: Limits<TimeSpan> = Limits {
    default: TimeSpan::from_days(2),
    least: TimeSpan::from_secs(0),
    most: TimeSpan::from_days(3660),
};

/// What is written settles within minutes; the most is a month.
const SETTLE_LAG: Limits<TimeSpan> = Limits {
    default: TimeSpan::from_secs(30 * 60),
    least: TimeSpan::from_secs(0),
    most: TimeSpan::from_days(31),
};

/// At 25 requests a second and two seconds an answer, fifty under way keep Graph busy; no more are begun than do.
const CONCURRENCY: Limits<i64> = Limits { default: 64, least: 1, most: 256 };

/// A hundred thousand pages are ten million records of one user in one window: nobody has them, but a source that names
/// ever new pages must come to an end.
const PAGES_MAX: Limits<i64> = Limits { default: 100_000, least: 1, most: 10_000_000 };

/// Each is some sixty characters of a URL, of which servers take a few thousand.
const APP_CLASSES_MAX: usize = 30;

pub(super) fn source(typed: &SourceTable, cloud: CloudName, now: Timestamp) -> Result<GraphSource, Problem> {
    let tenant = match cloud {
        CloudName::Emulator => GraphTenant::Emulated(emulator::tenant(typed.emulator.as_ref())?),
        real => GraphTenant::Real(Box::new(real_tenant(typed, real)?)),
    };
    Ok(GraphSource {
        users: users::users(typed.users.as_ref())?,
        users_limit: users::limit(typed.users.as_ref())?,
        start: start(typed, &tenant, now)?,
        lookback: SOURCE.within("lookback", typed.lookback.as_ref(), &LOOKBACK)?,
        settle_lag: SOURCE.within("settle_lag", typed.settle_lag.as_ref(), &SETTLE_LAG)?,
        requests_per_second: requests_per_second(typed.requests_per_second)?,
        app_classes: app_classes(typed.app_class.as_ref())?,
        model: SOURCE.optional("model", typed.model.as_ref())?,
        api_version: SOURCE.optional("api_version", typed.api_version.as_ref())?.unwrap_or_default(),
        pages_max: SOURCE.whole("pages_max", typed.pages_max, &PAGES_MAX)?,
        concurrency: SOURCE.whole::<u16>("concurrency", typed.concurrency, &CONCURRENCY).map(at_least_one)?,
        tenant,
    })
}

fn at_least_one(number: u16) -> std::num::NonZeroUsize {
    std::num::NonZeroUsize::new(number.into()).expect("the least of the setting is 1")
}

fn real_tenant(typed: &SourceTable, cloud: CloudName) -> Result<RealTenant, Problem> {
    Ok(RealTenant {
        cloud: servers(typed, cloud)?,
        tenant_id: SOURCE.required("tenant_id", typed.tenant_id.as_ref())?,
        credential: credential::credential(typed)?,
        ca_file: SOURCE.optional("ca_file", typed.ca_file.as_ref())?.map(|path| path.0),
    })
}

/// The servers of the clouds where Graph offers this API.
fn servers(typed: &SourceTable, cloud: CloudName) -> Result<Cloud, Problem> {
    let of = |graph: &str, login: &str| {
        let url =
            |host: &str| Url::parse(&format!("https://{host}/")).expect("a host of the table is a host");
        Cloud { graph_url: url(graph), login_url: url(login), is_custom: false }
    };
    Ok(match cloud {
        CloudName::UsGovL4 => of("graph.microsoft.us", "login.microsoftonline.us"),
        CloudName::UsGovDod => of("dod-graph.microsoft.us", "login.microsoftonline.us"),
        CloudName::Custom => Cloud {
            graph_url: SOURCE.required("graph_url", typed.graph_url.as_ref())?.0,
            login_url: SOURCE.required("login_url", typed.login_url.as_ref())?.0,
            is_custom: true,
        },
        CloudName::Global | CloudName::Emulator => of("graph.microsoft.com", "login.microsoftonline.com"),
    })
}

fn start(typed: &SourceTable, tenant: &GraphTenant, now: Timestamp) -> Result<Start, Problem> {
    let default = match tenant {
        GraphTenant::Emulated(tenant) => Start::At(tenant.start),
        GraphTenant::Real(_) => START_DEFAULT,
    };
    let start = SOURCE.optional("start", typed.start.as_ref())?.unwrap_or(default);
    begins_in_the_past(start, now).map_err(|fault| SOURCE.fault("start", fault))?;
    Ok(start)
}

/// That a history can begin there.
pub(in crate::settings) fn begins_in_the_past(start: Start, now: Timestamp) -> Result<(), Fault> {
    let instant = start.resolve(now);
    if instant >= now {
        return Err(Fault::new(format!("is {}, which is not in the past", instant.day())));
    }
    if instant < Timestamp::from_micros(0) {
        return Err(Fault::new(format!("is {}, before 1970", instant.day())));
    }
    Ok(())
}

/// Every class, where none is named.
fn app_classes(typed: Option<&List<Typed<AppClass>>>) -> Result<AppClasses, Problem> {
    let Some(List(typed)) = typed else { return Ok(AppClasses::default()) };
    if typed.is_empty() {
        return Err(SOURCE.fault("app_class", Fault::new("is empty, which leaves nothing to ask for")));
    }
    if typed.len() > APP_CLASSES_MAX {
        let fault = Fault::new(format!("names {} classes, above the most of {APP_CLASSES_MAX}", typed.len()));
        return Err(SOURCE.fault("app_class", fault));
    }
    let read = |(index, class): (usize, &Typed<AppClass>)| {
        class.read().map_err(|fault| fault.at(SOURCE.path("app_class").index(index)))
    };
    let classes: Vec<AppClass> = typed.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(AppClasses::of(classes.into_iter().map(|class| class.0)))
}

fn requests_per_second(typed: Option<Number>) -> Result<RequestRate, Problem> {
    let Some(Number(number)) = typed else { return Ok(RequestRate::SUSTAINED) };
    RequestRate::new(number).map_err(|fault| SOURCE.fault("requests_per_second", fault))
}
