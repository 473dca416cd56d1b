-- Loads whose rows have reached every view. A load is the set of rows that one
-- insert into events_log wrote. Its token is <first ts>-<last ts>-<hash of its
-- events>, in milliseconds, so the token alone says where its rows are.
--
-- Written after the views were fed. A load that is in events_log and not here
-- was interrupted; whoever meets one of its events next, in whatever batch,
-- feeds it again under the same token before acknowledging anything.
-- Rows here guard against feeding twice: they never expire.
CREATE TABLE IF NOT EXISTS events_loaded
(
    load_token String,
    rows       UInt64,
    loaded_at  DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY load_token;
