use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, bail};
use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::notification::Object;
use crate::settings::Settings;

/// The buckets whose objects are read.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    client: Client,
}

impl Bucket {
    /// With the credentials and the region of the function's environment.
    pub(crate) async fn connect(settings: &Settings) -> Self {
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        let shared = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        let config = Builder::from(&shared).force_path_style(settings.path_style).build();
        Self { client: Client::from_conf(config) }
    }

    /// The object's lines. None, if it belongs to another one: the S3 sink writes keys and headers beside the values.
    pub(crate) async fn lines(&self, object: &Object) -> Result<Option<Lines>> {
        let name = object.key.strip_suffix(".gz").unwrap_or(&object.key);
        if name.ends_with(".keys.json") || name.ends_with(".headers.json") {
            return Ok(None);
        }
        if !name.ends_with(".json") {
            bail!("{} is no object of JSON lines, which are .json or .json.gz", object.key);
        }
        let answer = self.client.get_object().bucket(&object.bucket).key(&object.key).send().await;
        let answer = answer.with_context(|| format!("read s3://{}/{}", object.bucket, object.key))?;
        let body = answer.body.collect().await.with_context(|| format!("read all of {}", object.key))?.into_bytes();
        Ok(Some(Lines::new(body, name.len() < object.key.len())))
    }
}

/// The records of an object, one a line.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: usize,
}

impl Lines {
    fn new(body: Bytes, compressed: bool) -> Self {
        let plain: Box<dyn Read + Send> =
            if compressed { Box::new(MultiGzDecoder::new(body.reader())) } else { Box::new(body.reader()) };
        Self { reader: Box::new(BufReader::new(plain)), number: 0 }
    }

    /// The number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The next record; blank lines are passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Value>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.reader.read_until(b'\n', &mut line).context("unpack the object")? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                let value =
                    serde_json::from_slice(&line).with_context(|| format!("line {} is no JSON", self.number))?;
                return Ok(Some(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;

    fn read(mut lines: Lines) -> Result<Vec<(usize, Value)>> {
        let mut all = Vec::new();
        while let Some(value) = lines.next()? {
            all.push((lines.number(), value));
        }
        Ok(all)
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_packed_lines_are_the_same() {
        let expected = [(1, json!({"a": 1})), (3, json!({"a": 2}))];
        let text = "{\"a\":1}\n\n{\"a\":2}\n";
        assert_eq!(read(Lines::new(text.into(), false)).unwrap(), expected);
        // Nested compression counts as one.
        let body = [packed("{\"a\":1}\n\n"), packed("{\"a\":2}\n")].concat();
        assert_eq!(read(Lines::new(body.into(), true)).unwrap(), expected);
    }

    #[test]
    fn a_bad_line_is_named_and_a_cut_object_is_an_error() {
        let error = read(Lines::new("{}\n{\n".into(), false)).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        let body = packed("{\"a\":1}\n");
        assert!(read(Lines::new(body[..body.len() - 9].to_vec().into(), true)).is_err());
    }
}
