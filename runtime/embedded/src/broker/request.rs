//! Checks a request before Tansu decodes it.
//!
//! Tansu allocates memory by the lengths in a request, and an element of an array takes about ten times its bytes in
//! the request. This check follows the same message descriptions as Tansu's decoder: no length may exceed the actual
//! bytes, and the elements of all arrays are counted.

use std::io;

use tansu_model::{FieldMeta, KindMeta};
use tansu_sans_io::RootMessageMeta;

/// The maximum number of elements of all arrays of a request.
const MAX_ELEMENTS: usize = 20_000;

/// The maximum size of a request with records: the limit of decompressed records, plus the rest. Input that is not
/// Kafka's protocol usually reads as a larger length and ends the connection before memory is allocated.
const MAX_WITH_RECORDS: usize = 33 * 1024 * 1024;

/// The maximum size of other requests.
const MAX_PLAIN: usize = 1024 * 1024;

const PRODUCE: i16 = 0;
/// Sent before the client knows the supported versions; answered in any version.
const API_VERSIONS: i16 = 18;

type Checked<T = ()> = Result<T, io::Error>;
type Fields = &'static [(&'static str, &'static FieldMeta)];

/// The bytes of a request; fails unless one may have as many. Two for its kind are the least.
pub(super) fn check_length(length: i32) -> Checked<usize> {
    match usize::try_from(length) {
        Ok(length) if (2..=MAX_WITH_RECORDS).contains(&length) => Ok(length),
        _ => refuse("request is larger than the broker accepts, or no request"),
    }
}

/// Fails unless a request of this kind may have `length` bytes.
pub(super) fn check_kind(api_key: i16, length: usize) -> Checked {
    let may = api_key == PRODUCE || length <= MAX_PLAIN;
    if may { Ok(()) } else { refuse("request without records is larger than the broker accepts") }
}

/// Fails unless `request`, which begins with its header, contains what its lengths announce.
pub(super) fn check(request: &[u8]) -> Checked {
    let mut scan = RequestScanner { rest: request, version: 0, flexible: false, elements: 0 };
    let api_key = scan.int16()?;
    scan.version = scan.int16()?;
    let Some(message) = RootMessageMeta::messages().requests().get(&api_key) else {
        return refuse("request of an unknown kind");
    };
    if api_key == API_VERSIONS && !message.version.valid.within(scan.version) {
        return Ok(());
    }
    if !message.version.valid.within(scan.version) {
        return refuse("request of an unknown version");
    }
    scan.take(size_of::<i32>())?; // what the answer is recognised by
    scan.text()?; // the client's name, which has the old form in all versions
    scan.flexible = message.is_flexible(scan.version);
    scan.tags()?;
    scan.structure(message.fields)
}

struct RequestScanner<'a> {
    rest: &'a [u8],
    version: i16,
    /// Lengths are of variable size, and structures end with tagged fields.
    flexible: bool,
    elements: usize,
}

impl RequestScanner<'_> {
    fn structure(&mut self, fields: Fields) -> Checked {
        for (_, field) in fields {
            let is_tagged = self.flexible && field.tagged.is_some_and(|versions| versions.within(self.version));
            if field.version.within(self.version) && !is_tagged {
                self.field(field)?;
            }
        }
        self.tags()
    }

    fn field(&mut self, field: &FieldMeta) -> Checked {
        if let Some(element) = field.kind.kind_of_sequence() {
            let count = self.long_length()?.unwrap_or_default();
            self.elements = self.elements.saturating_add(count);
            if self.elements > MAX_ELEMENTS {
                return refuse("request with too many elements");
            }
            return (0..count).try_for_each(|_| self.value(element, field));
        }
        let may_be_absent = !field.fields.is_empty() && field.is_nullable(self.version);
        if may_be_absent && self.take(1)?[0].cast_signed() < 0 {
            return Ok(());
        }
        self.value(field.kind, field)
    }

    fn value(&mut self, kind: KindMeta, field: &FieldMeta) -> Checked {
        let size = match kind.name() {
            "bool" | "int8" => 1,
            "int16" | "uint16" => 2,
            "int32" => 4,
            "int64" | "float64" => 8,
            "uuid" => 16,
            "string" => return self.text(),
            "bytes" | "records" => self.long_length()?.unwrap_or_default(),
            _ if field.fields.is_empty() => return refuse("request with a field of an unknown kind"),
            _ => return self.structure(field.fields),
        };
        self.take(size).map(drop)
    }

    fn text(&mut self) -> Checked {
        let length = if self.flexible { self.long_length()? } else { length(self.int16()?.into())? };
        self.take(length.unwrap_or_default()).map(drop)
    }

    /// For all but strings of the old encoding; `None` is null.
    fn long_length(&mut self) -> Checked<Option<usize>> {
        if self.flexible {
            return self.varint().map(|length| length.checked_sub(1));
        }
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(too_short)?;
        self.rest = rest;
        length(i32::from_be_bytes(*bytes))
    }

    /// Tagged fields. Tansu reads them separately, with its own limits.
    fn tags(&mut self) -> Checked {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Ok(())
    }

    fn varint(&mut self) -> Checked<usize> {
        let mut value = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        refuse("request with a length that does not end")
    }

    fn int16(&mut self) -> Checked<i16> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(too_short)?;
        self.rest = rest;
        Ok(i16::from_be_bytes(*bytes))
    }

    fn take(&mut self, count: usize) -> Checked<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(too_short)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// -1 is null.
fn length(length: i32) -> Checked<Option<usize>> {
    match usize::try_from(length) {
        Ok(length) => Ok(Some(length)),
        Err(_) if length == -1 => Ok(None),
        Err(_) => refuse("request with a negative length"),
    }
}

fn too_short() -> io::Error {
    invalid("request ends before its declared length")
}

fn refuse<T>(why: &'static str) -> Checked<T> {
    Err(invalid(why))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests;
