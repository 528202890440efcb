//! Apps: the class of a record to a slug out of a closed set, and to the agent that it names.

/// The slug where the class is none of [`APPS`].
const OTHER: &str = "other";

/// The slug where there is no class.
const UNKNOWN: &str = "unknown";

/// Class prefix and slug. A prefix ends where a part of the class ends: `….Word` is not the start of `….WordPad`.
const APPS: &[(&str, &str)] = &[
    ("IPM.SkypeTeams.Message.Copilot.BizChat", "bizchat"),
    ("IPM.SkypeTeams.Message.Copilot.Teams", "teams"),
    ("IPM.SkypeTeams.Message.Copilot.Word", "word"),
    ("IPM.SkypeTeams.Message.Copilot.Excel", "excel"),
    ("IPM.SkypeTeams.Message.Copilot.PowerPoint", "powerpoint"),
    ("IPM.SkypeTeams.Message.Copilot.Outlook", "outlook"),
    ("IPM.SkypeTeams.Message.Copilot.OneNote", "onenote"),
    ("IPM.SkypeTeams.Message.Copilot.Loop", "loop"),
    ("IPM.SkypeTeams.Message.Copilot.Whiteboard", "whiteboard"),
    ("IPM.SkypeTeams.Message.Copilot.WebChat", "webchat"),
    ("IPM.SkypeTeams.Message.Copilot.CoworkChat", "coworkchat"),
    ("IPM.SkypeTeams.Message.Copilot.PrivateChat", "privatechat"),
    ("IPM.SkypeTeams.Message.Copilot.PredictiveChat", "predictivechat"),
    ("IPM.SkypeTeams.Message.Copilot.ProactiveChat", "proactivechat"),
    ("IPM.SkypeTeams.Message.Copilot.Forms", "forms"),
    ("IPM.SkypeTeams.Message.Copilot.SharePoint", "sharepoint"),
    ("IPM.SkypeTeams.Message.Copilot.Planner", "planner"),
    ("IPM.SkypeTeams.Message.Copilot.Stream", "stream"),
    ("IPM.SkypeTeams.Message.Copilot.Designer", "designer"),
    ("IPM.SkypeTeams.Message.Copilot.VivaEngage", "viva_engage"),
    ("IPM.SkypeTeams.Message.Copilot.OfficeCopilotSearchAnswer", "search_answer"),
    ("IPM.SkypeTeams.Message.Copilot.M365AdminCenter", "m365_admin_center"),
    ("IPM.SkypeTeams.Message.Copilot.M365App", "m365_app"),
    ("IPM.SkypeTeams.Message.Copilot.ThirdPartyCopilot", "third_party"),
    ("IPM.SkypeTeams.Message.Copilot.Fabric", "fabric"),
    ("IPM.SkypeTeams.Message.Copilot.Studio", "studio"),
    ("IPM.SkypeTeams.Message.Copilot.Security.SecurityCopilot", "security"),
    ("IPM.SkypeTeams.Message.ConnectedAIApp", "connected_agent"),
    ("IPM.SkypeTeams.Message.Connector", "connector"),
    ("IPM.SkypeTeams.Message.TeamCopilot.AiNotes.Teams", "teams_ai_notes"),
];

/// What the agent's id follows in a class.
const AGENT_PREFIXES: &[&str] = &[
    "IPM.SkypeTeams.Message.ConnectedAIApp.Entra.",
    "IPM.SkypeTeams.Message.ConnectedAIApp.AzureAI.",
    "IPM.SkypeTeams.Message.Connector.",
    "IPM.SkypeTeams.Message.Copilot.Studio.",
];

/// The slug of a class.
pub(crate) fn slug(app_class: Option<&str>) -> &'static str {
    let class = app_class.unwrap_or_default().trim();
    if class.is_empty() {
        return UNKNOWN;
    }
    let is_of =
        |prefix: &str| after(class, prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    APPS.iter().find(|(prefix, _)| is_of(prefix)).map_or(OTHER, |(_, slug)| slug)
}

/// The agent that a class names.
pub(crate) fn agent_id(app_class: Option<&str>) -> Option<&str> {
    let class = app_class?;
    AGENT_PREFIXES.iter().find_map(|prefix| after(class, prefix)).filter(|agent| !agent.is_empty())
}

/// What follows a prefix, whatever its case.
fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_a_slug_and_perhaps_an_agent() {
        for (class, expected, agent) in [
            ("IPM.SkypeTeams.Message.Copilot.BizChat", "bizchat", None),
            ("ipm.skypeteams.message.copilot.WORD", "word", None),
            ("IPM.SkypeTeams.Message.Copilot.WordPad", "other", None),
            ("IPM.SkypeTeams.Message.Copilot.Fabric.PowerBI", "fabric", None),
            ("IPM.SkypeTeams.Message.Copilot.Studio.Helpdesk.v2", "studio", Some("Helpdesk.v2")),
            ("IPM.SkypeTeams.Message.Copilot.Studio.", "studio", None),
            ("IPM.SkypeTeams.Message.Copilot.Studio", "studio", None),
            ("IPM.SkypeTeams.Message.Copilot.Security.SecurityCopilot", "security", None),
            ("IPM.SkypeTeams.Message.connectedaiapp.entra.7d2F", "connected_agent", Some("7d2F")),
            ("IPM.SkypeTeams.Message.ConnectedAIApp.AzureAI.foundry", "connected_agent", Some("foundry")),
            ("IPM.SkypeTeams.Message.Connector.ServiceNow", "connector", Some("ServiceNow")),
            ("IPM.SkypeTeams.Message.TeamCopilot.AiNotes.Teams", "teams_ai_notes", None),
            ("IPM.SkypeTeams.Message.Copilot.🦀", "other", None),
            ("", "unknown", None),
            ("  ", "unknown", None),
        ] {
            assert_eq!((slug(Some(class)), agent_id(Some(class))), (expected, agent), "{class:?}");
        }
        assert_eq!((slug(None), agent_id(None)), ("unknown", None));
    }
}
