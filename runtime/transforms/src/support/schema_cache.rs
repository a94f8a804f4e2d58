use std::sync::Arc;

use tributary_api::{Result, SchemaRef};

const CAPACITY: usize = 16;

/// A cache of the schemas that a transform has derived from others, compared by identity first: a task uses few of them
/// repeatedly.
#[derive(Debug, Default)]
pub(crate) struct SchemaCache(Vec<(SchemaRef, SchemaRef)>);

impl SchemaCache {
    /// The schema derived from this one; created if it is not cached.
    pub(crate) fn get(
        &mut self,
        schema: &SchemaRef,
        make: impl FnOnce(&SchemaRef) -> Result<SchemaRef>,
    ) -> Result<SchemaRef> {
        let known = self.0.iter().find(|(from, _)| Arc::ptr_eq(from, schema));
        if let Some((_, made)) = known.or_else(|| self.0.iter().find(|(from, _)| from == schema)) {
            return Ok(made.clone());
        }
        let made = make(schema)?;
        if self.0.len() == CAPACITY {
            self.0.remove(0);
        }
        self.0.push((schema.clone(), made.clone()));
        Ok(made)
    }
}
