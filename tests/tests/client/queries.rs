//! Calls and answers that the tests use.

use bytes::Bytes;
use mtproto_proto::client::CallError;
use mtproto_proto::{DcId, Fate, MsgId, Time};
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Decode, Encode, Reader, tl};

use crate::net::{PORT, addr};

/// A call without its wrappers.
pub struct Unwrapped {
    pub query: Bytes,
    /// One of them was `initConnection`.
    pub inits: bool,
    /// The messages that it is to come after.
    pub after: Vec<MsgId>,
}

/// The call inside its wrappers.
pub fn unwrap(body: &Bytes) -> Unwrapped {
    let mut it = Unwrapped {
        query: body.clone(),
        inits: false,
        after: Vec::new(),
    };
    let mut r = Reader::new(body);
    if r.u32() == 0xda9b_0d0d {
        r.skip(4);
        assert_eq!(r.u32(), 0xc1cd_5ea9);
        r.skip(8);
        for _ in 0..6 {
            r.skip_bytes();
        }
        (it.query, it.inits) = (r.rest(), true);
    }
    let query = it.query.clone();
    let mut r = Reader::new(&query);
    let named = match r.u32() {
        0xcb9f_372d => 1,
        0x3dc4_b4f0 => {
            r.vector_id().unwrap();
            r.count(8).unwrap()
        }
        _ => return it,
    };
    it.after = (0..named).map(|_| MsgId(r.i64())).collect();
    it.query = r.rest();
    it
}

pub fn sign_in_query() -> functions::auth::SignIn {
    functions::auth::SignIn {
        phone_number: "+9996621234".into(),
        phone_code_hash: "hash".into(),
        phone_code: Some("22222".into()),
        email_verification: None,
    }
}

pub fn authorization(id: i64) -> enums::auth::Authorization {
    enums::auth::Authorization::Authorization(types::auth::Authorization {
        otherwise_relogin_days: None,
        tmp_sessions: None,
        future_auth_token: None,
        user: enums::User::Empty(types::UserEmpty { id }),
    })
}

/// What `help.getConfig` says: the same addresses, good for an hour.
pub fn config_answer(now: Time, this_dc: i16) -> types::Config {
    let mut body = Vec::new();
    let date = now.unix() as i32;
    let options: Vec<types::DcOption> = [1, 2, 4]
        .into_iter()
        .map(|dc| types::DcOption {
            ipv6: false,
            media_only: false,
            tcpo_only: false,
            cdn: false,
            r#static: false,
            this_port_only: true,
            id: dc,
            ip_address: addr(dc as i16).ip().to_string().into(),
            port: i32::from(PORT),
            secret: None,
        })
        .collect();
    tl::put_u32(&mut body, 0xcc1a_241e);
    tl::put_u32(&mut body, 0);
    tl::put_i32(&mut body, date);
    tl::put_i32(&mut body, date + 3600);
    tl::put_bool(&mut body, false);
    tl::put_i32(&mut body, i32::from(this_dc));
    options.encode(&mut body);
    tl::put_bytes(&mut body, b"");
    for _ in 0..17 {
        tl::put_i32(&mut body, 0);
    }
    body.extend([0; 256]);
    read_config(&body.into())
}

/// The fields are many and do not matter: zeros up to where the schema is satisfied.
fn read_config(body: &Bytes) -> types::Config {
    let mut r = Reader::new(body);
    let config = <types::Config as Decode>::read(&mut r);
    r.check().unwrap();
    config.unwrap()
}

/// How a call ends that goes to a DC which is nowhere.
pub fn unknown(dc: i16, fate: Fate) -> CallError {
    CallError::UnknownDc { dc: DcId(dc), fate }
}

/// A method that needs a user, its argument telling calls apart.
pub fn user_call(tag: i32) -> Bytes {
    let query = functions::messages::ReceivedMessages { max_id: tag };
    query.to_bytes()
}

/// A method that needs none.
pub fn open_call() -> Bytes {
    functions::help::GetNearestDc.to_bytes()
}

/// A part of a file.
pub fn file_call(offset: i64) -> Bytes {
    functions::upload::GetFile {
        precise: false,
        cdn_supported: false,
        location: enums::InputFileLocation::InputTakeoutFileLocation,
        offset,
        limit: 4096,
    }
    .to_bytes()
}
