//! A ticket is good once, whatever becomes of the calls that write it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use devstack::engine::{Call, Fault, Verdict};
use tests::{Api, Player, Socket, stack};

/// Keeps what a function puts: the first attempt of a call, which may yet take effect.
#[derive(Debug, Default)]
struct Overheard(Mutex<Option<Vec<u8>>>);

impl Fault for Overheard {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if (call.caller, call.operation) == ("RealtimeTicketFunction", "PutItem") {
            let mut put = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *put = Some(call.body.to_vec());
        }
        Verdict::Pass
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_takes_effect_late_does_not_make_a_used_ticket_good_again() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let overheard = Arc::new(Overheard::default());
    stack.engine().set_fault(Some(overheard.clone()));
    let (url, ticket) = player.ticket().await;
    let mut socket = Socket::open(&url, &ticket).await;
    socket.until("initial_state").await;

    let late = overheard.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let late = serde_json::from_slice(&late.expect("the ticket was put")).expect("a request");
    let refused = stack.engine().with_database(move |database| database.put_item(late)).await;

    assert!(refused.is_err(), "the ticket is still there");
    assert_eq!(Socket::refused(&format!("{url}?ticket={ticket}")).await, Some(401));
}

/// The first answer to the use of a ticket gets lost.
#[derive(Debug, Default)]
struct Unheard(AtomicBool);

impl Fault for Unheard {
    fn after(&self, call: &Call<'_>, _: u16) -> Verdict {
        let takes = (call.caller, call.operation) == ("SocketConnectFunction", "UpdateItem");
        if takes && !self.0.swap(true, Ordering::SeqCst) { Verdict::Timeout } else { Verdict::Pass }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_whose_use_nobody_heard_of_lets_nobody_in() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let (url, ticket) = player.ticket().await;
    let unheard = Arc::new(Unheard::default());
    stack.engine().set_fault(Some(unheard.clone()));
    for _ in 0..2 {
        assert_eq!(Socket::refused(&format!("{url}?ticket={ticket}")).await, Some(401));
    }
    assert!(unheard.0.load(Ordering::SeqCst), "an answer was lost");
    // The next one does.
    player.socket().await.until("initial_state").await;
}
