//! A player to begin with.

use domain::{
    Ctx, PasswordHash, Plan, Role,
    command::sign_up::{self, Policy, SignUp},
};
use jiff::civil::date;

/// Jimin signs up.
pub fn signed_up(password_hash: &str, ctx: &Ctx) -> Plan {
    let command = SignUp {
        site_id: "jimin".to_owned(),
        nickname: "Jimin".to_owned(),
        role: Role::Standard,
        invite_code: "5858".to_owned(),
        birth_date: date(1998, 4, 1),
        must_change_password: false,
        device: None,
    };
    let policy = Policy { unlimited_invite_code: Some("5858".to_owned()), minimum_age_years: 19 };
    let hash = PasswordHash(password_hash.to_owned());
    sign_up::decide(&command, hash, &policy, None, ctx).expect("admitted")
}
