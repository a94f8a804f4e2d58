//! The reference pipeline with its customers, products and orders in SQL Server: what SQL changes is in the next click, in
//! the next decision and in the view of the customer.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tributary_tests::{Pipeline, SqlPipeline, Tributary, WorkerOptions, consume_all, customer, visit, wait_for};

const LIMIT: Duration = Duration::from_secs(120);
/// They come back to a product and linger: one has bought it in the meantime.
const LINGERS: u32 = 0;
const HAS_BOUGHT: u32 = 1;
const LINGERING: u32 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sql_changes_is_in_the_next_click_and_what_was_bought_brings_no_voucher() -> Result<()> {
    let sql = SqlPipeline::start().await?;
    let mut shop = sql.server.connect(SqlPipeline::DATABASE).await?;
    for number in [LINGERS, HAS_BOUGHT] {
        shop.run(&format!(
            "INSERT INTO dbo.customers (customer_id, name, email, segment, loyalty_tier, marketing_consent) \
             VALUES ('{0}', N'Customer {number}', N'{0}@example.com', 'living', 'bronze', 1)",
            customer(number)
        ))
        .await?;
    }
    let pipeline = Pipeline::new(0)?;
    let options = sql.options(pipeline.options(WorkerOptions::embedded()))?.set("demo.shop.enable", "false");
    let worker = Tributary::start(options).await?;
    sql.running(&worker.rest(), LIMIT).await?;
    let topic = Topics { bootstrap: worker.bootstrap() };
    topic.last("products", "armchair", |row| row["price"] == 449.0).await?;
    for number in [LINGERS, HAS_BOUGHT] {
        topic.last("customers", &customer(number), |row| row["loyalty_tier"] == "bronze").await?;
        send(&pipeline, number, 0, 1).await?;
        topic.last("clicks.enriched", &customer(number), |click| click["profile"]["loyalty_tier"] == "bronze").await?;
    }

    // What a monitoring system reads while the connector runs, under the names of Debezium.
    let metrics = worker.rest().get("/metrics").await?.text;
    for (metric, value) in [("SnapshotCompleted", "1"), ("RemainingTableCount", "0"), ("TotalTableCount", "1")] {
        let shown = metrics.lines().find(|line| {
            line.starts_with(&format!("kafka_connect_plugins_{metric}{{"))
                && ["connector=\"customers\"", "context=\"snapshot\"", "database=\"shop\"", "server=\"customers\""]
                    .iter()
                    .all(|label| line.contains(label))
        });
        assert!(shown.is_some_and(|line| line.ends_with(&format!("}} {value}"))), "{metric}: {shown:?}");
    }
    let progress = worker.rest().get("/connectors/customers/progress").await?.success()?;
    let measure = |name: &str| {
        let measures = progress["tasks"][0]["metrics"].as_array().into_iter().flatten();
        measures.filter(|measure| measure["name"] == name).cloned().collect::<Vec<Value>>()
    };
    assert_eq!(measure("RemainingTableCount")[0]["value"], 0.0, "{progress}");
    assert_eq!(measure("RowsScanned")[0]["tags"]["table"], "dbo.customers", "{progress}");
    assert_eq!(worker.rest().get("/connectors/none/progress").await?.status, 404);

    shop.run(&format!(
        "BEGIN TRANSACTION; UPDATE dbo.customers SET loyalty_tier = 'gold' WHERE customer_id LIKE 't-%'; \
         INSERT INTO dbo.orders (order_id, customer_id, product_id, quantity, total, currency, status) \
         VALUES ('o-1', '{}', 'armchair', 1, 449, 'EUR', 'placed'); COMMIT",
        customer(HAS_BOUGHT)
    ))
    .await?;
    topic.last("customers", &customer(LINGERS), |row| row["loyalty_tier"] == "gold").await?;
    topic.last("customers", &customer(HAS_BOUGHT), |row| row["loyalty_tier"] == "gold").await?;
    topic.last("customer.view", &customer(HAS_BOUGHT), |view| view["orders"][0]["order_id"] == "o-1").await?;

    // The one with a voucher comes last: what is decided about the other one is decided by then.
    for number in [HAS_BOUGHT, LINGERS] {
        send(&pipeline, number, 1, LINGERING).await?;
    }
    topic.last("offers", &customer(LINGERS), |offer| offer["product_id"] == "armchair").await?;
    for number in [LINGERS, HAS_BOUGHT] {
        let last = format!("e-{number}-1-{}", LINGERING - 1);
        let gold = |click: &Value| click["event_id"] == *last && click["profile"]["loyalty_tier"] == "gold";
        topic.last("clicks.enriched", &customer(number), gold).await?;
    }
    let offered = consume_all(&topic.bootstrap, "offers", false).await?;
    let to: Vec<String> = offered.iter().map(tributary_tests::Message::key_text).collect();
    assert_eq!(to, [customer(LINGERS)]);

    let view = topic.last("customer.view", &customer(HAS_BOUGHT), |view| view["products"][0]["views"] == 2).await?;
    assert_eq!(view["profile"]["email"], "t-00001@example.com");
    assert_eq!(view["profile"]["loyalty_tier"], "gold");
    assert_eq!(view["consent"]["marketing"], true);
    assert_eq!(view["orders"][0]["product_id"], "armchair");
    assert_eq!(view["products"][0]["product_id"], "armchair");
    let types = consume_all(&topic.bootstrap, "clicks.enriched", false).await?;
    assert!(types.iter().all(|click| !click.text().contains("\"type\":\"order\"")), "an order is no click");
    Ok(())
}

async fn send(pipeline: &Pipeline, person: u32, number: u32, events: u32) -> Result<()> {
    let (token, events) = (pipeline.token(person)?, visit(person, number, "armchair", events));
    pipeline.send(&reqwest::Client::new(), &token, &events, LIMIT).await.map(drop)
}

struct Topics {
    bootstrap: String,
}

impl Topics {
    /// The last record of a key, once it is as wanted.
    async fn last(&self, topic: &str, key: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let wanted = &wanted;
        wait_for(LIMIT, &format!("{key} in {topic}"), || async move {
            let messages = consume_all(&self.bootstrap, topic, false).await.ok()?;
            let last = messages.iter().rfind(|message| message.key_text() == key)?;
            let value = serde_json::from_str(&last.text()).ok()?;
            wanted(&value).then_some(value)
        })
        .await
    }
}
