//! Invite codes.

use domain::Invite;

use crate::{Store, boxed, error::Result, item, keys};

impl Store {
    /// The invite with this code. May be a moment old: the commit that uses it asks
    /// again.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn invite(&self, code: &str) -> Result<Option<Invite>> {
        self.get(&[keys::invite(code)]).await?.pop().map(item::decode).transpose()
    }
}
