use std::time::Duration;

use tokio::time::Instant;

use super::{Message, Queue};

const VISIBILITY: Duration = Duration::from_secs(30);

fn message(body: &str, group: Option<&str>) -> Message {
    Message {
        id: body.to_owned(),
        body: body.to_owned(),
        group: group.map(str::to_owned),
        dedup: None,
        attributes: None,
        sent_ms: 0,
        first_received_ms: None,
        receive_count: 0,
    }
}

fn filled(fifo: bool, max: Option<u32>, bodies: &[(&str, &str)]) -> (Queue, Instant) {
    let now = Instant::now();
    let mut queue = Queue::new(fifo, max);
    for (seq, (body, group)) in (1..).zip(bodies) {
        queue.push(seq, message(body, Some(group)), Duration::ZERO, now);
    }
    (queue, now)
}

fn take(queue: &mut Queue, max: usize, now: Instant) -> Vec<(u64, u32, String)> {
    let received = queue.receive(max, VISIBILITY, now, 0);
    received.messages.into_iter().map(|d| (d.seq, d.delivery, d.message.body)).collect()
}

fn bodies(taken: &[(u64, u32, String)]) -> Vec<&str> {
    taken.iter().map(|(_, _, body)| body.as_str()).collect()
}

#[test]
fn a_group_in_flight_holds_back_its_followers_and_no_other_group() {
    let (mut queue, now) = filled(true, None, &[("a1", "a"), ("a2", "a"), ("b1", "b")]);
    let first = take(&mut queue, 1, now);
    assert_eq!(bodies(&first), ["a1"]);
    let other = take(&mut queue, 10, now);
    assert_eq!(bodies(&other), ["b1"]);
    assert!(take(&mut queue, 10, now).is_empty());
    assert_eq!(queue.delete(first[0].0, first[0].1, now), Ok(true));
    assert_eq!(bodies(&take(&mut queue, 10, now)), ["a2"]);
}

#[test]
fn a_group_given_back_starts_again_at_its_oldest_message() {
    let (mut queue, now) = filled(true, None, &[("a1", "a"), ("a2", "a"), ("a3", "a")]);
    let batch = take(&mut queue, 10, now);
    assert_eq!(bodies(&batch), ["a1", "a2", "a3"]);
    assert_eq!(queue.delete(batch[0].0, batch[0].1, now), Ok(true));
    let back = queue.change_visibility(batch[2].0, batch[2].1, Duration::ZERO, now);
    assert_eq!(back, Ok(()));
    assert!(take(&mut queue, 10, now).is_empty(), "a2 is still in flight");
    let later = now + VISIBILITY;
    assert_eq!(bodies(&take(&mut queue, 10, later)), ["a2", "a3"]);
}

#[test]
fn a_fifo_receipt_handle_ends_with_its_visibility() {
    let (mut queue, now) = filled(true, None, &[("a1", "a")]);
    let first = take(&mut queue, 1, now);
    let later = now + VISIBILITY;
    assert!(queue.delete(first[0].0, first[0].1, later).is_err());
    let second = take(&mut queue, 1, later);
    assert!(queue.delete(first[0].0, first[0].1, later).is_err());
    assert_eq!(queue.delete(second[0].0, second[0].1, later), Ok(true));
    assert_eq!(queue.delete(second[0].0, second[0].1, later), Ok(false));
}

#[test]
fn a_standard_queue_gives_all_it_has_and_honours_old_handles() {
    let (mut queue, now) = filled(false, None, &[("1", "a"), ("2", "a")]);
    let first = take(&mut queue, 1, now);
    assert_eq!(bodies(&take(&mut queue, 10, now)), ["2"]);
    let later = now + VISIBILITY;
    assert_eq!(take(&mut queue, 10, later).len(), 2);
    assert_eq!(queue.delete(first[0].0, first[0].1, later), Ok(true));
}

#[test]
fn what_was_received_too_often_leaves_the_queue() {
    let (mut queue, mut now) = filled(true, Some(2), &[("a1", "a"), ("a2", "a")]);
    for _ in 0..2 {
        assert_eq!(bodies(&take(&mut queue, 1, now)), ["a1"]);
        now += VISIBILITY;
    }
    let received = queue.receive(10, VISIBILITY, now, 0);
    assert_eq!(received.dead[0].1.body, "a1");
    assert_eq!(received.messages[0].message.body, "a2");
    assert_eq!(queue.counts(now).in_flight, 1);
}

#[test]
fn a_delayed_message_appears_when_its_time_has_come() {
    let now = Instant::now();
    let mut queue = Queue::new(false, None);
    queue.push(1, message("x", None), Duration::from_secs(5), now);
    assert!(take(&mut queue, 1, now).is_empty());
    assert_eq!(queue.next_timer(), Some(now + Duration::from_secs(5)));
    assert_eq!(bodies(&take(&mut queue, 1, now + Duration::from_secs(5))), ["x"]);
}
