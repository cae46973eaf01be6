//! The fields that have a number: some for all connections, and those that a client has told
//! (RFC 7541 section 2.3).

use std::collections::VecDeque;

use crate::field_lists::{Meaning, OVERHEAD};

/// The names of the first fields and the values of some (RFC 7541 appendix A); they count from 1.
pub(super) const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The most that a client may have stored (RFC 7541 section 4.1): the standard's value, since `lb`
/// announces none.
pub(super) const MOST: usize = 4096;

/// A field that has a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered<'a> {
    /// The number of its name in the part for all connections; 0 if it is not there.
    pub(super) name_index: u8,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) meaning: Meaning,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    name_length: u16,
    name_index: u8,
    meaning: Meaning,
}

/// The table of one connection.
#[derive(Debug)]
pub(super) struct Table {
    /// What the client has told, the latest first.
    entries: VecDeque<Entry>,
    size: usize,
    most: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, most: MOST }
    }

    /// The field with this number, if there is one.
    pub(super) fn get(&self, index: usize) -> Option<Numbered<'_>> {
        let told = match index.checked_sub(1)? {
            known if known < STATIC.len() => {
                let (name, value) = STATIC[known];
                let (name, value) = (name.as_bytes(), value.as_bytes());
                let meaning = Meaning::of(name, value);
                return Some(Numbered { name_index: index as u8, name, value, meaning });
            }
            told => self.entries.get(told - STATIC.len())?,
        };
        let (name, value) = told.text.split_at(usize::from(told.name_length));
        Some(Numbered { name_index: told.name_index, name, value, meaning: told.meaning })
    }

    /// Adds a field. Older ones leave for it; one that is larger than the table empties it (RFC 7541
    /// section 4.4).
    pub(super) fn add(&mut self, field: Numbered<'_>) {
        let size = field.name.len() + field.value.len() + OVERHEAD;
        self.shrink(self.most.saturating_sub(size));
        // The name is shorter than the table, whose size fits.
        if size <= self.most
            && let Ok(name_length) = u16::try_from(field.name.len())
        {
            let text = [field.name, field.value].concat().into_boxed_slice();
            let Numbered { name_index, meaning, .. } = field;
            self.entries.push_front(Entry { text, name_length, name_index, meaning });
            self.size += size;
        }
    }

    /// Sets the largest size.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.shrink(most);
    }

    fn shrink(&mut self, most: usize) {
        while self.size > most
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.text.len() + OVERHEAD;
        }
    }
}
