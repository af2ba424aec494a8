//! Which rows there have to be.
//!
//! Does: gives the ids of all rows in their order, and the headings that they stand under.
//! In: nothing. Out: sections.
//! Must not know: what the rows say.
//! Spec: "Security Guidelines"; "Creating an Authorization Key"; "Mobile Protocol: Detailed
//! Description"; "Service Messages"; "Service Messages about Messages".

/// A part of the table.
pub struct Section {
    /// What its ids begin with.
    pub prefix: &'static str,
    /// The numbers that follow; each has a row.
    pub numbers: &'static [u32],
    pub title: &'static str,
}

/// `1..=N`.
const fn up_to<const N: usize>() -> [u32; N] {
    let mut numbers = [0; N];
    let (mut at, mut number) = (0, 1);
    while at < N {
        numbers[at] = number;
        at += 1;
        number += 1;
    }
    numbers
}

const fn section(prefix: &'static str, numbers: &'static [u32], title: &'static str) -> Section {
    Section {
        prefix,
        numbers,
        title,
    }
}

/// What the parts of a table of rules share: those of the key agreement are `C3.…`, those of
/// messages `C4.…`, those of service messages `C5.…`.
pub const SECTIONS: &[Section] = &[
    section("B", &up_to::<72>(), "Behaviours"),
    section("I", &up_to::<12>(), "Invariants of a simulated run"),
    section("C3.3.", &up_to::<12>(), "Making a key: the client's steps"),
    section("C3.4.", &up_to::<7>(), "Making a key: the server's steps"),
    section(
        "C3.5.",
        &up_to::<3>(),
        "Making a key: groups and public values",
    ),
    section("C4.5.", &up_to::<6>(), "`msg_id`"),
    section("C4.6.", &up_to::<5>(), "`seq_no`"),
    section("C4.7.", &up_to::<6>(), "Containers"),
    section("C4.8.", &up_to::<3>(), "Compression"),
    section("C4.9.", &up_to::<4>(), "What goes around calls"),
    section(
        "C4.10.",
        &up_to::<12>(),
        "Receiving a packet, in this order",
    ),
    section("C4.11.", &up_to::<5>(), "Salts"),
    section("C4.12.", &up_to::<5>(), "Acknowledgements"),
    section("C5.1.", &up_to::<3>(), "Service messages"),
    section(
        "C5.2.",
        &[1, 2, 16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64],
        "`bad_msg_notification` and `bad_server_salt`; from 16 on the number is the code",
    ),
    section("C5.3.", &up_to::<7>(), "States of messages"),
    section("C5.4.", &up_to::<5>(), "Calls and answers"),
    section("C5.5.", &up_to::<2>(), "`get_future_salts`"),
    section("C5.6.", &up_to::<4>(), "Pings"),
    section("C5.7.", &up_to::<5>(), "Sessions and keys"),
    section("C5.8.", &up_to::<1>(), "HTTP"),
    section("C5.10.", &up_to::<10>(), "What a server does with a packet"),
    section("H", &up_to::<7>(), "Hostile: the handshake"),
    section("M", &up_to::<10>(), "Hostile: packets and messages"),
    section("T", &up_to::<6>(), "Hostile: transports"),
    section(
        "F",
        &up_to::<27>(),
        "Hostile: found by review and by fuzzing",
    ),
    section("R", &up_to::<13>(), "Trouble without malice"),
    section("S", &up_to::<6>(), "Secrets"),
];

/// All ids, in the table's order.
pub fn ids() -> Vec<String> {
    SECTIONS
        .iter()
        .flat_map(|section| {
            section
                .numbers
                .iter()
                .map(|number| format!("{}{number}", section.prefix))
        })
        .collect()
}
