//! How a code reaches the user.
//!
//! Does: [`Delivery`] and [`NextDelivery`], for the application to show.
//! In: `auth.SentCodeType`, `auth.CodeType`. Out: plain values.
//! Must not know: the code, or what is done with it.
//! Spec: "User authorization": auth.SentCodeType.

use alloc::string::{String, ToString};

use mtproto_schema::Str;
use mtproto_schema::api::enums;

use super::answer::count;

/// Where the user finds the code. `length`: its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the variant says what its fields are")]
pub enum Delivery {
    /// A message in the user's other Telegram apps.
    App { length: u32 },
    /// An SMS.
    Sms { length: u32 },
    /// A phone call says it.
    Call { length: u32 },
    /// A phone call from a number of this pattern, which is the code.
    FlashCall { pattern: String },
    /// A missed call from a number that begins so; its last digits are the code.
    MissedCall { prefix: String, length: u32 },
    /// An email to an address of this pattern.
    Email { pattern: String, length: u32 },
    /// At fragment.com, for numbers that were bought there.
    Fragment { url: String, length: u32 },
    /// An SMS that only official apps can have sent: have it sent again.
    Firebase { length: u32 },
    /// An SMS with a word that may begin so.
    SmsWord { beginning: Option<String> },
    /// An SMS with a phrase that may begin so.
    SmsPhrase { beginning: Option<String> },
    /// Another process knows ([`NeedsCode::resume`](super::NeedsCode::resume)).
    Unknown,
}

impl Delivery {
    /// `None`: not sent, an email address has to be set up first.
    pub(super) fn of(kind: enums::auth::SentCodeType) -> Option<Self> {
        use enums::auth::SentCodeType as Kind;

        let text = |text: Option<Str>| text.map(|it| it.to_string());
        Some(match kind {
            Kind::App(it) => Delivery::App {
                length: count(it.length),
            },
            Kind::Sms(it) => Delivery::Sms {
                length: count(it.length),
            },
            Kind::Call(it) => Delivery::Call {
                length: count(it.length),
            },
            Kind::FlashCall(it) => Delivery::FlashCall {
                pattern: it.pattern.to_string(),
            },
            Kind::MissedCall(it) => Delivery::MissedCall {
                prefix: it.prefix.to_string(),
                length: count(it.length),
            },
            Kind::EmailCode(it) => Delivery::Email {
                pattern: it.email_pattern.to_string(),
                length: count(it.length),
            },
            Kind::SetUpEmailRequired(_) => return None,
            Kind::FragmentSms(it) => Delivery::Fragment {
                url: it.url.to_string(),
                length: count(it.length),
            },
            Kind::FirebaseSms(it) => Delivery::Firebase {
                length: count(it.length),
            },
            Kind::SmsWord(it) => Delivery::SmsWord {
                beginning: text(it.beginning),
            },
            Kind::SmsPhrase(it) => Delivery::SmsPhrase {
                beginning: text(it.beginning),
            },
        })
    }
}

/// How a code would be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextDelivery {
    /// An SMS.
    Sms,
    /// A phone call says it.
    Call,
    /// A phone call whose number is the code.
    FlashCall,
    /// A missed call whose number ends with the code.
    MissedCall,
    /// At fragment.com.
    Fragment,
}

impl NextDelivery {
    pub(super) fn of(kind: enums::auth::CodeType) -> Self {
        match kind {
            enums::auth::CodeType::Sms => NextDelivery::Sms,
            enums::auth::CodeType::Call => NextDelivery::Call,
            enums::auth::CodeType::FlashCall => NextDelivery::FlashCall,
            enums::auth::CodeType::MissedCall => NextDelivery::MissedCall,
            enums::auth::CodeType::FragmentSms => NextDelivery::Fragment,
        }
    }
}
