//! What the members of each element mean: the one place that knows the names of the adaptive card schema.
//!
//! An element's own texts come first, then its URLs, then what it holds, each in the order of these tables and not in
//! that of the JSON, which says nothing. A type that nobody knows has the members that most have.

use crate::card::{ElementRole, LinkRole};

/// What an element is, as far as its members differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// An adaptive card, the outermost or one within it.
    Card,
    TextBlock,
    /// A paragraph of runs.
    Paragraph,
    Run,
    CitationRun,
    /// A list of name and value.
    Facts,
    Fact,
    /// What only holds others.
    Group,
    Table,
    Row,
    Cell,
    Image,
    Media,
    MediaSource,
    CaptionSource,
    Input,
    Choice,
    Code,
    /// Badges, icons, bars: a word or two with a picture.
    Ornament,
    Chart,
    /// A series or a point of a chart.
    Series,
    Component,
    Action,
    /// An action that opens a URL.
    OpenUrl,
    /// An authentication and its buttons, and those of cards that are not adaptive: the value of one is its target.
    Button,
    Background,
    Reference,
    /// What an action sends back: anything, and for Teams what it shall do.
    ActionData,
    TeamsData,
    Unknown,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Markup {
    Markdown,
    Plain,
}

/// A member that holds text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextMember {
    pub(crate) name: &'static str,
    pub(crate) role: ElementRole,
    pub(crate) markup: Markup,
}

/// A member that holds a URL, and the member that says what is shown for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UrlMember {
    pub(crate) name: &'static str,
    pub(crate) role: LinkRole,
    pub(crate) label: Option<&'static str>,
}

const fn text(name: &'static str, role: ElementRole) -> TextMember {
    TextMember { name, role, markup: Markup::Plain }
}

const fn markdown(name: &'static str) -> TextMember {
    TextMember { name, role: ElementRole::Display, markup: Markup::Markdown }
}

const fn url(name: &'static str, role: LinkRole, label: &'static str) -> UrlMember {
    UrlMember { name, role, label: Some(label) }
}

const fn unnamed(name: &'static str, role: LinkRole) -> UrlMember {
    UrlMember { name, role, label: None }
}

/// The types by name, the family of each, and the spelling of the schema.
const TYPES: [(&str, Family); 41] = [
    ("TextBlock", Family::TextBlock),
    ("AdaptiveCard", Family::Card),
    ("Container", Family::Group),
    ("ColumnSet", Family::Group),
    ("Column", Family::Group),
    ("ActionSet", Family::Group),
    ("FactSet", Family::Facts),
    ("Fact", Family::Fact),
    ("RichTextBlock", Family::Paragraph),
    ("TextRun", Family::Run),
    ("CitationRun", Family::CitationRun),
    ("IconRun", Family::Ornament),
    ("ImageRun", Family::Image),
    ("Image", Family::Image),
    ("ImageSet", Family::Image),
    ("Table", Family::Table),
    ("TableRow", Family::Row),
    ("TableCell", Family::Cell),
    ("TableColumnDefinition", Family::Group),
    ("Carousel", Family::Group),
    ("CarouselPage", Family::Group),
    ("Accordion", Family::Group),
    ("AccordionPage", Family::Unknown),
    ("TabSet", Family::Group),
    ("TabPage", Family::Unknown),
    ("Media", Family::Media),
    ("MediaSource", Family::MediaSource),
    ("CaptionSource", Family::CaptionSource),
    ("CodeBlock", Family::Code),
    ("Badge", Family::Ornament),
    ("Icon", Family::Ornament),
    ("CompoundButton", Family::Ornament),
    ("ProgressBar", Family::Ornament),
    ("ProgressRing", Family::Ornament),
    ("Rating", Family::Ornament),
    ("Component", Family::Component),
    ("BackgroundImage", Family::Background),
    ("AuthCardButton", Family::Button),
    ("Action.OpenUrl", Family::OpenUrl),
    ("Action.OpenUrlDialog", Family::OpenUrl),
    ("openUrl", Family::Button),
];

/// Types of which new ones keep coming: their first part says what they are.
const PREFIXES: [(&str, Family); 3] =
    [("Input.", Family::Input), ("Action.", Family::Action), ("Chart.", Family::Chart)];

/// The family of a type, compared without regard to case, and the schema's spelling where it is listed.
pub(crate) fn family_of(stated: &str) -> (Family, Option<&'static str>) {
    if let Some((name, family)) = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(stated)) {
        return (*family, Some(name));
    }
    let begins = |prefix: &str| stated.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix));
    let family = PREFIXES.iter().find(|(prefix, _)| begins(prefix)).map(|(_, family)| *family);
    (family.unwrap_or(Family::Unknown), None)
}

/// A member that holds elements, and what these are where they don't say it themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChildMember {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) element_type: &'static str,
    /// The one family in which the name means this; none where it always does.
    within: Option<Family>,
}

impl ChildMember {
    /// Whether it holds elements also in an element of this family.
    pub(crate) fn belongs_to(&self, family: Family) -> bool {
        self.within.is_none_or(|within| within == family)
    }
}

const fn child(name: &'static str, family: Family, element_type: &'static str) -> ChildMember {
    ChildMember { name, family, element_type, within: None }
}

const fn within(
    within: Family,
    name: &'static str,
    family: Family,
    element_type: &'static str,
) -> ChildMember {
    ChildMember { name, family, element_type, within: Some(within) }
}

/// The members that hold elements, in reading order.
pub(crate) const CHILDREN: [ChildMember; 40] = [
    child("backgroundImage", Family::Background, "BackgroundImage"),
    child("inlines", Family::Run, "TextRun"),
    child("facts", Family::Fact, "Fact"),
    child("body", Family::Unknown, "TextBlock"),
    child("elements", Family::Unknown, "TextBlock"),
    child("sections", Family::Unknown, "Section"),
    child("items", Family::Unknown, "TextBlock"),
    child("columns", Family::Unknown, "Column"),
    child("rows", Family::Row, "TableRow"),
    child("cells", Family::Cell, "TableCell"),
    child("pages", Family::Unknown, "CarouselPage"),
    child("images", Family::Image, "Image"),
    child("sources", Family::MediaSource, "MediaSource"),
    child("captionSources", Family::CaptionSource, "CaptionSource"),
    child("choices", Family::Choice, "Input.Choice"),
    within(Family::Chart, "data", Family::Series, "ChartData"),
    within(Family::Series, "values", Family::Series, "ChartValue"),
    within(Family::Component, "properties", Family::Unknown, "Component"),
    within(Family::Unknown, "image", Family::Image, "Image"),
    within(Family::Unknown, "media", Family::MediaSource, "MediaSource"),
    within(Family::Unknown, "cardImageDetails", Family::Unknown, "CardImage"),
    within(Family::Unknown, "uploadedImageDetail", Family::Unknown, "CardImage"),
    within(Family::Unknown, "originalImage", Family::Image, "Image"),
    within(Family::Unknown, "messageSender", Family::Unknown, "Sender"),
    within(Family::Unknown, "user", Family::Unknown, "Sender"),
    child("selectAction", Family::Action, "Action"),
    child("tap", Family::Button, "Action"),
    child("inlineAction", Family::Action, "Action"),
    child("actions", Family::Action, "Action"),
    child("buttons", Family::Button, "Button"),
    child("potentialAction", Family::Action, "Action"),
    child("targets", Family::Unknown, "Target"),
    within(Family::Action, "data", Family::ActionData, "Data"),
    within(Family::ActionData, "msteams", Family::TeamsData, "Data"),
    child("card", Family::Card, "AdaptiveCard"),
    child("content", Family::Card, "AdaptiveCard"),
    child("refresh", Family::Group, "Refresh"),
    within(Family::Group, "action", Family::Action, "Action"),
    child("authentication", Family::Button, "Authentication"),
    child("metadata", Family::Group, "Metadata"),
];

/// The member that stands in for an element where the host doesn't know it.
pub(crate) const FALLBACK: ChildMember = child("fallback", Family::Unknown, "TextBlock");

/// What citations point to.
pub(crate) const REFERENCES: ChildMember = child("references", Family::Reference, "Reference");

use ElementRole::{Action, Alt, Display, Fallback, Input, Speak};

impl Family {
    /// Whether an element is what its place says, whatever type it states.
    pub(crate) const fn is_by_place(self) -> bool {
        matches!(
            self,
            Self::Background
                | Self::Reference
                | Self::Choice
                | Self::Fact
                | Self::MediaSource
                | Self::CaptionSource
                | Self::Series
                | Self::ActionData
                | Self::TeamsData
        )
    }

    /// Whether it is what its place says where its type is not of the schema: that is of another list of types.
    pub(crate) const fn is_by_place_unless_known(self) -> bool {
        !matches!(self, Self::Unknown | Self::Card | Self::Group | Self::Row | Self::Cell)
    }

    /// The members that hold text.
    pub(crate) const fn texts(self) -> &'static [TextMember] {
        match self {
            Self::Card => const { &[text("fallbackText", Fallback), text("speak", Speak)] },
            Self::TextBlock => const { &[markdown("text")] },
            Self::Run | Self::CitationRun => const { &[text("text", Display)] },
            Self::Fact => const { &[markdown("title"), markdown("name"), markdown("value")] },
            Self::Image => const { &[text("altText", Alt), text("alt", Alt)] },
            Self::Media => const { &[text("altText", Alt)] },
            Self::CaptionSource => const { &[text("label", Alt)] },
            Self::Input => INPUT,
            Self::Choice => const { &[text("title", Input)] },
            Self::Code => const { &[text("codeSnippet", Display)] },
            Self::Ornament => ORNAMENT,
            Self::Chart => CHART,
            Self::Series => const { &[text("legend", Display), text("title", Display), text("x", Display)] },
            Self::Component => {
                const { &[text("displayName", Display), text("title", Display), text("name", Alt)] }
            }
            Self::Action | Self::OpenUrl => ACTION,
            Self::Button => const { &[text("title", Action), text("text", Action)] },
            Self::Reference => REFERENCE,
            Self::TeamsData => const { &[text("displayText", Action), text("text", Action)] },
            Self::Unknown => UNKNOWN,
            Self::Paragraph
            | Self::Facts
            | Self::Group
            | Self::Table
            | Self::Row
            | Self::Cell
            | Self::MediaSource
            | Self::Background
            | Self::ActionData => &[],
        }
    }

    /// The members that hold a URL and are not known by their names alone, or have a label.
    pub(crate) const fn urls(self) -> &'static [UrlMember] {
        match self {
            Self::Image => IMAGE_URLS,
            Self::Media => const { &[url("poster", LinkRole::Image, "altText")] },
            Self::MediaSource => const { &[unnamed("url", LinkRole::Media)] },
            Self::CaptionSource => const { &[url("url", LinkRole::Media, "label")] },
            Self::Background => const { &[unnamed("url", LinkRole::Background)] },
            Self::Unknown | Self::Component => const { &[url("url", LinkRole::Reference, "displayName")] },
            Self::Reference => const { &[url("url", LinkRole::Reference, "title")] },
            Self::Action | Self::OpenUrl => const { &[url("url", LinkRole::Action, "title")] },
            Self::Button => {
                const { &[url("value", LinkRole::Action, "title"), unnamed("image", LinkRole::Image)] }
            }
            Self::TeamsData => const { &[url("value", LinkRole::Action, "displayText")] },
            _ => &[],
        }
    }
}

const IMAGE_URLS: &[UrlMember] =
    &[url("url", LinkRole::Image, "altText"), url("source", LinkRole::Image, "altText")];

const INPUT: &[TextMember] = &[
    text("label", Input),
    text("title", Input),
    text("placeholder", Input),
    text("value", Input),
    text("errorMessage", Input),
];

const ORNAMENT: &[TextMember] = &[
    text("title", Display),
    text("text", Display),
    text("description", Display),
    text("label", Display),
    text("name", Alt),
    text("tooltip", Alt),
];

const CHART: &[TextMember] =
    &[text("title", Display), text("xAxisTitle", Display), text("yAxisTitle", Display)];

const ACTION: &[TextMember] = &[
    text("title", Action),
    text("name", Action),
    text("dialogTitle", Action),
    text("tooltip", Action),
    text("verb", Action),
];

const REFERENCE: &[TextMember] = &[text("title", Alt), text("abstract", Alt), text("keywords", Alt)];

const UNKNOWN: &[TextMember] = &[
    text("title", Display),
    text("subtitle", Display),
    text("activityTitle", Display),
    text("activitySubtitle", Display),
    text("activityText", Display),
    markdown("text"),
    text("summary", Display),
    text("messagePreview", Display),
    text("label", Display),
    text("displayName", Display),
    text("name", Display),
    text("description", Display),
    text("value", Display),
    text("codeSnippet", Display),
    text("caption", Display),
    text("altText", Alt),
    text("alt", Alt),
    text("tooltip", Alt),
    text("placeholder", Input),
    text("errorMessage", Input),
    text("fallbackText", Fallback),
    text("speak", Speak),
];

/// Whether a member of an unknown element holds a URL: `url`, `…Url`, `…Uri`, `href` or `src`; and of which role.
pub(crate) fn url_role_by_name(name: &str) -> Option<LinkRole> {
    if matches!(name, "icon" | "activityImage" | "heroImage") {
        return Some(LinkRole::Image);
    }
    let is_url = name.eq_ignore_ascii_case("url")
        || name.eq_ignore_ascii_case("uri")
        || name.ends_with("Url")
        || name.ends_with("Uri")
        || matches!(name, "href" | "src");
    let is_of = |part: &str| name.to_ascii_lowercase().contains(part);
    match () {
        () if !is_url => None,
        () if is_of("background") => Some(LinkRole::Background),
        () if ["image", "icon", "picture", "poster", "thumbnail"].iter().any(|part| is_of(part)) => {
            Some(LinkRole::Image)
        }
        () => Some(LinkRole::Reference),
    }
}
