//! Provably fair randomness: one scheme for all games.
//!
//! Before a round the player knows SHA-256 of a 32-byte *server seed* and has
//! chosen a *client seed*. The *nonce* of a round is the number of the journal
//! entry that records it. The round's bytes are
//!
//! ```text
//! HMAC-SHA256(key = server seed, message = "<client seed>:<nonce>:<block>"), block = 0, 1, 2 …
//! ```
//!
//! read as big-endian 32-bit words and mapped to outcomes by rejection sampling,
//! never modulo. Rotating begins a new epoch and reveals the old seed, so
//! anyone can recompute every round of the old epoch with [`Draws`].

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::PlayerId;

/// The longest client seed, in characters.
pub const CLIENT_SEED_MAX: usize = 64;

/// The key all server seeds are derived from. `Debug` does not show it.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The server seed of one player's epoch.
    #[must_use]
    pub fn server_seed(&self, player: PlayerId, epoch: u32) -> ServerSeed {
        ServerSeed(hmac(
            &self.0,
            &[b"casino-club/server-seed/1", player.uuid().as_bytes(), &epoch.to_be_bytes()],
        ))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// A server seed: secret while its epoch runs. `Debug` shows its hash only.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerSeed([u8; 32]);

impl ServerSeed {
    /// The seed written as 64 hexadecimal digits, or `None` if it is not that.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let mut seed = [0; 32];
        for (byte, pair) in seed.iter_mut().zip(bytes.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
        }
        Some(Self(seed))
    }

    /// The seed itself, for the epoch that is over.
    #[must_use]
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }

    /// The commitment: SHA-256 of the 32 bytes, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.0))
    }
}

impl std::fmt::Debug for ServerSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerSeed(sha256 {})", self.hash())
    }
}

/// The random numbers of one round, in the order the game draws them.
pub struct Draws<'a> {
    seed: &'a ServerSeed,
    client_seed: &'a str,
    nonce: u64,
    block: u32,
    words: std::vec::IntoIter<u32>,
}

impl<'a> Draws<'a> {
    /// The numbers of the round with this seed pair and nonce.
    #[must_use]
    pub fn new(seed: &'a ServerSeed, client_seed: &'a str, nonce: u64) -> Self {
        Self { seed, client_seed, nonce, block: 0, words: Vec::new().into_iter() }
    }

    /// A number below `bound`, each equally likely.
    ///
    /// # Panics
    /// When `bound` is zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "a draw has at least one outcome");
        let zone = u32::MAX - (u32::MAX % bound + 1) % bound;
        loop {
            let word = self.word();
            if word <= zone {
                return word % bound;
            }
        }
    }

    fn word(&mut self) -> u32 {
        loop {
            if let Some(word) = self.words.next() {
                return word;
            }
            let message = format!("{}:{}:{}", self.client_seed, self.nonce, self.block);
            let bytes = hmac(&self.seed.0, &[message.as_bytes()]);
            self.block += 1;
            self.words = bytes
                .chunks_exact(4)
                .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
                .collect::<Vec<_>>()
                .into_iter();
        }
    }
}

/// Whether a player may choose `seed`: 1 to 64 visible ASCII characters.
#[must_use]
pub fn is_client_seed(seed: &str) -> bool {
    !seed.is_empty()
        && seed.len() <= CLIENT_SEED_MAX
        && seed.bytes().all(|byte| byte.is_ascii_graphic())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> ServerSeed {
        ServerSeed([7; 32])
    }

    #[test]
    fn the_first_words_are_those_of_the_published_formula() {
        // python3 -c "import hmac;print(hmac.new(bytes([7])*32,b'abc:3:0','sha256').hexdigest()[:16])"
        let bytes = hmac(&[7; 32], &[b"abc:3:0"]);
        let seed = seed();
        let mut draws = Draws::new(&seed, "abc", 3);
        assert_eq!(draws.word(), u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    }

    #[test]
    fn a_ninth_word_comes_from_the_next_block() {
        let seed = seed();
        let mut draws = Draws::new(&seed, "abc", 3);
        for _ in 0..8 {
            draws.word();
        }
        let next = hmac(&[7; 32], &[b"abc:3:1"]);
        assert_eq!(draws.word(), u32::from_be_bytes([next[0], next[1], next[2], next[3]]));
    }

    #[test]
    fn words_above_the_last_whole_multiple_are_drawn_again() {
        let seed = seed();
        for bound in [1, 2, 3, 32, 1000, u32::MAX] {
            let mut draws = Draws::new(&seed, "x", 1);
            for _ in 0..100 {
                assert!(draws.below(bound) < bound);
            }
        }
    }

    #[test]
    fn a_revealed_seed_reads_back_and_matches_its_commitment() {
        let seed = MasterKey::new([1; 32]).server_seed(uuid::Uuid::nil().into(), 1);
        assert_eq!(ServerSeed::from_hex(&seed.reveal()).as_ref(), Some(&seed));
        assert_eq!(ServerSeed::from_hex("zz"), None);
        assert_eq!(seed.hash().len(), 64);
        assert!(!format!("{seed:?}").contains(&seed.reveal()));
    }

    #[test]
    fn every_player_and_epoch_has_its_own_seed() {
        let key = MasterKey::new([1; 32]);
        let player: PlayerId = uuid::Uuid::nil().into();
        let other: PlayerId = uuid::Uuid::max().into();
        assert_ne!(key.server_seed(player, 1), key.server_seed(player, 2));
        assert_ne!(key.server_seed(player, 1), key.server_seed(other, 1));
    }
}
