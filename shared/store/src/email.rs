//! A player's mail address, in an item of its own: the state is read with every
//! request and the address with hardly any.

use domain::{Email, EmailAddress, PlayerId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Store, Subject, boxed,
    error::{Error, Result},
    item, keys,
};

/// An address as it is stored. No `Debug`: it is personal.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredEmail {
    address: String,
    requested_by: u64,
    /// Epoch seconds.
    confirm_until: i64,
    /// Epoch seconds. Of an address that waits: unconfirmed, it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

/// The addresses of a player.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emails {
    /// Where notices go.
    pub confirmed: Option<Email>,
    /// What waits to take its place. May have expired.
    pub pending: Option<Email>,
}

impl StoredEmail {
    pub(crate) fn pending(email: &Email) -> Self {
        let expires_at = Some(email.confirm_until.as_second());
        Self { expires_at, ..Self::confirmed(email) }
    }

    pub(crate) fn confirmed(email: &Email) -> Self {
        Self {
            address: email.address.expose().to_owned(),
            requested_by: email.requested_by,
            confirm_until: email.confirm_until.as_second(),
            expires_at: None,
        }
    }

    fn read(self) -> Email {
        Email {
            address: EmailAddress::new(self.address),
            requested_by: self.requested_by,
            confirm_until: Timestamp::from_second(self.confirm_until).unwrap_or(Timestamp::MIN),
        }
    }
}

impl Emails {
    /// Whether there is nothing to forget.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.confirmed.is_none() && self.pending.is_none()
    }

    /// The one that this entry asked for, confirmed or not.
    #[must_use]
    pub fn requested_by(&self, seq: u64) -> Option<&Email> {
        [&self.pending, &self.confirmed]
            .into_iter()
            .flatten()
            .find(|email| email.requested_by == seq)
    }
}

impl Store {
    /// The subject's addresses, in one round trip with the state that says whether the
    /// subject may see them.
    ///
    /// # Errors
    /// As [`Store::player`].
    #[boxed]
    pub async fn emails(&self, subject: Subject) -> Result<Emails> {
        let (_, emails) = tokio::try_join!(self.player(subject), self.emails_of(subject.player()))?;
        Ok(emails)
    }

    /// A player's addresses, for who knows already that they may be seen.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Corrupt`] of either.
    #[boxed]
    pub async fn emails_of(&self, id: PlayerId) -> Result<Emails> {
        let page = self.page(id, keys::EMAIL, keys::PENDING_EMAIL, true, 2, None);
        let mut emails = Emails::default();
        for found in page.await?.0 {
            let pending = item::sk(&found) == Some(keys::PENDING_EMAIL);
            let sk = if pending { keys::PENDING_EMAIL } else { keys::EMAIL };
            // Without the source: it may quote the address.
            let stored: StoredEmail = item::decode(found).map_err(|_| Error::Corrupt {
                pk: keys::player(id),
                sk: sk.to_owned(),
                source: "not a stored address".into(),
            })?;
            let place = if pending { &mut emails.pending } else { &mut emails.confirmed };
            *place = Some(stored.read());
        }
        Ok(emails)
    }
}
