//! Replaces lone surrogates in JSON, which JavaScript writes when a text was cut within a character.

const ESCAPE: usize = 6;

/// The same JSON with U+FFFD for each `\uXXXX` that is half a pair; `None` if there is none.
pub(super) fn replace_lone(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    let mut mended = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let Some(unit) = unit(bytes, at) else {
            // Another escape: skips the escaped character, which may be a backslash.
            at += 2;
            continue;
        };
        let is_pair = is_high(unit) && self::unit(bytes, at + ESCAPE).is_some_and(is_low);
        let next = at + if is_pair { 2 * ESCAPE } else { ESCAPE };
        if !is_pair && (is_high(unit) || is_low(unit)) {
            mended.push_str(&json[copied..at]);
            mended.push_str("\\ufffd");
            copied = next;
        }
        at = next;
    }
    if copied == 0 {
        return None;
    }
    mended.push_str(&json[copied..]);
    Some(mended)
}

/// The code unit of the escape at this position.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_are_replaced_and_pairs_are_not() {
        assert_eq!(replace_lone(r#""\ud83d""#).as_deref(), Some(r#""\ufffd""#));
        assert_eq!(replace_lone(r#""a\uDE00b""#).as_deref(), Some(r#""a\ufffdb""#));
        assert_eq!(replace_lone(r#""\ud83d\ud83d\ude00""#).as_deref(), Some(r#""\ufffd\ud83d\ude00""#));
        for whole in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""\u00e9""#, r#""\ud8""#, "\"\\", ""] {
            assert_eq!(replace_lone(whole), None, "{whole}");
        }
    }

    proptest! {
        #[test]
        fn any_text_of_a_script_can_be_read_afterwards(units in vec(any::<u16>(), 0..40)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{escaped}\"");
            let mended = replace_lone(&json).unwrap_or(json);
            prop_assert_eq!(serde_json::from_str::<String>(&mended).unwrap(), String::from_utf16_lossy(&units));
        }
    }
}
