//! Random changes and deletions, with random faults: the collections must be the result of applying the records in
//! order.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tributary_api::{Record, Value};

use crate::double::{Double, EIGHT, Fault, SET, SEVEN};
use crate::support::{BY_KEY, OTHER, TOPIC, Task, UNORDERED, keyed, number};

/// A batch of writes to few documents, and what they leave.
fn batch(random: &mut StdRng, from: i64, left: &mut BTreeMap<(&'static str, i64), i64>) -> Vec<Record> {
    let count = random.random_range(1..=40);
    let one = |offset| {
        let topic = if random.random_range(0..3) == 0 { OTHER } else { TOPIC };
        let id = random.random_range(0..6);
        if random.random_range(0..3) == 0 {
            left.remove(&(topic, id));
            return keyed(topic, offset, id, Value::Null);
        }
        left.insert((topic, id), offset);
        keyed(topic, offset, id, number(offset))
    };
    (from..from + count).map(one).collect()
}

fn found(double: &Double) -> BTreeMap<(&'static str, i64), i64> {
    let of = |topic: &'static str| {
        let documents = double.documents(&format!("shop.{topic}"));
        documents.into_iter().map(move |one| ((topic, one.get_i64("_id").unwrap()), one.get_i64("n").unwrap()))
    };
    of(TOPIC).chain(of(OTHER)).collect()
}

#[tokio::test]
async fn no_write_passes_another_one_of_its_document() {
    for (place, kind) in [SEVEN, EIGHT, SET].into_iter().enumerate() {
        for more in [&[][..], &[UNORDERED], &[("max.batch.size", "7")], &[UNORDERED, ("max.batch.size", "7")]] {
            let double = Double::start(kind.clone());
            let mut task = Task::start(&double, &[&BY_KEY[..], more].concat()).await;
            let mut random = StdRng::seed_from_u64(u64::try_from(place).unwrap());
            let (mut left, mut offset) = (BTreeMap::new(), 0);
            for _ in 0..40 {
                let records = batch(&mut random, offset, &mut left);
                offset += i64::try_from(records.len()).unwrap();
                if random.random_range(0..10) == 0 {
                    let command = ["update", "delete", "bulkWrite"][random.random_range(0..3)];
                    double.fault(command, if random.random_range(0..2) == 0 { Fault::Lost } else { Fault::AnswerLost });
                }
                let mut tries = 0;
                while let Err(error) = task.put(&records).await {
                    assert!(error.is_retriable() && tries < 20, "{error:?}");
                    tries += 1;
                }
                assert_eq!(found(&double), left, "after offset {offset} with {more:?}");
            }
        }
    }
}
