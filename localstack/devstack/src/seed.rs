//! Accounts to try the product with. Created once, through the same command as
//! every player; never hashed again.

use anyhow::{Context as _, Result};
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

/// The accounts to seed.
///
/// # Errors
/// The file cannot be read.
pub fn accounts() -> Result<Vec<Account>> {
    let path = crate::parameters::root().join("localstack/seed/accounts.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// Creates the account unless it is there.
///
/// # Errors
/// The table does not answer.
pub async fn seed(
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
        must_change_password: false,
    };
    let policy = Policy { unlimited_invite_code: Some("seed".to_owned()), minimum_age_years: 19 };
    let hash = Hasher::default().hash(Secret::from(account.password.as_str()), entropy).await?;
    let once = once_by_nature(format!("seed:{}", account.site_id));
    store
        .create(PlayerId::mint(&ctx), once, || {
            let plan = sign_up::decide(&command, PasswordHash(hash.clone()), &policy, &ctx)?;
            Ok(Decision { plan, answer: None })
        })
        .await?;
    Ok(())
}
