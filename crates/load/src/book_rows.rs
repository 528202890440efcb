//! The rows that the books themselves add: how each user went, and what is complete.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::ArrowError;
use promptlake_model::{AppClasses, RunId, Table, Timestamp, UserEnd};

use crate::record::Covered;

/// A user whose outcome is settled, and what this run added for him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettledUser {
    pub(crate) end: UserEnd,
    pub(crate) added_records: u64,
}

/// The run that the rows name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunColumns<'a> {
    pub(crate) run_id: &'a RunId,
    pub(crate) extracted_at: Timestamp,
}

/// Rows of `users`.
pub(crate) fn user_rows(users: &[SettledUser], run: RunColumns<'_>) -> Result<RecordBatch, ArrowError> {
    let profile = |of: fn(&UserEnd) -> Option<&String>| -> ArrayRef {
        Arc::new(users.iter().map(|user| of(&user.end)).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        text(users.iter().map(|user| user.end.owner.tenant.to_string())),
        text(users.iter().map(|user| user.end.owner.user.to_string())),
        profile(|end| end.profile.user_principal_name.as_ref()),
        profile(|end| end.profile.display_name.as_ref()),
        profile(|end| end.profile.mail.as_ref()),
        profile(|end| end.profile.department.as_ref()),
        profile(|end| end.profile.job_title.as_ref()),
        profile(|end| end.profile.country.as_ref()),
        Arc::new(users.iter().map(|user| user.end.profile.account_enabled).collect::<BooleanArray>()),
        text(users.iter().map(|user| user.end.status.to_string())),
        Arc::new(users.iter().map(|user| user.end.http_status.map(i32::from)).collect::<Int32Array>()),
        profile(|end| end.error_code.as_ref()),
        profile(|end| end.reason.as_ref()),
        pages(users.iter().map(|user| user.end.page_count)),
        counts(users.iter().map(|user| user.added_records)),
        text(users.iter().map(|_| run.run_id.to_string())),
        timestamps(users.iter().map(|_| run.extracted_at)),
    ];
    RecordBatch::try_new(Table::Users.schema(), columns)
}

/// Rows of `coverage`.
pub(crate) fn coverage_rows(covered: &[Covered], run: RunColumns<'_>) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = vec![
        text(covered.iter().map(|one| one.owner.tenant.to_string())),
        text(covered.iter().map(|one| one.owner.user.to_string())),
        timestamps(covered.iter().map(|one| one.window.from)),
        timestamps(covered.iter().map(|one| one.window.to)),
        Arc::new(covered.iter().map(|one| filter_text(&one.classes)).collect::<StringArray>()),
        pages(covered.iter().map(|one| one.page_count)),
        counts(covered.iter().map(|one| one.record_count)),
        text(covered.iter().map(|_| run.run_id.to_string())),
        timestamps(covered.iter().map(|_| run.extracted_at)),
    ];
    RecordBatch::try_new(Table::Coverage.schema(), columns)
}

/// `None` where no class was left out.
fn filter_text(classes: &AppClasses) -> Option<String> {
    (!classes.is_all()).then(|| classes.to_string())
}

fn text(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

fn pages(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(values.map(|pages| i32::try_from(pages).unwrap_or(i32::MAX)).collect::<Int32Array>())
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(values.map(|count| i64::try_from(count).unwrap_or(i64::MAX)).collect::<Int64Array>())
}

fn timestamps(values: impl Iterator<Item = Timestamp>) -> ArrayRef {
    let micros: TimestampMicrosecondArray = values.map(|at| Some(at.micros())).collect();
    Arc::new(micros.with_timezone("UTC"))
}
