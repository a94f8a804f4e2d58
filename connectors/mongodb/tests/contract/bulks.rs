//! Grouping of writes into commands.

use mongodb::bson::Document;
use tributary_api::{Record, Value};

use crate::double::{Double, EIGHT, Fault, SET, SEVEN, ServerKind, failure};
use crate::support::{BY_KEY, BY_PLACE, OTHER, TOPIC, Task, UNORDERED, keyed, number, numbers, record};

/// Records of two topics in turn.
fn interleaved(count: i64) -> Vec<Record> {
    (0..count).map(|offset| record(if offset % 2 == 0 { TOPIC } else { OTHER }, offset, number(offset))).collect()
}

/// Command, collection, and how many writes.
fn sent(double: &Double) -> Vec<(String, String, usize)> {
    let one = |command: Document| {
        let (name, target) = command.iter().next().unwrap();
        let target = target.as_str().unwrap_or_default().to_owned();
        let writes = ["documents", "updates", "deletes", "ops"].iter().find_map(|array| command.get_array(array).ok());
        (name.clone(), target, writes.unwrap().len())
    };
    double.take_commands().into_iter().map(one).collect()
}

fn update(collection: &str, count: usize) -> (String, String, usize) {
    ("update".to_owned(), collection.to_owned(), count)
}

#[tokio::test]
async fn interleaved_topics_make_one_command_for_each_collection() {
    let double = Double::start(SEVEN);
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    task.put(&interleaved(100)).await.unwrap();
    let mut commands = sent(&double);
    commands.sort();
    assert_eq!(commands, [update("orders", 50), update("returns", 50)]);
    assert_eq!(numbers(&double.documents("shop.orders")), (0..100).step_by(2).collect::<Vec<_>>());
    assert_eq!(numbers(&double.documents("shop.returns")), (1..100).step_by(2).collect::<Vec<_>>());
}

#[tokio::test]
async fn from_8_0_on_one_command_writes_all_collections() {
    let double = Double::start(EIGHT);
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    task.put(&interleaved(100)).await.unwrap();
    assert_eq!(sent(&double), [("bulkWrite".to_owned(), String::new(), 100)]);
    assert_eq!(numbers(&double.documents("shop.orders")), (0..100).step_by(2).collect::<Vec<_>>());
    assert_eq!(numbers(&double.documents("shop.returns")), (1..100).step_by(2).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_user_without_the_right_to_bulk_write_writes_all_the_same() {
    let double = Double::start(EIGHT);
    double.fault("bulkWrite", Fault::Answer(failure(13, "not authorized on admin to execute command bulkWrite")));
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    task.put(&interleaved(10)).await.unwrap();
    task.put(&interleaved(10)).await.unwrap();
    let mut commands = sent(&double);
    commands[1..].sort();
    let single = [update("orders", 5), update("orders", 5), update("returns", 5), update("returns", 5)];
    assert_eq!(commands[0].0, "bulkWrite");
    assert_eq!(commands[1..], single);
    assert_eq!(double.documents("shop.orders").len(), 5);
}

#[tokio::test]
async fn bulks_are_split_at_their_size_and_at_the_servers_limits() {
    let records: Vec<Record> = (0..10).map(|offset| record(TOPIC, offset, number(offset))).collect();
    for (kind, more, expected) in [
        (SEVEN, &[("max.batch.size", "4")][..], vec![4, 4, 2]),
        (ServerKind { max_writes: 3, ..SEVEN }, &[], vec![3, 3, 3, 1]),
        (ServerKind { max_writes: 3, ..EIGHT }, &[], vec![3, 3, 3, 1]),
        (ServerKind { max_writes: 3, ..SEVEN }, &[("max.batch.size", "9")], vec![3, 3, 3, 1]),
    ] {
        let double = Double::start(kind);
        let mut task = Task::start(&double, &[&[BY_PLACE], more].concat()).await;
        task.put(&records).await.unwrap();
        assert_eq!(sent(&double).into_iter().map(|(.., count)| count).collect::<Vec<_>>(), expected);
        assert_eq!(numbers(&double.documents("shop.orders")), (0..10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn no_command_is_longer_than_the_server_accepts() {
    let long = Value::string("x".repeat(10_000));
    let records: Vec<Record> = (0..20)
        .map(|offset| record(TOPIC, offset, Value::map([("n", Value::Int64(offset)), ("text", long.clone())])))
        .collect();
    let most = 60_000;
    let double = Double::start(ServerKind { max_message: most, ..SEVEN });
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    task.put(&records).await.unwrap();
    let commands = double.take_commands();
    let lengths: Vec<usize> =
        commands.iter().map(|command| mongodb::bson::serialize_to_vec(command).unwrap().len()).collect();
    assert!(
        lengths.len() >= 4 && lengths.iter().all(|length| *length <= usize::try_from(most).unwrap()),
        "{lengths:?}"
    );
    assert_eq!(numbers(&double.documents("shop.orders")), (0..20).collect::<Vec<_>>());
}

/// Changes of the documents 0 to 4, and in between the deletion of others.
fn changes_and_deletions() -> Vec<Record> {
    let pair = |n: i64| [keyed(TOPIC, 2 * n, n, number(n)), keyed(TOPIC, 2 * n + 1, 100 + n, Value::Null)];
    (0..5).flat_map(pair).collect()
}

#[tokio::test]
async fn in_order_each_change_of_command_is_a_command() {
    let double = Double::start(SEVEN);
    let mut task = Task::start(&double, &BY_KEY).await;
    task.put(&changes_and_deletions()).await.unwrap();
    assert_eq!(sent(&double).len(), 10);
}

#[tokio::test]
async fn without_order_writes_join_others_of_their_kind() {
    let double = Double::start(SEVEN);
    let mut task = Task::start(&double, &[&BY_KEY[..], &[UNORDERED]].concat()).await;
    task.put(&changes_and_deletions()).await.unwrap();
    assert_eq!(sent(&double), [update("orders", 5), ("delete".to_owned(), "orders".to_owned(), 5)]);
}

#[tokio::test]
async fn without_order_no_write_passes_one_of_the_same_id() {
    let double = Double::start(SEVEN);
    let mut task = Task::start(&double, &[&BY_KEY[..], &[UNORDERED]].concat()).await;
    let records = [
        keyed(TOPIC, 0, 1, number(1)),
        keyed(TOPIC, 1, 1, Value::Null),
        keyed(TOPIC, 2, 2, number(2)),
        keyed(TOPIC, 3, 1, number(3)),
        keyed(TOPIC, 4, 2, Value::Null),
    ];
    task.put(&records).await.unwrap();
    assert_eq!(numbers(&double.documents("shop.orders")), [3]);
    let counts: Vec<_> = sent(&double).into_iter().map(|(name, _, count)| (name, count)).collect();
    let expected = [("update", 2), ("delete", 2), ("update", 1)];
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
}

#[tokio::test]
async fn the_uris_write_concern_is_used() {
    for (kind, name) in [(SEVEN, "update"), (EIGHT, "bulkWrite")] {
        let double = Double::start(kind);
        let uri = format!("{}&w=majority&wtimeoutMS=700&journal=true", double.uri());
        let mut task = Task::start(&double, &[BY_PLACE, ("connection.uri", &uri)]).await;
        task.put(&[record(TOPIC, 0, number(0))]).await.unwrap();
        let command = double.take_commands().remove(0);
        assert!(command.contains_key(name), "{command}");
        let concern = command.get_document("writeConcern").unwrap();
        assert_eq!(concern.get_str("w").unwrap(), "majority");
        assert!(concern.get_bool("j").unwrap());
        assert!(concern.contains_key("wtimeout"), "{concern}");
    }
}

#[tokio::test]
async fn a_replica_set_is_given_numbers_that_grow() {
    let double = Double::start(SET);
    let mut task = Task::start(&double, &[BY_PLACE]).await;
    for offset in 0..3 {
        task.put(&[record(TOPIC, offset, number(offset))]).await.unwrap();
    }
    let commands = double.take_commands();
    let numbers: Vec<i64> = commands.iter().map(|command| command.get_i64("txnNumber").unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
    assert!(commands.iter().all(|command| command.contains_key("lsid")));

    let uri = format!("{}&retryWrites=false", double.uri());
    let mut task = Task::start(&double, &[BY_PLACE, ("connection.uri", &uri)]).await;
    task.put(&[record(TOPIC, 3, number(3))]).await.unwrap();
    assert_eq!(double.take_commands()[0].get("txnNumber"), None);
}

#[tokio::test]
async fn a_delay_follows_every_configured_number_of_bulks() {
    let double = Double::start(SEVEN);
    let pace = [BY_PLACE, ("max.batch.size", "1"), ("rate.limiting.every.n", "3"), ("rate.limiting.timeout", "1000")];
    let mut task = Task::start(&double, &pace).await;
    let begun = std::time::Instant::now();
    task.put(&(0..7).map(|offset| record(TOPIC, offset, number(offset))).collect::<Vec<_>>()).await.unwrap();
    // A wait after each bulk would take 6 s at least.
    let took = begun.elapsed().as_millis();
    assert!((2_000..5_900).contains(&took), "7 bulks with 2 waits of 1 s took {took} ms");
    assert_eq!(double.documents("shop.orders").len(), 7);
}
