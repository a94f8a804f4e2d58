use fancy_regex::{Captures, Regex};
use tributary_api::{Error, Result};

/// A regular expression as `java.util.regex` understands it: lookaround and back references work, and a text
/// matches only as a whole.
#[derive(Debug)]
pub(crate) struct JavaRegex {
    whole: Regex,
    part: Regex,
}

/// The text in the place of a match: `$1` and `${name}` stand for groups, a backslash for what follows it.
#[derive(Debug)]
pub(crate) struct Replacement(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
    Named(String),
}

impl JavaRegex {
    /// An expression given by a property.
    pub(crate) fn new(property: &str, pattern: &str) -> Result<Self> {
        let compile = |pattern: &str| {
            let regex = Regex::new(pattern);
            regex.map_err(|error| Error::config(format!("{property} is not a regular expression")).cause(&error))
        };
        let part = compile(pattern)?;
        Ok(Self { whole: compile(&format!(r"\A(?:{pattern})\z"))?, part })
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> Result<bool> {
        self.whole.is_match(text).map_err(|error| Error::data("the regular expression took too long").cause(&error))
    }

    /// The text with its first match replaced, if the whole text matches.
    pub(crate) fn replace(&self, text: &str, replacement: &Replacement) -> Result<Option<String>> {
        if !self.matches(text)? {
            return Ok(None);
        }
        let found = self.part.captures(text);
        let found = found.map_err(|error| Error::data("the regular expression took too long").cause(&error))?;
        Ok(found.and_then(|captures| {
            let place = captures.get(0)?.range();
            let inserted = replacement.expand(&captures);
            Some(format!("{}{inserted}{}", &text[..place.start], &text[place.end..]))
        }))
    }

    /// A replacement for matches of this expression, given by a property.
    pub(crate) fn replacement(&self, property: &str, text: &str) -> Result<Replacement> {
        let wrong = |what: String| Error::config(format!("{property} {text}: {what}"));
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '\\' {
                plain
                    .push(rest.next().ok_or_else(|| wrong("a character is missing behind the last backslash".into()))?);
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
        Ok(Replacement(parts))
    }
}

impl Replacement {
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
    fn what_only_java_knows_works() {
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
}
