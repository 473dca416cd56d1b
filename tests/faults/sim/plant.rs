//! Defects, planted one at a time: each makes the product's calls and answers what
//! they would be if the line that prevents the defect were missing. The product's
//! own code stays as it is, so nobody can ship one.

use std::ops::Range;

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
    /// The balance is read from any replica.
    EventualBalance,
    /// A view is stored though a newer one is there.
    DropViewCondition,
    /// The loader acknowledges a batch whatever became of it.
    AcknowledgeBeforeLoad,
    /// Rows are inserted without a deduplication token.
    NoInsertToken,
    /// The token of an insert follows from all of its rows.
    InsertTokenOfRows,
    /// A load that comes to the views again is counted again.
    FeedCountsAgain,
    /// A view that failed counts as fed.
    IgnoreFailedViews,
    /// Nobody looks whether a ticket was used before.
    TicketUsedTwice,
    /// Taking a ticket deletes it: a put of it that comes late makes it good again.
    TicketDeleted,
    /// Nobody looks whether a request's session has ended.
    SignedOutAdmitted,
    /// Signing out leaves the session in the state.
    SessionStays,
    /// A refresh token that was used is as good as the latest.
    RefreshTokenTwice,
    /// A change of password leaves the old hash where it is.
    PasswordKept,
    /// A nickname is taken whoever has it.
    NicknameNotReserved,
    /// The names of whoever wished to be forgotten are kept.
    NamesKept,
    /// An invite code lets in any number.
    InviteUnlimited,
    /// How fast a player was is forgotten at once.
    PaceForgotten,
    /// What was guessed wrong is forgotten at once.
    GuessesForgotten,
    /// A notice that a purchase is paid grants it, whether it was granted or not.
    PaidTwice,
    /// A payment that was declined counts as one that came.
    DeclinedGranted,
    /// Which notices were heard is not remembered.
    NoticeForgotten,
    /// How far a journal is published is marked whatever is missing before.
    MarkPassesGap,
}

impl Plant {
    /// What the auditor must say of it; anything else it says does not count.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::DropVersionCondition => "an entry is written once",
            Self::DropOnceCondition | Self::TimeoutIsFailure => "one entry per key",
            Self::TimeoutIsSuccess
            | Self::TimeoutIsRefusal
            | Self::SkipTailFold
            | Self::ReplayDiffers
            | Self::RequestHashNotCompared
            | Self::SkipLookup
            | Self::EventualBalance
            | Self::SignedOutAdmitted
            | Self::PasswordKept => "an answer is allowed by the model",
            Self::CountTwiceOnRetry | Self::DropViewCondition => {
                "projections = fold of the journal"
            }
            Self::LocalDay | Self::RepairCountsToday => "days are cut at UTC midnight",
            Self::ReuseNonce
            | Self::LegsDoNotSum
            | Self::ClaimOverpays
            | Self::RefreshTokenTwice => "every entry follows from those before it",
            Self::PublishBeforeCommit => "an event is an entry",
            Self::AcknowledgeBeforePublish
            | Self::FailurePastUnpublished
            | Self::IgnorePartialFailure
            | Self::MarkPassesGap => "every entry is published, in order",
            Self::StateBesideEntry | Self::SessionStays | Self::PaceForgotten => {
                "state = fold of the journal"
            }
            Self::EventualRead => "nothing is decided on stale reads",
            Self::FrameToAnother => "a frame is an entry's, and its player's",
            Self::AcknowledgeBeforePush => "a frame is pushed to an open socket",
            Self::AcknowledgeBeforeLoad | Self::NoInsertToken | Self::InsertTokenOfRows => {
                "every entry is one row"
            }
            Self::NicknameNotReserved | Self::NamesKept => "a name belongs to one player",
            Self::InviteUnlimited => "a code lets in whom it says",
            Self::TicketUsedTwice | Self::TicketDeleted => "a ticket opens one socket",
            Self::GuessesForgotten => "after five wrong guesses none is looked at",
            Self::PaidTwice => "a payment is granted once",
            Self::DeclinedGranted => "the provider's book is ours",
            Self::NoticeForgotten => "a notice that was taken is remembered",
            Self::FeedCountsAgain | Self::IgnoreFailedViews => "every view counts an entry once",
        }
    }

    /// Seeds of which several break the defect's rule; the first that does ends the
    /// hunt. Not all begin at 1, only to spare the rare ones' tests the seeds before.
    pub const fn seeds(self) -> Range<u64> {
        match self {
            Self::DropOnceCondition => 20..201,
            Self::DropViewCondition => 10..201,
            Self::TicketDeleted => 30..201,
            _ => 1..41,
        }
    }

    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
