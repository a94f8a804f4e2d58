use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde_json::Value;

use crate::error::ApiError;
use crate::jackson;

/// A request's JSON; nothing when there is no body or it is `null`.
pub(crate) struct JsonBody(Option<Value>);

impl JsonBody {
    /// The value. Without one the answer is 500, as it is in Java.
    pub(crate) fn required(self) -> Result<Value, ApiError> {
        self.0.ok_or_else(|| ApiError::internal("the request has no body: send JSON"))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let typed = request.headers().contains_key(header::CONTENT_TYPE);
        let bytes = Bytes::from_request(request, state).await?;
        if !typed && !bytes.is_empty() {
            return Err(ApiError::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        Ok(Self(jackson::parse(&bytes)?))
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}
