//! A new player.

use jiff::{SignedDuration, ToSpan, civil::Date};

use crate::{
    Account, Change, Ctx, Fact, Gold, Legs, Plan, Player, PlayerId, Profile, Rejection, Role,
    SessionId, plan::PasswordHash,
};

/// What a new player starts with.
pub const STARTING_GOLD: Gold = Gold::new(1_000);

/// How long a session can be refreshed.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Who may sign up.
#[derive(Clone, Debug)]
pub struct Policy {
    /// A code with any number of uses, if the stage has one.
    pub unlimited_invite_code: Option<String>,
    pub minimum_age_years: u8,
}

/// A request to sign up.
#[derive(Clone, Debug)]
pub struct SignUp {
    pub site_id: String,
    pub nickname: String,
    pub role: Role,
    pub invite_code: String,
    pub birth_date: Date,
    pub must_change_password: bool,
}

impl SignUp {
    /// Whether the policy admits the player. The birth date is checked and
    /// forgotten.
    ///
    /// # Errors
    /// [`Rejection::InvalidInviteCode`], [`Rejection::Underage`].
    pub fn admit(&self, policy: &Policy, ctx: &Ctx) -> Result<(), Rejection> {
        if policy.unlimited_invite_code.as_deref() != Some(self.invite_code.as_str()) {
            return Err(Rejection::InvalidInviteCode);
        }
        let minimum_age_years = policy.minimum_age_years;
        let of_age = self.birth_date.saturating_add(i32::from(minimum_age_years).years());
        if ctx.today() < of_age {
            return Err(Rejection::Underage { minimum_age_years });
        }
        Ok(())
    }
}

/// Creates the player, their credential, a first session, and mints the
/// starting gold.
///
/// # Errors
/// As [`SignUp::admit`]; at commit also [`Rejection::SiteIdTaken`] and
/// [`Rejection::NicknameTaken`].
pub fn decide(
    command: &SignUp,
    password_hash: PasswordHash,
    policy: &Policy,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    command.admit(policy, ctx)?;
    let player = Player::unborn(
        PlayerId::mint(ctx),
        Profile {
            site_id: command.site_id.clone(),
            nickname: command.nickname.clone(),
            role: command.role,
            must_change_password: command.must_change_password,
        },
    );
    let session = SessionId::mint(ctx);
    let fact = Fact::PlayerSignedUp { client_seed: ctx.hex16("client seed"), session };
    let legs = Legs::to_player(Account::MintSignup, STARTING_GOLD)?;
    Ok(Plan::new(&player, ctx, fact, legs)?
        .with(Change::ReserveSiteId { site_id: command.site_id.clone() })
        .with(Change::ReserveNickname { nickname: command.nickname.clone() })
        .with(Change::StoreCredential { password_hash })
        .with(Change::OpenSession { session, expires_at: session_end(ctx) })
        .with(Change::Enroll))
}

pub(super) fn session_end(ctx: &Ctx) -> jiff::Timestamp {
    ctx.now.checked_add(SESSION_LIFE).unwrap_or(jiff::Timestamp::MAX)
}
