//! The bytes of a person's state: a format number, then fields as variable-length numbers and texts with lengths.

use std::collections::VecDeque;

use bytes::Bytes;
use tributary_api::{Error, Result};

use super::{Emission, Order, Page, Person, Product, Session};

/// Incremented with every change of the layout; [`Person::decode`] reads all earlier ones.
const FORMAT: u64 = 3;
/// Without the fields after the emissions.
const WITHOUT_EXPIRY: u64 = 1;
/// Without the orders.
const WITHOUT_ORDERS: u64 = 2;

impl Person {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Writer(Vec::with_capacity(256 + 8 * self.seen.len()));
        out.number(FORMAT);
        out.list(&self.seen, |out, id| out.hash(*id));
        out.list(&self.sessions, |out, session| {
            out.hash(session.id);
            out.time(session.first_at);
            out.time(session.last_at);
            out.number(session.events.into());
        });
        out.list(&self.products, |out, product| {
            out.text(&product.id);
            out.time(product.first_at);
            out.time(product.last_at);
            out.number(product.views.into());
            out.list(&product.sessions, |out, (id, at)| {
                out.hash(*id);
                out.time(*at);
            });
        });
        out.list(&self.pages, |out, page| {
            out.hash(page.id);
            out.hash(page.session);
            out.text(&page.product);
            out.time(page.last_at);
            out.list(&page.beats, |out, beat| out.time(*beat));
        });
        out.list(&self.fired, |out, id| out.hash(*id));
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
        let mut person = Self {
            seen: VecDeque::from(input.list(Reader::hash)?),
            sessions: input.list(|input| {
                Ok(Session {
                    id: input.hash()?,
                    first_at: input.time()?,
                    last_at: input.time()?,
                    events: input.small()?,
                })
            })?,
            products: input.list(|input| {
                Ok(Product {
                    id: input.text()?,
                    first_at: input.time()?,
                    last_at: input.time()?,
                    views: input.small()?,
                    sessions: input.list(|input| Ok((input.hash()?, input.time()?)))?,
                })
            })?,
            pages: input.list(|input| {
                Ok(Page {
                    id: input.hash()?,
                    session: input.hash()?,
                    product: input.text()?,
                    last_at: input.time()?,
                    beats: input.list(Reader::time)?,
                })
            })?,
            fired: VecDeque::from(input.list(Reader::hash)?),
            emissions: VecDeque::from(input.list(|input| Ok(Emission { cap: input.hash()?, at: input.time()? }))?),
            ..Self::default()
        };
        if format > WITHOUT_EXPIRY {
            person.seen_at = input.time()?;
            person.forget_check_at = input.time()?;
            person.known = input.number()? != 0;
        }
        if format > WITHOUT_ORDERS {
            person.orders =
                input.list(|input| Ok(Order { id: input.text()?, product: input.text()?, at: input.time()? }))?;
        }
        if input.0.is_empty() { Ok(person) } else { Err(damaged()) }
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
        mut write: impl FnMut(&mut Self, &T),
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
