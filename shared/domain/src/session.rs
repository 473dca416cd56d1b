//! The sessions a player is signed in with.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Rejection, Role, SessionId};

/// How long a session lasts after it was opened or last refreshed.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Sessions a player can have at once. One more ends the one that would expire
/// first, so that a state stays small.
pub const MOST_SESSIONS: usize = 8;

/// One login, and with it one family of refresh tokens. Access and refresh tokens
/// are good as long as their session is in the state, which every request loads
/// anyway: ending a session takes effect on the next request, wherever it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Session {
    pub id: SessionId,
    /// Number of the refresh token that is good; all before it are used up.
    pub generation: u32,
    /// Whole seconds.
    pub expires_at: Timestamp,
}

/// A player's sessions, the one that expires first in front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sessions(Vec<Session>);

/// Whom a token says it was given to. What it says must be what the state says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub session: SessionId,
    pub role: Role,
    /// Whether the request may be made with a password that must change.
    pub before_password_change: bool,
}

/// What presenting a refresh token amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// It is the one that is good.
    Good,
    /// It was used before: somebody has a copy.
    UsedUp,
    /// Its session is over.
    Over,
}

impl Sessions {
    /// The session, unless it has ended.
    #[must_use]
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.0.iter().find(|session| session.id == id)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every one that has not ended, the one that expires first in front.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.0.iter()
    }

    /// How many have neither ended nor expired.
    #[must_use]
    pub fn live(&self, now: Timestamp) -> u32 {
        let live = self.0.iter().filter(|session| session.expires_at > now).count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// What a refresh token of this session and generation is at `now`.
    ///
    /// A generation that was never given out cannot be presented: tokens are signed.
    #[must_use]
    pub fn presented(&self, id: SessionId, generation: u32, now: Timestamp) -> Presented {
        match self.get(id) {
            Some(session) if session.expires_at <= now => Presented::Over,
            Some(session) if session.generation == generation => Presented::Good,
            Some(_) => Presented::UsedUp,
            None => Presented::Over,
        }
    }

    /// Begins a session; expired ones go, and the one that would expire first if
    /// there are too many.
    pub(crate) fn open(&mut self, id: SessionId, at: Timestamp) {
        self.0.retain(|session| session.expires_at > at && session.id != id);
        if self.0.len() >= MOST_SESSIONS {
            self.0.drain(..=self.0.len() - MOST_SESSIONS);
        }
        self.0.push(Session { id, generation: 1, expires_at: end(at) });
    }

    /// Makes the next refresh token the good one.
    pub(crate) fn refresh(&mut self, id: SessionId, generation: u32, at: Timestamp) {
        self.0.retain(|session| session.id != id);
        self.0.push(Session { id, generation, expires_at: end(at) });
    }

    pub(crate) fn close(&mut self, id: SessionId) {
        self.0.retain(|session| session.id != id);
    }

    pub(crate) fn close_all_but(&mut self, kept: Option<SessionId>) {
        self.0.retain(|session| Some(session.id) == kept);
    }
}

fn end(at: Timestamp) -> Timestamp {
    let end = at.checked_add(SESSION_LIFE).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(end.as_second()).expect("the seconds of an instant are one")
}

impl Credentials {
    /// Refuses a token that no longer says what the state says.
    ///
    /// # Errors
    /// [`Rejection::SignedOut`] when the session has ended or the role has
    /// changed, [`Rejection::PasswordChangeRequired`].
    pub fn admit(&self, player: &crate::Player) -> Result<(), Rejection> {
        let open = player.sessions.get(self.session).is_some();
        if !open || player.profile.role != self.role {
            return Err(Rejection::SignedOut);
        }
        if player.profile.must_change_password && !self.before_password_change {
            return Err(Rejection::PasswordChangeRequired);
        }
        Ok(())
    }
}

/// A stored session cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not <session>.<generation>.<epoch seconds>")]
pub struct InvalidSession;

/// `<session>.<generation>.<epoch seconds>`: a third of what a map would take in
/// an item that is written with every change.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, generation, expires_at } = self;
        write!(f, "{}.{generation}.{}", id.uuid().simple(), expires_at.as_second())
    }
}

impl FromStr for Session {
    type Err = InvalidSession;

    fn from_str(text: &str) -> Result<Self, InvalidSession> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(InvalidSession);
        let id = part()?.parse().map_err(|_| InvalidSession)?;
        let generation = part()?.parse().map_err(|_| InvalidSession)?;
        let seconds = part()?.parse().map_err(|_| InvalidSession)?;
        let expires_at = Timestamp::from_second(seconds).map_err(|_| InvalidSession)?;
        Ok(Self { id, generation, expires_at })
    }
}

impl From<Session> for String {
    fn from(session: Session) -> Self {
        session.to_string()
    }
}

impl TryFrom<String> for Session {
    type Error = InvalidSession;

    fn try_from(text: String) -> Result<Self, InvalidSession> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> SessionId {
        SessionId::from_bytes([byte; 16])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    #[test]
    fn a_refresh_token_is_good_once() {
        let mut sessions = Sessions::default();
        sessions.open(id(1), at(0));
        assert_eq!(sessions.presented(id(1), 1, at(1)), Presented::Good);
        sessions.refresh(id(1), 2, at(1));
        assert_eq!(sessions.presented(id(1), 1, at(2)), Presented::UsedUp);
        assert_eq!(sessions.presented(id(1), 2, at(2)), Presented::Good);
        assert_eq!(sessions.presented(id(2), 1, at(2)), Presented::Over);
    }

    #[test]
    fn a_refresh_prolongs_a_session_to_thirty_days_from_then() {
        let mut sessions = Sessions::default();
        sessions.open(id(1), at(0));
        let life = SESSION_LIFE.as_secs();
        assert_eq!(sessions.presented(id(1), 1, at(life - 1)), Presented::Good);
        assert_eq!(sessions.presented(id(1), 1, at(life)), Presented::Over);
        sessions.refresh(id(1), 2, at(100));
        assert_eq!(sessions.presented(id(1), 2, at(life + 99)), Presented::Good);
        assert_eq!(sessions.presented(id(1), 2, at(life + 100)), Presented::Over);
    }

    #[test]
    fn one_session_too_many_ends_the_one_that_expires_first() {
        let mut sessions = Sessions::default();
        for (n, byte) in (0..).zip(1..=8) {
            sessions.open(id(byte), at(n));
        }
        sessions.refresh(id(1), 2, at(50));
        sessions.open(id(9), at(60));
        assert_eq!(sessions.len(), MOST_SESSIONS);
        assert!(sessions.get(id(1)).is_some(), "it was refreshed since");
        assert!(sessions.get(id(2)).is_none());
        // Long after, all of them are gone.
        sessions.open(id(10), at(60 + SESSION_LIFE.as_secs()));
        assert_eq!(sessions.0.iter().map(|session| session.id).collect::<Vec<_>>(), [id(10)]);
    }

    #[test]
    fn a_session_reads_back() {
        let session = Session { id: id(7), generation: 12, expires_at: at(1_795_232_184) };
        assert_eq!(session.to_string().parse(), Ok(session));
        assert_eq!(session.to_string(), "07070707070707070707070707070707.12.1795232184");
        for bad in [
            "",
            "07",
            "07070707070707070707070707070707.1",
            "x.1.1",
            "07070707070707070707070707070707.1.x",
        ] {
            assert_eq!(bad.parse::<Session>(), Err(InvalidSession), "{bad}");
        }
    }
}
