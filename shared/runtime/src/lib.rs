//! What every Lambda function shares besides rules and data: configuration,
//! clock and seed sampling, authentication, the HTTP and batch adapters.

pub mod activity;
pub mod auth;
mod aws;
pub mod clickhouse;
pub mod command;
mod deps;
pub mod egress;
pub mod fraud;
mod function;
pub mod http;
pub mod metrics;
pub mod payments;
pub mod problem;
pub mod push;
pub mod secrets;
pub mod till;
pub mod tracing;
mod trigger;
mod turns;
pub mod webhooks;

pub(crate) use store::boxed;

pub use deps::{Clock, Deps, Entropy, Env, MissingVariable, utc_day};
pub use function::{
    Context, Error, Function, InvalidEvent, LambdaEvent, MetadataPrelude, StreamResponse, Streamed,
    error_type, run,
};
pub use problem::Problem;
pub use trigger::{chain, received};
pub use turns::in_turns;
