//! The provider as its client and its webhook see it: real HTTP both ways, through
//! the port that the functions use.

mod charges;
mod notices;
mod restart;
mod support;
