//! Defects, planted one at a time: each makes the product's calls and answers what
//! they would be if the line that prevents the defect were missing. The product's
//! own code stays as it is, so nobody can ship one.

use clap::ValueEnum;

/// A deliberate defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Plant {
    /// State and entry are written whatever version is there.
    DropVersionCondition,
    /// The idempotency pointer is written over an older one.
    DropOnceCondition,
    /// A transaction without an answer counts as failed: done again without
    /// looking, under no key.
    TimeoutIsFailure,
    /// A transaction without an answer counts as done.
    TimeoutIsSuccess,
    /// A transaction without an answer is refused for good.
    TimeoutIsRefusal,
    /// Statistics are shown as stored, without the entries since.
    SkipTailFold,
    /// A view that is stored again has its last round twice.
    CountTwiceOnRetry,
    /// Days are cut at midnight in Seoul.
    LocalDay,
    /// The nightly repair holds the present day for missed.
    RepairCountsToday,
    /// A round is drawn with the nonce of the entry before.
    ReuseNonce,
    /// An event is published before its transaction has committed.
    PublishBeforeCommit,
    /// The outbox acknowledges a batch whatever became of it.
    AcknowledgeBeforePublish,
    /// The outbox names the record after the one that failed.
    FailurePastUnpublished,
    /// The outbox does not look at which records of a batch were refused.
    IgnorePartialFailure,
    /// The house pays one gold more than the player gets.
    LegsDoNotSum,
    /// The balance is written one gold higher than the entry says.
    StateBesideEntry,
    /// A replayed answer is made anew instead of read.
    ReplayDiffers,
    /// The same key answers for another request.
    RequestHashNotCompared,
    /// The lookup of a used key is left out before deciding.
    SkipLookup,
    /// Decisions are made on a state that may be stale.
    EventualRead,
    /// Frames of a player go to the player who connected last.
    FrameToAnother,
    /// A push message counts as delivered whatever became of it.
    AcknowledgeBeforePush,
    /// The claim pays a day's streak more than it counts.
    ClaimOverpays,
    /// A view is stored though a newer one is there.
    DropViewCondition,
}

impl Plant {
    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
