use std::{collections::BTreeSet, time::Duration};

use provider::{Delays, Options, Pace};
use runtime::payments::{NoticeError, Provider as _, Standing};

use crate::support::{World, charge, order, read, read_with, standings, stopped, webhook_keys};

#[tokio::test]
async fn every_step_is_told() {
    for (token, told) in [
        ("tok_ok", &["succeeded"][..]),
        ("tok_declined", &["declined"]),
        ("tok_pending_ok", &["pending", "succeeded"]),
        ("tok_pending_declined", &["pending", "declined"]),
        ("tok_refund", &["succeeded", "refunded"]),
        ("tok_chargeback", &["succeeded", "charged_back"]),
        // The answer did not come; the notice does.
        ("tok_timeout", &["succeeded"]),
        ("tok_stolen", &["declined"]),
    ] {
        let world = World::start().await;
        if token == "tok_timeout" {
            world.impatient().charge(charge(token)).await.unwrap_err();
        } else {
            world.charge(token).await;
        }
        world.advance().await;
        let came = world.told().await;
        assert_eq!(standings(&came), told, "{token}");
        let events: BTreeSet<_> = came.iter().map(|notice| &notice.event_id).collect();
        assert_eq!(events.len(), told.len(), "each event has its own id");
        world.advance().await;
        assert_eq!(world.webhook.came().len(), told.len(), "what is acknowledged is done with");
    }
}

#[tokio::test]
async fn the_same_event_comes_several_times_under_new_nonces() {
    let world = World::start().await;
    world.charge("tok_duplicate").await;
    world.advance().await;
    let came = world.told().await;
    assert_eq!(standings(&came), ["succeeded"; 3]);
    assert!(came.iter().all(|notice| notice.event_id == came[0].event_id));
    let nonces: BTreeSet<_> =
        came.iter().map(|notice| notice.nonce.clone().unwrap().nonce).collect();
    assert_eq!(nonces.len(), 3);
    let bodies: BTreeSet<_> = world.webhook.came().into_iter().map(|came| came.body).collect();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn an_older_notice_comes_after_a_newer_one() {
    let world = World::start().await;
    assert_eq!(world.charge("tok_out_of_order").await.standing, Standing::Pending);
    // Even if the newer one needs a second try.
    world.webhook.answer(503);
    world.provider.advance(Duration::from_millis(1_300)).await;
    assert_eq!(standings(&world.told().await), ["succeeded"]);
    world.webhook.answer(200);
    world.advance().await;
    assert_eq!(standings(&world.told().await), ["succeeded", "succeeded", "pending"]);
    let found = world.payments.look(order()).await.unwrap().unwrap();
    assert_eq!(found.standing, Standing::Succeeded);
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_later_and_later() {
    let world = World::start().await;
    world.charge("tok_ok").await;
    world.webhook.answer(404);
    let came = |millis| {
        let world = &world;
        async move {
            world.provider.advance(Duration::from_millis(millis)).await;
            world.webhook.came().len()
        }
    };
    // 300 ms to begin with, then 500, 1000, 2000 after each failure.
    assert_eq!(came(299).await, 0);
    assert_eq!(came(1).await, 1);
    assert_eq!(came(499).await, 1);
    assert_eq!(came(1).await, 2);
    assert_eq!(came(999).await, 2);
    assert_eq!(came(1).await, 3);
    world.webhook.answer(302);
    assert_eq!(came(2_000).await, 4);
    world.webhook.answer(204);
    assert_eq!(came(4_000).await, 5);
    assert_eq!(came(600_000).await, 5);

    let told = world.told().await;
    assert!(told.iter().all(|notice| notice.event_id == told[0].event_id));
    let nonces: BTreeSet<_> =
        told.iter().map(|notice| notice.nonce.clone().unwrap().nonce).collect();
    assert_eq!(nonces.len(), 5, "each attempt is signed anew");
    let sent = &world.provider.notices()[0];
    let statuses: Vec<_> = sent.attempts.iter().map(|attempt| attempt.status.unwrap()).collect();
    assert_eq!(statuses, [404, 404, 404, 302, 204]);
    assert_eq!(sent.outstanding, 0);
}

#[tokio::test]
async fn a_webhook_that_is_away_misses_nothing() {
    let world =
        World::with(|options| Options { webhook_url: "http://127.0.0.1:9/".into(), ..options })
            .await;
    world.charge("tok_ok").await;
    world.advance().await;
    let sent = &world.provider.notices()[0];
    assert!(sent.outstanding == 1 && sent.attempts.len() > 3, "{sent:?}");
    assert!(sent.attempts.iter().all(|attempt| attempt.status.is_none()));
}

#[tokio::test]
async fn what_nobody_ever_acknowledges_is_given_up_in_the_end() {
    let world = World::start().await;
    world.webhook.answer(500);
    world.charge("tok_ok").await;
    for _ in 0..60 {
        world.advance().await;
    }
    let count = world.webhook.came().len();
    assert_eq!(count, 20);
    world.advance().await;
    assert_eq!(world.webhook.came().len(), count);
    assert_eq!(world.provider.notices()[0].outstanding, 1);
}

#[tokio::test]
async fn keys_rotate_while_it_runs() {
    let world = World::start().await;
    world.charge("tok_pending_ok").await;
    world.provider.advance(Duration::from_millis(500)).await;
    // The receiver knows both; then the sender changes over; then the old one goes.
    world.provider.rotate(webhook_keys(&[("k2", 2), ("k1", 1)]));
    world.advance().await;
    let came = world.webhook.came();
    let kids: Vec<_> =
        world.told().await.into_iter().map(|notice| notice.nonce.unwrap().kid).collect();
    assert_eq!(kids, ["k1", "k2"]);
    let answer = read_with(&[("k2", 2)], &came[0]).await;
    assert!(matches!(answer, Err(NoticeError::KeyUnknown)), "{answer:?}");
    assert!(read_with(&[("k2", 2)], &came[1]).await.is_ok());
}

#[tokio::test]
async fn goes_by_a_stopwatch_and_signs_by_the_clock() {
    let world = World::with(|options| Options { clock: stopped(), ..options }).await;
    world.charge("tok_pending_ok").await;
    world.advance().await;
    let came = world.webhook.came();
    assert_eq!(came.len(), 2);
    for came in came {
        let header = came.headers["x-webhook-signature"].to_str().unwrap();
        assert!(header.contains(",ts=1800000000,"), "{header}");
    }
}

#[tokio::test]
async fn by_itself_it_tells_everything_in_its_own_time() {
    let soon = Duration::from_millis(5);
    let delays = Delays { settle: soon, notice: soon, retry: soon, ..Delays::default() };
    let world = World::with(|options| Options {
        pace: Pace::ByItself,
        delays,
        clock: stopped(),
        ..options
    })
    .await;
    world.webhook.answer(503);
    world.charge("tok_pending_ok").await;
    world.webhook.until(2).await;
    world.webhook.answer(200);
    let succeeded = async {
        loop {
            let notices = world.provider.notices();
            if notices.len() == 2 && notices.iter().all(|sent| sent.outstanding == 0) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), succeeded).await.expect("it is told");
    let found = world.payments.look(order()).await.unwrap().unwrap();
    assert_eq!(found.standing, Standing::Succeeded);
}

#[tokio::test]
async fn without_delays_a_notice_is_there_at_once() {
    let world =
        World::with(|options| Options { pace: Pace::ByItself, delays: Delays::none(), ..options })
            .await;
    world.charge("tok_out_of_order").await;
    let came = world.webhook.until(2).await;
    assert_eq!(standings(&read(&came).await), ["succeeded", "pending"]);
}
