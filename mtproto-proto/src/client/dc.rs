//! Where data centres are.
//!
//! Does: the table of addresses, Telegram's own ones, what `help.getConfig` makes of it, bytes.
//! In: addresses, `config`. Out: addresses of a DC.
//! Must not know: which of them is tried when (`dial.rs` does).
//! Spec: "Working with Different Data Centers"; "dcOption".

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Buf, Bytes};
use mtproto_schema::api;

use crate::ids::DcId;
use crate::transport::ProxySecret;

/// Addresses that a table holds: Telegram's has about 20; a server cannot fill the memory with more.
const MAX_OPTIONS: usize = 512;
/// The longest secret that is kept: 17 bytes and a domain name.
const MAX_SECRET: usize = 255;
/// The greatest id of a DC, so that test (+10,000) and media (negative) ids fit beside it.
const MAX_DC: i32 = 9_999;
/// The port that Telegram's servers listen on, beside others.
const PORT: u16 = 443;
/// The format of [`DcTable::to_bytes`].
const VERSION: u8 = 1;

/// One address of a DC.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DcOption {
    /// The DC, 1, 2, ….
    pub dc: DcId,
    /// Where.
    pub addr: SocketAddr,
    /// For files only.
    pub media_only: bool,
    /// A content delivery DC.
    pub cdn: bool,
    /// Obfuscated TCP only.
    pub tcpo_only: bool,
    /// To be used through a proxy.
    pub is_static: bool,
    /// No other port than this.
    pub this_port_only: bool,
    /// The obfuscation's secret, as [`ProxySecret`] has it.
    pub secret: Option<Vec<u8>>,
}

/// Shows of a secret its length only.
impl fmt::Debug for DcOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DcOption {
            dc,
            addr,
            media_only,
            cdn,
            tcpo_only,
            is_static,
            this_port_only,
            secret,
        } = self;
        f.debug_struct("DcOption")
            .field("dc", dc)
            .field("addr", addr)
            .field("media_only", media_only)
            .field("cdn", cdn)
            .field("tcpo_only", tcpo_only)
            .field("is_static", is_static)
            .field("this_port_only", this_port_only)
            .field("secret_len", &secret.as_ref().map(Vec::len))
            .finish()
    }
}

impl DcOption {
    /// A plain address.
    pub fn new(dc: DcId, addr: SocketAddr) -> Self {
        DcOption {
            dc,
            addr,
            media_only: false,
            cdn: false,
            tcpo_only: false,
            is_static: false,
            this_port_only: false,
            secret: None,
        }
    }

    /// The address that a server told; `None` if it is none.
    fn told(option: &api::types::DcOption) -> Option<Self> {
        let ip: IpAddr = option.ip_address.as_str().parse().ok()?;
        let port = u16::try_from(option.port).ok().filter(|port| *port != 0)?;
        let secret = option.secret.as_ref().map(|secret| secret.to_vec());
        if secret.as_ref().is_some_and(|s| s.len() > MAX_SECRET) {
            return None;
        }
        Some(DcOption {
            dc: dc_id(option.id)?,
            addr: SocketAddr::new(ip, port),
            media_only: option.media_only,
            cdn: option.cdn,
            tcpo_only: option.tcpo_only,
            is_static: option.r#static,
            this_port_only: option.this_port_only,
            secret,
        })
    }

    /// Whether it is one for calls, and we know how to speak there.
    fn is_for_calls(&self) -> bool {
        let known = match self.secret.as_deref() {
            None | Some([]) => true,
            Some(secret) => ProxySecret::from_bytes(secret).is_ok(),
        };
        known && !(self.media_only || self.cdn || self.is_static)
    }

    fn flags(&self) -> u8 {
        let bits = [
            self.media_only,
            self.cdn,
            self.tcpo_only,
            self.is_static,
            self.this_port_only,
            self.secret.is_some(),
        ];
        bits.into_iter()
            .rev()
            .fold(0, |flags, bit| flags << 1 | u8::from(bit))
    }
}

/// A DC's id as the API names it.
pub(super) fn dc_id(id: i32) -> Option<DcId> {
    (1..=MAX_DC)
        .contains(&id)
        .then(|| i16::try_from(id).ok().map(DcId))
        .flatten()
}

/// All addresses of all DCs, edited freely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DcTable {
    options: Vec<DcOption>,
}

impl DcTable {
    /// No address at all.
    pub fn empty() -> Self {
        DcTable::default()
    }

    /// Telegram's production DCs.
    pub fn production() -> Self {
        DcTable::telegram(
            &[
                (1, [149, 154, 175, 50]),
                (2, [149, 154, 167, 51]),
                (2, [95, 161, 76, 100]),
                (3, [149, 154, 175, 100]),
                (4, [149, 154, 167, 91]),
                (5, [149, 154, 171, 5]),
            ],
            &[
                (1, [0x2001, 0xb28, 0xf23d, 0xf001, 0, 0, 0, 0xa]),
                (2, [0x2001, 0x67c, 0x4e8, 0xf002, 0, 0, 0, 0xa]),
                (3, [0x2001, 0xb28, 0xf23d, 0xf003, 0, 0, 0, 0xa]),
                (4, [0x2001, 0x67c, 0x4e8, 0xf004, 0, 0, 0, 0xa]),
                (5, [0x2001, 0xb28, 0xf23f, 0xf005, 0, 0, 0, 0xa]),
            ],
        )
    }

    /// Telegram's test DCs.
    pub fn test() -> Self {
        DcTable::telegram(
            &[
                (1, [149, 154, 175, 10]),
                (2, [149, 154, 167, 40]),
                (3, [149, 154, 175, 117]),
            ],
            &[
                (1, [0x2001, 0xb28, 0xf23d, 0xf001, 0, 0, 0, 0xe]),
                (2, [0x2001, 0x67c, 0x4e8, 0xf002, 0, 0, 0, 0xe]),
                (3, [0x2001, 0xb28, 0xf23d, 0xf003, 0, 0, 0, 0xe]),
            ],
        )
    }

    fn telegram(v4: &[(i16, [u8; 4])], v6: &[(i16, [u16; 8])]) -> Self {
        let v4 = v4.iter().map(|(dc, ip)| (*dc, Ipv4Addr::from(*ip).into()));
        let v6 = v6.iter().map(|(dc, ip)| (*dc, Ipv6Addr::from(*ip).into()));
        let options = v4
            .chain(v6)
            .map(|(dc, ip): (i16, IpAddr)| DcOption::new(DcId(dc), SocketAddr::new(ip, PORT)))
            .collect();
        DcTable { options }
    }

    /// Replaces all addresses of a DC by this one.
    pub fn set(&mut self, dc: DcId, addr: SocketAddr) {
        self.remove(dc);
        self.add(DcOption::new(dc, addr));
    }

    /// Adds one address.
    pub fn add(&mut self, option: DcOption) {
        self.options.push(option);
    }

    /// Forgets a DC.
    pub fn remove(&mut self, dc: DcId) {
        self.options.retain(|option| option.dc != dc);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &DcOption> {
        self.options.iter()
    }

    /// A DC's.
    pub fn get(&self, dc: DcId) -> impl Iterator<Item = &DcOption> {
        self.options.iter().filter(move |option| option.dc == dc)
    }

    /// What `help.getConfig` says replaces what is known of the DCs that it names. What is no
    /// address is passed over; at most 512 are taken.
    pub fn merge(&mut self, config: &api::types::Config) {
        let told = config.dc_options.iter().filter_map(DcOption::told);
        self.overlay(told.take(MAX_OPTIONS).collect());
    }

    /// Replaces what is known of the DCs that these are of; a DC of which they hold no address
    /// for calls keeps those that it has: what serves files alone cannot stand for them.
    pub(super) fn overlay(&mut self, options: Vec<DcOption>) {
        let named: BTreeSet<DcId> = options
            .iter()
            .filter(|option| option.is_for_calls())
            .map(|option| option.dc)
            .collect();
        let known: BTreeSet<DcId> = self.options.iter().map(|option| option.dc).collect();
        self.options
            .retain(|option| !named.contains(&option.dc) && !options.contains(option));
        self.options.extend(options);
        // Names may be invented, too: those go first.
        if self.options.len() > MAX_OPTIONS {
            self.options
                .sort_by_key(|option| !known.contains(&option.dc));
            self.options.truncate(MAX_OPTIONS);
        }
    }

    /// The addresses themselves.
    pub(super) fn into_options(self) -> Vec<DcOption> {
        self.options
    }

    /// Versioned bytes; at most 512 addresses, with secrets of at most 255 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(VERSION);
        for option in self.options.iter().take(MAX_OPTIONS) {
            out.extend(option.dc.0.to_le_bytes());
            out.push(option.flags());
            match option.addr.ip() {
                IpAddr::V4(ip) => {
                    out.push(4);
                    out.extend(ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(6);
                    out.extend(ip.octets());
                }
            }
            out.extend(option.addr.port().to_le_bytes());
            if let Some(secret) = &option.secret {
                let secret = secret.get(..secret.len().min(MAX_SECRET)).unwrap_or(secret);
                out.push(u8::try_from(secret.len()).unwrap_or(u8::MAX));
                out.extend(secret);
            }
        }
        out
    }

    /// From [`DcTable::to_bytes`]; `None` if they are not.
    pub fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let mut bytes = bytes.as_ref();
        if bytes.try_get_u8().ok()? != VERSION {
            return None;
        }
        let mut options = Vec::new();
        while !bytes.is_empty() && options.len() < MAX_OPTIONS {
            options.push(read(&mut bytes)?);
        }
        bytes.is_empty().then_some(DcTable { options })
    }
}

fn read(bytes: &mut &[u8]) -> Option<DcOption> {
    let dc = dc_id(i32::from(bytes.try_get_i16_le().ok()?))?;
    let flags = bytes.try_get_u8().ok()?;
    let has = |bit: u8| flags & bit != 0;
    let ip: IpAddr = match bytes.try_get_u8().ok()? {
        4 => take::<4>(bytes)?.into(),
        6 => take::<16>(bytes)?.into(),
        _ => return None,
    };
    let port = bytes.try_get_u16_le().ok()?;
    let mut option = DcOption::new(dc, SocketAddr::new(ip, port));
    option.media_only = has(1);
    option.cdn = has(2);
    option.tcpo_only = has(4);
    option.is_static = has(8);
    option.this_port_only = has(16);
    if has(32) {
        let len = usize::from(bytes.try_get_u8().ok()?);
        let (secret, rest) = bytes.split_at_checked(len)?;
        option.secret = Some(secret.to_vec());
        *bytes = rest;
    }
    (flags < 64).then_some(option)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}
