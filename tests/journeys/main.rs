//! The product as its users meet it: one file per resource, and whole days.

mod account;
mod auth;
mod dashboard;
mod fairness;
mod first_day;
mod gateway;
mod health;
mod problems;
mod realtime;
mod shop;
mod slot;
mod streak;
mod streak_repair;
mod sync;
mod tokens;
// (cargo xtask new-endpoint adds journeys above)
