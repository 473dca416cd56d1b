//! Journal records that could not be published.

use domain::{
    DeadLetterId, Entry,
    dead_letter::{DeadLetter, RecordKey},
};

use crate::{Store, boxed, error::Result, item, keys, newest::Newest};

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
    /// [`crate::Error::Corrupt`] when there is none, or none that this build can read;
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn recorded(&self, record: &RecordKey) -> Result<Entry> {
        let RecordKey { pk, sk } = record;
        let entry = keys::player_of(pk).zip(keys::seq_of(sk));
        // Written otherwise, it is another item.
        let entry = entry.filter(|&(player, seq)| {
            let address = keys::entry(player, seq);
            (&address.pk, &address.sk) == (pk, sk)
        });
        let (player, seq) = entry.ok_or_else(|| item::no_entrys_key(pk, sk))?;
        self.entry(player, seq).await
    }

    /// Keeps a letter; one that is kept already stays as it is.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn add_dead_letter(&self, letter: &DeadLetter) -> Result<()> {
        self.put_absent(item::encode(keys::dead_letter(letter.id), "dead_letter", letter)?).await
    }

    /// The letter; `None` when it never was, or has ended.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        self.get(&[keys::dead_letter(id)]).await?.pop().map(item::decode).transpose()
    }

    /// Up to `limit` letters from below `before`, newest first; fewer when they are
    /// large.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
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
