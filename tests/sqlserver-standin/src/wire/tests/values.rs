//! Values of every type, written and read again by the wire itself.

use proptest::prelude::*;

use crate::{
    data::{
        Collation, Date, DateTime, DateTime2, DateTimeOffset, Datum, Decimal, Length, SmallDateTime, Time, Type, Udt,
        Variant,
    },
    wire::{
        bytes::Source,
        seed::Seed,
        types::{decode, described, encode::put_value, put_description},
    },
};

const TEXT: Collation = Collation::DEFAULT;

/// A value of each type, and its extremes.
pub(in crate::wire) fn samples() -> Vec<(Type, Datum)> {
    let polish = Collation::named("Polish_CI_AS").unwrap();
    let utf8 = Collation::named("Latin1_General_100_CI_AS_SC_UTF8").unwrap();
    let long = "ąbc".repeat(5000);
    let text = |text: &str| Datum::Text(text.to_owned());
    let decimal = |unscaled, precision, scale| {
        (Type::Decimal { precision, scale }, Datum::Decimal(Decimal { unscaled, precision, scale }))
    };
    let at = DateTime2 { date: Date(736_000), time: Time(450_000_000_000) };
    let last = DateTime2 { date: Date(3_652_058), time: Time(863_999_999_999) };
    vec![
        (Type::Bit, Datum::Bit(true)),
        (Type::TinyInt, Datum::TinyInt(255)),
        (Type::SmallInt, Datum::SmallInt(i16::MIN)),
        (Type::Int, Datum::Int(i32::MIN)),
        (Type::BigInt, Datum::BigInt(i64::MAX)),
        (Type::Real, Datum::Real(-3.4e38)),
        (Type::Float, Datum::Float(5e-324)),
        decimal(123_456_789, 9, 2),
        decimal(-1, 19, 0),
        decimal(10_i128.pow(28) - 1, 28, 10),
        decimal(10_i128.pow(38) - 1, 38, 38),
        decimal(1 - 10_i128.pow(38), 38, 0),
        (Type::SmallMoney, Datum::Money(-2_147_483_648)),
        (Type::Money, Datum::Money(i64::MAX)),
        (Type::Money, Datum::Money(i64::MIN)),
        (Type::Char { length: 6, collation: TEXT }, text("abc   ")),
        (Type::VarChar { length: Length::Limited(10), collation: TEXT }, text("naïve €")),
        (Type::VarChar { length: Length::Limited(10), collation: polish }, text("zażółć")),
        (Type::VarChar { length: Length::Limited(20), collation: utf8 }, text("żółw 🐢")),
        (Type::VarChar { length: Length::Max, collation: polish }, text(&long)),
        (Type::VarChar { length: Length::Max, collation: TEXT }, text("")),
        (Type::Text { collation: TEXT }, text("old and long")),
        (Type::NChar { length: 4, collation: TEXT }, text("żó  ")),
        (Type::NVarChar { length: Length::Limited(4000), collation: TEXT }, text("𝔘nicode")),
        (Type::NVarChar { length: Length::Max, collation: TEXT }, text(&long)),
        (Type::NText { collation: TEXT }, text("żółw")),
        (Type::Binary { length: 4 }, Datum::Bytes(vec![0, 1, 254, 255])),
        (Type::VarBinary { length: Length::Limited(8000) }, Datum::Bytes(vec![7; 8000])),
        (Type::VarBinary { length: Length::Max }, Datum::Bytes(vec![9; 100_000])),
        (Type::Image, Datum::Bytes(vec![1, 2, 3])),
        (Type::RowVersion, Datum::Bytes(vec![0, 0, 0, 0, 0, 0, 7, 209])),
        (Type::UniqueIdentifier, Datum::Guid(*b"\x6f\x96\x19\xff\x8b\x86\xd0\x11\xb4\x2d\x00\xc0\x4f\xc9\x64\xff")),
        (Type::Xml, Datum::Xml("<a>ż</a>".to_owned())),
        (Type::Date, Datum::Date(Date(0))),
        (Type::Date, Datum::Date(Date(3_652_058))),
        (Type::Time { scale: 0 }, Datum::Time(Time(863_990_000_000))),
        (Type::Time { scale: 3 }, Datum::Time(Time(450_001_230_000))),
        (Type::Time { scale: 7 }, Datum::Time(Time(863_999_999_999))),
        (Type::SmallDateTime, Datum::SmallDateTime(SmallDateTime { days: 65535, minutes: 1439 })),
        (Type::DateTime, Datum::DateTime(DateTime { days: -53690, ticks: 0 })),
        (Type::DateTime, Datum::DateTime(DateTime { days: 2_958_463, ticks: 25_919_999 })),
        (Type::DateTime2 { scale: 0 }, Datum::DateTime2(at)),
        (Type::DateTime2 { scale: 7 }, Datum::DateTime2(last)),
        (Type::DateTimeOffset { scale: 4 }, Datum::DateTimeOffset(DateTimeOffset { utc: at, offset: -330 })),
        (Type::DateTimeOffset { scale: 7 }, Datum::DateTimeOffset(DateTimeOffset { utc: at, offset: 840 })),
        (Type::Udt(Udt::HierarchyId), Datum::Bytes(vec![0x58])),
    ]
}

/// Those that a variant takes.
fn variants() -> impl Iterator<Item = (Type, Datum)> {
    samples()
        .into_iter()
        .filter(|(r#type, _)| {
            !r#type.is_partial() && !r#type.is_legacy_large() && !matches!(r#type, Type::Xml | Type::RowVersion)
        })
        .map(|(r#type, value)| (Type::Variant, Datum::Variant(Box::new(Variant { r#type, value }))))
}

fn written(r#type: &Type, nullable: bool, value: &Datum, seed: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_description(&mut out, r#type, nullable, "master");
    put_value(&mut out, r#type, nullable, value, &mut Seed::new(seed), false).unwrap();
    out
}

fn read(bytes: &[u8]) -> (Type, Datum) {
    let mut source = Source::new(bytes);
    let (r#type, never_null) = described(&mut source).unwrap();
    let value = decode::value(&mut source, &r#type, never_null).unwrap();
    assert!(source.is_empty(), "all of it is read");
    (r#type, value)
}

/// What a type is when a client describes it: the server's own names for binary(8) and UDTs are not known to it.
fn as_described(r#type: &Type) -> Type {
    match r#type {
        Type::RowVersion => Type::Binary { length: 8 },
        other => other.clone(),
    }
}

#[test]
fn each_value_is_read_as_it_was_written() {
    for (r#type, value) in samples().into_iter().chain(variants()) {
        if matches!(r#type, Type::Udt(_)) {
            continue;
        }
        for nullable in [false, true] {
            for seed in 0..8 {
                let bytes = written(&r#type, nullable, &value, seed);
                assert_eq!(read(&bytes), (as_described(&r#type), value.clone()), "nullable: {nullable}");
            }
        }
    }
}

#[test]
fn each_type_has_a_null() {
    for (r#type, _) in samples().into_iter().chain(variants()) {
        if matches!(r#type, Type::Udt(_)) {
            continue;
        }
        let bytes = written(&r#type, true, &Datum::Null, 0);
        assert_eq!(read(&bytes), (as_described(&r#type), Datum::Null));
    }
}

#[test]
fn a_value_that_does_not_fit_is_refused_by_its_type() {
    let mut out = Vec::new();
    let mut refused = |r#type: Type, value: Datum| {
        put_value(&mut out, &r#type, false, &value, &mut Seed::new(0), true).unwrap_err();
    };
    refused(Type::Int, Datum::Null);
    refused(Type::Int, Datum::BigInt(1));
    refused(Type::SmallMoney, Datum::Money(1 << 40));
    refused(Type::Binary { length: 2 }, Datum::Bytes(vec![1, 2, 3]));
    let two = Datum::Decimal(Decimal { unscaled: 1, precision: 5, scale: 2 });
    refused(Type::Decimal { precision: 5, scale: 3 }, two);
    let large = Datum::Decimal(Decimal { unscaled: 1 << 40, precision: 20, scale: 0 });
    refused(Type::Decimal { precision: 9, scale: 0 }, large);
}

#[test]
fn what_a_code_page_does_not_have_becomes_a_question_mark() {
    let r#type = Type::VarChar { length: Length::Limited(10), collation: TEXT };
    let bytes = written(&r#type, true, &Datum::Text("ż€漢".to_owned()), 0);
    assert_eq!(read(&bytes).1, Datum::Text("?€?".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn decimals_and_money(digits in 1_u8..=38, negative: bool, scale in 0_u8..=38, number: i128, money: i64) {
        let precision = digits.max(scale);
        let unscaled = (number.unsigned_abs() % 10_u128.pow(u32::from(precision))) as i128;
        let unscaled = if negative { -unscaled } else { unscaled };
        let value = Datum::Decimal(Decimal { unscaled, precision, scale });
        let r#type = Type::Numeric { precision, scale };
        prop_assert_eq!(read(&written(&r#type, true, &value, 0)), (r#type, value));
        prop_assert_eq!(read(&written(&Type::Money, true, &Datum::Money(money), 0)).1, Datum::Money(money));
    }

    #[test]
    fn large_values_in_any_parts(bytes in prop::collection::vec(any::<u8>(), 0..3000), seed: u64) {
        let r#type = Type::VarBinary { length: Length::Max };
        let value = Datum::Bytes(bytes);
        prop_assert_eq!(read(&written(&r#type, true, &value, seed)).1, value);
    }

    #[test]
    fn text_of_any_characters(text in "\\PC{0,200}", seed: u64) {
        for length in [Length::Limited(4000), Length::Max] {
            let r#type = Type::NVarChar { length, collation: TEXT };
            let value = Datum::Text(text.clone());
            prop_assert_eq!(read(&written(&r#type, true, &value, seed)).1, value);
        }
    }
}
