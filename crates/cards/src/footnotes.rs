//! The numbers of citations in the model's own text.
//!
//! What a person saw numbers citations in the order in which they appear; the model numbers its sources. So the k-th
//! citation is the k-th footnote, as long as there are as many of the one as of the other.

use crate::card::Card;
use crate::text::citation_number;

const OPEN: &str = "[^";
const CLOSE: &str = "^]";

/// Gives each citation that a card displays the number of its footnote, where both can be paired.
pub(crate) fn pair(card: &mut Card) {
    let footnotes: Vec<u16> = card.model_text().into_iter().flat_map(numbers).collect();
    let is_citation = |link: &&mut crate::CardLink| link.is_displayed && link.citation_number.is_some();
    if card.links.iter_mut().filter(is_citation).count() != footnotes.len() {
        return;
    }
    for (link, number) in card.links.iter_mut().filter(is_citation).zip(footnotes) {
        link.footnote_number = Some(number);
    }
}

/// The footnotes of a text, `[^2^]`, in order; `[^external^]` has no number.
fn numbers(text: &str) -> impl Iterator<Item = u16> {
    text.split(OPEN).skip(1).filter_map(|rest| citation_number(rest.split_once(CLOSE)?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footnotes_are_numbers_between_their_marks() {
        let found = |text| numbers(text).collect::<Vec<_>>();
        assert_eq!(found("a[^2^] b[^1^][^external^], c[1] [^12^]"), [2, 1, 12]);
        assert_eq!(found("[^^] [^1] [^1234^] [^ 1^] ^]1[^"), [0_u16; 0]);
    }
}
