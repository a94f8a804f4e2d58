use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

/// Something to buy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The id, part of its page's address.
    pub product_id: String,
    /// The name.
    pub name: String,
    /// A sentence or two.
    pub description: String,
    /// The price in cents.
    pub price_cents: u64,
    /// A character that stands in for a picture.
    pub picture: String,
}

impl Product {
    /// The price as people read it.
    pub(crate) fn price(&self) -> String {
        format!("€ {}.{:02}", self.price_cents / 100, self.price_cents % 100)
    }
}

/// Reads a file with a JSON array of products.
///
/// # Errors
/// When it cannot be read or is not that.
pub fn read_products(path: &Path) -> Result<Vec<Product>> {
    let text = std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let products = serde_json::from_slice(&text);
    products.map_err(|source| Error::Format { path: path.to_owned(), line: source.line(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_have_two_digits_behind_the_point() {
        let product = |price_cents| Product {
            product_id: String::new(),
            name: String::new(),
            description: String::new(),
            price_cents,
            picture: String::new(),
        };
        assert_eq!(product(129_905).price(), "€ 1299.05");
    }
}
