//! The bytes of a person's state: a format number, then fields as variable-length numbers and texts with lengths.

use std::collections::VecDeque;

use bytes::Bytes;
use tributary_api::{Error, Result};

use super::{Consent, Emission, Exposure, Fired, HandedOver, Order, Person, Product, Session, Span, View, sessions};
use crate::hash::stable_hash;

/// Incremented with every change of the layout; [`Person::decode`] reads all earlier ones.
const FORMAT: u64 = 4;
/// Without the fields after the emissions.
const WITHOUT_EXPIRY: u64 = 1;
/// Without the orders.
const WITHOUT_ORDERS: u64 = 2;
/// With sessions as the tokens' ids had them, and pages instead of views.
const BY_TOKEN: u64 = 3;
/// The gap by which the sessions of these tokens are read.
const GAP_MS: i64 = 30 * 60_000;

impl Person {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Writer(Vec::with_capacity(256 + 8 * self.seen.len()));
        out.number(FORMAT);
        out.list(&self.seen, |out, id| out.hash(*id));
        out.list(&self.sessions, |out, session| {
            out.span(session.first_at, session.last_at);
            out.number(session.events.into());
        });
        out.list(&self.products, |out, product| {
            out.text(&product.id);
            out.span(product.first_at, product.last_at);
            out.number(product.views.into());
            out.list(&product.sessions, |out, span| out.span(span.first_at, span.last_at));
        });
        // Times are mostly a little later than the one before.
        let mut begun = 0;
        out.list(&self.views, |out, view| {
            out.hash(view.page);
            out.hash(view.product);
            out.time(view.first_at.wrapping_sub(begun));
            begun = view.first_at;
            out.time(view.last_at.wrapping_sub(view.first_at));
            out.time(view.first_received_at.wrapping_sub(view.first_at));
            out.time(view.last_received_at.wrapping_sub(view.first_received_at));
            let mut before = view.first_at.div_euclid(1000);
            out.list(&view.beats, |out, beat| {
                out.time(beat.wrapping_sub(before));
                before = *beat;
            });
        });
        out.list(&self.fired, |out, fired| {
            out.hash(fired.signal);
            out.hash(fired.page);
            out.time(fired.at);
            out.number(fired.settled.into());
        });
        out.list(&self.emissions, |out, emission| {
            out.hash(emission.cap);
            out.time(emission.at);
        });
        out.time(self.seen_at);
        out.time(self.forget_check_at);
        out.number(self.known.into());
        out.list(&self.orders, |out, order| {
            out.text(&order.id);
            out.text(&order.product);
            out.time(order.at);
        });
        out.list(&self.consents, |out, consent| {
            out.hash(consent.purpose);
            out.time(consent.at);
            out.number(consent.granted.into());
        });
        out.list(&self.exposures, |out, exposure| {
            out.hash(exposure.experiment);
            out.hash(exposure.variant);
            out.time(exposure.at);
        });
        out.list(&self.asked, |out, id| out.hash(*id));
        out.list(&self.merged, |out, id| out.hash(*id));
        out.list(&self.handed_over, |out, over| {
            out.text(&over.customer);
            out.time(over.at);
        });
        out.0.into()
    }

    /// # Errors
    /// `Data` when the bytes are of a later format or damaged: then only this person's event fails.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = Reader(bytes);
        let format = input.number()?;
        if !(WITHOUT_EXPIRY..=FORMAT).contains(&format) {
            let message =
                format!("a person's state has format {format}, this version reads {FORMAT}: update the worker");
            return Err(Error::data(message));
        }
        let mut person =
            if format > BY_TOKEN { Self::decode_history(&mut input)? } else { Self::decode_by_token(&mut input)? };
        person.emissions = VecDeque::from(input.list(|input| Ok(Emission { cap: input.hash()?, at: input.time()? }))?);
        if format > WITHOUT_EXPIRY {
            person.seen_at = input.time()?;
            person.forget_check_at = input.time()?;
            person.known = input.flag()?;
        }
        if format > WITHOUT_ORDERS {
            person.orders =
                input.list(|input| Ok(Order { id: input.text()?, product: input.text()?, at: input.time()? }))?;
        }
        if format > BY_TOKEN {
            person.consents = input
                .list(|input| Ok(Consent { purpose: input.hash()?, at: input.time()?, granted: input.flag()? }))?;
            person.exposures = input
                .list(|input| Ok(Exposure { experiment: input.hash()?, variant: input.hash()?, at: input.time()? }))?;
            person.asked = VecDeque::from(input.list(Reader::hash)?);
            person.merged = VecDeque::from(input.list(Reader::hash)?);
            person.handed_over = input.list(|input| Ok(HandedOver { customer: input.text()?, at: input.time()? }))?;
        }
        if input.0.is_empty() { Ok(person) } else { Err(damaged()) }
    }

    /// Up to the signals that were raised.
    fn decode_history(input: &mut Reader<'_>) -> Result<Self> {
        let mut begun: i64 = 0;
        Ok(Self {
            seen: VecDeque::from(input.list(Reader::hash)?),
            sessions: input.list(|input| {
                let (first_at, last_at) = input.span()?;
                Ok(Session { first_at, last_at, events: input.small()? })
            })?,
            products: input.list(|input| {
                let id = input.text()?;
                let (first_at, last_at) = input.span()?;
                let views = input.small()?;
                let sessions = input.list(|input| {
                    let (first_at, last_at) = input.span()?;
                    Ok(Span { first_at, last_at })
                })?;
                Ok(Product { id, first_at, last_at, views, sessions })
            })?,
            views: input.list(|input| {
                let (page, product) = (input.hash()?, input.hash()?);
                let first_at = begun.wrapping_add(input.time()?);
                begun = first_at;
                let last_at = first_at.wrapping_add(input.time()?);
                let first_received_at = first_at.wrapping_add(input.time()?);
                let last_received_at = first_received_at.wrapping_add(input.time()?);
                let mut second = first_at.div_euclid(1000);
                let beats = input.list(|input| {
                    second = second.wrapping_add(input.time()?);
                    Ok(second)
                })?;
                Ok(View { page, product, first_at, last_at, first_received_at, last_received_at, beats })
            })?,
            fired: VecDeque::from(input.list(|input| {
                Ok(Fired { signal: input.hash()?, page: input.hash()?, at: input.time()?, settled: input.flag()? })
            })?),
            ..Self::default()
        })
    }

    /// The same of the formats before, in which sessions were the tokens': those that touch are one now.
    fn decode_by_token(input: &mut Reader<'_>) -> Result<Self> {
        let seen = VecDeque::from(input.list(Reader::hash)?);
        let mut sessions = Vec::new();
        for session in input.list(|input| {
            input.hash()?;
            Ok(Session { first_at: input.time()?, last_at: input.time()?, events: input.small()? })
        })? {
            sessions::add(&mut sessions, session, GAP_MS, super::MAX_SESSIONS);
        }
        let products = input.list(|input| {
            let mut product = Product {
                id: input.text()?,
                first_at: input.time()?,
                last_at: input.time()?,
                views: input.small()?,
                sessions: Vec::new(),
            };
            for at in input.list(|input| input.hash().and_then(|_| input.time()))? {
                let span = Span { first_at: at, last_at: at };
                sessions::add(&mut product.sessions, span, GAP_MS, super::MAX_PRODUCT_SESSIONS);
            }
            Ok(product)
        })?;
        let views = input.list(|input| {
            let page = input.hash()?;
            input.hash()?;
            let product = stable_hash([input.text()?.as_str()]);
            let last_at = input.time()?;
            let beats = input.list(Reader::time)?;
            let first_at = beats.first().map_or(last_at, |second| second.saturating_mul(1000).min(last_at));
            let (first_received_at, last_received_at) = (first_at, last_at);
            Ok(View { page, product, first_at, last_at, first_received_at, last_received_at, beats })
        })?;
        let fired = input.list(|input| Ok(Fired { signal: input.hash()?, page: 0, at: i64::MIN, settled: true }))?;
        Ok(Self { seen, sessions, products, views, fired: VecDeque::from(fired), ..Self::default() })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A time may be negative: zigzag encoding, with the sign in the last bit.
    fn time(&mut self, at: i64) {
        self.number(((at << 1) ^ (at >> 63)).cast_unsigned());
    }

    /// Two times, the second of which is mostly a little later.
    fn span(&mut self, first_at: i64, last_at: i64) {
        self.time(first_at);
        self.time(last_at.wrapping_sub(first_at));
    }

    fn hash(&mut self, hash: u64) {
        self.0.extend_from_slice(&hash.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn list<'a, T: 'a>(
        &mut self,
        items: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Self, &'a T),
    ) {
        let items = items.into_iter();
        self.number(items.len() as u64);
        items.for_each(|item| write(self, item));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or_else(damaged)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged())
    }

    fn small(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| damaged())
    }

    fn time(&mut self) -> Result<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn span(&mut self) -> Result<(i64, i64)> {
        let first_at = self.time()?;
        Ok((first_at, first_at.wrapping_add(self.time()?)))
    }

    fn flag(&mut self) -> Result<bool> {
        Ok(self.number()? != 0)
    }

    fn hash(&mut self) -> Result<u64> {
        let bytes = self.bytes(8)?;
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| damaged())
    }

    fn text(&mut self) -> Result<String> {
        let length = usize::try_from(self.number()?).map_err(|_| damaged())?;
        String::from_utf8(self.bytes(length)?.to_vec()).map_err(|_| damaged())
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let length = usize::try_from(self.number()?).map_err(|_| damaged())?;
        // Each item has at least one byte, so a damaged length cannot reserve more memory than the input's size.
        let mut items = Vec::with_capacity(length.min(self.0.len()));
        for _ in 0..length {
            items.push(read(self)?);
        }
        Ok(items)
    }
}

#[cold]
fn damaged() -> Error {
    Error::data(
        "a person's state is damaged: their clicks fail until a record without a value and with the person's id as its key \
         is written to the changelog and the connector is restarted",
    )
}
