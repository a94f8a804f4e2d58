//! Values of the length that their types have.

use crate::data::{Collation, Datum, Type};
use crate::sql::types;

/// Pads to the length of fixed types and cuts off what is too long.
pub(super) fn fit(value: Datum, to: &Type) -> (Datum, bool) {
    match value {
        Datum::Text(text) => fit_text(text, to),
        Datum::Bytes(mut bytes) => {
            let Some(size) = types::size(to).map(usize::from) else { return (Datum::Bytes(bytes), false) };
            let cut = bytes.len() > size;
            bytes.truncate(size);
            if matches!(to, Type::Binary { .. } | Type::RowVersion) {
                bytes.resize(size, 0);
            }
            (Datum::Bytes(bytes), cut)
        }
        other => (other, false),
    }
}

fn fit_text(mut text: String, to: &Type) -> (Datum, bool) {
    let Some(size) = types::size(to).map(usize::from) else { return (Datum::Text(text), false) };
    let unicode = types::is_unicode(to);
    let utf8 = to.collation().is_some_and(|collation| collation.is_utf8());
    let units = |c: char| {
        if unicode {
            c.len_utf16()
        } else if utf8 {
            c.len_utf8()
        } else {
            1
        }
    };
    let mut length = 0;
    let mut cut = false;
    if text.len() > size || !text.is_ascii() {
        let end = text.char_indices().find(|(_, c)| {
            length += units(*c);
            length > size
        });
        if let Some((at, c)) = end {
            length -= units(c);
            cut = text[at..].contains(|c| c != ' ');
            text.truncate(at);
        }
    } else {
        length = text.len();
    }
    if matches!(to, Type::Char { .. } | Type::NChar { .. }) {
        text.extend(std::iter::repeat_n(' ', size.saturating_sub(length)));
    }
    if !unicode
        && !text.is_ascii()
        && let Some(collation) = to.collation()
    {
        text = through_code_page(text, collation);
    }
    (Datum::Text(text), cut)
}

/// What a code page does not have becomes a question mark.
fn through_code_page(text: String, collation: Collation) -> String {
    let encoding = collation.encoding();
    let (_, _, lossy) = encoding.encode(&text);
    if !lossy {
        return text;
    }
    let mut buffer = [0; 4];
    text.chars().map(|c| if encoding.encode(c.encode_utf8(&mut buffer)).2 { '?' } else { c }).collect()
}
