use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::ElementType;
use tributary_api::{Error, Result};
use uuid::Uuid;

use super::cursor::{Cursor, Number};
use super::{dates, values};
use crate::mapping::encoder::Encoder;

/// Reads what follows the brace as an extended form. `false`, and nothing is taken: it is a document whose first
/// name has a dollar, such as a query operator.
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<bool> {
    let mut form = *cursor;
    let name = form.name()?;
    match &*name {
        "$oid" => {
            let id = single(&mut form, |form| object_id(&form.string()?))?;
            out.object_id(id);
        }
        "$date" => out.date(single(&mut form, date)?),
        "$numberLong" => out.int64(single(&mut form, parsed)?),
        "$numberInt" => out.int32(single(&mut form, parsed)?),
        "$numberDouble" => out.double(single(&mut form, parsed)?),
        "$numberDecimal" => out.decimal(single(&mut form, |form| decimal(&form.string()?))?),
        "$binary" | "$type" => return binary(cursor, out),
        "$uuid" => {
            let uuid = single(&mut form, |form| {
                let text = form.string()?;
                Uuid::try_parse(&text).ok().filter(|_| text.len() == 36).ok_or_else(|| form.error("a UUID before"))
            })?;
            out.binary(4, uuid.as_bytes());
        }
        "$regularExpression" => {
            let (pattern, options) = single(&mut form, |form| pair(form, "pattern", "options", |form| form.string()))?;
            out.regex(&pattern, &options)?;
        }
        "$regex" | "$options" => return Ok(old_regex(cursor, out)),
        "$timestamp" => {
            let (time, increment) = single(&mut form, |form| pair(form, "t", "i", unsigned))?;
            out.timestamp(time, increment);
        }
        "$symbol" => out.symbol(&single(&mut form, |form| form.string())?),
        "$code" => code(&mut form, out)?,
        "$undefined" => {
            single(&mut form, |form| match form.word() {
                Some("true") => Ok(()),
                _ => Err(form.error("true")),
            })?;
            out.value(ElementType::Undefined, &[]);
        }
        "$minKey" => {
            single(&mut form, one)?;
            out.value(ElementType::MinKey, &[]);
        }
        "$maxKey" => {
            single(&mut form, one)?;
            out.value(ElementType::MaxKey, &[]);
        }
        "$dbPointer" => {
            let (namespace, id) = single(&mut form, pointer)?;
            out.pointer(&namespace, id);
        }
        _ => return Ok(false),
    }
    *cursor = form;
    Ok(true)
}

/// Whether an extended form follows.
pub(super) fn is_extended_form(mut cursor: Cursor<'_>) -> bool {
    let mut scratch = Encoder::default();
    scratch.restart(false);
    read(&mut cursor, &mut scratch).unwrap_or(true)
}

/// `: value }`
fn single<'t, T>(form: &mut Cursor<'t>, value: impl FnOnce(&mut Cursor<'t>) -> Result<T>) -> Result<T> {
    form.expect(b':')?;
    let value = value(form)?;
    form.expect(b'}')?;
    Ok(value)
}

/// `{ first: value, second: value }`, in either order.
fn pair<'t, T>(
    form: &mut Cursor<'t>,
    first: &str,
    second: &str,
    value: impl Fn(&mut Cursor<'t>) -> Result<T>,
) -> Result<(T, T)> {
    form.expect(b'{')?;
    let name = form.name()?;
    form.expect(b':')?;
    let one = value(form)?;
    form.expect(b',')?;
    let other_name = form.name()?;
    form.expect(b':')?;
    let other = value(form)?;
    form.expect(b'}')?;
    match (&*name, &*other_name) {
        names if names == (first, second) => Ok((one, other)),
        names if names == (second, first) => Ok((other, one)),
        _ => Err(form.error(&format!("{first} and {second} before"))),
    }
}

fn parsed<T: std::str::FromStr>(form: &mut Cursor<'_>) -> Result<T> {
    let text = form.string()?;
    let wrong = || Error::data(format!("not valid JSON: {text:?} is not a number of its type"));
    text.trim().parse().map_err(|_| wrong())
}

fn date(form: &mut Cursor<'_>) -> Result<i64> {
    match form.peek() {
        b'{' => {
            form.expect(b'{')?;
            match &*form.name()? {
                "$numberLong" => single(form, parsed),
                _ => Err(form.error("$numberLong before")),
            }
        }
        b'"' | b'\'' => dates::parse(&form.string()?),
        _ => match form.number()? {
            Number::Whole(number) => Ok(number),
            Number::Double(_) => Err(form.error("a whole number before")),
        },
    }
}

/// The form of version 2 `{"$binary": {"base64": …, "subType": …}}` and that of version 1 `{"$binary": …, "$type": …}`.
fn binary(cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<bool> {
    let mut form = *cursor;
    let first = form.name()?;
    form.expect(b':')?;
    if first == "$binary" && form.take(b'{') {
        let name = form.name()?;
        form.expect(b':')?;
        let (subtype, bytes) = match &*name {
            "base64" => {
                let bytes = base64(&form.string()?)?;
                (next(&mut form, "subType", subtype)?, bytes)
            }
            "subType" => {
                let subtype = subtype(&mut form)?;
                (subtype, base64(&next(&mut form, "base64", |form| form.string())?)?)
            }
            _ => return Err(form.error("base64 or subType before")),
        };
        form.expect(b'}')?;
        form.expect(b'}')?;
        out.binary(subtype, &bytes);
    } else {
        let Some((subtype, text)) = old_binary(&first, &mut form).ok() else { return Ok(false) };
        out.binary(subtype, &base64(&text)?);
    }
    *cursor = form;
    Ok(true)
}

fn old_binary(first: &str, form: &mut Cursor<'_>) -> Result<(u8, String)> {
    let found = if first == "$binary" {
        let text = form.string()?.into_owned();
        (next(form, "$type", subtype)?, text)
    } else {
        let subtype = subtype(form)?;
        (subtype, next(form, "$binary", |form| form.string())?.into_owned())
    };
    form.expect(b'}')?;
    Ok(found)
}

/// `, name: value`
fn next<'t, T>(form: &mut Cursor<'t>, name: &str, value: impl FnOnce(&mut Cursor<'t>) -> Result<T>) -> Result<T> {
    form.expect(b',')?;
    if form.name()? != name {
        return Err(form.error(&format!("{name} before")));
    }
    form.expect(b':')?;
    value(form)
}

/// A number, or hexadecimal digits.
fn subtype(form: &mut Cursor<'_>) -> Result<u8> {
    let number = match form.peek() {
        b'"' | b'\'' => i64::from_str_radix(&form.string()?, 16).ok(),
        _ => match form.number()? {
            Number::Whole(number) => Some(number),
            Number::Double(_) => None,
        },
    };
    // As in Java, only the last eight bits count.
    number.map(|number| number.to_le_bytes()[0]).ok_or_else(|| form.error("the number of a binary type before"))
}

fn old_regex(cursor: &mut Cursor<'_>, out: &mut Encoder) -> bool {
    let mut form = *cursor;
    let read = |form: &mut Cursor<'_>| -> Result<(String, String)> {
        let first = form.name()?;
        form.expect(b':')?;
        let one = form.string()?.into_owned();
        let second = if first == "$regex" { "$options" } else { "$regex" };
        let other = next(form, second, |form| form.string())?.into_owned();
        form.expect(b'}')?;
        Ok(if first == "$regex" { (one, other) } else { (other, one) })
    };
    let Ok((pattern, options)) = read(&mut form) else { return false };
    if out.regex(&pattern, &options).is_err() {
        return false;
    }
    *cursor = form;
    true
}

fn code(form: &mut Cursor<'_>, out: &mut Encoder) -> Result<()> {
    form.expect(b':')?;
    let code = form.string()?;
    if form.take(b'}') {
        out.code(&code);
        return Ok(());
    }
    next(form, "$scope", |form| {
        form.expect(b'{')?;
        let start = out.begin_scope(&code)?;
        values::fields(form, out)?;
        out.end_scope(start);
        Ok(())
    })?;
    form.expect(b'}')
}

fn unsigned(form: &mut Cursor<'_>) -> Result<u32> {
    match form.number()? {
        // Written by servers as unsigned, by old drivers as signed: the same bits.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Number::Whole(number) => Ok(number as u32),
        Number::Double(_) => Err(form.error("a whole number before")),
    }
}

fn one(form: &mut Cursor<'_>) -> Result<()> {
    if form.number()? == Number::Whole(1) { Ok(()) } else { Err(form.error("1 before")) }
}

fn pointer(form: &mut Cursor<'_>) -> Result<(String, [u8; 12])> {
    form.expect(b'{')?;
    let id = |form: &mut Cursor<'_>| {
        form.expect(b'{')?;
        match &*form.name()? {
            "$oid" => single(form, |form| object_id(&form.string()?)),
            _ => Err(form.error("$oid before")),
        }
    };
    let first = form.name()?;
    form.expect(b':')?;
    let found = if first == "$ref" {
        let namespace = form.string()?.into_owned();
        (namespace, next(form, "$id", id)?)
    } else if first == "$id" {
        let id = id(form)?;
        (next(form, "$ref", |form| form.string())?.into_owned(), id)
    } else {
        return Err(form.error("$ref and $id before"));
    };
    form.expect(b'}')?;
    Ok(found)
}

/// 24 hexadecimal digits.
pub(super) fn object_id(text: &str) -> Result<[u8; 12]> {
    let id = ObjectId::parse_str(text);
    id.map(|id| id.bytes())
        .map_err(|_| Error::data(format!("not valid JSON: {text:?} is not an object id: it has 24 hexadecimal digits")))
}

pub(super) fn decimal(text: &str) -> Result<[u8; 16]> {
    let number: Result<mongodb::bson::Decimal128, _> = text.parse();
    number
        .map(|number| number.bytes())
        .map_err(|_| Error::data(format!("not valid JSON: {text:?} is not a decimal of 34 digits")))
}

pub(super) fn base64(text: &str) -> Result<Vec<u8>> {
    BASE64.decode(text).map_err(|error| Error::data("not valid JSON: not base64").cause(&error))
}
