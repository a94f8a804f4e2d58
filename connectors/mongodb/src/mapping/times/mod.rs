//! Times in text, by a pattern of Java's `DateTimeFormatter`: letters for fields, `'…'` for text, `[…]` for what may be
//! missing.

mod pattern;
mod read;

use mongodb::bson::Bson;
use tributary_api::Result;

use self::pattern::Item;

/// How a time field is written.
#[derive(Debug)]
pub(crate) struct DateFormat {
    items: Vec<Item>,
}

impl DateFormat {
    /// By a pattern.
    ///
    /// # Errors
    /// `Config` when it is not one, or has letters that are not supported.
    pub(crate) fn new(pattern: &str) -> Result<Self> {
        Ok(Self { items: pattern::parse(pattern)? })
    }

    /// Milliseconds since the epoch: those that a number says, its fraction cut off, or those of a text. None when it is
    /// neither, or not of the pattern.
    pub(crate) fn milliseconds(&self, time: &Bson) -> Option<i64> {
        match time {
            Bson::Int32(number) => Some((*number).into()),
            Bson::Int64(number) => Some(*number),
            // As Java casts: towards zero, and to the nearest that there is.
            #[allow(clippy::cast_possible_truncation)]
            Bson::Double(number) => Some(*number as i64),
            #[allow(clippy::cast_possible_truncation)]
            Bson::Decimal128(number) => number.to_string().parse::<f64>().ok().map(|number| number as i64),
            Bson::String(text) => read::milliseconds(&self.items, text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The default of `timeseries.timefield.auto.convert.date.format`.
    const DEFAULT: &str = "yyyy-MM-dd[['T'][ ]][HH:mm:ss[[.][SSSSSS][SSS]][ ]VV[ ]'['VV']'][HH:mm:ss[[.][SSSSSS][SSS]][ ]X][HH:mm:ss[[.][SSSSSS][SSS]]]";

    fn read(pattern: &str, text: &str) -> Option<i64> {
        DateFormat::new(pattern).unwrap().milliseconds(&Bson::String(text.to_owned()))
    }

    #[test]
    fn the_default_reads_iso_times() {
        for text in [
            "2019-12-23T00:00:00Z",
            "2019-12-23 00:00:00Z",
            "2019-12-23T00:00:00.000Z",
            "2019-12-23T00:00:00.000000 Z",
            "2019-12-23T02:00:00+02",
            "2019-12-23T02:30:00+0230",
            "2019-12-23T00:00:00",
            "2019-12-23",
            "2019-12-23T",
            "2019-12-23T01:00:00.000+01:00[Europe/Paris]",
        ] {
            assert_eq!(read(DEFAULT, text), Some(1_577_059_200_000), "{text}");
        }
        assert_eq!(read(DEFAULT, "1969-12-31T23:59:59.999"), Some(-1));
        for text in ["", "2019", "2019-13-01", "2019-12-23T00:00:00Zx", "2019-12-23T25:00:00"] {
            assert_eq!(read(DEFAULT, text), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_of_ones_own() {
        assert_eq!(read("dd/MM/yyyy HH:mm", "23/12/2019 00:00"), Some(1_577_059_200_000));
        assert_eq!(read("yyyyMMdd'at'HHmmssSSS", "20191223at000000001"), Some(1_577_059_200_001));
        assert_eq!(read("d MMM yyyy, h:mm a", "23 Dec 2019, 12:00 AM"), Some(1_577_059_200_000));
        assert_eq!(
            read("EEE, dd MMMM yyyy HH:mm:ss XXX", "Mon, 23 December 2019 01:00:00 +01:00"),
            Some(1_577_059_200_000)
        );
        assert_eq!(read("yy-M-d", "19-12-23"), Some(1_577_059_200_000));
        assert_eq!(read("yyyy-MM-dd", "2019-02-30"), read("yyyy-MM-dd", "2019-02-28"), "as java, the month's last day");
        for wrong in ["yyyy-MM-dd'T", "[yyyy", "yyyy]", "ww", "{"] {
            assert!(DateFormat::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_milliseconds() {
        let format = DateFormat::new(DEFAULT).unwrap();
        assert_eq!(format.milliseconds(&Bson::Int32(7)), Some(7));
        assert_eq!(format.milliseconds(&Bson::Double(-7.9)), Some(-7));
        assert_eq!(format.milliseconds(&Bson::Decimal128("12.9".parse().unwrap())), Some(12));
        assert_eq!(format.milliseconds(&Bson::Boolean(true)), None);
    }
}
