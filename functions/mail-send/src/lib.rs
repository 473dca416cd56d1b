//! Event stream → mail.
//!
//! A consumer of its own, so that a mail service that is down or slow holds up
//! nobody else; and no queue, which whoever publishes events would have to fill, for
//! every player, before it is known who has an address. What is mailed about arrives
//! here through the trigger's filter; the token of a confirmation is in no event: it
//! is made here from the address that waits.
//!
//! The mail about an entry is claimed before it is sent and marked after. SES knows no
//! idempotency keys, so whoever dies between the two leaves a mail that may have been
//! sent or not: after a while it is sent again. One that comes twice is a nuisance, a
//! warning that never comes is not.

mod letter;
mod notice;
mod post;

use aws_lambda_events::{
    kinesis::{KinesisEvent, KinesisEventRecord},
    streams::KinesisEventResponse,
};
use domain::{Email, EmailAddress, Envelope};
use jiff::SignedDuration;
use runtime::{
    Clock, Deps, Function,
    auth::{JwtKeys, email_token},
    secrets::Rotating,
};
use store::{Claimed, MailProgress, Store};

use crate::{
    letter::Letter,
    notice::Notice,
    post::{Failure, Post},
};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `JWT_KEYS_SECRET`, `FAILURE_QUEUE_URL` or `LATEST_WARNING_SECONDS` is not
/// set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let latest_warning: u32 = deps.env.require("LATEST_WARNING_SECONDS")?.parse()?;
    let mails = Mails {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
        clock: deps.clock.clone(),
        post: Post::new(&deps)?,
        confirm_url: deps.env.get("MAIL_CONFIRM_URL").map(str::to_owned),
        latest_warning: SignedDuration::from_secs(latest_warning.into()),
    };
    Ok(Function::trigger(move |event: KinesisEvent, _context| {
        let mails = mails.clone();
        async move { Ok(mails.send(event.records).await) }
    }))
}

/// An item that cannot be read may be a newer build's: others wait behind it for as long
/// as a deployment takes. After that its mail is set aside.
const DEPLOYMENT: SignedDuration = SignedDuration::from_mins(2);

#[derive(Clone)]
struct Mails {
    store: Store,
    keys: Rotating<JwtKeys>,
    clock: Clock,
    /// `None` when mail is switched off: nothing is sent then, now or later.
    post: Option<Post>,
    /// The page that a confirmation leads to; without one the mail shows the code.
    confirm_url: Option<String>,
    latest_warning: SignedDuration,
}

/// Why a record comes back. Its texts name no address.
#[derive(Debug, thiserror::Error)]
enum Delayed {
    #[error(transparent)]
    Table(#[from] store::Error),
    #[error(transparent)]
    Keys(#[from] runtime::secrets::SecretError),
    #[error("SES: {0}")]
    Ses(String),
    #[error("the failure queue does not take what is set aside")]
    Queue(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("somebody else is sending it, or died over it")]
    Busy,
}

impl Mails {
    /// One record after the other, up to the first that cannot be mailed now: it comes
    /// back with all after it, for as long as the trigger says.
    async fn send(&self, records: Vec<KinesisEventRecord>) -> KinesisEventResponse {
        let mut answer = KinesisEventResponse::default();
        let Some(post) = &self.post else { return answer };
        for record in &records {
            let sequence = &record.kinesis.sequence_number;
            let Ok(event) = serde_json::from_slice::<Envelope>(&record.kinesis.data) else {
                // No event, so nobody to write to. `olap-load` keeps what it held.
                tracing::error!(sequence, "skipped a record that is no event");
                continue;
            };
            let mailed = match self.mail(post, &event).await {
                Err(Delayed::Table(store::Error::Corrupt { pk, sk, .. }))
                    if self.clock.now() >= event.ts + DEPLOYMENT =>
                {
                    let Envelope { user_id, seq, trace_id, .. } = &event;
                    tracing::error!(%user_id, seq, trace_id, pk, sk, "set aside: it cannot be read");
                    post.set_aside(&event, "unreadable_item").await.map_err(Delayed::Queue)
                }
                mailed => mailed,
            };
            if let Err(error) = mailed {
                let Envelope { user_id, seq, trace_id, .. } = &event;
                tracing::error!(%user_id, seq, trace_id, %error, "a mail comes back");
                answer.add_failure(sequence);
                break;
            }
        }
        answer
    }

    async fn mail(&self, post: &Post, event: &Envelope) -> Result<(), Delayed> {
        let now = self.clock.now();
        let Some(notice) = Notice::of(event, now, self.latest_warning) else { return Ok(()) };
        let Some((address, letter)) = self.letter(event, &notice).await? else { return Ok(()) };
        let (player, seq) = (event.user_id, event.seq);
        let claim = match self.store.claim_mail(player, seq, now).await? {
            Claimed::Yours(claim) => claim,
            Claimed::Done => return Ok(()),
            Claimed::Busy => return Err(Delayed::Busy),
        };
        match post.send(&address, &letter).await {
            Ok(()) => tracing::info!(%player, seq, trace_id = event.trace_id, "mailed"),
            Err(Failure::Refused(code)) => {
                tracing::error!(%player, seq, code, "set aside: the mail is refused for good");
                post.set_aside(event, &code).await.map_err(Delayed::Queue)?;
            }
            Err(Failure::Later(code)) => {
                // Should this fail too, the claim is anybody's after a while.
                self.store.finish_mail(claim, MailProgress::Unsent).await?;
                return Err(Delayed::Ses(code));
            }
        }
        // Should this fail, the mail comes twice: see above.
        Ok(self.store.finish_mail(claim, MailProgress::Done).await?)
    }

    /// To whom and what; nothing when the player has no address, or another one waits
    /// meanwhile for a confirmation.
    async fn letter(
        &self,
        event: &Envelope,
        notice: &Notice,
    ) -> Result<Option<(EmailAddress, Letter)>, Delayed> {
        let emails = self.store.emails_of(event.user_id).await?;
        if let Notice::News(news) = notice {
            let letter = |email: Email| (email.address, Letter::of(news, event.ts));
            return Ok(emails.confirmed.map(letter));
        }
        let now = self.clock.now();
        let asked_for = emails
            .pending
            .filter(|email| email.requested_by == event.seq && email.confirm_until > now);
        let Some(email) = asked_for else { return Ok(None) };
        let token = email_token::issue(&*self.keys.current().await?, event.user_id, &email);
        let letter = Letter::confirmation(&token, self.confirm_url.as_deref(), email.confirm_until);
        Ok(Some((email.address, letter)))
    }
}
