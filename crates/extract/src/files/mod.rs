//! Saved pages: histories that another exporter wrote down, read from any store.
//!
//! A file is a slice. All files are looked through once before the first page is sent, so that a file nobody owns is
//! refused before anything of it counts; the second time their pages are sent. `list` says which files there are,
//! `blocks` reads them in bounded pieces, `survey` tells pages from records, `owners` whose they are.

mod blocks;
mod extract;
mod inflate;
mod list;
mod owners;
mod pieces;
mod survey;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use promptlake_model::{TenantId, UserId};

use crate::{ExtractError, RunContext};

/// Finds the user id in a file's path below the source's folder.
pub type UserIdFromPath = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where saved pages lie, and whose they are where they do not say it themselves.
#[derive(Clone)]
pub struct FilesSettings {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The folder in it, or one file, which then has one of the extensions that are read.
    pub root: Path,
    /// The tenant all records belong to.
    pub tenant: TenantId,
    /// Finds the owner in the path.
    pub user_id_from_path: Option<UserIdFromPath>,
    /// The owner where nothing else names one.
    pub user_id: Option<UserId>,
    /// The largest page, array of records or line, in bytes after decompression.
    pub page_bytes_max: usize,
}

/// Reads saved pages. Clones share the budget.
#[derive(Clone)]
pub struct FilesSource {
    settings: Arc<FilesSettings>,
    context: RunContext,
}

impl FilesSource {
    /// A source over a store. Nothing is read yet.
    pub fn new(settings: FilesSettings, context: RunContext) -> Result<Self, ExtractError> {
        context.check_budget(1, settings.page_bytes_max)?;
        Ok(Self { settings: Arc::new(settings), context })
    }
}
