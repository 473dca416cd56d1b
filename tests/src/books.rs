//! The books of a player, held against what the API says.

use devstack::Stack;
use domain::{Entry, PlayerId};

use crate::Player;

/// More than any test writes to one journal.
const WHOLE_JOURNAL: i32 = 1000;

/// The player's whole journal, after holding it against what the API says: the
/// entries are numbered without gaps, every one sums to zero, and together they
/// make the balance.
///
/// # Panics
/// When the books are wrong.
pub async fn books(stack: &Stack, player: &Player) -> Vec<Entry> {
    let id: PlayerId = player.id.parse().expect("a player id");
    let journal = stack.store("test").entries_after(id, 0, WHOLE_JOURNAL).await;
    let journal = journal.expect("the journal");
    for (entry, seq) in journal.iter().zip(1..) {
        assert_eq!(entry.seq, seq, "a gap: {journal:#?}");
        assert_eq!(entry.legs.sum(), 0, "{entry:?}");
        assert!(entry.after.gold.units() >= 0, "{entry:?}");
    }
    let sum: i64 = journal.iter().map(|entry| entry.legs.of_player().units()).sum();
    assert_eq!(player.gold().await, sum);
    let fairness = player.api.get("/api/games/fairness").await.ok();
    assert_eq!(fairness["next_nonce"], journal.len() + 1, "the version counts the entries");
    journal
}
