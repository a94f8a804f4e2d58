use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

/// Something to buy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The id, part of its page's address.
    pub product_id: String,
    /// The name.
    pub name: String,
    /// A sentence or two.
    pub description: String,
    /// The price in cents.
    pub price_cents: u64,
    /// An SVG document, which becomes part of the page as it is.
    pub picture: String,
}

impl Product {
    /// The price as people read it.
    pub(crate) fn price(&self) -> String {
        format!("€ {}.{:02}", self.price_cents / 100, self.price_cents % 100)
    }
}

/// A product in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    product_id: String,
    name: String,
    description: String,
    price_cents: u64,
    /// The path of an SVG file, relative to the folder of the products' file.
    picture: String,
}

/// Reads a file with a JSON array of products, and their pictures.
///
/// # Errors
/// When the file or a picture cannot be read or has another format.
pub fn read_products(path: &Path) -> Result<Vec<Product>> {
    let text = read(path)?;
    let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|source| Error::Format {
        path: path.to_owned(),
        line: source.line(),
        source,
    })?;
    entries.into_iter().map(|entry| with_picture(entry, path)).collect()
}

fn with_picture(entry: Entry, products: &Path) -> Result<Product> {
    let path = products.with_file_name(&entry.picture);
    let picture = read(&path)?;
    if !picture.starts_with("<svg ") {
        return Err(Error::Picture { path });
    }
    let Entry { product_id, name, description, price_cents, .. } = entry;
    Ok(Product { product_id, name, description, price_cents, picture })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn prices_have_two_digits_after_the_point() {
        let product = |price_cents| Product {
            product_id: String::new(),
            name: String::new(),
            description: String::new(),
            price_cents,
            picture: String::new(),
        };
        assert_eq!(product(129_905).price(), "€ 1299.05");
    }

    #[test]
    fn a_picture_that_is_missing_or_no_svg_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("products.json");
        let product =
            r#"[{"product_id": "a", "name": "A", "description": "", "price_cents": 1, "picture": "pictures/a.svg"}]"#;
        std::fs::write(&file, product).unwrap();
        let error = read_products(&file).unwrap_err().to_string();
        assert!(error.contains("pictures/a.svg"), "{error}");
        std::fs::create_dir(folder.path().join("pictures")).unwrap();
        std::fs::write(folder.path().join("pictures/a.svg"), "<html>").unwrap();
        let error = read_products(&file).unwrap_err().to_string();
        assert!(error.contains("pictures/a.svg") && error.contains("<svg"), "{error}");
        std::fs::write(folder.path().join("pictures/a.svg"), "<svg />").unwrap();
        assert_eq!(read_products(&file).unwrap()[0].picture, "<svg />");
    }
}
