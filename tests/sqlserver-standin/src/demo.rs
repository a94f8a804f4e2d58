//! The demo: a shop's database that is captured, and changes to it at a steady rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{Local, Standin, data::SqlError};

/// The demo's database.
pub const DATABASE: &str = "shop";

/// Makes the database and its tables, which are the same on a real server: batches with `GO` between.
const SHOP: &str = include_str!("../../../configs/sqlserver/shop.sql");

/// Besides those of the script, who can log in to the demo shop.
const CUSTOMERS: u32 = 100;

const FIRST_NAMES: &[&str] = &["Ada", "Bartosz", "Chiara", "Daan", "Eilís", "Farid", "Greta", "Hiro", "Inés", "Jürgen"];
const LAST_NAMES: &[&str] =
    &["Novak", "Okafor", "Pereira", "Quist", "Rossi", "Sørensen", "Tanaka", "Ueda", "Vogel", "Zhou"];
const SEGMENTS: &[&str] = &["living", "outdoor", "mobility", "new"];
const TIERS: &[&str] = &["bronze", "silver", "gold"];
const STATUSES: &[&str] = &["paid", "packed", "shipped", "delivered"];

/// The script's products, with their prices in cents.
const PRODUCTS: &[(&str, u32)] =
    &[("armchair", 44900), ("lamp", 8950), ("kettle", 5490), ("bicycle", 109900), ("tent", 27900), ("radio", 12900)];

/// Makes the shop and captures its tables, unless it is there.
pub fn create(standin: &Standin) -> Result<(), SqlError> {
    let mut session = standin.local("master")?;
    if !session.query(&format!("SELECT 1 FROM sys.databases WHERE name = N'{DATABASE}'"))?.is_empty() {
        return Ok(());
    }
    for batch in SHOP.split("\nGO\n").filter(|batch| !batch.trim().is_empty()) {
        session.run(batch)?;
    }
    let mut random = StdRng::seed_from_u64(1);
    for number in 1..=CUSTOMERS {
        new_customer(&mut session, &mut random, u64::from(number))?;
    }
    Ok(())
}

/// Changes at a steady rate; its drop ends them.
#[derive(Debug)]
pub struct Generator {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Generator {
    /// Makes about so many transactions a second: orders, what becomes of them, prices, stocks, customers.
    pub fn start(standin: &Standin, per_second: u32) -> Result<Generator, SqlError> {
        let shop = standin.local(DATABASE)?;
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = {
            let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
            thread::Builder::new()
                .name("generator".to_owned())
                .spawn(move || generate(shop, per_second.max(1), &stop, &made))
                .map_err(|e| SqlError::new(701, 17, 123, format!("cannot start the generator: {e}")))?
        };
        Ok(Generator { stop, made, thread: Some(thread) })
    }

    /// The transactions so far.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic has already been reported on standard error.
            let _ = thread.join();
        }
    }
}

fn generate(mut shop: Local, per_second: u32, stop: &AtomicBool, made: &AtomicU64) {
    let mut random = StdRng::from_os_rng();
    let begun = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        let number = made.load(Ordering::Relaxed);
        let due = begun + Duration::from_secs_f64(number as f64 / f64::from(per_second));
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            thread::park_timeout(left);
            continue;
        }
        if let Err(error) = change(&mut shop, &mut random, number) {
            tracing::warn!(%error, "a change of the demo failed");
            // The next statement begins anew.
            let _ = shop.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
        }
        made.fetch_add(1, Ordering::Relaxed);
    }
}

fn change(shop: &mut Local, random: &mut StdRng, number: u64) -> Result<(), SqlError> {
    match random.random_range(0..20) {
        0 => new_customer(shop, random, 1_000_000 + number),
        1 => {
            let (tier, customer) = (pick(random, TIERS), customer(random));
            run(
                shop,
                &format!(
                    "UPDATE dbo.customers SET loyalty_tier = '{tier}', updated_at = SYSUTCDATETIME() \
                     WHERE customer_id = '{customer}'"
                ),
            )
        }
        2 => {
            let (product, cents) = PRODUCTS[random.random_range(0..PRODUCTS.len())];
            let cents = cents * random.random_range(80..120) / 100;
            run(
                shop,
                &format!(
                    "UPDATE dbo.products SET price = {}, updated_at = SYSUTCDATETIME() WHERE product_id = '{product}'",
                    price(cents)
                ),
            )
        }
        3 => run(
            shop,
            "DELETE FROM dbo.orders WHERE order_id = (SELECT MIN(order_id) FROM dbo.orders WHERE status = 'delivered')",
        ),
        4..12 => {
            let status = pick(random, STATUSES);
            let order = order_id(number.saturating_sub(random.random_range(0..50)));
            run(shop, &format!("UPDATE dbo.orders SET status = '{status}' WHERE order_id = '{order}'"))
        }
        _ => new_order(shop, random, number),
    }
}

fn new_customer(shop: &mut Local, random: &mut StdRng, number: u64) -> Result<(), SqlError> {
    let (first, last) = (pick(random, FIRST_NAMES), pick(random, LAST_NAMES));
    run(
        shop,
        &format!(
            "INSERT INTO dbo.customers (customer_id, name, email, segment, loyalty_tier, marketing_consent) \
             VALUES ('c-{}', N'{first} {last}', N'customer{number}@example.com', '{}', '{}', {})",
            2000 + number,
            pick(random, SEGMENTS),
            pick(random, TIERS),
            u8::from(random.random_bool(0.7)),
        ),
    )
}

fn new_order(shop: &mut Local, random: &mut StdRng, number: u64) -> Result<(), SqlError> {
    let ((product, cents), quantity) = (PRODUCTS[random.random_range(0..PRODUCTS.len())], random.random_range(1..3));
    run(
        shop,
        &format!(
            "BEGIN TRANSACTION; \
             INSERT INTO dbo.orders (order_id, customer_id, product_id, quantity, total, currency, status) \
             VALUES ('{}', '{}', '{product}', {quantity}, {}, 'EUR', 'placed'); \
             UPDATE dbo.products SET stock = stock - {quantity}, updated_at = SYSUTCDATETIME() WHERE product_id = '{product}'; \
             COMMIT TRANSACTION",
            order_id(number),
            customer(random),
            price(cents * quantity),
        ),
    )
}

/// None of those who can log in: what they bought is up to who tries the demo.
fn customer(random: &mut StdRng) -> String {
    format!("c-{}", 2000 + random.random_range(1..=CUSTOMERS))
}

fn order_id(number: u64) -> String {
    format!("o-{number:08}")
}

fn run(shop: &mut Local, sql: &str) -> Result<(), SqlError> {
    shop.run(sql).map(|_| ())
}

fn pick<'a>(random: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[random.random_range(0..from.len())]
}

fn price(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
