//! The interactions call: one page of a user's history, newest first.
//!
//! A page is found by its place in the whole history, so that a page costs its records and not those before.
//! Pages can be ragged, as real ones are: shorter than asked for, or empty though more follow. Only a missing
//! link to the next page ends a list.

use super::answer::{Answer, GraphError};
use super::directory::{invalid_top, no_resource};
use super::query::{Filter, Parameters};
use super::{Link, base64};
use crate::directory::{Access, User};
use crate::history::History;
use crate::instant::TICKS_PER_MS;
use crate::outline::Outline;
use crate::random::{Chance, Purpose};
use crate::tenant::Tenant;
use crate::text::append;

/// Records of a page without `$top`, and the most with it.
const TOP_DEFAULT: u32 = 10;
const TOP_MAX: u32 = 100;

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
        is_ragged: bool,
    ) -> Result<Self, GraphError> {
        let user = user_who_answers(tenant, user)?;
        let top = query.top(TOP_DEFAULT, TOP_MAX).ok_or_else(|| invalid_top(TOP_MAX))? as usize;
        let filter = query.get("$filter").map(Filter::read).transpose().map_err(GraphError::bad_request)?;
        let cursor = Cursor::of(query).ok_or_else(|| GraphError::bad_request("Skip token is invalid."))?;
        Ok(Self { user, top, filter: filter.unwrap_or_default(), cursor, is_ragged })
    }

    /// The page as Graph answers it.
    pub(super) fn answer(&self, tenant: &Tenant, link: &Link, query: &Parameters) -> Answer {
        let history = tenant.history(self.user.index);
        let page = self.page(&history);
        let context = link.context("Collection(microsoft.graph.aiInteraction)");
        let mut body = format!(r#"{{"@odata.context":"{context}","@odata.count":{}"#, page.records.len());
        if let Some(next) = page.next {
            let next = link.next(query, &next.text());
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
        Answer { is_page: true, ..Answer::new(200, body.into_bytes()) }
    }

    fn page(&self, history: &History) -> Page {
        let (first, last) = self.filter.created_between.map_or((0, history.records), |(after, before)| {
            history.positions_around(after.div_euclid(TICKS_PER_MS), before.div_euclid(TICKS_PER_MS) + 1)
        });
        let (begin, end) = (history.records - last, history.records - first);
        let mut ragged = Chance::at(history.seed, Purpose::Page, [u64::from(history.user), self.cursor.skip]);
        let room = self.room(&mut ragged);
        let mut records = Vec::with_capacity(room);
        for place in self.cursor.skip.max(begin)..end {
            let Some(outline) = self.passing(history, history.records - 1 - place) else { continue };
            if records.len() == room {
                let empty_pages = if records.is_empty() { self.cursor.empty_pages + 1 } else { 0 };
                let page = self.cursor.page + 1;
                return Page { records, next: Some(Cursor { skip: place, empty_pages, page }) };
            }
            records.push(outline);
        }
        let ends_later = self.is_ragged && self.cursor.empty_pages == 0 && ragged.percent(15);
        let page = self.cursor.page + 1;
        Page { records, next: ends_later.then_some(Cursor { skip: end, empty_pages: 1, page }) }
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

    fn text(self) -> String {
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
        let request = |is_ragged| PageRequest::read(&tenant, &user.id, &query, is_ragged).unwrap();
        assert_eq!(pages(&history, &mut request(false)), vec![10; 200]);
        let ragged = pages(&history, &mut request(true));
        assert!(ragged.contains(&0));
        assert!(ragged.iter().any(|size| (1..10).contains(size)));
    }
}
