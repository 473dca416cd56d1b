//! Accounts to try the product with. Created once, through the same command as
//! every player; never hashed again.

use anyhow::{Context as _, Result, bail};
use contract::Secret;
use domain::{
    Ctx, PasswordHash, PlayerId, Role,
    command::sign_up::{self, Policy, SignUp},
};
use jiff::civil::Date;
use runtime::{Clock, Entropy, auth::Hasher, command::once_by_nature};
use serde::Deserialize;
use store::{Decision, Store};

/// One account of `localstack/seed/accounts.json`.
#[derive(Deserialize)]
pub struct Account {
    pub site_id: String,
    pub nickname: String,
    pub role: Role,
    pub password: String,
    birth_date: Date,
}

/// What is to be seeded at a stage.
pub struct Seeding {
    pub accounts: Vec<Account>,
    /// Whether their passwords, which stand in the repository, must change before
    /// anything else.
    pub must_change_password: bool,
    pub hasher: Hasher,
}

impl Seeding {
    /// What `AUTO_SEED_BASIC` asks for: `1` for the basic accounts, `0` for none;
    /// without a word, `1` in development and `0` elsewhere.
    ///
    /// # Errors
    /// It asks for accounts in production, or for something else; the file cannot be
    /// read.
    pub fn asked_for(auto_seed_basic: Option<&str>, stage: &str) -> Result<Self> {
        let accounts = match (auto_seed_basic, stage) {
            (Some("1"), "prod") => bail!("AUTO_SEED_BASIC=1 is refused where STAGE=prod"),
            (Some("1"), _) | (None, "dev") => accounts()?,
            (Some("0") | None, _) => Vec::new(),
            (Some(other), _) => bail!("AUTO_SEED_BASIC is 1 or 0, not {other:?}"),
        };
        let must_change_password = stage != "dev";
        Ok(Self { accounts, must_change_password, hasher: Hasher::default() })
    }

    /// Creates the accounts that are not there.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn sow(&self, store: &Store, clock: &Clock, entropy: &Entropy) -> Result<()> {
        for account in &self.accounts {
            self.seed(store, account, clock, entropy).await?;
        }
        Ok(())
    }

    /// Creates the account unless it is there, or was once.
    async fn seed(
        &self,
        store: &Store,
        account: &Account,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<()> {
        if store.login(&account.site_id).await?.is_some() {
            return Ok(());
        }
        let ctx = Ctx { now: clock.now(), seed: entropy.bytes(), trace_id: "seed".to_owned() };
        let command = SignUp {
            site_id: account.site_id.clone(),
            nickname: account.nickname.clone(),
            role: account.role,
            invite_code: "seed".to_owned(),
            birth_date: account.birth_date,
            must_change_password: self.must_change_password,
            device: None,
        };
        let policy =
            Policy { unlimited_invite_code: Some("seed".to_owned()), minimum_age_years: 19 };
        let hash = self.hasher.hash(Secret::from(account.password.as_str()), entropy).await?;
        let once = once_by_nature(format!("seed:{}", account.site_id));
        store
            .create(PlayerId::mint(&ctx), once, || {
                let plan =
                    sign_up::decide(&command, PasswordHash(hash.clone()), &policy, None, &ctx)?;
                Ok(Decision { plan, answer: None })
            })
            .await?;
        Ok(())
    }
}

/// The basic accounts.
fn accounts() -> Result<Vec<Account>> {
    let path = crate::parameters::root().join("localstack/seed/accounts.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many accounts are seeded, and whether their passwords must change.
    fn asked_for(auto_seed_basic: Option<&str>, stage: &str) -> Option<(usize, bool)> {
        let seeding = Seeding::asked_for(auto_seed_basic, stage).ok()?;
        Some((seeding.accounts.len(), seeding.must_change_password))
    }

    #[test]
    fn accounts_with_known_passwords_are_for_development_and_never_for_production() {
        assert_eq!(asked_for(None, "dev"), Some((5, false)));
        assert_eq!(asked_for(Some("1"), "dev"), Some((5, false)));
        assert_eq!(asked_for(Some("0"), "dev"), Some((0, false)));
        assert_eq!(asked_for(None, "staging"), Some((0, true)));
        assert_eq!(asked_for(Some("1"), "staging"), Some((5, true)));
        assert_eq!(asked_for(None, "prod"), Some((0, true)));
        assert_eq!(asked_for(Some("0"), "prod"), Some((0, true)));
        assert_eq!(asked_for(Some("1"), "prod"), None);
        assert_eq!(asked_for(Some("yes"), "dev"), None);
    }

    #[test]
    fn the_basic_accounts_are_an_admin_and_four_players() {
        let accounts = accounts().expect("the file");
        let names: Vec<_> = accounts.iter().map(|account| account.site_id.as_str()).collect();
        assert_eq!(names, ["admin", "user001", "user002", "user003", "user004"]);
        assert_eq!(accounts.iter().filter(|account| account.role > Role::Vip).count(), 1);
    }
}
