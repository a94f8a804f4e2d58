//! The pages, rendered on the server.

mod layout;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, PreEscaped, html};

use self::layout::{Page, respond};
use crate::Product;
use crate::state::ShopState;
use crate::visitor::Visitor;

/// All products.
pub(crate) async fn list(State(shop): State<Arc<ShopState>>, visitor: Visitor) -> Response {
    let body = html! {
        h1 { "Products" }
        ul class="products" {
            @for product in &shop.options.products { li { (card(product)) } }
        }
    };
    respond(&shop, &visitor, StatusCode::OK, Page { title: "Products", product: None, body })
}

/// One product.
pub(crate) async fn product(State(shop): State<Arc<ShopState>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let Some(product) = shop.product(&id) else { return missing(&shop, &visitor) };
    let body = html! {
        p { a href="/" { "← All products" } }
        article {
            (picture(product))
            div {
                h1 { (product.name) }
                p { (product.description) }
                p class="price" { (product.price()) }
            }
        }
    };
    respond(&shop, &visitor, StatusCode::OK, Page { title: &product.name, product: Some(product), body })
}

/// The login page.
pub(crate) async fn login(State(shop): State<Arc<ShopState>>, visitor: Visitor) -> Response {
    let body = html! {
        h1 { "Log in" }
        p { "No password is needed. Each login begins a new session." }
        form method="post" action="/login" {
            fieldset {
                legend { "Customers" }
                @for (index, customer) in shop.options.customers.iter().enumerate() {
                    label {
                        input type="radio" name="customer_id" value=(customer.customer_id) checked[index == 0];
                        span { strong { (customer.name) } " " (customer.hint) }
                    }
                }
            }
            button type="submit" { "Log in" }
        }
    };
    respond(&shop, &visitor, StatusCode::OK, Page { title: "Log in", product: None, body })
}

/// The page for unknown paths.
pub(crate) async fn not_found(State(shop): State<Arc<ShopState>>, visitor: Visitor) -> Response {
    missing(&shop, &visitor)
}

fn missing(shop: &ShopState, visitor: &Visitor) -> Response {
    let body = html! {
        h1 { "Page not found" }
        p { "There is no such page in this shop." }
        p { a href="/" { "← All products" } }
    };
    respond(shop, visitor, StatusCode::NOT_FOUND, Page { title: "Page not found", product: None, body })
}

fn card(product: &Product) -> Markup {
    html! {
        a href={ "/products/" (product.product_id) } {
            (picture(product))
            span class="name" { (product.name) }
            span class="price" { (product.price()) }
        }
    }
}

/// The picture is hidden from screen readers, because the name is next to it.
fn picture(product: &Product) -> Markup {
    html! { div class="picture" aria-hidden="true" { (PreEscaped(&product.picture)) } }
}
