//! The budgets of routes, measured.

use std::fmt;

use devstack::{
    Stack,
    engine::{Units, Usage},
    seed::Seeding,
};
use domain::Role;
use runtime::{Clock, Entropy};

use super::{By, ROWS, Row, name_of};
use crate::{Answer, Api, DEADLINE, Maker, Player};

/// A row and what its call used.
pub struct Measured {
    pub row: &'static Row,
    pub answer: Answer,
    /// Of the function that answered, and nobody else on its behalf.
    pub used: Usage,
}

/// Calls every row's route in order, as a new player of `stack`.
///
/// # Panics
/// When a row names no route of the template, or the triggers do not settle.
pub async fn measure(stack: &Stack) -> Vec<Measured> {
    let api = Api::new(&stack.base_url);
    let regular = Player::sign_up(&api).await;
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let admin = Maker::new(stack, clock.clone()).await.player(Role::Admin).await;
    let seeding = Seeding::asked_for(None, "dev").expect("accounts");
    seeding.sow(&stack.store("seed"), &clock, &entropy).await.expect("seed accounts");
    let routes = &stack.spec().http_routes;
    let mut measured = Vec::with_capacity(ROWS.len());
    for row in ROWS {
        let route = routes.iter().find(|route| name_of(route) == row.route);
        let function = &route.expect("a route of the template").function;
        let newcomer;
        let caller = match row.by {
            By::Regular => &regular,
            By::Admin => &admin,
            By::Newcomer => {
                newcomer = Player::sign_up(&api).await;
                &newcomer
            }
        };
        // Projections keep the tail short that a screen folds; here, empty.
        stack.settled(DEADLINE).await.expect("settles");
        let before = stack.engine().meter().snapshot();
        let answer = (row.call)(caller).send().await;
        let used = stack.engine().meter().since(&before).of(function);
        measured.push(Measured { row, answer, used });
    }
    measured
}

impl Measured {
    /// The table's first line.
    #[must_use]
    pub fn heading() -> String {
        let (route, read, write) = ("route", "read", "write");
        format!("{route:<34}{:<16}{:>6}{read:>7}{write:>7}  calls", "", "trips")
    }

    /// Whether the call was answered as it should be and cost what it may.
    #[must_use]
    pub fn is_as_budgeted(&self) -> bool {
        self.answer.status == self.row.status && self.used == self.row.usage()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, used, .. } = self;
        let calls: Vec<_> =
            used.calls.iter().map(|(action, count)| format!("{count} {action}")).collect();
        write!(
            f,
            "{:<34}{:<16}{:>6}{:>7.1}{:>7.1}  {}",
            row.route,
            row.note,
            used.calls.values().sum::<u64>(),
            used.units.read,
            used.units.write,
            calls.join(", ")
        )
    }
}

impl Row {
    /// What the call may use, as the meter counts it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let action = |(name, count): &(&str, u64)| {
            let of_table = !name.contains(':');
            (if of_table { format!("dynamodb:{name}") } else { (*name).to_owned() }, *count)
        };
        Usage {
            calls: self.calls.iter().map(action).collect(),
            units: Units { read: self.read, write: self.write },
        }
    }
}
