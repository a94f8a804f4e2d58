//! Ranges of versions as Maven writes them: `1.2` (that one), `[1,2)`, `(,1.5]`, `[1,2],[3,)`.

use std::cmp::Ordering;

use tributary_api::PluginRegistry;

/// The versions of a class that the worker has.
pub(crate) fn available<'a>(class: &str, plugins: &'a PluginRegistry) -> Vec<&'a str> {
    let same = plugins.iter().filter(|plugin| plugin.description.class == class);
    same.map(|plugin| plugin.description.version.as_str()).collect()
}

/// Whether some available version of a plugin is within a range.
///
/// # Errors
/// With Connect's message.
pub(crate) fn check(class: &str, available: &[&str], wanted: &str) -> Result<(), String> {
    if wanted == "latest" {
        return Ok(());
    }
    let range = Range::parse(wanted).ok_or_else(|| format!("Invalid version specification: {wanted}"))?;
    match available.iter().any(|version| range.contains(version)) {
        true => Ok(()),
        false => Err(format!(
            "Plugin {class} not found that matches the version range {range}, available versions: [{}]",
            available.join(", ")
        )),
    }
}

/// The versions within any of these bounds.
struct Range(Vec<Bounds>);

struct Bounds {
    lower: String,
    with_lower: bool,
    upper: String,
    with_upper: bool,
    /// A single version.
    exact: bool,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        if !text.starts_with(['[', '(']) {
            let (lower, upper) = (text.trim().to_owned(), text.trim().to_owned());
            return Some(Self(vec![Bounds { lower, with_lower: true, upper, with_upper: true, exact: true }]));
        }
        let (mut bounds, mut rest) = (Vec::new(), text);
        while rest.starts_with(['[', '(']) {
            let end = rest.find([')', ']'])?;
            bounds.push(Bounds::parse(&rest[..=end])?);
            rest = rest[end + 1..].trim_start().trim_start_matches(',').trim_start();
        }
        rest.is_empty().then_some(Self(bounds))
    }

    fn contains(&self, version: &str) -> bool {
        self.0.iter().any(|bounds| bounds.contain(version))
    }
}

impl Bounds {
    /// A range with its brackets.
    fn parse(text: &str) -> Option<Self> {
        let (with_lower, with_upper) = (text.starts_with('['), text.ends_with(']'));
        let inner = text.get(1..text.len() - 1)?.trim();
        let (lower, upper) = match inner.split_once(',') {
            Some((lower, upper)) => (lower.trim(), upper.trim()),
            // A single version in brackets must have both brackets closed.
            None if with_lower && with_upper && !inner.is_empty() => (inner, inner),
            None => return None,
        };
        Some(Self { lower: lower.to_owned(), with_lower, upper: upper.to_owned(), with_upper, exact: false })
    }

    fn contain(&self, version: &str) -> bool {
        if self.exact {
            return compare(version, &self.lower).is_eq();
        }
        let above = match (self.lower.is_empty(), compare(version, &self.lower)) {
            (true, _) => true,
            (false, Ordering::Equal) => self.with_lower,
            (false, order) => order == Ordering::Greater,
        };
        let below = match (self.upper.is_empty(), compare(version, &self.upper)) {
            (true, _) => true,
            (false, Ordering::Equal) => self.with_upper,
            (false, order) => order == Ordering::Less,
        };
        above && below
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Bounds { lower, with_lower, upper, with_upper, .. }) in self.0.iter().enumerate() {
            let (comma, open, close) = (
                if index > 0 { "," } else { "" },
                if *with_lower { '[' } else { '(' },
                if *with_upper { ']' } else { ')' },
            );
            write!(f, "{comma}{open}{lower},{upper}{close}")?;
        }
        Ok(())
    }
}

/// Compares part by part, numbers as numbers; a word, such as `rc1`, is lower than no part at all.
fn compare(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| -> Vec<Part> { version.split(['.', '-']).map(Part::of).collect() };
    let (a, b) = (parts(a), parts(b));
    let longest = a.len().max(b.len());
    let at = |parts: &[Part], index: usize| parts.get(index).cloned().unwrap_or(Part::Counter(0));
    (0..longest).map(|index| at(&a, index).cmp(&at(&b, index))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    Counter(u64),
}

impl Part {
    fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Word(text.to_ascii_lowercase()), Self::Counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_java() {
        let check = |wanted: &str| check("C", &["4.3.1"], wanted);
        for fits in [
            "latest",
            "4.3.1",
            "[4,5)",
            "(,5]",
            "[4.3.1]",
            "[1,2],[4.3,)",
            "(4.3.0,4.3.1]",
            "[4.3.1-rc1,)",
            "[4.3.1.0]",
        ] {
            assert_eq!(check(fits), Ok(()), "{fits}");
        }
        for (wanted, range) in [
            ("1.0", "[1.0,1.0]"),
            ("[5,6)", "[5,6)"),
            ("abc", "[abc,abc]"),
            ("4", "[4,4]"),
            ("", "[,]"),
            ("1..2(", "[1..2(,1..2(]"),
            ("[1,2], (3,4)", "[1,2],(3,4)"),
            ("(4.3.1,5)", "(4.3.1,5)"),
            ("[4.3.2-rc1,)", "[4.3.2-rc1,)"),
        ] {
            let message =
                format!("Plugin C not found that matches the version range {range}, available versions: [4.3.1]");
            assert_eq!(check(wanted), Err(message));
        }
        for wrong in ["[", "[1,2", "[1,2]x", "(1)", "[]"] {
            assert_eq!(check(wrong), Err(format!("Invalid version specification: {wrong}")));
        }
    }
}
