//! Whatever an outsider sends: no panic, no 5xx, no answer but a success or a
//! registered problem, and nothing written by what was refused.
//!
//! `PROPTEST_CASES=100000 cargo nextest run --workspace -E 'binary(fuzz)'` tries as
//! many inputs in every test. What failed once is tried first from then on, by
//! `regressions.txt`.

mod bodies;
mod cursors;
mod events;
mod headers;
mod nasty;
mod queries;
mod records;
mod sockets;
mod support;
mod tokens;
