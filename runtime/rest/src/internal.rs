use axum::http::{HeaderMap, StatusCode};

use crate::error::ApiError;

/// Requests between the workers of a cluster (`POST .../tasks`, `PUT .../fence`). They are signed with a key that the
/// leader shares with the members; a single worker has no such key, so every signature is refused.
pub(crate) async fn refuse(headers: HeaderMap) -> ApiError {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let signature = header("X-Connect-Authorization").zip(header("X-Connect-Request-Signature-Algorithm"));
    match signature {
        None => ApiError::bad_request("Internal request missing required signature"),
        Some((_, "HmacSHA256")) => {
            ApiError::new(StatusCode::FORBIDDEN, "Internal request contained invalid signature.")
        }
        Some((_, algorithm)) => ApiError::bad_request(format!("Algorithm {algorithm} not available")),
    }
}
