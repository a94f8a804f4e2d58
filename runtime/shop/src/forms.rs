use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::http::header::{HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tributary_clickstream::session::Session;

use crate::state::ShopState;
use crate::visitor::{SESSION_SECONDS, ends_at, now_ms, text};

/// The login form. There are no passwords in the demo.
#[derive(Debug, Deserialize)]
pub(crate) struct LoginForm {
    customer_id: String,
}

/// Starts a session of a customer.
pub(crate) async fn login(
    State(shop): State<Arc<ShopState>>,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let session = shop
        .customer(&form.customer_id)
        .map(|customer| Session::of_customer(customer.customer_id.clone(), ends_at(now_ms())));
    match session {
        Some(Ok(session)) => begin(&shop, &headers, &session),
        Some(Err(_)) | None => {
            (StatusCode::BAD_REQUEST, "there is no such customer: choose one of the list").into_response()
        }
    }
}

/// Starts an anonymous session.
pub(crate) async fn logout(State(shop): State<Arc<ShopState>>, headers: HeaderMap) -> Response {
    begin(&shop, &headers, &Session::anonymous(ends_at(now_ms())))
}

fn begin(shop: &ShopState, headers: &HeaderMap, session: &Session) -> Response {
    if !is_own_form(headers) {
        return (StatusCode::FORBIDDEN, "this form is of another site: use the shop's own").into_response();
    }
    let cookie = shop.cookie.set(&shop.signer.issue(session), SESSION_SECONDS);
    (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)]).into_response()
}

/// Forms of other sites are refused: they must not log anybody in or out.
fn is_own_form(headers: &HeaderMap) -> bool {
    let Some(origin) = text(headers, ORIGIN) else { return true };
    origin.split_once("://").is_some_and(|(_, host)| Some(host) == text(headers, HOST))
}
