use mongodb::bson::spec::ElementType;
use tributary_api::Result;

use super::cursor::{Cursor, Number};
use super::{extended, shell};
use crate::mapping::encoder::Encoder;

/// The document itself.
pub(super) fn root(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<()> {
    cursor.expect(b'{')?;
    if cursor.at_dollar() && extended::is_extended_form(*cursor) {
        return Err(cursor.error("a field of a document: a document is needed, not a single value"));
    }
    fields(cursor, out)
}

/// The fields of a document and the brace that ends it. A comma between fields may be missing, and one may follow the
/// last, as MongoDB's reader has it.
pub(super) fn fields(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<()> {
    while !cursor.take(b'}') {
        let name = cursor.name()?;
        out.name(&name)?;
        cursor.expect(b':')?;
        value(cursor, out)?;
        cursor.take(b',');
    }
    Ok(())
}

/// A value under the name that was written last.
pub(super) fn value(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<()> {
    match cursor.peek() {
        b'"' | b'\'' => out.string(&cursor.string()?),
        b'{' => object(cursor, out)?,
        b'[' => array(cursor, out)?,
        b'/' => {
            let (pattern, options) = cursor.regex()?;
            out.regex(pattern, options)?;
        }
        b'-' | b'0'..=b'9' => number(cursor.number()?, out),
        _ => word(cursor, out)?,
    }
    Ok(())
}

fn number(number: Number, out: &mut Encoder) {
    match number {
        Number::Double(number) => out.double(number),
        Number::Whole(number) => match i32::try_from(number) {
            Ok(number) => out.int32(number),
            Err(_) => out.int64(number),
        },
    }
}

fn object(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<()> {
    cursor.expect(b'{')?;
    if cursor.at_dollar() && extended::read(cursor, out)? {
        return Ok(());
    }
    out.begin_document()?;
    fields(cursor, out)?;
    out.end();
    Ok(())
}

fn array(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<()> {
    cursor.expect(b'[')?;
    out.begin_array()?;
    while !cursor.take(b']') {
        out.element();
        value(cursor, out)?;
        cursor.take(b',');
    }
    out.end();
    Ok(())
}

fn word(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<()> {
    let before = *cursor;
    let word = cursor.word().ok_or_else(|| before.error("a value"))?;
    match word {
        "true" => out.boolean(true),
        "false" => out.boolean(false),
        "null" => out.null(),
        "NaN" => out.double(f64::NAN),
        "Infinity" => out.double(f64::INFINITY),
        "undefined" => out.value(ElementType::Undefined, &[]),
        "new" => {
            let before = *cursor;
            let class = cursor.word().ok_or_else(|| before.error("the name of a type"))?;
            if class == "Date" {
                out.date(shell::date(cursor)?);
            } else if !shell::call(class, cursor, out)? {
                return Err(before.error("the name of a type"));
            }
        }
        "Date" => out.string(&shell::date_text(cursor)?),
        class => {
            if !shell::call(class, cursor, out)? {
                return Err(before.error("a value"));
            }
        }
    }
    Ok(())
}
