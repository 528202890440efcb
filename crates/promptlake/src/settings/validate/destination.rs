//! `[destination]`.

use std::collections::BTreeMap;

use promptlake_load::{OptionFault, Provider, StoreLocation, StoreSettings};

use super::section::{Limits, Section};
use crate::settings::error::{Fault, Problem, nearest};
use crate::settings::pipeline::Destination;
use crate::settings::typed::{DestinationTable, List, OptionsTable, Typed};
use crate::settings::value::{ByteSize, LakeLocation, PartitionColumn};

const DESTINATION: Section = Section("destination");

/// Smaller files cost readers more than they hold; a larger one could not be copied by every store in one
/// call.
const TARGET_FILE_SIZE: Limits<ByteSize> = Limits {
    default: ByteSize::from_mebibytes(256),
    least: ByteSize::from_mebibytes(1),
    most: ByteSize::from_mebibytes(4095),
};

pub(super) fn destination(typed: &DestinationTable) -> Result<Destination, Problem> {
    partitions_are_by_date(typed.partition_by.as_ref())?;
    let target_file_size = typed.target_file_size.as_ref();
    Ok(Destination {
        store: store(
            DESTINATION,
            typed.url.as_ref(),
            typed.options.as_ref(),
            typed.single_writer.unwrap_or(false),
        )?,
        target_file_size: DESTINATION.within("target_file_size", target_file_size, &TARGET_FILE_SIZE)?,
        compression: DESTINATION.optional("compression", typed.compression.as_ref())?.unwrap_or_default(),
    })
}

/// A store: its `url` and `options` in a section.
pub(super) fn store(
    section: Section,
    url: Option<&Typed<LakeLocation>>,
    options: Option<&OptionsTable>,
    single_writer: bool,
) -> Result<StoreSettings, Problem> {
    let location = section.required("url", url)?.0;
    let options = match (options, &location) {
        (None, _) => BTreeMap::default(),
        (Some(options), StoreLocation::Remote(url)) => checked_options(section, options, url.provider())?,
        (Some(_), StoreLocation::Local(_)) => {
            let fault = Fault::misplaced("means nothing where url is a local path");
            let hint = "remove options, or write url = \"s3://bucket/lake\"";
            return Err(section.fault("options", fault.hint(hint)));
        }
    };
    Ok(StoreSettings { location, options, single_writer })
}

fn checked_options(
    section: Section,
    OptionsTable(options): &OptionsTable,
    provider: Provider,
) -> Result<BTreeMap<String, String>, Problem> {
    for (name, value) in options {
        provider
            .check_option(name, value)
            .map_err(|fault| option_fault(name, fault).at(section.path("options").key(name)))?;
    }
    Ok(options.clone())
}

/// What is wrong with an option, never with its value: that may be a secret.
fn option_fault(name: &str, fault: OptionFault) -> Fault {
    let said = fault.to_string();
    match fault {
        OptionFault::Unknown(provider) => Fault::misplaced(said).hint(known_options(name, provider)),
        OptionFault::Secret { variable } => {
            Fault::misplaced(said).hint(format!("put it into the environment variable {variable}"))
        }
        OptionFault::InUrl => Fault::misplaced(said).hint("remove it"),
        OptionFault::Boolean => Fault::new(said).hint(format!("write {name} = \"true\"")),
        OptionFault::Server(_) => Fault::new(said).hint(format!(
            "write {name} = \"https://store.example.com\"; http is for servers on this machine, such as \
             \"http://127.0.0.1:9000\""
        )),
    }
}

fn known_options(name: &str, provider: Provider) -> String {
    let known = provider.option_names();
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    match nearest(name, &names) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known here: {}", names.join(", ")),
    }
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
