//! Checks the keys of objects.
//!
//! A key is the path of a file here, and the file system resolves `..` and a leading slash, which would lead to other
//! buckets, and to a panic above the root. Only keys that are plain paths within their bucket are accepted, and only
//! as long as the names of files may be: otherwise the file system's error would be an error of the server, after which
//! clients try again.

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::{
    CopyObjectInput, CopySource, CreateMultipartUploadInput, DeleteObjectsInput, ListObjectsInput, ListObjectsV2Input,
    PostObjectInput, UploadPartCopyInput,
};
use s3s::{S3Request, S3Result, s3_error};

/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;
/// s3s-fs keeps checksums beside the buckets, in files that are named after bucket and key, both in base64.
const BESIDE_BUCKET: usize = ".bucket-.object-.internal.json".len();
/// What is added to that name until an object in parts is complete: a UUID.
const OF_UPLOAD: usize = ".upload-".len() + 36;

/// Accepts signed requests whose keys stay within their bucket.
pub(super) struct KeyCheck;

#[async_trait]
impl S3Access for KeyCheck {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        let path = context.s3_path();
        match (path.get_bucket_name(), path.get_object_key()) {
            (Some(bucket), Some(key)) => check_key(key).and_then(|()| check_length(bucket, key, 0)),
            _ => Ok(()),
        }
    }

    async fn create_multipart_upload(&self, request: &mut S3Request<CreateMultipartUploadInput>) -> S3Result<()> {
        check_length(&request.input.bucket, &request.input.key, OF_UPLOAD)
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        check_source(&request.input.copy_source)
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        check_source(&request.input.copy_source)
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        request.input.delete.objects.iter().try_for_each(|object| check_key(&object.key))
    }

    async fn post_object(&self, request: &mut S3Request<PostObjectInput>) -> S3Result<()> {
        check_key(&request.input.key)?;
        check_length(&request.input.bucket, &request.input.key, 0)
    }

    async fn list_objects(&self, request: &mut S3Request<ListObjectsInput>) -> S3Result<()> {
        check_delimiter(&mut request.input.delimiter)
    }

    async fn list_objects_v2(&self, request: &mut S3Request<ListObjectsV2Input>) -> S3Result<()> {
        check_delimiter(&mut request.input.delimiter)
    }
}

fn check_key(key: &str) -> S3Result<()> {
    let leads_away =
        key.starts_with('/') || key.contains('\0') || key.split('/').any(|part| part == "." || part == "..");
    if leads_away { Err(s3_error!(InvalidArgument, "no '.', '..' or '/' at the beginning of a key")) } else { Ok(()) }
}

/// Whether the object's files can be named, with `more` bytes in the name of one of them.
fn check_length(bucket: &str, key: &str, more: usize) -> S3Result<()> {
    let room = LONGEST_NAME.saturating_sub(BESIDE_BUCKET + more + (bucket.len() * 4).div_ceil(3));
    if (key.len() * 4).div_ceil(3) <= room {
        return Ok(());
    }
    let longest = room * 3 / 4;
    Err(s3_error!(
        KeyTooLongError,
        "a key of the embedded s3 endpoint has at most {longest} bytes in this bucket: shorten its path, or use another server"
    ))
}

fn check_source(source: &CopySource) -> S3Result<()> {
    match source {
        CopySource::Bucket { key, .. } => check_key(key),
        _ => Err(s3_error!(NotImplemented)),
    }
}

/// The delimiter that groups keys is used by its first byte; an empty one is removed.
fn check_delimiter(delimiter: &mut Option<String>) -> S3Result<()> {
    delimiter.take_if(|delimiter| delimiter.is_empty());
    let is_plain = delimiter.as_deref().is_none_or(str::is_ascii);
    if is_plain { Ok(()) } else { Err(s3_error!(InvalidArgument, "a delimiter is made of ASCII characters")) }
}
