//! Signing a bot in.
//!
//! Does: `auth.importBotAuthorization`.
//! In: a token. Out: a login.
//! Must not know: what bots do.
//! Spec: "Bots".

use mtproto_schema::Encode;
use mtproto_schema::api::functions::auth::ImportBotAuthorization;

use super::super::refusal::{Reply, bad, migrate};
use super::super::world::{Call, World};

impl World {
    pub(in super::super) fn import_bot(
        &mut self,
        call: &Call,
        query: &ImportBotAuthorization,
    ) -> Reply {
        self.check_app(query.api_id, &query.api_hash)?;
        let bot = self
            .people
            .by_token(&query.bot_auth_token)
            .filter(|bot| !bot.banned)
            .ok_or_else(|| bad("ACCESS_TOKEN_INVALID"))?;
        if bot.dc != call.at.dc {
            return Err(migrate("USER", bot.dc));
        }
        let id = bot.id;
        Ok(self.begin(call, id)?.to_bytes())
    }
}
