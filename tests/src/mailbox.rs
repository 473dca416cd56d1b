//! The mails that a private stack has sent.

use serde_json::Value;

use crate::{Api, Call, PASSWORD, Player, eventually};

/// The mailbox of a private stack. Deployments have none: their mails go where mails go.
pub struct Mailbox(Api);

impl Mailbox {
    #[must_use]
    pub fn of(stack: &devstack::Stack) -> Self {
        Self(Api::new(&stack.base_url))
    }

    /// All mails to an address, the newest first.
    ///
    /// # Panics
    /// When the stack does not show its mails.
    pub async fn to(&self, address: &str) -> Vec<Value> {
        let mails = self.0.get("/_local/mailbox.json").await.ok();
        let mut mails = mails.as_array().expect("a list of mails").clone();
        mails.retain(|mail| mail["to"][0] == address);
        mails
    }

    /// The newest mail to an address, once there are `count`.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn newest(&self, address: &str, count: usize) -> Value {
        let arrived = || async { self.to(address).await.len() >= count };
        eventually("the mail arrives", arrived).await;
        let mails = self.to(address).await;
        assert_eq!(mails.len(), count, "{mails:#?}");
        mails[0].clone()
    }

    /// The token of the newest confirmation to an address, which is mail number `count`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn token(&self, address: &str, count: usize) -> String {
        let mail = self.newest(address, count).await;
        let text = mail["text"].as_str().expect("a text");
        text.split("\n\n").nth(1).expect("the code is a paragraph").to_owned()
    }

    /// Gives the player an address and confirms it, with the first mail to it.
    pub async fn confirm(&self, player: &Player, address: &str) {
        player.give_email(address, PASSWORD).send().await.ok();
        let token = self.token(address, 1).await;
        player.confirm_email(&token).send().await.ok();
    }
}

impl Player {
    /// A mail address, to be sent.
    #[must_use]
    pub fn give_email(&self, address: &str, password: &str) -> Call {
        let body = serde_json::json!({ "email": address, "password": password });
        self.api.call(reqwest::Method::PUT, "/api/auth/email").body(body.to_string())
    }

    /// The token of a mail, to be sent.
    #[must_use]
    pub fn confirm_email(&self, token: &str) -> Call {
        self.api.post("/api/auth/email/confirm", &serde_json::json!({ "token": token }))
    }

    /// The end of the address, to be sent.
    #[must_use]
    pub fn remove_email(&self) -> Call {
        self.api.call(reqwest::Method::DELETE, "/api/auth/email")
    }
}
