//! Lambda with real binaries: every execution environment is a process of its
//! own, started from its `bootstrap` with the variables that Lambda sets and
//! served by a Runtime API of its own.
//!
//! What a function cannot tell apart from AWS stops at the sandbox: there is
//! neither a memory limit nor a share of the CPU here.

mod instance;
mod launch;
mod logs;
mod outcome;
mod pool;
mod runtime_api;

pub use self::{
    instance::{Instance, Opened},
    launch::Launch,
    outcome::Failure,
    pool::Pool,
};

#[cfg(test)]
mod tests;
