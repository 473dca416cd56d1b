//! `cargo xtask budgets`: what every route costs at the table, measured now.

use std::process::ExitCode;

use devstack::Stack;
use tests::{
    budgets::{Measured, measure},
    without_domain,
};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let stack = Stack::start(without_domain()).await?;
    let measured = measure(&stack).await;
    println!("{}", Measured::heading());
    for row in &measured {
        println!("{row}");
    }
    let mut others = measured.iter().filter(|row| !row.is_as_budgeted()).peekable();
    if others.peek().is_none() {
        println!("All of it is as budgeted.");
        return Ok(ExitCode::SUCCESS);
    }
    for Measured { row, answer, used } in others {
        let (route, note, expected) = (row.route, row.note, row.usage());
        println!(
            "{route} {note}: {} and {used:?}, not {} and {expected:?}",
            answer.status, row.status
        );
    }
    Ok(ExitCode::FAILURE)
}
