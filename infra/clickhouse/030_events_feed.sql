-- What the materialized views read. It stores nothing: the loader copies each
-- load from events_log through it, once that load's rows are safely there.
--
-- Why views do not hang on events_log itself: an insert writes the table and
-- its views one after the other, and a failure in between leaves them apart.
-- Were the events then to come back in other batches (a restart, a resharding),
-- no retry would ever carry the token of the first attempt, and the views would
-- stay short or be counted twice. Fed from the table, a view sees each load as
-- a fixed set of rows under a fixed token, however the batches are cut.
--
-- A statement into this table carries insert_deduplication_token = the load's
-- token and deduplicate_blocks_in_dependent_materialized_views = 1: each view's
-- target drops the block if it has it, and takes it if it does not. Whatever
-- part of the views an interrupted feed reached, feeding again completes it.
-- Each target's window bounds how long that holds: a load must be completed
-- before 20,000 others are. Its shard is held up until it is.
CREATE TABLE IF NOT EXISTS events_feed AS events_log
ENGINE = Null;
