//! The forms of saved files, and whose they are.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use promptlake_flow::{ByteBudget, Clock, ComputePool, Silent, channel};
use promptlake_model::{
    PageForm, Slice, SliceId, SliceIds, SliceOutcome, SliceScope, TenantId, UserId, UserStatus,
};
use tokio_util::sync::CancellationToken;

use super::{FilesSettings, FilesSource};
use crate::{ErrorKind, ExtractError, Extracted, RunContext};

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";
const PAGE_BYTES_MAX: usize = 1 << 20;

struct Bench {
    store: Arc<InMemory>,
    settings: FilesSettings,
    memory: ByteBudget,
}

/// What came of it: pages as (file, owner, form, body), files as (file, pages, whole), users as (user, status).
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    pages: Vec<(String, String, PageForm, String)>,
    files: Vec<(String, u32, bool)>,
    users: Vec<(String, UserStatus)>,
}

impl Bench {
    fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let settings = FilesSettings {
            store: Arc::clone(&store) as Arc<dyn ObjectStore>,
            root: Path::from("saved"),
            tenant: TenantId::parse(A).unwrap(),
            user_id_from_path: None,
            user_id: None,
            page_bytes_max: PAGE_BYTES_MAX,
        };
        Self { store, settings, memory: ByteBudget::new(16 << 20) }
    }

    /// The owner of what names none.
    fn owned_by(mut self, user: &str) -> Self {
        self.settings.user_id = Some(UserId::parse(user).unwrap());
        self
    }

    async fn with(self, path: &str, body: impl Into<Vec<u8>>) -> Self {
        self.store.put(&Path::from(format!("saved/{path}")), body.into().into()).await.unwrap();
        self
    }

    fn source(&self) -> FilesSource {
        let context = RunContext {
            clock: Clock::starting_at(0),
            chance_seed: 0,
            observer: Arc::new(Silent),
            pool: ComputePool::new(1).unwrap(),
            slice_ids: SliceIds::default(),
            pages_budget: self.memory.clone(),
        };
        FilesSource::new(self.settings.clone(), context).unwrap()
    }

    async fn read(&self) -> Result<Read, ExtractError> {
        let (source, mut read) = (self.source(), Read::default());
        let slice = |(id, file)| {
            let scope = SliceScope::File(file);
            Arc::new(Slice { id: SliceId(id), tenant: self.settings.tenant, scope })
        };
        let slices = (0..).zip(source.list().await?).map(slice).collect();
        let (sender, mut receiver) = channel(1);
        let collection = async {
            while let Some(item) = receiver.recv().await {
                read.take(item);
            }
        };
        let (result, ()) = tokio::join!(source.extract(slices, sender, CancellationToken::new()), collection);
        assert_eq!(self.memory.in_use_bytes(), 0);
        result.map(|()| read)
    }

    async fn refusal(&self) -> String {
        let error = self.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings, "{error}");
        error.to_string()
    }
}

impl Read {
    fn take(&mut self, item: Extracted) {
        let name = |slice: &Slice| slice.scope.to_string().replace("file ", "");
        match item {
            Extracted::Page(held) => {
                let page = held.value;
                assert!(held.permit.bytes() >= page.body.len());
                let body = String::from_utf8_lossy(&page.body).into_owned();
                self.pages.push((name(&page.slice), short(page.owner.user), page.form, body));
            }
            Extracted::SliceEnd(end) => {
                self.files.push((name(&end.slice), end.page_count, end.outcome == SliceOutcome::Whole));
            }
            Extracted::UserEnd(end) => self.users.push((short(end.owner.user), end.status)),
        }
    }
}

fn short(user: UserId) -> String {
    user.to_string()[35..].to_owned()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn envelope(user: &str, records: &str) -> String {
    format!(r#"{{"userId":"{user}","page":1,"response":{{"value":[{records}]}}}}"#)
}

fn linked(user: &str) -> String {
    let link = format!("https://graph.microsoft.com/v1.0/COPILOT/Users/{}/x?$skip=1", user.to_uppercase());
    format!(r#"{{"@odata.nextLink":"{link}","value":[{{}}]}}"#)
}

const PAGE: &str = r#"{"value":[{"id":"1"}]}"#;
const RECORD: &str = r#"{"id":"1","value":"no list"}"#;

/// Name, bytes, the pages it gives, and whether it is whole.
type FormCase = (&'static str, Vec<u8>, Vec<(PageForm, String)>, bool);

#[tokio::test]
async fn forms() {
    use PageForm::{Page, RecordArray, RecordLines};
    let lines = format!("{RECORD}\n{RECORD}");
    let two_pages = format!("{PAGE}\n{PAGE}\n");
    let mixed = format!("{RECORD}\nbroken\n\n{PAGE}\n{RECORD}");
    let cases: Vec<FormCase> = vec![
        ("a.json", PAGE.into(), vec![(Page, PAGE.into())], true),
        ("a.json", format!("\u{feff}{PAGE}").into(), vec![(Page, PAGE.into())], true),
        ("a.json.gz", gzip(PAGE), vec![(Page, PAGE.into())], true),
        ("a.json", envelope(A, "{}").into(), vec![(Page, envelope(A, "{}"))], true),
        ("a.json", "[{\"id\":\"1\"}]".into(), vec![(RecordArray, "[{\"id\":\"1\"}]".into())], true),
        ("a.json", "[]".into(), vec![(RecordArray, "[]".into())], true),
        ("a.json", lines.clone().into(), vec![(RecordLines, lines.clone())], true),
        ("a.json", "<html>".into(), vec![(Page, "<html>".into())], false),
        ("a.json", r#"{"error":{}}"#.into(), vec![(Page, r#"{"error":{}}"#.into())], false),
        ("a.json", "".into(), vec![(Page, String::new())], false),
        ("a.ndjson", lines.clone().into(), vec![(RecordLines, lines.clone())], true),
        ("a.jsonl.gz", gzip(&lines), vec![(RecordLines, lines.clone())], true),
        ("a.jsonl", two_pages.clone().into(), vec![(Page, PAGE.into()), (Page, PAGE.into())], true),
        ("a.ndjson", "".into(), vec![], true),
        ("a.ndjson", "\r\n\n".into(), vec![], true),
        (
            "a.ndjson",
            mixed.into(),
            vec![
                (RecordLines, format!("{RECORD}\nbroken")),
                (Page, PAGE.into()),
                (RecordLines, RECORD.into()),
            ],
            true,
        ),
    ];
    for (path, body, pages, whole) in cases {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let read = Bench::new().owned_by(A).with(path, body).await.read().await.unwrap();
        let got: Vec<_> = read.pages.into_iter().map(|(_, _, form, body)| (form, body)).collect();
        let count = u32::try_from(pages.len()).unwrap();
        assert_eq!((got, read.files), (pages, vec![(path.to_owned(), count, whole)]), "{path}: {shown}");
    }
}

#[tokio::test]
async fn the_first_that_names_the_owner_wins() {
    let pathwise = |bench: &mut Bench| {
        bench.settings.user_id_from_path =
            Some(Arc::new(|path| path.split_once('/').map(|p| p.0.to_owned())));
    };
    let both_links = format!("{}\n{PAGE}\n", linked(B));
    for (path, body, owners) in [
        ("x.json", PAGE.to_owned(), "a"),
        (&format!("{B}/x.json"), PAGE.to_owned(), "b"),
        (&format!("{A}/x.ndjson"), both_links, "bb"),
        (&format!("{A}/x.json"), envelope(B, "{}"), "b"),
        (&format!("{A}/x.ndjson"), format!("{}\n{PAGE}\n{RECORD}\n", envelope(B, "")), "baa"),
        (&format!("{B}/x.json"), format!(r#"{{"userId":"{A}","response":{}}}"#, linked(B)), "a"),
        (&format!("{A}/x.json"), format!(r#"{{"response":{}}}"#, linked(B)), "b"),
    ] {
        let mut bench = Bench::new().owned_by(A);
        pathwise(&mut bench);
        let read = bench.with(path, body.clone()).await.read().await.unwrap();
        let got: String = read.pages.iter().map(|page| page.1.as_str()).collect();
        assert_eq!(got, owners, "{path} {body}");
    }
}

#[tokio::test]
async fn a_file_nobody_owns_is_refused_before_anything_is_sent() {
    for (body, reason) in [
        (PAGE.to_owned(), "does not say whose"),
        (RECORD.to_owned(), "does not say whose"),
        ("broken".to_owned(), "does not say whose"),
        (format!("{}\n{}\n{PAGE}", linked(A), linked(B)), "line 3 does not say whose"),
        (format!("{}\n", envelope("jo@contoso.com", "")), "userId in line 1 is no GUID"),
    ] {
        let bench = Bench::new().with("a.json", envelope(A, "{}")).await.with("b.ndjson", body.clone()).await;
        let text = bench.refusal().await;
        assert!(text.contains(reason) && text.contains("b.ndjson") && !text.contains("a.json"), "{text}");
    }
}

#[tokio::test]
async fn broken_lines_go_with_the_line_before() {
    let body = format!("broken\n{}\nbroken\n{}\nbroken", envelope(A, "{}"), envelope(B, "{}"));
    let read = Bench::new().with("a.ndjson", body).await.read().await.unwrap();
    let owners: String = read.pages.iter().map(|page| page.1.as_str()).collect();
    assert_eq!(owners, "aaabb");
    assert_eq!(read.users, [("a".into(), UserStatus::Extracted), ("b".into(), UserStatus::Extracted)]);
}

#[tokio::test]
async fn what_can_not_be_read_is_refused_by_name() {
    let long = format!("[\"{}\"]", "x".repeat(PAGE_BYTES_MAX));
    let bomb = gzip(&" ".repeat(64 << 20));
    let mut cut = gzip(PAGE);
    cut.truncate(cut.len() - 4);
    for (path, body, reason) in [
        ("a.json", long.clone().into_bytes(), "NDJSON"),
        ("a.json.gz", gzip(&long), "NDJSON"),
        ("a.ndjson", format!("{RECORD}\n{long}").into_bytes(), "line 2 has more than 1048576 bytes"),
        ("a.json.gz", bomb.clone(), "1048576 bytes"),
        ("a.ndjson.gz", bomb, "1048576 bytes"),
        ("a.json.gz", cut, "no whole gzip"),
        ("a.json.gz", PAGE.into(), "no whole gzip"),
        ("a.json", b"\xff\xfe{\0}\0".to_vec(), "UTF-16"),
        ("a.json", format!("[{PAGE}]").into_bytes(), "one page a line"),
    ] {
        let text = Bench::new().owned_by(A).with(path, body).await.refusal().await;
        assert!(text.contains(reason) && text.contains(path), "{text}");
    }
}

#[tokio::test]
async fn long_files_come_in_bounded_pages_and_lose_nothing() {
    let records: Vec<String> =
        (0..20_000).map(|n| format!(r#"{{"id":"{n}","body":"{}"}}"#, "x".repeat(n % 97))).collect();
    let body = records.join("\r\n");
    for (path, bytes) in [("a.ndjson", body.clone().into_bytes()), ("a.ndjson.gz", gzip(&body))] {
        let read = Bench::new().owned_by(A).with(path, bytes).await.read().await.unwrap();
        assert!(read.pages.len() > 3 && read.pages.iter().all(|page| page.3.len() <= 256 * 1024));
        let lines: Vec<&str> = read.pages.iter().flat_map(|page| page.3.lines().map(str::trim_end)).collect();
        assert!(lines == records, "{path}: {} of {} lines", lines.len(), records.len());
        assert_eq!(read.users, [("a".into(), UserStatus::Extracted)]);
    }
}

#[tokio::test]
async fn files_are_sorted_and_others_passed_over() {
    let bench = Bench::new().owned_by(A);
    let bench = bench.with("b/z.json", PAGE).await.with("b/a.jsonl", "").await.with("a.json", "[]").await;
    let bench = bench.with("notes.txt", "x").await.with("c.json.bak", "x").await;
    let paths = |bench: &Bench| {
        let source = bench.source();
        async move { source.list().await.unwrap().into_iter().map(|file| file.path).collect::<Vec<_>>() }
    };
    assert_eq!(paths(&bench).await, ["a.json", "b/a.jsonl", "b/z.json"]);
    let read = bench.read().await.unwrap();
    assert_eq!(
        read.files.iter().map(|file| (file.1, file.2)).collect::<Vec<_>>(),
        [(1, true), (0, true), (1, true)]
    );
    let mut one = bench;
    one.settings.root = Path::from("saved/b/z.json");
    assert_eq!(paths(&one).await, ["z.json"]);
    assert_eq!(one.read().await.unwrap().files, [("z.json".into(), 1, true)]);
}

#[tokio::test]
async fn a_file_that_changed_is_not_the_one_that_was_listed() {
    let bench = Bench::new().owned_by(A).with("a.json", PAGE).await;
    let source = bench.source();
    let file = source.list().await.unwrap().remove(0);
    let bench = bench.with("a.json", format!("{PAGE} ")).await;
    let slice = Slice { id: SliceId(0), tenant: bench.settings.tenant, scope: SliceScope::File(file) };
    let (sender, _receiver) = channel(1);
    let error = source.extract(vec![Arc::new(slice)], sender, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ExtractError::FileChanged { .. }), "{error}");
}

#[tokio::test]
async fn a_stop_ends_what_was_begun() {
    let bench = Bench::new().owned_by(A).with("a.ndjson", format!("{PAGE}\n").repeat(50)).await;
    let bench = bench.with("b.json", PAGE).await;
    let source = bench.source();
    let slice = |(id, file)| {
        Arc::new(Slice { id: SliceId(id), tenant: bench.settings.tenant, scope: SliceScope::File(file) })
    };
    let slices: Vec<_> = (0..).zip(source.list().await.unwrap()).map(slice).collect();
    let (sender, mut receiver) = channel(1);
    let stop = CancellationToken::new();
    let collection = async {
        let mut read = Read::default();
        while let Some(item) = receiver.recv().await {
            stop.cancel();
            read.take(item);
        }
        read
    };
    let (result, read) = tokio::join!(source.extract(slices, sender, stop.clone()), collection);
    result.unwrap();
    assert_eq!(read.files, [("a.ndjson".to_owned(), u32::try_from(read.pages.len()).unwrap(), false)]);
    assert_eq!(read.users, [("a".to_owned(), UserStatus::Interrupted)]);
}

#[tokio::test]
async fn folders_of_this_machine_are_read_as_any_store() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("ü b")).unwrap();
    std::fs::write(folder.path().join("ü b/x.json"), PAGE).unwrap();
    std::fs::write(folder.path().join("y.jsonl"), RECORD).unwrap();
    let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let mut bench = Bench::new().owned_by(A);
    bench.settings.store = Arc::new(store);
    for (root, files) in [
        ("", vec![("y.jsonl", 1), ("ü b/x.json", 1)]),
        ("ü b", vec![("x.json", 1)]),
        ("y.jsonl", vec![("y.jsonl", 1)]),
        ("none", vec![]),
    ] {
        bench.settings.root = Path::parse(root).unwrap();
        let read = bench.read().await.unwrap().files;
        let got: Vec<_> = read.iter().map(|(path, pages, whole)| (path.as_str(), *pages, *whole)).collect();
        let right: Vec<_> = files.into_iter().map(|(path, pages)| (path, pages, true)).collect();
        assert_eq!(got, right, "{root:?}");
    }
}

#[tokio::test]
async fn memory_for_less_than_one_page_is_refused() {
    let mut bench = Bench::new();
    bench.settings.page_bytes_max = 4 << 20;
    let context = RunContext {
        clock: Clock::starting_at(0),
        chance_seed: 0,
        observer: Arc::new(Silent),
        pool: ComputePool::new(1).unwrap(),
        slice_ids: SliceIds::default(),
        pages_budget: ByteBudget::new(20 << 20),
    };
    let refused = FilesSource::new(bench.settings, context).map(|_| ());
    assert!(matches!(refused, Err(ExtractError::Budget { needed_bytes: 22_282_240, .. })), "{refused:?}");
}
