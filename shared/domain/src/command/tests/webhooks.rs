//! What operators do about webhooks.

use super::{NOON, accounts::moves_no_gold, ctx, player};
use crate::{
    Change, Fact, Rejection, WebhookEndpointId,
    command::administer_webhooks::{edit, replay},
    webhook::{Delivery, DeliveryId, Directory, Edit, EndpointChange, MOST_ENDPOINTS, Status},
};

const ENDPOINT: WebhookEndpointId = WebhookEndpointId::from_bytes([5; 16]);

fn register(id: WebhookEndpointId) -> Edit {
    Edit::Register {
        id,
        url: "https://hooks.example.com/secret-path".to_owned(),
        filters: vec!["*".to_owned().try_into().expect("a filter")],
        description: String::new(),
    }
}

#[test]
fn an_edit_is_on_the_operators_journal_and_saves_every_endpoint() {
    let operator = player(7);
    let empty = Directory::default();
    let (plan, endpoint) =
        edit(&operator, &empty, &register(ENDPOINT), "why", &ctx(NOON)).expect("room");
    moves_no_gold(&operator, &plan);
    let change = EndpointChange::Registered;
    let fact =
        Fact::WebhookEndpointChanged { endpoint: ENDPOINT, change, reason: "why".to_owned() };
    assert_eq!((&plan.entry().fact, plan.player()), (&fact, operator.id));
    let directory = Directory { version: 1, endpoints: vec![endpoint.clone()] };
    assert_eq!(plan.changes(), [Change::SaveWebhooks { directory: directory.clone() }]);
    let event = serde_json::to_string(&crate::envelope(plan.entry())).expect("JSON");
    assert!(!event.contains("secret-path"), "{event}");

    let gone = Edit::Delete { id: ENDPOINT };
    let (plan, last) = edit(&operator, &directory, &gone, "why", &ctx(NOON)).expect("is there");
    assert_eq!(last, endpoint);
    let directory = Directory { version: 2, endpoints: Vec::new() };
    assert_eq!(plan.changes(), [Change::SaveWebhooks { directory }]);
}

#[test]
fn an_edit_of_nothing_and_one_too_many_are_refused() {
    let refused = |directory: &Directory, what: &Edit| {
        edit(&player(7), directory, what, "why", &ctx(NOON)).map(drop)
    };
    for what in [Edit::Delete { id: ENDPOINT }, Edit::RotateSecret { id: ENDPOINT }] {
        let refused = refused(&Directory::default(), &what);
        assert_eq!(refused, Err(Rejection::WebhookEndpointNotFound), "{what:?}");
    }
    let mut full = Directory::default();
    for byte in 0..50 {
        let id = WebhookEndpointId::from_bytes([byte; 16]);
        full = full.edited(&register(id), ctx(NOON).now).expect("room").0;
    }
    let too_many = Rejection::TooManyWebhookEndpoints { maximum: MOST_ENDPOINTS };
    assert_eq!(refused(&full, &register(ENDPOINT)), Err(too_many));
}

#[test]
fn only_what_has_failed_is_replayed() {
    let (operator, ctx) = (player(7), ctx(NOON));
    let id = DeliveryId::of(ENDPOINT, operator.id, 1, ctx.now);
    let mut delivery = Delivery::new(id, "user.signup".to_owned(), "{}".to_owned(), ctx.now);
    for status in [Status::Pending, Status::Delivered] {
        delivery.status = status;
        let refused = replay(&operator, &delivery, "why", &ctx).map(drop);
        assert_eq!(refused, Err(Rejection::WebhookDeliveryNotFailed), "{status:?}");
    }
    delivery.status = Status::Failed;
    let plan = replay(&operator, &delivery, "why", &ctx).expect("it has failed");
    moves_no_gold(&operator, &plan);
    let fact = Fact::WebhookDeliveryReplayed { delivery: id, reason: "why".to_owned() };
    assert_eq!(plan.entry().fact, fact);
    let again = delivery.replayed(ctx.now).expect("it has failed");
    let changes = [Change::ReplayDelivery { delivery: again }, Change::UnlistFailedDelivery { id }];
    assert_eq!(plan.changes(), changes);
    // What puts it back into the queue.
    let event = crate::envelope(plan.entry());
    assert_eq!(crate::webhook::replayed(&event), Some(id));
}
