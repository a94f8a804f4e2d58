//! Offsets go through JSON unchanged: the offsets topic and REST have them so.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tributary_api::{OffsetMap, OffsetValue};

/// Numbers that every JSON library reads exactly.
fn number() -> impl Strategy<Value = f64> {
    any::<i32>().prop_map(|number| f64::from(number) / 8.0)
}

fn offset_value() -> impl Strategy<Value = OffsetValue> {
    prop_oneof![
        Just(OffsetValue::Null),
        any::<bool>().prop_map(OffsetValue::Boolean),
        any::<i64>().prop_map(OffsetValue::Int),
        number().prop_map(OffsetValue::Float),
        any::<String>().prop_map(OffsetValue::from),
    ]
}

fn offset_map() -> impl Strategy<Value = OffsetMap> {
    prop::collection::btree_map(any::<String>(), offset_value(), 0..4).prop_map(|entries| entries.into_iter().collect())
}

proptest! {
    #[test]
    fn offsets(offset in offset_map()) {
        let json = serde_json::to_string(&offset).unwrap();
        prop_assert_eq!(&serde_json::from_str::<OffsetMap>(&json).unwrap(), &offset, "by way of {}", json);
    }
}
