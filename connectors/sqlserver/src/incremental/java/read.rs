use std::sync::Arc;

use super::classes::{FIRST_HANDLE, HEADER, WRITES_MORE, tag};
use crate::incremental::key::KeyPart;

/// The deepest nesting of elements.
const DEEPEST: usize = 8;
const MILLIS_A_DAY: i64 = 86_400_000;

/// `None` if the bytes are not a key.
#[expect(clippy::option_option, reason = "an array that is null is understood")]
pub(super) fn array(bytes: &[u8]) -> Option<Option<Vec<KeyPart>>> {
    let mut reader = Reader { bytes: bytes.strip_prefix(&HEADER)?, parts: Vec::new(), depth: 0 };
    let read = reader.content()?;
    if !reader.bytes.is_empty() {
        return None;
    }
    match read {
        Node::Null => Some(None),
        Node::Array(nodes) => Some(Some(nodes.into_iter().map(part).collect::<Option<_>>()?)),
        _ => None,
    }
}

fn part(node: Node) -> Option<KeyPart> {
    match node {
        Node::Null => Some(KeyPart::Null),
        Node::Text(text) => Some(KeyPart::Text(text)),
        Node::Bytes(bytes) => Some(KeyPart::Bytes(bytes)),
        Node::Array(_) => None,
        Node::Object(object) => of_object(&object),
    }
}

fn of_object(object: &Object) -> Option<KeyPart> {
    let number = |name: &str| object.numbers.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    let bits = |name| number(name).map(i64::cast_unsigned);
    let millis = || Some(i64::from_be_bytes(object.block.as_slice().try_into().ok()?));
    Some(match object.class.as_str() {
        "java.lang.Boolean" => KeyPart::Boolean(number("value")? != 0),
        "java.lang.Byte" | "java.lang.Short" => KeyPart::Short(i16::try_from(number("value")?).ok()?),
        "java.lang.Integer" => KeyPart::Int(i32::try_from(number("value")?).ok()?),
        "java.lang.Long" => KeyPart::Long(number("value")?),
        "java.lang.Float" => KeyPart::Float(f32::from_bits(u32::try_from(bits("value")? & 0xffff_ffff).ok()?)),
        "java.lang.Double" => KeyPart::Double(f64::from_bits(bits("value")?)),
        "java.math.BigDecimal" => {
            let Some(Node::Object(whole)) = object.parts.first() else { return None };
            let Some(Node::Bytes(magnitude)) = whole.parts.first() else { return None };
            let sign = whole.numbers.iter().find(|(name, _)| name == "signum").map(|(_, sign)| *sign)?;
            let absolute =
                magnitude.iter().try_fold(0_i128, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))?;
            KeyPart::Decimal {
                unscaled: absolute.checked_mul(sign.into())?,
                scale: i32::try_from(number("scale")?).ok()?,
            }
        }
        "java.sql.Date" => KeyPart::Date(millis()?.div_euclid(MILLIS_A_DAY)),
        "java.sql.Timestamp" => {
            KeyPart::Timestamp { seconds: millis()?.div_euclid(1000), nanos: u32::try_from(number("nanos")?).ok()? }
        }
        _ => return None,
    })
}

/// An element of a stream.
#[derive(Clone, Debug)]
enum Node {
    Null,
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Node>),
    Object(Object),
}

#[derive(Clone, Debug, Default)]
struct Object {
    class: String,
    /// Primitive fields; floating-point ones as their bits.
    numbers: Vec<(String, i64)>,
    /// Object fields, in order.
    parts: Vec<Node>,
    /// The data that the class wrote besides its fields.
    block: Vec<u8>,
}

#[derive(Debug)]
struct Description {
    name: String,
    flags: u8,
    fields: Vec<(u8, String)>,
    parent: Option<Arc<Description>>,
}

/// An element that later ones can reference.
#[derive(Clone, Debug)]
enum Known {
    Class(Arc<Description>),
    Text(String),
    Other,
}

struct Reader<'a> {
    bytes: &'a [u8],
    parts: Vec<Known>,
    depth: usize,
}

impl Reader<'_> {
    fn content(&mut self) -> Option<Node> {
        self.depth += 1;
        let read = if self.depth > DEEPEST { None } else { self.content_here() };
        self.depth -= 1;
        read
    }

    fn content_here(&mut self) -> Option<Node> {
        match self.byte()? {
            tag::NULL => Some(Node::Null),
            tag::TEXT => self.text().map(Node::Text),
            tag::REFERENCE => match self.referred()? {
                Known::Text(text) => Some(Node::Text(text)),
                Known::Class(_) | Known::Other => None,
            },
            tag::ARRAY => self.array(),
            tag::OBJECT => self.object().map(Node::Object),
            _ => None,
        }
    }

    fn array(&mut self) -> Option<Node> {
        let class = self.class()??;
        self.parts.push(Known::Other);
        let length = usize::try_from(u32::from_be_bytes(self.take()?)).ok()?;
        match class.name.as_str() {
            "[B" => self.slice(length).map(|bytes| Node::Bytes(bytes.to_vec())),
            // Each element takes at least one byte.
            "[Ljava.lang.Object;" if length <= self.bytes.len() => {
                (0..length).map(|_| self.content()).collect::<Option<_>>().map(Node::Array)
            }
            _ => None,
        }
    }

    fn object(&mut self) -> Option<Object> {
        let class = self.class()??;
        self.parts.push(Known::Other);
        let mut line = vec![Arc::clone(&class)];
        while let Some(parent) = line.last().and_then(|class| class.parent.clone()) {
            if line.len() > DEEPEST {
                return None;
            }
            line.push(parent);
        }
        let mut object = Object { class: class.name.clone(), ..Object::default() };
        // Fields of the superclass come first.
        for class in line.iter().rev() {
            for (letter, name) in &class.fields {
                if matches!(letter, b'L' | b'[') {
                    object.parts.push(self.content()?);
                } else {
                    object.numbers.push((name.clone(), self.number(*letter)?));
                }
            }
            if class.flags & WRITES_MORE != 0 {
                self.more(&mut object)?;
            }
        }
        Some(object)
    }

    fn more(&mut self, object: &mut Object) -> Option<()> {
        loop {
            match self.byte()? {
                tag::END => return Some(()),
                tag::BLOCK => {
                    let length = self.byte()?;
                    object.block.extend(self.slice(length.into())?);
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self, letter: u8) -> Option<i64> {
        Some(match letter {
            b'B' => i8::from_be_bytes(self.take()?).into(),
            b'Z' => self.byte()?.into(),
            b'S' => i16::from_be_bytes(self.take()?).into(),
            b'I' | b'F' => i32::from_be_bytes(self.take()?).into(),
            b'J' | b'D' => i64::from_be_bytes(self.take()?),
            _ => return None,
        })
    }

    /// A class description; `None` for the superclass of a class without one.
    #[expect(clippy::option_option, reason = "null is understood")]
    fn class(&mut self) -> Option<Option<Arc<Description>>> {
        match self.byte()? {
            tag::NULL => Some(None),
            tag::REFERENCE => match self.referred()? {
                Known::Class(class) => Some(Some(class)),
                Known::Text(_) | Known::Other => None,
            },
            tag::CLASS => self.description().map(Some),
            _ => None,
        }
    }

    fn description(&mut self) -> Option<Arc<Description>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let name = self.name()?;
        let _version: [u8; 8] = self.take()?;
        let handle = self.parts.len();
        self.parts.push(Known::Other);
        let flags = self.byte()?;
        let count = u16::from_be_bytes(self.take()?);
        let mut fields = Vec::new();
        for _ in 0..count {
            let (letter, name) = (self.byte()?, self.name()?);
            if matches!(letter, b'L' | b'[') {
                self.content()?;
            }
            fields.push((letter, name));
        }
        (self.byte()? == tag::END).then_some(())?;
        let parent = self.class()?;
        let description = Arc::new(Description { name, flags, fields, parent });
        *self.parts.get_mut(handle)? = Known::Class(Arc::clone(&description));
        self.depth -= 1;
        Some(description)
    }

    fn referred(&mut self) -> Option<Known> {
        let handle = u32::from_be_bytes(self.take()?).checked_sub(FIRST_HANDLE)?;
        self.parts.get(usize::try_from(handle).ok()?).cloned()
    }

    fn text(&mut self) -> Option<String> {
        let text = self.name()?;
        self.parts.push(Known::Text(text.clone()));
        Some(text)
    }

    fn name(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.take()?);
        let mut bytes = self.slice(length.into())?.iter().map(|byte| u16::from(*byte));
        let mut units = Vec::with_capacity(length.into());
        while let Some(first) = bytes.next() {
            let mut more = || bytes.next().map(|byte| byte & 0x3f);
            units.push(match first {
                0..=0x7f => first,
                0xc0..=0xdf => (first & 0x1f) << 6 | more()?,
                0xe0..=0xef => (first & 0x0f) << 12 | more()? << 6 | more()?,
                _ => return None,
            });
        }
        String::from_utf16(&units).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    fn slice(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }
}
