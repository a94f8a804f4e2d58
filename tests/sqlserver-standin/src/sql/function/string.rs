//! Functions of texts.

use super::{Call, Signature, int, int_datum, text};
use crate::data::{Collation, Datum, Length, SqlError, Type, collation::Case};
use crate::sql::types;
use crate::sql::value::collate::{compare, fold};
use crate::sql::value::convert;

pub(super) fn resolve(call: &Call<'_>) -> Result<Option<Signature>, SqlError> {
    let one = || call.count(1..=1);
    Ok(Some(match call.name {
        "LEN" => {
            one()?;
            Signature::strict(vec![call.text(0)], large_int(&call.kind(0)), |v| {
                Ok(units(text(&v[0]).trim_end_matches(' ')))
            })
        }
        "DATALENGTH" => {
            one()?;
            let kind = call.kind(0);
            let of = kind.clone();
            Signature::strict(vec![kind.clone()], large_int(&kind), move |v| Ok(int_datum(data_length(&v[0], &of))))
        }
        "UPPER" | "LOWER" => {
            one()?;
            let upper = call.name == "UPPER";
            let kind = call.text(0);
            Signature::strict(vec![kind.clone()], variable(&kind), move |v| {
                Ok(Datum::Text(if upper { text(&v[0]).to_uppercase() } else { text(&v[0]).to_lowercase() }))
            })
        }
        "LTRIM" | "RTRIM" | "TRIM" => {
            call.count(1..=2)?;
            let (left, right) = (call.name != "RTRIM", call.name != "LTRIM");
            let kind = call.text(0);
            let arguments = (0..call.arguments.len()).map(|at| call.text(at)).collect();
            Signature::strict(arguments, variable(&kind), move |v| {
                let cut = |c: char| v.get(1).map_or(c == ' ', |set| text(set).contains(c));
                let mut found = text(&v[0]);
                if left {
                    found = found.trim_start_matches(cut);
                }
                if right {
                    found = found.trim_end_matches(cut);
                }
                Ok(Datum::Text(found.to_owned()))
            })
        }
        "SUBSTRING" => {
            call.count(3..=3)?;
            substring(call)
        }
        "LEFT" | "RIGHT" => {
            call.count(2..=2)?;
            let left = call.name == "LEFT";
            let kind = call.text(0);
            Signature::strict(vec![kind.clone(), Type::BigInt], variable(&kind), move |v| {
                let count = usize::try_from(int(&v[1])).map_err(|_| bad_length(if left { "left" } else { "right" }))?;
                let chars: Vec<char> = text(&v[0]).chars().collect();
                let range =
                    if left { 0..count.min(chars.len()) } else { chars.len().saturating_sub(count)..chars.len() };
                Ok(Datum::Text(chars[range].iter().collect()))
            })
        }
        "REPLACE" => {
            call.count(3..=3)?;
            let kind = types::text_of(
                is_wide(call, &[0, 1, 2]),
                Some(if is_wide(call, &[0, 1, 2]) { 4000 } else { 8000 }),
                call.collation,
            );
            let case = collation(call, 0).case();
            Signature::strict(vec![call.text(0), call.text(1), call.text(2)], kind, move |v| {
                Ok(Datum::Text(replace(text(&v[0]), text(&v[1]), text(&v[2]), case)))
            })
        }
        "TRANSLATE" => {
            call.count(3..=3)?;
            let kind = call.text(0);
            Signature::strict(vec![kind.clone(), call.text(1), call.text(2)], variable(&kind), |v| {
                let (from, to): (Vec<char>, Vec<char>) = (text(&v[1]).chars().collect(), text(&v[2]).chars().collect());
                let map = |c: char| from.iter().position(|f| *f == c).and_then(|at| to.get(at).copied()).unwrap_or(c);
                Ok(Datum::Text(text(&v[0]).chars().map(map).collect()))
            })
        }
        "CHARINDEX" => {
            call.count(2..=3)?;
            let case = collation(call, 1).case();
            let mut arguments = vec![call.text(0), call.text(1)];
            arguments.extend((call.arguments.len() == 3).then_some(Type::BigInt));
            Signature::strict(arguments, large_int(&call.kind(1)), move |v| {
                Ok(int_datum(char_index(text(&v[0]), text(&v[1]), v.get(2).map_or(1, int), case)))
            })
        }
        "PATINDEX" => {
            call.count(2..=2)?;
            let of = collation(call, 1);
            Signature::strict(vec![call.text(0), call.text(1)], large_int(&call.kind(1)), move |v| {
                Ok(int_datum(pattern_index(text(&v[0]), text(&v[1]), of)))
            })
        }
        "CONCAT" => concat(call, 2, false)?,
        "CONCAT_WS" => concat(call, 3, true)?,
        "REPLICATE" => {
            call.count(2..=2)?;
            let kind = call.text(0);
            Signature::strict(vec![kind.clone(), Type::BigInt], widest(&kind), |v| match usize::try_from(int(&v[1])) {
                // More than a value may have is never built.
                Ok(times) => Ok(Datum::Text(text(&v[0]).repeat(times.min(100_000_000 / text(&v[0]).len().max(1))))),
                Err(_) => Ok(Datum::Null),
            })
        }
        "SPACE" => {
            one()?;
            let kind = types::text_of(false, Some(8000), call.collation);
            Signature::strict(vec![Type::BigInt], kind, |v| match usize::try_from(int(&v[0])) {
                Ok(count) => Ok(Datum::Text(" ".repeat(count.min(8000)))),
                Err(_) => Ok(Datum::Null),
            })
        }
        "REVERSE" => {
            one()?;
            let kind = call.text(0);
            Signature::strict(vec![kind.clone()], variable(&kind), |v| {
                Ok(Datum::Text(text(&v[0]).chars().rev().collect()))
            })
        }
        "STUFF" => {
            call.count(4..=4)?;
            let kind = widest(&call.text(0));
            Signature::lenient(vec![call.text(0), Type::BigInt, Type::BigInt, call.text(3)], kind, |v| Ok(stuff(v)))
        }
        "ASCII" | "UNICODE" => {
            one()?;
            let ascii = call.name == "ASCII";
            let of = collation(call, 0);
            Signature::strict(vec![call.text(0)], Type::Int, move |v| {
                let Some(first) = text(&v[0]).chars().next() else { return Ok(Datum::Null) };
                if !ascii {
                    return Ok(int_datum(i64::from(u32::from(first))));
                }
                let mut buffer = [0; 4];
                let (bytes, _, _) = of.encoding().encode(first.encode_utf8(&mut buffer));
                Ok(int_datum(bytes.first().map_or(0, |byte| i64::from(*byte))))
            })
        }
        "CHAR" => {
            one()?;
            let of = call.collation;
            let kind = Type::Char { length: 1, collation: of };
            Signature::strict(vec![Type::Int], kind, move |v| match u8::try_from(int(&v[0])) {
                Ok(byte) => Ok(Datum::Text(of.encoding().decode_without_bom_handling(&[byte]).0.into_owned())),
                Err(_) => Ok(Datum::Null),
            })
        }
        "NCHAR" => {
            one()?;
            let kind = Type::NChar { length: 1, collation: call.collation };
            Signature::strict(vec![Type::Int], kind, |v| {
                let found = u32::try_from(int(&v[0])).ok().filter(|code| *code <= 0xFFFF).and_then(char::from_u32);
                Ok(found.map_or(Datum::Null, |c| Datum::Text(c.to_string())))
            })
        }
        "QUOTENAME" => {
            call.count(1..=2)?;
            let mut arguments = vec![call.sysname()];
            arguments.extend((call.arguments.len() == 2).then(|| call.nvarchar(1)));
            Signature::strict(arguments, call.nvarchar(258), |v| {
                Ok(quote_name(text(&v[0]), v.get(1).map_or("[", text)))
            })
        }
        "STR" => {
            call.count(1..=3)?;
            let arguments = [Type::Float, Type::Int, Type::Int][..call.arguments.len()].to_vec();
            Signature::strict(arguments, types::text_of(false, Some(8000), call.collation), |v| {
                let Datum::Float(number) = v[0] else { return Ok(Datum::Null) };
                let (length, decimals) = (v.get(1).map_or(10, int), v.get(2).map_or(0, int));
                let (Ok(length), Ok(decimals)) = (usize::try_from(length), usize::try_from(decimals)) else {
                    return Ok(Datum::Null);
                };
                let shown = format!("{number:>length$.*}", decimals.min(16));
                Ok(Datum::Text(if shown.len() > length { "*".repeat(length) } else { shown }))
            })
        }
        "PARSENAME" => {
            call.count(2..=2)?;
            Signature::strict(vec![call.sysname(), Type::Int], call.sysname(), |v| {
                let parts: Vec<_> = text(&v[0]).split('.').map(|part| part.trim_matches(['[', ']', '"'])).collect();
                let part = usize::try_from(int(&v[1]))
                    .ok()
                    .filter(|part| *part > 0)
                    .and_then(|part| parts.len().checked_sub(part));
                Ok(part.map_or(Datum::Null, |at| Datum::Text(parts[at].to_owned())))
            })
        }
        "ISNUMERIC" => {
            one()?;
            let kind = call.kind(0);
            let of = kind.clone();
            Signature::lenient(vec![kind], Type::Int, move |v| {
                Ok(Datum::Int(i32::from(convert::is_numeric(&v[0], &of))))
            })
            .required()
        }
        _ => return Ok(None),
    }))
}

/// `int`, or `bigint` of what may be longer than that.
fn large_int(kind: &Type) -> Type {
    let large = types::size(kind).is_none() && (types::is_text(kind) || types::is_binary(kind));
    if large && !kind.is_legacy_large() { Type::BigInt } else { Type::Int }
}

/// The same text without padding.
fn variable(kind: &Type) -> Type {
    types::text_of(types::is_unicode(kind), types::size(kind), kind.collation().unwrap_or_default())
}

fn widest(kind: &Type) -> Type {
    let unicode = types::is_unicode(kind);
    let length = types::size(kind).map(|_| if unicode { 4000 } else { 8000 });
    types::text_of(unicode, length, kind.collation().unwrap_or_default())
}

fn collation(call: &Call<'_>, at: usize) -> Collation {
    call.kind(at).collation().unwrap_or(call.collation)
}

fn is_wide(call: &Call<'_>, at: &[usize]) -> bool {
    at.iter().any(|at| types::is_unicode(&call.kind(*at)))
}

fn units(text: &str) -> Datum {
    int_datum(i64::try_from(text.encode_utf16().count()).unwrap_or(i64::MAX))
}

fn bad_length(function: &str) -> SqlError {
    SqlError::new(536, 16, 1, format!("Invalid length parameter passed to the {function} function."))
}

fn data_length(value: &Datum, kind: &Type) -> i64 {
    let bytes = match value {
        Datum::Text(text) if types::is_unicode(kind) => text.encode_utf16().count() * 2,
        Datum::Text(text) => kind.collation().unwrap_or_default().encoding().encode(text).0.len(),
        Datum::Xml(text) => text.encode_utf16().count() * 2,
        Datum::Bytes(bytes) => bytes.len(),
        Datum::Variant(variant) => return data_length(&variant.value, &variant.r#type),
        _ => return i64::from(types::max_length(kind)),
    };
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn substring(call: &Call<'_>) -> Signature {
    let kind = call.kind(0);
    if types::is_binary(&kind) {
        let returns = Type::VarBinary { length: types::size(&kind).map_or(Length::Max, Length::Limited) };
        return Signature::strict(vec![kind, Type::BigInt, Type::BigInt], returns, |v| {
            let Datum::Bytes(bytes) = &v[0] else { return Ok(Datum::Null) };
            let range = slice(bytes.len(), int(&v[1]), int(&v[2]))?;
            Ok(Datum::Bytes(bytes[range].to_vec()))
        });
    }
    let kind = call.text(0);
    Signature::strict(vec![kind.clone(), Type::BigInt, Type::BigInt], variable(&kind), |v| {
        let chars: Vec<char> = text(&v[0]).chars().collect();
        let range = slice(chars.len(), int(&v[1]), int(&v[2]))?;
        Ok(Datum::Text(chars[range].iter().collect()))
    })
}

/// Positions begin at 1; what lies before the first counts and is not there.
fn slice(length: usize, start: i64, count: i64) -> Result<std::ops::Range<usize>, SqlError> {
    if count < 0 {
        return Err(SqlError::new(537, 16, 3, "Invalid length parameter passed to the LEFT or SUBSTRING function."));
    }
    let at = |position: i64| usize::try_from(position.max(1) - 1).unwrap_or(0).min(length);
    let (from, to) = (at(start), at(start.saturating_add(count)));
    Ok(from..to.max(from))
}

fn replace(text: &str, from: &str, to: &str, case: Case) -> String {
    if from.is_empty() {
        return text.to_owned();
    }
    if case != Case::Insensitive {
        return text.replace(from, to);
    }
    let (chars, wanted): (Vec<char>, Vec<char>) = (text.chars().collect(), from.chars().collect());
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        if matches_at(&chars, at, &wanted, case) {
            out.push_str(to);
            at += wanted.len();
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

fn matches_at(chars: &[char], at: usize, wanted: &[char], case: Case) -> bool {
    chars.get(at..at + wanted.len()).is_some_and(|window| window.iter().zip(wanted).all(|(a, b)| same(*a, *b, case)))
}

fn same(a: char, b: char, case: Case) -> bool {
    a == b || (case == Case::Insensitive && a.to_lowercase().eq(b.to_lowercase()))
}

fn char_index(wanted: &str, text: &str, start: i64, case: Case) -> i64 {
    let (wanted, chars): (Vec<char>, Vec<char>) = (wanted.chars().collect(), text.chars().collect());
    if wanted.is_empty() {
        return 0;
    }
    let start = usize::try_from(start.max(1) - 1).unwrap_or(0);
    let found = (start..chars.len()).find(|at| matches_at(&chars, *at, &wanted, case));
    found.map_or(0, |at| i64::try_from(at + 1).unwrap_or(0))
}

fn concat(call: &Call<'_>, least: usize, separated: bool) -> Result<Signature, SqlError> {
    call.count(least..=254)?;
    let wide = call.arguments.iter().any(|bound| types::is_unicode(&bound.r#type));
    let large =
        call.arguments.iter().any(|bound| types::is_text(&bound.r#type) && types::size(&bound.r#type).is_none());
    let kind = types::text_of(wide, if large { None } else { Some(if wide { 4000 } else { 8000 }) }, call.collation);
    let arguments = (0..call.arguments.len()).map(|at| call.text(at)).collect();
    Ok(Signature::lenient(arguments, kind, move |v| {
        if !separated {
            return Ok(Datum::Text(v.iter().map(text).collect()));
        }
        let parts: Vec<_> = v[1..].iter().filter(|part| **part != Datum::Null).map(text).collect();
        Ok(Datum::Text(parts.join(text(&v[0]))))
    })
    .required())
}

fn stuff(v: &[Datum]) -> Datum {
    if v[..3].contains(&Datum::Null) {
        return Datum::Null;
    }
    let chars: Vec<char> = text(&v[0]).chars().collect();
    let (Ok(start), Ok(count)) = (usize::try_from(int(&v[1])), usize::try_from(int(&v[2]))) else { return Datum::Null };
    if start == 0 || start > chars.len() {
        return Datum::Null;
    }
    let end = (start - 1 + count).min(chars.len());
    let (before, after): (String, String) = (chars[..start - 1].iter().collect(), chars[end..].iter().collect());
    Datum::Text(format!("{before}{}{after}", text(&v[3])))
}

fn quote_name(name: &str, quote: &str) -> Datum {
    let (open, close) = match quote.chars().next() {
        Some('[' | ']') | None => ('[', ']'),
        Some('(' | ')') => ('(', ')'),
        Some('{' | '}') => ('{', '}'),
        Some('<' | '>') => ('<', '>'),
        Some(c @ ('\'' | '"' | '`')) => (c, c),
        Some(_) => return Datum::Null,
    };
    Datum::Text(format!("{open}{}{close}", name.replace(close, &format!("{close}{close}"))))
}

/// `text LIKE pattern [ESCAPE c]`; null when any is.
pub(crate) fn like(values: &[Datum], collation: Collation) -> Datum {
    if values.contains(&Datum::Null) {
        return Datum::Null;
    }
    let escape = values.get(2).and_then(|escape| text(escape).chars().next());
    let pattern = pattern(text(&values[1]), escape);
    let chars: Vec<char> = text(&values[0]).chars().collect();
    Datum::Bit(matches(&pattern, &chars, collation.case()))
}

/// A piece of a `LIKE` pattern.
enum Piece {
    One(char),
    Any,
    Many,
    /// Single characters and ranges; the flag turns it round.
    Set(Vec<(char, char)>, bool),
}

fn pattern(text: &str, escape: Option<char>) -> Vec<Piece> {
    let chars: Vec<char> = text.chars().collect();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        at += 1;
        if Some(c) == escape && at < chars.len() {
            pieces.push(Piece::One(chars[at]));
            at += 1;
        } else if c == '%' {
            pieces.push(Piece::Many);
        } else if c == '_' {
            pieces.push(Piece::Any);
        } else if c == '[' && chars[at..].contains(&']') {
            let (set, end) = set(&chars, at);
            pieces.push(set);
            at = end;
        } else {
            pieces.push(Piece::One(c));
        }
    }
    pieces
}

fn set(chars: &[char], mut at: usize) -> (Piece, usize) {
    let negated = chars[at] == '^';
    if negated {
        at += 1;
    }
    let start = at;
    let mut ranges = Vec::new();
    while at < chars.len() && (chars[at] != ']' || at == start) {
        if chars.get(at + 1) == Some(&'-') && chars.get(at + 2).is_some_and(|end| *end != ']') {
            ranges.push((chars[at], chars[at + 2]));
            at += 3;
        } else {
            ranges.push((chars[at], chars[at]));
            at += 1;
        }
    }
    (Piece::Set(ranges, negated), (at + 1).min(chars.len()))
}

/// Without recursion: on a mismatch it goes back to the last `%` only, which is enough.
fn matches(pattern: &[Piece], chars: &[char], case: Case) -> bool {
    let (mut p, mut c) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while c < chars.len() {
        match pattern.get(p) {
            Some(Piece::Many) => {
                back = Some((p, c));
                p += 1;
                continue;
            }
            Some(piece) if fits(piece, chars[c], case) => {
                p += 1;
                c += 1;
                continue;
            }
            _ => {}
        }
        // Trailing blanks of the text do not count.
        if p == pattern.len() && chars[c..].iter().all(|c| *c == ' ') {
            return true;
        }
        let Some((many, from)) = back else { return false };
        back = Some((many, from + 1));
        p = many + 1;
        c = from + 1;
    }
    pattern[p..].iter().all(|piece| matches!(piece, Piece::Many))
}

fn fits(piece: &Piece, c: char, case: Case) -> bool {
    match piece {
        Piece::One(wanted) => same(*wanted, c, case),
        Piece::Any => true,
        Piece::Many => false,
        Piece::Set(ranges, negated) => {
            let within = ranges.iter().any(|(from, to)| {
                let order = |a: char, b: char| compare(&a.to_string(), &b.to_string(), case);
                same(*from, c, case) || (order(*from, c).is_le() && order(c, *to).is_le() && c != ' ')
            });
            within != *negated
        }
    }
}

fn pattern_index(wanted: &str, text: &str, collation: Collation) -> i64 {
    let anchored = !wanted.starts_with('%');
    let body = pattern(wanted.trim_start_matches('%'), None);
    let chars: Vec<char> = text.chars().collect();
    let last = if anchored { 0 } else { chars.len() };
    let found = (0..=last).find(|at| matches(&body, &chars[*at..], collation.case()));
    found.map_or(0, |at| i64::try_from(at + 1).unwrap_or(0))
}

/// Whether two names are one, for functions that take names.
pub(super) fn same_name(left: &str, right: &str) -> bool {
    fold(left) == fold(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_like(text: &str, pattern: &str) -> bool {
        like(&[Datum::Text(text.to_owned()), Datum::Text(pattern.to_owned())], Collation::DEFAULT) == Datum::Bit(true)
    }

    #[test]
    fn like_knows_sets_and_wildcards() {
        assert!(is_like("Orders", "o%s"));
        assert!(is_like("abc  ", "abc"));
        assert!(!is_like("abc", "abc "));
        assert!(is_like("a5", "[a-c][^x]"));
        assert!(!is_like("d5", "[a-c]_"));
        assert!(is_like("50%", "50[%]"));
        assert!(is_like("aXbXc", "%x%x%"));
        assert!(!is_like("", "_"));
        let escaped = [Datum::Text("a_b".to_owned()), Datum::Text("a\\_b".to_owned()), Datum::Text("\\".to_owned())];
        assert_eq!(like(&escaped, Collation::DEFAULT), Datum::Bit(true));
    }

    #[test]
    fn positions_begin_at_one() {
        assert_eq!(char_index("B", "abcb", 1, Case::Insensitive), 2);
        assert_eq!(char_index("b", "abcb", 3, Case::Insensitive), 4);
        assert_eq!(slice(5, 0, 3).unwrap(), 0..2);
        assert_eq!(slice(5, 4, 9).unwrap(), 3..5);
        assert_eq!(pattern_index("%c_", "abcd", Collation::DEFAULT), 3);
    }
}
