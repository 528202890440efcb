//! Keys: hashes that name a version of a record, or a thing that could not be read.
//!
//! A key must be the same whoever computes it, in whatever version: what goes into it is fixed, and so is how.

use std::fmt::Write as _;

use promptlake_model::{Owner, RecordId};
use sha2::{Digest as _, Sha256};

use crate::record::Record;

/// Tells apart the hashes of this program and of their versions.
const RECORD_DOMAIN: &[u8] = b"promptlake record key 1\0";
const REJECT_DOMAIN: &[u8] = b"promptlake reject key 1\0";

/// The key of one version of one record.
pub(crate) fn record_id(owner: &Owner, record: &Record<'_>, record_bytes: &[u8]) -> RecordId {
    let mut key = Key::of(RECORD_DOMAIN, owner);
    key.text(record.session_id.as_deref());
    key.text(record.id.as_deref());
    key.text(record.etag.as_deref());
    if record.session_id.is_none() {
        // Without its session an id is not even unique within its user.
        key.text(record.request_id.as_deref());
        key.text(record.interaction_type.as_deref());
        key.text(record.app_class.as_deref());
        key.text(record.created.as_deref());
    }
    if record.etag.is_none() {
        key.bytes(record_bytes);
    }
    key.finish()
}

/// The key of what could not be read.
pub(crate) fn reject_id(owner: &Owner, raw_bytes: &[u8]) -> RecordId {
    let mut key = Key::of(REJECT_DOMAIN, owner);
    key.bytes(raw_bytes);
    key.finish()
}

/// SHA-256 over fields of which none can run into the next: each has its length before it, and none is not empty.
struct Key(Sha256);

impl Key {
    fn of(domain: &[u8], owner: &Owner) -> Self {
        let mut hash = Sha256::new();
        hash.update(domain);
        hash.update(owner.tenant.as_bytes());
        hash.update(owner.user.as_bytes());
        Self(hash)
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.0.update([0]),
            Some(text) => self.bytes(text.as_bytes()),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update([1]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> RecordId {
        let hash = self.0.finalize();
        let half = hash.iter().take(16).fold(0, |id, byte| (id << 8) | u128::from(*byte));
        RecordId(half)
    }
}

/// Bytes as hex digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes what is written");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use promptlake_model::{TenantId, UserId};

    use super::*;

    fn owner() -> Owner {
        Owner {
            tenant: TenantId::parse("061ea7c2-cc15-418b-bfc0-9f6a7d98011c").unwrap(),
            user: UserId::parse("4db02e4b-d144-400e-b194-53253a34c5be").unwrap(),
        }
    }

    fn key(json: &str) -> String {
        record_id(&owner(), &Record::read(json).unwrap(), json.as_bytes()).to_string()
    }

    #[test]
    fn keys_never_change() {
        let whole = r#"{"id":"1","sessionId":"s","etag":"2","requestId":"r"}"#;
        assert_eq!(key(whole), "7d08ed6b15f3d5dffcbdbd9c3d55ca25");
        assert_eq!(
            key(r#"{"id":"1","sessionId":null,"etag":"2","requestId":"r"}"#),
            "add2a3f2a2dd2d7aff226f1abf54b4ae"
        );
        assert_eq!(key(r#"{"id":"1","sessionId":"s"}"#), "4f0403b1632967e30d8ee6276d9dda75");
        assert_eq!(reject_id(&owner(), b"\xff{").to_string(), "f21dea2e6b43f58f3e27631549786180");
    }

    #[test]
    fn a_key_is_of_what_names_a_record_and_of_nothing_else() {
        let named = r#"{"id":"1","sessionId":"s","etag":"2"}"#;
        assert_eq!(key(named), key(r#"{ "etag":2, "sessionId":"s", "id":1, "body":{"content":"x"} }"#));
        let others = [
            named,
            r#"{"id":"1","sessionId":"s2","etag":""}"#,
            r#"{"id":"1s","sessionId":"","etag":"2"}"#,
            r#"{"id":"","sessionId":"1s","etag":"2"}"#,
            r#"{"id":"1","sessionId":"s"}"#,
            r#"{"id":"1","sessionId":"s","etag":null}"#,
            r#"{"id":"1","etag":"2"}"#,
            r#"{"id":"1","etag":"2","requestId":""}"#,
            r#"{"id":"1","etag":"2","interactionType":""}"#,
            r#"{"id":"1","etag":"2","appClass":""}"#,
            r#"{"id":"1","etag":"2","createdDateTime":""}"#,
            r#"{"id":null,"sessionId":"s","etag":"2"}"#,
        ];
        assert_eq!(others.iter().map(|json| key(json)).collect::<HashSet<_>>().len(), others.len());
    }
}
