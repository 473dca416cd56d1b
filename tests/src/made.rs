//! Players of any kind, made through the store.

use std::sync::Arc;

use devstack::Stack;
use domain::{
    Ctx, Fact, PasswordHash, PlayerId, Role, SessionId,
    command::{
        close_sessions,
        sign_up::{self, Policy, SignUp},
    },
};
use jiff::{Timestamp, civil::date};
use runtime::{
    Clock, Deps, Entropy,
    auth::{Hasher, JwtKeys, RefreshToken},
    command::once_by_nature,
    secrets::Rotating,
};
use store::{Decision, Store, Subject};

use crate::{
    Api, PASSWORD, Player,
    player::{fresh_name, nickname_of},
};

/// Makes players of any role at once, without the work of a password hash each, and
/// tokens as the product makes them.
pub struct Maker {
    api: Api,
    store: Store,
    keys: Rotating<JwtKeys>,
    clock: Clock,
    password_hash: String,
}

impl Maker {
    /// For a stack that goes by `clock`.
    ///
    /// # Panics
    /// When the stack lacks the keys that functions have.
    pub async fn new(stack: &Stack, clock: Clock) -> Self {
        let env = stack.spec().functions["AuthLoginFunction"].env.clone().into_iter().collect();
        let entropy = Entropy::system();
        let deps = Deps::new(env, clock.clone(), entropy.clone())
            .with_aws(stack.engine().sdk_config_for("test"));
        let hash = Hasher::default().hash(PASSWORD.into(), &entropy).await;
        Self {
            api: Api::new(&stack.base_url),
            store: stack.store("test"),
            keys: deps.jwt_keys().expect("logins name their keys"),
            clock,
            password_hash: hash.expect("a hash"),
        }
    }

    /// A new player of `role`, signed in.
    pub async fn player(&self, role: Role) -> Player {
        self.make(role, false).await
    }

    /// A new player who must change the password first, signed in.
    pub async fn with_stale_password(&self) -> Player {
        self.make(Role::Standard, true).await
    }

    async fn make(&self, role: Role, must_change_password: bool) -> Player {
        let site_id = fresh_name();
        let nickname = nickname_of(&site_id);
        let ctx = self.ctx();
        let command = SignUp {
            site_id: site_id.clone(),
            nickname: nickname.clone(),
            role,
            invite_code: "test".to_owned(),
            birth_date: date(1998, 4, 1),
            must_change_password,
            device: None,
        };
        let policy =
            Policy { unlimited_invite_code: Some("test".to_owned()), minimum_age_years: 19 };
        let id = PlayerId::mint(&ctx);
        let made = self.store.create(id, once_by_nature(format!("made:{id}")), || {
            let hash = PasswordHash(self.password_hash.clone());
            let plan = sign_up::decide(&command, hash, &policy, None, &ctx)?;
            Ok(Decision { plan, answer: None })
        });
        let Fact::PlayerSignedUp { session, .. } = made.await.expect("a player").entry.fact else {
            panic!("a signup is recorded as one")
        };
        let token = RefreshToken { player: id, session, generation: 1 };
        let refresh_token = token.issue(&*self.keys().await).expose().to_owned();
        let api = self.api.somebody_else();
        let player = Player { api, id: id.to_string(), site_id, nickname, refresh_token };
        let token = self.token(&player, role, ctx.now).await;
        Player { api: player.api.with_token(&token), ..player }
    }

    /// An access token of the player's session, for `role` and as of `at`.
    ///
    /// # Panics
    /// When the player has never signed in.
    pub async fn token(&self, player: &Player, role: Role, at: Timestamp) -> String {
        let keys = self.keys().await;
        let session = RefreshToken::verify(&keys, &player.refresh_token).expect("a session");
        let issued = keys.issue(session.player.uuid(), role, session.session.uuid(), at);
        issued.token.expose().to_owned()
    }

    /// Ends every session of the player's.
    ///
    /// # Panics
    /// When the table refuses.
    pub async fn sign_out(&self, player: &Player) {
        let (id, ctx) = (player.id.parse().expect("an id"), self.ctx());
        let once = once_by_nature(format!("signed-out:{id}:{}", SessionId::mint(&ctx)));
        let signed_out = self.store.execute(Subject::system(id), once, |state| {
            Ok(Decision { plan: close_sessions::all(state, &ctx)?, answer: None })
        });
        signed_out.await.expect("an entry");
    }

    async fn keys(&self) -> Arc<JwtKeys> {
        self.keys.current().await.expect("keys")
    }

    fn ctx(&self) -> Ctx {
        let seed = Entropy::system().bytes();
        Ctx { now: self.clock.now(), seed, trace_id: "test".to_owned() }
    }
}
