//! Routes: which call a path means, without regard to case.

use super::query::decode;

/// A call, with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Token {
        tenant_id: String,
    },
    /// A token for a virtual machine's identity.
    MachineToken,
    /// A token for an app service's identity.
    ServiceToken,
    Users,
    User {
        id: String,
    },
    Members {
        group_id: String,
        only_users: bool,
    },
    SubscribedSkus,
    Interactions {
        user_id: String,
    },
    Nothing,
}

/// The call that a path means, and the version of Graph that it asks.
pub(super) fn route(path: &str) -> (Route, &'static str) {
    let segments: Vec<String> = path.split('/').skip(1).map(|segment| decode(segment, false)).collect();
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let name = |place: usize| segments[place].clone();
    if let [_, "oauth2", "v2.0", "token"] = lower[..] {
        return (Route::Token { tenant_id: name(0) }, "v2.0");
    }
    match lower[..] {
        ["metadata", "identity", "oauth2", "token"] => return (Route::MachineToken, "v2.0"),
        ["msi", "token"] => return (Route::ServiceToken, "v2.0"),
        _ => {}
    }
    let (version, rest) = match lower.split_first() {
        Some((&"v1.0", rest)) => ("v1.0", rest),
        Some((&"beta", rest)) => ("beta", rest),
        _ => return (Route::Nothing, "v1.0"),
    };
    let route = match rest {
        ["users"] => Route::Users,
        ["users", _] => Route::User { id: name(2) },
        ["groups", _, "transitivemembers"] => Route::Members { group_id: name(2), only_users: false },
        ["groups", _, "transitivemembers", "microsoft.graph.user"] => {
            Route::Members { group_id: name(2), only_users: true }
        }
        ["subscribedskus"] => Route::SubscribedSkus,
        // A function without arguments can be called with its parentheses, as client libraries do.
        [
            "copilot",
            "users",
            _,
            "interactionhistory",
            "getallenterpriseinteractions" | "getallenterpriseinteractions()",
        ] => Route::Interactions { user_id: name(3) },
        _ => Route::Nothing,
    };
    (route, version)
}

#[cfg(test)]
mod tests {
    use super::{Route, route};

    #[test]
    fn paths_mean_calls_in_any_case() {
        let id = || "A@b".to_owned();
        for (path, expected) in [
            ("/A%40b/oauth2/v2.0/token", Route::Token { tenant_id: id() }),
            ("/v1.0/users", Route::Users),
            ("/beta/Users/A@b", Route::User { id: id() }),
            ("/v1.0/groups/A@b/transitiveMembers", Route::Members { group_id: id(), only_users: false }),
            (
                "/v1.0/groups/A@b/transitiveMembers/microsoft.graph.user",
                Route::Members { group_id: id(), only_users: true },
            ),
            ("/v1.0/subscribedSkus", Route::SubscribedSkus),
            (
                "/v1.0/COPILOT/users/A@b/interactionHistory/getAllEnterpriseInteractions",
                Route::Interactions { user_id: id() },
            ),
            (
                "/beta/copilot/users/A@b/interactionHistory/getAllEnterpriseInteractions()",
                Route::Interactions { user_id: id() },
            ),
            ("/metadata/identity/oauth2/token", Route::MachineToken),
            ("/msi/token", Route::ServiceToken),
            ("/v2.0/users", Route::Nothing),
            ("/v1.0", Route::Nothing),
            ("/", Route::Nothing),
        ] {
            assert_eq!(route(path).0, expected, "{path}");
        }
        assert_eq!(route("/Beta/users").1, "beta");
    }
}
