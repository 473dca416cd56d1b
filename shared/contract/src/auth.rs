//! Signing up and logging in.

use garde::Validate;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Secret, account::User, rules};

pub use domain::Role;

/// `POST /api/auth/signup`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignupRequest {
    /// The login name; unique without regard to case.
    #[garde(length(min = 3, max = 32), custom(rules::site_id))]
    #[schema(
        min_length = 3,
        max_length = 32,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "jimin01"
    )]
    pub site_id: String,
    /// The shown name; unique without regard to case.
    #[garde(length(chars, min = 2, max = 20), custom(rules::nickname))]
    #[schema(min_length = 2, max_length = 20, example = "지민")]
    pub nickname: String,
    #[garde(custom(rules::new_password))]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    pub password: Secret,
    #[garde(length(min = 1, max = 64), custom(rules::visible_ascii))]
    #[schema(min_length = 1, max_length = 64, example = "5858")]
    pub invite_code: String,
    #[garde(skip)]
    #[schema(value_type = String, format = Date, example = "1998-04-01")]
    pub birth_date: Date,
}

/// `POST /api/auth/login`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The login name; a nickname is accepted too.
    #[garde(length(chars, min = 1, max = 64))]
    #[schema(min_length = 1, max_length = 64, example = "jimin01")]
    pub site_id: String,
    #[garde(custom(rules::presented))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 1024)]
    pub password: Secret,
}

/// `POST /api/auth/refresh`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The latest refresh token of the session.
    #[garde(custom(rules::presented))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 1024)]
    pub refresh_token: Secret,
}

/// The answer to a refresh: both tokens anew.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefreshAnswer {
    /// A JWT for `Authorization: Bearer`.
    #[schema(value_type = String, format = Password)]
    pub access_token: Secret,
    pub token_type: TokenType,
    /// Seconds until `access_token` expires.
    #[schema(example = 900)]
    pub expires_in: u32,
    /// Good for one refresh; the one that was presented is used up.
    #[schema(value_type = String, format = Password)]
    pub refresh_token: Secret,
}

/// The answer to signing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogoutAnswer {
    /// How many sessions have ended.
    #[schema(example = 1)]
    pub closed_sessions: u32,
}

/// `POST /api/auth/password`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    #[garde(custom(rules::presented))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 1024)]
    pub current_password: Secret,
    #[garde(custom(rules::new_password))]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    pub new_password: Secret,
}

/// The answer to a change of password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PasswordAnswer {
    /// How many other sessions have ended.
    #[schema(example = 0)]
    pub closed_sessions: u32,
}

/// `PUT /api/auth/profile`
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameRequest {
    /// The new shown name; unique without regard to case.
    #[garde(length(chars, min = 2, max = 20), custom(rules::nickname))]
    #[schema(min_length = 2, max_length = 20, example = "지민")]
    pub nickname: String,
}

/// `DELETE /api/auth/me`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErasureAnswer {
    /// Always true: names, password and sessions are gone.
    pub erased: bool,
    /// The balance that was given up.
    #[schema(example = 1000)]
    pub burned_gold: i64,
}

/// The answer to a signup: a session and its player, flat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SignupAnswer {
    /// A JWT for `Authorization: Bearer`.
    #[schema(value_type = String, format = Password)]
    pub access_token: Secret,
    pub token_type: TokenType,
    /// Seconds until `access_token` expires.
    #[schema(example = 900)]
    pub expires_in: u32,
    /// Good for one refresh.
    #[schema(value_type = String, format = Password)]
    pub refresh_token: Secret,
    pub user: User,
}

/// The answer to a login: as of a signup, and whether the password must change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LoginAnswer {
    #[serde(flatten)]
    pub session: SignupAnswer,
    pub must_change_password: bool,
}

/// How to present the access token. There is one way.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub enum TokenType {
    #[default]
    #[serde(rename = "bearer")]
    Bearer,
}

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub aud: String,
    /// The player.
    pub sub: Uuid,
    pub role: Role,
    /// The session, that is the refresh family.
    pub sid: Uuid,
    /// Epoch seconds.
    pub iat: i64,
    /// Epoch seconds.
    pub exp: i64,
}
