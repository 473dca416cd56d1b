//! The one registry of problem codes.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Language;

/// A code's title and message in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording {
    pub title: &'static str,
    pub message: &'static str,
}

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, $status:literal $(, retry $retry:literal)?;
        ko $ko_title:literal, $ko:literal; en $en_title:literal, $en:literal; )*) => {
        /// A stable problem code: its status, wording and whether to try again.
        ///
        /// A code is never renamed or given another status; clients decide by it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $( $(#[$doc])* #[doc = concat!("`", $code, "`, ", $status)] $name, )* }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The URI of RFC 9457's `type`.
            #[must_use]
            pub const fn type_uri(self) -> &'static str {
                match self { $(Self::$name => concat!("urn:casino-club:problem:", $code),)* }
            }

            /// Seconds after which trying again makes sense, unless the failure
            /// itself knows better. `None`: the same request will fail again.
            #[must_use]
            pub const fn retry_after_seconds(self) -> Option<u32> {
                match self { $(Self::$name => codes!(@retry $($retry)?),)* }
            }

            /// Title and message in the reader's language.
            #[must_use]
            pub const fn wording(self, language: Language) -> Wording {
                match (self, language) { $(
                    (Self::$name, Language::Korean) => Wording { title: $ko_title, message: $ko },
                    (Self::$name, Language::English) => Wording { title: $en_title, message: $en },
                )* }
            }
        }
    };
    (@retry) => { None };
    (@retry $seconds:literal) => { Some($seconds) };
}

codes! {
    // The request itself
    MalformedJson = "malformed_json", 400;
        ko "잘못된 JSON", "요청 본문을 JSON으로 읽을 수 없습니다.";
        en "Malformed JSON", "The request body is not valid JSON.";
    /// There is no 415 in the contract: a wrong `Content-Type` is a malformed request.
    UnsupportedContentType = "unsupported_content_type", 400;
        ko "지원하지 않는 형식", "요청 본문은 application/json 형식이어야 합니다.";
        en "Unsupported content type", "The request body must be application/json.";
    NotFound = "not_found", 404;
        ko "찾을 수 없음", "요청하신 항목을 찾을 수 없습니다.";
        en "Not found", "There is nothing here.";
    MethodNotAllowed = "method_not_allowed", 405;
        ko "허용되지 않는 메서드", "이 주소에서는 사용할 수 없는 메서드입니다.";
        en "Method not allowed", "This address does not take that method.";
    BodyTooLarge = "body_too_large", 413;
        ko "본문이 너무 큼", "요청 본문은 256KiB를 넘을 수 없습니다.";
        en "Body too large", "The request body must not exceed 256 KiB.";
    ValidationFailed = "validation_failed", 422;
        ko "입력값 오류", "입력하신 내용을 다시 확인해 주세요.";
        en "Validation failed", "Some of the values are not valid.";
    RateLimited = "rate_limited", 429, retry 10;
        ko "요청이 너무 많음", "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.";
        en "Too many requests", "Too many requests. Please try again in a moment.";

    // Who is asking
    Unauthenticated = "unauthenticated", 401;
        ko "로그인 필요", "로그인이 필요합니다.";
        en "Not signed in", "Please sign in.";
    Forbidden = "forbidden", 403;
        ko "권한 없음", "이 작업을 수행할 권한이 없습니다.";
        en "Forbidden", "You are not allowed to do this.";

    // Idempotency
    IdempotencyKeyRequired = "idempotency_key_required", 422;
        ko "멱등 키 필요", "이 요청에는 Idempotency-Key 헤더가 필요합니다.";
        en "Idempotency key required", "This request needs an Idempotency-Key header.";
    IdempotencyKeyInvalid = "idempotency_key_invalid", 422;
        ko "잘못된 멱등 키", "Idempotency-Key는 1~128자의 공백 없는 ASCII 문자여야 합니다.";
        en "Invalid idempotency key", "The Idempotency-Key must be 1 to 128 visible ASCII characters.";
    IdempotencyKeyReused = "idempotency_key_reused", 409;
        ko "이미 사용된 멱등 키", "같은 Idempotency-Key가 다른 내용의 요청에 이미 사용되었습니다.";
        en "Idempotency key reused", "This Idempotency-Key was already used for a different request.";

    // Accounts
    InvalidInviteCode = "invalid_invite_code", 422;
        ko "잘못된 초대 코드", "초대 코드가 올바르지 않거나 이미 모두 사용되었습니다.";
        en "Invalid invite code", "The invite code is not valid or has been used up.";
    SiteIdTaken = "site_id_taken", 409;
        ko "이미 사용 중인 아이디", "이미 사용 중인 아이디입니다.";
        en "Site id taken", "This site id is already taken.";
    NicknameTaken = "nickname_taken", 409;
        ko "이미 사용 중인 닉네임", "이미 사용 중인 닉네임입니다.";
        en "Nickname taken", "This nickname is already taken.";
    WeakPassword = "weak_password", 422;
        ko "안전하지 않은 비밀번호", "비밀번호는 8자 이상이어야 하며 쉽게 추측할 수 없어야 합니다.";
        en "Weak password", "The password must have at least 8 characters and not be easy to guess.";
    Underage = "underage", 422;
        ko "이용 연령 미달", "이용 가능한 연령이 아닙니다.";
        en "Underage", "You are not old enough to play.";
    InvalidCredentials = "invalid_credentials", 401;
        ko "로그인 실패", "아이디 또는 비밀번호가 올바르지 않습니다.";
        en "Invalid credentials", "The site id or the password is not correct.";
    /// The session behind the refresh token has ended or expired.
    RefreshExpired = "refresh_expired", 401;
        ko "세션 만료", "로그인 세션이 만료되었습니다. 다시 로그인해 주세요.";
        en "Session expired", "Your session has ended. Please sign in again.";
    /// A refresh token came a second time; its whole family is revoked.
    RefreshReused = "refresh_reused", 401;
        ko "세션 보호 조치", "이미 사용된 로그인 정보입니다. 보안을 위해 다시 로그인해 주세요.";
        en "Refresh token reused", "This refresh token was used before. For your safety, please sign in again.";
    WrongPassword = "wrong_password", 422;
        ko "현재 비밀번호 불일치", "현재 비밀번호가 올바르지 않습니다.";
        en "Wrong password", "The current password is not correct.";
    PasswordChangeRequired = "password_change_required", 403;
        ko "비밀번호 변경 필요", "계속하려면 먼저 비밀번호를 변경해 주세요.";
        en "Password change required", "Please change your password first.";
    InviteCodeExists = "invite_code_exists", 409;
        ko "이미 있는 초대 코드", "이미 있는 초대 코드입니다.";
        en "Invite code exists", "There is such an invite code already.";
    PlayerNotFound = "player_not_found", 404;
        ko "플레이어 없음", "해당 플레이어를 찾을 수 없습니다.";
        en "Player not found", "There is no such player.";
    /// Carries `retry_after_minutes`.
    LoginLocked = "login_locked", 429, retry 600;
        ko "로그인 잠김", "로그인 시도가 여러 번 실패하여 잠시 잠겼습니다. 나중에 다시 시도해 주세요.";
        en "Login locked", "Too many failed attempts. Please try again later.";

    /// The token was used, has expired, or is of an address that no longer waits.
    EmailTokenInvalid = "email_token_invalid", 422;
        ko "잘못된 이메일 확인 코드", "확인 코드가 올바르지 않거나 만료되었습니다. 이메일 주소를 다시 등록해 주세요.";
        en "Invalid confirmation code", "The confirmation code is not valid or has expired. Please give your mail address again.";

    // Playing and buying
    InsufficientFunds = "insufficient_funds", 422;
        ko "골드 부족", "보유한 골드가 부족합니다.";
        en "Insufficient funds", "You do not have enough gold.";
    BetTooLarge = "bet_too_large", 422;
        ko "베팅 한도 초과", "베팅 금액이 한도를 초과했습니다.";
        en "Bet too large", "The bet is over the limit.";
    AlreadyClaimed = "already_claimed", 409;
        ko "이미 수령함", "이미 수령한 보상입니다.";
        en "Already claimed", "This reward has already been claimed.";
    BalanceOverflow = "balance_overflow", 422;
        ko "보유 한도 초과", "보유할 수 있는 골드 한도를 초과합니다.";
        en "Balance limit", "This would exceed the most gold anyone can hold.";
    UnknownPaytable = "unknown_paytable", 422;
        ko "알 수 없는 배당표", "해당 버전의 배당표를 찾을 수 없습니다.";
        en "Unknown paytable", "There is no paytable of that game and version.";
    ProductNotFound = "product_not_found", 404;
        ko "상품 없음", "상품을 찾을 수 없습니다.";
        en "Product not found", "There is no such product.";
    ProductNotForGold = "product_not_for_gold", 422;
        ko "골드로 살 수 없는 상품", "골드로 구매할 수 없는 상품입니다.";
        en "Not for gold", "This product cannot be bought with gold.";
    /// Refused for a while by the fraud rules; the same request may come again.
    PurchaseSlowed = "purchase_slowed", 429, retry 600;
        ko "잠시 후 다시 구매", "짧은 시간에 결제 시도가 너무 많습니다. 잠시 후 다시 시도해 주세요.";
        en "Please slow down", "Too many payment attempts in a short time. Please try again later.";
    /// Refused by the fraud rules.
    PurchaseBlocked = "purchase_blocked", 403;
        ko "구매할 수 없음", "이 결제를 진행할 수 없습니다. 문제가 계속되면 고객센터로 문의해 주세요.";
        en "Purchase blocked", "This payment cannot be made. Please contact support if you think it should be.";

    // Operators
    /// Carries `version`, the one in force.
    FraudRulesMoved = "fraud_rules_moved", 409;
        ko "이미 변경된 규칙", "그사이 다른 규칙이 적용되었습니다. 최신 규칙을 확인한 뒤 다시 시도해 주세요.";
        en "Rules have changed", "Other rules were put meanwhile. Please look at them and try again.";
    FraudRulesNotFound = "fraud_rules_not_found", 404;
        ko "규칙 버전 없음", "해당 버전의 규칙을 찾을 수 없습니다.";
        en "No such version", "There are no fraud rules of that version.";

    PaymentTokenRequired = "payment_token_required", 422;
        ko "결제 토큰 필요", "이 상품을 구매하려면 결제 토큰이 필요합니다.";
        en "Payment token required", "Buying this product needs a payment token.";
    PurchaseNotFound = "purchase_not_found", 404;
        ko "구매 내역 없음", "해당 구매 내역을 찾을 수 없습니다.";
        en "Purchase not found", "There is no such purchase.";
    LimitedPackageNotFound = "limited_package_not_found", 404;
        ko "한정 상품 없음", "해당 한정 상품을 찾을 수 없습니다.";
        en "Limited package not found", "There is no such limited package.";
    LimitedPackageExists = "limited_package_exists", 409;
        ko "이미 있는 한정 상품", "같은 코드의 한정 상품이 이미 있습니다.";
        en "Limited package exists", "There is a limited package of that code already.";
    /// Carries `starts_at`.
    SaleNotOpen = "sale_not_open", 422;
        ko "판매 전", "아직 판매가 시작되지 않았습니다.";
        en "Sale not open", "The sale has not begun.";
    SaleOver = "sale_over", 422;
        ko "판매 종료", "판매가 종료되었습니다.";
        en "Sale over", "The sale is over.";
    SoldOut = "sold_out", 409;
        ko "품절", "남은 수량이 부족합니다.";
        en "Sold out", "There are not so many left.";
    /// Carries `per_user_cap`.
    PurchaseCapReached = "purchase_cap_reached", 422;
        ko "구매 한도 초과", "1인당 구매 한도를 초과했습니다.";
        en "Purchase cap reached", "You cannot buy so many of these.";
    InvalidPromoCode = "invalid_promo_code", 422;
        ko "잘못된 프로모션 코드", "프로모션 코드가 올바르지 않거나 모두 사용되었습니다.";
        en "Invalid promo code", "The promo code is not valid or has been used up.";
    PromoCodeExists = "promo_code_exists", 409;
        ko "이미 있는 프로모션 코드", "같은 프로모션 코드가 이미 있습니다.";
        en "Promo code exists", "There is such a promo code already.";

    // Notices of the payment provider
    WebhookNonceReused = "webhook_nonce_reused", 401;
        ko "이미 사용된 논스", "웹훅의 논스가 이미 사용되었습니다.";
        en "Nonce reused", "The webhook's nonce was used before.";
    /// Another product, amount or currency than the purchase's, or no purchase at all.
    PaymentMismatch = "payment_mismatch", 401;
        ko "결제 내용 불일치", "결제 내용이 구매 내역과 일치하지 않습니다.";
        en "Payment mismatch", "The payment is not what the purchase asks for.";
    WebhookSignatureMissing = "webhook_signature_missing", 401;
        ko "서명 없음", "웹훅 서명이 없습니다.";
        en "Signature missing", "The webhook has no signature.";
    WebhookSignatureMalformed = "webhook_signature_malformed", 401;
        ko "잘못된 서명 형식", "웹훅 서명의 형식이 올바르지 않습니다.";
        en "Malformed signature", "The webhook's signature header cannot be read.";
    WebhookKeyUnknown = "webhook_key_unknown", 401;
        ko "알 수 없는 서명 키", "웹훅을 서명한 키를 알 수 없습니다.";
        en "Unknown key", "The webhook is signed by an unknown key.";
    WebhookTimestampOutOfRange = "webhook_timestamp_out_of_range", 401;
        ko "허용 범위를 벗어난 서명 시각", "웹훅의 서명 시각이 허용 범위를 벗어났습니다.";
        en "Timestamp out of range", "The webhook was signed too long ago or in the future.";
    WebhookSignatureInvalid = "webhook_signature_invalid", 401;
        ko "서명 불일치", "웹훅 서명이 일치하지 않습니다.";
        en "Invalid signature", "The webhook's signature does not match its body.";
    /// Genuine, but not a notice we know.
    WebhookBodyUnreadable = "webhook_body_unreadable", 422;
        ko "읽을 수 없는 웹훅", "웹훅 본문을 이해할 수 없습니다.";
        en "Unreadable webhook", "The webhook's body cannot be understood.";

    // Webhooks
    WebhookUrlNotAllowed = "webhook_url_not_allowed", 422;
        ko "사용할 수 없는 주소", "공개된 https 주소만 사용할 수 있습니다.";
        en "URL not allowed", "Only https URLs of hosts on the public internet can be used.";
    WebhookEndpointNotFound = "webhook_endpoint_not_found", 404;
        ko "웹훅 없음", "해당 웹훅을 찾을 수 없습니다.";
        en "Webhook endpoint not found", "There is no such webhook endpoint.";
    /// Carries `maximum`.
    TooManyWebhookEndpoints = "too_many_webhook_endpoints", 409;
        ko "웹훅 한도 초과", "웹훅을 더 등록할 수 없습니다. 사용하지 않는 웹훅을 삭제해 주세요.";
        en "Too many webhook endpoints", "No more webhook endpoints can be registered. Delete one first.";
    WebhookDeliveryNotFound = "webhook_delivery_not_found", 404;
        ko "전송 내역 없음", "해당 전송 내역을 찾을 수 없습니다.";
        en "Delivery not found", "There is no such delivery.";
    WebhookDeliveryNotFailed = "webhook_delivery_not_failed", 409;
        ko "실패한 전송이 아님", "실패한 전송만 다시 보낼 수 있습니다.";
        en "Delivery has not failed", "Only a delivery that failed can be replayed.";

    // Dead letters
    DeadLetterNotFound = "dead_letter_not_found", 404;
        ko "미발행 기록 없음", "해당 미발행 기록을 찾을 수 없습니다.";
        en "Dead letter not found", "There is no such dead letter.";
    /// Its item in the journal still cannot be read.
    DeadLetterUnreadable = "dead_letter_unreadable", 409;
        ko "읽을 수 없는 기록", "원장의 기록을 아직 읽을 수 없어 다시 발행하지 못했습니다.";
        en "Unreadable record", "The record in the journal still cannot be read.";

    // The socket
    /// A message of the old `/api/games/ws`, which this deployment does not take.
    GamesSocketRetired = "games_socket_retired", 422;
        ko "종료된 게임 소켓", "이전 게임 소켓 메시지는 더 이상 지원되지 않습니다. 앱을 업데이트해 주세요.";
        en "Games socket retired", "Messages of the old games socket are no longer taken. Please update.";

    // The service
    /// Others kept changing the same state; the same request will succeed.
    ConflictRetry = "conflict_retry", 503, retry 1;
        ko "잠시 후 다시 시도", "요청이 몰려 처리하지 못했습니다. 같은 요청을 다시 보내 주세요.";
        en "Please retry", "Too much happened at once. Please send the same request again.";
    /// Something the product depends on does not answer.
    ServiceUnavailable = "service_unavailable", 503, retry 2;
        ko "일시적으로 이용 불가", "일시적으로 이용할 수 없습니다. 잠시 후 다시 시도해 주세요.";
        en "Service unavailable", "The service is briefly unavailable. Please try again.";
    /// A defect of ours; what it was is in the log only.
    Internal = "internal", 500;
        ko "서버 오류", "일시적인 오류가 발생했습니다. 문제가 계속되면 고객센터로 문의해 주세요.";
        en "Internal error", "Something went wrong on our side.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn statuses_are_those_of_the_contract() {
        const STATUSES: [u16; 11] = [400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503];
        for code in Code::ALL {
            assert!(STATUSES.contains(&code.status()), "{code}");
            let retryable = matches!(code.status(), 429 | 503);
            assert_eq!(code.retry_after_seconds().is_some(), retryable, "{code}");
        }
    }
}
