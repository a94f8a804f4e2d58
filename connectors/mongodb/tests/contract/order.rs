//! Random changes and deletions, with random faults: the collections are what the records say, one after the other.

use std::collections::BTreeMap;

use tributary_api::{Record, Value};

use crate::double::{Double, EIGHT, Fault, SET, SEVEN};
use crate::support::{BY_KEY, OTHER, TOPIC, Task, UNORDERED, keyed, number};

/// Marsaglia's xorshift: seeds make a run that fails come again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A batch of writes to few documents, and what they leave.
fn batch(random: &mut Random, from: i64, left: &mut BTreeMap<(&'static str, i64), i64>) -> Vec<Record> {
    let count = i64::try_from(1 + random.below(40)).unwrap();
    let one = |offset| {
        let topic = if random.below(3) == 0 { OTHER } else { TOPIC };
        let id = i64::try_from(random.below(6)).unwrap();
        if random.below(3) == 0 {
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
    for (place, nature) in [SEVEN, EIGHT, SET].into_iter().enumerate() {
        for more in [&[][..], &[UNORDERED], &[("max.batch.size", "7")], &[UNORDERED, ("max.batch.size", "7")]] {
            let double = Double::start(nature.clone());
            let mut task = Task::start(&double, &[&BY_KEY[..], more].concat()).await;
            let mut random = Random(0x2545_F491_4F6C_DD1D + u64::try_from(place).unwrap());
            let (mut left, mut offset) = (BTreeMap::new(), 0);
            for _ in 0..40 {
                let records = batch(&mut random, offset, &mut left);
                offset += i64::try_from(records.len()).unwrap();
                if random.below(10) == 0 {
                    let command = ["update", "delete", "bulkWrite"][usize::try_from(random.below(3)).unwrap()];
                    double.fault(command, if random.below(2) == 0 { Fault::Lost } else { Fault::AnswerLost });
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
