use contract::Code;
use domain::PlayerId;

use super::*;
use crate::{
    Clock, Deps, Entropy, Problem,
    payments::{NoticeError, Payments, recorder::Recorder},
};

/// An answer that Stripe documents: `fixture!("name", status)`.
macro_rules! fixture {
    ($name:literal) => {
        fixture!($name, 200)
    };
    ($name:literal, $status:literal) => {
        ($status, include_str!(concat!("fixtures/", $name, ".json")).to_owned())
    };
}

const RECEIPT: &str = "01a3185c-5000-7000-8000-000000000001";
const INTENT: &str = "pi_3PgafyB7WZ01zgkW1Jo3aXxY";
const SEARCH: &str = "GET /v1/payment_intents/search?query=metadata['receipt']:\
                      '01a3185c-5000-7000-8000-000000000001'";
const LIST: &str = "GET /v1/payment_intents?created[gte]=1799999700&created[lte]=1800003600&\
                    limit=100";
const READ: &str = "GET /v1/payment_intents/pi_3PgafyB7WZ01zgkW1Jo3aXxY?expand[]=latest_charge";
const CANCEL: &str = "POST /v1/payment_intents/pi_3PgafyB7WZ01zgkW1Jo3aXxY/cancel\n\
                      cancellation_reason=abandoned";
/// What every intent of ours says.
const DESCRIBED: &str = "POST /v1/payment_intents\namount=4900\ncurrency=krw\n\
                         automatic_payment_methods[enabled]=true\n\
                         automatic_payment_methods[allow_redirects]=never\n\
                         metadata[receipt]=01a3185c-5000-7000-8000-000000000001\n\
                         metadata[player]=01a3185c-0000-7000-8000-000000000002\n\
                         metadata[product]=gold_pack_s";
const CONFIRMED: &str = "confirm=true\nerror_on_requires_action=true\npayment_method=pm_hunter2";
const DISPUTES: &str = "GET /v1/disputes?payment_intent=pi_3PgafyB7WZ01zgkW1Jo3aXxY&limit=100";

fn order() -> Order {
    let player: PlayerId = "01a3185c-0000-7000-8000-000000000002".parse().unwrap();
    Order {
        receipt: RECEIPT.parse().unwrap(),
        player,
        product: "gold_pack_s".to_owned(),
        amount_minor: 4_900,
        currency: "KRW".to_owned(),
    }
}

fn charge() -> Charge {
    Charge { order: order(), token: "pm_hunter2".into() }
}

fn payment(standing: Standing) -> Payment {
    Payment { id: INTENT.to_owned(), order: order(), standing }
}

fn declined(reason: &str) -> Standing {
    Standing::Declined { reason: reason.to_owned() }
}

fn deps(server: &Recorder) -> Deps {
    let env = [
        ("PAYMENT_PROVIDER", "stripe"),
        ("PAYMENT_PROVIDER_URL", server.url.as_str()),
        ("PAYMENT_PROVIDER_TIMEOUT_MS", "20000"),
        ("PAYMENT_PROVIDER_SECRET", "payment-provider"),
        ("PAYMENT_WEBHOOK_KEYS_SECRET", "payment-webhook-keys"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let entropy = Entropy::new(|bytes| bytes.fill(0));
    Deps::new(env.into_iter().collect(), Clock::system(), entropy)
        .with_secrets([("payment-provider", r#"{"api_key":"sk_test_hunter2"}"#)])
}

fn stripe(server: &Recorder) -> Payments {
    deps(server).payments().unwrap()
}

#[tokio::test]
async fn charges_with_one_request_under_the_receipts_key() {
    let server = Recorder::answering([fixture!("intent_succeeded")]).await;
    let paid = stripe(&server).charge(charge()).await.unwrap();
    assert_eq!(paid, payment(Standing::Succeeded));
    assert_eq!(server.lines(), [format!("{DESCRIBED}\n{CONFIRMED}")]);
    let headers = &server.asked()[0].headers;
    assert_eq!(headers["authorization"], "Bearer sk_test_hunter2");
    assert_eq!(headers["idempotency-key"], RECEIPT);
    assert_eq!(headers["stripe-version"], VERSION);
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn a_charge_that_takes_time_is_pending() {
    let server = Recorder::answering([fixture!("intent_processing")]).await;
    let pending = stripe(&server).charge(charge()).await.unwrap();
    assert_eq!(pending, payment(Standing::Pending));
}

#[tokio::test]
async fn a_declined_intent_is_canceled_so_that_it_is_over() {
    let server = Recorder::answering([
        fixture!("error_card_declined", 402),
        fixture!("intent_canceled_after_decline"),
    ])
    .await;
    let answer = stripe(&server).charge(charge()).await.unwrap();
    assert_eq!(answer, payment(declined("insufficient_funds")));
    assert_eq!(server.lines(), [format!("{DESCRIBED}\n{CONFIRMED}"), CANCEL.to_owned()]);
}

#[tokio::test]
async fn a_token_that_is_none_is_a_payment_that_was_declined() {
    let server = Recorder::answering([
        fixture!("error_no_such_payment_method", 400),
        fixture!("intent_unconfirmed_invalid_token"),
        fixture!("intent_canceled_invalid_token"),
    ])
    .await;
    let answer = stripe(&server).charge(charge()).await.unwrap();
    assert_eq!(answer, payment(declined("invalid_token")));
    let tomb = format!("{DESCRIBED}\nmetadata[declined]=invalid_token");
    assert_eq!(server.lines()[1..], [tomb, CANCEL.to_owned()]);
    assert_eq!(server.asked()[1].headers["idempotency-key"], RECEIPT);
}

#[tokio::test]
async fn a_charge_that_comes_after_its_cancellation_takes_nothing() {
    let server = Recorder::answering([
        fixture!("error_idempotency", 400),
        fixture!("search_found"),
        fixture!("intent_canceled"),
    ])
    .await;
    let answer = stripe(&server).charge(charge()).await.unwrap();
    assert_eq!(answer, payment(Standing::Canceled));
    assert_eq!(server.lines()[1..], [SEARCH, READ]);
}

#[tokio::test]
async fn what_stripe_cannot_say_now_is_worth_asking_again() {
    for (answer, code) in [
        (fixture!("error_key_in_use", 409), "idempotency_key_in_use"),
        (fixture!("error_api", 500), "api_error"),
        ((503, "<html>".to_owned()), ""),
        ((429, "{}".to_owned()), ""),
    ] {
        let status = answer.0;
        let server = Recorder::answering([answer]).await;
        let error = stripe(&server).charge(charge()).await.unwrap_err();
        let busy = matches!(&error, ProviderError::Busy { status: s, code: c }
            if *s == status && c == code);
        assert!(busy && error.retryable() && !error.without_effect(), "{error:?}");
        assert_eq!(Problem::from(error).code(), Code::ServiceUnavailable);
    }
}

#[tokio::test]
async fn what_stripe_refuses_is_for_us_to_repair_and_quotes_nothing() {
    let server = Recorder::answering([fixture!("error_unauthenticated", 401)]).await;
    let error = stripe(&server).charge(charge()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { status: 401, .. }), "{error:?}");
    assert!(!error.retryable() && error.without_effect());
    assert!(!format!("{error:?} {error} {:?}", charge()).contains("ter2"));
}

#[tokio::test]
async fn what_is_no_intent_is_not_taken_for_one() {
    for body in ["", "[]", r#"{"id":"pi_1"}"#] {
        let server = Recorder::answering([(200, body.to_owned())]).await;
        let error = stripe(&server).charge(charge()).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unintelligible(_)), "{error:?}");
    }
}

#[tokio::test]
async fn finds_by_search_and_reads_anew() {
    let server = Recorder::answering([
        fixture!("search_found"),
        // What search shows may be old.
        fixture!("intent_succeeded_with_charge"),
    ])
    .await;
    let found = stripe(&server).look(order()).await.unwrap();
    assert_eq!(found, Some(payment(Standing::Succeeded)));
    assert_eq!(server.lines(), [SEARCH, READ]);
}

#[tokio::test]
async fn finds_in_the_lists_what_search_does_not_know_yet() {
    for search in [fixture!("search_empty"), fixture!("error_no_search", 400)] {
        let server = Recorder::answering([
            search,
            fixture!("list_first_page"),
            fixture!("list_found"),
            fixture!("intent_succeeded_with_charge"),
        ])
        .await;
        let found = stripe(&server).look(order()).await.unwrap();
        assert_eq!(found, Some(payment(Standing::Succeeded)));
        let next = format!("{LIST}&starting_after=pi_3PgafyB7WZ01zgkW1others0");
        assert_eq!(server.lines(), [SEARCH, LIST, &next, READ]);
    }
}

#[tokio::test]
async fn has_never_heard_of_what_neither_search_nor_lists_show() {
    let server = Recorder::answering([fixture!("search_empty"), fixture!("list_empty")]).await;
    assert_eq!(stripe(&server).look(order()).await.unwrap(), None);
}

#[tokio::test]
async fn does_not_guess_when_there_are_too_many_to_look_through() {
    let pages = std::iter::repeat_n(fixture!("list_first_page"), PAGES);
    let server = Recorder::answering([fixture!("search_empty")].into_iter().chain(pages)).await;
    let error = stripe(&server).look(order()).await.unwrap_err();
    assert!(error.retryable() && !error.without_effect(), "{error:?}");
}

#[tokio::test]
async fn sees_refunds_and_disputes() {
    for (intent, disputes, standing) in [
        (fixture!("intent_refunded_with_charge"), None, Standing::Refunded),
        (fixture!("intent_partly_refunded_with_charge"), None, Standing::Succeeded),
        (
            fixture!("intent_disputed_with_charge"),
            Some(fixture!("disputes_needs_response")),
            Standing::ChargedBack,
        ),
        (
            fixture!("intent_disputed_with_charge"),
            Some(fixture!("disputes_won")),
            Standing::Succeeded,
        ),
        (
            fixture!("intent_disputed_with_charge"),
            Some(fixture!("disputes_inquiry")),
            Standing::Succeeded,
        ),
    ] {
        let asks =
            if disputes.is_some() { vec![SEARCH, READ, DISPUTES] } else { vec![SEARCH, READ] };
        let answers = [fixture!("search_found"), intent].into_iter().chain(disputes);
        let server = Recorder::answering(answers).await;
        let found = stripe(&server).look(order()).await.unwrap();
        assert_eq!(found, Some(payment(standing)));
        assert_eq!(server.lines(), asks);
    }
}

#[tokio::test]
async fn cancels_what_is_there() {
    let server = Recorder::answering([
        fixture!("search_found"),
        fixture!("intent_processing"),
        fixture!("intent_canceled"),
    ])
    .await;
    let answer = stripe(&server).cancel(order()).await.unwrap();
    assert_eq!(answer, payment(Standing::Canceled));
    assert_eq!(server.lines(), [SEARCH, READ, CANCEL]);
}

#[tokio::test]
async fn what_succeeds_before_it_is_canceled_has_succeeded() {
    let server = Recorder::answering([
        fixture!("search_found"),
        fixture!("intent_processing"),
        fixture!("error_unexpected_state", 400),
        fixture!("intent_succeeded_with_charge"),
    ])
    .await;
    let answer = stripe(&server).cancel(order()).await.unwrap();
    assert_eq!(answer, payment(Standing::Succeeded));
}

#[tokio::test]
async fn what_is_final_is_not_canceled() {
    for (intent, standing) in [
        (fixture!("intent_succeeded_with_charge"), Standing::Succeeded),
        (fixture!("intent_canceled"), Standing::Canceled),
        (fixture!("intent_canceled_after_decline"), declined("insufficient_funds")),
    ] {
        let server = Recorder::answering([fixture!("search_found"), intent]).await;
        let answer = stripe(&server).cancel(order()).await.unwrap();
        assert_eq!(answer, payment(standing));
    }
}

#[tokio::test]
async fn canceling_what_does_not_exist_uses_up_the_receipts_key() {
    let server = Recorder::answering([
        fixture!("search_empty"),
        fixture!("list_empty"),
        fixture!("intent_unconfirmed"),
        fixture!("intent_canceled"),
    ])
    .await;
    let answer = stripe(&server).cancel(order()).await.unwrap();
    assert_eq!(answer, payment(Standing::Canceled));
    assert_eq!(server.lines(), [SEARCH, LIST, DESCRIBED, CANCEL]);
    assert_eq!(server.asked()[2].headers["idempotency-key"], RECEIPT);
}

#[tokio::test]
async fn a_charge_that_was_first_is_found_and_canceled() {
    let server = Recorder::answering([
        fixture!("search_empty"),
        fixture!("list_empty"),
        fixture!("error_idempotency", 400),
        fixture!("search_empty"),
        fixture!("list_found"),
        fixture!("intent_processing"),
        fixture!("intent_canceled"),
    ])
    .await;
    let answer = stripe(&server).cancel(order()).await.unwrap();
    assert_eq!(answer, payment(Standing::Canceled));
    assert_eq!(server.lines()[3..], [SEARCH, LIST, READ, CANCEL]);
}

#[tokio::test]
async fn a_charge_that_is_first_but_nowhere_to_be_found_is_asked_about_later() {
    let server = Recorder::answering([
        fixture!("search_empty"),
        fixture!("list_empty"),
        fixture!("error_idempotency", 400),
        fixture!("search_empty"),
        fixture!("list_empty"),
    ])
    .await;
    let error = stripe(&server).cancel(order()).await.unwrap_err();
    assert!(error.retryable() && !error.without_effect(), "{error:?}");
}

#[tokio::test]
async fn refunds_once() {
    for refund in [fixture!("refund"), fixture!("error_already_refunded", 400)] {
        let server = Recorder::answering([
            fixture!("search_found"),
            fixture!("intent_succeeded_with_charge"),
            refund,
        ])
        .await;
        let answer = stripe(&server).refund(order()).await.unwrap();
        assert_eq!(answer, payment(Standing::Refunded));
        let asked = &server.asked()[2];
        assert_eq!(asked.path, "/v1/refunds");
        assert_eq!(asked.body, format!("payment_intent={INTENT}\nmetadata[receipt]={RECEIPT}"));
        assert_eq!(asked.headers["idempotency-key"], format!("{RECEIPT}:refund"));
    }
}

#[tokio::test]
async fn does_not_refund_again() {
    let answers = [fixture!("search_found"), fixture!("intent_refunded_with_charge")];
    let server = Recorder::answering(answers).await;
    let answer = stripe(&server).refund(order()).await.unwrap();
    assert_eq!(answer, payment(Standing::Refunded));
}

#[tokio::test]
async fn refunds_nothing_that_was_not_paid() {
    for (answers, refused) in [
        (vec![fixture!("search_empty"), fixture!("list_empty")], "unknown_receipt"),
        (vec![fixture!("search_found"), fixture!("intent_processing")], "not_refundable"),
        (
            vec![
                fixture!("search_found"),
                fixture!("intent_succeeded_with_charge"),
                fixture!("refund_failed"),
            ],
            "refund_failed",
        ),
    ] {
        let server = Recorder::answering(answers).await;
        let error = stripe(&server).refund(order()).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::Refused { code, .. } if code == refused),
            "{error:?}"
        );
    }
}

async fn noticed(
    event: (u16, String),
    answers: Vec<(u16, String)>,
) -> Result<(Option<Payment>, Vec<String>), NoticeError> {
    let server = Recorder::answering(answers).await;
    let stripe = deps(&server).stripe().unwrap();
    let notice = stripe.notice(event.1.as_bytes()).await?;
    assert!(notice.event_id.starts_with("evt_") && notice.nonce.is_none());
    Ok((notice.payment, server.lines()))
}

#[tokio::test]
async fn an_intents_event_says_how_it_was() {
    for (event, standing) in [
        (fixture!("event_succeeded"), Standing::Succeeded),
        (fixture!("event_payment_failed"), declined("insufficient_funds")),
        (fixture!("event_processing"), Standing::Pending),
        (fixture!("event_canceled"), Standing::Canceled),
    ] {
        let (told, asked) = noticed(event, vec![]).await.unwrap();
        assert_eq!(told, Some(payment(standing)));
        assert!(asked.is_empty(), "{asked:?}");
    }
}

#[tokio::test]
async fn of_refunds_and_disputes_the_intent_itself_is_asked() {
    for (event, answers, standing) in [
        (
            fixture!("event_charge_refunded"),
            vec![fixture!("intent_refunded_with_charge")],
            Standing::Refunded,
        ),
        (
            fixture!("event_dispute_created"),
            vec![fixture!("intent_disputed_with_charge"), fixture!("disputes_needs_response")],
            Standing::ChargedBack,
        ),
        (
            fixture!("event_dispute_closed"),
            vec![fixture!("intent_disputed_with_charge"), fixture!("disputes_won")],
            Standing::Succeeded,
        ),
        // The end came first: the beginning says no more than how it ended.
        (
            fixture!("event_dispute_created"),
            vec![fixture!("intent_disputed_with_charge"), fixture!("disputes_won")],
            Standing::Succeeded,
        ),
    ] {
        let (told, asked) = noticed(event, answers).await.unwrap();
        assert_eq!(told, Some(payment(standing)));
        assert_eq!(asked[0], READ);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_looked_into_is_sent_again() {
    let answers = vec![fixture!("error_api", 500)];
    let error = noticed(fixture!("event_dispute_created"), answers).await.unwrap_err();
    assert_eq!(Problem::from(error).code(), Code::ServiceUnavailable);
}

#[tokio::test]
async fn what_is_not_about_the_shop_is_acknowledged() {
    for event in [fixture!("event_of_somebody_else"), fixture!("event_of_another_kind")] {
        assert_eq!(noticed(event, vec![]).await.unwrap().0, None);
    }
}

#[tokio::test]
async fn what_is_no_event_is_unreadable() {
    let bent = fixture!("event_succeeded").1.replace("\"amount\": 4900", "\"amount\": \"4900\"");
    let elsewhere = r#"{"id":"evt_1","type":"charge.refunded","data":{"object":[]}}"#;
    for body in ["", "{}", &bent, elsewhere] {
        let error = noticed((200, body.to_owned()), vec![]).await.unwrap_err();
        assert!(matches!(error, NoticeError::Unreadable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_strange_id_becomes_no_part_of_an_address() {
    let event = fixture!("event_charge_refunded").1.replace(INTENT, "../v1/refunds?x");
    assert_eq!(noticed((200, event), vec![]).await.unwrap().0, None);
}
