//! Many at once, and bad days: what is promised to one caller at a time holds
//! for all of them together, and when the services below fail.

mod faults;
mod fraud;
mod given_up;
mod hot_player;
mod keys;
mod mixed;
mod names;
mod outages;
mod paused;
mod payments;
mod poison;
mod sessions;
mod sockets;
mod spins;
mod support;
mod sweep;
mod tickets;
