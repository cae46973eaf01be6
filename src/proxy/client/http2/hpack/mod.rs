//! The compression of fields in HTTP/2, from a client (RFC 7541).
//!
//! The `h2` crate has a decoder of its own. It takes a name with a capital or a value with a line end
//! for a mistake in the compression, which ends the connection with all of its requests, and it hides
//! what it does not hand on. So blocks of fields are decoded in front of it, and it gets them in a
//! form in which it finds no mistake.

mod table;

use crate::field_lists::{
    Meaning, huffman,
    integer::{self, NoInteger},
};
use table::{MOST, Numbered, STATIC, Table};

/// What stands in a block cannot be decoded, and so neither can anything behind it: a connection error
/// (RFC 7541 section 2.3.3 and others, RFC 9113 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault;

/// A field of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// The number of the whole field in the table for all connections, if it has one there.
    pub(super) index: Option<u8>,
    /// The number there of a field with this name; 0 if there is none.
    pub(super) name_index: u8,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) meaning: Meaning,
}

/// Why nothing could be decoded.
enum Stop {
    /// The bytes end before the field does.
    Short,
    Fault,
}

/// What stands next in a block (RFC 7541 section 6).
enum Form {
    /// The field with this number.
    Indexed(usize),
    /// A field that is written out, but for its name if this number is not 0.
    Literal { name: usize, is_added: bool },
    /// The table gets another size.
    Resize(usize),
}

/// Decodes the blocks of one connection.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    /// The name and the value of the latest field that was written out.
    text: Vec<u8>,
}

/// The room for a text that is kept for the next one, in bytes: an idle connection holds it.
const KEPT: usize = 128;

impl Decoder {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), text: Vec::new() }
    }

    /// The next field; takes its bytes off `block`. `None` if the block ends before a field does, which
    /// is an error unless more of the block follows. `is_first` says that no field of the block came
    /// before; a field sets it to false.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the bytes mean nothing.
    pub(super) fn next(
        &mut self,
        block: &mut &[u8],
        is_first: &mut bool,
    ) -> Result<Option<Field<'_>>, Fault> {
        match self.read(block, is_first) {
            Ok(field) => Ok(Some(field)),
            Err(Stop::Short) => Ok(None),
            Err(Stop::Fault) => Err(Fault),
        }
    }

    /// Gives back what a large field has needed.
    pub(super) fn forget_text(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT);
    }

    fn read(&mut self, block: &mut &[u8], is_first: &mut bool) -> Result<Field<'_>, Stop> {
        loop {
            let mut rest = *block;
            let form = form(&mut rest)?;
            match form {
                Form::Resize(most) => {
                    // RFC 7541 section 4.2.
                    if !*is_first || most > MOST {
                        return Err(Stop::Fault);
                    }
                    self.table.resize(most);
                    *block = rest;
                }
                Form::Indexed(index) => {
                    (*block, *is_first) = (rest, false);
                    let Numbered { name_index, name, value, meaning } =
                        self.table.get(index).ok_or(Stop::Fault)?;
                    let index = u8::try_from(index).ok().filter(|_| index <= STATIC.len());
                    return Ok(Field { index, name_index, name, value, meaning });
                }
                Form::Literal { name, is_added } => {
                    let (length, name_index) = self.read_texts(name, &mut rest)?;
                    (*block, *is_first) = (rest, false);
                    let (name, value) = self.text.split_at(length);
                    let meaning = Meaning::of(name, value);
                    if is_added {
                        self.table.add(Numbered { name_index, name, value, meaning });
                    }
                    return Ok(Field { index: None, name_index, name, value, meaning });
                }
            }
        }
    }

    /// Reads the texts of a field that is written out. Returns the length of its name, behind which its
    /// value stands, and the number of the name in the table for all connections.
    fn read_texts(&mut self, name: usize, rest: &mut &[u8]) -> Result<(usize, u8), Stop> {
        self.text.clear();
        let mut name_index = 0;
        if name == 0 {
            text(rest, &mut self.text)?;
        } else {
            let known = self.table.get(name).ok_or(Stop::Fault)?;
            self.text.extend_from_slice(known.name);
            name_index = known.name_index;
        }
        let length = self.text.len();
        text(rest, &mut self.text)?;
        Ok((length, name_index))
    }
}

fn form(rest: &mut &[u8]) -> Result<Form, Stop> {
    Ok(match *rest.first().ok_or(Stop::Short)? {
        0x80.. => Form::Indexed(integer(rest, 7)?),
        0x40.. => Form::Literal { name: integer(rest, 6)?, is_added: true },
        0x20.. => Form::Resize(integer(rest, 5)?),
        _ => Form::Literal { name: integer(rest, 4)?, is_added: false },
    })
}

fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, Stop> {
    integer::take(rest, bits).map_err(|none| match none {
        NoInteger::Incomplete => Stop::Short,
        NoInteger::TooLarge => Stop::Fault,
    })
}

/// Reads a text and appends it (RFC 7541 section 5.2).
fn text(rest: &mut &[u8], all: &mut Vec<u8>) -> Result<(), Stop> {
    let is_coded = *rest.first().ok_or(Stop::Short)? >= 0x80;
    let length = integer(rest, 7)?;
    let bytes = rest.split_off(..length).ok_or(Stop::Short)?;
    if !is_coded {
        all.extend_from_slice(bytes);
        return Ok(());
    }
    if huffman::decode(bytes, all) { Ok(()) } else { Err(Stop::Fault) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (Vec<u8>, Vec<u8>);

    /// The fields of a block, or how many came before a fault.
    fn fields(decoder: &mut Decoder, mut block: &[u8]) -> Result<Vec<Pair>, usize> {
        let (mut all, mut is_first) = (Vec::new(), true);
        loop {
            match decoder.next(&mut block, &mut is_first) {
                Ok(Some(field)) => all.push((field.name.to_vec(), field.value.to_vec())),
                Ok(None) if block.is_empty() => return Ok(all),
                Ok(None) | Err(Fault) => return Err(all.len()),
            }
        }
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<Pair> {
        let pair = |(name, value): &(&str, &str)| (name.as_bytes().into(), value.as_bytes().into());
        all.iter().map(pair).collect()
    }

    /// RFC 7541 appendix C.4: three requests, each of which uses what the ones before have told.
    #[test]
    fn requests_on_one_connection_share_a_table() {
        let mut decoder = Decoder::new();
        let host = b"\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        let first = [&b"\x82\x86\x84\x41"[..], host].concat();
        let usual = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
        let host = (":authority", "www.example.com");
        let expected = pairs(&[&usual[..], &[host]].concat());
        assert_eq!(fields(&mut decoder, &first), Ok(expected));
        let second = b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf";
        let expected = pairs(&[&usual[..], &[host, ("cache-control", "no-cache")]].concat());
        assert_eq!(fields(&mut decoder, second), Ok(expected));
        let third = b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\
                      \x5b\xb8\xe8\xb4\xbf";
        let expected = pairs(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            host,
            ("custom-key", "custom-value"),
        ]);
        assert_eq!(fields(&mut decoder, third), Ok(expected));
    }

    #[test]
    fn the_table_holds_what_fits_and_forgets_the_oldest() {
        let mut decoder = Decoder::new();
        // "x: 0", "x: 1", …: each counts 34 bytes, so 120 of them fit.
        for number in 0..200_u8 {
            assert!(fields(&mut decoder, &[0x40, 1, b'x', 1, number]).is_ok());
        }
        let at = |decoder: &mut Decoder, index: u8| {
            fields(decoder, &[0xff, index - 127]).map(|all| all[0].1[0])
        };
        assert_eq!(fields(&mut decoder, &[0xbe]).unwrap()[0].1, [199]);
        assert_eq!(at(&mut decoder, 181), Ok(80));
        assert_eq!(at(&mut decoder, 182), Err(0));
        // A smaller table keeps two, and an empty one nothing, whatever is added.
        assert_eq!(fields(&mut decoder, &[0x3f, 37, 0xbf]).unwrap()[0].1, [198]);
        assert_eq!(fields(&mut decoder, &[0xc0]), Err(0));
        assert!(fields(&mut decoder, &[0x20, 0x40, 1, b'x', 1, b'y']).is_ok());
        assert_eq!(fields(&mut decoder, &[0xbe]), Err(0));
        // What is larger than the table empties it.
        assert!(fields(&mut decoder, &[0x3f, 9, 0x40, 1, b'x', 1, b'y']).is_ok());
        assert!(fields(&mut decoder, &[0xbe]).is_ok());
        let large = [&[0x40, 1, b'x', 9][..], b"too large"].concat();
        assert!(fields(&mut decoder, &large).is_ok());
        assert_eq!(fields(&mut decoder, &[0xbe]), Err(0));
    }

    #[test]
    fn what_means_nothing_is_a_fault() {
        for block in [
            &[0x80][..],
            &[0xfe],
            &[0xff, 0x80, 0x01],
            &[0x7f, 0x80, 0x01, 0],
            &[0x82, 0x20],
            &[0x3f, 0xe2, 0x1f],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x00, 0x81, 0xf2, 0x00],
            // No more comes of these.
            &[0x40],
            &[0x40, 1, b'x'],
            &[0x40, 1, b'x', 2, b'y'],
            &[0xff],
        ] {
            assert!(fields(&mut Decoder::new(), block).is_err(), "{block:02x?}");
        }
        assert_eq!(fields(&mut Decoder::new(), &[0x3f, 0xe1, 0x1f, 0x20, 0x82]).unwrap().len(), 1);
    }

    #[test]
    fn a_field_that_is_cut_off_leaves_everything_as_it_was() {
        let whole = b"\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x03\x61\x62\x63\xbe";
        for cut in 1..whole.len() - 1 {
            let mut decoder = Decoder::new();
            let (mut part, mut is_first) = (&whole[..cut], true);
            assert!(matches!(decoder.next(&mut part, &mut is_first), Ok(None)), "cut at {cut}");
            assert_eq!((part, is_first), (&whole[..cut], true));
            assert_eq!(fields(&mut decoder, whole).unwrap().len(), 2);
        }
    }
}
