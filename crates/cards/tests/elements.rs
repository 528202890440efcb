//! Every element type, role and kind of link: fixtures as cards are written, and snapshots of what is read of them.

use std::path::Path;

use promptlake_cards::{Card, CardKind, Detail, Element};

/// What was read of a card, a line for each thing.
fn shown(card: &Card) -> String {
    let mut lines = vec![
        [Some(card.status.as_str()), card.version.as_deref(), card.error.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" · "),
    ];
    lines.push(String::new());
    lines.extend(card.elements.iter().map(|element| {
        let Element { pointer, depth, role, element_type, text } = element;
        format!("{:8} {depth} {element_type} {pointer}: {text:?}", role.as_str())
    }));
    lines.push(String::new());
    lines.extend(card.links.iter().map(|link| {
        let number = |name: &str, number: Option<u16>| number.map(|number| format!(" {name}={number}"));
        let more = [
            number("citation", link.citation_number),
            number("footnote", link.footnote_number),
            link.label.as_ref().map(|label| format!(" {label:?}")),
        ];
        let more: String = more.into_iter().flatten().collect();
        format!("{:10} {} {}{more}", link.role.as_str(), link.pointer, link.url)
    }));
    lines.push(format!("\n--- displayed\n{}\n", card.display_text()));
    lines.join("\n")
}

fn check(directory: &str, kind: CardKind) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(directory);
    let mut paths: Vec<_> = std::fs::read_dir(fixtures)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("a folder lists its files").path())
        .collect();
    paths.sort();
    assert!(paths.len() > 4, "{directory} has lost its fixtures");
    for path in paths {
        let name = format!("{directory}_{}", path.file_stem().expect("a file has a name").display());
        let content = std::fs::read_to_string(&path).expect("a fixture is text");
        let card = Card::read(&content, kind, Detail::ALL);
        insta::assert_snapshot!(name, shown(&card));
        let texts = Card::read(&content, kind, Detail::default());
        assert_eq!((texts.display_text(), texts.model_text()), (card.display_text(), card.model_text()));
    }
}

#[test]
fn adaptive_cards_are_read_whole() {
    check("adaptive", CardKind::Adaptive);
}

#[test]
fn other_cards_are_read_as_far_as_their_json_says() {
    check("other", CardKind::Other);
}
