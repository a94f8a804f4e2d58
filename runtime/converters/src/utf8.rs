//! Bytes as text the way Java reads them: what is not UTF-8 becomes U+FFFD, as often as there.

use bytes::Bytes;
use bytestring::ByteString;

/// The text of bytes; without a copy if they are UTF-8.
pub(crate) fn decode(bytes: Bytes) -> ByteString {
    match ByteString::try_from(bytes.clone()) {
        Ok(text) => text,
        Err(_) => lossy(&bytes).into(),
    }
}

/// One U+FFFD for each longest beginning of a character. Unlike Rust, Java takes half of a surrogate pair for one.
fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let (mut at, mut of_a_surrogate) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        match (chunk.invalid(), bytes.get(at + 1..)) {
            ([], _) => {}
            (_, _) if of_a_surrogate > 0 => of_a_surrogate -= 1,
            ([0xed], Some([0xa0..=0xbf, 0x80..=0xbf, ..])) => {
                text.push(char::REPLACEMENT_CHARACTER);
                of_a_surrogate = 2;
            }
            ([0xed], Some([0xa0..=0xbf, ..])) => {
                text.push(char::REPLACEMENT_CHARACTER);
                of_a_surrogate = 1;
            }
            _ => text.push(char::REPLACEMENT_CHARACTER),
        }
        at += chunk.invalid().len();
    }
    text
}
