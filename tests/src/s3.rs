use anyhow::Result;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;

/// A client of an S3 endpoint on this machine, to look at what a sink has written.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
}

impl S3 {
    /// A client that addresses buckets by path.
    pub fn new(endpoint: &str, access_key: &str, secret_key: &str, region: &str) -> Self {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new(access_key, secret_key, None, None, "tests"))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .http_client(http)
            .region(Region::new(region.to_owned()))
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// The SDK's own client, for all else.
    pub fn sdk(&self) -> &Client {
        &self.client
    }

    /// The names of all objects of a bucket, sorted.
    pub async fn keys(&self, bucket: &str) -> Result<Vec<String>> {
        let mut pages = self.client.list_objects_v2().bucket(bucket).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            keys.extend(page?.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// The content of one object.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Bytes> {
        let object = self.client.get_object().bucket(bucket).key(key).send().await?;
        Ok(object.body.collect().await?.into_bytes())
    }

    /// All objects of a bucket with their contents, sorted by name.
    pub async fn objects(&self, bucket: &str) -> Result<Vec<(String, Bytes)>> {
        let mut objects = Vec::new();
        for key in self.keys(bucket).await? {
            let content = self.get(bucket, &key).await?;
            objects.push((key, content));
        }
        Ok(objects)
    }
}
