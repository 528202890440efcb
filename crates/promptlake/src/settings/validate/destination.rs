//! `[destination]`.

use super::section::{Limits, Section};
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::Destination;
use crate::settings::typed::{DestinationTable, List, Typed};
use crate::settings::value::{ByteSize, PartitionColumn};

const DESTINATION: Section = Section("destination");

/// Smaller files cost readers more than they hold; a larger one could not be copied by every store in one
/// call.
const TARGET_FILE_SIZE: Limits<ByteSize> = Limits {
    default: ByteSize::from_mebibytes(256),
    least: ByteSize::from_mebibytes(1),
    most: ByteSize::from_bytes((4 << 30) - 1),
};

pub(super) fn destination(typed: &DestinationTable) -> Result<Destination, Problem> {
    partitions_are_by_date(typed.partition_by.as_ref())?;
    let target_file_size = typed.target_file_size.as_ref();
    Ok(Destination {
        root: DESTINATION.required("url", typed.url.as_ref())?.0,
        target_file_size: DESTINATION.within("target_file_size", target_file_size, &TARGET_FILE_SIZE)?,
        compression: DESTINATION.optional("compression", typed.compression.as_ref())?.unwrap_or_default(),
    })
}

fn partitions_are_by_date(typed: Option<&List<Typed<PartitionColumn>>>) -> Result<(), Problem> {
    let Some(List(columns)) = typed else { return Ok(()) };
    for (index, column) in columns.iter().enumerate() {
        let PartitionColumn::Date =
            column.read().map_err(|fault| fault.at(DESTINATION.path("partition_by").index(index)))?;
    }
    match columns.len() {
        1 => Ok(()),
        0 => Err(DESTINATION.fault("partition_by", Fault::new("is empty"))),
        _ => Err(DESTINATION.fault("partition_by", Fault::new("names a column twice"))),
    }
}
