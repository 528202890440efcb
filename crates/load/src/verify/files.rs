//! One published file against what the ledger says of it: size, bytes, rows, columns.

use object_store::path::Path;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use promptlake_model::{SCHEMA_VERSION, Table};
use xxhash_rust::xxh3::Xxh3;

use super::Finding;
use crate::account::PublishedFile;
use crate::columns::read_footer;
use crate::error::LoadError;
use crate::lake::{Means, known_path};
use crate::segment::checksum_text;

/// What is read of a file at once.
const BLOCK_BYTES: u64 = 4 * 1024 * 1024;

/// The metadata key by which a file names the version of its columns.
const SCHEMA_VERSION_KEY: &str = "promptlake.schema_version";

pub(super) async fn check(means: &Means, file: &PublishedFile) -> Result<Vec<Finding>, LoadError> {
    let entry = &file.entry;
    let (path, name) = (known_path(&entry.path), || entry.path.clone());
    let Some(there) = means.store.head(&path).await? else {
        return Ok(vec![Finding::FileGone { path: name(), rows: entry.rows }]);
    };
    let mut findings = Vec::new();
    if there.size == entry.bytes {
        let found = checksum(means, &path, entry.bytes).await?;
        if found != entry.xxh3 {
            findings.push(Finding::FileChecksum { path: name(), expected: entry.xxh3.clone(), found });
        }
    } else {
        findings.push(Finding::FileSize { path: name(), expected: entry.bytes, found: there.size });
    }
    let metadata = match read_footer(&means.store, &path, there.size).await {
        Ok(metadata) => metadata,
        Err(error) => {
            findings.push(unreadable(name(), &error.into_finding()?));
            return Ok(findings);
        }
    };
    let rows = metadata.file_metadata().num_rows().unsigned_abs();
    if rows != entry.rows {
        findings.push(Finding::FileRows { path: name(), expected: entry.rows, found: rows });
    }
    if let Some(reason) = schema_difference(entry.table, file.schema_version, &metadata) {
        findings.push(Finding::FileSchema { path: name(), reason });
    }
    Ok(findings)
}

pub(super) fn unreadable(path: String, error: &ParquetError) -> Finding {
    Finding::FileUnreadable { path, reason: error.to_string() }
}

/// The checksum of a file, block by block: fetched here, computed on the compute threads.
async fn checksum(means: &Means, path: &Path, bytes: u64) -> Result<String, LoadError> {
    let (mut checksum, mut from) = (Xxh3::new(), 0);
    while from < bytes {
        let to = (from + BLOCK_BYTES).min(bytes);
        let block = means.store.get_range(path, from..to).await?;
        checksum = means
            .pool
            .run(move || {
                checksum.update(&block);
                checksum
            })
            .await?;
        from = to;
    }
    Ok(checksum_text(&checksum))
}

/// The first difference between a file's columns and those of its table, as far as this program knows them: of an
/// older version it has fewer, since columns are only ever added at the end.
fn schema_difference(table: Table, recorded: u32, metadata: &ParquetMetaData) -> Option<String> {
    let version = match stated_version(metadata) {
        Ok(version) if version == recorded => version,
        Ok(version) => return Some(format!("it says schema version {version}, the ledger says {recorded}")),
        Err(reason) => return Some(reason),
    };
    // From the Parquet types alone, as every other reader sees them.
    let found = match parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None) {
        Ok(found) => found,
        Err(error) => return Some(error.to_string()),
    };
    let expected = table.schema();
    let complete = version < SCHEMA_VERSION || found.fields().len() >= expected.fields().len();
    if !complete {
        return Some(format!("it has {} columns of {}", found.fields().len(), expected.fields().len()));
    }
    for (index, field) in found.fields().iter().enumerate() {
        let Some(expected) = expected.fields().get(index) else {
            // A newer version may have more of them.
            return (version <= SCHEMA_VERSION).then(|| format!("its column {} is unknown", field.name()));
        };
        let same = field.name() == expected.name()
            && field.data_type() == expected.data_type()
            && field.is_nullable() == expected.is_nullable();
        if !same {
            let (name, is) = (expected.name(), field.data_type());
            return Some(format!(
                "column {} is {} of type {is}, not {name} of type {}",
                index + 1,
                field.name(),
                expected.data_type()
            ));
        }
    }
    None
}

fn stated_version(metadata: &ParquetMetaData) -> Result<u32, String> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let value = pairs.into_iter().flatten().find(|pair| pair.key == SCHEMA_VERSION_KEY);
    let value = value.and_then(|pair| pair.value.as_deref());
    let value = value.ok_or_else(|| format!("it does not say {SCHEMA_VERSION_KEY}"))?;
    value.parse().map_err(|_| format!("it says {SCHEMA_VERSION_KEY} = {value:?}"))
}
