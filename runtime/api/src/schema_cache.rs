use std::collections::VecDeque;
use std::sync::Arc;

use crate::{Result, SchemaRef};

const CAPACITY: usize = 64;

/// The schemas that a plugin derives from others, each from `N` source schemas. A task uses few schemas repeatedly, and
/// later stages compare schemas by identity: so the same sources give the same derived schema again, instead of an equal
/// one for each record. Sources are compared by identity first, then by value. The oldest of 64 entries gives way to a new
/// one.
///
/// ```
/// use std::sync::Arc;
/// use tributary_api::{Schema, SchemaCache, SchemaRef, SchemaType};
/// let mut renamed = SchemaCache::default();
/// let source = Schema::new(SchemaType::Int32).into_ref();
/// let mut rename = |source: &SchemaRef| renamed.get([source], || Ok(Schema::clone(source).named("price").into_ref()));
/// assert!(Arc::ptr_eq(&rename(&source)?, &rename(&source)?));
/// # Ok::<_, tributary_api::Error>(())
/// ```
#[derive(Debug)]
pub struct SchemaCache<const N: usize = 1>(VecDeque<([SchemaRef; N], SchemaRef)>);

impl<const N: usize> Default for SchemaCache<N> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<const N: usize> SchemaCache<N> {
    /// The schema that was derived from these sources before. If there is none, `derive` makes it.
    ///
    /// # Errors
    /// The error of `derive`, which is called again the next time.
    pub fn get(&mut self, sources: [&SchemaRef; N], derive: impl FnOnce() -> Result<SchemaRef>) -> Result<SchemaRef> {
        let identical =
            |known: &[SchemaRef; N]| known.iter().zip(sources).all(|(known, source)| Arc::ptr_eq(known, source));
        let equal = |known: &[SchemaRef; N]| known.iter().zip(sources).all(|(known, source)| known == source);
        let known = self.0.iter().find(|(known, _)| identical(known));
        if let Some((_, schema)) = known.or_else(|| self.0.iter().find(|(known, _)| equal(known))) {
            return Ok(SchemaRef::clone(schema));
        }
        let schema = derive()?;
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back((sources.map(SchemaRef::clone), SchemaRef::clone(&schema)));
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Error, Schema, SchemaType};

    fn source(name: &str) -> SchemaRef {
        Schema::new(SchemaType::String).named(name.to_owned()).into_ref()
    }

    #[test]
    fn equal_sources_give_the_same_schema_and_others_do_not() {
        let mut cache = SchemaCache::default();
        let mut get = |one: &str, other: &str| cache.get([&source(one), &source(other)], || Ok(source("new"))).unwrap();
        let first = get("a", "b");
        assert!(Arc::ptr_eq(&first, &get("a", "b")));
        assert!(!Arc::ptr_eq(&first, &get("b", "a")));
        assert!(!Arc::ptr_eq(&first, &get("a", "a")));
    }

    #[test]
    fn a_full_cache_drops_its_oldest_schema_and_keeps_no_error() {
        let mut cache = SchemaCache::<1>::default();
        let first = cache.get([&source("first")], || Ok(source("made"))).unwrap();
        for number in 1..CAPACITY {
            cache.get([&source(&number.to_string())], || Ok(source("made"))).unwrap();
        }
        assert!(Arc::ptr_eq(&first, &cache.get([&source("first")], || Ok(source("made again"))).unwrap()));
        assert!(cache.get([&source("one more")], || Err(Error::data("refused"))).is_err());
        assert!(Arc::ptr_eq(&first, &cache.get([&source("first")], || Ok(source("made again"))).unwrap()));
        cache.get([&source("one more")], || Ok(source("made"))).unwrap();
        assert!(!Arc::ptr_eq(&first, &cache.get([&source("first")], || Ok(source("made again"))).unwrap()));
    }
}
