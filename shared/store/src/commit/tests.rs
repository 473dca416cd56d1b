//! What a plan is as a transaction, and what every answer to one amounts to.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::ErrorMetadata,
    types::error::{
        IdempotentParameterMismatchException, ResourceNotFoundException,
        TransactionCanceledException, TransactionConflictException,
    },
};
use aws_smithy_types::body::SdkBody;
use domain::{
    Ctx, OnceKey, PasswordHash, Player, Profile, Role,
    command::{
        log_in,
        sign_up::{self, Policy, SignUp},
    },
};

use super::*;

fn reason(code: &str) -> CancellationReason {
    CancellationReason::builder().code(code).build()
}

fn used_key() -> CancellationReason {
    let pointer =
        Pointer { player: PlayerId::from_bytes([1; 16]), seq: 7, request_hash: "h".to_owned() };
    let item = item::encode(keys::socket("x"), "once", pointer).expect("encodes");
    CancellationReason::builder().code("ConditionalCheckFailed").set_item(Some(item)).build()
}

fn purposes() -> [Purpose; 4] {
    [Purpose::Version, Purpose::Version, Purpose::Once, Purpose::Rule(Rejection::SiteIdTaken)]
}

#[test]
fn every_cancellation_has_its_outcome() {
    let failed = "ConditionalCheckFailed";
    let cases = [
        (vec![reason(failed), reason(failed), used_key(), reason("None")], "Duplicate"),
        (vec![reason(failed), reason("None"), used_key(), reason(failed)], "Duplicate"),
        (vec![reason(failed), reason("None"), reason("None"), reason("None")], "Moved"),
        (
            vec![reason("TransactionConflict"), reason("None"), reason("None"), reason("None")],
            "Moved",
        ),
        (vec![reason("None"), reason("None"), reason("None"), reason(failed)], "SiteIdTaken"),
        (vec![reason(failed), reason("None"), reason("None"), reason(failed)], "SiteIdTaken"),
        (
            vec![reason("ThrottlingError"), reason("None"), reason("None"), reason("None")],
            "Unanswered",
        ),
        (vec![reason("ValidationError"), reason("None"), reason("None"), reason("None")], "None"),
    ];
    for (reasons, expected) in cases {
        let outcome = outcome_of_reasons(&reasons, &purposes()).expect("decodes");
        assert!(format!("{outcome:?}").contains(expected), "{reasons:?} gave {outcome:?}");
    }
}

fn ctx() -> Ctx {
    let now = "2026-11-21T12:00:00Z".parse().expect("an instant");
    Ctx { now, seed: [7; 32], trace_id: "t".to_owned() }
}

fn store() -> Store {
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    Store::new(&config, "the-table")
}

fn once() -> Once {
    Once { key: OnceKey::Header("key-1".to_owned()), request_hash: "hash".to_owned() }
}

fn signup() -> Plan {
    let command = SignUp {
        site_id: "Jimin01".to_owned(),
        nickname: "Jimin".to_owned(),
        role: Role::Standard,
        invite_code: "5858".to_owned(),
        birth_date: jiff::civil::date(1998, 4, 1),
        must_change_password: false,
    };
    let policy = Policy { unlimited_invite_code: Some("5858".to_owned()), minimum_age_years: 19 };
    let hash = PasswordHash("$argon2id$".to_owned());
    sign_up::decide(&command, hash, &policy, &ctx()).expect("admitted")
}

/// Purpose, sort key and condition of every item, in order.
fn parts(plan: &Plan) -> Vec<(String, String, Option<String>)> {
    let (purposes, items) = store().transaction(plan).expect("it can be written");
    assert_eq!(purposes.len(), items.len());
    let part = |(purpose, item): (&Purpose, &TransactWriteItem)| {
        assert!(item.condition_check().is_none() && item.update().is_none());
        let put = item.put().expect("every item is put");
        assert_eq!(put.table_name(), "the-table");
        let sk = item::sk(put.item()).unwrap_or_default();
        let condition = put.condition_expression().map(str::to_owned);
        (format!("{purpose:?}"), sk.to_owned(), condition)
    };
    purposes.iter().zip(&items).map(part).collect()
}

#[test]
fn a_new_player_is_written_only_where_nothing_of_theirs_is() {
    let plan = signup().sealed(Some(once()), None);
    let id = plan.player();
    let Some(Change::OpenSession { session, .. }) = plan.changes().get(3) else {
        panic!("{:?}", plan.changes());
    };
    let new = || Some("attribute_not_exists(pk)".to_owned());
    let expected = [
        ("Version", "STATE".to_owned(), new()),
        ("Version", "ENTRY#0000000000000001".to_owned(), new()),
        ("Once", "ONCE".to_owned(), new()),
        ("Rule(SiteIdTaken)", "SITE".to_owned(), new()),
        ("Rule(NicknameTaken)", "NICK".to_owned(), new()),
        ("Free", "AUTH#CREDENTIAL".to_owned(), None),
        ("Free", format!("AUTH#SESSION#{session}"), None),
        ("Free", id.to_string(), None),
    ];
    assert_eq!(parts(&plan), expected.map(|(purpose, sk, on)| (purpose.to_owned(), sk, on)));
}

#[test]
fn a_change_depends_on_the_version_it_was_decided_on_and_on_an_unused_key() {
    let before =
        Player { version: 41, ..Player::unborn(PlayerId::from_bytes([1; 16]), Profile::default()) };
    let plan = log_in::decide(&before, &ctx()).expect("never refused");
    let plan = plan.sealed(Some(once()), None);
    let (_, items) = store().transaction(&plan).expect("it can be written");
    let puts: Vec<_> = items.iter().filter_map(TransactWriteItem::put).collect();
    assert_eq!(puts[0].condition_expression(), Some("#version = :before"));
    let names = puts[0].expression_attribute_names().expect("names");
    assert_eq!(names.get("#version").map(String::as_str), Some("version"));
    let values = puts[0].expression_attribute_values().expect("values");
    assert_eq!(values.get(":before"), Some(&AttributeValue::N("41".to_owned())));
    assert_eq!(puts[0].item().get("version"), Some(&AttributeValue::N("42".to_owned())));
    assert_eq!(puts[1].condition_expression(), Some("attribute_not_exists(pk)"));
    // The pointer says whose entry it leads to, and comes back when it is there.
    let pointer: Pointer = item::decode(puts[2].item().clone()).expect("a pointer");
    assert_eq!((pointer.player, pointer.seq, &*pointer.request_hash), (before.id, 42, "hash"));
    let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
    assert_eq!(puts[2].return_values_on_condition_check_failure(), Some(&all_old));
}

#[test]
fn without_a_key_there_is_no_pointer() {
    assert!(parts(&signup()).iter().all(|(purpose, ..)| purpose != "Once"));
}

fn refused_by(error: TransactWriteItemsError) -> SdkError<TransactWriteItemsError> {
    let status = 400.try_into().expect("a status");
    SdkError::service_error(error, HttpResponse::new(status, SdkBody::empty()))
}

fn generic(code: &str) -> SdkError<TransactWriteItemsError> {
    let metadata = ErrorMetadata::builder().code(code).build();
    refused_by(TransactWriteItemsError::generic(metadata))
}

fn canceled(codes: [&str; 4]) -> SdkError<TransactWriteItemsError> {
    let reasons = codes.map(reason).to_vec();
    let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons));
    refused_by(TransactWriteItemsError::TransactionCanceledException(error.build()))
}

#[test]
fn only_a_request_that_is_wrong_itself_is_refused() {
    use TransactWriteItemsError as E;
    let mismatch = IdempotentParameterMismatchException::builder().build();
    for wrong in [
        refused_by(E::ResourceNotFoundException(ResourceNotFoundException::builder().build())),
        refused_by(E::IdempotentParameterMismatchException(mismatch)),
        generic("ValidationException"),
        generic("AccessDeniedException"),
        SdkError::construction_failure("no endpoint"),
        canceled(["ValidationError", "None", "None", "None"]),
        canceled(["ItemCollectionSizeLimitExceeded", "None", "None", "None"]),
    ] {
        let outcome = outcome_of(wrong, &purposes());
        assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
    }
}

#[test]
fn whatever_leaves_the_outcome_open_is_looked_up_again() {
    let conflict = TransactionConflictException::builder().build();
    for open in [
        generic("ThrottlingException"),
        generic("ProvisionedThroughputExceededException"),
        generic("TransactionInProgressException"),
        generic("InternalServerError"),
        refused_by(TransactWriteItemsError::unhandled(conflict)),
        SdkError::timeout_error("no answer"),
    ] {
        let outcome = outcome_of(open, &purposes()).expect("it is no defect");
        assert!(matches!(outcome, Outcome::Again(Cause::Unanswered(_))), "{outcome:?}");
    }
}

#[test]
fn a_cancelled_transaction_is_what_its_reasons_say() {
    let of = |codes| outcome_of(canceled(codes), &purposes()).expect("it can be helped");
    let failed = "ConditionalCheckFailed";
    assert!(matches!(of([failed, "None", "None", "None"]), Outcome::Again(Cause::Moved)));
    assert!(matches!(
        of(["None", "None", "None", failed]),
        Outcome::Refused(Rejection::SiteIdTaken)
    ));
    // A used key whose item did not come back: the next look finds it.
    assert!(matches!(of(["None", "None", failed, "None"]), Outcome::Again(Cause::Moved)));
    assert!(matches!(
        of(["None", "ProvisionedThroughputExceeded", "None", "None"]),
        Outcome::Again(Cause::Unanswered(_))
    ));
}
