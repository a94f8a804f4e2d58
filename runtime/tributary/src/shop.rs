//! The demo shop, which runs with the embedded broker: the website of the reference pipeline.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use tributary_embedded::private_folder;
use tributary_shop::{Shop, ShopOptions, read_customers, read_products, write_customer_table};

use crate::settings::Settings;
use crate::shared_values::SharedValues;

/// In the configs folder: customers and products. In the data folder: the customers as a table.
const FOLDER: &str = "demo";
const CUSTOMERS: &str = "customers.jsonl";
const PRODUCTS: &str = "products.json";

/// Starts it, unless it is disabled or its files are missing, and shares values with connectors: `shop.origins`, its
/// origins for browsers, and `demo.customers.file`, the table of customers that a file source reads.
pub(crate) async fn start(settings: &Settings, shared: &mut SharedValues) -> Result<Option<Shop>> {
    let files = settings.configs.join(FOLDER);
    let present = settings.embedded && exists(&files.join(CUSTOMERS))? && exists(&files.join(PRODUCTS))?;
    if !settings.flag_or("demo.shop.enable", present)? {
        return Ok(None);
    }
    let needed = |name: &str| shared.get(name).with_context(|| format!("set shared.{name}: the demo shop needs it"));
    let options = ShopOptions {
        listen: SocketAddr::new(host(settings)?, settings.port("demo.shop.port")?),
        collector: match settings.text("demo.shop.collector.url")? {
            Some(url) => url.to_owned(),
            None => format!("http://{}", needed("collect.listen")?),
        },
        session_secret: needed("session.secret")?.to_owned(),
        customers: read_customers(&files.join(CUSTOMERS))?,
        products: read_products(&files.join(PRODUCTS))?,
        heartbeat: settings.duration("demo.shop.heartbeat.ms")?,
        min_visit: settings.duration("demo.shop.min.visit.ms")?,
        linger: settings.duration("demo.shop.linger.ms")?,
    };
    let table = settings.data.join(FOLDER).join(CUSTOMERS);
    if let Some(folder) = table.parent() {
        private_folder(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    write_customer_table(&options.customers, &table, SystemTime::now())?;
    let table = std::path::absolute(&table).with_context(|| format!("make {} absolute", table.display()))?;
    shared.add_missing("demo.customers.file", table.to_string_lossy());
    let shop = Shop::start(options).await.context("start the demo shop")?;
    shared.add_missing("shop.origins", origins(shop.addr()));
    Ok(Some(shop))
}

fn host(settings: &Settings) -> Result<IpAddr> {
    let Some(text) = settings.text("demo.shop.host")? else { return Ok(Ipv4Addr::LOCALHOST.into()) };
    text.parse().with_context(|| format!("demo.shop.host is {text}: write an IP address of this machine, or 0.0.0.0"))
}

/// The origin with its address, and the one with `localhost`. If it listens on all addresses, the loopback address is
/// used.
fn origins(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address},http://localhost:{}", address.port())
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().with_context(|| format!("look for {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::settings::Written;

    fn settings(configs: &Path, data: &Path, more: &[(&str, &str)]) -> Settings {
        let props = [&[("demo.shop.port", "0")], more].concat();
        let written = Written { configs: configs.to_owned(), data: data.to_owned(), ..Written::for_test(&props) };
        written.parse().unwrap()
    }

    fn shared(settings: &Settings) -> SharedValues {
        let mut shared = SharedValues::new(settings).unwrap();
        shared.add_missing("collect.listen", "127.0.0.1:1");
        shared.add_missing("session.secret", "0123456789abcdef0123456789abcdef");
        shared
    }

    #[tokio::test]
    async fn it_starts_with_the_projects_own_files_and_configures_connectors() {
        let data = tempfile::tempdir().unwrap();
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let settings = settings(&configs, data.path(), &[]);
        let mut shared = shared(&settings);
        let shop = start(&settings, &mut shared).await.unwrap().unwrap();
        let port = shop.addr().port();
        assert_eq!(shared.get("shop.origins").unwrap(), format!("http://127.0.0.1:{port},http://localhost:{port}"));
        assert!(std::fs::metadata(shared.get("demo.customers.file").unwrap()).unwrap().len() > 0);
        shop.shutdown().await;
    }

    #[tokio::test]
    async fn in_a_container_it_listens_on_all_addresses_and_browsers_come_by_loopback() {
        let data = tempfile::tempdir().unwrap();
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let collector = ("demo.shop.collector.url", "http://127.0.0.1:8082");
        let settings_of = |host| settings(&configs, data.path(), &[("demo.shop.host", host), collector]);
        let settings = settings_of("0.0.0.0");
        let mut shared = shared(&settings);
        let shop = start(&settings, &mut shared).await.unwrap().unwrap();
        let port = shop.addr().port();
        assert!(shop.addr().ip().is_unspecified());
        assert_eq!(shared.get("shop.origins").unwrap(), format!("http://127.0.0.1:{port},http://localhost:{port}"));
        shop.shutdown().await;
        let error = start(&settings_of("shop"), &mut shared).await.unwrap_err();
        assert!(format!("{error:#}").contains("demo.shop.host is shop"), "{error:#}");
    }

    #[tokio::test]
    async fn it_needs_its_files_only_when_enabled() {
        let empty = tempfile::tempdir().unwrap();
        let unasked = settings(empty.path(), empty.path(), &[]);
        assert!(start(&unasked, &mut shared(&unasked)).await.unwrap().is_none());
        let asked = settings(empty.path(), empty.path(), &[("demo.shop.enable", "true")]);
        let error = start(&asked, &mut shared(&asked)).await.unwrap_err();
        assert!(format!("{error:#}").contains(CUSTOMERS), "{error:#}");
    }
}
