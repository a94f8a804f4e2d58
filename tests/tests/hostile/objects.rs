//! The embedded S3 endpoint.

use anyhow::Result;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use tributary_tests::S3;

use crate::target::Target;

/// Keys that lead out of their bucket, or above the root of all.
const LEADING_AWAY: [&str; 8] =
    ["..", "../enriched/kept", "a/../../enriched/kept", "a/..", ".", "./a", "../..", "/enriched/kept"];

#[tokio::test]
async fn a_key_stays_in_its_bucket() -> Result<()> {
    let mut target = Target::start().await?;
    let endpoint = target.worker.embedded_s3()?;
    let s3 = endpoint.sdk();
    let body = || ByteStream::from_static(b"{}");
    s3.put_object().bucket("enriched").key("kept").body(body()).send().await?;
    for key in LEADING_AWAY {
        let get = s3.get_object().bucket("raw").key(key).send().await;
        let put = s3.put_object().bucket("raw").key(key).body(body()).send().await;
        let head = s3.head_object().bucket("raw").key(key).send().await;
        let delete = s3.delete_object().bucket("raw").key(key).send().await;
        let copy = s3.copy_object().bucket("raw").key("copy").copy_source(format!("raw/{key}")).send().await;
        let object = ObjectIdentifier::builder().key(key).build()?;
        let several = s3.delete_objects().bucket("raw").delete(Delete::builder().objects(object).build()?).send().await;
        assert!(get.is_err() && put.is_err() && head.is_err() && delete.is_err(), "{key}");
        assert!(copy.is_err() && several.is_err(), "{key}");
    }
    assert_eq!(endpoint.keys("enriched").await?, ["kept"]);
    assert_eq!(endpoint.keys("raw").await?, Vec::<String>::new());
    for delimiter in ["\u{e4}", ""] {
        s3.put_object().bucket("raw").key("a\u{e4}b").body(body()).send().await?;
        let _refused_or_answered = s3.list_objects_v2().bucket("raw").delimiter(delimiter).send().await;
    }
    target.holds().await
}

#[tokio::test]
async fn the_keys_are_the_workers_own() -> Result<()> {
    let mut target = Target::start().await?;
    let endpoint = target.worker.embedded_s3()?;
    endpoint.sdk().list_buckets().send().await?;
    for (access, secret) in [("tributary", "tributary"), ("tributary", "secret")] {
        let guessing = S3::new(&target.worker.embedded_s3_endpoint(), access, secret, "us-east-1");
        let refused = guessing.sdk().list_buckets().send().await.unwrap_err();
        assert!(refused.code().is_some(), "{refused:?}");
    }
    target.holds().await
}
