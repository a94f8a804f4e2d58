use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// The script of every page.
pub(crate) async fn tag() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("assets/tag.js"))
}

/// The style of every page.
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("assets/shop.css"))
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    // Short, so that a newer build is seen.
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "max-age=60")], text).into_response()
}
