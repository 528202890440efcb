//! What a tenant has bought: its SKUs and the service plans in them.
//!
//! Some SKUs contain the service plan that the interactions call needs and some don't, so that a discovery
//! by licence has something to tell apart.

/// The service plan that the interactions call needs: Copilot with Graph-grounded chat.
pub const COPILOT_CHAT_PLAN: &str = "3f30311c-6b1e-48a4-ab79-725b469da960";

/// A part of a SKU that can be switched off for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServicePlan {
    /// GUID in lower case.
    pub service_plan_id: &'static str,
    /// Name in Microsoft's product list.
    pub service_plan_name: &'static str,
}

/// Something a tenant can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sku {
    /// GUID in lower case.
    pub sku_id: &'static str,
    /// Name in Microsoft's product list.
    pub sku_part_number: &'static str,
    /// What it contains.
    pub service_plans: &'static [ServicePlan],
}

impl Sku {
    /// Whether it contains [`COPILOT_CHAT_PLAN`].
    #[must_use]
    pub fn has_copilot_chat(&self) -> bool {
        self.service_plans.iter().any(|plan| plan.service_plan_id == COPILOT_CHAT_PLAN)
    }
}

const COPILOT_CHAT: ServicePlan =
    ServicePlan { service_plan_id: COPILOT_CHAT_PLAN, service_plan_name: "M365_COPILOT_BUSINESS_CHAT" };
const COPILOT_APPS: ServicePlan = ServicePlan {
    service_plan_id: "a62f8878-de10-42f3-b68f-6149a25ceb97",
    service_plan_name: "M365_COPILOT_APPS",
};
const COPILOT_TEAMS: ServicePlan = ServicePlan {
    service_plan_id: "b95945de-b3bd-46db-8437-f2beb6ea2347",
    service_plan_name: "M365_COPILOT_TEAMS",
};
const EXCHANGE: ServicePlan = ServicePlan {
    service_plan_id: "efb87545-963c-4e0d-99df-69c6916d9eb0",
    service_plan_name: "EXCHANGE_S_ENTERPRISE",
};
const TEAMS: ServicePlan =
    ServicePlan { service_plan_id: "57ff2da0-773e-42df-b2af-ffb7a2317929", service_plan_name: "TEAMS1" };

/// The subscriptions of every tenant.
pub const SKUS: [Sku; 5] = [
    Sku {
        sku_id: "639dec6b-bb19-468b-871c-c5c441c4b0cb",
        sku_part_number: "Microsoft_365_Copilot",
        service_plans: &[COPILOT_APPS, COPILOT_CHAT, COPILOT_TEAMS],
    },
    Sku {
        sku_id: "a809996b-059e-42e2-9866-db24b99a9782",
        sku_part_number: "Microsoft_365_Copilot_EDU",
        service_plans: &[COPILOT_CHAT, COPILOT_APPS],
    },
    Sku {
        sku_id: "9a18296a-025f-4e37-9ffa-30bf8d1ce775",
        sku_part_number: "Microsoft_365_Copilot_Bundle",
        service_plans: &[EXCHANGE, TEAMS, COPILOT_CHAT],
    },
    Sku {
        sku_id: "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
        sku_part_number: "SPE_E5",
        service_plans: &[EXCHANGE, TEAMS],
    },
    Sku {
        sku_id: "f245ecc8-75af-4f8e-b61f-27d8114de5f3",
        sku_part_number: "O365_BUSINESS_PREMIUM",
        service_plans: &[EXCHANGE],
    },
];
