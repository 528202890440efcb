//! What a run needs of a tenant, from the token to the first page.

use indicatif::{HumanBytes, HumanCount};
use promptlake_extract::{
    Discovery, ExtractError, GraphClient, Permission, TokenClaims, TriedPage, UserSelection,
};
use promptlake_model::{AppClasses, Timestamp, UserId, Window};

use crate::failure::Failure;
use crate::phrases::counted;
use crate::run::{CLOCK_SKEW_MICROS_MAX, Context};
use crate::settings::{GraphSource, GraphTenant};
use crate::source::{self, Apps, Limits, Tenant};

use super::report::Report;

/// Users who are tried for a page: where none of them has a history, either the licences are new, or the app may not read
/// any.
const USERS_TRIED_MAX: usize = 20;

/// How far back a page is looked for: what is newest comes first anyway.
const TRIED_SPAN_MICROS: i64 = 30 * 24 * 3_600 * 1_000_000;

const CREDENTIAL: &str = "credential";
const PERMISSIONS: &str = "permissions";
const LICENCE: &str = "licence";
const USERS: &str = "users";
const DATE_FILTER: &str = "date filter";
const PAGE: &str = "one page";
const CLOCK: &str = "clock";

/// A tenant that is being tried out.
struct Trial<'a> {
    context: &'a Context,
    source: &'a GraphSource,
    selection: UserSelection,
    report: &'a mut Report,
    /// Permissions that are known to be missing.
    missing: Vec<Permission>,
}

/// Tries everything that a run needs of a tenant. Of several, each says which it is.
pub(super) async fn try_tenant(
    context: &Context,
    source: &GraphSource,
    is_one_of_several: bool,
    report: &mut Report,
) {
    if is_one_of_several && let GraphTenant::Real(real) = &source.tenant {
        report.tenant(&real.tenant_id.to_string());
    }
    let selection = match source::selection(&source.users) {
        Ok(selection) => selection,
        Err(failure) => {
            report.failed(USERS, &failure);
            return;
        }
    };
    let limits = Limits {
        page_bytes_max: context.shares.page_bytes_max,
        at_once_max: context.shares.readers,
        rate_shares: 1,
    };
    let tenant = match Tenant::connect(source, limits, context.extract_context(), &mut Apps::new()).await {
        Ok(tenant) => tenant,
        Err(not_ready) => {
            report.failed(CREDENTIAL, &not_ready.into());
            return report.not_tried(&[PERMISSIONS, LICENCE, USERS, DATE_FILTER, PAGE, CLOCK], NO_TOKEN);
        }
    };
    let mut trial = Trial { context, source, selection, report, missing: Vec::new() };
    trial.run(&tenant.client).await;
    tenant.disconnect().await;
}

const NO_TOKEN: &str = "needs a token";

impl Trial<'_> {
    async fn run(&mut self, client: &GraphClient) {
        match client.token_claims().await {
            Ok(claims) => {
                self.report.passed(CREDENTIAL, credential_text(claims.as_ref()));
                self.permissions(claims.as_ref());
            }
            Err(error) => {
                self.report.failed(CREDENTIAL, &error.into());
                let rest = [PERMISSIONS, LICENCE, USERS, DATE_FILTER, PAGE, CLOCK];
                return self.report.not_tried(&rest, NO_TOKEN);
            }
        }
        self.licence(client).await;
        let found = self.users(client).await;
        self.history(client, found.as_ref()).await;
        self.clock(client);
    }

    /// What the token says that the app may do.
    fn permissions(&mut self, claims: Option<&TokenClaims>) {
        let Some(claims) = claims else {
            return self.report.not_tried(&[PERMISSIONS], "the token does not say what it is good for");
        };
        if claims.is_of_a_user {
            return self.report.failed(PERMISSIONS, &token_of_a_user());
        }
        let needed = self.selection.permissions();
        self.missing = needed.iter().copied().filter(|it| !it.is_among(&claims.roles)).collect();
        let names =
            |permissions: &[Permission]| permissions.iter().map(|it| it.name).collect::<Vec<_>>().join(", ");
        if self.missing.is_empty() {
            self.report.passed(PERMISSIONS, names(needed));
        } else {
            let permissions = names(&self.missing);
            let error = ExtractError::PermissionsMissing { permissions };
            self.report.failed(PERMISSIONS, &error.into());
        }
    }

    /// Whether a call can't succeed; said in its line, under which it is not tried.
    fn lacks(&mut self, permission: &str, lines: &[&'static str]) -> bool {
        let lacks = self.missing.iter().any(|missing| missing.name == permission);
        if lacks {
            self.report.not_tried(lines, &format!("needs {permission}"));
        }
        lacks
    }

    /// Whether the tenant has bought Copilot, where that says who the users are.
    async fn licence(&mut self, client: &GraphClient) {
        if self.selection != UserSelection::Licensed {
            return self.report.not_tried(&[LICENCE], "not needed: the users are named");
        }
        if self.lacks("Organization.Read.All", &[LICENCE]) {
            return;
        }
        match client.subscriptions().await {
            Ok(found) if found.with_copilot == 0 => {
                let error = ExtractError::NoCopilotPlan { skus: found.all };
                self.report.failed(LICENCE, &error.into());
            }
            Ok(found) => {
                let text = format!("{} of {} subscriptions contain Copilot", found.with_copilot, found.all);
                self.report.passed(LICENCE, text);
            }
            Err(error) => self.report.failed(LICENCE, &error.into()),
        }
    }

    async fn users(&mut self, client: &GraphClient) -> Option<Discovery> {
        for permission in self.selection.permissions().iter().skip(1) {
            if self.lacks(permission.name, &[USERS]) {
                return None;
            }
        }
        match client.discover(&self.selection).await {
            Ok(found) if found.users.is_empty() => {
                self.report.failed(USERS, &nobody());
                None
            }
            Ok(found) => {
                self.report.passed(USERS, users_text(&found));
                Some(found)
            }
            Err(error) => {
                self.report.failed(USERS, &error.into());
                None
            }
        }
    }

    /// The newest page of the first user who has a history, by date where the tenant takes that.
    async fn history(&mut self, client: &GraphClient, found: Option<&Discovery>) {
        let lines = [DATE_FILTER, PAGE];
        if self.lacks("AiEnterpriseInteraction.Read.All", &lines) {
            return;
        }
        let Some(found) = found else { return self.report.not_tried(&lines, "needs a user") };
        let users: Vec<UserId> = found.users.iter().map(|user| user.id).take(USERS_TRIED_MAX).collect();
        match self.first_page(client, &users).await {
            Ok(Tried { page, by_date, asked }) => {
                let by_date_text = if by_date {
                    "taken"
                } else {
                    "not taken by this tenant: whole histories are read, and held against the dates here"
                };
                self.report.passed(DATE_FILTER, by_date_text);
                self.report.passed(PAGE, page_text(&page, by_date, asked));
            }
            Err(failure) => {
                self.report.not_tried(&[DATE_FILTER], "no user's history was answered");
                self.report.failed(PAGE, &failure);
            }
        }
    }

    async fn first_page(&self, client: &GraphClient, users: &[UserId]) -> Result<Tried, Failure> {
        let now = Timestamp::from_micros(self.context.clock.now_micros());
        let window = Window::new(now.saturating_add_micros(-TRIED_SPAN_MICROS), now);
        let classes: &AppClasses = &self.source.app_classes;
        let (mut forbidden, mut without) = (0, 0);
        for (asked, user) in (1..).zip(users) {
            let mut by_date = true;
            let mut page = client.try_page(*user, window, classes).await?;
            if page == TriedPage::FilterRefused {
                by_date = false;
                page = client.try_page(*user, None, classes).await?;
            }
            match page {
                TriedPage::Page { .. } => return Ok(Tried { page, by_date, asked }),
                TriedPage::Forbidden => forbidden += 1,
                TriedPage::NoHistory => without += 1,
                TriedPage::FilterRefused => return Err(no_page("Graph answered 400 to its filter")),
                TriedPage::Failed { reason } => return Err(no_page(&reason)),
            }
        }
        if forbidden > without {
            return Err(ExtractError::InteractionsForbidden { users: forbidden }.into());
        }
        Err(no_history(users.len()))
    }

    fn clock(&mut self, client: &GraphClient) {
        let Some(server) = client.server_time() else {
            return self.report.not_tried(&[CLOCK], "Graph did not say its time");
        };
        let skew_micros = self.context.clock.now_micros().saturating_sub(server.micros());
        let seconds = skew_micros.unsigned_abs() / 1_000_000;
        let direction = if skew_micros < 0 { "behind" } else { "ahead of" };
        let text = format!("{seconds} s {direction} Graph's");
        if skew_micros.unsigned_abs() > CLOCK_SKEW_MICROS_MAX.unsigned_abs() {
            let error = std::io::Error::other(text);
            let hint = "set this machine's clock by NTP: coverage ends by the earlier of the two clocks";
            self.report.failed(CLOCK, &Failure::setting(&error, "trust this machine's clock", hint));
        } else {
            self.report.passed(CLOCK, text);
        }
    }
}

/// A page that was answered.
struct Tried {
    page: TriedPage,
    by_date: bool,
    /// Users who were asked until then.
    asked: usize,
}

fn credential_text(claims: Option<&TokenClaims>) -> String {
    match claims.and_then(|claims| claims.ends_at) {
        // Whole seconds, as its claim has them.
        Some(end) => format!("a token, good until {}", end.to_string().replace(".000000", "")),
        None => "a token".to_owned(),
    }
}

fn users_text(found: &Discovery) -> String {
    let users = counted(found.users.len() as u64, "user");
    if found.unresolved.is_empty() {
        return users;
    }
    let names = found.unresolved.iter().map(|unresolved| unresolved.user.to_string());
    format!("{users}; not in the directory: {}", names.collect::<Vec<_>>().join(", "))
}

fn page_text(page: &TriedPage, by_date: bool, asked: usize) -> String {
    let TriedPage::Page { records, body_bytes, has_more } = page else { return String::new() };
    let days = TRIED_SPAN_MICROS / (24 * 3_600 * 1_000_000);
    let span = if by_date { format!(" of the last {days} days") } else { String::new() };
    let more = if *has_more { ", and more follow" } else { "" };
    let of = match asked {
        1 => "the first user".to_owned(),
        _ => format!("user {asked}, the first with a history"),
    };
    let (records, size) = (HumanCount(*records), HumanBytes(*body_bytes));
    format!("{records} records{span} of {of}, {size}{more}")
}

fn nobody() -> Failure {
    let none = std::io::Error::other("there is none");
    let hint = "check source.users: a group may be empty, and a licence assigned to nobody";
    Failure::setting(&none, "find users to ask", hint)
}

fn no_history(users: usize) -> Failure {
    let none = std::io::Error::other(format!("of {} none has one", counted(users as u64, "user")));
    let hint = "check that their licence contains Copilot with Graph-grounded chat, and is not new";
    Failure::source(&none, "read a user's history", hint)
}

fn no_page(reason: &str) -> Failure {
    let hint = "try again; `PROMPTLAKE_LOG=debug` says more";
    Failure::source(&std::io::Error::other(reason.to_owned()), "read a page of interactions", hint)
}

fn token_of_a_user() -> Failure {
    let wrong = std::io::Error::other("it speaks for a user who signed in, and this API takes apps alone");
    let hint =
        "sign in as the app: with `az login --service-principal`, or another kind of source.credential";
    Failure::not_allowed(&wrong, "use the token", hint)
}
