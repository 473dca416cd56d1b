//! What every test of the product is made of: a target, players, sockets.
//!
//! Tests speak HTTP and WebSocket to a base URL. By default each has a private
//! stack in memory; with `BASE_URL` set, the ones that use [`Target`] run against
//! that deployment instead, whatever it is.

mod api;
mod assessed;
mod books;
pub mod budgets;
mod clickhouse;
mod contention;
mod events;
mod frames;
mod hands;
mod made;
mod mailbox;
mod player;
mod published;
mod receiver;
pub mod script;
pub mod shop;
mod socket;
mod table;

use std::time::Duration;

use devstack::{Options, Stack};

pub use api::{Answer, Api, Call, Streamed};
pub use assessed::{Purchase, Till};
pub use books::books;
pub use clickhouse::ClickHouse;
pub use contention::Contention;
pub use events::Events;
pub use frames::{everything, has_come, until_seen};
pub use hands::Hands;
pub use made::Maker;
pub use mailbox::Mailbox;
pub use player::{PASSWORD, Player, fresh_name, login, signup_body};
pub use published::published;
pub use receiver::{Heard, Reaction, Receiver};
pub use socket::Socket;
pub use table::{Table, poisoned};

/// How long anything that happens by itself may take before a test fails. On a busy
/// machine the emulator of the deployed tier has kept a frame for more than 20 s.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// What is noted of a test that has a stack to itself on a run against a deployment.
const ON_A_PRIVATE_STACK: &str = "ran on a private stack";

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
    pub async fn start() -> Self {
        Self::or(Options::default()).await
    }

    /// `BASE_URL`, or a private stack of a special kind.
    ///
    /// # Panics
    /// When the stack does not start.
    #[expect(clippy::disallowed_methods, reason = "how a test run names its target")]
    pub async fn or(options: Options) -> Self {
        match std::env::var("BASE_URL") {
            Ok(base_url) => Self { base_url, stack: None },
            Err(_) => {
                let stack = stack_with(options).await;
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

    /// The private stack, for the part of a journey that cannot do without: `what`
    /// is left out on any other target, and noted.
    #[must_use]
    pub fn private(&self, what: &str) -> Option<&Stack> {
        if self.stack.is_none() {
            note(what);
        }
        self.stack.as_ref()
    }
}

/// The template's parameters that let one address log in as often as it likes.
#[must_use]
pub fn unlimited_logins() -> [(String, String); 2] {
    ["LoginsPerAddress", "LoginFailuresPerAddress"]
        .map(|name| (name.to_owned(), "100000000".to_owned()))
}

/// Notes that something ran elsewhere than on the target that `BASE_URL` names, or
/// not at all: to the file that `PRIVATE_NOTES` names, for who counts the journeys
/// of a deployment.
#[expect(clippy::disallowed_methods, reason = "how a test run names its target")]
fn note(what: &str) {
    use std::io::Write as _;
    if std::env::var_os("BASE_URL").is_none() {
        return;
    }
    let thread = std::thread::current();
    let line = format!("{}: {what}\n", thread.name().unwrap_or("a test"));
    eprint!("{line}");
    if let Some(path) = std::env::var_os("PRIVATE_NOTES") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the note is written");
    }
}

/// A private stack in memory.
///
/// # Panics
/// When it does not start.
pub async fn stack() -> Stack {
    stack_with(Options::default()).await
}

/// A stack under no domain of its own: every route is the HTTP API's.
#[must_use]
pub fn without_domain() -> Options {
    let parameters = [("ApiDomainName".to_owned(), String::new())].into();
    Options { parameters, ..Options::default() }
}

/// A private stack, whatever `BASE_URL` names: for who moves the clock, breaks
/// something or looks inside.
///
/// # Panics
/// When it does not start.
pub async fn stack_with(options: Options) -> Stack {
    note(ON_A_PRIVATE_STACK);
    Stack::start(options).await.expect("the stack starts")
}

/// Asks `condition` again and again until it holds.
///
/// # Panics
/// After [`DEADLINE`], with `what`.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl FnMut() -> F) {
    eventually_within(DEADLINE, what, condition).await;
}

/// As [`eventually`], of what takes longer.
///
/// # Panics
/// After `deadline`, with `what`.
pub async fn eventually_within<F: Future<Output = bool>>(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> F,
) {
    let holds = async {
        while !condition().await {
            pause().await;
        }
    };
    assert!(tokio::time::timeout(deadline, holds).await.is_ok(), "in vain waited for: {what}");
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
