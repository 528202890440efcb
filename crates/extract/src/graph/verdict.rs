//! What a status other than 200 means: one table, no I/O.

/// What follows from an answer that is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 400: a filter that the tenant does not take, or a bad or stale paging token. The request tells which.
    BadRequest,
    /// 401: the token has expired or was revoked.
    TokenRejected,
    /// 402: no payment model, or the evaluation is used up. Fatal for the tenant.
    PaymentRequired,
    /// 403 that names a missing licence: this user has none.
    Unlicensed,
    /// 403 otherwise. When every user gets it, consent is missing.
    Forbidden,
    /// 404: no history, or an unknown user.
    NotFound,
    /// 410: the paging token is gone.
    TokenGone,
    /// 429: everybody slows down.
    Throttled,
    /// Worth another try.
    Transient,
    /// 3xx: nothing is followed elsewhere.
    Redirected,
    /// Anything else: not to be repeated.
    Refused,
}

/// Decides on the status and the code; on the message only whether a licence is missing.
pub(crate) fn classify(status: u16, code: &str, message: &str) -> Verdict {
    match status {
        300..=399 => Verdict::Redirected,
        400 => Verdict::BadRequest,
        401 => Verdict::TokenRejected,
        402 => Verdict::PaymentRequired,
        403 if names_a_licence(code) || names_a_licence(message) => Verdict::Unlicensed,
        403 => Verdict::Forbidden,
        404 => Verdict::NotFound,
        410 => Verdict::TokenGone,
        429 => Verdict::Throttled,
        // 501 and 505 say that the server will never do it.
        501 | 505 => Verdict::Refused,
        408 | 500..=599 => Verdict::Transient,
        _ => Verdict::Refused,
    }
}

/// Decides on the status of an answer whose body did not come. Whether a licence is missing or consent is, only the body
/// would have said: that is to be asked again.
pub(crate) fn classify_without_body(status: u16) -> Verdict {
    match classify(status, "", "") {
        Verdict::Forbidden => Verdict::Transient,
        verdict => verdict,
    }
}

fn names_a_licence(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("license") || text.contains("licence")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_body_leaves_open_why_somebody_is_forbidden() {
        for (status, verdict) in [
            (403, Verdict::Transient),
            (404, Verdict::NotFound),
            (429, Verdict::Throttled),
            (402, Verdict::PaymentRequired),
        ] {
            assert_eq!(classify_without_body(status), verdict, "{status}");
        }
    }

    #[test]
    fn statuses() {
        use Verdict::*;
        for (status, code, message, verdict) in [
            (301, "", "", Redirected),
            (307, "", "", Redirected),
            (204, "", "", Refused),
            (400, "BadRequest", "Invalid filter clause", BadRequest),
            (400, "InvalidRequest", "the license of this token", BadRequest),
            (401, "InvalidAuthenticationToken", "Lifetime validation failed", TokenRejected),
            (402, "PaymentRequired", "Evaluation capacity exceeded", PaymentRequired),
            (403, "Forbidden", "User does not have a valid license", Unlicensed),
            (403, "Forbidden", "Der Benutzer hat keine Copilot-LICENCE", Unlicensed),
            (403, "LicenseRequired", "", Unlicensed),
            (403, "Forbidden", "Missing role AiEnterpriseInteraction.Read.All", Forbidden),
            (403, "", "", Forbidden),
            (404, "NotFound", "User not found, no license", NotFound),
            (408, "", "", Transient),
            (409, "", "", Refused),
            (410, "resyncRequired", "", TokenGone),
            (413, "", "", Refused),
            (429, "TooManyRequests", "", Throttled),
            (500, "generalException", "", Transient),
            (501, "", "", Refused),
            (502, "", "", Transient),
            (503, "serviceNotAvailable", "", Transient),
            (504, "", "", Transient),
            (509, "", "", Transient),
        ] {
            assert_eq!(classify(status, code, message), verdict, "{status} {code} {message}");
        }
    }
}
