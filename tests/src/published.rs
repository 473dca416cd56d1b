//! What is in a stack's event stream.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_kinesis::types::ShardIteratorType;
use devstack::Stack;
use domain::{Envelope, PlayerId};

/// The numbers of every player's events, in the order of the event stream.
///
/// # Errors
/// The stream does not answer, or holds what is no event.
pub async fn published(stack: &Stack) -> Result<BTreeMap<PlayerId, Vec<u64>>> {
    let kinesis = aws_sdk_kinesis::Client::new(&stack.engine().sdk_config());
    let stream = &stack.spec().streams[0].name;
    let mut seqs: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for shard in kinesis.list_shards().stream_name(stream).send().await?.shards() {
        let first = kinesis
            .get_shard_iterator()
            .stream_name(stream)
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut iterator = first.send().await?.shard_iterator;
        while let Some(from) = iterator {
            let page = kinesis.get_records().shard_iterator(from).send().await?;
            for record in page.records() {
                let event: Envelope = serde_json::from_slice(record.data().as_ref())?;
                seqs.entry(event.user_id).or_default().push(event.seq);
            }
            iterator = page.next_shard_iterator.filter(|_| !page.records.is_empty());
        }
    }
    Ok(seqs)
}
