//! The interactions call: one page of a user's history, newest first unless an option wants another order.
//!
//! A page is found by its place in the whole history, so that a page costs its records and not those before.
//! Pages can be ragged, as real ones are: shorter than asked for, or empty though more follow. Only a missing
//! link to the next page ends a list.

use std::ops::Range;

use super::answer::{Answer, GraphError};
use super::directory::{invalid_top, no_resource};
use super::list_order::ListOrder;
use super::query::{Filter, Parameters};
use super::state::Call;
use super::{ServerOptions, base64};
use crate::directory::{Access, User};
use crate::hardness::Hardness;
use crate::history::History;
use crate::instant::TICKS_PER_MS;
use crate::outline::Outline;
use crate::random::{Chance, Purpose};
use crate::tenant::Tenant;
use crate::text::append;

/// Records of a page without `$top`, and the most with it.
pub(super) const TOP_DEFAULT: u32 = 10;
pub(super) const TOP_MAX: u32 = 100;

/// Query options that Graph takes elsewhere, but not on this call.
const REFUSED_OPTIONS: [&str; 5] = ["$orderby", "$count", "$expand", "$search", "$select"];

/// What a page token says: how far the list has been given, how many empty pages came since a full one, and which page
/// of the list it is, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    skip: u64,
    empty_pages: u64,
    pub(super) page: u64,
}

/// A request for a page, read.
#[derive(Debug)]
pub(super) struct PageRequest {
    user: User,
    top: usize,
    filter: Filter,
    cursor: Cursor,
    is_ragged: bool,
    order: ListOrder,
    /// The positions of the list's records in their order, of a list that can change or is not newest first; then tokens
    /// count records of the list, and else positions of the history.
    arranged: Option<Vec<u64>>,
}

/// A list whose positions are all known, before a change.
pub(super) mod at_rest {
    /// The list with the place of a request in it.
    #[derive(Debug)]
    pub(crate) struct List {
        pub(crate) user_index: u32,
        /// The positions of its records, in their order.
        pub(crate) positions: Vec<u64>,
        pub(crate) top: u64,
        pub(crate) page: u64,
        pub(crate) skip: u64,
    }
}

/// The records of a page and where the next page begins, if one follows.
struct Page {
    records: Vec<Outline>,
    next: Option<Cursor>,
}

impl PageRequest {
    /// Reads a request for the history of a user, named as in the path.
    pub(super) fn read(
        tenant: &Tenant,
        user: &str,
        query: &Parameters,
        options: &ServerOptions,
    ) -> Result<Self, GraphError> {
        let user = user_who_answers(tenant, user)?;
        if let Some(model) = query.get("model").filter(|model| !matches!(*model, "A" | "B")) {
            return Err(GraphError::bad_request(format!("The model '{model}' is neither 'A' nor 'B'.")));
        }
        if let Some(option) = REFUSED_OPTIONS.iter().find(|option| query.get(option).is_some()) {
            return Err(GraphError::bad_request(format!("Query option '{option}' is not allowed.")));
        }
        let top = query.top(TOP_DEFAULT, TOP_MAX).ok_or_else(|| invalid_top(TOP_MAX))?;
        let top = top.min(options.page_records_max.unwrap_or(TOP_MAX)) as usize;
        let filter = query.get("$filter").map(Filter::read).transpose().map_err(GraphError::bad_request)?;
        let cursor = Cursor::of(query).ok_or_else(|| GraphError::bad_request("Skip token is invalid."))?;
        let filter = filter.unwrap_or_default();
        if options.rejects_date_filters && filter.created_between.is_some() {
            return Err(GraphError::bad_request(
                "Filtering by createdDateTime is not supported for this tenant.",
            ));
        }
        let (is_ragged, order) = (options.ragged_pages, options.order);
        Ok(Self { user, top, filter, cursor, is_ragged, order, arranged: None })
    }

    /// Whether the page costs too little to be made on another thread: no position is left to look at.
    pub(super) fn is_light(&self, tenant: &Tenant) -> bool {
        let places = self.places(&tenant.history(self.user.index));
        places.end <= self.cursor.skip.max(places.start)
    }

    /// Puts the list in its order, and then as `arrange` wants it.
    pub(super) fn arrange(&mut self, tenant: &Tenant, arrange: impl FnOnce(at_rest::List) -> Vec<u64>) {
        let history = tenant.history(self.user.index);
        let newest_first = self.places(&history).map(|place| history.records - 1 - place);
        let passing = newest_first.filter(|position| self.passing(&history, *position).is_some());
        let mut positions: Vec<u64> = passing.collect();
        self.order.arrange(&history, &mut positions);
        let list = at_rest::List {
            user_index: self.user.index,
            positions,
            top: self.top as u64,
            page: self.cursor.page,
            skip: self.cursor.skip,
        };
        self.arranged = Some(arrange(list));
    }

    /// The page as Graph answers it, but for a nextLink that is given.
    pub(super) fn answer(
        &self,
        tenant: &Tenant,
        call: &Call,
        next: Option<String>,
    ) -> Result<Answer, GraphError> {
        let history = tenant.history(self.user.index);
        let page = self.page(&history);
        let is_unreadable = |outline: &&Outline| {
            tenant.hardness(self.user.index, outline.seat.position) == Some(Hardness::Unreadable)
        };
        if page.records.iter().any(|outline| is_unreadable(&outline)) {
            return Err(GraphError::new(500, "InternalServerError", "A record of the page can't be read."));
        }
        let context = call.link.context("Collection(microsoft.graph.aiInteraction)");
        let mut body = format!(r#"{{"@odata.context":"{context}","@odata.count":{}"#, page.records.len());
        let next = next.or_else(|| page.next.map(|next| call.link.next(&call.query, &next.text())));
        if let Some(next) = next {
            append(&mut body, format_args!(r#","@odata.nextLink":"{next}""#));
        }
        body.push_str(r#","value":["#);
        for (place, outline) in page.records.iter().enumerate() {
            if place > 0 {
                body.push(',');
            }
            body.push_str(&tenant.compose(&history, outline, &self.user).json());
        }
        body.push_str("]}");
        Ok(Answer { is_page: true, ..Answer::new(200, body.into_bytes()) })
    }

    /// The places of a history, counted from its newest record, among which the records of the list lie.
    fn places(&self, history: &History) -> Range<u64> {
        let (first, last) = self.filter.created_between.map_or((0, history.records), |(after, before)| {
            history.positions_around(after.div_euclid(TICKS_PER_MS), before.div_euclid(TICKS_PER_MS) + 1)
        });
        history.records - last..history.records - first
    }

    fn page(&self, history: &History) -> Page {
        let places = match &self.arranged {
            Some(positions) => 0..positions.len() as u64,
            None => self.places(history),
        };
        let position = |place: u64| match &self.arranged {
            Some(positions) => usize::try_from(place).ok().and_then(|place| positions.get(place)).copied(),
            None => (history.records - 1).checked_sub(place),
        };
        let mut ragged = Chance::at(history.seed, Purpose::Page, [u64::from(history.user), self.cursor.skip]);
        let room = self.room(&mut ragged);
        let mut records = Vec::with_capacity(room);
        for place in self.cursor.skip.max(places.start)..places.end {
            let found = position(place).and_then(|position| self.passing(history, position));
            let Some(outline) = found else { continue };
            if records.len() == room {
                let empty_pages = if records.is_empty() { self.cursor.empty_pages + 1 } else { 0 };
                let page = self.cursor.page + 1;
                return Page { records, next: Some(Cursor { skip: place, empty_pages, page }) };
            }
            records.push(outline);
        }
        let ends_later = self.is_ragged && self.cursor.empty_pages == 0 && ragged.percent(15);
        let page = self.cursor.page + 1;
        Page { records, next: ends_later.then_some(Cursor { skip: places.end, empty_pages: 1, page }) }
    }

    /// How many records the page takes: none after no empty page, in one of sixteen ragged pages.
    fn room(&self, ragged: &mut Chance) -> usize {
        if !self.is_ragged || self.cursor.empty_pages > 0 {
            return self.top;
        }
        match ragged.small(16) {
            0 => 0,
            1 | 2 => usize::try_from(1 + ragged.below(self.top as u64)).unwrap_or(self.top),
            _ => self.top,
        }
    }

    /// The outline at a position, if it passes the filter.
    fn passing(&self, history: &History, position: u64) -> Option<Outline> {
        let seat = history.seat(position);
        let classes = &self.filter.app_classes;
        if !classes.is_empty() && !classes.iter().any(|class| class.eq_ignore_ascii_case(seat.app.class)) {
            return None;
        }
        if !history.shows(&seat) {
            return None;
        }
        let outline = Outline::of(history, seat);
        self.filter.passes(seat.app.class, outline.stamp.created).then_some(outline)
    }
}

impl Cursor {
    /// Where the query's page token points, the start of the list without one, or none where it is no token.
    pub(super) fn of(query: &Parameters) -> Option<Self> {
        query.get("$skiptoken").map_or(Some(Self::default()), Self::read)
    }

    pub(super) fn text(self) -> String {
        let folder = "MailboxFolder=MailFolders/TeamsMessagesData";
        let Self { skip, empty_pages, page } = self;
        base64::encode(format!("SkipValue={skip}#{folder}#{empty_pages}#{page}").as_bytes())
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(base64::decode(text)?).ok()?;
        let mut parts = text.strip_prefix("SkipValue=")?.split('#');
        let skip = parts.next()?.parse().ok()?;
        let empty_pages = parts.nth(1)?.parse().ok()?;
        let page = parts.next()?.parse().ok()?;
        Some(Self { skip, empty_pages, page })
    }
}

fn user_who_answers(tenant: &Tenant, name: &str) -> Result<User, GraphError> {
    let user = tenant.find_user(name).ok_or_else(|| no_resource(name))?;
    match user.access {
        Access::Open => Ok(user),
        Access::Unknown => Err(no_resource(name)),
        Access::Broken => Err(GraphError::new(500, "InternalServerError", "The mailbox can't be read.")),
        Access::Unlicensed | Access::Forbidden => {
            let message =
                "User does not have the required license: a Microsoft 365 Copilot license is missing.";
            Err(GraphError::new(403, "Forbidden", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, PageRequest};
    use crate::history::History;
    use crate::server::ServerOptions;
    use crate::server::query::Parameters;
    use crate::spec::TenantSpec;
    use crate::tenant::Tenant;

    #[test]
    fn cursors_are_read_back_and_nothing_else_is() {
        let cursor = Cursor { skip: 120, empty_pages: 1, page: 7 };
        assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        for bad in ["", "x", "AAAA", "U2tpcFZhbHVlPTEw"] {
            assert_eq!(Cursor::read(bad), None, "{bad}");
        }
    }

    /// The sizes of all pages, and whether every position came once and in order.
    fn pages(history: &History, request: &mut PageRequest) -> Vec<usize> {
        let (mut sizes, mut positions) = (Vec::new(), Vec::new());
        loop {
            let page = request.page(history);
            sizes.push(page.records.len());
            positions.extend(page.records.iter().map(|outline| outline.seat.position));
            match page.next {
                Some(next) => {
                    assert_eq!(next.page, sizes.len() as u64);
                    request.cursor = next;
                }
                None => break,
            }
        }
        assert!(positions.iter().copied().eq((0..history.records).rev()));
        sizes
    }

    #[test]
    fn pages_cover_a_history_ragged_or_not() {
        let tenant = Tenant::new(TenantSpec::default().with_users(1).with_interactions(2_000)).unwrap();
        let (user, query) = (tenant.user(0).unwrap(), Parameters::read("$top=10"));
        let history = tenant.history(0);
        let request = |ragged_pages| {
            let options = ServerOptions { ragged_pages, ..ServerOptions::default() };
            PageRequest::read(&tenant, &user.id, &query, &options).unwrap()
        };
        assert_eq!(pages(&history, &mut request(false)), vec![10; 200]);
        let ragged = pages(&history, &mut request(true));
        assert!(ragged.contains(&0));
        assert!(ragged.iter().any(|size| (1..10).contains(size)));
        let options =
            ServerOptions { page_records_max: Some(3), ragged_pages: false, ..ServerOptions::default() };
        let mut short = PageRequest::read(&tenant, &user.id, &query, &options).unwrap();
        assert_eq!(pages(&history, &mut short).into_iter().max(), Some(3));
    }
}
