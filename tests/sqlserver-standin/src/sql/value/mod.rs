//! Values: how they are stored, converted, calculated with and written as text.

pub(crate) mod arithmetic;
pub(crate) mod calendar;
pub(crate) mod collate;
pub(crate) mod convert;
pub(crate) mod encode;
pub(crate) mod number;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod variant;
