//! How ids and bytes stand in the state file.
//!
//! Does: for serde's `with`: a DC and a key as numbers, bytes in hexadecimal.
//! In and out: what serde asks for.
//! Must not know: what is saved.
//! Spec: none.

/// A DC as its number.
pub mod dc {
    use mtproto_proto::DcId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(dc: &DcId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i16(dc.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DcId, D::Error> {
        i16::deserialize(deserializer).map(DcId)
    }
}

/// A key's id as its number.
pub mod key {
    use mtproto_proto::AuthKeyId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(key: &AuthKeyId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(key.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AuthKeyId, D::Error> {
        i64::deserialize(deserializer).map(AuthKeyId)
    }
}

/// Bytes in hexadecimal.
pub mod hex {
    use std::fmt::Write as _;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for byte in bytes {
            // Writing to a `String` does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|c| u8::try_from(c.to_digit(16)?).ok())
            .collect();
        digits
            .filter(|digits| digits.len() % 2 == 0)
            .map(|digits| {
                digits
                    .as_chunks()
                    .0
                    .iter()
                    .map(|[high, low]| high << 4 | low)
                    .collect()
            })
            .ok_or_else(|| D::Error::custom("not hexadecimal"))
    }
}
