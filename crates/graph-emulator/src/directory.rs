//! The directory of a tenant: its users and what they are licensed for.
//!
//! A user is a function of the seed and the user's index. Whether a user is licensed, refused or unknown
//! follows from the index alone, spread evenly by a golden-ratio sequence, so that even a small tenant has
//! the shares that its specification asks for, and user 0 always answers unless nobody does.

use crate::random::{Chance, Purpose, guid_from};
use crate::skus::{COPILOT_CHAT_PLAN, SKUS, Sku};
use crate::spec::TenantSpec;

/// What the interactions call answers for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// 200: the user's history, which may be empty.
    Open,
    /// 403: the directory shows no usable licence, and the call says so.
    Unlicensed,
    /// 403: the directory shows a licence, yet the call says that it is missing.
    Forbidden,
    /// 404: the directory shows the user and a licence, yet the call doesn't know the user.
    Unknown,
    /// 500, always: the directory shows the user and a licence.
    Broken,
}

/// A licence of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedLicense {
    /// The SKU, a GUID in lower case.
    pub sku_id: &'static str,
    /// Service plans of that SKU which are switched off for this user.
    pub disabled_plans: Vec<&'static str>,
}

/// A user of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Place in the directory, from 0.
    pub index: u32,
    /// Object id, a GUID in lower case.
    pub id: String,
    /// Sign-in name; its domain ends in `.example`.
    pub user_principal_name: String,
    /// Given name and surname.
    pub display_name: String,
    /// First name.
    pub given_name: &'static str,
    /// Last name.
    pub surname: &'static str,
    /// Mail address; some users have no mailbox.
    pub mail: Option<String>,
    /// One of [`crate::DEPARTMENTS`]; some users have none.
    pub department: Option<&'static str>,
    /// Title; some users have none.
    pub job_title: Option<&'static str>,
    /// Country of residence.
    pub country: &'static str,
    /// False for leavers, whose history is still there.
    pub account_enabled: bool,
    /// Licences, in the order of assignment.
    pub assigned_licenses: Vec<AssignedLicense>,
    /// What the interactions call answers.
    pub access: Access,
}

impl User {
    /// Whether a discovery by licence finds this user: a SKU that contains the plan, and the plan not
    /// disabled.
    #[must_use]
    pub fn is_licensed(&self) -> bool {
        self.assigned_licenses.iter().any(|license| {
            let contains_plan = SKUS.iter().any(|sku| sku.sku_id == license.sku_id && sku.has_copilot_chat());
            contains_plan && !license.disabled_plans.contains(&COPILOT_CHAT_PLAN)
        })
    }

    /// Whether one of the user's licences is of this SKU.
    #[must_use]
    pub fn has_sku(&self, sku_id: &str) -> bool {
        self.assigned_licenses.iter().any(|license| license.sku_id.eq_ignore_ascii_case(sku_id))
    }
}

/// The departments of every tenant, each with a group of its own.
pub const DEPARTMENTS: [&str; 8] =
    ["Finance", "Legal", "Sales", "Marketing", "Research", "Engineering", "Operations", "Human Resources"];

const GIVEN_NAMES: [&str; 20] = [
    "Amélie",
    "Björn",
    "Chiara",
    "Dmytro",
    "Elif",
    "Farid",
    "Gülşen",
    "Hiroshi",
    "Ingrid",
    "José",
    "Kateřina",
    "Łukasz",
    "Mei",
    "Nikos",
    "Oksana",
    "Priya",
    "Quentin",
    "Rania",
    "Søren",
    "Thandiwe",
];
const SURNAMES: [&str; 20] = [
    "Ahmadi",
    "Brandt",
    "Castaño",
    "Dąbrowska",
    "Eriksson",
    "Fontaine",
    "García",
    "Horváth",
    "Ivanenko",
    "Jovanović",
    "Kobayashi",
    "Lê",
    "Müller",
    "Nakamura",
    "O'Connor",
    "Papadopoulos",
    "Quispe",
    "Rossi",
    "Şahin",
    "Tremblay",
];
const JOB_TITLES: [&str; 8] = [
    "Analyst",
    "Senior Counsel",
    "Account Executive",
    "Campaign Lead",
    "Scientist",
    "Software Engineer II",
    "Plant Manager",
    "Recruiter",
];
const COUNTRIES: [&str; 10] = [
    "Germany",
    "France",
    "Poland",
    "Greece",
    "India",
    "Japan",
    "United States",
    "Brazil",
    "Israel",
    "South Korea",
];

/// An odd multiplier and its inverse modulo 2^32: they turn an index into the first part of an object id
/// and back, so that a user is found by id without a table of all users.
const SCATTER: u32 = 0x9E37_79B1;
const GATHER: u32 = inverse(SCATTER);

/// The inverse of an odd number modulo 2^32, by Newton's iteration.
const fn inverse(odd: u32) -> u32 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

/// The seed folded into 32 bits, so that two tenants share no user.
fn salt(seed: u64) -> u32 {
    (Chance::at(seed, Purpose::User, [u64::MAX, 0]).bits() >> 32) as u32
}

/// The domain of the tenant's sign-in names.
pub(crate) fn domain(seed: u64) -> String {
    format!("contoso{}.example", seed % 100_000)
}

/// What the interactions call answers for the user at `index`.
pub(crate) fn access(spec: &TenantSpec, index: u32) -> Access {
    let step = u32::MAX - index.wrapping_mul(0x9E37_79B9);
    let place = f64::from(step) / (f64::from(u32::MAX) + 1.0);
    if place < spec.unlicensed_share {
        Access::Unlicensed
    } else if place < spec.unlicensed_share + spec.forbidden_share {
        Access::Forbidden
    } else if place < spec.unlicensed_share + spec.forbidden_share + spec.unknown_share {
        Access::Unknown
    } else if place < spec.unlicensed_share + spec.forbidden_share + spec.unknown_share + spec.broken_share {
        Access::Broken
    } else {
        Access::Open
    }
}

/// What the interactions call answers at an instant, Unix milliseconds: who gets a licence only later has none yet.
pub(crate) fn access_at(spec: &TenantSpec, index: u32, at_ms: i64) -> Access {
    let access = access(spec, index);
    if access == Access::Open && joins_ms(spec, index).is_some_and(|joins_ms| at_ms < joins_ms) {
        return Access::Unlicensed;
    }
    access
}

/// When the user at `index` gets a licence, Unix milliseconds; none of those who have one from the start.
fn joins_ms(spec: &TenantSpec, index: u32) -> Option<i64> {
    let mut chance = Chance::at(spec.seed, Purpose::Joining, [u64::from(index), 0]);
    let joins = chance.share(spec.joining_share) && index != 0;
    let window_ms = u64::try_from(spec.end - spec.start).unwrap_or(0);
    joins.then(|| spec.start + i64::try_from(chance.below(window_ms)).unwrap_or(0))
}

/// The object id of the user at `index`.
pub(crate) fn user_id(seed: u64, index: u32) -> String {
    let scattered = (index ^ salt(seed)).wrapping_mul(SCATTER);
    let mut chance = Chance::at(seed, Purpose::User, [u64::from(index), 1]);
    guid_from((u64::from(scattered) << 32) | (chance.bits() >> 32), chance.bits())
}

/// The index that a user's object id or sign-in name can only belong to; the caller compares.
pub(crate) fn index_hint(seed: u64, id_or_name: &str) -> Option<u32> {
    if let Some((local, _)) = id_or_name.split_once('@') {
        let digits = local.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        return digits.parse().ok();
    }
    let scattered = u32::from_str_radix(id_or_name.get(..8)?, 16).ok()?;
    Some(scattered.wrapping_mul(GATHER) ^ salt(seed))
}

/// The user at `index`, as the directory shows the user at an instant, Unix milliseconds.
pub(crate) fn user_at(spec: &TenantSpec, index: u32, at_ms: i64) -> User {
    let mut chance = Chance::at(spec.seed, Purpose::User, [u64::from(index), 0]);
    let given_name = chance.pick(&GIVEN_NAMES);
    let surname = chance.pick(&SURNAMES);
    let department = DEPARTMENTS[department_of(spec.seed, index)];
    let name = format!("{}.{}{index}", ascii(given_name), ascii(surname));
    let user_principal_name = format!("{name}@{}", domain(spec.seed));
    let access = access_at(spec, index, at_ms);
    User {
        index,
        id: user_id(spec.seed, index),
        display_name: format!("{given_name} {surname}"),
        given_name,
        surname,
        mail: chance.percent(95).then(|| user_principal_name.clone()),
        user_principal_name,
        department: chance.percent(92).then_some(department),
        job_title: chance.percent(90).then(|| chance.pick(&JOB_TITLES)),
        country: chance.pick(&COUNTRIES),
        account_enabled: chance.percent(94),
        assigned_licenses: licenses(access, &mut chance),
        access,
    }
}

/// The department whose group holds the user at `index`, also when the user's own property is empty.
pub(crate) fn department_of(seed: u64, index: u32) -> usize {
    usize::from(Chance::at(seed, Purpose::User, [u64::from(index), 2]).small(8))
}

fn licenses(access: Access, chance: &mut Chance) -> Vec<AssignedLicense> {
    let whole = |sku: &Sku| AssignedLicense { sku_id: sku.sku_id, disabled_plans: Vec::new() };
    let (with_plan, without_plan): (Vec<&Sku>, Vec<&Sku>) =
        SKUS.iter().partition(|sku| sku.has_copilot_chat());
    let copilot = chance.pick(&with_plan);
    let office = chance.pick(&without_plan);
    if access != Access::Unlicensed {
        let second = chance.percent(5).then(|| whole(with_plan[0])).filter(|it| it.sku_id != copilot.sku_id);
        return [whole(office), whole(copilot)].into_iter().chain(second).collect();
    }
    match chance.small(3) {
        0 => Vec::new(),
        1 => vec![whole(office)],
        _ => {
            let disabled_plans = vec![COPILOT_CHAT_PLAN];
            vec![whole(office), AssignedLicense { sku_id: copilot.sku_id, disabled_plans }]
        }
    }
}

/// The letters of a name that a sign-in name can hold; others become the nearest plain letter.
fn ascii(name: &str) -> String {
    name.chars()
        .filter_map(|letter| match letter {
            'é' | 'ê' => Some('e'),
            'ö' | 'ø' => Some('o'),
            'ü' => Some('u'),
            'ş' | 'Ş' => Some('s'),
            'ř' => Some('r'),
            'Ł' => Some('l'),
            'ñ' => Some('n'),
            'ą' | 'á' => Some('a'),
            'í' => Some('i'),
            'ć' => Some('c'),
            letter if letter.is_ascii_alphabetic() => Some(letter.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Access, GATHER, SCATTER, User, access, access_at, index_hint, user_at};
    use crate::spec::TenantSpec;

    fn user(spec: &TenantSpec, index: u32) -> User {
        user_at(spec, index, i64::MAX)
    }

    #[test]
    fn a_user_is_found_by_id_and_by_name() {
        assert_eq!(SCATTER.wrapping_mul(GATHER), 1);
        let spec = TenantSpec::default().with_seed(9);
        for index in [0, 1, 17, 49, 70_000] {
            let user = user(&spec, index);
            assert_eq!(index_hint(9, &user.id), Some(index));
            assert_eq!(index_hint(9, &user.id.to_uppercase()), Some(index));
            assert_eq!(index_hint(9, &user.user_principal_name), Some(index));
            assert!(user.user_principal_name.is_ascii());
        }
        assert_eq!(index_hint(9, "é"), None);
    }

    #[test]
    fn shares_are_kept_even_by_a_small_directory() {
        let spec = TenantSpec::default();
        let count = |wanted| (0..50).filter(|index| access(&spec, *index) == wanted).count();
        assert_eq!(access(&spec, 0), Access::Open);
        assert!((6..=9).contains(&count(Access::Unlicensed)), "{}", count(Access::Unlicensed));
        assert!((2..=4).contains(&count(Access::Forbidden)), "{}", count(Access::Forbidden));
        assert!((1..=3).contains(&count(Access::Unknown)), "{}", count(Access::Unknown));
    }

    #[test]
    fn some_get_their_licence_within_the_window_and_keep_it() {
        let spec = TenantSpec::default().with_joining_share(0.3);
        let open = |at_ms| (0..500).filter(|index| access_at(&spec, *index, at_ms) == Access::Open).count();
        let (before, middle, after) =
            (open(spec.start - 1), open(i64::midpoint(spec.start, spec.end)), open(spec.end));
        assert!(before + 20 < middle && middle + 20 < after, "{before}, {middle}, {after}");
        assert_eq!(after, (0..500).filter(|index| access(&spec, *index) == Access::Open).count());
        assert_eq!(access_at(&spec, 0, spec.start - 1), Access::Open);
        let joining = (0..500).map(|index| [user_at(&spec, index, spec.start - 1), user(&spec, index)]);
        for [early, late] in joining.filter(|[early, late]| early.access != late.access) {
            assert!(!early.is_licensed() && late.is_licensed(), "{early:?}");
            assert_eq!((early.id, early.display_name), (late.id, late.display_name));
        }
    }

    #[test]
    fn licences_agree_with_access() {
        let spec = TenantSpec::default();
        for index in 0..500 {
            let user = user(&spec, index);
            assert_eq!(user.is_licensed(), user.access != Access::Unlicensed, "{user:?}");
        }
        let disabled =
            |index| user(&spec, index).assigned_licenses.iter().any(|it| !it.disabled_plans.is_empty());
        assert!((0..500).any(disabled));
    }
}
