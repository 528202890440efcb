//! Trying out a tenant: a small question for each thing that a run needs of it, each answered by itself, so that what is
//! missing is known before hours depend on it.

use promptlake_model::{AppClasses, UserId, Window};

use super::attempts::{CallFault, Refusal};
use super::claims::TokenClaims;
use super::client::GraphClient;
use super::envelope::read_page_head;
use super::filter::{FirstPage, PAGE_RECORDS};
use super::verdict::Verdict;
use crate::ExtractError;

/// How many failures settle that a page can't be had: somebody looks on.
const PROOF_FAILURES: u32 = 3;

/// What the tenant has bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscriptions {
    /// All of them.
    pub all: usize,
    /// Those that contain Copilot.
    pub with_copilot: usize,
}

/// What came of asking for the newest page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriedPage {
    /// It was answered.
    Page {
        /// Its records.
        records: u64,
        /// Its size, after decompression.
        body_bytes: u64,
        /// Whether there are more.
        has_more: bool,
    },
    /// This user has no history: no licence, or nobody knows him.
    NoHistory,
    /// The app may not read it.
    Forbidden,
    /// The tenant does not take the filter.
    FilterRefused,
    /// There is no usable answer.
    Failed {
        /// In words.
        reason: String,
    },
}

impl GraphClient {
    /// Gets a token and says what it says of itself; `None` where it says nothing that can be read.
    pub async fn token_claims(&self) -> Result<Option<TokenClaims>, ExtractError> {
        let bearer = self.shared.caller.tokens.bearer().await?;
        Ok(TokenClaims::read(&bearer.secret))
    }

    /// Asks what the tenant has bought. Needs `Organization.Read.All`.
    pub async fn subscriptions(&self) -> Result<Subscriptions, ExtractError> {
        let skus = self.shared.subscribed_skus().await?;
        let with_copilot = skus.iter().filter(|sku| sku.holds_copilot()).count();
        Ok(Subscriptions { all: skus.len(), with_copilot })
    }

    /// Asks for the newest page of a user's history, of a window or of all that is retained. Costs one request, and up to
    /// three where it fails. An error is one that concerns the whole tenant.
    pub async fn try_page(
        &self,
        user: UserId,
        window: Option<Window>,
        classes: &AppClasses,
    ) -> Result<TriedPage, ExtractError> {
        let model = self.shared.settings.model;
        let first = FirstPage { page_records: PAGE_RECORDS, window, classes, model };
        let url = self.shared.history_url(user, &first);
        let lane = self.shared.interactions(user, PROOF_FAILURES);
        match self.shared.caller.get(lane, &url, read_page_head).await {
            Ok(fetched) => Ok(TriedPage::Page {
                records: fetched.value.records,
                body_bytes: fetched.body.len() as u64,
                has_more: fetched.value.next_link.is_some(),
            }),
            Err(CallFault::Tenant(error)) => Err(*error),
            Err(CallFault::Refused(refusal)) => Ok(TriedPage::of_refusal(&refusal, &first)),
            Err(CallFault::Failed { reason, .. } | CallFault::TooMuch { reason, .. }) => {
                Ok(TriedPage::Failed { reason })
            }
        }
    }
}

impl TriedPage {
    fn of_refusal(refusal: &Refusal, asked: &FirstPage<'_>) -> Self {
        match refusal.verdict {
            Verdict::Unlicensed | Verdict::NotFound => Self::NoHistory,
            Verdict::Forbidden => Self::Forbidden,
            Verdict::BadRequest if asked.window.is_some() => Self::FilterRefused,
            _ => Self::Failed { reason: format!("the answer is {}", refusal.status) },
        }
    }
}
