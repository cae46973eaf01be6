//! What must be true of any bytes as a block of fields, for the tests and for the target in `fuzz/`.

use super::hpack::{Decoder, Fault};

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
