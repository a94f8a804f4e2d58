use fancy_regex::{Captures, Regex};

use crate::{Error, Result};

/// A regular expression as `java.util.regex` understands it: lookaround and back references work, and a text
/// matches only as a whole.
///
/// ```
/// use tributary_api::JavaRegex;
/// let tables = JavaRegex::list("table.include.list", r"dbo\.orders, dbo\.(?!tmp).{1\,9}").unwrap();
/// assert!(tables[0].matches("dbo.orders").unwrap() && !tables[0].matches("dbo.orders2").unwrap());
/// assert!(tables[1].matches("dbo.items").unwrap() && !tables[1].matches("dbo.tmp1").unwrap());
/// ```
#[derive(Clone, Debug)]
pub struct JavaRegex {
    whole: Regex,
    part: Regex,
}

/// The replacement of a match: `$1` and `${name}` are groups, a backslash quotes the next character.
#[derive(Clone, Debug)]
pub struct JavaReplacement(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Group(usize),
    Named(String),
}

impl JavaRegex {
    /// An expression given by a property.
    ///
    /// # Errors
    /// `Config` when it is none.
    pub fn new(property: &str, pattern: &str) -> Result<Self> {
        Self::compile(pattern).map_err(|error| {
            Error::config_at(property, format!("{property} is not a regular expression")).cause(&error)
        })
    }

    /// The expressions of a list that a property gives. A comma that is part of one is quoted by a backslash.
    ///
    /// # Errors
    /// `Config` when one of them is none.
    pub fn list(property: &str, list: &str) -> Result<Vec<Self>> {
        split_list(list).iter().map(|pattern| Self::new(property, pattern)).collect()
    }

    /// The same expression, which takes letters in any case.
    ///
    /// # Errors
    /// `Config` when it is too large then.
    pub fn ignoring_case(&self) -> Result<Self> {
        let compiled = Self::compile(&format!("(?i){}", self.as_str()));
        compiled.map_err(|error| Error::config("a regular expression cannot be used in any case").cause(&error))
    }

    pub(crate) fn compile(pattern: &str) -> Result<Self, fancy_regex::Error> {
        let part = Regex::new(pattern)?;
        Ok(Self { whole: Regex::new(&format!(r"\A(?:{pattern})\z"))?, part })
    }

    /// The expression as it was given.
    pub fn as_str(&self) -> &str {
        self.part.as_str()
    }

    /// What the groups of the expression hold, if the whole text matches; empty for a group without a match.
    ///
    /// # Errors
    /// `Data` when it takes too long.
    pub fn groups(&self, text: &str) -> Result<Option<Vec<String>>> {
        let found = self.whole.captures(text).map_err(|error| too_long(&error))?;
        let texts = |captures: Captures<'_>| {
            captures.iter().skip(1).map(|group| group.map_or("", |group| group.as_str()).to_owned()).collect()
        };
        Ok(found.map(texts))
    }

    /// Whether the whole text matches.
    ///
    /// # Errors
    /// `Data` when it takes too long.
    pub fn matches(&self, text: &str) -> Result<bool> {
        self.whole.is_match(text).map_err(|error| too_long(&error))
    }

    /// The text with its first match replaced, if the whole text matches.
    ///
    /// # Errors
    /// `Data` when it takes too long.
    pub fn replace(&self, text: &str, replacement: &JavaReplacement) -> Result<Option<String>> {
        if !self.matches(text)? {
            return Ok(None);
        }
        let found = self.part.captures(text).map_err(|error| too_long(&error))?;
        Ok(found.and_then(|captures| {
            let place = captures.get(0)?.range();
            let inserted = replacement.expand(&captures);
            Some(format!("{}{inserted}{}", &text[..place.start], &text[place.end..]))
        }))
    }

    /// A replacement for matches of this expression, given by a property.
    ///
    /// # Errors
    /// `Config` when it names a group that there is not.
    pub fn replacement(&self, property: &str, text: &str) -> Result<JavaReplacement> {
        let wrong = |what: String| Error::config_at(property, format!("{property} {text}: {what}"));
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '\\' {
                plain.push(rest.next().ok_or_else(|| wrong("a character is missing after the last backslash".into()))?);
                continue;
            }
            if c != '$' {
                plain.push(c);
                continue;
            }
            parts.push(Part::Text(std::mem::take(&mut plain)));
            if rest.next_if_eq(&'{').is_some() {
                let name: String = rest.by_ref().take_while(|&c| c != '}').collect();
                if !self.part.capture_names().flatten().any(|known| known == name) {
                    return Err(wrong(format!("there is no group {name}")));
                }
                parts.push(Part::Named(name));
                continue;
            }
            let digit = |c: Option<&char>| c.and_then(|c| c.to_digit(10)).map(|digit| digit as usize);
            let mut group = digit(rest.peek()).ok_or_else(|| wrong("a group's number must follow $".into()))?;
            rest.next();
            // As in Java, digits belong to the number as long as there is such a group.
            while let Some(next) = digit(rest.peek()).map(|next| group * 10 + next)
                && next < self.part.captures_len()
            {
                group = next;
                rest.next();
            }
            if group >= self.part.captures_len() {
                return Err(wrong(format!("there is no group {group}")));
            }
            parts.push(Part::Group(group));
        }
        parts.push(Part::Text(plain));
        Ok(JavaReplacement(parts))
    }
}

impl JavaReplacement {
    /// A group that took no part in the match is empty.
    fn expand(&self, captures: &Captures<'_>) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Group(group) => captures.get(*group).map_or("", |group| group.as_str()).to_owned(),
            Part::Named(name) => captures.name(name).map_or("", |group| group.as_str()).to_owned(),
        };
        self.0.iter().map(part).collect()
    }
}

fn too_long(error: &fancy_regex::Error) -> Error {
    Error::data("the regular expression took too long").cause(error)
}

/// The non-empty texts between commas. A comma after a backslash does not separate, and the backslash is removed.
pub(crate) fn split_list(list: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in list.chars() {
        let Some(part) = parts.last_mut() else { continue };
        match (c, escaped) {
            (',', false) => parts.push(String::new()),
            (',', true) => {
                part.pop();
                part.push(',');
            }
            _ => part.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn replace(pattern: &str, replacement: &str, text: &str) -> Option<String> {
        let regex = JavaRegex::new("regex", pattern).unwrap();
        regex.replace(text, &regex.replacement("replacement", replacement).unwrap()).unwrap()
    }

    #[test]
    fn a_text_matches_as_a_whole() {
        assert_eq!(replace("topic", "x", "topic-1"), None);
        assert_eq!(replace("topic.*", "x", "topic-1").as_deref(), Some("x"));
        assert_eq!(replace("a|ab", "x", "ab").as_deref(), Some("xb"), "the first match is replaced, as java does it");
    }

    #[test]
    fn groups_are_inserted() {
        assert_eq!(replace("(.*)-(.*)", "$2_$1", "a-b").as_deref(), Some("b_a"));
        assert_eq!(replace("(a)(b)", "$1x$2", "ab").as_deref(), Some("axb"), "a letter ends a group's number");
        assert_eq!(replace("(a)b", "$11", "ab").as_deref(), Some("a1"), "there is no group 11");
        assert_eq!(replace("(?<first>a)b", "${first}!", "ab").as_deref(), Some("a!"));
        assert_eq!(replace("(a)?b", "[$1]", "b").as_deref(), Some("[]"));
        assert_eq!(replace("a", r"\$1\\", "a").as_deref(), Some(r"$1\"));
        assert_eq!(replace("(a)", "$0$0", "a").as_deref(), Some("aa"));
    }

    #[test]
    fn java_only_syntax_works() {
        assert_eq!(replace("(?!bad).*", "good", "fine").as_deref(), Some("good"));
        assert_eq!(replace("(?!bad).*", "good", "badly"), None);
        assert_eq!(replace(r"(.)\1", "$1", "aa").as_deref(), Some("a"));
    }

    #[test]
    fn a_wrong_replacement_is_refused() {
        let regex = JavaRegex::new("regex", "(a)").unwrap();
        for wrong in ["$2", "$x", "$", "${b}", "\\"] {
            assert!(regex.replacement("replacement", wrong).is_err(), "{wrong}");
        }
        assert!(JavaRegex::new("regex", "(").is_err());
    }

    #[test]
    fn a_list_is_split_at_commas_that_are_no_part_of_an_expression() {
        assert_eq!(split_list(r" a{1\,2} ,,b\\,c "), ["a{1,2}", r"b\\", "c"]);
        assert_eq!(split_list(" , "), [""; 0]);
        let error = JavaRegex::list("tables", "a,+").unwrap_err();
        assert_eq!(error.property(), Some("tables"));
    }

    #[test]
    fn groups_and_letters_in_any_case() {
        let regex = JavaRegex::new("regex", r"column\.(\d+)\.(x)?chars").unwrap();
        assert_eq!(regex.groups("column.12.chars").unwrap().unwrap(), ["12", ""]);
        assert_eq!(regex.groups("Column.12.chars").unwrap(), None);
        assert_eq!(regex.ignoring_case().unwrap().groups("Column.12.XChars").unwrap().unwrap(), ["12", "X"]);
    }
}
