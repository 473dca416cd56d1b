//! The product as its users meet it: one file per resource, and whole days.

mod first_day;
// (cargo xtask new-endpoint adds journeys above)
