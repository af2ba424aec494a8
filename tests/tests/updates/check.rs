//! The judge: each update once and in order per box, or a hole that was told.
//!
//! It knows what happened on the server and what the application got, and nothing of the machine.

use std::collections::BTreeMap;

use crate::server::{BoxId, Kind, Server};

/// Where the application is in one list of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Index into the box's entries: all before it are done with. `None`: a channel that was
    /// never heard of, which begins anywhere.
    next: Option<usize>,
    /// Up to here a hole was told.
    lost: usize,
}

/// Per box and list: a difference lists messages before other updates, so that they are in order
/// each by themselves.
type Places = BTreeMap<(BoxId, Kind), Place>;

#[derive(Debug, Default)]
pub struct Check {
    got: Places,
    /// As it was when this update was taken.
    taken: Places,
    /// What was handed out and is not taken: its number, and where the application is after it.
    open: Vec<(u64, Places)>,
    /// Since the process began anew, what comes may have come before.
    again: BTreeMap<(BoxId, Kind), bool>,
    pub delivered: u64,
    pub holes: u64,
}

impl Check {
    /// Boxes that begin where the server is.
    pub fn new(server: &Server) -> Self {
        let mut check = Check::default();
        for (id, log) in &server.boxes {
            for kind in [Kind::Message, Kind::Other] {
                let begun = !matches!(id, BoxId::Channel(_));
                let next = begun.then_some(log.entries.len());
                check.got.insert((*id, kind), Place { next, lost: 0 });
            }
        }
        check.taken = check.got.clone();
        check
    }

    /// An update was handed out.
    pub fn update(&mut self, server: &Server, number: u64, at: (BoxId, Kind, i32)) {
        let (id, kind, tag) = at;
        let entries = &server.boxes[&id].entries;
        let index = tag as usize - 1;
        assert_eq!(
            (entries[index].tag, entries[index].kind),
            (tag, kind),
            "{at:?}"
        );
        let place = self.got.get_mut(&(id, kind)).unwrap();
        let again = self.again.remove(&(id, kind)).unwrap_or(false);
        if let Some(next) = place.next {
            if index < next {
                assert!(again, "{at:?} came twice, or late: {place:?}");
            } else {
                let skipped = &entries[next..index];
                let skipped = skipped.iter().filter(|e| e.kind == kind && !e.own);
                let untold = skipped
                    .map(|e| e.tag)
                    .find(|tag| *tag as usize > place.lost);
                assert_eq!(untold, None, "left out before {at:?}: {place:?}");
            }
        }
        place.next = Some(index + 1);
        self.delivered += 1;
        self.open.push((number, self.got.clone()));
    }

    /// A hole was told.
    pub fn lost(&mut self, server: &Server, number: u64, channel: Option<i64>) {
        for ((id, _), place) in &mut self.got {
            if id.lost() == channel {
                place.lost = server.len(*id);
                if channel.is_some() {
                    // It may be forgotten, and then begins anew with what comes next.
                    place.next = None;
                }
            }
        }
        self.holes += 1;
        self.open.push((number, self.got.clone()));
    }

    /// Whether nothing of this channel was told so far.
    pub fn is_new(&self, channel: i64) -> bool {
        let mut of_it = self
            .got
            .iter()
            .filter(|((id, _), _)| *id == BoxId::Channel(channel));
        of_it.all(|(_, place)| place.next.is_none())
    }

    /// The application has taken all up to this one.
    pub fn take(&mut self, number: u64) {
        while let Some((first, _)) = self.open.first()
            && *first <= number
        {
            self.taken = self.open.remove(0).1;
        }
    }

    /// The process is another one: what was not taken has to come again, and what was may.
    /// `kept` tells whether a channel is in the store.
    pub fn restart(&mut self, kept: impl Fn(i64) -> bool) {
        self.open.clear();
        self.got = self.taken.clone();
        for ((id, kind), place) in &mut self.got {
            if let BoxId::Channel(channel) = id
                && !kept(*channel)
            {
                assert!(
                    place.next.is_none() || place.lost > 0,
                    "channel {channel} was heard of and is not stored"
                );
                place.next = None;
            }
            self.again.insert((*id, *kind), true);
        }
    }

    /// Nothing is on its way any more: all has come, or was told as a hole.
    pub fn finish(&self, server: &Server) {
        for ((id, kind), place) in &self.got {
            let Some(next) = place.next else { continue };
            let left = server.boxes[id].entries[next..].iter();
            let mut left = left.filter(|e| e.kind == *kind && !e.own).map(|e| e.tag);
            let untold = left.find(|tag| *tag as usize > place.lost);
            assert_eq!(untold, None, "never came in {id:?}: {kind:?} {place:?}");
        }
    }
}
