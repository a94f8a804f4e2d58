//! Reads JSON as MongoDB's own reader does: strict JSON, the extended forms (`{"$oid": …}`, canonical, relaxed and those
//! of version 1), and the mongo shell's (`ObjectId("…")`, unquoted and single-quoted names, optional commas).
//! The format: MongoDB Extended JSON v2; the shell's forms as `org.bson.json.JsonReader` takes them.

mod cursor;
mod dates;
mod extended;
mod shell;
mod values;

use tributary_api::Result;

use self::cursor::Cursor;
use super::encoder::Encoder;

/// Reads a document. Text after it is ignored.
///
/// # Errors
/// `Data`, with the position, when it is none.
pub(crate) fn read(text: &str, out: &mut Encoder) -> Result<()> {
    let mut cursor = Cursor::new(text);
    out.restart(true);
    values::root(&mut cursor, out)?;
    out.finish()
}

#[cfg(test)]
mod tests;
