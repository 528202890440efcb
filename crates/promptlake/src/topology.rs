//! The flow on one screen: three stages and the two bounded channels between them.

use std::cell::Cell;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use promptlake_extract::{ExtractError, Extracted};
use promptlake_flow::{ComputePool, Held, JobPanicked, Receiver, Sender, Waits, channel};
use promptlake_load::{LoadError, Loading};
use promptlake_transform::Transformer;

use crate::stage_waits::StageWaits;

/// Items that wait between two stages. Few: what they weigh is bounded by the permits that they carry, and more of
/// them would only lie about.
const ITEMS_WAITING: usize = 4;

/// Pages transformed beyond one for each compute thread, so that a thread that is done finds the next one waiting.
const PAGES_AHEAD: usize = 2;

/// How the stages ended, each by itself.
pub(crate) struct Ended<T> {
    pub(crate) extract: Result<(), ExtractError>,
    pub(crate) transform: Result<(), JobPanicked>,
    pub(crate) load: Result<T, LoadError>,
}

/// Runs the three stages until all have ended. A stage that ends early closes its channels, which ends its
/// neighbours: upstream nothing more is asked, downstream what came is committed.
pub(crate) async fn flow<T, E, L>(
    extract: impl FnOnce(Sender<Extracted>) -> E,
    transformer: Transformer,
    load: impl FnOnce(Receiver<Loading>) -> L,
    pool: ComputePool,
    waits: &StageWaits,
) -> Ended<T>
where
    E: Future<Output = Result<(), ExtractError>>,
    L: Future<Output = Result<T, LoadError>>,
{
    let (pages, pages_waiting) = channel(ITEMS_WAITING);
    let (rows, rows_waiting) = channel(ITEMS_WAITING);
    let rows = rows.noting(waits.transform_output.clone());
    // The two ends are some kilobytes each: whoever awaits this one need not carry them.
    let extract = Box::pin(extract(pages.noting(waits.extract_output.clone())));
    let load = Box::pin(load(rows_waiting.noting(waits.load_input.clone())));
    let transform = transform(pages_waiting, rows, Arc::new(transformer), pool, &waits.transform_input);
    let (extract, transform, load) = tokio::join!(extract, transform, load);
    Ended { extract, transform, load }
}

/// Pages to rows, several at once, in the order they came.
async fn transform(
    pages: Receiver<Extracted>,
    rows: Sender<Loading>,
    transformer: Arc<Transformer>,
    pool: ComputePool,
    starved: &Waits,
) -> Result<(), JobPanicked> {
    let at_once = pool.threads() + PAGES_AHEAD;
    let in_work = Cell::new(0_usize);
    let waiting = stream::unfold(pages, async |mut pages| Some((pages.recv().await?, pages)));
    let transforming = waiting.map(|item| {
        in_work.update(|items| items + 1);
        let transforming = transform_item(item, Arc::clone(&transformer), &pool);
        transforming.inspect(|_| in_work.update(|items| items - 1))
    });
    let mut transformed = std::pin::pin!(transforming.buffered(at_once));
    loop {
        // Whoever has something in work does not wait for more.
        let next = starved.during_while(transformed.next(), || in_work.get() == 0);
        let next = tokio::select! {
            biased;
            // The loader has failed, and says why: nobody waits for a source that may be shut for an hour.
            () = rows.closed() => return Ok(()),
            next = next => next,
        };
        let Some(item) = next else { return Ok(()) };
        if rows.send(item?).await.is_err() {
            return Ok(());
        }
    }
}

async fn transform_item(
    item: Extracted,
    transformer: Arc<Transformer>,
    pool: &ComputePool,
) -> Result<Loading, JobPanicked> {
    match item {
        Extracted::Page(Held { value: page, permit }) => {
            let (reading, by) = (page.clone(), Arc::clone(&transformer));
            let value = match pool.run(move || by.page(&reading)).await {
                Ok(rows) => rows,
                Err(panicked) => {
                    tracing::error!(slice = %page.slice.scope, page = page.index, %panicked, "a page is left out");
                    // A defect of ours costs one page, which stays in the lake as a reject, and no run.
                    pool.run(move || transformer.unreadable(&page, "page_panicked", &panicked.0)).await?
                }
            };
            Ok(Loading::Page(Held { value, permit }))
        }
        Extracted::SliceEnd(end) => Ok(Loading::SliceEnd(end)),
        Extracted::UserEnd(end) => Ok(Loading::UserEnd(end)),
    }
}
