//! The shop over real HTTP.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use tributary_clickstream::session::{Session, Signer};
use tributary_shop::{Shop, ShopOptions, read_customers, read_products};

const SECRET: &str = "a secret for tests only, of 32 bytes or more";

async fn shop() -> (Shop, String) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/demo");
    let options = ShopOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        collector: "http://127.0.0.1:8081".to_owned(),
        session_secret: SECRET.to_owned(),
        customers: read_customers(&demo.join("customers.jsonl")).unwrap(),
        products: read_products(&demo.join("products.json")).unwrap(),
        heartbeat: Duration::from_secs(2),
        min_visit: Duration::from_secs(1),
        linger: Duration::from_secs(5),
    };
    let shop = Shop::start(options).await.unwrap();
    let url = format!("http://{}", shop.addr());
    (shop, url)
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

async fn get(url: &str, cookie: Option<&str>) -> Response {
    let request = cookie.into_iter().fold(client().get(url), |request, cookie| request.header("cookie", cookie));
    request.send().await.unwrap()
}

/// The cookie that an answer sets, and the session in it.
fn cookie(response: &Response) -> Option<(String, Session)> {
    let set = response.headers().get("set-cookie")?.to_str().unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    let pair = set.split(';').next()?;
    let token = pair.split_once('=')?.1;
    Some((pair.to_owned(), Signer::new(SECRET).unwrap().verify(token, 0).unwrap()))
}

async fn log_in(url: &str, customer: &str) -> Response {
    let form = client().post(format!("{url}/login")).header("content-type", "application/x-www-form-urlencoded");
    form.body(format!("customer_id={customer}")).send().await.unwrap()
}

#[tokio::test]
async fn the_first_page_begins_a_session_and_the_next_keeps_it() {
    let (shop, url) = shop().await;
    let first = get(&url, None).await;
    let (pair, session) = cookie(&first).unwrap();
    assert_eq!(session.customer(), None);
    let page = first.text().await.unwrap();
    assert!(page.contains("Reading armchair") && page.contains("€ 449.00"), "{page}");
    assert!(!page.contains(&**session.id()), "the session id is for the server only");
    assert!(cookie(&get(&url, Some(&pair)).await).is_none());
    assert!(cookie(&get(&url, Some("tributary_session=forged")).await).is_some());
    shop.shutdown().await;
}

#[tokio::test]
async fn a_product_page_names_its_product_for_the_tag() {
    let (shop, url) = shop().await;
    let response = get(&format!("{url}/products/lamp"), None).await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("connect-src 'self' http://127.0.0.1:8081"), "{policy}");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page = response.text().await.unwrap();
    for part in [
        r#"data-collect="http://127.0.0.1:8081/collect""#,
        r#"data-events="http://127.0.0.1:8081/events""#,
        r#"data-heartbeat-ms="2000""#,
        r#"data-product-id="lamp""#,
        "Stay on its page for 5 seconds",
        "<svg ",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let missing = get(&format!("{url}/products/none"), None).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(!missing.text().await.unwrap().contains("data-product-id"));
    shop.shutdown().await;
}

#[tokio::test]
async fn a_page_on_localhost_uses_localhost() {
    let (shop, url) = shop().await;
    let port = url.rsplit_once(':').unwrap().1.to_owned();
    let page =
        client().get(&url).header("host", format!("localhost:{port}")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("http://localhost:8081/collect"), "{page}");
    shop.shutdown().await;
}

#[tokio::test]
async fn login_and_logout_begin_new_sessions() {
    let (shop, url) = shop().await;
    let (before, anonymous) = cookie(&get(&url, None).await).unwrap();
    let login_page = get(&format!("{url}/login"), Some(&before)).await.text().await.unwrap();
    assert!(login_page.contains("Ada Brandt") && login_page.contains("c-1002"));
    let response = log_in(&url, "c-1001").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let (pair, session) = cookie(&response).unwrap();
    assert_eq!(session.customer().map(|id| &**id), Some("c-1001"));
    assert_ne!(session.id(), anonymous.id());
    assert!(get(&url, Some(&pair)).await.text().await.unwrap().contains("Ada Brandt"));
    let out = client().post(format!("{url}/logout")).header("cookie", &pair).send().await.unwrap();
    let (_, after) = cookie(&out).unwrap();
    assert_eq!(after.customer(), None);
    assert_ne!(after.id(), session.id());
    assert_eq!(log_in(&url, "nobody").await.status(), StatusCode::BAD_REQUEST);
    shop.shutdown().await;
}

#[tokio::test]
async fn a_form_of_another_site_cannot_log_in() {
    let (shop, url) = shop().await;
    let form = client().post(format!("{url}/login")).header("content-type", "application/x-www-form-urlencoded");
    let response = form.header("origin", "http://evil.example.com").body("customer_id=c-1001").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(cookie(&response).is_none());
    shop.shutdown().await;
}

#[tokio::test]
async fn a_session_is_extended_while_pages_are_opened() {
    let (shop, url) = shop().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let soon = i64::try_from(now.as_millis()).unwrap() + 60_000;
    let session = Session::of_customer("c-1001", soon).unwrap();
    let pair = format!("tributary_session={}", Signer::new(SECRET).unwrap().issue(&session));
    let (_, renewed) = cookie(&get(&url, Some(&pair)).await).unwrap();
    assert_eq!((renewed.id(), renewed.customer()), (session.id(), session.customer()));
    assert!(renewed.expires_at() > soon);
    shop.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_replaced_by_a_free_one() {
    let (first, _) = shop().await;
    let options = ShopOptions {
        listen: first.addr(),
        collector: "http://127.0.0.1:1".to_owned(),
        session_secret: SECRET.to_owned(),
        customers: Vec::new(),
        products: Vec::new(),
        heartbeat: Duration::from_secs(10),
        min_visit: Duration::from_secs(5),
        linger: Duration::from_secs(20),
    };
    let second = Shop::start(options.clone()).await.unwrap();
    assert_ne!(first.addr(), second.addr());
    assert!(!format!("{options:?}").contains(SECRET));
    assert!(Shop::start(ShopOptions { session_secret: "short".to_owned(), ..options }).await.is_err());
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn the_script_and_the_style_are_the_shops_own() {
    let (shop, url) = shop().await;
    for (path, content_type) in [("/tag.js", "text/javascript"), ("/shop.css", "text/css")] {
        let response = get(&format!("{url}{path}"), None).await;
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(content_type));
        let text = response.text().await.unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another server");
    }
    shop.shutdown().await;
}
