//! Inserting what is absent, as often as it takes.
//!
//! Whoever loads looks rows up, inserts those that are absent as one block, and looks
//! again. A block's deduplication token is of its *place*, the first row that was absent:
//! blocks that begin alike, of whatever length, have one token, and one of them is
//! written. See `functions/olap-load/src/load.rs` for why.

use super::Error;

/// Inserts at one place. One suffices unless the server was killed between taking note
/// of a token and keeping the rows; the next attempt's token is another.
pub const ATTEMPTS: u8 = 3;

/// Whose turn it was, and how often.
#[derive(Debug, Default)]
pub struct Turns {
    place: Option<String>,
    attempt: u8,
}

impl Turns {
    /// The token of the next insert, which begins at `place`.
    ///
    /// # Errors
    /// [`Error::Incomplete`] after [`ATTEMPTS`] inserts there: of `expected` rows, `found`
    /// are there.
    pub fn token(&mut self, place: String, expected: usize, found: usize) -> Result<String, Error> {
        let again = self.place.as_ref() == Some(&place);
        self.attempt = if again { self.attempt + 1 } else { 0 };
        if self.attempt == ATTEMPTS {
            return Err(Error::Incomplete { expected, found });
        }
        let token = format!("{place}:{}", self.attempt);
        self.place = Some(place);
        Ok(token)
    }

    /// Inserts at the present place before this one.
    #[must_use]
    pub const fn attempt(&self) -> u8 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_three_turns_and_another_begins_anew() {
        let mut turns = Turns::default();
        let mut token = |place: &str| turns.token(place.to_owned(), 2, 1).ok();
        assert_eq!(token("a").as_deref(), Some("a:0"));
        assert_eq!(token("a").as_deref(), Some("a:1"));
        assert_eq!(token("b").as_deref(), Some("b:0"));
        assert_eq!(token("a").as_deref(), Some("a:0"));
        assert_eq!(token("a").as_deref(), Some("a:1"));
        assert_eq!(token("a").as_deref(), Some("a:2"));
        assert_eq!(token("a"), None);
    }
}
