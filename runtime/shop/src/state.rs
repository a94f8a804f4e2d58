use tributary_clickstream::session::{CookieOptions, Signer};

use crate::{DemoCustomer, Product, ShopOptions};

/// What all requests share.
pub(crate) struct ShopState {
    pub(crate) options: ShopOptions,
    pub(crate) signer: Signer,
    pub(crate) cookie: CookieOptions,
}

impl ShopState {
    pub(crate) fn new(options: ShopOptions, signer: Signer, cookie: &str) -> Self {
        // The shop of the demo has no HTTPS.
        Self { options, signer, cookie: CookieOptions { name: cookie.to_owned(), secure: false } }
    }

    pub(crate) fn customer(&self, id: &str) -> Option<&DemoCustomer> {
        self.options.customers.iter().find(|customer| customer.customer_id == id)
    }

    pub(crate) fn product(&self, id: &str) -> Option<&Product> {
        self.options.products.iter().find(|product| product.product_id == id)
    }

    /// Where a page finds the connectors. Cookies belong to a host's name: a page of localhost asks localhost.
    pub(crate) fn collector(&self, host: Option<&str>) -> String {
        let collector = self.options.collector.trim_end_matches('/');
        let is_localhost = host.is_some_and(|host| host.split(':').next() == Some("localhost"));
        if is_localhost { collector.replace("//127.0.0.1", "//localhost") } else { collector.to_owned() }
    }
}
