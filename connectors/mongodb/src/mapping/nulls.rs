use mongodb::bson::{Bson, Document};

/// Removes the fields that are null, in documents within it and in arrays of documents too.
pub(crate) fn remove_nulls(document: &mut Document) {
    let mut nulls = Vec::new();
    for (name, value) in document.iter_mut() {
        match value {
            Bson::Null => nulls.push(name.clone()),
            Bson::Document(inner) => remove_nulls(inner),
            Bson::Array(items) => items.iter_mut().filter_map(Bson::as_document_mut).for_each(remove_nulls),
            _ => {}
        }
    }
    for name in nulls {
        document.remove(name);
    }
}
