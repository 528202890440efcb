//! Answers in cards: what they refer to, and their words with entity links, citations and footnotes.

use crate::interaction::Link;
use crate::random::Chance;
use crate::text::{self, Tongue, append};

/// A meeting or file that an answer refers to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// Name; of a file, with its ending.
    pub(crate) name: String,
    /// The ending of a file's name; none of a meeting.
    pub(crate) ending: &'static str,
    representation_id: String,
}

impl Target {
    /// A meeting of the calendar.
    pub(crate) fn meeting(tongue: &Tongue, chance: &mut Chance) -> Self {
        let url =
            format!("https://teams.microsoft.com/l/meeting/details?eventId=AAMkAD{}AAA%3d", chance.token(90));
        let name = (chance.pick(tongue.meetings)).to_owned();
        Self { url, name, ending: "", representation_id: chance.guid() }
    }

    /// A file of a person's drive or a site.
    pub(crate) fn file(tongue: &Tongue, user_id: &str, chance: &mut Chance) -> Self {
        let ending = chance.pick(&["docx", "xlsx", "pptx", "pdf"]);
        let name = format!("{} {}.{ending}", chance.pick(tongue.files), chance.below(1_000));
        let folder = match chance.small(2) {
            0 => format!("contoso-my.sharepoint.com/personal/{}/Documents", &user_id[..8]),
            _ => format!("contoso.sharepoint.com/sites/team{}/Shared%20Documents", chance.below(50)),
        };
        let query = if chance.percent(60) { "?web=1" } else { "" };
        let url = format!("https://{folder}/{}{query}", percent_encode(&name));
        Self { url, name, ending, representation_id: chance.guid() }
    }

    /// The entries of `links[]`: a meeting twice, as an event with its representation and as a meeting
    /// without; a file once, with its representation.
    pub(crate) fn links(&self) -> Vec<Link> {
        let link = |link_url, link_type| Link { link_url, display_name: self.name.clone(), link_type };
        let join = if self.url.contains('?') { '&' } else { '?' };
        let represented = format!("{}{join}EntityRepresentationId={}", self.url, self.representation_id);
        if self.ending.is_empty() {
            vec![link(represented, "Event"), link(self.url.clone(), "Meeting")]
        } else {
            vec![link(represented, "File")]
        }
    }
}

/// The two texts of a card with entities: what the person saw, and what the model wrote. Each target is named
/// once; `citations` are made, the first one of each target and the rest of the last one.
pub(crate) fn entities(
    paragraphs: &[String],
    targets: &[Target],
    citations: u8,
    tongue: &Tongue,
    chance: &mut Chance,
) -> (String, String) {
    let opening = paragraphs.first().map_or("", String::as_str);
    let (mut shown, mut model) = (opening.to_owned(), opening.to_owned());
    let mut cited = 0;
    for (place, target) in targets.iter().enumerate() {
        let own = if place + 1 == targets.len() { citations - cited } else { 1 };
        let said = text::sentence(tongue, chance);
        let (url, kind) = (&target.url, if target.ending.is_empty() { 3 } else { 2 });
        let name = target.name.strip_suffix(target.ending).unwrap_or(&target.name).trim_end_matches('.');
        let head = if place == 0 { "\n\n- " } else { "\n- " };
        append(&mut shown, format_args!("{head}**[{name}]({url})**: {said}"));
        append(&mut model, format_args!("{head}**{name}[{kind}]**: {said}"));
        for _ in 0..own {
            cited += 1;
            append(&mut shown, format_args!("[{cited}]({url})"));
            append(&mut model, format_args!("[^{}^]", 1 + targets.len() - place));
        }
    }
    let closing = paragraphs.get(1..).unwrap_or_default();
    for paragraph in closing.iter().filter(|_| targets.is_empty() || chance.percent(70)) {
        shown.push_str("\n\n");
        shown.push_str(paragraph);
        model.push_str("\n\n");
        model.push_str(paragraph);
    }
    (shown, model)
}

/// The text of a simple card: a list, some emphasis, and so many links.
pub(crate) fn simple(paragraphs: &[String], links: u8, tongue: &Tongue, chance: &mut Chance) -> String {
    let mut text = paragraphs.join("\n\n");
    if chance.percent(50) {
        append(
            &mut text,
            format_args!("\n\n1. **{}**\n2. {}", chance.pick(tongue.tiny), chance.pick(tongue.files)),
        );
    }
    for place in 0..links {
        let name = chance.pick(tongue.meetings);
        let path = chance.hex(16);
        append(&mut text, format_args!("\n\n[{name}](https://learn.contoso.example/{path}?step={place})"));
    }
    text
}

/// The text of a reasoning card: JSON with the model's thoughts and its final response.
pub(crate) fn reasoning(paragraphs: &[String], tongue: &Tongue, chance: &mut Chance) -> String {
    let thoughts = text::sentence(tongue, chance);
    serde_json::json!({ "thoughts": thoughts, "finalResponse": paragraphs.join("\n\n") }).to_string()
}

/// A path segment with everything but letters, digits, `-`, `.` and `_` percent-encoded.
fn percent_encode(segment: &str) -> String {
    segment.bytes().fold(String::with_capacity(segment.len() * 2), |mut encoded, byte| {
        match byte {
            b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => encoded.push(char::from(byte)),
            _ => append(&mut encoded, format_args!("%{byte:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::{Target, entities, percent_encode};
    use crate::random::Chance;
    use crate::text::TONGUES;

    #[test]
    fn each_target_is_named_once_and_all_citations_are_made() {
        let mut chance = Chance::from_state(4);
        let targets = [
            Target::meeting(&TONGUES[0], &mut chance),
            Target::file(&TONGUES[0], "4db02e4b-d144", &mut chance),
        ];
        let paragraphs = ["Hello.".to_owned(), "First. Second. Third.".to_owned()];
        let (shown, model) = entities(&paragraphs, &targets, 3, &TONGUES[0], &mut chance);
        assert_eq!(shown.matches("](").count(), 5, "{shown}");
        assert_eq!(shown.matches("**[").count(), 2);
        assert_eq!(model.matches("[^").count(), 3, "{model}");
        assert_eq!(model.matches("](").count(), 0);
    }

    #[test]
    fn meetings_are_linked_twice_and_files_once() {
        let mut chance = Chance::from_state(5);
        let links = Target::meeting(&TONGUES[0], &mut chance).links();
        assert_eq!(links.iter().map(|link| link.link_type).collect::<Vec<_>>(), ["Event", "Meeting"]);
        assert!(links[0].link_url.starts_with(&format!("{}&EntityRepresentationId=", links[1].link_url)));
        let links = Target::file(&TONGUES[14], "4db02e4b-d144", &mut chance).links();
        assert_eq!(links.iter().map(|link| link.link_type).collect::<Vec<_>>(), ["File"]);
        assert!(links[0].link_url.is_ascii() && links[0].display_name.starts_with("四半期"));
    }

    #[test]
    fn encodes_bytes() {
        assert_eq!(percent_encode("a b(1)é.pdf"), "a%20b%281%29%C3%A9.pdf");
    }
}
