//! What comes with a message.
//!
//! Does: contacts, places and dice as the API's `MessageMedia`.
//! In: `InputMedia`. Out: media, or a refusal: there are no files here, so none can be named.
//! Must not know: in which message.
//! Spec: "messages.sendMedia", "Dice".

use mtproto_schema::Str;
use mtproto_schema::api::enums::{GeoPoint, InputGeoPoint, InputMedia, MessageMedia};
use mtproto_schema::api::types;

use super::Cx;
use super::bare::{OFF, bare};
use super::refusal::{Outcome, Refusal, bad, ensure};
use super::users::digits;

/// Dice, and how many values each has: Telegram's `emojies_send_dice` and their animations.
const DICE: [(&str, u8); 6] = [
    ("🎲", 6),
    ("🎯", 6),
    ("🎳", 6),
    ("🏀", 5),
    ("⚽", 5),
    ("🎰", 64),
];
/// Bytes of a contact's card: what fits into 64 fields of a name.
const VCARD: usize = 4 << 10;
/// Bytes of each of the texts of a place or a contact.
const FIELD: usize = 256;

/// The media that a client wants to send.
pub fn media(cx: &mut Cx<'_>, input: InputMedia) -> Outcome<MessageMedia> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "kinds of media that nobody here can make"
    )]
    match input {
        InputMedia::Contact(contact) => contact_card(cx, *contact),
        InputMedia::GeoPoint(place) => {
            let geo = geo(&place.geo_point)?;
            Ok(MessageMedia::Geo(types::MessageMediaGeo { geo }))
        }
        InputMedia::Venue(venue) => {
            let geo = geo(&venue.geo_point)?;
            let texts = [
                &venue.title,
                &venue.address,
                &venue.provider,
                &venue.venue_id,
                &venue.venue_type,
            ];
            short(&texts, bad("MEDIA_INVALID"))?;
            Ok(MessageMedia::Venue(Box::new(types::MessageMediaVenue {
                geo,
                title: venue.title.detach(),
                address: venue.address.detach(),
                provider: venue.provider.detach(),
                venue_id: venue.venue_id.detach(),
                venue_type: venue.venue_type.detach(),
            })))
        }
        InputMedia::Dice(dice) => roll(cx, &dice.emoticon),
        InputMedia::Empty => Err(bad("MEDIA_EMPTY")),
        InputMedia::Photo(_) | InputMedia::UploadedPhoto(_) => Err(bad("PHOTO_INVALID")),
        InputMedia::UploadedDocument(_) | InputMedia::Document(_) => Err(bad("DOCUMENT_INVALID")),
        _ => Err(bad("MEDIA_INVALID")),
    }
}

fn contact_card(cx: &Cx<'_>, contact: types::InputMediaContact) -> Outcome<MessageMedia> {
    let phone = digits(&contact.phone_number);
    let first = contact.first_name.trim();
    ensure(!phone.is_empty() && !first.is_empty(), bad("MEDIA_INVALID"))?;
    let texts = [
        &contact.phone_number,
        &contact.first_name,
        &contact.last_name,
    ];
    short(&texts, bad("MEDIA_INVALID"))?;
    ensure(contact.vcard.len() <= VCARD, bad("MEDIA_INVALID"))?;
    let person = cx.people.by_phone(&phone);
    Ok(MessageMedia::Contact(Box::new(
        types::MessageMediaContact {
            phone_number: contact.phone_number.detach(),
            first_name: contact.first_name.detach(),
            last_name: contact.last_name.detach(),
            vcard: contact.vcard.detach(),
            // 0: nobody here.
            user_id: person.map_or(0, |person| person.id),
        },
    )))
}

fn geo(input: &InputGeoPoint) -> Outcome<GeoPoint> {
    let InputGeoPoint::InputGeoPoint(point) = input else {
        return Err(bad("MEDIA_INVALID"));
    };
    let is_place = point.lat.abs() <= 90.0 && point.long.abs() <= 180.0;
    ensure(is_place, bad("GEO_POINT_INVALID"))?;
    Ok(GeoPoint::GeoPoint(types::GeoPoint {
        accuracy_radius: point.accuracy_radius,
        // Names the place for the map servers; there are none.
        ..bare(&[OFF, &point.long, &point.lat, &0_i64])
    }))
}

fn roll(cx: &mut Cx<'_>, emoticon: &str) -> Outcome<MessageMedia> {
    // Clients may append the variation selector that asks for a picture.
    let wanted = emoticon.trim_end_matches('\u{fe0f}');
    let die = DICE.into_iter().find(|(die, _)| *die == wanted);
    let (die, sides) = die.ok_or_else(|| bad("EMOTICON_INVALID"))?;
    let sides = u32::from(sides);
    let value = u32::from_le_bytes(cx.rng.array()).checked_rem(sides);
    let value = value.map_or(1, |value| {
        i32::try_from(value.saturating_add(1)).unwrap_or(1)
    });
    Ok(MessageMedia::Dice(bare(&[OFF, &value, &Str::from(die)])))
}

fn short(texts: &[&Str], refusal: Refusal) -> Outcome<()> {
    ensure(texts.iter().all(|text| text.len() <= FIELD), refusal)
}
