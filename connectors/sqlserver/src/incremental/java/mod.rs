//! Keys in Debezium's stored form: an array of objects in Java serialization, in hexadecimal.
//!
//! The format is that of the Java Object Serialization Specification, version 5.

mod classes;
mod read;
mod write;

use std::fmt::Write;

use tributary_api::{Error, Result};

use super::key::KeyPart;

/// The stored text of a key; `None` is Java's null.
pub(crate) fn to_text(key: Option<&[KeyPart]>) -> String {
    let bytes = write::array(key);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads the key of a stored text.
///
/// # Errors
/// When it is no such text, or has an object of a class that no key column has.
pub(crate) fn from_text(text: &str) -> Result<Option<Vec<KeyPart>>> {
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
    let bytes = bytes.ok_or_else(|| Error::config(format!("{text:?} is no key in hexadecimal digits")))?;
    read::array(&bytes).ok_or_else(|| Error::config(format!("{text:?} is no array of values that key columns have")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ARRAY: &str = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870";
    const NUMBER: &str = "7200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870";
    const DATE: &str = "72000e6a6176612e7574696c2e44617465686a81014b5974190300007870";

    fn decimal(unscaled: i128) -> KeyPart {
        KeyPart::Decimal { unscaled, scale: 2 }
    }

    /// The expected texts were written by `ObjectOutputStream` of Java 17.
    fn written_by_java() -> Vec<(Vec<KeyPart>, String)> {
        let integer =
            format!("737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c756578{NUMBER}");
        let short = format!("7372000f6a6176612e6c616e672e53686f7274684d37133460da5202000153000576616c756578{NUMBER}");
        let big = "737200146a6176612e6d6174682e426967446563696d616c54c71557f981284f0300024900057363616c654c0006696e7456616c740016\
                   4c6a6176612f6d6174682f426967496e74656765723b78";
        let whole = "737200146a6176612e6d6174682e426967496e74656765728cfc9f1fa93bfb1d030006490008626974436f756e744900096269744c\
                     656e67746849001366697273744e6f6e7a65726f427974654e756d49000c6c6f776573745365744269744900067369676e756d5b\
                     00096d61676e69747564657400025b427871007e0004fffffffffffffffffffffffefffffffe";
        let bytes = "757200025b42acf317f8060854e00200007870";
        vec![
            (vec![KeyPart::Int(7)], format!("{ARRAY}00000001{integer}00000007")),
            (
                vec![KeyPart::Int(1), KeyPart::Int(2), KeyPart::Text("aä".into())],
                format!("{ARRAY}00000003{integer}000000017371007e00020000000274000361c3a4"),
            ),
            (
                vec![
                    KeyPart::Short(3),
                    KeyPart::Long(5_000_000_000),
                    KeyPart::Boolean(true),
                    KeyPart::Null,
                    KeyPart::Text("x".into()),
                ],
                format!(
                    "{ARRAY}00000005{short}00037372000e6a6176612e6c616e672e4c6f6e673b8be490cc8f23df0200014a000576616c75657871007e\
                     0003000000012a05f200737200116a6176612e6c616e672e426f6f6c65616ecd207280d59cfaee0200015a000576616c756578700170\
                     74000178"
                ),
            ),
            (
                vec![decimal(-1234), decimal(500)],
                format!(
                    "{ARRAY}00000002{big}{NUMBER}00000002{whole}ffffffff{bytes}0000000204d278787371007e0002000000027371007e0006\
                     fffffffffffffffffffffffefffffffe000000017571007e00090000000201f47878"
                ),
            ),
            (
                vec![KeyPart::Timestamp { seconds: 1_706_933_106, nanos: 123_456_700 }],
                format!(
                    "{ARRAY}00000001737200126a6176612e73716c2e54696d657374616d702618d5c80153bf650200014900056e616e6f7378{DATE}\
                     77080000018d6d24355078075bccbc"
                ),
            ),
            (
                vec![KeyPart::Date(19_756)],
                format!(
                    "{ARRAY}000000017372000d6a6176612e73716c2e4461746514fa46683f35669702000078{DATE}77080000018d6c43d00078"
                ),
            ),
            (vec![KeyPart::Bytes(vec![1, 2])], format!("{ARRAY}00000001{bytes}000000020102")),
            (
                vec![KeyPart::Double(1.5), KeyPart::Float(2.5)],
                format!(
                    "{ARRAY}00000002737200106a6176612e6c616e672e446f75626c6580b3c24a296bfb0402000144000576616c756578{NUMBER}\
                     3ff80000000000007372000f6a6176612e6c616e672e466c6f6174daedc9a2db3cf0ec02000146000576616c75657871007e0003\
                     40200000"
                ),
            ),
        ]
    }

    #[test]
    fn keys_are_written_to_the_byte_as_java_writes_them() {
        assert_eq!(to_text(None), "aced000570");
        for (key, text) in written_by_java() {
            assert_eq!(to_text(Some(&key)), text, "{key:?}");
        }
    }

    #[test]
    fn what_java_wrote_is_read() {
        assert_eq!(from_text("aced000570").unwrap(), None);
        for (key, text) in written_by_java() {
            assert_eq!(from_text(&text).unwrap(), Some(key), "{text}");
        }
        let odd = vec![KeyPart::Text("a\0🐎".into()), decimal(0), decimal(i128::MIN + 1)];
        assert_eq!(from_text(&to_text(Some(&odd))).unwrap(), Some(odd));
    }

    #[test]
    fn what_is_no_key_is_an_error_whatever_is_wrong_with_it() {
        for wrong in ["", "a", "zz", "aced0005", "aced00057b"] {
            assert!(from_text(wrong).is_err(), "{wrong}");
        }
        // If it is truncated anywhere, or any byte is inverted, it must be an error or another key.
        for (_, text) in written_by_java() {
            for end in (0..text.len()).step_by(2) {
                assert!(from_text(&text[..end]).is_err(), "{end} of {text}");
                let mut bytes = text.clone().into_bytes();
                bytes[end] = if bytes[end] == b'f' { b'0' } else { b'f' };
                let _ = from_text(std::str::from_utf8(&bytes).unwrap());
            }
        }
    }
}
