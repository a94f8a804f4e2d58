use mongodb::bson::{Bson, Document};

/// Removes the fields that are null, in documents within it and in arrays of documents too.
pub(crate) fn remove_nulls(document: &mut Document) {
    let entries = std::mem::take(document);
    for (name, mut value) in entries {
        match &mut value {
            Bson::Null => continue,
            Bson::Document(inner) => remove_nulls(inner),
            Bson::Array(items) => items.iter_mut().filter_map(Bson::as_document_mut).for_each(remove_nulls),
            _ => {}
        }
        document.insert(name, value);
    }
}
