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

/// An insert that is due.
#[derive(Debug)]
pub struct Turn {
    /// The block's deduplication token.
    pub token: String,
    /// Inserts at the same place before this one.
    pub attempt: u8,
}

/// Looks the rows up and inserts those that are absent, until none is. Gives what the last
/// look found, and how many were absent at the first.
///
/// `insert` is given the absent rows, in order, to write them as one block.
///
/// # Errors
/// [`Error::Incomplete`] when rows are absent after [`ATTEMPTS`] inserts at one place, or
/// what `look_up` or `insert` failed with.
pub async fn insert_absent<'r, R, F, L, I>(
    rows: &'r [R],
    look_up: impl Fn() -> L,
    is_found: impl Fn(&F, &R) -> bool,
    place: impl Fn(&R) -> String,
    insert: impl Fn(Vec<&'r R>, Turn) -> I,
) -> Result<(F, usize), Error>
where
    L: Future<Output = Result<F, Error>>,
    I: Future<Output = Result<(), Error>>,
{
    let absent_of = |found: &F| rows.iter().filter(|row| !is_found(found, row)).collect::<Vec<_>>();
    let mut found = look_up().await?;
    let mut absent = absent_of(&found);
    let inserted = absent.len();
    let mut turns = Turns::default();
    while let Some(first) = absent.first() {
        let turn = turns.next(place(first), rows.len(), rows.len() - absent.len())?;
        insert(absent, turn).await?;
        found = look_up().await?;
        absent = absent_of(&found);
    }
    Ok((found, inserted))
}

/// Whose turn it was, and how often.
#[derive(Debug, Default)]
struct Turns {
    place: Option<String>,
    attempt: u8,
}

impl Turns {
    /// The next insert, which begins at `place`; [`Error::Incomplete`] after [`ATTEMPTS`]
    /// inserts there: of `expected` rows, `found` are there.
    ///
    /// Where a block at a place was written, if not this one, what is absent begins at
    /// another, with turns of its own.
    fn next(&mut self, place: String, expected: usize, found: usize) -> Result<Turn, Error> {
        let again = self.place.as_ref() == Some(&place);
        self.attempt = if again { self.attempt + 1 } else { 0 };
        if self.attempt == ATTEMPTS {
            return Err(Error::Incomplete { expected, found });
        }
        let token = format!("{place}:{}", self.attempt);
        self.place = Some(place);
        Ok(Turn { token, attempt: self.attempt })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_place_has_three_turns_and_another_begins_anew() {
        let mut turns = Turns::default();
        let mut token = |place: &str| turns.next(place.to_owned(), 2, 1).ok().map(|of| of.token);
        assert_eq!(token("a").as_deref(), Some("a:0"));
        assert_eq!(token("a").as_deref(), Some("a:1"));
        assert_eq!(token("b").as_deref(), Some("b:0"));
        assert_eq!(token("a").as_deref(), Some("a:0"));
        assert_eq!(token("a").as_deref(), Some("a:1"));
        assert_eq!(token("a").as_deref(), Some("a:2"));
        assert_eq!(token("a"), None);
    }

    #[tokio::test]
    async fn looks_again_after_each_insert_until_nothing_is_absent() {
        let table = RefCell::new(vec!['b']);
        let statements = RefCell::new(vec![]);
        let (found, inserted) = insert_absent(
            &['a', 'b', 'c'],
            || async {
                statements.borrow_mut().push("look up".to_owned());
                Ok(table.borrow().clone())
            },
            |found, row| found.contains(row),
            char::to_string,
            |absent, turn| {
                statements.borrow_mut().push(format!("{} {absent:?}", turn.token));
                // The first is lost; of the second, another's shorter block is there.
                if turn.token != "a:0" {
                    table.borrow_mut().push(*absent[0]);
                }
                async { Ok(()) }
            },
        )
        .await
        .unwrap();
        assert_eq!((found, inserted), (vec!['b', 'a', 'c'], 2));
        let expected = [
            "look up",
            "a:0 ['a', 'c']",
            "look up",
            "a:1 ['a', 'c']",
            "look up",
            "c:0 ['c']",
            "look up",
        ];
        assert_eq!(*statements.borrow(), expected);
    }
}
