//! Pages of a hundred interactions to record batches of every table: megabytes of JSON a second, on one core.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use graph_emulator::{Tenant, TenantSpec};
use promptlake_model::{
    Owner, PageForm, RawPage, RunId, SavedFile, Slice, SliceId, SliceScope, Table, TenantId, Timestamp,
    UserId,
};
use promptlake_transform::{Content, TransformSettings, Transformer};

const RECORDS_A_PAGE: u64 = 100;

/// The first page of the user with the longest history, as Graph would send it.
fn page(tenant: &Tenant) -> RawPage {
    let user = tenant.users().max_by_key(|user| tenant.records(user)).expect("a tenant has users");
    let records =
        (0..RECORDS_A_PAGE).filter_map(|k| tenant.interaction(&user, k)).map(|record| record.json());
    let body = format!("{{\"value\":[{}]}}", records.collect::<Vec<_>>().join(","));
    let id = TenantId::parse(tenant.id()).expect("the emulator's tenant has a GUID");
    let file = SavedFile { path: "page.json".into(), bytes: body.len() as u64, etag: "1".into() };
    RawPage {
        slice: Arc::new(Slice { id: SliceId(0), tenant: id, scope: SliceScope::File(file) }),
        owner: Owner { tenant: id, user: UserId::parse(&user.id).expect("its users have GUIDs") },
        index: 0,
        form: PageForm::Page,
        body: Bytes::from(body),
        provenance: None,
    }
}

fn transformer(tables: &[Table]) -> Transformer {
    let now = Timestamp::parse("2026-01-01T00:00:00Z").expect("it is an instant");
    Transformer::new(TransformSettings {
        content: Content::Full,
        tables: tables.to_vec(),
        run_id: RunId::new(now, 1),
        extracted_at: now,
        now,
    })
}

fn page_to_rows(criterion: &mut Criterion) {
    let spec = TenantSpec::default().with_seed(1).with_users(20).with_interactions(20_000);
    let page = page(&Tenant::new(spec).expect("the tenant can be made"));
    let mut group = criterion.benchmark_group("page_to_rows");
    group.throughput(Throughput::Bytes(page.body.len() as u64));
    let five = [Table::Attachments, Table::CardElements, Table::Links, Table::Contexts, Table::Mentions];
    let all =
        [Table::Attachments, Table::CardElements, Table::Links, Table::Contexts, Table::Mentions, Table::Raw];
    for (name, tables) in [("five tables", &five[..]), ("with raw", &all)] {
        let transformer = transformer(tables);
        group.bench_function(name, |bencher| bencher.iter(|| transformer.page(black_box(&page))));
    }
    group.finish();
}

criterion_group!(benches, page_to_rows);
criterion_main!(benches);
