use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tributary_embedded::{Error, ObjectStore, ObjectStoreOptions};

const ACCESS: &str = "tributary";
const SECRET: &str = "not so secret";
const PART: usize = 5 * 1024 * 1024;

#[tokio::test]
async fn objects_are_put_read_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 0).await;
    store.create_bucket("raw").await.unwrap();
    store.create_bucket("raw").await.unwrap();
    let s3 = client(&store, SECRET);
    s3.head_bucket().bucket("raw").send().await.unwrap();
    assert!(s3.head_bucket().bucket("absent").send().await.is_err());

    for partition in 0..2 {
        let key = format!("topics/clicks/partition={partition}/clicks+{partition}+0000000000.json");
        s3.put_object().bucket("raw").key(key).body(ByteStream::from_static(b"{}\n")).send().await.unwrap();
    }
    let listed = s3.list_objects_v2().bucket("raw").prefix("topics/clicks/partition=1/").send().await.unwrap();
    let keys: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["topics/clicks/partition=1/clicks+1+0000000000.json"]);
    let object = s3.get_object().bucket("raw").key(keys[0]).send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "{}\n");
    assert_eq!(s3.list_objects_v2().bucket("raw").max_keys(1).send().await.unwrap().contents().len(), 1);
    store.shutdown().await;
}

#[tokio::test]
async fn an_object_in_parts_appears_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 0).await;
    store.create_bucket("raw").await.unwrap();
    let s3 = client(&store, SECRET);
    let upload = s3.create_multipart_upload().bucket("raw").key("big").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let mut parts = Vec::new();
    for (number, body) in (1..).zip([vec![b'a'; PART], vec![b'b'; 10]]) {
        let request = s3.upload_part().bucket("raw").key("big").upload_id(id).part_number(number);
        let part = request.body(body.into()).send().await.unwrap();
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build());
    }
    assert!(s3.list_objects_v2().bucket("raw").send().await.unwrap().contents().is_empty());
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.complete_multipart_upload().bucket("raw").key("big").upload_id(id).multipart_upload(parts);
    complete.send().await.unwrap();
    let object = s3.get_object().bucket("raw").key("big").send().await.unwrap();
    let bytes = object.body.collect().await.unwrap().into_bytes();
    assert_eq!((bytes.len(), &bytes[PART..]), (PART + 10, &b"bbbbbbbbbb"[..]));
    store.shutdown().await;
}

#[tokio::test]
async fn a_conditional_put_does_not_overwrite_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 0).await;
    store.create_bucket("raw").await.unwrap();
    let s3 = client(&store, SECRET);
    let put = |text: &'static str| {
        s3.put_object().bucket("raw").key("once").if_none_match("*").body(ByteStream::from_static(text.as_bytes()))
    };
    put("first").send().await.unwrap();
    assert_eq!(refusal(&put("second").send().await.unwrap_err()), (412, Some("PreconditionFailed".into())));
    let object = s3.get_object().bucket("raw").key("once").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "first");
    store.shutdown().await;
}

#[tokio::test]
async fn a_wrong_secret_an_unknown_key_and_no_signature_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 0).await;
    store.create_bucket("raw").await.unwrap();
    let error = client(&store, "wrong").list_objects_v2().bucket("raw").send().await.unwrap_err();
    assert_eq!(refusal(&error), (403, Some("SignatureDoesNotMatch".into())));

    let stranger = config(&store).credentials_provider(credentials("stranger", SECRET)).build();
    let error = Client::from_conf(stranger).list_objects_v2().bucket("raw").send().await.unwrap_err();
    assert_eq!(refusal(&error).0, 403);

    let unsigned = Client::from_conf(config(&store).allow_no_auth().build());
    let error = unsigned.list_objects_v2().bucket("raw").send().await.unwrap_err();
    assert_eq!(refusal(&error), (403, Some("AccessDenied".into())));
    store.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_replaced_and_objects_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let store = start(folder.path(), port).await;
    assert_ne!(store.addr().port(), port);
    store.create_bucket("raw").await.unwrap();
    let put = client(&store, SECRET).put_object().bucket("raw").key("kept");
    put.body(ByteStream::from_static(b"x")).send().await.unwrap();
    store.shutdown().await;

    drop(taken);
    let store = start(folder.path(), port).await;
    assert_eq!(store.endpoint(), format!("http://127.0.0.1:{port}"));
    client(&store, SECRET).head_object().bucket("raw").key("kept").send().await.unwrap();
    store.shutdown().await;
}

#[tokio::test]
async fn shutdown_is_quick_with_open_connections() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 0).await;
    store.create_bucket("raw").await.unwrap();
    let s3 = client(&store, SECRET);
    s3.head_bucket().bucket("raw").send().await.unwrap();
    let silent = tokio::net::TcpStream::connect(store.addr()).await.unwrap();
    let began = Instant::now();
    store.shutdown().await;
    // Below the 10 s after which a silent connection is closed anyway.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    drop(silent);
}

#[tokio::test]
async fn bad_names_and_missing_keys_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 0).await;
    for name in ["", "no", "Upper", "../escape", "a/b", ".hidden"] {
        assert!(matches!(store.create_bucket(name).await, Err(Error::BucketName { .. })), "{name}");
    }
    store.shutdown().await;
    let open = ObjectStoreOptions { secret_key: String::new(), ..options(folder.path(), 0) };
    assert!(matches!(ObjectStore::start(open).await, Err(Error::Credentials)));
}

#[tokio::test]
async fn keys_that_no_file_can_be_named_after_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 0).await;
    store.create_bucket("raw").await.unwrap();
    let client = client(&store, SECRET);
    // Base64 of the key and the bucket, with what else is in the name, has 255 bytes.
    let (longest, longest_in_parts) = (165, 132);
    let put = async |length: usize| {
        let put = client.put_object().bucket("raw").key("a".repeat(length)).body(ByteStream::from_static(b"x"));
        put.send().await.map_err(|error| refusal(&error)).map(drop)
    };
    let begin = async |length: usize| {
        let begin = client.create_multipart_upload().bucket("raw").key("a".repeat(length)).content_type("text/plain");
        begin.send().await.map_err(|error| refusal(&error)).map(drop)
    };
    let too_long = Err((400, Some("KeyTooLongError".to_owned())));
    assert_eq!((put(longest).await, begin(longest_in_parts).await), (Ok(()), Ok(())));
    for length in [longest + 1, 256, 1_000] {
        assert_eq!(put(length).await, too_long, "{length}");
    }
    assert_eq!(begin(longest_in_parts + 1).await, too_long);
    store.shutdown().await;
}

#[tokio::test]
async fn a_file_instead_of_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, "").unwrap();
    for root in [file.clone(), file.join("s3")] {
        let Err(error) = ObjectStore::start(options(&root, 0)).await else { panic!("it started") };
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(&format!("{} is a file", file.display())), "{cause}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", options(Path::new("/tmp"), 0));
    assert!(!shown.contains(SECRET) && !shown.contains(ACCESS), "{shown}");
}

async fn start(root: &Path, port: u16) -> ObjectStore {
    ObjectStore::start(options(root, port)).await.unwrap()
}

fn options(root: &Path, preferred_port: u16) -> ObjectStoreOptions {
    ObjectStoreOptions {
        root: root.into(),
        preferred_port,
        access_key: ACCESS.into(),
        secret_key: SECRET.into(),
        region: "eu-central-1".into(),
    }
}

fn client(store: &ObjectStore, secret: &str) -> Client {
    Client::from_conf(config(store).credentials_provider(credentials(ACCESS, secret)).build())
}

fn config(store: &ObjectStore) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(store.region().to_owned()))
        .endpoint_url(store.endpoint())
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
}

fn credentials(access: &str, secret: &str) -> Credentials {
    Credentials::new(access, secret, None, None, "test")
}

/// The status and the error code of a refused request.
fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> (u16, Option<String>) {
    let status = error.raw_response().unwrap().status().as_u16();
    (status, error.code().map(str::to_owned))
}
