use std::fmt::Write;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// A hash algorithm, by the name that Java has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Which bytes of a text are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The text as Java serializes it.
    Serialized,
    Plain,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.to_uppercase().as_str() {
            "MD5" => Self::Md5,
            "SHA" | "SHA1" | "SHA-1" => Self::Sha1,
            "SHA-224" => Self::Sha224,
            "SHA-256" => Self::Sha256,
            "SHA-384" => Self::Sha384,
            "SHA-512" => Self::Sha512,
            _ => return None,
        })
    }

    /// The hash in hexadecimal.
    pub(super) fn hash(self, salt: &str, form: Form, text: &str) -> String {
        let bytes = match form {
            Form::Serialized => serialized(text),
            Form::Plain => text.as_bytes().to_vec(),
        };
        match self {
            Self::Md5 => hex::<Md5>(salt, &bytes),
            Self::Sha1 => hex::<Sha1>(salt, &bytes),
            Self::Sha224 => hex::<Sha224>(salt, &bytes),
            Self::Sha256 => hex::<Sha256>(salt, &bytes),
            Self::Sha384 => hex::<Sha384>(salt, &bytes),
            Self::Sha512 => hex::<Sha512>(salt, &bytes),
        }
    }
}

fn hex<D: Digest>(salt: &str, bytes: &[u8]) -> String {
    let mut digest = D::new();
    digest.update(salt.as_bytes());
    digest.update(bytes);
    let mut text = String::with_capacity(128);
    for byte in digest.finalize() {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A text in Java's object serialization: a header, type and length, and the characters in Java's modified UTF-8.
fn serialized(text: &str) -> Vec<u8> {
    let mut characters = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        match unit {
            0x01..=0x7f => characters.push(low),
            // Zero takes two bytes, and each surrogate of a character beyond U+FFFF takes three.
            0 | 0x80..=0x7ff => characters.extend([0xc0 | (high << 2) | (low >> 6), 0x80 | (low & 0x3f)]),
            _ => characters.extend([0xe0 | (high >> 4), 0x80 | ((high & 0x0f) << 2) | (low >> 6), 0x80 | (low & 0x3f)]),
        }
    }
    let mut bytes = vec![0xac, 0xed, 0x00, 0x05];
    match u16::try_from(characters.len()) {
        Ok(length) => {
            bytes.push(0x74);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x7c);
            bytes.extend((characters.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(characters);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_serialized_as_java_does() {
        assert_eq!(serialized("ab"), [0xac, 0xed, 0, 5, 0x74, 0, 2, b'a', b'b']);
        let horse = [0xac, 0xed, 0, 5, 0x74, 0, 10, 0xc3, 0xa9, 0xc0, 0x80, 0xed, 0xa0, 0xbd, 0xed, 0xb0, 0x8e];
        assert_eq!(serialized("é\0🐎"), horse);
        assert_eq!(serialized(&"x".repeat(70_000))[..13], [0xac, 0xed, 0, 5, 0x7c, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }

    /// The expected values for serialized texts come from Debezium, the others from the specifications of the
    /// algorithms.
    #[test]
    fn hashes_are_hexadecimal_and_begin_with_the_salt() {
        assert_eq!(Algorithm::Md5.hash("", Form::Plain, "abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(Algorithm::Sha1.hash("a", Form::Plain, "bc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Algorithm::Sha256.hash("ab", Form::Plain, "c"), sha256);
        let serialized = |algorithm: Algorithm| algorithm.hash("salt", Form::Serialized, "hello");
        assert_eq!(serialized(Algorithm::Md5), "46f48a7a5ea32efba87cbff49d46d35a");
        let sha256 = "af5843a0f0e728ab0332c8888b6e1190bfb79e584f0d40538de8f10df6ef29c6";
        assert_eq!(serialized(Algorithm::Sha256), sha256);
    }

    #[test]
    fn algorithms_have_javas_names() {
        assert_eq!(Algorithm::named("sha-512"), Some(Algorithm::Sha512));
        assert_eq!(Algorithm::named("SHA"), Some(Algorithm::Sha1));
        assert_eq!(Algorithm::named("crc32"), None);
    }
}
