use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tributary_api::{Schema, SchemaType, Value};

/// `decimal.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalMode {
    Precise,
    Double,
    String,
}

/// `time.precision.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeMode {
    Adaptive,
    AdaptiveTimeMicroseconds,
    Connect,
    IsoString,
    Microseconds,
    Nanoseconds,
}

/// `binary.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryMode {
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
}

/// How types are represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) decimal: DecimalMode,
    pub(crate) time: TimeMode,
    pub(crate) binary: BinaryMode,
}

impl BinaryMode {
    pub(crate) fn schema(self) -> Schema {
        match self {
            Self::Bytes => Schema::new(SchemaType::Bytes),
            Self::Base64 | Self::Base64UrlSafe | Self::Hex => Schema::new(SchemaType::String),
        }
    }

    pub(crate) fn value(self, bytes: Vec<u8>) -> Value {
        match self {
            Self::Bytes => Value::Bytes(bytes.into()),
            Self::Base64 => STANDARD.encode(bytes).into(),
            Self::Base64UrlSafe => URL_SAFE.encode(bytes).into(),
            Self::Hex => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
                let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
                text.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_four_forms() {
        let value = |mode: BinaryMode| mode.value(vec![1, 2, 3]);
        assert_eq!(value(BinaryMode::Hex), "010203".into());
        assert_eq!(value(BinaryMode::Base64), "AQID".into());
        assert_eq!(BinaryMode::Base64.value(vec![0xff, 0xef]), "/+8=".into());
        assert_eq!(BinaryMode::Base64UrlSafe.value(vec![0xff, 0xef]), "_-8=".into());
        assert_eq!(value(BinaryMode::Bytes), Value::Bytes(vec![1, 2, 3].into()));
    }
}
