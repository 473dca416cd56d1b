//! What every test of the product is made of: a target, players, sockets.
//!
//! Tests speak HTTP and WebSocket to a base URL. By default each has a private
//! stack in memory; with `BASE_URL` set, the ones that use [`Target`] run against
//! that deployment instead, whatever it is.

mod api;
mod clickhouse;
mod hands;
mod player;
mod socket;

use std::time::Duration;

use devstack::{Options, Stack};

pub use api::{Answer, Api, Call};
pub use clickhouse::ClickHouse;
pub use hands::Hands;
pub use player::{PASSWORD, Player, fresh_name, signup_body};
pub use socket::Socket;

/// How long anything that happens by itself may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Where a journey runs.
pub struct Target {
    pub base_url: String,
    /// The private stack, unless `BASE_URL` names another target.
    pub stack: Option<Stack>,
}

impl Target {
    /// `BASE_URL`, or a private stack.
    ///
    /// # Panics
    /// When the stack does not start.
    #[expect(clippy::disallowed_methods, reason = "how a test run names its target")]
    pub async fn start() -> Self {
        match std::env::var("BASE_URL") {
            Ok(base_url) => Self { base_url, stack: None },
            Err(_) => {
                let stack = stack().await;
                Self { base_url: stack.base_url.clone(), stack: Some(stack) }
            }
        }
    }

    /// A caller who is nobody.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(&self.base_url)
    }

    /// A new player, signed up for this test.
    pub async fn player(&self) -> Player {
        Player::sign_up(&self.api()).await
    }
}

/// A private stack in memory.
///
/// # Panics
/// When it does not start.
pub async fn stack() -> Stack {
    stack_with(Options::default()).await
}

/// A private stack.
///
/// # Panics
/// When it does not start.
pub async fn stack_with(options: Options) -> Stack {
    Stack::start(options).await.expect("the stack starts")
}

/// Asks `condition` again and again until it holds.
///
/// # Panics
/// After [`DEADLINE`], with `what`.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let holds = async {
        while !condition().await {
            pause().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, holds).await.is_ok(), "in vain waited for: {what}");
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
