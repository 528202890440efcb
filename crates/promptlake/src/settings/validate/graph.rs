//! `[source]` with `kind = "graph"`.

use promptlake_model::Timestamp;
use url::Url;

use super::section::{Limits, Section};
use super::{emulator, users};
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::{Cloud, Credential, GraphSource, GraphTenant, RealTenant};
use crate::settings::typed::{CredentialTable, Number, SourceTable};
use crate::settings::value::{CloudName, CredentialKind, RequestRate, Start, TimeSpan};

const SOURCE: Section = Section("source");
const CREDENTIAL: Section = Section("source.credential");

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

/// At 25 requests a second and two seconds an answer, fifty under way keep Graph busy.
const CONCURRENCY: Limits<i64> = Limits { default: 8, least: 1, most: 64 };

pub(super) fn source(typed: &SourceTable, cloud: CloudName, now: Timestamp) -> Result<GraphSource, Problem> {
    let tenant = match cloud {
        CloudName::Emulator => GraphTenant::Emulated(emulator::tenant(typed.emulator.as_ref())?),
        real => GraphTenant::Real(real_tenant(typed, real)?),
    };
    Ok(GraphSource {
        users: users::users(typed.users.as_ref())?,
        start: start(typed, &tenant, now)?,
        lookback: SOURCE.within("lookback", typed.lookback.as_ref(), &LOOKBACK)?,
        settle_lag: SOURCE.within("settle_lag", typed.settle_lag.as_ref(), &SETTLE_LAG)?,
        requests_per_second: requests_per_second(typed.requests_per_second)?,
        concurrency: SOURCE.whole::<u8>("concurrency", typed.concurrency, &CONCURRENCY).map(at_least_one)?,
        tenant,
    })
}

fn at_least_one(number: u8) -> std::num::NonZeroUsize {
    std::num::NonZeroUsize::new(number.into()).expect("the least of the setting is 1")
}

fn real_tenant(typed: &SourceTable, cloud: CloudName) -> Result<RealTenant, Problem> {
    Ok(RealTenant {
        cloud: servers(typed, cloud)?,
        tenant_id: SOURCE.required("tenant_id", typed.tenant_id.as_ref())?,
        client_id: SOURCE.required("client_id", typed.client_id.as_ref())?,
        credential: credential(typed.credential.as_ref())?,
    })
}

/// The servers of the clouds where Graph offers this API.
fn servers(typed: &SourceTable, cloud: CloudName) -> Result<Cloud, Problem> {
    let of = |graph: &str, login: &str| {
        let url =
            |host: &str| Url::parse(&format!("https://{host}/")).expect("a host of the table is a host");
        Cloud { graph_url: url(graph), login_url: url(login) }
    };
    Ok(match cloud {
        CloudName::UsGovL4 => of("graph.microsoft.us", "login.microsoftonline.us"),
        CloudName::UsGovDod => of("dod-graph.microsoft.us", "login.microsoftonline.us"),
        CloudName::Custom => Cloud {
            graph_url: SOURCE.required("graph_url", typed.graph_url.as_ref())?.0,
            login_url: SOURCE.required("login_url", typed.login_url.as_ref())?.0,
        },
        CloudName::Global | CloudName::Emulator => of("graph.microsoft.com", "login.microsoftonline.com"),
    })
}

fn credential(typed: Option<&CredentialTable>) -> Result<Credential, Problem> {
    let typed = typed.ok_or_else(|| SOURCE.fault("credential", Fault::missing()))?;
    let CredentialKind::ClientSecret = CREDENTIAL.required("kind", typed.kind.as_ref())?;
    let env = CREDENTIAL.optional("env", typed.env.as_ref())?;
    let file = CREDENTIAL.optional("file", typed.file.as_ref())?;
    match (env, file) {
        (Some(name), None) => Ok(Credential::ClientSecretEnv(name.0)),
        (None, Some(path)) => Ok(Credential::ClientSecretFile(path.0)),
        (Some(_), Some(_)) => Err(SOURCE.fault("credential", Fault::new("has both env and file"))),
        (None, None) => Err(SOURCE.fault("credential", Fault::new("has neither env nor file"))),
    }
}

fn start(typed: &SourceTable, tenant: &GraphTenant, now: Timestamp) -> Result<Start, Problem> {
    let default = match tenant {
        GraphTenant::Emulated(tenant) => Start::At(tenant.start),
        GraphTenant::Real(_) => START_DEFAULT,
    };
    let start = SOURCE.optional("start", typed.start.as_ref())?.unwrap_or(default);
    let instant = start.resolve(now);
    if instant >= now {
        let fault = Fault::new(format!("is {}, which is not in the past", instant.day()));
        return Err(SOURCE.fault("start", fault));
    }
    if instant < Timestamp::from_micros(0) {
        return Err(SOURCE.fault("start", Fault::new(format!("is {}, before 1970", instant.day()))));
    }
    Ok(start)
}

fn requests_per_second(typed: Option<Number>) -> Result<RequestRate, Problem> {
    let Some(Number(number)) = typed else { return Ok(RequestRate::SUSTAINED) };
    RequestRate::new(number).map_err(|fault| SOURCE.fault("requests_per_second", fault))
}
