//! argon2id with OWASP's parameters, off the async threads.

use std::sync::Mutex;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use contract::Secret;

use crate::{Entropy, boxed};

/// Salt and hash of the decoy: no password is known to make it.
const DECOY: &str = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashing did not work: out of memory, or a stored hash that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error("argon2: {0}")]
    Argon2(#[from] argon2::password_hash::Error),
    #[error("the hashing thread went away")]
    Thread(#[from] tokio::task::JoinError),
}

/// What verifying a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password, or no such account.
    Wrong,
    Right {
        /// The hash was made with other parameters: store a new one.
        needs_rehash: bool,
    },
}

/// Hashes and verifies passwords at a given cost. The default is OWASP's first
/// recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hasher {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Default for Hasher {
    /// 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

impl Hasher {
    /// The least that argon2 allows: for tests that hash thousands of passwords.
    pub const LEAST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    /// Hashes a password for storage, as a PHC string.
    ///
    /// # Errors
    /// Out of memory.
    #[boxed]
    pub async fn hash(self, password: Secret, entropy: &Entropy) -> Result<String, HashError> {
        let salt = entropy.bytes::<16>();
        tokio::task::spawn_blocking(move || {
            let argon2 = self.argon2();
            let hash = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(argon2.params())?,
                salt: Some(Salt::new(&salt).map_err(argon2::password_hash::Error::from)?),
                hash: Some(digest(&argon2, password.expose(), &salt)?),
            };
            Ok(hash.to_string())
        })
        .await?
    }

    /// Verifies a password against an account's stored hash, at the hash's own cost;
    /// `None` for an account that does not exist takes as long as a new hash and is
    /// always wrong.
    ///
    /// # Errors
    /// A stored hash that cannot be read.
    #[boxed]
    pub async fn verify(
        self,
        password: Secret,
        stored: Option<String>,
    ) -> Result<Verdict, HashError> {
        tokio::task::spawn_blocking(move || self.compare(&password, stored.as_deref())).await?
    }

    fn compare(self, password: &Secret, stored: Option<&str>) -> Result<Verdict, HashError> {
        let decoy = self.decoy();
        let hash = PasswordHash::new(stored.unwrap_or(&decoy))
            .map_err(argon2::password_hash::Error::from)?;
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Ok(Verdict::Wrong);
        };
        // Comparing outputs takes the same time wherever they differ.
        let right = digest(&as_in(&hash)?, password.expose(), salt)? == *expected;
        Ok(if right && stored.is_some() {
            Verdict::Right { needs_rehash: self.needs_rehash(&hash) }
        } else {
            Verdict::Wrong
        })
    }

    /// Verified in place of an account that does not exist, so that the time taken
    /// does not tell. It costs what a new hash costs.
    fn decoy(self) -> String {
        let Self { memory_kib, passes, lanes } = self;
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${DECOY}")
    }

    /// Whether a stored hash was made with anything but the present parameters.
    fn needs_rehash(self, hash: &PasswordHash) -> bool {
        let other_algorithm = hash.algorithm != Algorithm::Argon2id.ident()
            || hash.version != Some(Version::V0x13.into());
        other_algorithm
            || Params::try_from(hash).map_or(true, |params| {
                (params.m_cost(), params.t_cost(), params.p_cost())
                    != (self.memory_kib, self.passes, self.lanes)
            })
    }

    fn argon2(self) -> Argon2<'static> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None)
            .expect("both costs are valid");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }
}

/// Memory that no hash is being made in. An allocator that is asked for 19 MiB with
/// an alignment, over and over, does not always find the hole it left (glibc's grows
/// by hundreds of MB), so it is asked once for as many as ever hash at once.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

fn digest(argon2: &Argon2<'_>, password: &str, salt: &[u8]) -> Result<Output, HashError> {
    let pool = || MEMORY.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut memory = pool().pop().unwrap_or_default();
    memory.resize(argon2.params().block_count(), Block::default());
    let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..length.min(Output::MAX_LENGTH)];
    let done =
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory);
    pool().push(memory);
    done.map_err(argon2::password_hash::Error::from)?;
    Ok(Output::new(output).map_err(argon2::password_hash::Error::from)?)
}

/// With the parameters of a stored hash.
fn as_in(hash: &PasswordHash) -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    Ok(Argon2::new(algorithm, version, Params::try_from(hash)?))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher as _;

    use super::*;

    fn entropy() -> Entropy {
        Entropy::new(|bytes| bytes.fill(42))
    }

    #[tokio::test]
    async fn the_right_password_verifies_and_another_does_not() {
        let hash = Hasher::default().hash("correct horse".into(), &entropy()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let right =
            Hasher::default().verify("correct horse".into(), Some(hash.clone())).await.unwrap();
        assert_eq!(right, Verdict::Right { needs_rehash: false });
        let wrong = Hasher::default().verify("battery staple".into(), Some(hash)).await.unwrap();
        assert_eq!(wrong, Verdict::Wrong);
    }

    #[tokio::test]
    async fn an_unknown_account_is_wrong_and_hashes_all_the_same() {
        assert_eq!(
            Hasher::default().verify("anything".into(), None).await.unwrap(),
            Verdict::Wrong
        );
        let decoy = Hasher::default().decoy();
        let decoy = PasswordHash::new(&decoy).unwrap();
        assert!(!Hasher::default().needs_rehash(&decoy), "the decoy costs what a real hash costs");
        let cheap = Hasher::LEAST.verify("anything".into(), None).await.unwrap();
        assert_eq!(cheap, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_asks_to_be_made_anew() {
        let weak =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash: PasswordHash = weak.hash_password_with_salt(b"pw", b"0123456789abcdef").unwrap();
        let verdict = Hasher::default().verify("pw".into(), Some(hash.to_string())).await.unwrap();
        assert_eq!(verdict, Verdict::Right { needs_rehash: true });
    }

    #[tokio::test]
    async fn a_broken_stored_hash_is_an_error_not_a_wrong_password() {
        assert!(Hasher::default().verify("pw".into(), Some("nonsense".into())).await.is_err());
    }
}
