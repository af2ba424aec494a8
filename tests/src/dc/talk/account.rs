//! What an account says of itself.
//!
//! Does: `account.updateProfile`, `updateUsername`, `checkUsername`, `updateStatus`.
//! In: names. Out: the user; those who know the account are told.
//! Must not know: how somebody became an account.
//! Spec: "account.updateProfile", "Usernames", "account.updateStatus".

use mtproto_schema::api::enums::{Update, User};
use mtproto_schema::api::functions::account::{
    CheckUsername, UpdateProfile, UpdateStatus, UpdateUsername,
};
use mtproto_schema::api::types::UpdateUserStatus;

use super::facts::Fact;
use super::limits::{ABOUT_LENGTH, NAME_LENGTH, ONLINE};
use super::publish::{Item, Told};
use super::refusal::{Outcome, bad, ensure};
use super::users::is_username;
use super::{Cx, Talk};

pub fn update_profile(talk: &mut Talk, cx: &mut Cx<'_>, query: UpdateProfile) -> Outcome<User> {
    let fits = |name: &str| name.chars().count() <= NAME_LENGTH;
    if let Some(first) = &query.first_name {
        let is_name = !first.trim().is_empty() && fits(first);
        ensure(is_name, bad("FIRSTNAME_INVALID"))?;
    }
    if let Some(last) = &query.last_name {
        ensure(fits(last), bad("LASTNAME_INVALID"))?;
    }
    if let Some(about) = &query.about {
        let fits = about.chars().count() <= ABOUT_LENGTH;
        ensure(fits, bad("ABOUT_TOO_LONG"))?;
        talk.world.account(cx.me).about = about.to_string();
    }
    let me = cx
        .people
        .get_mut(cx.me)
        .ok_or_else(|| bad("USER_ID_INVALID"))?;
    if let Some(first) = &query.first_name {
        me.first_name = first.trim().to_owned();
    }
    if let Some(last) = &query.last_name {
        me.last_name = last.trim().to_owned();
    }
    if query.first_name.is_some() || query.last_name.is_some() {
        talk.renamed(cx);
    }
    Ok(talk.view(cx).user(cx.me))
}

pub fn update_username(talk: &mut Talk, cx: &mut Cx<'_>, query: UpdateUsername) -> Outcome<User> {
    let name = query.username.as_str();
    if !name.is_empty() {
        ensure(is_username(name), bad("USERNAME_INVALID"))?;
        let theirs = talk.by_username(cx, name);
        let free = theirs.is_none_or(|peer| peer == super::peer::Peer::User(cx.me));
        ensure(free, bad("USERNAME_OCCUPIED"))?;
    }
    let username = (!name.is_empty()).then(|| name.to_owned());
    let me = cx
        .people
        .get_mut(cx.me)
        .ok_or_else(|| bad("USER_ID_INVALID"))?;
    ensure(me.username != username, bad("USERNAME_NOT_MODIFIED"))?;
    me.username = username;
    talk.renamed(cx);
    Ok(talk.view(cx).user(cx.me))
}

pub fn check_username(talk: &mut Talk, cx: &mut Cx<'_>, query: CheckUsername) -> Outcome<bool> {
    ensure(is_username(&query.username), bad("USERNAME_INVALID"))?;
    Ok(talk.by_username(cx, &query.username).is_none())
}

pub fn update_status(talk: &mut Talk, cx: &mut Cx<'_>, query: UpdateStatus) -> Outcome<bool> {
    let until = if query.offline { 0 } else { ONLINE };
    talk.world.account(cx.me).online = Some(cx.now.saturating_add(until));
    let status = talk.view(cx).status(cx.me);
    let update = Update::UserStatus(UpdateUserStatus {
        user_id: cx.me,
        status,
    });
    talk.tell_acquaintances(cx.me, &Item::Passing(Box::new(update)));
    talk.publish(cx, Told::ByPush);
    Ok(true)
}

impl Talk {
    /// Tells everybody concerned, the account's own sessions too, that it has another name.
    fn renamed(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx.me, Fact::Name(cx.me));
        self.tell_acquaintances(cx.me, &Item::Fact(Fact::Name(cx.me)));
        self.publish(cx, Told::ByPush);
    }
}
