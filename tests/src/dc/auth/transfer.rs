//! Taking a login to another DC.
//!
//! Does: `auth.exportAuthorization` and `auth.importAuthorization`.
//! In: a login at home. Out: the same login under a key of another DC.
//! Must not know: what it is used for there.
//! Spec: "Working with different data centers", "Authorization transfer".

use std::collections::BTreeMap;

use bytes::Bytes;
use mtproto_proto::DcId;
use mtproto_schema::Encode;
use mtproto_schema::api::functions::auth::{ExportAuthorization, ImportAuthorization};
use mtproto_schema::api::types;

use super::super::logins::{KeyAt, Login, SignedIn};
use super::super::refusal::{Reply, bad};
use super::super::world::{Call, World};

/// Exports that wait to be imported; beyond, the one that ends first is dropped.
const MAX_EXPORTS: usize = 10_000;

/// Seconds in which an export has to be imported: a connection to the other DC and a key are made
/// meanwhile.
const LIFETIME: i32 = 300;

/// Logins on their way, by the secret that names them.
#[derive(Debug, Default)]
pub struct Exports(BTreeMap<[u8; 128], Export>);

#[derive(Clone, Debug)]
struct Export {
    user: i64,
    from: KeyAt,
    to: DcId,
    due: i32,
}

impl World {
    pub(in super::super) fn export_authorization(
        &mut self,
        call: &Call,
        user: i64,
        query: &ExportAuthorization,
    ) -> Reply {
        let to = self
            .dc_ids()
            .into_iter()
            .find(|dc| i32::from(dc.0) == query.dc_id && *dc != call.at.dc)
            .ok_or_else(|| bad("DC_ID_INVALID"))?;
        let export = Export {
            user,
            from: call.at,
            to,
            due: call.now.saturating_add(LIFETIME),
        };
        let exports = &mut self.exports.0;
        if exports.len() >= MAX_EXPORTS
            && let Some(first) = exports.iter().min_by_key(|(_, export)| export.due)
        {
            let first = *first.0;
            exports.remove(&first);
        }
        let secret = self.rng.array();
        exports.insert(secret, export);
        let exported = types::auth::ExportedAuthorization {
            id: user,
            bytes: Bytes::copy_from_slice(&secret),
        };
        Ok(exported.to_bytes())
    }

    pub(in super::super) fn import_authorization(
        &mut self,
        call: &Call,
        query: &ImportAuthorization,
    ) -> Reply {
        let secret = <[u8; 128]>::try_from(&query.bytes[..]);
        let secret = secret.map_err(|_| bad("AUTH_BYTES_INVALID"))?;
        let export = self.exports.0.get(&secret).cloned();
        let export = export
            .filter(|export| call.now < export.due && export.to == call.at.dc)
            .ok_or_else(|| bad("AUTH_BYTES_INVALID"))?;
        if export.user != query.id {
            return Err(bad("USER_ID_INVALID"));
        }
        // Used up, and worth nothing if the login it came from has ended.
        self.exports.0.remove(&secret);
        let source = self.logins.signed_in(export.from);
        if source.is_none_or(|source| source.user != export.user) {
            return Err(bad("AUTH_BYTES_INVALID"));
        }
        // Whose account has moved here is as good as signed in here.
        let home = self.people.get(export.user).map(|person| person.dc);
        let login = SignedIn {
            user: export.user,
            hash: call.at.key.0,
            since: call.now,
            from: Some(export.from).filter(|_| home != Some(call.at.dc)),
        };
        self.logins.set(call.at, Login::In(login));
        Ok(self.authorization(export.user)?.to_bytes())
    }
}
