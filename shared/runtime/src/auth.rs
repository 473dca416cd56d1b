//! Who is asking: access tokens, passwords, opaque single-use tokens.

mod device;
pub mod email_token;
mod guesses;
mod jwt;
mod opaque;
mod password;
mod session;

pub use device::ClientDevice;
pub(crate) use device::device_fingerprint;
pub(crate) use guesses::network;
pub use guesses::{Guess, PerAddress};
pub use jwt::{ACCESS_TOKEN_SECONDS, Issued, JwtKeys, KeyError, TokenError};
pub use opaque::{Opaque, fingerprint};
pub use password::{HashError, Hasher, Verdict};
pub use session::{RefreshToken, session_answer, tokens};
