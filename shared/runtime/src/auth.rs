//! Who is asking: access tokens, passwords, opaque single-use tokens.

mod jwt;
mod opaque;
mod password;
mod session;

pub use jwt::{ACCESS_TOKEN_SECONDS, Issued, JwtKeys, KeyError, TokenError};
pub use opaque::{Opaque, fingerprint};
pub use password::{HashError, Hasher, Verdict};
pub use session::session_answer;
