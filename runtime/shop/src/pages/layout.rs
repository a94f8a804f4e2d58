use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, SET_COOKIE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::Product;
use crate::state::ShopState;
use crate::visitor::Visitor;

/// What is different from page to page.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) product: Option<&'a Product>,
    pub(super) body: Markup,
}

/// The whole page, for one visitor.
pub(super) fn respond(shop: &ShopState, visitor: &Visitor, status: StatusCode, page: Page<'_>) -> Response {
    let collector = shop.collector(visitor.host.as_deref());
    let mut response = (status, Html(document(shop, visitor, &collector, page).into_string())).into_response();
    let policy = format!("default-src 'self'; connect-src 'self' {collector}; frame-ancestors 'none'; base-uri 'none'");
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(name, value);
        }
    };
    set(CONTENT_SECURITY_POLICY, &policy);
    // A page shows the logged-in user.
    set(CACHE_CONTROL, "no-store");
    if let Some(cookie) = &visitor.cookie {
        set(SET_COOKIE, cookie);
    }
    response
}

fn document(shop: &ShopState, visitor: &Visitor, collector: &str, page: Page<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (page.title) " · Demo shop" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/shop.css";
                (tag(shop, visitor, collector, &page))
            }
            body {
                header {
                    a class="home" href="/" { "Demo shop" }
                    (account(visitor))
                }
                main { (page.body) }
                footer { (how_it_works(shop)) }
            }
        }
    }
}

fn tag(shop: &ShopState, visitor: &Visitor, collector: &str, page: &Page<'_>) -> Markup {
    html! {
        script src="/tag.js" defer
            data-collect={ (collector) "/collect" }
            data-events={ (collector) "/events" }
            data-heartbeat-ms=(shop.options.heartbeat.as_millis())
            data-min-visit-ms=(shop.options.min_visit.as_millis())
            data-product-id=[page.product.map(|product| &product.product_id)]
            data-visitor=(visitor.fingerprint()) {}
    }
}

fn account(visitor: &Visitor) -> Markup {
    match &visitor.customer {
        Some(customer) => html! {
            form method="post" action="/logout" {
                span { "Hello, " strong id="customer" { (customer.name) } }
                button type="submit" { "Log out" }
            }
        },
        None => html! { a href="/login" { "Log in" } },
    }
}

fn how_it_works(shop: &ShopState) -> Markup {
    let options = &shop.options;
    html! {
        h2 { "How to get a voucher" }
        ol {
            li { a href="/login" { "Log in" } ": the list shows the products that each customer has viewed before." }
            li { "Open a product that the customer looked at in an earlier session." }
            li {
                "Stay on its page for " (options.linger.as_secs_f32()) " seconds. The voucher appears in the page, \
                 without a reload."
            }
        }
        p {
            "Only the time counts in which the page is in view and in use. The page reports it every "
            (options.heartbeat.as_secs_f32()) " seconds. This shop is a demo of Tributary: nothing in it can be bought."
        }
    }
}
