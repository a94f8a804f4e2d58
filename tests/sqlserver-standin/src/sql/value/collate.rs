//! How texts compare: without regard to trailing blanks, and to case where the collation says so.

use std::cmp::Ordering;

use crate::data::{Collation, collation::Case};

/// The name under which SQLite knows the order of a collation.
pub(crate) fn sqlite_name(collation: Collation) -> &'static str {
    match collation.case() {
        Case::Insensitive => "mssql_ci",
        Case::Sensitive => "mssql_cs",
        Case::Binary => "mssql_bin",
    }
}

pub(crate) fn compare(left: &str, right: &str, case: Case) -> Ordering {
    match case {
        Case::Insensitive => insensitive(left, right),
        Case::Sensitive => insensitive(left, right).then_with(|| sensitive_tie(left, right)),
        Case::Binary => trimmed(left).cmp(trimmed(right)),
    }
}

/// A key that equal texts share: for tables of names.
pub(crate) fn fold(text: &str) -> String {
    trimmed(text).to_lowercase()
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches(' ')
}

fn insensitive(left: &str, right: &str) -> Ordering {
    let (left, right) = (trimmed(left), trimmed(right));
    if left.is_ascii() && right.is_ascii() {
        for (a, b) in left.bytes().zip(right.bytes()) {
            let order = ascii_weight(a).cmp(&ascii_weight(b));
            if order != Ordering::Equal {
                return order;
            }
        }
        return left.len().cmp(&right.len());
    }
    let bases = left.chars().map(|c| base(c).0).cmp(right.chars().map(|c| base(c).0));
    bases.then_with(|| left.chars().map(|c| base(c).1).cmp(right.chars().map(|c| base(c).1)))
}

/// Small letters come before their capitals when nothing else differs.
fn sensitive_tie(left: &str, right: &str) -> Ordering {
    trimmed(right).cmp(trimmed(left))
}

/// Marks first, then digits, then letters.
fn ascii_weight(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0' + 100,
        b'A'..=b'Z' => byte - b'A' + 120,
        b'a'..=b'z' => byte - b'a' + 120,
        b'{'..=b'~' => byte - b'{' + 60,
        _ => byte.min(59),
    }
}

/// A letter's weight without case and accent, and its accent.
fn base(c: char) -> (u32, u32) {
    if let Ok(byte) = u8::try_from(c)
        && byte.is_ascii()
    {
        return (u32::from(ascii_weight(byte)), 0);
    }
    let folded = c.to_lowercase().next().unwrap_or(c);
    let plain = match folded {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        other => return (1000 + u32::from(other), 0),
    };
    (u32::from(ascii_weight(plain as u8)), u32::from(folded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_trailing_blanks_do_not_count_accents_do() {
        let ci = |left, right| compare(left, right, Case::Insensitive);
        assert_eq!(ci("Abc  ", "aBC"), Ordering::Equal);
        assert_eq!(ci("É", "é"), Ordering::Equal);
        assert_eq!(ci("e", "é"), Ordering::Less);
        assert_eq!(ci("éa", "eb"), Ordering::Less);
        assert_eq!(ci("_a", "1"), Ordering::Less);
        assert_eq!(ci("9", "a"), Ordering::Less);
        assert_eq!(ci("a", "ab"), Ordering::Less);
        assert_eq!(compare("a", "A", Case::Sensitive), Ordering::Less);
        assert_eq!(compare("a ", "a", Case::Binary), Ordering::Equal);
    }
}
