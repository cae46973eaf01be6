//! Raw bytes in, raw bytes out: what a client and a backend say to each other arrives as it should, at
//! once, and what cannot be passed on is refused for the right reason.

mod answers;
mod probe;
mod refusals;
mod requests;

/// A line of a corpus with its escapes undone, which are Rust's and `\0`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, rest) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                rest = after;
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).expect("digits");
                u8::from_str_radix(digits, 16).expect("hexadecimal")
            }
            (b'\\', [escape, after @ ..]) => {
                rest = after;
                match escape {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'0' => 0,
                    other => *other,
                }
            }
            (byte, _) => *byte,
        });
    }
    bytes
}
