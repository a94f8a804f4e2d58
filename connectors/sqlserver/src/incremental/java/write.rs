use super::classes::{
    BOOLEAN, BYTES, Class, DATE, DECIMAL, DOUBLE, FIRST_HANDLE, FLOAT, HEADER, INTEGER, LONG, OBJECTS, SHORT,
    TIMESTAMP, WHOLE, tag,
};
use crate::incremental::key::KeyPart;

const MILLIS_A_DAY: i64 = 86_400_000;

pub(super) fn array(key: Option<&[KeyPart]>) -> Vec<u8> {
    let mut writer = Writer { bytes: HEADER.to_vec(), next: FIRST_HANDLE, known: Vec::new() };
    let Some(parts) = key else {
        writer.bytes.push(tag::NULL);
        return writer.bytes;
    };
    writer.begin_array(&OBJECTS, parts.len());
    for part in parts {
        writer.part(part);
    }
    writer.bytes
}

struct Writer {
    bytes: Vec<u8>,
    /// The handle of the next element.
    next: u32,
    /// The handles of class descriptions and of type names.
    known: Vec<(&'static str, NameKind, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NameKind {
    Class,
    Type,
}

impl Writer {
    fn part(&mut self, part: &KeyPart) {
        match part {
            KeyPart::Null => self.bytes.push(tag::NULL),
            KeyPart::Boolean(value) => self.object(&BOOLEAN, &[u8::from(*value)]),
            KeyPart::Short(value) => self.object(&SHORT, &value.to_be_bytes()),
            KeyPart::Int(value) => self.object(&INTEGER, &value.to_be_bytes()),
            KeyPart::Long(value) => self.object(&LONG, &value.to_be_bytes()),
            KeyPart::Float(value) => self.object(&FLOAT, &value.to_be_bytes()),
            KeyPart::Double(value) => self.object(&DOUBLE, &value.to_be_bytes()),
            KeyPart::Text(text) => {
                self.text(text);
                self.next += 1;
            }
            KeyPart::Bytes(bytes) => {
                self.begin_array(&BYTES, bytes.len());
                self.bytes.extend(bytes);
            }
            KeyPart::Decimal { unscaled, scale } => self.decimal(*unscaled, *scale),
            KeyPart::Date(days) => {
                self.object(&DATE, &[]);
                self.time(days.saturating_mul(MILLIS_A_DAY));
            }
            KeyPart::Timestamp { seconds, nanos } => {
                self.object(&TIMESTAMP, &[]);
                self.time(seconds.saturating_mul(1000));
                self.bytes.extend(nanos.to_be_bytes());
            }
        }
    }

    fn object(&mut self, class: &'static Class, fields: &[u8]) {
        self.bytes.push(tag::OBJECT);
        self.class(Some(class));
        self.next += 1;
        self.bytes.extend(fields);
    }

    /// The data that a date class writes itself.
    fn time(&mut self, millis: i64) {
        self.bytes.extend([tag::BLOCK, 8]);
        self.bytes.extend(millis.to_be_bytes());
        self.bytes.push(tag::END);
    }

    fn decimal(&mut self, unscaled: i128, scale: i32) {
        self.object(&DECIMAL, &scale.to_be_bytes());
        self.object(&WHOLE, &[]);
        // Fields that Java computes again when it reads: bit counts and bit positions.
        for unused in [-1_i32, -1, -2, -2] {
            self.bytes.extend(unused.to_be_bytes());
        }
        let sign = i32::try_from(unscaled.signum()).unwrap_or(0);
        self.bytes.extend(sign.to_be_bytes());
        let magnitude: Vec<u8> =
            unscaled.unsigned_abs().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        self.begin_array(&BYTES, magnitude.len());
        self.bytes.extend(magnitude);
        self.bytes.extend([tag::END, tag::END]);
    }

    fn begin_array(&mut self, class: &'static Class, length: usize) {
        self.bytes.push(tag::ARRAY);
        self.class(Some(class));
        self.next += 1;
        self.bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }

    fn class(&mut self, class: Option<&'static Class>) {
        let Some(class) = class else { return self.bytes.push(tag::NULL) };
        if self.refer(class.name, NameKind::Class) {
            return;
        }
        self.bytes.push(tag::CLASS);
        self.name(class.name);
        self.bytes.extend(class.version.to_be_bytes());
        self.know(class.name, NameKind::Class);
        self.bytes.push(class.flags);
        self.bytes.extend(u16::try_from(class.fields.len()).unwrap_or(0).to_be_bytes());
        for field in class.fields {
            self.bytes.push(field.letter);
            self.name(field.name);
            if let Some(of) = field.of
                && !self.refer(of, NameKind::Type)
            {
                self.text(of);
                self.know(of, NameKind::Type);
            }
        }
        self.bytes.push(tag::END);
        self.class(class.parent);
    }

    /// Writes a reference if the element was written before, and returns whether it was.
    fn refer(&mut self, name: &'static str, kind: NameKind) -> bool {
        let known = self.known.iter().find(|(known, its, _)| *known == name && *its == kind);
        let Some((_, _, handle)) = known.copied() else { return false };
        self.bytes.push(tag::REFERENCE);
        self.bytes.extend(handle.to_be_bytes());
        true
    }

    fn know(&mut self, name: &'static str, kind: NameKind) {
        self.known.push((name, kind, self.next));
        self.next += 1;
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(tag::TEXT);
        self.name(text);
    }

    /// Java's modified UTF-8: two bytes for U+0000, and three for each surrogate.
    fn name(&mut self, text: &str) {
        let mut bytes = Vec::with_capacity(text.len());
        for unit in text.encode_utf16() {
            let [high, low] = [(unit >> 6) & 0x3f, unit & 0x3f].map(|bits| 0x80 | bits);
            let units: &[u16] = match unit {
                1..=0x7f => &[unit],
                0..=0x7ff => &[0xc0 | (unit >> 6), low],
                _ => &[0xe0 | (unit >> 12), high, low],
            };
            bytes.extend(units.iter().map(|unit| unit.to_le_bytes()[0]));
        }
        // A key has at most 900 bytes.
        self.bytes.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.bytes.extend(bytes);
    }
}
