//! A new player.

use jiff::{ToSpan, civil::Date};

use crate::{
    Account, Change, Credential, Ctx, Device, Devices, Fact, Gold, Invite, Legs, Plan, Player,
    PlayerId, Profile, Rejection, Role, SessionId, plan::PasswordHash,
};

/// What a new player starts with.
pub const STARTING_GOLD: Gold = Gold::new(1_000);

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
    /// What the player signs up with; `None` for who is made by the product.
    pub device: Option<Device>,
}

impl SignUp {
    /// Whether the policy admits the player, by the unlimited code or by the one
    /// that was found under the given code. The birth date is checked and
    /// forgotten.
    ///
    /// # Errors
    /// [`Rejection::InvalidInviteCode`], [`Rejection::Underage`].
    pub fn admit(
        &self,
        policy: &Policy,
        invite: Option<&Invite>,
        ctx: &Ctx,
    ) -> Result<Admitted, Rejection> {
        let by = if policy.unlimited_invite_code.as_deref() == Some(self.invite_code.as_str()) {
            Admitted::ByUnlimitedCode
        } else if invite.is_some_and(|invite| invite.admits(&self.invite_code, ctx.now)) {
            Admitted::ByInvite
        } else {
            return Err(Rejection::InvalidInviteCode);
        };
        let minimum_age_years = policy.minimum_age_years;
        let of_age = self.birth_date.saturating_add(i32::from(minimum_age_years).years());
        if ctx.today() < of_age {
            return Err(Rejection::Underage { minimum_age_years });
        }
        Ok(by)
    }
}

/// What let a player in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    ByUnlimitedCode,
    /// One use of the code goes with the commit.
    ByInvite,
}

/// Creates the player, their credential, a first session, and mints the
/// starting gold.
///
/// # Errors
/// As [`SignUp::admit`]; at commit also [`Rejection::SiteIdTaken`],
/// [`Rejection::NicknameTaken`], and [`Rejection::InvalidInviteCode`] when others
/// have used the code up meanwhile.
pub fn decide(
    command: &SignUp,
    password_hash: PasswordHash,
    policy: &Policy,
    invite: Option<&Invite>,
    ctx: &Ctx,
) -> Result<Plan, Rejection> {
    let admitted = command.admit(policy, invite, ctx)?;
    let player = Player::unborn(
        PlayerId::mint(ctx),
        Profile {
            site_id: command.site_id.clone(),
            nickname: command.nickname.clone(),
            role: command.role,
            must_change_password: command.must_change_password,
            erased: false,
        },
    );
    let session = SessionId::mint(ctx);
    let fact = Fact::PlayerSignedUp { client_seed: ctx.hex16("client seed"), session };
    let legs = Legs::to_player(Account::MintSignup, STARTING_GOLD)?;
    let plan = Plan::new(&player, ctx, fact, legs)?;
    let devices =
        command.device.map_or_else(Devices::default, |device| Devices::default().with(device));
    let credential = Credential { password_hash, set_by: plan.entry().seq, devices };
    let plan = plan
        .with(Change::ReserveSiteId { site_id: command.site_id.clone() })
        .with(Change::ReserveNickname { nickname: command.nickname.clone() })
        .with(Change::StoreCredential { credential })
        .with(Change::Enroll);
    Ok(match admitted {
        Admitted::ByUnlimitedCode => plan,
        Admitted::ByInvite => {
            plan.with(Change::UseInvite { code: command.invite_code.clone(), now: ctx.now })
        }
    })
}
