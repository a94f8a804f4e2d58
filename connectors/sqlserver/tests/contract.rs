//! Runs the contract battery: of the source against the stand-in for SQL Server, and of the transforms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "standin/server.rs"]
mod server;

use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tributary_api::{Datum, Plugin, PluginKind, Props, Record, Schema, SchemaType, Struct, Value, async_trait};
use tributary_testkit::battery::{self, SourceSubject, TransformationSubject, Violation};

use self::server::{DATABASE, PASSWORD, Server, USER};

/// A captured table.
struct Table(Server);

impl Table {
    fn new() -> Self {
        let columns = ("items", "id int IDENTITY PRIMARY KEY, item nvarchar(100) NOT NULL");
        Self(block_in_place(|| Handle::current().block_on(Server::start(&[columns]))))
    }
}

#[async_trait]
impl SourceSubject for Table {
    fn plugin(&self) -> Plugin {
        tributary_sqlserver::plugins().into_iter().next().unwrap()
    }

    fn props(&self) -> Props {
        let port = self.0.port.to_string();
        let settings = [
            ("database.hostname", "127.0.0.1"),
            ("database.port", &port),
            ("database.user", USER),
            ("database.password", PASSWORD),
            ("database.names", DATABASE),
            ("driver.encrypt", "false"),
            ("topic.prefix", "server"),
            ("poll.interval.ms", "5"),
        ];
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    async fn feed(&mut self, items: &[String]) {
        let rows: Vec<String> = items.iter().map(|item| format!("(N'{}')", item.replace('\'', "''"))).collect();
        self.0.change(&[&format!("INSERT INTO dbo.items (item) VALUES {}", rows.join(", "))]).await;
    }

    fn item(&self, record: &Record) -> Option<String> {
        record.value.value.path("after.item")?.as_str().map(str::to_owned)
    }

    /// A snapshot that is interrupted starts again, as Debezium's does, so items can come twice. Restarts are tested in
    /// `tests/standin`.
    fn replays(&self) -> bool {
        false
    }
}

/// A transform with the records that it is given.
struct Transform(Plugin);

impl TransformationSubject for Transform {
    fn plugin(&self) -> Plugin {
        self.0.clone()
    }

    fn props(&self) -> Props {
        let props: &[(&str, &str)] = match self.0.description.class.ends_with("ByLogicalTableRouter") {
            true => &[("topic.regex", "(.*)s"), ("topic.replacement", "$1")],
            false => &[("add.fields", "op"), ("add.headers", "op"), ("delete.tombstone.handling.mode", "rewrite")],
        };
        props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn records(&self) -> Vec<Record> {
        let number = Schema::new(SchemaType::Int32).into_ref();
        let row = Schema::structure([("id", number)]).optional().into_ref();
        let text = Schema::new(SchemaType::String).into_ref();
        let fields = [("before", row.clone()), ("after", row.clone()), ("op", text)];
        let envelope = Schema::structure(fields).named("orders.Envelope").into_ref();
        let id = || Value::from(Struct::new(row.clone(), vec![Value::Int32(1)]).unwrap());
        let change = |before, after, op: &'static str| {
            let value = Struct::new(envelope.clone(), vec![before, after, op.into()]).unwrap();
            let record = Record::new("orders", Datum::new(envelope.clone(), value)).at(1_000);
            record.with_key(Datum::new(row.clone(), id()))
        };
        vec![change(Value::Null, id(), "c"), change(id(), id(), "u"), change(id(), Value::Null, "d")]
    }
}

#[test]
fn the_transforms_keep_the_contract() {
    let plugins = tributary_sqlserver::plugins().into_iter();
    for plugin in plugins.filter(|plugin| plugin.description.kind == PluginKind::Transformation) {
        let class = plugin.description.class.clone();
        assert_eq!(battery::transformation(&Transform(plugin)), [], "{class}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_keeps_the_contract() {
    assert_eq!(battery::source(Table::new).await, Vec::<Violation>::new());
}
