use tributary_api::{Error, Result};

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Text(String),
    /// A part that may be missing.
    Optional(Vec<Item>),
    Number {
        field: Field,
        fewest: usize,
        most: usize,
    },
    /// The year by its last two digits, from 2000 on.
    ShortYear,
    /// Digits after the point of the second.
    Fraction(usize),
    /// English names of months, in full or three letters.
    Month,
    /// English names of the days of the week; only checked to be one.
    Weekday,
    HalfDay,
    /// `+01`, `+0100`, `+01:00`; `Z` for zero when allowed. Counted as Java counts the letters.
    Offset {
        letters: usize,
        z: bool,
    },
    /// An offset, or the name of a zone.
    Zone,
}

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Year,
    Month,
    Day,
    Hour,
    /// 1 to 12, with a half of the day.
    HalfHour,
    Minute,
    Second,
    Nano,
}

/// Takes a pattern apart.
pub(super) fn parse(pattern: &str) -> Result<Vec<Item>> {
    let mut open: Vec<Vec<Item>> = vec![Vec::new()];
    let mut rest = pattern.chars().peekable();
    let wrong = |what: &str| Error::config(format!("{pattern:?} is not a pattern for dates: {what}"));
    while let Some(c) = rest.next() {
        let item = match c {
            '[' => {
                open.push(Vec::new());
                continue;
            }
            ']' => {
                let inner = open.pop().filter(|_| !open.is_empty()).ok_or_else(|| wrong("a ] without its ["))?;
                Item::Optional(inner)
            }
            '\'' => Item::Text(quoted(&mut rest).ok_or_else(|| wrong("a quote is not closed"))?),
            '{' | '}' | '#' => return Err(wrong("{, } and # must be quoted")),
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while rest.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                field(letter, count).ok_or_else(|| wrong(&format!("{letter} in this number is not supported")))?
            }
            other => Item::Text(other.to_string()),
        };
        if let Some(items) = open.last_mut() {
            items.push(item);
        }
    }
    let mut items = open.pop().filter(|_| open.is_empty()).ok_or_else(|| wrong("a [ without its ]"))?;
    fix_widths(&mut items);
    Ok(items)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '\'' if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            // Two quotes alone are one.
            '\'' => return Some(if text.is_empty() { "'".to_owned() } else { text }),
            other => text.push(other),
        }
    }
}

fn field(letter: char, count: usize) -> Option<Item> {
    let number = |field, most| match count {
        1 => Some(Item::Number { field, fewest: 1, most: 19 }),
        2 if most >= 2 => Some(Item::Number { field, fewest: 2, most: 2 }),
        _ => None,
    };
    match (letter, count) {
        ('y' | 'u', 2) => Some(Item::ShortYear),
        ('y' | 'u', 1) => Some(Item::Number { field: Field::Year, fewest: 1, most: 19 }),
        ('y' | 'u', 3..) => Some(Item::Number { field: Field::Year, fewest: count, most: 19 }),
        ('M' | 'L', 3 | 4) => Some(Item::Month),
        ('M' | 'L', _) => number(Field::Month, 2),
        ('d', _) => number(Field::Day, 2),
        ('H', _) => number(Field::Hour, 2),
        ('h', _) => number(Field::HalfHour, 2),
        ('m', _) => number(Field::Minute, 2),
        ('s', _) => number(Field::Second, 2),
        ('n', _) => Some(Item::Number { field: Field::Nano, fewest: count, most: 19 }),
        ('S', 1..=9) => Some(Item::Fraction(count)),
        ('E', 1..=4) => Some(Item::Weekday),
        ('a', 1) => Some(Item::HalfDay),
        ('X', 1..=3) => Some(Item::Offset { letters: count, z: true }),
        ('x', 1..=3) => Some(Item::Offset { letters: count, z: false }),
        ('Z', 1..=3) => Some(Item::Offset { letters: 2, z: false }),
        ('V', 2) | ('z', 1..=4) => Some(Item::Zone),
        _ => None,
    }
}

/// Numbers that touch: the first takes no digit of the next.
fn fix_widths(items: &mut [Item]) {
    for index in 0..items.len() {
        let touched = matches!(items.get(index + 1), Some(Item::Number { .. } | Item::Fraction(_) | Item::ShortYear));
        match &mut items[index] {
            Item::Number { fewest, most, .. } if touched && *fewest > 1 => *most = *fewest,
            Item::Optional(inner) => fix_widths(inner),
            _ => {}
        }
    }
}
