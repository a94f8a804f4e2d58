use std::borrow::Cow;
use std::collections::HashSet;

use mongodb::bson::{Bson, Document, RawBsonRef, RawDocument};
use tributary_api::{Error, Result};

use super::encoder::Encoder;
use super::raw;
use super::raw_post_processors::{copy, copy_items};

/// Keeps some fields of a document, or removes some. Fields are named by paths; `*` matches one level, `**` all below,
/// and `name*` for all fields that begin so.
#[derive(Debug)]
pub(crate) struct Projection {
    keeps: bool,
    fields: HashSet<String>,
    /// In the order given: removing one field may remove the fields of a later path.
    paths: Vec<String>,
    prefixes: Vec<String>,
    patterns: Vec<Vec<String>>,
    /// Whether all paths are names of top-level fields: the fast path.
    plain: bool,
}

impl Projection {
    /// Keeps the fields of a list separated by commas (`keeps`), or removes them.
    pub(crate) fn new(keeps: bool, list: &str) -> Self {
        let paths: Vec<String> =
            list.trim().split(',').map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned).collect();
        let mut fields: HashSet<String> = paths.iter().cloned().collect();
        if keeps {
            // Keeping a field keeps the documents that it is part of.
            for path in &paths {
                let above = path.match_indices('.').map(|(at, _)| path[..at].to_owned());
                fields.extend(above.filter(|above| !above.is_empty()));
            }
        }
        let plain = fields.iter().all(|field| !field.contains(['.', '*']));
        let is_prefix = |field: &&String| !field.contains('.') && *field != "*" && field.ends_with('*');
        let prefixes = fields.iter().filter(is_prefix).map(|field| field[..field.len() - 1].to_owned()).collect();
        let split = |field: &String| field.split('.').map(str::to_owned).collect::<Vec<_>>();
        let patterns = fields.iter().map(split).filter(|parts| parts.iter().any(|part| part == "*")).collect();
        Self { keeps, fields, paths, prefixes, patterns, plain }
    }

    /// The bytes of the projected document.
    pub(crate) fn project<'e>(&self, document: &RawDocument, out: &'e mut Encoder) -> Result<&'e [u8]> {
        if !(self.plain && self.project_plain(document, out)?) {
            let decoded = Document::try_from(document);
            let mut decoded = decoded.map_err(|error| Error::data("not valid BSON").cause(&error))?;
            self.apply(&mut decoded);
            out.load(&decoded)?;
        }
        Ok(out.bytes())
    }

    /// `false` when a nested document must be decoded.
    fn project_plain(&self, document: &RawDocument, out: &mut Encoder) -> Result<bool> {
        out.restart(false);
        for element in raw::elements(document) {
            let element = element?;
            if self.fields.contains(element.name) != self.keeps {
                continue;
            }
            if self.keeps && matches!(element.value, RawBsonRef::Document(_) | RawBsonRef::Array(_)) {
                return Ok(false);
            }
            out.name(element.name)?;
            out.value(element.value.element_type(), element.value_bytes());
        }
        out.finish()?;
        Ok(true)
    }

    /// Whether [`pass`](Self::pass) can do it.
    pub(crate) fn is_pass(&self) -> bool {
        self.keeps || !self.paths.iter().any(|path| path.contains('*'))
    }

    /// Copies the projected document.
    pub(crate) fn pass(&self, document: &RawDocument, out: &mut Encoder) -> Result<()> {
        out.restart(false);
        if self.keeps {
            self.copy_kept("", document, out)?;
        } else {
            let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
            copy_others(&paths, document, out)?;
        }
        out.finish()
    }

    fn copy_kept(&self, above: &str, document: &RawDocument, out: &mut Encoder) -> Result<()> {
        let all = self.fields.contains("**");
        for element in raw::elements(document) {
            let element = element?;
            let path = match above {
                "" => Cow::Borrowed(element.name),
                above => Cow::Owned(format!("{above}.{}", element.name)),
            };
            if !all && !self.fields.contains(&*path) && !self.matches(&path) {
                continue;
            }
            match element.value {
                RawBsonRef::Document(inner) if !all && !self.fields.contains(&format!("{path}.**")) => {
                    out.name(element.name)?;
                    out.begin_document()?;
                    self.copy_kept(&path, inner, out)?;
                    out.end();
                }
                RawBsonRef::Array(_) if !all => {
                    out.name(element.name)?;
                    copy_items(&element, out, |inner, out| self.copy_kept(&path, inner, out))?;
                }
                _ => copy(&element, out)?,
            }
        }
        Ok(())
    }

    /// Projects a document.
    pub(crate) fn apply(&self, document: &mut Document) {
        if self.keeps {
            self.keep("", document);
        } else {
            self.paths.iter().for_each(|path| remove(path, document));
        }
    }

    fn keep(&self, above: &str, document: &mut Document) {
        if self.fields.contains("**") {
            return;
        }
        let entries = std::mem::take(document);
        for (name, mut value) in entries {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            if !self.fields.contains(&path) && !self.matches(&path) {
                continue;
            }
            match &mut value {
                Bson::Document(inner) if !self.fields.contains(&format!("{path}.**")) => self.keep(&path, inner),
                Bson::Array(items) => {
                    items.iter_mut().filter_map(Bson::as_document_mut).for_each(|inner| self.keep(&path, inner));
                }
                _ => {}
            }
            document.insert(name, value);
        }
    }

    fn matches(&self, path: &str) -> bool {
        let parts = || path.split('.');
        self.prefixes.iter().any(|prefix| path.starts_with(prefix))
            || self.patterns.iter().any(|pattern| {
                pattern.len() == parts().count()
                    && pattern.iter().zip(parts()).all(|(one, part)| one == "*" || one == part)
            })
    }
}

/// Copies what none of the paths names; they hold no `*`.
fn copy_others(paths: &[&str], document: &RawDocument, out: &mut Encoder) -> Result<()> {
    for element in raw::elements(document) {
        let element = element?;
        let split = |path: &&str| path.split_once('.').map(|(first, _)| first == element.name);
        if paths.iter().any(|path| *path == element.name && split(path).is_none()) {
            continue;
        }
        let below = paths.iter().filter_map(|path| path.split_once('.'));
        let below: Vec<&str> = below.filter(|(first, _)| *first == element.name).map(|(_, rest)| rest).collect();
        match element.value {
            RawBsonRef::Document(inner) if !below.is_empty() => {
                out.name(element.name)?;
                out.begin_document()?;
                copy_others(&below, inner, out)?;
                out.end();
            }
            RawBsonRef::Array(_) if !below.is_empty() => {
                out.name(element.name)?;
                copy_items(&element, out, |inner, out| copy_others(&below, inner, out))?;
            }
            _ => copy(&element, out)?,
        }
    }
    Ok(())
}

/// Removes what a path names.
fn remove(path: &str, document: &mut Document) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (first, rest) {
        ("**", _) => document.clear(),
        ("*", rest) => {
            // Removes values that are no documents; follows the path into documents.
            let entries = std::mem::take(document);
            for (name, mut value) in entries {
                if let Bson::Document(inner) = &mut value {
                    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                        remove(rest, inner);
                    }
                    document.insert(name, value);
                }
            }
        }
        (name, None) => match name.strip_suffix('*') {
            Some(prefix) => {
                let entries = std::mem::take(document);
                document.extend(entries.into_iter().filter(|(name, _)| !name.starts_with(prefix)));
            }
            None => drop(document.remove(name)),
        },
        (name, Some(rest)) => match document.get_mut(name) {
            Some(Bson::Document(inner)) => remove(rest, inner),
            Some(Bson::Array(items)) => {
                items.iter_mut().filter_map(Bson::as_document_mut).for_each(|inner| remove(rest, inner));
            }
            _ => {}
        },
    }
}
