//! A player, and what players do.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::{Answer, Api, Call, Socket};

/// The password of every test player.
pub const PASSWORD: &str = "correct-horse-9";

/// A signed-up player with a valid token.
#[derive(Clone)]
pub struct Player {
    pub api: Api,
    pub id: String,
    pub site_id: String,
    pub nickname: String,
}

/// A name nobody else has, in this run or another.
#[must_use]
pub fn fresh_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let millis = runtime::Clock::system().now().as_millisecond();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t{millis}p{}n{number}", std::process::id())
}

impl Player {
    /// Signs a new player up.
    pub async fn sign_up(api: &Api) -> Self {
        let name = fresh_name();
        let nickname = format!("n{}", &name[name.len() - 18.min(name.len())..]);
        let body = signup_body(&name, &nickname);
        let answer = api.post("/api/auth/signup", &body).send().await.ok();
        Self {
            api: api.with_token(answer["access_token"].as_str().unwrap_or_default()),
            id: answer["user"]["id"].as_str().unwrap_or_default().to_owned(),
            site_id: name,
            nickname,
        }
    }

    /// The same player with a token of now.
    pub async fn log_in(&self) -> Self {
        let body = json!({ "site_id": self.site_id, "password": PASSWORD });
        let answer = self.api.post("/api/auth/login", &body).send().await.ok();
        let token = answer["access_token"].as_str().unwrap_or_default();
        Self { api: self.api.with_token(token), ..self.clone() }
    }

    /// A spin, to be sent.
    #[must_use]
    pub fn spin(&self, bet: i64, key: &str) -> Call {
        self.api.post("/api/games/slot/spin", &json!({ "bet": bet })).key(key)
    }

    /// A purchase, to be sent.
    #[must_use]
    pub fn buy(&self, product_id: &str, quantity: u32, key: &str) -> Call {
        let body = json!({ "product_id": product_id, "quantity": quantity });
        self.api.post("/api/shop/buy", &body).key(key)
    }

    /// Today's claim, sent.
    pub async fn claim(&self) -> Answer {
        self.api.call(reqwest::Method::POST, "/api/streak/claim").send().await
    }

    /// The gold balance.
    pub async fn gold(&self) -> i64 {
        self.me().await["gold_balance"].as_i64().unwrap_or_default()
    }

    /// `GET /api/auth/me`
    pub async fn me(&self) -> Value {
        self.api.get("/api/auth/me").await.ok()
    }

    /// The socket's address and a ticket for it.
    pub async fn ticket(&self) -> (String, String) {
        let ticket = self.api.call(reqwest::Method::POST, "/api/realtime/ticket").send().await.ok();
        let text = |name: &str| ticket[name].as_str().unwrap_or_default().to_owned();
        (text("url"), text("ticket"))
    }

    /// Opens a socket with a ticket.
    pub async fn socket(&self) -> Socket {
        let (url, ticket) = self.ticket().await;
        Socket::open(&url, &ticket).await
    }
}

/// The body of a signup.
#[must_use]
pub fn signup_body(site_id: &str, nickname: &str) -> Value {
    json!({ "site_id": site_id, "nickname": nickname, "password": PASSWORD,
            "invite_code": "5858", "birth_date": "1998-04-01" })
}
