//! Sessions of other libraries: what they wrote is read, what we write is what they would.
//!
//! `portable/golden.json` holds texts that the libraries made themselves, and says how.
//! `interop.rs` has the libraries read and write at test time.

use std::net::SocketAddr;

use mtproto_proto::DcId;
use mtproto_proto::client::portable::{Ancestor, Field, Format, MAX_TEXT, Portable, PortableError};
use mtproto_proto::client::{DcOption, DcTable, Snapshot};
use mtproto_proto::crypto::AuthKey;
use mtproto_test::Dice;
use serde_json::Value;

/// A text that a library made, and of what.
struct Golden {
    made_by: String,
    format: Format,
    job: Value,
    text: String,
}

impl Golden {
    /// What has to be read from it.
    fn expected(&self) -> Portable {
        let job = &self.job;
        let mut portable = Portable::new(DcId(job["dc"].as_i64().unwrap() as i16), &key());
        portable.format = Some(self.format);
        portable.addr = job["ip"].as_str().and_then(|ip| {
            let port = job["port"].as_u64().unwrap() as u16;
            Some(SocketAddr::new(ip.parse().ok()?, port))
        });
        portable.user_id = job["user_id"].as_i64();
        portable.bot = job["bot"].as_bool();
        portable.test_mode = job["test_mode"].as_bool();
        portable.api_id = job["api_id"].as_i64().map(|id| id as i32);
        portable
    }

    /// Whether we write this form too: not what is old, has a host name or a DC for files, or
    /// spells an address otherwise than Rust does.
    fn is_ours(&self) -> bool {
        let ip = self.job["ip"].as_str();
        let is_address = ip.is_none_or(|ip| {
            ip.parse::<std::net::IpAddr>()
                .is_ok_and(|parsed| parsed.to_string() == ip)
        });
        !self.made_by.contains("Pyrogram 1") && self.job["media"].is_null() && is_address
    }
}

fn golden() -> (Vec<u8>, Vec<Golden>) {
    let file: Value = serde_json::from_str(include_str!("portable/golden.json")).unwrap();
    let hex = file["key"].as_str().unwrap();
    let key = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    let sessions = file["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| Golden {
            made_by: session["made_by"].as_str().unwrap().into(),
            format: match session["job"]["format"].as_str().unwrap() {
                "telethon" => Format::Telethon,
                "pyrogram" => Format::Pyrogram,
                "gramjs" => Format::GramJs,
                "mtcute" => Format::Mtcute,
                other => panic!("{other}"),
            },
            job: session["job"].clone(),
            text: session["text"].as_str().unwrap().into(),
        });
    (key, sessions.collect())
}

fn key() -> [u8; 256] {
    golden().0.try_into().unwrap()
}

fn sessions() -> Vec<Golden> {
    golden().1
}

/// A session that every format can hold.
fn full(dice: &mut Dice) -> Portable {
    let mut portable = Portable::new(DcId(1 + (dice.range(0..=4)) as i16), &dice.array());
    portable.addr = Some(if dice.chance(1, 2) {
        SocketAddr::from(([127, 0, 0, 1], 1 + dice.range(0..=0x7ffe) as u16))
    } else {
        let mut ip: [u8; 16] = dice.array();
        ip[0] = 0x20;
        SocketAddr::from((ip, 1 + dice.range(0..=0x7ffe) as u16))
    });
    portable.user_id = Some(1 + dice.range(0..=1 << 40) as i64);
    portable.bot = Some(dice.chance(1, 2));
    portable.api_id = Some(1 + dice.range(0..=1 << 30) as i32);
    portable.test_mode = Some(dice.chance(1, 2));
    portable
}

const FORMATS: [Format; 4] = [
    Format::Telethon,
    Format::Pyrogram,
    Format::GramJs,
    Format::Mtcute,
];

#[test]
fn what_the_libraries_wrote_is_recognised_and_read() {
    for golden in sessions() {
        let by = &golden.made_by;
        assert_eq!(Portable::parse(&golden.text), Ok(golden.expected()), "{by}");
        assert_eq!(
            Portable::parse_as(golden.format, &golden.text),
            Ok(golden.expected()),
            "{by}"
        );
    }
}

#[test]
fn what_we_write_is_what_the_libraries_wrote() {
    let mut compared = Vec::new();
    for golden in sessions().iter().filter(|golden| golden.is_ours()) {
        let written = golden.expected().to_text(golden.format).unwrap();
        assert_eq!(*written, golden.text, "{}", golden.made_by);
        compared.push(golden.format);
    }
    compared.dedup();
    assert_eq!(compared, FORMATS, "each format was compared");
}

#[test]
fn white_space_around_is_ignored_and_lost_padding_is_borne() {
    for golden in sessions() {
        for text in [
            format!("\n {}\t\r\n", golden.text),
            golden.text.trim_end_matches('=').to_owned(),
        ] {
            assert_eq!(Portable::parse(&text), Ok(golden.expected()));
        }
    }
    // Right padding where the library writes none.
    let pyrogram = sessions()
        .into_iter()
        .find(|g| g.text.len() == 362)
        .unwrap();
    let padded = format!("{}==", pyrogram.text);
    assert_eq!(Portable::parse(&padded), Ok(pyrogram.expected()));
}

#[test]
fn any_session_survives_each_format_as_far_as_the_format_can_hold_it() {
    let mut dice = Dice::from_env_or(71);
    for _ in 0..200 {
        let portable = full(&mut dice);
        for format in FORMATS {
            let read = Portable::parse(&portable.to_text(format).unwrap()).unwrap();
            let mut expected = portable.clone();
            expected.format = Some(format);
            if format == Format::Pyrogram {
                expected.addr = None;
            } else {
                expected.api_id = None;
            }
            if matches!(format, Format::Telethon | Format::GramJs) {
                (expected.user_id, expected.bot, expected.test_mode) = (None, None, None);
            }
            assert_eq!(read, expected, "{format}, {:?}", dice.seed());
        }
    }
}

#[test]
fn a_text_that_is_cut_off_anywhere_is_refused_with_its_format() {
    for golden in sessions() {
        let whole = golden.text.trim_end_matches('=').len();
        for cut in 0..whole {
            let text = &golden.text[..cut];
            let error = Portable::parse(text).unwrap_err();
            let expected = match cut {
                0 => PortableError::Empty,
                // Too little to tell the format.
                1..12 => PortableError::Unknown,
                12 if text.starts_with('1') => PortableError::Unknown,
                _ => PortableError::Length {
                    format: golden.format,
                    got: cut,
                },
            };
            // A new text of Pyrogram's that has an old one's length is betrayed by its values.
            let old_length = golden.format == Format::Pyrogram && [351, 356].contains(&cut);
            // The last character of a cut text may have bits that stand for nothing.
            let last_bits = PortableError::Encoding {
                format: golden.format,
                at: cut.saturating_sub(1),
            };
            assert!(
                error == expected
                    || error == last_bits
                    || old_length && matches!(error, PortableError::Invalid { .. }),
                "{} cut at {cut}: {error:?}",
                golden.made_by
            );
        }
    }
}

#[test]
fn something_behind_a_text_is_refused() {
    for golden in sessions() {
        let text = golden.text.trim_end_matches('=');
        for tail in ["AAAA", "A", "AAAAAAAAAAAAAAA", "====", "=A"] {
            let error = Portable::parse(&format!("{text}{tail}")).unwrap_err();
            assert!(
                matches!(
                    error,
                    PortableError::Length { format, .. }
                        | PortableError::Encoding { format, .. } if format == golden.format
                ),
                "{} and {tail}: {error:?}",
                golden.made_by
            );
        }
    }
}

#[test]
fn a_wrong_character_is_named() {
    for golden in sessions() {
        let whole = golden.text.trim_end_matches('=').len();
        for at in 13..whole {
            for wrong in ['!', ' ', '=', '\u{e9}', '\0'] {
                // There they do not count, and the text lacks a character.
                if [' ', '='].contains(&wrong) && at == whole - 1 {
                    continue;
                }
                let mut text: Vec<char> = golden.text.chars().collect();
                text[at] = wrong;
                let text: String = text.into_iter().collect();
                let error = Portable::parse(&text).unwrap_err();
                let named = PortableError::Encoding {
                    format: golden.format,
                    at,
                };
                assert_eq!(error, named, "{}: {wrong:?} at {at}", golden.made_by);
            }
        }
    }
}

#[test]
fn the_other_alphabet_is_refused_but_where_the_library_itself_reads_it() {
    for golden in sessions() {
        let (url, standard) = (
            golden.text.replace('+', "-").replace('/', "_"),
            golden.text.replace('-', "+").replace('_', "/"),
        );
        assert_ne!(url, standard, "the key has such characters");
        if golden.format == Format::GramJs {
            assert_eq!(Portable::parse(&url), Ok(golden.expected()));
            assert_eq!(Portable::parse(&standard), Ok(golden.expected()));
        } else {
            let at = standard.find(['+', '/']).unwrap();
            let mixed = url.replacen(['-', '_'], "+", 1);
            for text in [&standard, &mixed] {
                assert!(matches!(
                    Portable::parse_as(golden.format, text),
                    Err(PortableError::Encoding { format, at: got }) if format == golden.format && got == at
                ));
            }
        }
    }
}

#[test]
fn another_version_is_named() {
    // Pyrogram's have no version: each form is known by its length.
    for golden in sessions() {
        let error = |text: String| Portable::parse(&text).unwrap_err();
        match golden.format {
            Format::Telethon | Format::GramJs => {
                for got in [0, 2, 9] {
                    let text = format!("{got}{}", &golden.text[1..]);
                    let version = PortableError::Version {
                        format: golden.format,
                        got,
                        reads: 1,
                    };
                    assert_eq!(error(text), version);
                }
            }
            // The first six bits are the version's high ones; then come two of it.
            Format::Mtcute => {
                for (head, got) in [("Ag", 2), ("BA", 4), ("BQ", 5)] {
                    let text = format!("{head}{}", &golden.text[2..]);
                    // The second character has the first bits of the flags, which are zeros.
                    let version = PortableError::Version {
                        format: Format::Mtcute,
                        got,
                        reads: 3,
                    };
                    assert_eq!(error(text), version);
                }
            }
            Format::Pyrogram => {}
            other => panic!("{other}"),
        }
    }
}

#[test]
fn foreign_texts_are_none_of_the_formats() {
    for text in [
        "x",
        "hello, world",
        "SQLite format 3",
        "123456789:AAF1x_bot_tokens_are_not_sessions_at_all",
        "-----BEGIN RSA PUBLIC KEY-----",
        "{\"dc\": 2}",
        "////////////////////////////////",
        "аккаунт аккаунт аккаунт",
    ] {
        assert_eq!(Portable::parse(text), Err(PortableError::Unknown), "{text}");
    }
    let ours = Portable::new(DcId(2), &key())
        .to_snapshot()
        .to_text()
        .unwrap();
    assert_eq!(Portable::parse(&ours), Err(PortableError::Snapshot));
    for text in ["", " \n"] {
        assert_eq!(Portable::parse(text), Err(PortableError::Empty));
    }
    let long = "A".repeat(MAX_TEXT + 1);
    let too_long = PortableError::TooLong {
        got: MAX_TEXT + 1,
        max: MAX_TEXT,
    };
    assert_eq!(Portable::parse(&long), Err(too_long));
}

#[test]
fn no_format_takes_the_texts_of_another_for_its_own() {
    for golden in sessions() {
        for format in FORMATS
            .into_iter()
            .filter(|format| *format != golden.format)
        {
            let read = Portable::parse_as(format, &golden.text);
            assert!(read.is_err(), "{} as {format}: {read:?}", golden.made_by);
        }
    }
}

#[test]
fn random_texts_give_errors_and_nothing_worse() {
    let mut dice = Dice::from_env_or(72);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= 1AAA";
    for _ in 0..20_000 {
        let len = dice.index(600);
        let text: String = (0..len)
            .map(|_| char::from(*dice.choose(alphabet)))
            .collect();
        for format in FORMATS {
            let _ = Portable::parse_as(format, &text);
        }
        let _ = Portable::parse(&text);
    }
    // Around real ones: each character by another.
    for golden in sessions() {
        let mut text = golden.text.clone().into_bytes();
        for at in 0..text.len() {
            let was = text[at];
            text[at] = *dice.choose(&alphabet[..64]);
            let _ = Portable::parse(std::str::from_utf8(&text).unwrap());
            text[at] = was;
        }
    }
}

#[test]
fn values_that_no_library_writes_are_named() {
    let mut dice = Dice::from_env_or(73);
    let good = full(&mut dice);
    let invalid = |format, field| Err(PortableError::Invalid { format, field });

    // As the libraries do where nobody is signed in.
    let mut no_key = Portable::new(DcId(2), &[0; 256]);
    (no_key.addr, no_key.api_id) = (good.addr, good.api_id);
    (no_key.user_id, no_key.bot) = (good.user_id, good.bot);
    for format in FORMATS {
        let text = no_key.to_text(format).unwrap();
        assert_eq!(Portable::parse(&text), invalid(format, Field::AuthKey));
    }

    let mut no_port = good.clone();
    no_port.addr.as_mut().unwrap().set_port(0);
    for format in [Format::Telethon, Format::GramJs, Format::Mtcute] {
        let text = no_port.to_text(format).unwrap();
        assert_eq!(Portable::parse(&text), invalid(format, Field::Port));
    }

    // DC 0: the first byte; version 1 of Telethon and GramJS is a character before it.
    for (format, at) in [
        (Format::Telethon, 1),
        (Format::GramJs, 1),
        (Format::Pyrogram, 0),
    ] {
        let mut two = good.clone();
        two.dc = DcId(2);
        let mut text = two.to_text(format).unwrap().as_bytes().to_vec();
        assert_eq!(text[at], b'A');
        // The low two bits of the first byte are the highest of the second character.
        text[at + 1] = match text[at + 1] {
            b @ b'g'..=b'v' => b'A' + (b - b'g'),
            other => panic!("{other}"),
        };
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            Portable::parse_as(format, &text),
            invalid(format, Field::Dc)
        );
    }
}

#[test]
fn a_new_text_of_pyrogram_cut_to_an_old_ones_length_is_told_by_its_values_where_it_can_be() {
    let mut dice = Dice::from_env_or(74);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..200 {
        let text = full(&mut dice).to_pyrogram().unwrap();
        assert!(Portable::parse(&text[..356]).is_err(), "{:?}", dice.seed());
        match Portable::parse(&text[..351]) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    // Where the key's bytes look like a user of 31 bits, nothing in the text says otherwise.
    assert!(
        refused > taken,
        "{refused} refused, {taken} taken, {:?}",
        dice.seed()
    );
}

#[test]
fn what_is_missing_is_named() {
    let mut portable = Portable::new(DcId(2), &key());
    let missing = |format, field| {
        Err(PortableError::Missing {
            format: Some(format),
            field,
        })
    };
    for format in [Format::Telethon, Format::GramJs, Format::Mtcute] {
        assert_eq!(portable.to_text(format), missing(format, Field::Addr));
    }
    assert_eq!(
        portable.to_pyrogram(),
        missing(Format::Pyrogram, Field::ApiId)
    );
    portable.api_id = Some(1);
    assert_eq!(
        portable.to_pyrogram(),
        missing(Format::Pyrogram, Field::UserId)
    );
    assert_eq!(
        portable.to_ancestor(),
        Err(PortableError::Missing {
            format: None,
            field: Field::UserId
        })
    );
    portable.user_id = Some(7);
    assert_eq!(
        portable.to_pyrogram(),
        missing(Format::Pyrogram, Field::Bot)
    );
    portable.bot = Some(false);
    assert!(portable.to_pyrogram().is_ok());
    portable.addr = Some(SocketAddr::from(([127, 0, 0, 1], 443)));
    for format in FORMATS {
        assert!(portable.to_text(format).is_ok(), "{format}");
    }
}

#[test]
fn what_a_format_has_no_room_for_is_named() {
    let good = full(&mut Dice::from_env_or(75));
    let refused = |change: &dyn Fn(&mut Portable), format, field| {
        let mut portable = good.clone();
        change(&mut portable);
        assert_eq!(
            portable.to_text(format),
            Err(PortableError::Unrepresentable { format, field })
        );
    };
    for format in FORMATS {
        for dc in [0, -2, 256, 10_002] {
            refused(&|p| p.dc = DcId(dc), format, Field::Dc);
        }
    }
    // GramJS would connect to port -1.
    refused(
        &|p| p.addr.as_mut().unwrap().set_port(65_535),
        Format::GramJs,
        Field::Port,
    );
    // GramJS would take its own text for one of Telethon's.
    refused(
        &|p| p.addr = Some("[::1]:443".parse().unwrap()),
        Format::GramJs,
        Field::Addr,
    );
    refused(&|p| p.api_id = Some(-1), Format::Pyrogram, Field::ApiId);
    for format in [Format::Pyrogram, Format::Mtcute] {
        for id in [-1, 0, 1 << 53, i64::MAX] {
            refused(&|p| p.user_id = Some(id), format, Field::UserId);
        }
    }
}

#[test]
fn without_both_user_and_bot_mtcute_is_told_neither() {
    let mut portable = full(&mut Dice::from_env_or(76));
    portable.bot = None;
    let read = Portable::parse(&portable.to_mtcute().unwrap()).unwrap();
    assert_eq!((read.user_id, read.bot), (None, None));
}

#[test]
fn the_ancestors_values_go_in_and_come_out() {
    let ancestor = Ancestor {
        user_id: 4_242,
        auth_key: AuthKey::from_bytes(&key()),
        server_salt: -0x1122_3344_5566_7788,
    };
    let portable = Portable::from_ancestor(&ancestor, DcId(4));
    assert_eq!((portable.dc, portable.user_id), (DcId(4), Some(4_242)));
    assert_eq!(portable.to_ancestor(), Ok(ancestor.clone()));

    let unknown = Ancestor {
        user_id: 0,
        server_salt: 0,
        ..ancestor
    };
    let portable = Portable::from_ancestor(&unknown, DcId(4));
    assert_eq!((portable.user_id, portable.server_salt), (None, None));
}

#[test]
fn the_address_is_taken_from_the_table() {
    let v6: SocketAddr = "[::1]:443".parse().unwrap();
    let v4: SocketAddr = "127.0.0.1:443".parse().unwrap();
    let mut dcs = DcTable::empty();
    let portable = Portable::new(DcId(2), &key());
    assert_eq!(portable.clone().with_addr_from(&dcs).addr, None);
    let special: [fn(&mut DcOption); 4] = [
        |o| o.media_only = true,
        |o| o.cdn = true,
        |o| o.tcpo_only = true,
        |o| o.secret = Some(vec![1]),
    ];
    for (port, special) in (1..).zip(special) {
        let mut option = DcOption::new(DcId(2), SocketAddr::from(([127, 0, 0, 1], port)));
        special(&mut option);
        dcs.add(option);
    }
    dcs.add(DcOption::new(DcId(1), v4));
    assert_eq!(portable.clone().with_addr_from(&dcs).addr, None);
    dcs.add(DcOption::new(DcId(2), v6));
    assert_eq!(portable.clone().with_addr_from(&dcs).addr, Some(v6));
    dcs.add(DcOption::new(DcId(2), v4));
    dcs.add(DcOption::new(
        DcId(2),
        SocketAddr::from(([127, 0, 0, 1], 80)),
    ));
    assert_eq!(portable.with_addr_from(&dcs).addr, Some(v4));
}

#[test]
fn a_session_becomes_a_snapshot_and_comes_back() {
    let mut dice = Dice::from_env_or(77);
    let mut dcs = DcTable::empty();
    for _ in 0..50 {
        let mut portable = full(&mut dice);
        portable.server_salt = Some(1 + dice.range(0..=u64::MAX >> 2) as i64);
        dcs.set(portable.dc, portable.addr.unwrap());
        let snapshot = portable.to_snapshot();
        let account = snapshot.account().unwrap();
        assert_eq!(
            (account.main_dc, account.user_id),
            (portable.dc, portable.user_id)
        );
        let (key, authorized) = snapshot.dc(portable.dc).unwrap();
        assert_eq!(key.auth_key(), portable.auth_key.as_bytes());
        assert!(authorized);
        // The application is not in a snapshot.
        portable.api_id = None;
        assert_eq!(Portable::from_snapshot(&snapshot, &dcs), Some(portable));
    }
    assert_eq!(Portable::from_snapshot(&Snapshot::new(), &dcs), None);
}

#[test]
fn no_key_is_printed() {
    let mut portable = full(&mut Dice::from_env_or(78));
    portable.server_salt = Some(0x5eed_5a17);
    let ancestor = portable.to_ancestor().unwrap();
    let bytes = portable.auth_key.as_bytes();
    for shown in [
        format!("{portable:?} {portable:#?}"),
        format!("{ancestor:?}"),
    ] {
        assert!(!shown.contains(&format!("{:?}", &bytes[..4]).replace(['[', ']'], "")));
        assert!(!shown.contains(&0x5eed_5a17.to_string()));
        assert!(shown.contains(&portable.auth_key.id().to_string()));
    }
    // Nor does an error repeat the text.
    let text = portable.to_telethon().unwrap();
    let error = Portable::parse(&text[..300]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&text[20..28]));
}
