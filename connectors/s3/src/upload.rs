use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectCannedAcl, ServerSideEncryption};
use bytes::Bytes;
use tributary_api::{Error, Result};

use crate::client::failure;
use crate::config::Settings;

/// The metadata of an object that holds its last offset.
const END_OFFSET: &str = "tributary-end-offset";

/// The result of completing an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// It was written as sent.
    Written,
    /// Another object of that name exists and is not changed; it ends with this offset, if its metadata has one.
    Present(Option<i64>),
    /// The upload was aborted by another client, or the object was removed.
    Vanished,
}

/// Writes objects to the bucket.
#[derive(Clone, Debug)]
pub(crate) struct Uploader {
    pub(crate) client: Client,
    pub(crate) settings: Arc<Settings>,
}

/// An object that is being sent in parts. It is not visible before it is complete.
#[derive(Debug)]
pub(crate) struct Parts {
    upload: String,
    sent: Vec<CompletedPart>,
    bytes: usize,
}

impl Parts {
    /// How many were sent.
    pub(crate) fn count(&self) -> usize {
        self.sent.len()
    }
}

impl Uploader {
    /// Sends a whole object in one request.
    pub(crate) async fn put(&self, name: &str, body: Bytes, end: i64) -> Result<Completed> {
        let settings = &self.settings;
        let length = body.len();
        let sent = self
            .client
            .put_object()
            .bucket(&settings.bucket)
            .key(name)
            .metadata(END_OFFSET, end.to_string())
            .set_if_none_match(settings.conditional.then(|| "*".to_owned()))
            .set_server_side_encryption(settings.encryption.as_deref().map(ServerSideEncryption::from))
            .set_ssekms_key_id(settings.kms_key.clone())
            .set_acl(settings.acl.as_deref().map(ObjectCannedAcl::from))
            .body(ByteStream::from(body))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Completed::Written),
            Err(error) if is_present(&error) => self.compare_existing(name, end, length).await,
            Err(error) => Err(failure("cannot write an object", &settings.bucket, &error)),
        }
    }

    /// Begins an object that is sent in parts.
    pub(crate) async fn begin(&self, name: &str) -> Result<Parts> {
        let settings = &self.settings;
        let created = self
            .client
            .create_multipart_upload()
            .bucket(&settings.bucket)
            .key(name)
            .set_server_side_encryption(settings.encryption.as_deref().map(ServerSideEncryption::from))
            .set_ssekms_key_id(settings.kms_key.clone())
            .set_acl(settings.acl.as_deref().map(ObjectCannedAcl::from))
            .send()
            .await
            .map_err(|error| failure("cannot begin an upload", &settings.bucket, &error))?;
        let upload = created.upload_id.ok_or_else(|| Error::retriable("the server gave no id for the upload"))?;
        Ok(Parts { upload, sent: Vec::new(), bytes: 0 })
    }

    /// Sends the next part; `false` when the server no longer knows of the upload.
    pub(crate) async fn send(&self, name: &str, parts: &mut Parts, body: Bytes) -> Result<bool> {
        let number = i32::try_from(parts.sent.len() + 1).map_err(|_| Error::fatal("an object has too many parts"))?;
        let length = body.len();
        let sent = self
            .client
            .upload_part()
            .bucket(&self.settings.bucket)
            .key(name)
            .upload_id(&parts.upload)
            .part_number(number)
            .body(ByteStream::from(body))
            .send()
            .await;
        match sent {
            Ok(sent) => {
                parts.sent.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
                parts.bytes += length;
                Ok(true)
            }
            Err(error) if is_unknown(&error) => Ok(false),
            Err(error) => Err(failure("cannot send a part", &self.settings.bucket, &error)),
        }
    }

    /// Makes the object visible.
    pub(crate) async fn complete(&self, name: &str, parts: &Parts, end: i64) -> Result<Completed> {
        let list = CompletedMultipartUpload::builder().set_parts(Some(parts.sent.clone())).build();
        let completed = self
            .client
            .complete_multipart_upload()
            .bucket(&self.settings.bucket)
            .key(name)
            .upload_id(&parts.upload)
            .set_if_none_match(self.settings.conditional.then(|| "*".to_owned()))
            .multipart_upload(list)
            .send()
            .await;
        match completed {
            Ok(_) => Ok(Completed::Written),
            Err(error) if is_present(&error) => {
                self.abort(name, parts).await;
                self.compare_existing(name, end, parts.bytes).await
            }
            // An earlier request may have completed it and its response was lost.
            Err(error) if is_unknown(&error) => match self.compare_existing(name, end, parts.bytes).await? {
                Completed::Present(_) if !self.settings.conditional => Ok(Completed::Vanished),
                found => Ok(found),
            },
            Err(error) => Err(failure("cannot complete an object", &self.settings.bucket, &error)),
        }
    }

    /// Aborts an upload, so that its parts are no longer stored and billed.
    pub(crate) async fn abort(&self, name: &str, parts: &Parts) {
        let request = self.client.abort_multipart_upload().bucket(&self.settings.bucket).key(name);
        match request.upload_id(&parts.upload).send().await {
            Err(error) if !is_unknown(&error) => {
                let error = failure("cannot abort an upload", &self.settings.bucket, &error);
                tracing::warn!(name, %error, "an incomplete upload was not removed: a lifecycle rule of the bucket can \
                                              remove it");
            }
            _ => {}
        }
    }

    /// Compares the existing object with the one sent. It is the same one if its metadata has the same last offset or,
    /// without metadata, if it has the same length: an object that starts at the same offset and holds fewer records is
    /// shorter.
    async fn compare_existing(&self, name: &str, end: i64, length: usize) -> Result<Completed> {
        let head = match self.client.head_object().bucket(&self.settings.bucket).key(name).send().await {
            Ok(head) => head,
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 404) => {
                return Ok(Completed::Vanished);
            }
            Err(error) => return Err(failure("cannot look at an object", &self.settings.bucket, &error)),
        };
        let theirs = head.metadata().and_then(|metadata| metadata.get(END_OFFSET)).and_then(|end| end.parse().ok());
        let is_ours = match theirs {
            Some(theirs) => theirs == end,
            None => head.content_length().and_then(|length| usize::try_from(length).ok()) == Some(length),
        };
        Ok(if is_ours { Completed::Written } else { Completed::Present(theirs) })
    }
}

/// The condition failed: an object of that name exists. For a completed upload this error may be in the body of a
/// success response.
fn is_present<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 412)
        || error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("PreconditionFailed")
}

/// The upload does not exist: it was completed or aborted before.
fn is_unknown<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("NoSuchUpload")
}
