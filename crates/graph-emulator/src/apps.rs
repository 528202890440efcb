//! The apps that leave interactions behind, each with the habits of its records.

/// What the records of an app look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Answers only in a card with entities, citations and the model's raw text.
    EntityCard,
    /// Prompts and answers around a meeting, which both refer to.
    Meeting,
    /// Prompts about a document; answers in plain text, html or a simple card.
    Document,
    /// Prompts and answers of text alone.
    Chat,
    /// Answers that nobody asked for.
    Proactive,
}

/// An app class with the habits of its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct App {
    /// `appClass`, as Graph spells it.
    pub(crate) class: &'static str,
    /// Name of the application identity that answers.
    pub(crate) name: &'static str,
    /// `conversationType`.
    pub(crate) conversation_type: Option<&'static str>,
    /// What its records look like.
    pub(crate) habit: Habit,
    /// Whether its records say which prompt an answer belongs to.
    pub(crate) has_request_id: bool,
    /// Whether its records say which session they belong to.
    pub(crate) has_session_id: bool,
}

const fn app(class: &'static str, name: &'static str, habit: Habit) -> App {
    let conversation_type = Some("appchat");
    App { class, name, conversation_type, habit, has_request_id: true, has_session_id: true }
}

const fn without_request_id(app: App) -> App {
    App { has_request_id: false, ..app }
}

const fn of_type(app: App, conversation_type: Option<&'static str>) -> App {
    App { conversation_type, ..app }
}

use Habit::{Chat, Document, EntityCard, Meeting, Proactive};

/// Every app class that exporters of real tenants have seen, and one or two of each open family.
pub(crate) const APPS: [App; 37] = [
    of_type(app("IPM.SkypeTeams.Message.Copilot.BizChat", "Microsoft 365 Chat", EntityCard), Some("bizchat")),
    app("IPM.SkypeTeams.Message.Copilot.Teams", "Copilot in Teams", Meeting),
    app("IPM.SkypeTeams.Message.Copilot.Word", "Copilot in Word", Document),
    app("IPM.SkypeTeams.Message.Copilot.Excel", "Copilot in Excel", Document),
    app("IPM.SkypeTeams.Message.Copilot.PowerPoint", "Copilot in PowerPoint", Document),
    app("IPM.SkypeTeams.Message.Copilot.Outlook", "Copilot in Outlook", Document),
    of_type(app("IPM.SkypeTeams.Message.Copilot.WebChat", "Microsoft Copilot", Chat), Some("webchat")),
    app("IPM.SkypeTeams.Message.Copilot.OneNote", "Copilot in OneNote", Document),
    app("IPM.SkypeTeams.Message.Copilot.Loop", "Copilot in Loop", Document),
    app("IPM.SkypeTeams.Message.Copilot.Whiteboard", "Copilot in Whiteboard", Document),
    of_type(app("IPM.SkypeTeams.Message.Copilot.CoworkChat", "Copilot Cowork", Chat), Some("coworkchat")),
    without_request_id(app("IPM.SkypeTeams.Message.Copilot.Forms", "Copilot in Forms", Document)),
    app("IPM.SkypeTeams.Message.Copilot.SharePoint", "Copilot in SharePoint", Document),
    without_request_id(app("IPM.SkypeTeams.Message.Copilot.Planner", "Copilot in Planner", Document)),
    without_request_id(app("IPM.SkypeTeams.Message.Copilot.Stream", "Copilot in Stream", Meeting)),
    without_request_id(app("IPM.SkypeTeams.Message.Copilot.Designer", "Designer", Chat)),
    app("IPM.SkypeTeams.Message.Copilot.PrivateChat", "Copilot in Teams", Chat),
    app("IPM.SkypeTeams.Message.Copilot.VivaEngage", "Copilot in Viva Engage", Chat),
    of_type(
        app("IPM.SkypeTeams.Message.Copilot.OfficeCopilotSearchAnswer", "Copilot Search", EntityCard),
        None,
    ),
    app("IPM.SkypeTeams.Message.Copilot.M365AdminCenter", "Copilot in admin centers", Chat),
    of_type(
        app("IPM.SkypeTeams.Message.Copilot.M365App", "Microsoft 365 Copilot", EntityCard),
        Some("bizchat"),
    ),
    of_type(app("IPM.SkypeTeams.Message.Copilot.PredictiveChat", "Microsoft 365 Chat", Proactive), None),
    of_type(app("IPM.SkypeTeams.Message.Copilot.ProactiveChat", "Microsoft 365 Chat", Proactive), None),
    app("IPM.SkypeTeams.Message.Copilot.ThirdPartyCopilot", "Partner Copilot", Chat),
    app("IPM.SkypeTeams.Message.Copilot.Fabric.PowerBI", "Copilot in Power BI", Chat),
    app("IPM.SkypeTeams.Message.Copilot.Fabric.DataFactory", "Copilot in Data Factory", Chat),
    app("IPM.SkypeTeams.Message.Copilot.Fabric.Notebooks", "Copilot in Fabric", Chat),
    app("IPM.SkypeTeams.Message.Copilot.Studio.4f0b7a3e-2c61-4d5a-9b7e-6a1f0c9d8e21", "Travel Desk", Chat),
    app("IPM.SkypeTeams.Message.Copilot.Studio.HelpdeskAgent", "Helpdesk Agent", EntityCard),
    App {
        has_session_id: false,
        ..app("IPM.SkypeTeams.Message.Copilot.Security.SecurityCopilot", "Security Copilot", Chat)
    },
    app(
        "IPM.SkypeTeams.Message.ConnectedAIApp.Entra.7d2f9c04-8b35-4e1a-a6c7-51e0b39f4d68",
        "Expense Assistant",
        Chat,
    ),
    app(
        "IPM.SkypeTeams.Message.ConnectedAIApp.Entra.c1a8e5b2-0f47-4c93-8d2e-9b64f7a3105c",
        "Contract Reader",
        Chat,
    ),
    app("IPM.SkypeTeams.Message.ConnectedAIApp.AzureAI.contoso-foundry", "Foundry Agent", Chat),
    without_request_id(app("IPM.SkypeTeams.Message.Connector.ServiceNow", "ServiceNow", Chat)),
    without_request_id(app("IPM.SkypeTeams.Message.Connector.Salesforce", "Salesforce", Chat)),
    of_type(app("IPM.SkypeTeams.Message.TeamCopilot.AiNotes.Teams", "Facilitator", Proactive), None),
    app("IPM.SkypeTeams.Message.Copilot.Fabric.RealTimeIntelligence", "Copilot in Fabric", Chat),
];

/// How many of [`APPS`], from the first, people use every day; their sessions are most of a history.
pub(crate) const EVERYDAY_APPS: u64 = 7;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{APPS, Habit};

    #[test]
    fn classes_are_distinct_and_every_habit_occurs() {
        let classes: BTreeSet<_> = APPS.iter().map(|app| app.class.to_lowercase()).collect();
        assert_eq!(classes.len(), APPS.len());
        for habit in [Habit::EntityCard, Habit::Meeting, Habit::Document, Habit::Chat, Habit::Proactive] {
            assert!(APPS.iter().any(|app| app.habit == habit));
        }
        assert!(APPS.iter().any(|app| !app.has_request_id));
        assert!(APPS.iter().any(|app| !app.has_session_id));
    }
}
