use std::collections::HashMap;

use fancy_regex::{Captures, Regex};
use mongodb::bson::{Bson, Document, RawBsonRef, RawDocument};
use tributary_api::{Error, Result};

use super::encoder::Encoder;
use super::raw::{self, Element};

/// Renames fields by their path, which begins with `key.` or `value.`. Fields in arrays are not renamed.
#[derive(Debug)]
pub(crate) enum Renamer {
    /// `field.renamer.mapping`: path to new name.
    Mapping(HashMap<String, String>),
    /// `field.renamer.regexp`: all that match, one after the other.
    Patterns(Vec<RenamePattern>),
}

/// A part of the name to replace in fields whose path matches as a whole.
#[derive(Debug)]
pub(crate) struct RenamePattern {
    path: Regex,
    part: Regex,
    replacement: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
    Named(String),
}

impl Renamer {
    /// Whether there is anything to rename.
    pub(crate) fn is_active(&self) -> bool {
        match self {
            Self::Mapping(names) => !names.is_empty(),
            Self::Patterns(patterns) => !patterns.is_empty(),
        }
    }

    /// Renames the fields of the document at a path. A field whose new name exists already is dropped.
    ///
    /// # Errors
    /// `Data` when a regular expression exceeds its backtracking limit.
    pub(crate) fn apply(&self, path: &str, document: &mut Document) -> Result<()> {
        let mut kept = std::mem::take(document);
        let mut moved = Document::new();
        let names: Vec<String> = kept.keys().cloned().collect();
        for name in names {
            let new = self.renamed(path, &name)?;
            if let Some(Bson::Document(inner)) = kept.get_mut(&name) {
                self.apply(&format!("{path}.{new}"), inner)?;
            }
            if new != name
                && let Some(value) = kept.remove(&name)
                && !kept.contains_key(&new)
                && !moved.contains_key(&new)
            {
                moved.insert(new, value);
            }
        }
        kept.extend(moved);
        *document = kept;
        Ok(())
    }

    /// Whether [`pass`](Self::pass) can do it: by names, and of the value alone.
    pub(crate) fn is_pass(&self) -> bool {
        matches!(self, Self::Mapping(names) if !names.keys().any(|path| path.starts_with("key.")))
    }

    /// Copies the renamed document.
    pub(crate) fn pass(&self, path: &str, document: &RawDocument, out: &mut Encoder) -> Result<()> {
        let Self::Mapping(names) = self else { return out.copy(document) };
        out.restart(false);
        copy_renamed(names, &mut path.to_owned(), document, out)?;
        out.finish()
    }

    fn renamed(&self, path: &str, name: &str) -> Result<String> {
        let full = format!("{path}.{name}");
        match self {
            Self::Mapping(names) => Ok(names.get(&full).map_or(name, String::as_str).to_owned()),
            Self::Patterns(patterns) => {
                patterns.iter().try_fold(name.to_owned(), |name, pattern| pattern.apply(&full, name))
            }
        }
    }
}

/// Renamed fields come after the others; one whose new name exists already is dropped.
fn copy_renamed(
    names: &HashMap<String, String>,
    path: &mut String,
    document: &RawDocument,
    out: &mut Encoder,
) -> Result<()> {
    let elements: Vec<Element<'_>> = raw::elements(document).collect::<Result<_>>()?;
    let end = path.len();
    let new: Vec<Option<&str>> = elements
        .iter()
        .map(|element| {
            path.push('.');
            path.push_str(element.name);
            let new = names.get(&**path).map(String::as_str).filter(|new| *new != element.name);
            path.truncate(end);
            new
        })
        .collect();
    for (element, _) in elements.iter().zip(&new).filter(|(_, new)| new.is_none()) {
        copy_as(element.name, element, names, path, out)?;
    }
    let mut taken: Vec<&str> = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        let Some(name) = new[place] else { continue };
        let is_there =
            |(other, one): (usize, &Element<'_>)| one.name == name && (new[other].is_none() || other > place);
        if !taken.contains(&name) && !elements.iter().enumerate().any(is_there) {
            taken.push(name);
            copy_as(name, element, names, path, out)?;
        }
    }
    Ok(())
}

fn copy_as(
    name: &str,
    element: &Element<'_>,
    names: &HashMap<String, String>,
    path: &mut String,
    out: &mut Encoder,
) -> Result<()> {
    out.name(name)?;
    let RawBsonRef::Document(inner) = element.value else {
        out.value(element.value.element_type(), element.value_bytes());
        return Ok(());
    };
    let end = path.len();
    path.push('.');
    path.push_str(name);
    out.begin_document()?;
    copy_renamed(names, path, inner, out)?;
    out.end();
    path.truncate(end);
    Ok(())
}

impl RenamePattern {
    /// By a path's expression, an expression for a part of the name, and what to put in its place: `$1` and `${name}`
    /// stand for groups, a backslash for what follows it.
    ///
    /// # Errors
    /// `Config` when one of them is wrong.
    pub(crate) fn new(path: &str, part: &str, replacement: &str) -> Result<Self> {
        let compile = |pattern: &str| {
            Regex::new(pattern)
                .map_err(|error| Error::config(format!("{pattern} is not a regular expression")).cause(&error))
        };
        let part = compile(part)?;
        Ok(Self { path: compile(&format!(r"\A(?:{path})\z"))?, replacement: parts(&part, replacement)?, part })
    }

    fn apply(&self, path: &str, name: String) -> Result<String> {
        let gave_up = |error: fancy_regex::Error| Error::data("a regular expression took too long").cause(&error);
        if !self.path.is_match(path).map_err(gave_up)? {
            return Ok(name);
        }
        let replaced = self.part.try_replacen(&name, 0, |captures: &Captures<'_>| self.expand(captures));
        replaced.map(std::borrow::Cow::into_owned).map_err(gave_up)
    }

    fn expand(&self, captures: &Captures<'_>) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Group(group) => captures.get(*group).map_or("", |group| group.as_str()).to_owned(),
            Part::Named(name) => captures.name(name).map_or("", |group| group.as_str()).to_owned(),
        };
        self.replacement.iter().map(part).collect()
    }
}

fn parts(regex: &Regex, replacement: &str) -> Result<Vec<Part>> {
    let wrong = |what: String| Error::config(format!("replace {replacement}: {what}"));
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = replacement.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                plain.push(rest.next().ok_or_else(|| wrong("a character is missing after the backslash".to_owned()))?)
            }
            '$' => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(group(regex, &mut rest).map_err(wrong)?);
            }
            c => plain.push(c),
        }
    }
    parts.push(Part::Text(plain));
    Ok(parts)
}

fn group(regex: &Regex, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Part, String> {
    if rest.next_if_eq(&'{').is_some() {
        let name: String = rest.by_ref().take_while(|&c| c != '}').collect();
        let known = regex.capture_names().flatten().any(|known| known == name);
        return if known { Ok(Part::Named(name)) } else { Err(format!("there is no group {name}")) };
    }
    let digit = |c: Option<&char>| c.and_then(|c| c.to_digit(10)).map(|digit| digit as usize);
    let mut group = digit(rest.peek()).ok_or("a group's number must follow $")?;
    rest.next();
    // As in Java, digits belong to the number as long as there is such a group.
    while let Some(next) = digit(rest.peek()).map(|next| group * 10 + next)
        && next < regex.captures_len()
    {
        group = next;
        rest.next();
    }
    if group < regex.captures_len() { Ok(Part::Group(group)) } else { Err(format!("there is no group {group}")) }
}
