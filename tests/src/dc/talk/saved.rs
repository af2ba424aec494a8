//! How things stand in the state file.
//!
//! Does: [`Tl`], an API object as hexadecimal text; [`pairs`], maps whose keys are no text.
//! In and out: what serde asks for.
//! Must not know: what is saved.
//! Spec: none.

use std::fmt;
use std::fmt::Write as _;

use bytes::Bytes;
use mtproto_schema::{Decode, Encode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An object of the API, or bytes, that is saved as it is encoded.
#[derive(Clone)]
pub struct Tl<T>(pub T);

impl<T> fmt::Debug for Tl<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tl(..)")
    }
}

impl<T: Encode> Serialize for Tl<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for byte in self.0.to_bytes() {
            // Writing to a `String` does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de, T: Decode> Deserialize<'de> for Tl<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let bytes = bytes.ok_or_else(|| D::Error::custom("not hexadecimal"))?;
        T::from_bytes(&Bytes::from(bytes))
            .map(Tl)
            .map_err(D::Error::custom)
    }
}

/// Maps as lists of pairs.
pub mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Saves a map.
    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    /// Loads a map.
    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let list = Vec::<(K, V)>::deserialize(deserializer)?;
        Ok(list.into_iter().collect())
    }
}
