//! What must be true of any bytes as a block of fields, for the tests and for the target in `fuzz/`.

use super::hpack::{Decoder, Fault};
use crate::field_lists::{OVERHEAD, huffman, integer};

/// The lengths of pieces in which bytes come, beside all at once.
const PIECES: [usize; 4] = [1, 2, 3, 7];

/// Any bytes as two blocks of one connection, the second of which may name fields of the first.
pub(crate) fn blocks(bytes: &[u8]) {
    let [cut, bytes @ ..] = bytes else { return };
    let (first, second) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let mut whole = Decoder::new();
    let expected = [fields(&mut whole, first, usize::MAX), fields(&mut whole, second, usize::MAX)];
    for piece in PIECES {
        let mut decoder = Decoder::new();
        let found = [fields(&mut decoder, first, piece), fields(&mut decoder, second, piece)];
        assert_eq!(expected, found, "in pieces of {piece}");
    }
    let mut plain = Plain { told: Vec::new(), most: 4096 };
    for (block, (fields, left, is_fault)) in [first, second].into_iter().zip(expected) {
        let is_whole = left == 0 && !is_fault;
        assert_eq!(plain.fields(block), is_whole.then_some(fields));
        if !is_whole {
            break;
        }
    }
}

/// Name and value of a field.
type Pair = (Vec<u8>, Vec<u8>);

/// The fields of a block that comes in pieces of this length, the bytes behind the last one, and whether they
/// are a fault.
fn fields(decoder: &mut Decoder, block: &[u8], piece: usize) -> (Vec<Pair>, usize, bool) {
    let (mut all, mut left, mut is_first) = (Vec::new(), Vec::new(), true);
    for piece in block.chunks(piece) {
        left.extend_from_slice(piece);
        let mut rest = &left[..];
        loop {
            match decoder.next(&mut rest, &mut is_first) {
                Ok(Some(field)) => all.push((field.name.to_vec(), field.value.to_vec())),
                Ok(None) => break,
                Err(Fault) => return (all, 0, true),
            }
        }
        left = rest.to_vec();
    }
    (all, left.len(), false)
}

/// The compression by the letter of the standard (RFC 7541 sections 2.3, 4 and 6), slow and simple.
struct Plain {
    /// The fields that were told, the latest first.
    told: Vec<Pair>,
    most: usize,
}

impl Plain {
    /// The fields of a whole block; `None` if it is at fault.
    fn fields(&mut self, mut block: &[u8]) -> Option<Vec<Pair>> {
        let mut all = Vec::new();
        while let Some(first) = block.first().copied() {
            match first {
                0x80.. => all.push(self.field(integer::take(&mut block, 7).ok()?)?),
                0x20..0x40 => {
                    self.most = integer::take(&mut block, 5).ok()?;
                    if self.most > 4096 || !all.is_empty() {
                        return None;
                    }
                }
                _ => {
                    let bits = if first < 0x40 { 4 } else { 6 };
                    let name = match integer::take(&mut block, bits).ok()? {
                        0 => text(&mut block)?,
                        number => self.field(number)?.0,
                    };
                    let field = (name, text(&mut block)?);
                    if first >= 0x40 {
                        self.told.insert(0, field.clone());
                    }
                    all.push(field);
                }
            }
            while self.size() > self.most {
                self.told.pop();
            }
        }
        Some(all)
    }

    fn size(&self) -> usize {
        self.told.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum()
    }

    fn field(&self, number: usize) -> Option<Pair> {
        match number {
            0 => None,
            // Those of every connection, which a decoder that was told nothing has, too.
            1..=61 => fields(&mut Decoder::new(), &[0x80 | number as u8], 1).0.pop(),
            _ => self.told.get(number - 62).cloned(),
        }
    }
}

fn text(block: &mut &[u8]) -> Option<Vec<u8>> {
    let is_coded = *block.first()? >= 0x80;
    let length = integer::take(block, 7).ok()?;
    let bytes = block.split_off(..length)?;
    if !is_coded {
        return Some(bytes.to_vec());
    }
    let mut decoded = Vec::new();
    huffman::decode(bytes, &mut decoded).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("hpack", super::blocks);
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn any_blocks(bytes in vec(any::<u8>(), 0..60)) {
            super::blocks(&bytes);
        }
    }
}
