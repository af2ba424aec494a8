//! Session strings: what other libraries make now is read by us, and what we make by them.

use std::net::SocketAddr;

use mtproto_proto::DcId;
use mtproto_proto::client::portable::{Format, Portable};
use mtproto_test::Dice;
use serde_json::{Value, json};

use crate::peers::python;
use crate::{node, run_with};

const FORMATS: [Format; 4] = [
    Format::Telethon,
    Format::Pyrogram,
    Format::GramJs,
    Format::Mtcute,
];

/// The script that has this format's library, and the format's name there.
fn script(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Telethon => ("sessions.py", "telethon"),
        Format::Pyrogram => ("sessions.py", "pyrogram"),
        Format::GramJs => ("sessions.mjs", "gramjs"),
        Format::Mtcute => ("sessions.mjs", "mtcute"),
        other => panic!("{other}"),
    }
}

/// Has the library do these jobs; `None` if it is not installed.
fn ask(format: Format, jobs: &[Value]) -> Option<Vec<Value>> {
    let (script, _) = script(format);
    let command = if script.ends_with(".py") {
        python(script)
    } else {
        node(script)
    }?;
    let got = run_with(command, &Value::from(jobs).to_string());
    let got = got.as_array().unwrap().clone();
    assert_eq!(got.len(), jobs.len());
    Some(got)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Sessions with all that can be said, as far as the format has it.
fn portables(format: Format, dice: &mut Dice) -> Vec<Portable> {
    let addrs = [
        "149.154.167.51:443",
        "127.0.0.1:32767",
        "[2001:67c:4e8:f002::a]:5222",
        "[fd00::1]:80",
        "10.0.0.1:1",
    ];
    let portables = addrs.iter().zip(1..).map(|(addr, dc)| {
        let mut portable = Portable::new(DcId(dc), &dice.array());
        portable.format = Some(format);
        if format == Format::Pyrogram {
            portable.api_id = Some(dice.range(1..=0x7fff_ffff) as i32);
        } else {
            portable.addr = Some(addr.parse().unwrap());
        }
        if matches!(format, Format::Pyrogram | Format::Mtcute) {
            portable.user_id = Some(dice.range(1..=1 << 40) as i64);
            portable.bot = Some(dice.chance(1, 2));
            portable.test_mode = Some(dice.chance(1, 2));
        }
        portable
    });
    let mut portables: Vec<_> = portables.collect();
    if format == Format::Mtcute {
        (portables[1].user_id, portables[1].bot) = (None, None);
    }
    portables
}

/// The job that makes this session.
fn make(portable: &Portable) -> Value {
    let mut job = json!({
        "do": "make",
        "format": script(portable.format.unwrap()).1,
        "dc": portable.dc.0,
        "key": hex(portable.auth_key.as_bytes()),
    });
    if let Some(addr) = portable.addr {
        job["ip"] = addr.ip().to_string().into();
        job["port"] = addr.port().into();
    }
    for (name, value) in [
        ("user_id", portable.user_id.map(Value::from)),
        ("bot", portable.bot.map(Value::from)),
        ("api_id", portable.api_id.map(Value::from)),
        ("test_mode", portable.test_mode.map(Value::from)),
    ] {
        if let Some(value) = value {
            job[name] = value;
        }
    }
    job
}

/// What a library says of a session.
fn as_said(format: Format, said: &Value) -> Portable {
    let key = said["key"].as_str().unwrap();
    let key: Vec<u8> = (0..key.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap())
        .collect();
    let dc = said["dc"].as_i64().unwrap() as i16;
    let mut portable = Portable::new(DcId(dc), &key.try_into().unwrap());
    portable.format = Some(format);
    portable.addr = said["ip"].as_str().map(|ip| {
        let port = said["port"].as_u64().unwrap() as u16;
        SocketAddr::new(ip.parse().unwrap(), port)
    });
    portable.user_id = said["user_id"].as_i64();
    portable.bot = said["bot"].as_bool();
    portable.api_id = said["api_id"].as_i64().map(|id| id as i32);
    portable.test_mode = said["test_mode"].as_bool();
    portable
}

fn both_ways(format: Format) {
    let mut dice = Dice::from_env_or(81);
    eprintln!("{:?}", dice.seed());
    let portables = portables(format, &mut dice);

    let jobs: Vec<_> = portables.iter().map(make).collect();
    let Some(made) = ask(format, &jobs) else {
        return;
    };
    let mut jobs = Vec::new();
    for (portable, made) in portables.iter().zip(&made) {
        let text = made["text"].as_str().unwrap_or_else(|| panic!("{made}"));
        assert_eq!(Portable::parse(text).as_ref(), Ok(portable), "theirs");
        let ours = portable.to_text(format).unwrap();
        assert_eq!(*ours, text, "the same to the letter");
        let test_mode = portable.test_mode;
        jobs.push(
            json!({"do": "read", "format": script(format).1, "text": *ours, "test_mode": test_mode}),
        );
    }
    // Damaged ones go last: what we refuse, they do not take for another session either.
    let whole = portables[0].to_text(format).unwrap();
    jobs.push(json!({"do": "read", "format": script(format).1, "text": whole[..40]}));

    let read = ask(format, &jobs).unwrap();
    for (portable, said) in portables.iter().zip(&read) {
        assert_eq!(as_said(format, said), *portable, "ours, as they read it");
    }
    assert!(Portable::parse(&whole[..40]).is_err());
    let last = read.last().unwrap();
    let short = last["key"].as_str().is_none_or(|key| key.len() != 512);
    assert!(short, "{last}");
}

#[test]
fn telethon_and_we_read_each_others_sessions() {
    both_ways(Format::Telethon);
}

#[test]
fn pyrogram_and_we_read_each_others_sessions() {
    both_ways(Format::Pyrogram);
}

#[test]
fn gramjs_and_we_read_each_others_sessions() {
    both_ways(Format::GramJs);
}

#[test]
fn mtcute_and_we_read_each_others_sessions() {
    both_ways(Format::Mtcute);
}

/// What `tests/tests/portable.rs` holds is what the libraries make, but for the releases that are
/// too old to be installed.
#[test]
fn the_golden_strings_are_those_that_the_libraries_make() {
    let golden: Value = serde_json::from_str(include_str!("../portable/golden.json")).unwrap();
    for format in FORMATS {
        let wanted = |session: &&Value| {
            session["job"]["format"] == script(format).1 && session["made_by"] != "Pyrogram 1.4.16"
        };
        let sessions: Vec<_> = golden["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(wanted)
            .collect();
        let jobs: Vec<_> = sessions
            .iter()
            .map(|session| {
                let mut job = session["job"].clone();
                job["key"] = golden["key"].clone();
                job
            })
            .collect();
        let Some(made) = ask(format, &jobs) else {
            return;
        };
        for (session, made) in sessions.iter().zip(made) {
            assert_eq!(made["text"], session["text"], "{}", session["made_by"]);
        }
    }
}

#[test]
fn gramjs_reads_what_we_write_for_telethon() {
    let mut dice = Dice::from_env_or(82);
    let mut portable = Portable::new(DcId(2), &dice.array());
    portable.addr = Some(SocketAddr::from(([149, 154, 167, 51], 443)));
    let text = portable.to_telethon().unwrap();
    let job = json!({"do": "read", "format": "gramjs", "text": *text});
    let Some(said) = ask(Format::GramJs, &[job]) else {
        return;
    };
    assert_eq!(
        as_said(Format::GramJs, &said[0]).auth_key,
        portable.auth_key
    );
    assert_eq!(said[0]["ip"], "149.154.167.51");
    assert_eq!(said[0]["port"], 443);
}
