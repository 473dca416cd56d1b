//! A payment provider that takes no money, as a service of its own: for the local
//! stack, for tests and for demonstrations.
//!
//! It keeps its own book, answers over HTTP, and sends signed notices to a webhook
//! on its own time, again and again until they are acknowledged. The token of a
//! charge says what becomes of it:
//!
//! | token | |
//! |---|---|
//! | `tok_ok` | succeeds at once |
//! | `tok_declined` | is declined at once, `card_declined` |
//! | `tok_pending_ok`, `tok_pending_declined` | is pending, and does so later |
//! | `tok_timeout` | succeeds, but the answer does not come in time; the notice does |
//! | `tok_duplicate` | succeeds; every notice of it comes three times, the same event under new nonces |
//! | `tok_out_of_order` | is pending, succeeds later; the notice of the first comes after that of the second |
//! | `tok_refund` | succeeds, and is refunded later |
//! | `tok_chargeback` | succeeds, and the bank takes it back later |
//! | any other | is declined, `invalid_token` |
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/payments` | charges; the same receipt again gives the first payment again, another order for it 409 `receipt_reused` |
//! | `GET /v1/payments/{receipt}` | the payment |
//! | `POST /v1/payments/{receipt}/cancel` | calls it off; a receipt nobody has heard of is canceled before it comes |
//! | `POST /v1/payments/{receipt}/refund` | gives the money back |
//! | `POST /v1/payments/{receipt}/chargeback` | what a bank does |
//! | `GET /v1/book` | everything it believes, for reconciliation |
//! | `GET /v1/notices` | every notice and every attempt to deliver it |
//! | `POST /v1/advance` `{"millis": n}` | lets time pass, and delivers what has become due |
//!
//! All need `Authorization: Bearer <api key>`. What is written to and fro is
//! [`runtime::payments::simulated::wire`].
//!
//! The book outlives the process if it is given a directory: one JSON record a line,
//! only ever appended to; what was still to be done is done after the restart.

mod agenda;
mod api;
mod book;
mod deliver;
mod record;
mod script;
mod server;
mod service;

pub use book::{Attempt, Change, Entry, Sent};
pub use server::{Options, Pace, Provider, Running};
pub use service::{Delays, Keys, Refusal};
