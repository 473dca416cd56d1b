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
    /// The session's latest refresh token.
    pub refresh_token: String,
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
    /// Signs a new player up, from an address of their own.
    pub async fn sign_up(api: &Api) -> Self {
        let name = fresh_name();
        let nickname = nickname_of(&name);
        let api = api.somebody_else();
        let answer = api.post("/api/auth/signup", &signup_body(&name, &nickname)).send().await.ok();
        let id = answer["user"]["id"].as_str().unwrap_or_default().to_owned();
        let nobody = Self { api, id, site_id: name, nickname, refresh_token: String::new() };
        nobody.with_tokens(&answer)
    }

    /// The same player with the tokens of a signup, login or refresh.
    #[must_use]
    pub fn with_tokens(&self, answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap_or_default();
        let refresh_token = text("refresh_token").to_owned();
        Self { api: self.api.with_token(text("access_token")), refresh_token, ..self.clone() }
    }

    /// The same player at another machine.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        let api = self.api.somebody_else().with_token(self.api.token().unwrap_or_default());
        Self { api, ..self.clone() }
    }

    /// The same player with a session of now.
    pub async fn log_in(&self) -> Self {
        self.with_tokens(&self.try_password(PASSWORD).send().await.ok())
    }

    /// A login, to be sent.
    #[must_use]
    pub fn try_password(&self, password: &str) -> Call {
        login(&self.api, &self.site_id, password)
    }

    /// A refresh with the session's latest token, to be sent.
    #[must_use]
    pub fn refresh(&self) -> Call {
        self.api.post("/api/auth/refresh", &json!({ "refresh_token": self.refresh_token }))
    }

    /// The session's end, to be sent.
    #[must_use]
    pub fn log_out(&self) -> Call {
        self.api.call(reqwest::Method::POST, "/api/auth/logout")
    }

    /// Another password, to be sent.
    #[must_use]
    pub fn change_password(&self, current: &str, new: &str) -> Call {
        let body = json!({ "current_password": current, "new_password": new });
        self.api.post("/api/auth/password", &body)
    }

    /// Asserts that neither token of the session is good for anything.
    ///
    /// # Panics
    /// When one of them is.
    pub async fn is_signed_out(&self) {
        self.api.get("/api/auth/me").await.is_problem(401, "unauthenticated");
        let refreshed = self.refresh().send().await;
        assert_eq!(refreshed.status, 401, "{}", refreshed.text);
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

    /// A purchase paid with money, to be sent.
    #[must_use]
    pub fn pay(&self, product_id: &str, quantity: u32, token: &str, key: &str) -> Call {
        let body = json!({
            "product_id": product_id, "quantity": quantity, "payment_token": token,
        });
        self.api.post("/api/shop/buy", &body).key(key)
    }

    /// A purchase of a limited package, paid with money, to be sent.
    #[must_use]
    pub fn pay_limited(&self, code: &str, quantity: u32, token: &str, key: &str) -> Call {
        let body = json!({ "code": code, "quantity": quantity, "payment_token": token });
        self.api.post("/api/shop/limited/buy", &body).key(key)
    }

    /// How one of the player's purchases stands.
    pub async fn purchase(&self, receipt: &str) -> Value {
        self.api.get(&format!("/api/shop/transactions/{receipt}")).await.ok()
    }

    /// The call that settles one of the player's purchases.
    #[must_use]
    pub fn settle(&self, receipt: &str) -> Call {
        let path = format!("/api/shop/transactions/{receipt}/settle");
        self.api.call(reqwest::Method::POST, &path)
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

/// A login, to be sent.
#[must_use]
pub fn login(api: &Api, name: &str, password: &str) -> Call {
    api.post("/api/auth/login", &json!({ "site_id": name, "password": password }))
}

/// A nickname that is as much nobody else's as the name is.
#[must_use]
pub(crate) fn nickname_of(name: &str) -> String {
    format!("n{}", &name[name.len() - 18.min(name.len())..])
}

/// The body of a signup.
#[must_use]
pub fn signup_body(site_id: &str, nickname: &str) -> Value {
    json!({ "site_id": site_id, "nickname": nickname, "password": PASSWORD,
            "invite_code": "5858", "birth_date": "1998-04-01" })
}
