use std::collections::HashSet;
use std::sync::Arc;

use mongodb::bson::{RawBsonRef, RawDocument};
use tributary_api::{Error, Result};

use super::key::KeyDocument;
use super::raw;
use crate::model::Namespace;

/// The maximum number of cached names.
const REMEMBERED: usize = 4096;

/// Maps a topic's documents to collections.
#[derive(Debug)]
pub(crate) enum NamespaceMapper {
    /// All to the same collection.
    Default(Arc<Namespace>),
    /// To the collection named by fields of each record.
    FieldPath(FieldPaths),
}

/// The fields that name database and collection.
#[derive(Debug)]
pub(crate) struct FieldPaths {
    pub(crate) fallback: Arc<Namespace>,
    pub(crate) database: Option<FieldPath>,
    pub(crate) collection: Option<FieldPath>,
    /// `namespace.mapper.error.if.invalid`.
    pub(crate) strict: bool,
}

/// A field of the key or the value.
#[derive(Debug)]
pub(crate) struct FieldPath {
    pub(crate) in_key: bool,
    pub(crate) path: String,
}

/// Cached namespaces, which writes share.
#[derive(Debug, Default)]
pub(crate) struct Namespaces(HashSet<Arc<Namespace>>);

impl Namespaces {
    /// The namespace of a record.
    ///
    /// # Errors
    /// `Data` when a field is missing or names no valid namespace, and this is an error.
    pub(crate) fn of(
        &mut self,
        mapper: &NamespaceMapper,
        key: &mut KeyDocument<'_>,
        value: Option<&RawDocument>,
    ) -> Result<Arc<Namespace>> {
        let paths = match mapper {
            NamespaceMapper::Default(namespace) => return Ok(Arc::clone(namespace)),
            NamespaceMapper::FieldPath(paths) => paths,
        };
        let mut name = |field: &Option<FieldPath>, fallback: &str| -> Result<String> {
            let Some(field) = field else { return Ok(fallback.to_owned()) };
            let document = if field.in_key { key.get()? } else { value };
            match text(document, field) {
                Ok(name) => Ok(name),
                Err(error) if paths.strict => Err(error),
                Err(_) => Ok(fallback.to_owned()),
            }
        };
        let namespace = Namespace {
            database: name(&paths.database, &paths.fallback.database)?,
            collection: name(&paths.collection, &paths.fallback.collection)?,
        };
        if let Some(known) = self.0.get(&namespace) {
            return Ok(Arc::clone(known));
        }
        check(&namespace)?;
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let namespace = Arc::new(namespace);
        self.0.insert(Arc::clone(&namespace));
        Ok(namespace)
    }
}

fn text(document: Option<&RawDocument>, field: &FieldPath) -> Result<String> {
    let side = if field.in_key { "key" } else { "value" };
    let path = &field.path;
    let document = document
        .ok_or_else(|| Error::data(format!("the record has no {side}: its field {path} should name where to write")))?;
    match lookup(document, path)? {
        Some(RawBsonRef::String(text)) => Ok(text.to_owned()),
        Some(_) => {
            Err(Error::data(format!("the field {path} of the {side} is no text: it should name where to write")))
        }
        None => Err(Error::data(format!("the {side} has no field {path}: it should name where to write"))),
    }
}

/// A field by its whole path as a name, else level by level.
fn lookup<'a>(document: &'a RawDocument, path: &str) -> Result<Option<RawBsonRef<'a>>> {
    if let Some(value) = raw::get(document, path)? {
        return Ok(Some(value));
    }
    match path.split_once('.') {
        Some((first, rest)) if !path.ends_with('.') => match raw::get(document, first)? {
            Some(RawBsonRef::Document(inner)) => lookup(inner, rest),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Refuses names that MongoDB cannot have.
///
/// # Errors
/// `Data`.
pub(crate) fn check(namespace: &Namespace) -> Result<()> {
    let Namespace { database, collection } = namespace;
    if database.is_empty() || database.contains(['\0', '/', '\\', ' ', '"', '.']) {
        return Err(Error::data(format!(
            "{database:?} cannot be the name of a database: it must have characters, none of / \\ \" . or a space"
        )));
    }
    if collection.is_empty() || collection.contains('\0') {
        return Err(Error::data("a collection's name must have characters"));
    }
    Ok(())
}
