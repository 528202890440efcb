//! Checkpoints: what the books say after a number of records, so that opening need not read them all.
//!
//! A pure function of the records up to its number, so any two runs write the same one. It is never the truth: a
//! missing or broken one costs time alone, and a writer at work reads every record one by one.

use std::collections::BTreeMap;

use bytes::Bytes;
use promptlake_flow::ComputePool;
use promptlake_model::{
    Day, Owner, PartitionDay, RunId, SavedFile, Table, TenantId, Timestamp, UserId, Window,
};
use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::intervals::IntervalSet;
use crate::layout;
use crate::ledger::LedgerError;
use crate::record::{DaySpan, FileEntry, LEDGER_VERSION, LakeFacts, Publish, SegmentEntry};
use crate::store::Store;
use crate::user_books::{TouchedDays, UserBooks};

/// Records between two checkpoints: few enough to be read in a moment, many enough that writing the books, which
/// grow with the users, does not count beside the commits themselves.
const RECORDS_BETWEEN: u64 = 128;

/// Checkpoints that are kept: the newest, and the one before it for whoever has just listed them.
const KEPT: usize = 2;

/// The books as JSON. Instants are microseconds and days are days since the epoch: there may be a million of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    ledger_version: u32,
    sequence: u64,
    lake: Option<LakeFacts>,
    tables: Vec<Table>,
    tenants: Vec<TenantId>,
    users: Vec<UserEntry>,
    files: Vec<(TenantId, SavedFile)>,
    segments: Vec<(RunId, SegmentEntry)>,
    unpublished: Vec<(RunId, Vec<Owner>)>,
    open_publishes: Vec<(u64, RunId, Publish)>,
    published: Vec<FileEntry>,
    abandoned: Vec<(RunId, RunId)>,
}

/// A user: index of the tenant, id, covered windows, start, first and last touched day, undated rows, days of
/// rejects, windows that are covered for one class, pages, turned away, pages of a list that is not complete.
#[derive(Debug, Serialize, Deserialize)]
struct UserEntry(
    usize,
    UserId,
    Vec<(i64, i64)>,
    Option<i64>,
    Option<(i32, i32)>,
    bool,
    Vec<i32>,
    Vec<ClassEntry>,
    u64,
    bool,
    u64,
);

/// A class and its windows.
type ClassEntry = (String, Vec<(i64, i64)>);

/// Whether a checkpoint is due at `head`.
pub(crate) const fn is_due(head: u64) -> bool {
    head.is_multiple_of(RECORDS_BETWEEN)
}

/// Writes the checkpoint of these books and lets go of the oldest.
pub(crate) async fn write(store: &Store, pool: &ComputePool, books: &Books) -> Result<(), LedgerError> {
    let (sequence, books) = (books.head, books.clone());
    let body = pool.run(move || to_json(&books)).await?;
    // Another run may have made it: it is the same.
    store.create(&layout::checkpoint(sequence), body).await?;
    for old in sequences(store).await?.into_iter().rev().skip(KEPT) {
        store.delete(&layout::checkpoint(old)).await?;
    }
    Ok(())
}

/// The newest checkpoint that can be read, with its books.
pub(crate) async fn newest(store: &Store, pool: &ComputePool) -> Result<Option<Books>, LedgerError> {
    for sequence in sequences(store).await?.into_iter().rev() {
        let path = layout::checkpoint(sequence);
        // Let go of by a run at work: there is a newer one by now, and an older one does as well.
        let Some(body) = store.get(&path).await? else { continue };
        match pool.run(move || from_json(sequence, &body)).await? {
            Ok(books) => return Ok(Some(books)),
            Err(error) => {
                tracing::warn!(%path, %error, "a checkpoint can't be used; the records are read instead");
            }
        }
    }
    Ok(None)
}

async fn sequences(store: &Store) -> Result<Vec<u64>, LedgerError> {
    let listed = store.list(&layout::checkpoints_dir()).await?;
    let mut sequences: Vec<u64> =
        listed.iter().filter_map(|object| layout::checkpoint_sequence(&object.location)).collect();
    sequences.sort_unstable();
    Ok(sequences)
}

fn to_json(books: &Books) -> Bytes {
    let mut users: Vec<(&Owner, &UserBooks)> = books.users.iter().collect();
    users.sort_unstable_by_key(|(owner, _)| **owner);
    let mut tenants: Vec<TenantId> = users.iter().map(|(owner, _)| owner.tenant).collect();
    tenants.dedup();
    let entry = |(owner, user): &(&Owner, &UserBooks)| {
        let tenant = tenants.binary_search(&owner.tenant).expect("it holds the tenant of every user");
        user_entry(tenant, owner.user, user)
    };
    let checkpoint = Checkpoint {
        ledger_version: LEDGER_VERSION,
        sequence: books.head,
        lake: books.lake.clone(),
        tables: books.tables.clone(),
        users: users.iter().map(entry).collect(),
        files: books.files.iter().cloned().collect(),
        segments: books.segments.clone(),
        unpublished: books
            .unpublished
            .iter()
            .map(|(run, owners)| (run.clone(), owners.iter().copied().collect()))
            .collect(),
        open_publishes: books
            .open_publishes
            .iter()
            .map(|(sequence, (run, publish))| (*sequence, run.clone(), publish.clone()))
            .collect(),
        published: books.published.values().flatten().cloned().collect(),
        abandoned: books.abandoned.clone().into_iter().collect(),
        tenants,
    };
    serde_json::to_vec(&checkpoint).expect("a checkpoint holds strings and numbers alone").into()
}

fn user_entry(tenant: usize, id: UserId, user: &UserBooks) -> UserEntry {
    let classes = user.covered_classes.iter().map(|(class, covered)| (class.clone(), pairs(covered)));
    UserEntry(
        tenant,
        id,
        pairs(&user.covered),
        user.begun.map(Timestamp::micros),
        user.touched.span.map(|span| (span.first.0, span.last.0)),
        user.touched.undated,
        user.touched.rejects.iter().map(|day| day.0).collect(),
        classes.collect(),
        user.pages,
        user.turned_away,
        user.pages_begun,
    )
}

fn pairs(windows: &IntervalSet) -> Vec<(i64, i64)> {
    windows.windows().iter().map(|window| (window.from.micros(), window.to.micros())).collect()
}

fn interval_set(pairs: Vec<(i64, i64)>) -> Result<IntervalSet, String> {
    let window = |(from, to)| {
        Window::new(Timestamp::from_micros(from), Timestamp::from_micros(to)).ok_or("a window is empty")
    };
    let windows: Vec<Window> = pairs.into_iter().map(window).collect::<Result<_, _>>()?;
    Ok(IntervalSet::from_windows(windows))
}

fn from_json(sequence: u64, body: &[u8]) -> Result<Books, String> {
    let read: Checkpoint = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if read.ledger_version > LEDGER_VERSION || read.sequence != sequence {
        return Err(format!("it is of version {} and record {}", read.ledger_version, read.sequence));
    }
    let mut users = std::collections::HashMap::with_capacity(read.users.len());
    for entry in read.users {
        let (owner, user) = user_books(&read.tenants, entry)?;
        users.insert(owner, user);
    }
    let mut published: BTreeMap<(Table, PartitionDay), Vec<FileEntry>> = BTreeMap::new();
    for file in read.published {
        published.entry((file.table, file.day)).or_default().push(file);
    }
    Ok(Books {
        head: sequence,
        lake: read.lake,
        tables: read.tables,
        users,
        files: read.files.into_iter().collect(),
        segments: read.segments,
        unpublished: read.unpublished.into_iter().map(|(run, of)| (run, of.into_iter().collect())).collect(),
        open_publishes: read
            .open_publishes
            .into_iter()
            .map(|(at, run, publish)| (at, (run, publish)))
            .collect(),
        published,
        abandoned: read.abandoned.into_iter().collect(),
    })
}

fn user_books(tenants: &[TenantId], entry: UserEntry) -> Result<(Owner, UserBooks), String> {
    let UserEntry(
        tenant,
        user,
        covered,
        begun,
        span,
        undated,
        rejects,
        classes,
        pages,
        turned_away,
        pages_begun,
    ) = entry;
    let tenant = *tenants.get(tenant).ok_or("a user names a tenant that it does not list")?;
    let classes = classes.into_iter().map(|(class, covered)| Ok((class, interval_set(covered)?)));
    let covered_classes = classes.collect::<Result<_, String>>()?;
    let touched = TouchedDays {
        span: span.map(|(first, last)| DaySpan { first: Day(first), last: Day(last) }),
        undated,
        rejects: rejects.into_iter().map(Day).collect(),
    };
    let books = UserBooks {
        covered: interval_set(covered)?,
        covered_classes,
        begun: begun.map(Timestamp::from_micros),
        touched,
        pages,
        pages_begun,
        turned_away,
    };
    Ok((Owner { tenant, user }, books))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use promptlake_flow::Clock;

    use promptlake_model::AppClasses;

    use super::*;
    use crate::ledger::{Ledger, LedgerMeans};
    use crate::record::{Commit, Covered, Deed, Partial, PartialOf, Record, Touched};

    const USERS_A_COMMIT: u64 = 100;
    const HOUR_MICROS: i64 = 3_600_000_000;

    fn owner(user: u64) -> Owner {
        let guid = format!("{:08x}-0000-4000-8000-{user:012x}", user * 7_919 % 0xffff_ffff);
        let tenant = TenantId::parse("aaaaaaaa-0000-0000-0000-000000000000").unwrap();
        Owner { tenant, user: UserId::parse(&guid).unwrap() }
    }

    /// A commit of a hundred of so many users, each of whom is covered a little further with each round of all of them.
    fn record(sequence: u64, users: u64) -> Record {
        let first = sequence * USERS_A_COMMIT % users;
        let round = sequence.cast_signed() / (users / USERS_A_COMMIT).cast_signed();
        let at = |hour: i64| Timestamp::from_micros(1_735_689_600_000_000 + hour * HOUR_MICROS);
        let owners = (first..first + USERS_A_COMMIT).map(owner);
        let window = Window::new(at(round * 24), at(round * 24 + 24)).unwrap();
        let covered = owners.clone().map(|owner| Covered {
            owner,
            window,
            classes: AppClasses::of(["IPM.A", "IPM.B"].iter().filter(|_| sequence.is_multiple_of(3))),
            page_count: 1,
            record_count: 9,
        });
        let days = Some(DaySpan { first: window.from.day(), last: window.from.day() });
        let (undated, rejects) =
            (sequence.is_multiple_of(5), sequence.is_multiple_of(7).then_some(window.from.day()));
        let touched = owners.clone().map(|owner| Touched { owner, days, undated, rejects });
        let mut commit =
            Commit { covered: covered.collect(), touched: touched.collect(), ..Commit::default() };
        // Some were cut off by the next window, and some turned away.
        for (place, owner) in owners.enumerate() {
            match place % 20 {
                3 => {
                    let of = PartialOf::History { owner, window };
                    commit.partial.push(Partial { of, page_count: u32::try_from(place).unwrap() });
                }
                4 => commit.turned_away.push(owner),
                _ => {}
            }
        }
        let deed = Deed { commit: Some(commit), ..Deed::default() };
        let mut record =
            Record::new(sequence, format!("r/{sequence}"), RunId::parse("r").unwrap(), at(0), deed);
        record.lake = (sequence == 1).then(facts);
        record
    }

    fn facts() -> LakeFacts {
        LakeFacts { partition_by: vec!["date".into()] }
    }

    /// Opens a lake of so many commits and users, and fails where that takes a second.
    async fn assert_opens_within_a_second(commits: u64, users: u64) {
        let pool = ComputePool::new(2).unwrap();
        let store = Store::new(Arc::new(InMemory::new()));
        let mut books = Books::default();
        for sequence in 1..=commits {
            let record = record(sequence, users);
            books.apply(&record);
            if is_due(sequence) {
                write(&store, &pool, &books).await.unwrap();
            }
            let body = Bytes::from(record.to_json());
            store.create(&layout::record(sequence), body).await.unwrap();
        }
        assert_eq!(books.users.len() as u64, users);
        let clock = Clock::starting_at(0);
        let began = clock.elapsed();
        let means = LedgerMeans { store, pool, clock };
        let ledger = Ledger::open(means, RunId::parse("s").unwrap(), facts()).await.unwrap();
        let took = clock.elapsed().saturating_sub(began);
        assert_eq!(*ledger.books(), books);
        println!("{commits} commits, {users} users: opened in {} ms", took.as_millis());
        assert!(took.as_millis() < 1_000, "it took {took:?}");
    }

    #[tokio::test]
    async fn a_lake_of_ten_thousand_commits_of_a_hundred_users_each_opens_within_a_second() {
        assert_opens_within_a_second(10_000, 20_000).await;
    }

    #[tokio::test]
    async fn a_lake_of_a_hundred_thousand_users_opens_within_a_second() {
        assert_opens_within_a_second(1_000, 100_000).await;
    }
}
