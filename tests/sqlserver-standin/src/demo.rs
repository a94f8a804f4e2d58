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

const TABLES: &[&str] = &[
    "CREATE TABLE dbo.customers (customer_id int IDENTITY(1,1) NOT NULL PRIMARY KEY, email nvarchar(200) NOT NULL UNIQUE,
         first_name nvarchar(80) NOT NULL, last_name nvarchar(80) NOT NULL, country char(2) NOT NULL,
         loyalty_tier varchar(10) NOT NULL, marketing_consent bit NOT NULL,
         created_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(), updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME())",
    "CREATE TABLE dbo.products (product_id int NOT NULL PRIMARY KEY, sku varchar(40) NOT NULL, name nvarchar(200) NOT NULL,
         category varchar(50) NOT NULL, price decimal(10,2) NOT NULL, stock int NOT NULL, description nvarchar(max) NULL,
         updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME())",
    "CREATE TABLE dbo.orders (order_id bigint IDENTITY(1,1) NOT NULL PRIMARY KEY, customer_id int NOT NULL,
         status varchar(20) NOT NULL, total money NOT NULL, currency char(3) NOT NULL,
         placed_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(), updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME())",
    "CREATE TABLE dbo.order_lines (order_id bigint NOT NULL, line_no smallint NOT NULL, product_id int NOT NULL,
         quantity int NOT NULL, price decimal(10,2) NOT NULL, PRIMARY KEY (order_id, line_no))",
];

const CUSTOMERS: u32 = 100;

const FIRST_NAMES: &[&str] = &["Ada", "Bartosz", "Chiara", "Daan", "Eilís", "Farid", "Greta", "Hiro", "Inés", "Jürgen"];
const LAST_NAMES: &[&str] =
    &["Novak", "Okafor", "Pereira", "Quist", "Rossi", "Sørensen", "Tanaka", "Ueda", "Vogel", "Zhou"];
const COUNTRIES: &[&str] = &["DE", "FR", "IT", "NL", "PL", "PT", "SE", "US"];
const TIERS: &[&str] = &["bronze", "silver", "gold"];
const STATUSES: &[&str] = &["paid", "packed", "shipped", "delivered"];

/// (name, category, price in cents)
const PRODUCTS: &[(&str, &str, u32)] = &[
    ("Trail running shoe", "shoes", 12900),
    ("Road running shoe", "shoes", 14900),
    ("Hiking boot", "shoes", 17900),
    ("Rain jacket", "jackets", 9900),
    ("Down jacket", "jackets", 21900),
    ("Merino shirt", "shirts", 5900),
    ("Running shorts", "shorts", 3900),
    ("Wool socks", "socks", 1400),
    ("Head lamp", "equipment", 4900),
    ("Water bottle", "equipment", 1900),
    ("Trekking poles", "equipment", 8900),
    ("Backpack 30 l", "equipment", 11900),
];

/// Makes the shop and captures its tables, unless it is there.
pub fn create(standin: &Standin) -> Result<(), SqlError> {
    let mut master = standin.local("master")?;
    if !master.query(&format!("SELECT 1 FROM sys.databases WHERE name = N'{DATABASE}'"))?.is_empty() {
        return Ok(());
    }
    master.run(&format!("CREATE DATABASE {DATABASE}"))?;
    let mut shop = standin.local(DATABASE)?;
    shop.run(&format!("ALTER DATABASE {DATABASE} SET ALLOW_SNAPSHOT_ISOLATION ON"))?;
    for table in TABLES {
        shop.run(table)?;
    }
    shop.run("EXEC sys.sp_cdc_enable_db")?;
    for table in ["customers", "products", "orders", "order_lines"] {
        shop.run(&format!(
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL"
        ))?;
    }
    fill(&mut shop)
}

fn fill(shop: &mut Local) -> Result<(), SqlError> {
    for (id, (name, category, cents)) in (1..).zip(PRODUCTS) {
        shop.run(&format!(
            "INSERT INTO dbo.products (product_id, sku, name, category, price, stock, description) \
             VALUES ({id}, 'SKU-{id:04}', N'{name}', '{category}', {}, 100, N'{name}, of our {category}.')",
            price(*cents)
        ))?;
    }
    let mut random = StdRng::seed_from_u64(1);
    for number in 1..=CUSTOMERS {
        new_customer(shop, &mut random, u64::from(number))?;
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
            // A panic of it was told on standard error.
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
            let (tier, customer) = (pick(random, TIERS), random.random_range(1..=CUSTOMERS));
            run(
                shop,
                &format!(
                    "UPDATE dbo.customers SET loyalty_tier = '{tier}', updated_at = SYSUTCDATETIME() WHERE customer_id = {customer}"
                ),
            )
        }
        2 => {
            let product = random.random_range(1..=PRODUCTS.len());
            let cents = PRODUCTS[product - 1].2 * random.random_range(80..120) / 100;
            run(
                shop,
                &format!(
                    "UPDATE dbo.products SET price = {}, updated_at = SYSUTCDATETIME() WHERE product_id = {product}",
                    price(cents)
                ),
            )
        }
        3 => run(
            shop,
            "DECLARE @oldest bigint = (SELECT MIN(order_id) FROM dbo.orders WHERE status = 'delivered'); \
             BEGIN TRANSACTION; DELETE FROM dbo.order_lines WHERE order_id = @oldest; \
             DELETE FROM dbo.orders WHERE order_id = @oldest; COMMIT TRANSACTION",
        ),
        4..12 => {
            let status = pick(random, STATUSES);
            run(
                shop,
                &format!(
                    "DECLARE @some bigint = (SELECT MAX(order_id) FROM dbo.orders) - {}; \
                 UPDATE dbo.orders SET status = '{status}', updated_at = SYSUTCDATETIME() WHERE order_id = @some",
                    random.random_range(0..50)
                ),
            )
        }
        _ => new_order(shop, random),
    }
}

fn new_customer(shop: &mut Local, random: &mut StdRng, number: u64) -> Result<(), SqlError> {
    let (first, last) = (pick(random, FIRST_NAMES), pick(random, LAST_NAMES));
    run(
        shop,
        &format!(
            "INSERT INTO dbo.customers (email, first_name, last_name, country, loyalty_tier, marketing_consent) \
         VALUES (N'customer{number}@example.com', N'{first}', N'{last}', '{}', '{}', {})",
            pick(random, COUNTRIES),
            pick(random, TIERS),
            u8::from(random.random_bool(0.7)),
        ),
    )
}

fn new_order(shop: &mut Local, random: &mut StdRng) -> Result<(), SqlError> {
    let lines: Vec<(usize, u32)> = (0..random.random_range(1..4))
        .map(|_| (random.random_range(0..PRODUCTS.len()), random.random_range(1..3)))
        .collect();
    let total: u32 = lines.iter().map(|(product, quantity)| PRODUCTS[*product].2 * quantity).sum();
    let mut sql = format!(
        "BEGIN TRANSACTION; INSERT INTO dbo.orders (customer_id, status, total, currency) \
         VALUES ({}, 'placed', {}, 'EUR'); DECLARE @order bigint = SCOPE_IDENTITY(); ",
        random.random_range(1..=CUSTOMERS),
        price(total)
    );
    for ((product, quantity), line) in lines.iter().zip(1..) {
        let id = product + 1;
        let each = price(PRODUCTS[*product].2);
        sql += &format!(
            "INSERT INTO dbo.order_lines (order_id, line_no, product_id, quantity, price) \
             VALUES (@order, {line}, {id}, {quantity}, {each}); \
             UPDATE dbo.products SET stock = stock - {quantity}, updated_at = SYSUTCDATETIME() WHERE product_id = {id}; "
        );
    }
    run(shop, &(sql + "COMMIT TRANSACTION"))
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
