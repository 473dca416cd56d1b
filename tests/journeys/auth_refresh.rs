//! `POST /api/auth/refresh`

use serde_json::json;
use tests::{Api, Hands, Player, Socket, Target, fresh_name, stack_with};

const REFRESH: &str = "/api/auth/refresh";

#[tokio::test]
async fn a_refresh_gives_both_tokens_anew_and_the_old_access_token_stays_good() {
    let target = Target::start().await;
    let player = target.player().await;
    let answer = player.refresh().send().await;
    let body = answer.ok();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(900)));
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(4), "{body}");
    let next = player.with_tokens(&body);
    assert_ne!(next.refresh_token, player.refresh_token);
    assert_eq!(next.me().await["id"], player.id.as_str());
    player.me().await;
    // And so on.
    let after = next.with_tokens(&next.refresh().send().await.ok());
    after.me().await;
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_session_and_no_other() {
    let target = Target::start().await;
    let player = target.player().await;
    let other = player.log_in().await;
    let next = player.with_tokens(&player.refresh().send().await.ok());
    player.refresh().send().await.is_problem(401, "refresh_reused");
    next.is_signed_out().await;
    player.is_signed_out().await;
    next.refresh().send().await.is_problem(401, "refresh_expired");
    player.refresh().send().await.is_problem(401, "refresh_expired");
    other.me().await;
    other.refresh().send().await.ok();
}

#[tokio::test]
async fn a_refresh_sent_again_with_its_key_is_answered_again_byte_for_byte() {
    let target = Target::start().await;
    let player = target.player().await;
    let key = fresh_name();
    let first = player.refresh().key(&key).send().await;
    let again = player.refresh().key(&key).send().await;
    assert_eq!((first.is_replayed(), again.is_replayed()), (false, true));
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));
    let next = player.with_tokens(&first.ok());
    next.me().await;
    // The next token is another request.
    next.refresh().key(&key).send().await.is_problem(409, "idempotency_key_reused");
    let after = next.with_tokens(&next.refresh().key(&fresh_name()).send().await.ok());
    // The old answer is still the answer, though its refresh token is used up.
    assert_eq!(player.refresh().key(&key).send().await.text, first.text);
    after.me().await;
}

#[tokio::test]
async fn what_is_no_refresh_token_is_401() {
    let target = Target::start().await;
    let (player, other) = (target.player().await, target.player().await);
    let token = player.refresh_token.as_str();
    let (claim, tag) = token.rsplit_once('.').expect("a tag");
    let (_, foreign_tag) = other.refresh_token.rsplit_once('.').expect("a tag");
    let flipped = if tag.starts_with('A') { "B" } else { "A" };
    for altered in [
        "garbage".to_owned(),
        "...".to_owned(),
        player.api.token().expect("a token").to_owned(),
        claim.to_owned(),
        format!("{claim}."),
        format!("{claim}.{foreign_tag}"),
        format!("{claim}.{flipped}{}", &tag[1..]),
        format!("{}2.{tag}", &claim[..claim.len() - 1]),
        token.replace(&player.id, &other.id),
        format!(" {token}"),
        format!("{token}="),
    ] {
        let body = json!({ "refresh_token": altered });
        let answer = target.api().post(REFRESH, &body).send().await;
        answer.is_problem(401, "unauthenticated");
    }
    for body in [json!({}), json!({ "refresh_token": "" }), json!({ "refresh_token": null })] {
        let problem = target.api().post(REFRESH, &body).send().await;
        let problem = problem.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/refresh_token");
    }
    player.refresh().send().await.ok();
}

#[tokio::test]
async fn a_session_ends_thirty_days_after_it_was_last_refreshed() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let left = Player::sign_up(&Api::new(&stack.base_url)).await;
    let kept = Player::sign_up(&Api::new(&stack.base_url)).await;
    hands.set("2026-12-31T08:59:59Z");
    let kept = kept.with_tokens(&kept.refresh().send().await.ok());
    hands.set("2026-12-31T09:00:00Z");
    left.refresh().send().await.is_problem(401, "refresh_expired");
    kept.me().await;
    hands.set("2027-01-30T08:59:58Z");
    let kept = kept.with_tokens(&kept.refresh().send().await.ok());
    hands.set("2027-03-01T08:59:58Z");
    kept.refresh().send().await.is_problem(401, "refresh_expired");
    kept.log_in().await.me().await;
}

#[tokio::test]
async fn a_ninth_session_ends_the_one_that_would_expire_first() {
    let hands = Hands::at("2026-12-01T09:00:00Z");
    let stack = stack_with(hands.options()).await;
    let mut sessions = vec![Player::sign_up(&Api::new(&stack.base_url)).await];
    for minute in 1..8 {
        hands.set(&format!("2026-12-01T09:0{minute}:00Z"));
        sessions.push(sessions[0].log_in().await);
    }
    hands.set("2026-12-01T09:08:00Z");
    sessions[0] = sessions[0].with_tokens(&sessions[0].refresh().send().await.ok());
    let ninth = sessions[0].log_in().await;
    sessions[1].is_signed_out().await;
    sessions.remove(1);
    for session in sessions.iter().chain([&ninth]) {
        session.me().await;
    }
}

#[tokio::test]
async fn a_session_that_a_reused_token_ended_opens_no_socket() {
    let target = Target::start().await;
    let player = target.player().await;
    let (url, ticket) = player.ticket().await;
    let next = player.with_tokens(&player.refresh().send().await.ok());
    player.refresh().send().await.is_problem(401, "refresh_reused");
    assert_eq!(Socket::refused(&format!("{url}?ticket={ticket}")).await, Some(401));
    let token = next.api.token().expect("a token");
    assert_eq!(Socket::refused_with_token(&url, token).await, Some(401));
}
