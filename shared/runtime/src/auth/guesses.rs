//! Guessing passwords, made slow.

use std::net::IpAddr;

use domain::{PlayerId, attempts::Policy};
use jiff::Timestamp;
use store::{Guesser, Store};

use super::fingerprint;
use crate::{Entropy, Env, Problem, boxed, chain};

/// How often one address may log in, by configuration.
#[derive(Clone, Copy, Debug)]
pub struct PerAddress(Policy);

impl PerAddress {
    /// `LOGINS_PER_ADDRESS` in five minutes, and `LOGIN_FAILURES_PER_ADDRESS` in ten.
    ///
    /// # Errors
    /// One of them is not set, or no positive number.
    pub fn from_env(env: &Env) -> Result<Self, crate::Error> {
        let number = |name| -> Result<std::num::NonZeroU32, crate::Error> {
            env.require(name)?.parse().map_err(|_| format!("{name} is no positive number").into())
        };
        let failures = number("LOGIN_FAILURES_PER_ADDRESS")?.get().try_into()?;
        Ok(Self(Policy::address(number("LOGINS_PER_ADDRESS")?.get(), failures)))
    }
}

/// One guess at a password: counted where it comes from and where it goes, before
/// anything is looked at. Then it is said whether it was right: as long as that is not
/// known, others who guess at the same time are only asked to come back.
pub struct Guess<'a> {
    store: &'a Store,
    guessers: Vec<Guesser>,
    target: String,
    /// Which guess it is: never twice the same.
    number: u64,
    now: Timestamp,
}

impl<'a> Guess<'a> {
    /// At the password of whoever goes by `name`, known or not: by counting names
    /// and not players, a lock does not tell who exists.
    #[must_use]
    pub fn at_login(
        store: &'a Store,
        name: &str,
        from: Option<IpAddr>,
        limits: PerAddress,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Self {
        let account = fingerprint(&format!("login:{}", name.to_lowercase()));
        let target = account[..8].to_owned();
        let mut guessers = vec![Guesser { name: account, policy: Policy::ACCOUNT }];
        if let Some(address) = from {
            let name = fingerprint(&format!("address:{}", network(address)));
            guessers.push(Guesser { name, policy: limits.0 });
        }
        let number = u64::from_be_bytes(entropy.bytes());
        Self { store, guessers, target, number, now }
    }

    /// At the password of a player who is signed in.
    #[must_use]
    pub fn at_own_password(
        store: &'a Store,
        player: PlayerId,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Self {
        let name = fingerprint(&format!("password:{player}"));
        let target = name[..8].to_owned();
        let guessers = vec![Guesser { name, policy: Policy::ACCOUNT }];
        Self { store, guessers, target, number: u64::from_be_bytes(entropy.bytes()), now }
    }

    /// Counts the guess.
    ///
    /// # Errors
    /// 429 `login_locked` or `rate_limited`: do not even look.
    #[boxed]
    pub async fn begin(&self) -> Result<(), Problem> {
        Ok(self.store.attempt(&self.guessers, &self.target, self.number, self.now).await?)
    }

    /// It was wrong. That this cannot be written is no reason for another answer: the
    /// guess is counted already, and as failed before long.
    #[boxed]
    pub async fn was_wrong(&self) {
        let failed = self.store.fail(&self.guessers, &self.target, self.number, self.now);
        if let Err(error) = failed.await {
            tracing::warn!(error = chain(&error), "a wrong guess still counts as under way");
        }
    }

    /// It was right: what was guessed wrong before is forgotten. That this fails is
    /// no reason to fail what the password was for; the guesses expire.
    #[boxed]
    pub async fn was_right(&self) {
        if let Err(error) = self.store.forgive(&self.guessers, &self.target, self.now).await {
            tracing::warn!(%error, "failed logins were not forgiven");
        }
    }
}

/// What one household or machine has: an IPv4 address, or a network of IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_address() {
        let network = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
