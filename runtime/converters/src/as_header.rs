use bytes::Bytes;
use tributary_api::{Converter, Datum, DecodeContext, EncodeContext, HeaderConverter, Result};

/// A converter of keys and values, for headers.
pub(crate) struct AsHeader<C>(pub(crate) C);

impl<C: Converter> HeaderConverter for AsHeader<C> {
    fn from_connect_header(&mut self, topic: &str, _name: &str, datum: &Datum) -> Result<Option<Bytes>> {
        self.0.from_connect_data(&mut EncodeContext::new(topic, &mut Vec::new()), datum)
    }

    fn to_connect_header(&mut self, topic: &str, _name: &str, bytes: Option<Bytes>) -> Result<Datum> {
        self.0.to_connect_data(&DecodeContext::new(topic, &[]), bytes)
    }
}
