//! What the ancestor exported: `{user_id, auth_key, server_salt}`.
//!
//! Does: [`Ancestor`], those three values; from and into [`Portable`].
//! In and out: plain values: they were an Elixir tuple, and nobody agreed on a text.
//! Must not know: the other formats.
//! Spec: `MTProto.Session.export/1` and `import/4` of mtproto-ex.

use core::fmt;

use super::{Field, Portable, PortableError};
use crate::crypto::AuthKey;
use crate::ids::DcId;

/// An exported session of mtproto-ex. Whoever has it has the account.
#[derive(Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Who is signed in.
    pub user_id: i64,
    /// The key of the DC that the session was open to.
    pub auth_key: AuthKey,
    /// The last server salt, little endian on the wire; 0 if none is known.
    pub server_salt: i64,
}

/// Shows no key and no salt.
impl fmt::Debug for Ancestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ancestor")
            .field("user_id", &self.user_id)
            .field("auth_key", &self.auth_key)
            .finish_non_exhaustive()
    }
}

impl Portable {
    /// An exported session of mtproto-ex. It did not say which DC it was of.
    pub fn from_ancestor(ancestor: &Ancestor, dc: DcId) -> Self {
        Portable {
            user_id: Some(ancestor.user_id).filter(|id| *id > 0),
            server_salt: Some(ancestor.server_salt).filter(|salt| *salt != 0),
            ..Portable::new(dc, ancestor.auth_key.as_bytes())
        }
    }

    /// The values that mtproto-ex imports.
    ///
    /// # Errors
    /// [`PortableError::Missing`] without a user.
    pub fn to_ancestor(&self) -> Result<Ancestor, PortableError> {
        let user_id = self.user_id.ok_or(PortableError::Missing {
            format: None,
            field: Field::UserId,
        })?;
        Ok(Ancestor {
            user_id,
            auth_key: self.auth_key.clone(),
            server_salt: self.server_salt.unwrap_or(0),
        })
    }
}
