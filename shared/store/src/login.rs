//! Who logs in.

use domain::{Credential, Devices, PasswordHash, Player, PlayerId};
use serde::{Deserialize, Serialize};

use crate::{
    Store, boxed,
    error::Result,
    item::{self, Owner},
    keys,
};

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredCredential {
    pub password_hash: String,
    pub set_by: u64,
    #[serde(default, skip_serializing_if = "Devices::is_empty")]
    pub devices: Devices,
}

/// What a login is checked against. No `Debug`: it holds a password hash.
pub struct Login {
    pub player: Player,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Which password it is, as [`domain::Credential::set_by`].
    pub set_by: u64,
    /// What the player was seen with.
    pub devices: Devices,
}

impl Login {
    /// What is stored with the password, as a plan may store it again.
    #[must_use]
    pub fn credential(&self) -> Credential {
        Credential {
            password_hash: PasswordHash(self.password_hash.clone()),
            set_by: self.set_by,
            devices: self.devices.clone(),
        }
    }
}

impl Store {
    /// The player with this site id, or else with this nickname, and their
    /// password hash; `None` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn login(&self, name: &str) -> Result<Option<Login>> {
        let mut by_site = None;
        let mut by_nickname = None;
        for found in self.get(&[keys::site(name), keys::nickname(name)]).await? {
            let is_site = item::sk(&found) == Some("SITE");
            let owner: Owner = item::decode(found)?;
            if is_site { by_site = Some(owner.player) } else { by_nickname = Some(owner.player) }
        }
        // Nobody has the id of zeroes. Asking for nobody takes as long as for somebody.
        let nobody = PlayerId::from_bytes([0; 16]);
        self.login_of(by_site.or(by_nickname).unwrap_or(nobody)).await
    }

    /// The player and their password hash.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn login_of(&self, id: PlayerId) -> Result<Option<Login>> {
        let mut player = None;
        let mut credential: Option<StoredCredential> = None;
        for found in self.get(&[keys::state(id), keys::credential(id)]).await? {
            if item::sk(&found) == Some(keys::STATE) {
                player = Some(item::decode_state(found)?);
            } else {
                credential = Some(item::decode(found)?);
            }
        }
        Ok(player.zip(credential).map(|(player, credential)| Login {
            player,
            password_hash: credential.password_hash,
            set_by: credential.set_by,
            devices: credential.devices,
        }))
    }
}
