//! On whose behalf a player's items are read and changed.

use domain::{Credentials, Player, PlayerId, SessionId};

use crate::error::{Error, Result};

/// The player, and what a caller must still be when the state is read: every
/// access names one, so that no handler can forget to ask.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    player: PlayerId,
    credentials: Option<Credentials>,
}

impl Subject {
    /// The player, asking for themselves with a token.
    #[must_use]
    pub const fn caller(player: PlayerId, credentials: Credentials) -> Self {
        Self { player, credentials: Some(credentials) }
    }

    /// The player, on behalf of the product: scheduled work, pushes, logins.
    #[must_use]
    pub const fn system(player: PlayerId) -> Self {
        Self { player, credentials: None }
    }

    #[must_use]
    pub const fn player(&self) -> PlayerId {
        self.player
    }

    pub(crate) const fn is_system(&self) -> bool {
        self.credentials.is_none()
    }

    /// The session that the player's token is of.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.credentials.map(|credentials| credentials.session)
    }

    /// # Errors
    /// [`Error::Rejected`] when the token no longer says what the state says.
    pub(crate) fn admit(&self, state: &Player) -> Result<()> {
        match &self.credentials {
            Some(credentials) => credentials.admit(state).map_err(Error::from),
            None => Ok(()),
        }
    }
}
