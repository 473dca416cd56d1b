//! The functions as they are deployed: each a process behind the Lambda Runtime
//! API, called with events as AWS sends them. `cargo xtask build` makes them.

mod batches;
mod events;
mod failures;
mod outages;
mod sizes;
mod streams;
mod support;
