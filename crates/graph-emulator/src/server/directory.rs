//! The directory calls: users, members of groups, subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::answer::{Answer, GraphError};
use super::query::Parameters;
use super::{Link, Subscriptions, base64};
use crate::directory::User;
use crate::groups::Group;
use crate::skus::SKUS;
use crate::tenant::Tenant;

/// Entries of a page without `$top`, and the most with it.
const TOP_DEFAULT: u32 = 100;
const TOP_MAX: u32 = 999;

/// What Graph gives of a user without `$select`, as far as a tenant has it.
const DEFAULT_PROPERTIES: &str = "id,displayName,givenName,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage,surname,userPrincipalName";

/// A directory call with what it may need.
#[derive(Debug, Clone, Copy)]
pub(super) struct DirectoryCall<'a> {
    pub(super) tenant: &'a Tenant,
    /// Indices of users that the directory no longer has.
    pub(super) deleted: &'a BTreeSet<u32>,
    pub(super) subscriptions: Subscriptions,
    pub(super) link: &'a Link,
    pub(super) query: &'a Parameters,
}

/// An entry of a list before it is written out: most are passed over.
enum Entry<'a> {
    Group(&'a Group),
    User(u32),
}

impl DirectoryCall<'_> {
    /// `GET /users`. A page token is the index of the next user, so that a page costs its own users.
    pub(super) fn users(&self) -> Result<Answer, GraphError> {
        let sku = self.query.get("$filter").map(license_filter).transpose()?;
        let select = self.select()?;
        let (top, from) = (self.top()?, u32::try_from(self.skipped()?).unwrap_or(u32::MAX));
        let (mut value, mut next) = (Vec::new(), None);
        for index in (from..self.tenant.spec().users).filter(|index| !self.deleted.contains(index)) {
            let Some(user) = self.tenant.user(index) else { break };
            if sku.as_ref().is_some_and(|sku| !user.has_sku(sku)) {
                continue;
            }
            if value.len() == top {
                next = Some(index as usize);
                break;
            }
            value.push(properties(&user, &select));
        }
        Ok(self.page("users", value, next))
    }

    /// `GET /users/{id}`.
    pub(super) fn user(&self, id: &str) -> Result<Answer, GraphError> {
        let select = self.select()?;
        let user = self.tenant.find_user(id).filter(|user| !self.deleted.contains(&user.index));
        let mut value = properties(&user.ok_or_else(|| no_resource(id))?, &select);
        value["@odata.context"] = self.link.context("users/$entity").into();
        Ok(Answer::json(200, &value))
    }

    /// `GET /groups/{id}/transitiveMembers`, all of them or, as `microsoft.graph.user`, the users.
    pub(super) fn members(&self, id: &str, only_users: bool) -> Result<Answer, GraphError> {
        let select = self.select()?;
        let group = self.tenant.find_group(id).ok_or_else(|| no_resource(id))?;
        let groups = if only_users { Vec::new() } else { self.tenant.transitive_groups(group) };
        let users = self.tenant.transitive_indices(group).filter(|index| !self.deleted.contains(index));
        let mut entries = groups.into_iter().map(Entry::Group).chain(users.map(Entry::User));
        let (top, skipped) = (self.top()?, self.skipped()?);
        let value = entries.by_ref().skip(skipped).take(top).filter_map(|entry| self.member(&entry, &select));
        let value = value.collect();
        let next = entries.next().map(|_| skipped + top);
        Ok(self.page("directoryObjects", value, next))
    }

    fn member(&self, entry: &Entry<'_>, select: &[String]) -> Option<Value> {
        Some(match entry {
            Entry::Group(group) => json!({
                "@odata.type": "#microsoft.graph.group",
                "id": group.id,
                "displayName": group.display_name,
            }),
            Entry::User(index) => {
                let mut value = properties(&self.tenant.user(*index)?, select);
                value["@odata.type"] = "#microsoft.graph.user".into();
                value
            }
        })
    }

    /// `GET /subscribedSkus`.
    pub(super) fn subscribed_skus(&self) -> Answer {
        let mut consumed_units = BTreeMap::<&str, u64>::new();
        for user in self.tenant.users().filter(|user| !self.deleted.contains(&user.index)) {
            for license in &user.assigned_licenses {
                *consumed_units.entry(license.sku_id).or_default() += 1;
            }
        }
        let subscribed = SKUS
            .iter()
            .filter(|sku| self.subscriptions == Subscriptions::WithCopilot || !sku.has_copilot_chat());
        let skus = subscribed.map(|sku| {
            let consumed = consumed_units.get(sku.sku_id).copied().unwrap_or(0);
            let plan = |plan: &crate::skus::ServicePlan| {
                json!({
                    "servicePlanId": plan.service_plan_id,
                    "servicePlanName": plan.service_plan_name,
                    "provisioningStatus": "Success",
                    "appliesTo": "User",
                })
            };
            json!({
                "accountId": self.tenant.id(),
                "accountName": "contoso",
                "appliesTo": "User",
                "capabilityStatus": "Enabled",
                "consumedUnits": consumed,
                "id": format!("{}_{}", self.tenant.id(), sku.sku_id),
                "skuId": sku.sku_id,
                "skuPartNumber": sku.sku_part_number,
                "subscriptionIds": [],
                "prepaidUnits": { "enabled": consumed + 25, "suspended": 0, "warning": 0, "lockedOut": 0 },
                "servicePlans": sku.service_plans.iter().map(plan).collect::<Vec<_>>(),
            })
        });
        let value: Vec<Value> = skus.collect();
        Answer::json(200, &json!({ "@odata.context": self.link.context("subscribedSkus"), "value": value }))
    }

    /// A page, with the place at which the next one begins, if one follows.
    fn page(&self, context: &str, value: Vec<Value>, next: Option<usize>) -> Answer {
        let mut page = json!({ "@odata.context": self.link.context(context) });
        if let Some(next) = next {
            let token = base64::encode(format!("RFNwdAo{next}").as_bytes());
            page["@odata.nextLink"] = self.link.next(self.query, &token).into();
        }
        page["value"] = value.into();
        Answer::json(200, &page)
    }

    fn top(&self) -> Result<usize, GraphError> {
        let top = self.query.top(TOP_DEFAULT, TOP_MAX).ok_or_else(|| invalid_top(TOP_MAX))?;
        Ok(top as usize)
    }

    /// Where the page token points, the start of the list without one.
    fn skipped(&self) -> Result<usize, GraphError> {
        let skipped = self.query.get("$skiptoken").map_or(Some(0), skip);
        skipped.ok_or_else(|| GraphError::bad_request("Skip token is invalid."))
    }

    fn select(&self) -> Result<Vec<String>, GraphError> {
        let names = self.query.get("$select").unwrap_or(DEFAULT_PROPERTIES).split(',');
        names.map(|name| property_name(name.trim())).collect()
    }
}

/// The error for a `$top` beyond what a call takes.
pub(super) fn invalid_top(max: u32) -> GraphError {
    GraphError::bad_request(format!("Invalid page size specified: $top must be from 1 to {max}."))
}

/// The error for an object that isn't there.
pub(super) fn no_resource(id: &str) -> GraphError {
    let message = format!(
        "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
    );
    GraphError::new(404, "Request_ResourceNotFound", message)
}

fn skip(token: &str) -> Option<usize> {
    String::from_utf8(base64::decode(token)?).ok()?.strip_prefix("RFNwdAo")?.parse().ok()
}

/// The SKU of `assignedLicenses/any(x:x/skuId eq {guid})`, the one filter on users that is taken.
fn license_filter(filter: &str) -> Result<String, GraphError> {
    let sku = || {
        let lambda = filter.trim().strip_prefix("assignedLicenses/any(")?.strip_suffix(')')?;
        let (variable, test) = lambda.split_once(':')?;
        let path = format!("{}/skuId", variable.trim());
        let value = test.trim().strip_prefix(&path)?.trim_start().strip_prefix("eq ")?.trim();
        let is_guid = value.len() == 36 && value.chars().all(|it| it.is_ascii_hexdigit() || it == '-');
        is_guid.then(|| value.to_ascii_lowercase())
    };
    let unsupported =
        || GraphError::new(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter.");
    sku().ok_or_else(unsupported)
}

/// The property's name as Graph spells it.
fn property_name(name: &str) -> Result<String, GraphError> {
    const OTHERS: &str = "department,country,accountEnabled,assignedLicenses";
    let mut known = DEFAULT_PROPERTIES.split(',').chain(OTHERS.split(','));
    let found = known.find(|known| known.eq_ignore_ascii_case(name)).map(str::to_owned);
    found.ok_or_else(|| {
        let message =
            format!("Parsing OData Select and Expand failed: Could not find a property named '{name}'.");
        GraphError::bad_request(message)
    })
}

fn properties(user: &User, select: &[String]) -> Value {
    let named = select.iter().map(|name| (name.clone(), property(user, name)));
    Value::Object(named.collect::<Map<String, Value>>())
}

fn property(user: &User, name: &str) -> Value {
    match name {
        "id" => json!(user.id),
        "displayName" => json!(user.display_name),
        "givenName" => json!(user.given_name),
        "surname" => json!(user.surname),
        "jobTitle" => json!(user.job_title),
        "mail" => json!(user.mail),
        "userPrincipalName" => json!(user.user_principal_name),
        "department" => json!(user.department),
        "country" => json!(user.country),
        "accountEnabled" => json!(user.account_enabled),
        "assignedLicenses" => {
            let license = |license: &crate::directory::AssignedLicense| json!({ "disabledPlans": license.disabled_plans, "skuId": license.sku_id });
            user.assigned_licenses.iter().map(license).collect()
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::license_filter;

    #[test]
    fn takes_one_filter_only() {
        let sku = "639dec6b-bb19-468b-871c-c5c441c4b0cb";
        for (filter, taken) in [
            (format!("assignedLicenses/any(x:x/skuId eq {sku})"), true),
            (format!("assignedLicenses/any(license: license/skuId eq {})", sku.to_uppercase()), true),
            (format!("assignedLicenses/any(x:y/skuId eq {sku})"), false),
            ("assignedLicenses/any(x:x/skuId eq 'a')".to_owned(), false),
            ("accountEnabled eq true".to_owned(), false),
        ] {
            assert_eq!(license_filter(&filter).ok(), taken.then(|| sku.to_owned()), "{filter}");
        }
    }
}
