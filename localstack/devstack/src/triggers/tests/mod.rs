mod bench;
mod properties;
mod queues;
mod schedules;
mod streams;
