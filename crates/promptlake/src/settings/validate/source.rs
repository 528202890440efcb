//! `[source]`: which kind and cloud it is, and that nothing was typed that belongs to another.

use promptlake_model::Timestamp;

use super::section::Section;
use super::{destination, files, graph};
use crate::settings::error::{Fault, Problem};
use crate::settings::key_path::KeyPath;
use crate::settings::pipeline::{GraphSource, LakeSource, Source};
use crate::settings::tree::Tree;
use crate::settings::typed::{SourceTable, Sources};
use crate::settings::value::{CloudName, SourceKind};

const SOURCE: Section = Section("source");

/// Which sources a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::settings) enum Belongs {
    /// Every source.
    Everywhere,
    /// Graph, real or emulated.
    Graph,
    /// A tenant of a cloud, not the emulator.
    RealTenant,
    /// A cloud whose servers the file names.
    CustomCloud,
    /// The emulator.
    Emulator,
    /// Saved files.
    Files,
    /// Another lake.
    Lake,
    /// A tenant of a cloud, or saved files.
    RealTenantOrFiles,
}

/// Every setting of `[source]`, and where it means something.
pub(in crate::settings) const BELONGS: &[(&str, Belongs)] = &[
    ("kind", Belongs::Everywhere),
    ("cloud", Belongs::Graph),
    ("tenant_id", Belongs::RealTenantOrFiles),
    ("client_id", Belongs::RealTenant),
    ("credential", Belongs::RealTenant),
    ("graph_url", Belongs::CustomCloud),
    ("login_url", Belongs::CustomCloud),
    ("ca_file", Belongs::RealTenant),
    ("users", Belongs::Graph),
    ("start", Belongs::Graph),
    ("lookback", Belongs::Graph),
    ("settle_lag", Belongs::Graph),
    ("requests_per_second", Belongs::Graph),
    ("concurrency", Belongs::Graph),
    ("app_class", Belongs::Graph),
    ("model", Belongs::Graph),
    ("api_version", Belongs::Graph),
    ("pages_max", Belongs::Graph),
    ("emulator", Belongs::Emulator),
    ("url", Belongs::Lake),
    ("options", Belongs::Lake),
    ("path", Belongs::Files),
    ("user_id", Belongs::Files),
    ("user_id_from_path", Belongs::Files),
];

impl Belongs {
    fn fits(self, kind: SourceKind, cloud: CloudName) -> bool {
        let graph = kind == SourceKind::Graph;
        let real = graph && cloud != CloudName::Emulator;
        match self {
            Self::Everywhere => true,
            Self::Graph => graph,
            Self::RealTenant => real,
            Self::CustomCloud => graph && cloud == CloudName::Custom,
            Self::Emulator => graph && cloud == CloudName::Emulator,
            Self::Files => kind == SourceKind::Files,
            Self::Lake => kind == SourceKind::Lake,
            Self::RealTenantOrFiles => real || kind == SourceKind::Files,
        }
    }

    /// The setting that would give it a meaning.
    fn wanted(self, kind: SourceKind) -> &'static str {
        match self {
            Self::RealTenant | Self::RealTenantOrFiles if kind != SourceKind::Graph => "kind = \"graph\"",
            Self::Everywhere | Self::Graph => "kind = \"graph\"",
            Self::RealTenant | Self::RealTenantOrFiles => "another cloud, such as cloud = \"global\"",
            Self::CustomCloud => "cloud = \"custom\"",
            Self::Emulator => "cloud = \"emulator\"",
            Self::Files => "kind = \"files\"",
            Self::Lake => "kind = \"lake\"",
        }
    }
}

/// A managed service provider has hundreds of customers; each takes its share of memory.
const SOURCES_MAX: usize = 1_000;

const ONE_OF_TWO: &str =
    "remove one of the two, or give it its own, such as tenant_id = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"";

pub(super) fn sources(typed: &Sources, tree: &Tree, now: Timestamp) -> Result<Source, Problem> {
    let path = || KeyPath::of(SOURCE.0);
    let tables = match typed {
        Sources::One(table) => return source(table, &path(), tree, now),
        Sources::Several(tables) => tables,
    };
    if tables.is_empty() || tables.len() > SOURCES_MAX {
        let fault = Fault::new(format!("names {} tenants, not 1 to {SOURCES_MAX}", tables.len()));
        return Err(fault.hint("write one [[source]] for each tenant").at(path()));
    }
    let mut tenants: Vec<GraphSource> = Vec::with_capacity(tables.len());
    for (index, table) in tables.iter().enumerate() {
        let of_item = |problem: Problem| problem.of_item(index);
        match source(table, &path().index(index), tree, now).map_err(of_item)? {
            Source::Graph(new) => tenants.extend(new),
            alone @ (Source::Files(_) | Source::Lake(_)) => {
                let kind = if matches!(alone, Source::Lake(_)) { "lake" } else { "files" };
                let fault = Fault::is(kind, "which stands alone in a pipeline file");
                return Err(of_item(SOURCE.fault("kind", fault.hint("write a pipeline file for it"))));
            }
        }
        let (newest, before) = tenants.split_last().expect("one was just added");
        if before.iter().any(|other| other.tenant.is_same(&newest.tenant)) {
            let fault = Fault::new("is that of an earlier [[source]]: two readings of one tenant would meet");
            return Err(of_item(SOURCE.fault(newest.tenant.key(), fault.hint(ONE_OF_TWO))));
        }
    }
    Ok(Source::Graph(tenants))
}

/// One source, which stands at `path`; problems name it as though it stood alone.
fn source(typed: &SourceTable, path: &KeyPath, tree: &Tree, now: Timestamp) -> Result<Source, Problem> {
    let kind = SOURCE.optional("kind", typed.kind.as_ref())?.unwrap_or(SourceKind::Graph);
    let cloud = SOURCE.optional("cloud", typed.cloud.as_ref())?.unwrap_or(CloudName::Global);
    nothing_misplaced(kind, cloud, tree.keys_of(path))?;
    match kind {
        SourceKind::Graph => graph::source(typed, cloud, now).map(|source| Source::Graph(vec![source])),
        SourceKind::Files => files::source(typed).map(Source::Files),
        SourceKind::Lake => {
            let store = destination::store(SOURCE, typed.url.as_ref(), typed.options.as_ref(), false)?;
            Ok(Source::Lake(LakeSource { store }))
        }
    }
}

/// A setting without effect would let its author believe in it.
fn nothing_misplaced<'a>(
    kind: SourceKind,
    cloud: CloudName,
    keys: impl Iterator<Item = &'a str>,
) -> Result<(), Problem> {
    let belongs = |key: &str| BELONGS.iter().find(|(name, _)| *name == key).map(|(_, belongs)| *belongs);
    for key in keys {
        if let Some(belongs) = belongs(key).filter(|belongs| !belongs.fits(kind, cloud)) {
            let here = this_source(belongs, kind, cloud);
            let fault = Fault::misplaced(format!("means nothing with {here}"));
            return Err(
                SOURCE.fault(key, fault.hint(format!("remove {key}, or write {}", belongs.wanted(kind))))
            );
        }
    }
    Ok(())
}

/// What about this source does not go with such a setting.
fn this_source(belongs: Belongs, kind: SourceKind, cloud: CloudName) -> &'static str {
    match (kind, cloud) {
        (SourceKind::Files, _) => "kind = \"files\"",
        (SourceKind::Lake, _) => "kind = \"lake\"",
        (SourceKind::Graph, _) if matches!(belongs, Belongs::Files | Belongs::Lake) => "kind = \"graph\"",
        (SourceKind::Graph, CloudName::Emulator) => "cloud = \"emulator\"",
        (SourceKind::Graph, CloudName::Custom) => "cloud = \"custom\"",
        (SourceKind::Graph, CloudName::Global) => "cloud = \"global\"",
        (SourceKind::Graph, CloudName::UsGovL4) => "cloud = \"us-gov-l4\"",
        (SourceKind::Graph, CloudName::UsGovDod) => "cloud = \"us-gov-dod\"",
    }
}
