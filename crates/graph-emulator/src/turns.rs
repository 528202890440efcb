//! Turns: which answer belongs to which prompt, counted from the tenant and not from its pages.

use crate::compose::{session_id, words_of_session};
use crate::history::{History, Seat, Speaker, Stamp};
use crate::random::Purpose;

/// A prompt with one of its answers, or one of them alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedTurn {
    /// The `sessionId` of both; none in some apps.
    pub session_id: Option<String>,
    /// The `requestId` of both; none in some apps, where nothing says what belongs together.
    pub request_id: Option<String>,
    /// What the person asked; none of an answer that nobody asked for.
    pub prompt: Option<TurnSide>,
    /// What the app answered; none of a prompt that it left unanswered.
    pub answer: Option<TurnSide>,
    /// Place of the answer among those of its prompt, 0 the oldest; of two of the same instant, the one whose `id` is
    /// less comes first.
    pub answer_ordinal: Option<u32>,
    /// From the prompt's `createdDateTime` to the answer's, whole milliseconds, cut towards zero. It can be negative:
    /// the two are written with digits of their own.
    pub latency_ms: Option<i64>,
}

/// A record in a turn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TurnSide {
    /// The instant that `createdDateTime` names, Unix microseconds, finer digits cut.
    pub created_at_us: i64,
    /// The record's `id`.
    pub interaction_id: String,
    /// The record's `etag`.
    pub etag: String,
}

/// The turns of a history, each record in its newest version, the oldest turn first.
pub(crate) fn of_history(history: &History) -> Vec<ExpectedTurn> {
    let mut turns = Vec::new();
    let mut together: Vec<Seat> = Vec::new();
    for seat in (0..history.records).map(|position| history.seat(position)) {
        if together.first().is_some_and(|first| first.turn != seat.turn) {
            push_turn(history, &together, &mut turns);
            together.clear();
        }
        together.push(seat);
    }
    push_turn(history, &together, &mut turns);
    turns
}

/// What the records of one turn are to somebody who sees those of them that show.
fn push_turn(history: &History, seats: &[Seat], turns: &mut Vec<ExpectedTurn>) {
    let Some(first) = seats.first() else { return };
    let shown = |speaker| {
        let of_speaker = seats.iter().filter(move |seat| seat.speaker == speaker && history.shows(seat));
        of_speaker.map(|seat| TurnSide::of(&history.stamp(seat)))
    };
    let bare = ExpectedTurn {
        session_id: session_id(first, &mut words_of_session(first)),
        request_id: first.app.has_request_id.then(|| history.chance(Purpose::Turn, first.turn).guid()),
        prompt: None,
        answer: None,
        answer_ordinal: None,
        latency_ms: None,
    };
    let prompt = shown(Speaker::Person).next();
    let mut answers: Vec<TurnSide> = shown(Speaker::Assistant).collect();
    answers.sort();
    let says_so = first.app.has_request_id && !answers.is_empty();
    let (asked, alone) = if says_so { (prompt, None) } else { (None, prompt) };
    turns.extend(alone.map(|prompt| ExpectedTurn { prompt: Some(prompt), ..bare.clone() }));
    for (ordinal, answer) in (0..).zip(answers) {
        let latency_ms = |prompt: &TurnSide| (answer.created_at_us - prompt.created_at_us) / 1_000;
        turns.push(ExpectedTurn {
            answer_ordinal: asked.as_ref().map(|_| ordinal),
            latency_ms: asked.as_ref().map(latency_ms),
            prompt: asked.clone(),
            answer: Some(answer),
            ..bare.clone()
        });
    }
}

impl TurnSide {
    fn of(stamp: &Stamp) -> Self {
        Self {
            created_at_us: stamp.created.div_euclid(10),
            interaction_id: stamp.id_ms.to_string(),
            etag: stamp.etag_ms.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::ExpectedTurn;
    use crate::interaction::Interaction;
    use crate::spec::TenantSpec;
    use crate::tenant::Tenant;

    /// Session, id and etag: what a record is known by.
    type Name = (Option<String>, String, String);

    /// The records of one user, and who answers whom: by session and request, as their fields say.
    fn by_fields(records: &[Interaction]) -> (BTreeSet<Name>, BTreeSet<[Name; 2]>) {
        let name = |record: &Interaction| (record.session_id.clone(), record.id.clone(), record.etag.clone());
        let mut requests: BTreeMap<_, [Vec<Name>; 2]> = BTreeMap::new();
        for record in records.iter().filter(|record| record.request_id.is_some()) {
            let of_request = requests.entry((&record.session_id, &record.request_id)).or_default();
            of_request[usize::from(record.interaction_type == "aiResponse")].push(name(record));
        }
        let pairs = requests.into_values().flat_map(|[prompts, answers]| {
            prompts
                .into_iter()
                .flat_map(move |prompt| answers.clone().into_iter().map(move |it| [prompt.clone(), it]))
        });
        (records.iter().map(name).collect(), pairs.collect())
    }

    #[test]
    fn turns_are_what_the_fields_of_the_records_say() {
        let spec = TenantSpec::default().with_users(12).with_interactions(3_000).with_edited_share(0.1);
        let whole = Tenant::new(spec.with_late_share(0.05)).unwrap();
        let end_ms = whole.spec().end;
        for tenant in [whole.seen_at(end_ms), whole] {
            for user in tenant.users() {
                let records: Vec<Interaction> =
                    (0..tenant.records(&user)).map(|k| tenant.interaction(&user, k).unwrap()).collect();
                let turns = tenant.expected_turns(&user);
                let name = |turn: &ExpectedTurn, side: &super::TurnSide| {
                    (turn.session_id.clone(), side.interaction_id.clone(), side.etag.clone())
                };
                let sides = |turn: &ExpectedTurn| {
                    [&turn.prompt, &turn.answer].map(|side| side.as_ref().map(|side| name(turn, side)))
                };
                let told: BTreeSet<Name> =
                    turns.iter().flat_map(|turn| sides(turn).into_iter().flatten()).collect();
                let pairs: BTreeSet<[Name; 2]> = turns
                    .iter()
                    .filter_map(|turn| match sides(turn) {
                        [Some(prompt), Some(answer)] => Some([prompt, answer]),
                        _ => None,
                    })
                    .collect();
                assert_eq!((told, pairs), by_fields(&records));
            }
        }
    }

    #[test]
    fn every_kind_of_turn_occurs() {
        let tenant = Tenant::new(TenantSpec::default()).unwrap();
        let turns: Vec<ExpectedTurn> = tenant.users().flat_map(|user| tenant.expected_turns(&user)).collect();
        let count = |holds: fn(&ExpectedTurn) -> bool| turns.iter().filter(|turn| holds(turn)).count();
        assert!(count(|turn| turn.answer.is_none() && turn.request_id.is_some()) > 100, "left unanswered");
        assert!(count(|turn| turn.prompt.is_none() && turn.request_id.is_some()) > 20, "not asked for");
        assert!(
            count(|turn| turn.prompt.is_none() && turn.request_id.is_none()) > 20,
            "asked for by nobody known"
        );
        assert!(count(|turn| turn.answer_ordinal == Some(1)) > 100, "answered twice");
        assert!(
            count(|turn| turn.session_id.is_none() && turn.latency_ms.is_some()) > 5,
            "without a session"
        );
        assert!(
            count(|turn| turn.latency_ms.is_some_and(|latency_ms| latency_ms < 0)) > 0,
            "answered before"
        );
    }
}
