//! What the directory answers, as far as it is asked.

use promptlake_model::UserProfile;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::envelope::{NotAPage, not_a_page};

/// Copilot with Graph-grounded chat: whoever has it has a history.
pub(crate) const COPILOT_SERVICE_PLAN: &str = "3f30311c-6b1e-48a4-ab79-725b469da960";

/// The attributes that are asked for: naming them makes the call cheaper and leaves the rest where it is.
pub(crate) const USER_FIELDS: &str =
    "id,userPrincipalName,displayName,mail,department,jobTitle,country,accountEnabled,assignedLicenses";

/// The largest page of the directory.
pub(crate) const DIRECTORY_PAGE: u32 = 999;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct ListPage<T> {
    #[serde(rename = "@odata.nextLink", default)]
    pub(crate) next_link: Option<String>,
    pub(crate) value: Vec<T>,
}

/// A subscription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscribedSku {
    pub(crate) sku_id: String,
    #[serde(default, deserialize_with = "null_is_none_of_it")]
    service_plans: Vec<ServicePlan>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicePlan {
    #[serde(default)]
    service_plan_id: Option<String>,
}

/// A user.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DirectoryUser {
    #[serde(default, deserialize_with = "null_is_none_of_it")]
    pub(crate) id: String,
    user_principal_name: Option<String>,
    display_name: Option<String>,
    mail: Option<String>,
    department: Option<String>,
    job_title: Option<String>,
    country: Option<String>,
    account_enabled: Option<bool>,
    #[serde(default, deserialize_with = "null_is_none_of_it")]
    assigned_licenses: Vec<AssignedLicense>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignedLicense {
    #[serde(default)]
    sku_id: Option<String>,
    #[serde(default, deserialize_with = "null_is_none_of_it")]
    disabled_plans: Vec<String>,
}

impl SubscribedSku {
    pub(crate) fn holds_copilot(&self) -> bool {
        let ids = self.service_plans.iter().filter_map(|plan| plan.service_plan_id.as_deref());
        ids.into_iter().any(is_copilot)
    }
}

impl DirectoryUser {
    /// Whether one of these subscriptions gives him the plan, and nobody took it away.
    pub(crate) fn has_copilot(&self, skus: &[String]) -> bool {
        self.assigned_licenses.iter().any(|license| {
            let sku = license.sku_id.as_deref().unwrap_or_default();
            let holds = skus.iter().any(|held| held.eq_ignore_ascii_case(sku));
            holds && !license.disabled_plans.iter().any(|plan| is_copilot(plan))
        })
    }

    pub(crate) fn profile(self) -> UserProfile {
        UserProfile {
            user_principal_name: self.user_principal_name,
            display_name: self.display_name,
            mail: self.mail,
            department: self.department,
            job_title: self.job_title,
            country: self.country,
            account_enabled: self.account_enabled,
        }
    }
}

fn is_copilot(plan: &str) -> bool {
    plan.eq_ignore_ascii_case(COPILOT_SERVICE_PLAN)
}

/// A field that is null is empty: it must not cost the page of a thousand users that it stands on.
fn null_is_none_of_it<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    field: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(field)?.unwrap_or_default())
}

/// Reads a body of the directory.
pub(crate) fn read_directory<T: DeserializeOwned>(body: &[u8]) -> Result<T, NotAPage> {
    serde_json::from_slice(body).map_err(|error| not_a_page(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_plan_is_no_plan() {
        let skus = ["639dec6b-bb19-468b-871c-c5c441c4b0cb".to_owned()];
        for (licenses, has) in [
            (r#"[{"skuId":"639DEC6B-bb19-468b-871c-c5c441c4b0cb","disabledPlans":[]}]"#, true),
            (
                r#"[{"skuId":"639dec6b-bb19-468b-871c-c5c441c4b0cb",
                     "disabledPlans":["3F30311C-6b1e-48a4-ab79-725b469da960"]}]"#,
                false,
            ),
            (r#"[{"skuId":"00000000-0000-0000-0000-000000000001"}]"#, false),
            (r#"[{"skuId":"639dec6b-bb19-468b-871c-c5c441c4b0cb","disabledPlans":null}]"#, true),
            ("[]", false),
            ("null", false),
        ] {
            let body = format!(r#"{{"id":"x","assignedLicenses":{licenses},"unknown":{{}}}}"#);
            let user: DirectoryUser = read_directory(body.as_bytes()).unwrap();
            assert_eq!(user.has_copilot(&skus), has, "{licenses}");
        }
    }
}
