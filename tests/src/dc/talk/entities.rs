//! How a text looks, and what in it can be pressed.
//!
//! Does: checks the entities that a client sends, and finds mentions, hashtags, commands of bots and
//! links as the server does.
//! In: a text and entities. Out: entities, in order.
//! Must not know: in which message.
//! Spec: "Styled text with message entities": offsets count UTF-16 units.

use mtproto_schema::api::enums::MessageEntity;
use mtproto_schema::api::types;
use mtproto_schema::{Decode, Encode};

use super::limits::ENTITIES;
use super::refusal::{Outcome, bad, ensure};
use super::{Cx, Talk};

/// Calls `$body` with the span of any entity.
macro_rules! span {
    ($entity:expr, $($variant:ident),*) => {
        match $entity {
            $(MessageEntity::$variant(x) => (x.offset, x.length),)*
        }
    };
}

/// Where an entity begins, and how long it is.
fn span(entity: &MessageEntity) -> (i32, i32) {
    span!(
        entity,
        Unknown,
        Mention,
        Hashtag,
        BotCommand,
        Url,
        Email,
        Bold,
        Italic,
        Code,
        Pre,
        TextUrl,
        MentionName,
        InputMessageEntityMentionName,
        Phone,
        Cashtag,
        Underline,
        Strike,
        BankCard,
        Spoiler,
        CustomEmoji,
        Blockquote,
        FormattedDate,
        DiffInsert,
        DiffReplace,
        DiffDelete,
        TonAddress
    )
}

/// UTF-16 units of a text.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

impl Talk {
    /// The entities of a text: those that the client sent, and those that one sees without.
    pub(super) fn entities(
        &self,
        cx: &Cx<'_>,
        text: &str,
        sent: Option<Vec<MessageEntity>>,
    ) -> Outcome<Vec<MessageEntity>> {
        let end = i64::try_from(length(text)).unwrap_or(i64::MAX);
        let mut entities = Vec::new();
        for entity in sent.into_iter().flatten().take(ENTITIES) {
            let (offset, length) = span(&entity);
            let fits = offset >= 0
                && length > 0
                && i64::from(offset).saturating_add(i64::from(length)) <= end;
            ensure(fits, bad("ENTITY_BOUNDS_INVALID"))?;
            entities.push(
                if let MessageEntity::InputMessageEntityMentionName(mention) = entity {
                    MessageEntity::MentionName(types::MessageEntityMentionName {
                        offset,
                        length,
                        user_id: self.user(cx, &mention.user_id)?,
                    })
                } else {
                    detached(entity)
                },
            );
        }
        for found in find(text) {
            let (offset, length) = span(&found);
            let is_taken = entities.iter().map(span).any(|(other, other_length)| {
                offset < other.saturating_add(other_length) && other < offset.saturating_add(length)
            });
            if !is_taken && entities.len() < ENTITIES {
                entities.push(found);
            }
        }
        entities.sort_by_key(span);
        Ok(entities)
    }
}

/// A copy in memory of its own, which keeps no packet alive.
pub fn detached<T: Encode + Decode>(value: T) -> T {
    T::from_bytes(&value.to_bytes()).unwrap_or(value)
}

/// What one sees in a text without being told.
fn find(text: &str) -> Vec<MessageEntity> {
    let mut found = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let rest = bare
            .get(1..)
            .filter(|_| bare.is_ascii() || bare.starts_with(['/', '@', '#']));
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let is_command = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
        let name = |rest: &str, fits: &dyn Fn(char) -> bool| {
            let name: String = rest.chars().take_while(|c| fits(*c)).collect();
            i32::try_from(length(&name))
                .ok()
                .filter(|n| *n > 0)
                .map(|n| n.saturating_add(1))
        };
        let entity = match bare.chars().next() {
            Some('/') => rest.and_then(|rest| name(rest, &is_command)).map(|length| {
                MessageEntity::BotCommand(types::MessageEntityBotCommand { offset, length })
            }),
            Some('@') => rest.and_then(|rest| name(rest, &is_name)).map(|length| {
                MessageEntity::Mention(types::MessageEntityMention { offset, length })
            }),
            Some('#') => rest.and_then(|rest| name(rest, &is_name)).map(|length| {
                MessageEntity::Hashtag(types::MessageEntityHashtag { offset, length })
            }),
            _ => link(bare)
                .map(|length| MessageEntity::Url(types::MessageEntityUrl { offset, length })),
        };
        found.extend(entity);
        offset = offset.saturating_add(i32::try_from(length(word)).unwrap_or(0));
    }
    found
}

/// The length of a link that begins the word.
fn link(word: &str) -> Option<i32> {
    let rest = word
        .strip_prefix("https://")
        .or_else(|| word.strip_prefix("http://"))?;
    let is_link = rest.starts_with(|c: char| c.is_alphanumeric());
    let end = word.trim_end_matches(['.', ',', '!', '?', ';', ':', ')']);
    is_link.then(|| i32::try_from(length(end)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_commands_and_links_are_found_where_utf16_has_them() {
        let found = find("😀 /start@bot @anna, #tag https://a.example/x. plain");
        let spans: Vec<(i32, i32)> = found.iter().map(span).collect();
        assert_eq!(spans, [(3, 10), (14, 5), (21, 4), (26, 19)]);
        assert!(find("a / b @ # http:// x@y /!").is_empty());
        assert!(find("").is_empty());
    }
}
