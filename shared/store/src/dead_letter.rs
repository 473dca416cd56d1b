//! Journal records that could not be published.

use domain::{
    DeadLetterId, Entry,
    dead_letter::{DeadLetter, RecordKey},
};

use crate::{
    Store, boxed,
    error::{Error, Result},
    item,
    keys::{self, Address},
    newest::Newest,
};

/// A page of dead letters, newest first.
#[derive(Debug)]
pub struct DeadLetterPage {
    pub letters: Vec<DeadLetter>,
    /// The page after is below this one.
    pub next: Option<DeadLetterId>,
}

impl Store {
    /// The journal entry with this key, as it lies in the table now.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is none, or none that this build can read;
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn recorded(&self, record: &RecordKey) -> Result<Entry> {
        let RecordKey { pk, sk } = record.clone();
        let found = self.get(&[Address { pk, sk }]).await?.pop();
        let item = found.ok_or_else(|| Error::Corrupt {
            pk: record.pk.clone(),
            sk: record.sk.clone(),
            source: "there is no such item".into(),
        })?;
        item::decode_entry(item)
    }

    /// Keeps a letter; one that is kept already stays as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn add_dead_letter(&self, letter: &DeadLetter) -> Result<()> {
        self.put_absent(item::encode(keys::dead_letter(letter.id), "dead_letter", letter)?).await
    }

    /// The letter; `None` when it never was, or has ended.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        self.get(&[keys::dead_letter(id)]).await?.pop().map(item::decode).transpose()
    }

    /// Up to `limit` letters from below `before`, newest first; fewer when they are
    /// large.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn dead_letters(
        &self,
        before: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<DeadLetterPage> {
        let Newest { items, more } = self.newest(keys::DEAD_LETTERS, before, limit).await?;
        let letters = items.into_iter().map(item::decode).collect::<Result<Vec<DeadLetter>>>()?;
        let next = letters.last().filter(|_| more).map(|last| last.id);
        Ok(DeadLetterPage { letters, next })
    }
}
