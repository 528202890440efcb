//! `source.emulator`: the tenant that is made up.

use promptlake_model::{Day, Timestamp};

use super::section::{Limits, Section};
use crate::settings::error::{Fault, Problem};
use crate::settings::pipeline::EmulatedTenant;
use crate::settings::typed::{EmulatorTable, Number};
use crate::settings::value::{RequestRate, Setting};

const EMULATOR: Section = Section("source.emulator");

const SEED: Limits<i64> = Limits { default: 1, least: 0, most: i64::MAX };
/// The emulator holds an index of its users in memory.
const USERS: Limits<i64> = Limits { default: 100, least: 1, most: 1_000_000 };
const INTERACTIONS: Limits<i64> = Limits { default: 10_000, least: 0, most: 1_000_000_000 };
/// Its ids are instants in milliseconds, so that history must not be denser than this.
const MICROS_PER_INTERACTION: i64 = 8_000;

const START_DEFAULT: &str = "2025-01-01";
const END_DEFAULT: &str = "2025-04-01";

pub(super) fn tenant(typed: Option<&EmulatorTable>) -> Result<EmulatedTenant, Problem> {
    let nothing = EmulatorTable::default();
    let typed = typed.unwrap_or(&nothing);
    let day = |key, typed, default| -> Result<Timestamp, Problem> {
        let day = EMULATOR.optional(key, typed)?.map_or_else(|| Setting::parse(default), Ok::<Day, Fault>);
        day.map(Day::start).map_err(|fault| EMULATOR.fault(key, fault))
    };
    let tenant = EmulatedTenant {
        seed: EMULATOR.whole("seed", typed.seed, &SEED)?,
        users: EMULATOR.whole("users", typed.users, &USERS)?,
        interactions: EMULATOR.whole("interactions", typed.interactions, &INTERACTIONS)?,
        start: day("start", typed.start.as_ref(), START_DEFAULT)?,
        end: day("end", typed.end.as_ref(), END_DEFAULT)?,
        requests_per_second: requests_per_second(typed.requests_per_second)?,
    };
    history_has_room(&tenant)?;
    Ok(tenant)
}

fn requests_per_second(typed: Option<Number>) -> Result<Option<RequestRate>, Problem> {
    match typed {
        None => Ok(Some(RequestRate::GRAPH_LIMIT)),
        Some(Number(0.0)) => Ok(None),
        Some(Number(number)) => {
            RequestRate::new(number).map(Some).map_err(|fault| EMULATOR.fault("requests_per_second", fault))
        }
    }
}

fn history_has_room(tenant: &EmulatedTenant) -> Result<(), Problem> {
    let (start, end) = (tenant.start, tenant.end);
    if start < Timestamp::from_micros(0) {
        return Err(EMULATOR.fault("start", Fault::new(format!("is {}, before 1970", start.day()))));
    }
    if end <= start {
        let fault = Fault::new(format!("is {}, not after the start, {}", end.day(), start.day()));
        return Err(EMULATOR.fault("end", fault));
    }
    let room = (end.micros() - start.micros()) / MICROS_PER_INTERACTION;
    if i64::try_from(tenant.interactions).is_ok_and(|interactions| interactions <= room) {
        return Ok(());
    }
    let wrong = format!("is {}, above the {room} that fit between start and end", tenant.interactions);
    Err(EMULATOR.fault("interactions", Fault::new(wrong)))
}
