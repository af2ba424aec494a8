//! What a DC answers without a script.

use bytes::Bytes;
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Function, Reader};

use crate::net::{Answer, Executed, Net, error, ok};
use crate::queries::{authorization, config_answer};

impl Net {
    /// As a DC answers: keys are bound, authorizations exported and imported, the configuration
    /// told, users known; what is not known comes back as it is, if somebody is signed in.
    pub fn default_answer(&mut self, call: &Executed) -> Answer {
        use functions::auth;

        let now = self.now();
        let dc = self.dcs.get_mut(&call.dc).unwrap();
        let perm = match call.perm {
            Some(perm) => perm,
            None if call.is::<auth::BindTempAuthKey>() => {
                let mut r = Reader::new(&call.query);
                let (_, perm, nonce, expires_at) = (r.u32(), r.i64(), r.i64(), r.i32());
                let message = r.bytes();
                let bound = dc
                    .server
                    .bind_temp_key(now, call.id, perm, nonce, expires_at, &message);
                return match bound {
                    Ok(()) => ok(&true),
                    Err(refused) => error(400, refused.message()),
                };
            }
            None => return error(401, "AUTH_KEY_PERM_EMPTY"),
        };
        match call.method() {
            id if id == functions::help::GetConfig::ID => ok(&config_answer(now, call.dc)),
            id if id == auth::SignIn::ID => {
                dc.users.insert(perm);
                ok(&authorization(777))
            }
            id if id == auth::LogOut::ID => {
                dc.users.remove(&perm);
                ok(&types::auth::LoggedOut {
                    future_auth_token: None,
                })
            }
            id if id == auth::ExportAuthorization::ID => {
                if !dc.users.contains(&perm) {
                    return error(401, "AUTH_KEY_UNREGISTERED");
                }
                let mut r = Reader::new(&call.query);
                let (_, to) = (r.u32(), r.i32());
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                let Some(to) = self.dcs.get_mut(&(to as i16)) else {
                    return error(400, "DC_ID_INVALID");
                };
                to.tickets.insert(ticket);
                ok(&types::auth::ExportedAuthorization {
                    id: ticket,
                    bytes: Bytes::from_static(b"ticket"),
                })
            }
            id if id == auth::ImportAuthorization::ID => {
                let mut r = Reader::new(&call.query);
                let (_, ticket) = (r.u32(), r.i64());
                if !dc.tickets.remove(&ticket) {
                    return error(400, "AUTH_BYTES_INVALID");
                }
                dc.users.insert(perm);
                ok(&authorization(777))
            }
            id if id == functions::users::GetUsers::ID => {
                ok(&vec![enums::User::Empty(types::UserEmpty { id: 777 })])
            }
            id if id == functions::help::GetNearestDc::ID => Answer::Ok(call.query.clone()),
            id if id == auth::SendCode::ID => Answer::Ok(call.query.clone()),
            _ if !dc.users.contains(&perm) => error(401, "AUTH_KEY_UNREGISTERED"),
            id if id == functions::updates::GetState::ID => ok(&types::updates::State {
                pts: 1,
                qts: 1,
                date: now.unix() as i32,
                seq: 1,
                unread_count: 0,
            }),
            id if id == functions::updates::GetDifference::ID => {
                ok(&types::updates::DifferenceEmpty {
                    date: now.unix() as i32,
                    seq: 1,
                })
            }
            _ => Answer::Ok(call.query.clone()),
        }
    }
}
