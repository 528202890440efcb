//! Whom to ask.

use std::collections::BTreeMap;
use std::fmt;

use futures::StreamExt;
use promptlake_model::{NotAGuid, Timestamp, UserId, UserProfile};
use serde::de::DeserializeOwned;
use url::Url;

use super::attempts::{CallFault, Refusal};
use super::client::{GraphClient, Shared};
use super::directory::{DIRECTORY_PAGE, DirectoryUser, ListPage, SubscribedSku, USER_FIELDS, read_directory};
use super::permission::{self, Permission};
use super::trail::Trail;
use super::verdict::Verdict;
use crate::ExtractError;

/// Ten million users. A source that names ever new pages must come to an end.
const PAGES_MAX: usize = 10_000;

/// The users to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserSelection {
    /// Everybody with the Copilot service plan. Needs `Organization.Read.All` and `User.Read.All`.
    Licensed,
    /// The members of a group, also through other groups. Needs `GroupMember.Read.All` and `User.Read.All`.
    Group(GroupId),
    /// These. Needs `User.Read.All`.
    Ids(Vec<UserRef>),
}

/// A group's object id in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupId(UserId);

/// A user as somebody named him.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserRef {
    /// By his object id.
    Id(UserId),
    /// By his `userPrincipalName`.
    PrincipalName(String),
}

/// Who was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The users, sorted by id, each once.
    pub users: Vec<DiscoveredUser>,
    /// Graph's time after the last answer: see [`GraphClient::server_time`].
    pub server_time: Option<Timestamp>,
    /// The names nobody goes by.
    pub unresolved: Vec<Unresolved>,
}

/// A user to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredUser {
    /// His object id.
    pub id: UserId,
    /// What the directory says of him; nothing of one whose account was deleted.
    pub profile: UserProfile,
}

/// A name that could not be made an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The name.
    pub user: UserRef,
    /// The directory's status.
    pub http_status: u16,
}

/// A call, and what it takes.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    permission: Permission,
}

const LIST_SKUS: Operation =
    Operation { name: "list the tenant's subscriptions", permission: permission::SUBSCRIPTIONS };
const LIST_USERS: Operation = Operation { name: "list the licensed users", permission: permission::USERS };
const LIST_MEMBERS: Operation =
    Operation { name: "list the members of the group", permission: permission::GROUP_MEMBERS };
const FIND_USER: Operation = Operation { name: "look up a user", permission: permission::USERS };

type Found = BTreeMap<UserId, UserProfile>;

impl GroupId {
    /// Reads a GUID.
    pub fn parse(text: &str) -> Result<Self, NotAGuid> {
        UserId::parse(text).map(Self)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl UserRef {
    /// A GUID is an id; anything else a principal name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        UserId::parse(text).map_or_else(|_| Self::PrincipalName(text.to_owned()), Self::Id)
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::PrincipalName(name) => f.write_str(name),
        }
    }
}

impl GraphClient {
    /// Finds the users of a selection. Cancel-safe.
    pub async fn discover(&self, selection: &UserSelection) -> Result<Discovery, ExtractError> {
        let mut unresolved = Vec::new();
        let found = match selection {
            UserSelection::Licensed => self.shared.licensed_users().await?,
            UserSelection::Group(group) => self.shared.group_members(*group).await?,
            UserSelection::Ids(users) => self.shared.look_up(users, &mut unresolved).await?,
        };
        let users: Vec<_> = found.into_iter().map(|(id, profile)| DiscoveredUser { id, profile }).collect();
        Ok(Discovery { users, server_time: self.server_time(), unresolved })
    }
}

impl Shared {
    async fn licensed_users(&self) -> Result<Found, ExtractError> {
        let subscribed = self.subscribed_skus().await?;
        let with_copilot = subscribed.iter().filter(|sku| sku.holds_copilot());
        let skus: Vec<String> = with_copilot.map(|sku| sku.sku_id.clone()).collect();
        if skus.is_empty() {
            return Err(ExtractError::NoCopilotPlan { skus: subscribed.len() });
        }
        let mut found = Found::new();
        for sku in &skus {
            let filter = format!("$filter=assignedLicenses/any(x:x/skuId eq {sku})");
            let query = format!("{filter}&$select={USER_FIELDS}&$top={DIRECTORY_PAGE}");
            let users = self.list(LIST_USERS, self.caller.origin.url(&["v1.0", "users"], &query)).await?;
            let users = users.into_iter().filter(|user: &DirectoryUser| user.has_copilot(&skus));
            keep(&mut found, LIST_USERS, users)?;
        }
        Ok(found)
    }

    pub(crate) async fn subscribed_skus(&self) -> Result<Vec<SubscribedSku>, ExtractError> {
        Ok(self.list(LIST_SKUS, self.caller.origin.url(&["v1.0", "subscribedSkus"], "")).await?)
    }

    async fn group_members(&self, group: GroupId) -> Result<Found, ExtractError> {
        let id = group.to_string();
        let path = ["v1.0", "groups", &id, "transitiveMembers", "microsoft.graph.user"];
        let query = format!("$select={USER_FIELDS}&$top={DIRECTORY_PAGE}");
        let listed = self.list(LIST_MEMBERS, self.caller.origin.url(&path, &query)).await;
        let members = listed.map_err(|fault| match fault {
            ListFault::NotFound(_) => ExtractError::GroupNotFound { group: id.clone() },
            ListFault::Other(error) => error,
        })?;
        let mut found = Found::new();
        keep(&mut found, LIST_MEMBERS, members)?;
        Ok(found)
    }

    async fn look_up(
        &self,
        users: &[UserRef],
        unresolved: &mut Vec<Unresolved>,
    ) -> Result<Found, ExtractError> {
        let mut found = Found::new();
        let answers = futures::stream::iter(users).map(async |user| (user, self.look_up_one(user).await));
        let mut answers = answers.buffered(self.settings.concurrency);
        while let Some((user, answer)) = answers.next().await {
            match (answer?, user) {
                (Ok(known), _) => keep(&mut found, FIND_USER, [known])?,
                // Histories outlive accounts: an id is asked whether or not the directory knows it.
                (Err(_), UserRef::Id(id)) => {
                    found.entry(*id).or_default();
                }
                (Err(http_status), user) => unresolved.push(Unresolved { user: user.clone(), http_status }),
            }
        }
        Ok(found)
    }

    /// The user, or the status with which the directory does not know him.
    async fn look_up_one(&self, user: &UserRef) -> Result<Result<DirectoryUser, u16>, ExtractError> {
        let name = user.to_string();
        let url = self.caller.origin.url(&["v1.0", "users", &name], &format!("$select={USER_FIELDS}"));
        match self.caller.get(self.directory(), &url, read_directory::<DirectoryUser>).await {
            Ok(fetched) => Ok(Ok(fetched.value)),
            // A permission that is missing is missing for all of them. Anything else concerns him alone.
            Err(
                CallFault::Refused(Refusal { status, .. })
                | CallFault::Failed { status: Some(status), .. }
                | CallFault::TooMuch { status, .. },
            ) if status != 403 => Ok(Err(status)),
            Err(fault) => Err(ListFault::of(FIND_USER, fault).into()),
        }
    }

    /// A whole list, page after page.
    async fn list<T>(&self, operation: Operation, first: Url) -> Result<Vec<T>, ListFault>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let (mut url, mut trail, mut items) = (first, Trail::default(), Vec::new());
        for _ in 0..PAGES_MAX {
            let page = self.caller.get(self.directory(), &url, read_directory::<ListPage<T>>).await;
            let ListPage { next_link, value } = page.map_err(|fault| ListFault::of(operation, fault))?.value;
            items.extend(value);
            let Some(next_link) = next_link else { return Ok(items) };
            url = trail
                .follow(&next_link)
                .map_err(|astray| ListFault::Other(failed(operation, astray.to_string())))?;
        }
        Err(ListFault::Other(failed(operation, format!("there are more than {PAGES_MAX} pages"))))
    }
}

/// Why a directory call gave nothing.
enum ListFault {
    /// What was asked for is not there.
    NotFound(ExtractError),
    /// Anything else.
    Other(ExtractError),
}

impl From<ListFault> for ExtractError {
    fn from(fault: ListFault) -> Self {
        match fault {
            ListFault::NotFound(error) | ListFault::Other(error) => error,
        }
    }
}

impl ListFault {
    fn of(operation: Operation, fault: CallFault) -> Self {
        let Operation { name, permission } = operation;
        match fault {
            CallFault::Tenant(error) => Self::Other(*error),
            CallFault::Refused(Refusal { status: 403, .. }) => {
                Self::Other(ExtractError::DirectoryForbidden { operation: name, permission: permission.name })
            }
            CallFault::Refused(Refusal { verdict: Verdict::NotFound, .. }) => {
                Self::NotFound(failed(operation, "Graph answered 404".to_owned()))
            }
            CallFault::Refused(Refusal { status, .. }) => {
                Self::Other(failed(operation, format!("Graph answered {status}")))
            }
            CallFault::Failed { reason, .. } | CallFault::TooMuch { reason, .. } => {
                Self::Other(failed(operation, reason))
            }
        }
    }
}

fn failed(operation: Operation, reason: String) -> ExtractError {
    ExtractError::Directory { operation: operation.name, reason }
}

fn keep(
    found: &mut Found,
    operation: Operation,
    users: impl IntoIterator<Item = DirectoryUser>,
) -> Result<(), ExtractError> {
    for user in users {
        let id = UserId::parse(&user.id).map_err(|_| failed(operation, "a user without an id".to_owned()))?;
        found.insert(id, user.profile());
    }
    Ok(())
}
