//! What the interface refuses, and that nothing is written for it.

use anyhow::Result;
use rowpost_tests::{
    needs,
    shop::{Order, Shop, Style},
    tier::Tier,
};
use serde_json::{Value, json};

async fn rows(shop: &Shop) -> Result<(u64, u64, u64)> {
    let schema = shop.schema("order");
    let sql = format!(
        "select (select count(*) from {schema}.customer_order), \
                (select count(*) from {schema}.saga), (select count(*) from {schema}.outbox)"
    );
    shop.mysql.value(&sql).await
}

/// As long as `services/order` takes them.
const TEXTS: [(&str, usize); 5] =
    [("user_id", 100), ("name", 100), ("addr", 255), ("tel", 50), ("email", 254)];

/// One field of each is wrong, and is named.
fn bad_orders(good: &Value) -> Vec<(Value, String)> {
    let mut bad = Vec::new();
    let mut add = |path: String, value: Option<Value>| {
        let mut body = good.clone();
        let (parent, field) = path.rsplit_once('/').expect("a path");
        let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("it is there");
        match value {
            Some(value) => parent.insert(field.to_owned(), value),
            None => parent.remove(field),
        };
        bad.push((body, path));
    };
    for (field, chars_max) in TEXTS {
        let path = format!("/order/{field}");
        add(path.clone(), None);
        for value in
            [json!(null), json!(1), json!(true), json!([]), json!({}), json!(""), json!(" ")]
        {
            add(path.clone(), Some(value));
        }
        add(path.clone(), Some(json!("x".repeat(chars_max + 1))));
        // A limit of characters, not of bytes.
        add(path, Some(json!("길".repeat(chars_max + 1))));
    }
    for field in ["id", "quantity"] {
        let path = format!("/inventory/{field}");
        add(path.clone(), None);
        for value in [json!(null), json!("5"), json!(true), json!([]), json!({}), json!(1.5)] {
            add(path.clone(), Some(value));
        }
        for value in [json!(0), json!(-3), json!(4_000_000_000_u32), json!(u64::MAX), json!(1e300)]
        {
            add(path.clone(), Some(value));
        }
    }
    add("/inventory/quantity".to_owned(), Some(json!(1_000_001)));
    add("/inventory/id".to_owned(), Some(json!(99)));
    for object in ["/order", "/inventory"] {
        add(object.to_owned(), None);
        for value in [json!(null), json!("text"), json!([]), json!(5)] {
            add(object.to_owned(), Some(value));
        }
    }
    bad
}

#[tokio::test]
async fn order_of_the_longest_texts_and_the_largest_numbers_is_taken() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = crate::stage::shared(Style::Choreography).await?;
    let mut body = Order::of(2, 1_000_000).body();
    for (field, chars_max) in TEXTS {
        body["order"][field] = json!("길".repeat(chars_max));
    }

    let (status, answer) = shop.post(shop.order.url("/v1/order"), &body).await?;

    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["user_id"], "길".repeat(100));
    Ok(())
}

#[tokio::test]
async fn bad_order_is_refused_by_the_name_of_its_field_and_nothing_is_written() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = Shop::start("input", Style::Choreography).await?;
    let good = Order::of(2, 5).body();

    for (body, path) in bad_orders(&good) {
        let (status, answer) = shop.post(shop.order.url("/v1/order"), &body).await?;

        assert_eq!(status, 400, "{body}");
        let field = path.trim_start_matches('/').replace('/', ".");
        assert_eq!(answer["field"], *field, "{answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.starts_with(&field)));
    }
    for (body, expected) in [
        ("not JSON".to_owned(), 400),
        ("[1]".to_owned(), 400),
        (String::new(), 400),
        (format!("{}1{}", "[".repeat(100), "]".repeat(100)), 400),
        (format!("{{\"a\": \"{}\"}}", "x".repeat(70_000)), 413),
        ("null".to_owned(), 400),
        ("{\"order\": {}".to_owned(), 400),
        (good.to_string() + good.to_string().as_str(), 400),
        (good.to_string().replace("Hong", "\\ud800"), 400),
    ] {
        let (status, answer) = shop.post_text(shop.order.url("/v1/order"), body).await?;

        assert_eq!(status, expected, "{answer}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    assert_eq!(rows(&shop).await?, (0, 0, 0));

    let id = shop.place(&Order::of(2, 5)).await?;
    assert!(rows(&shop).await? >= (1, 1, 1), "an order {id} that is good is written");
    Ok(())
}

#[tokio::test]
async fn order_that_is_not_there_is_not_found() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = crate::stage::shared(Style::Choreography).await?;

    let url = shop.order.url("/v1/order?transaction_id=x&user_id=user");
    let (status, answer) = shop.get(url).await?;
    assert_eq!((status.as_u16(), answer), (404, json!({ "error": "data not found" })));

    for (query, field) in [
        ("", "transaction_id"),
        ("?user_id=user", "transaction_id"),
        ("?transaction_id=&user_id=user", "transaction_id"),
        ("?transaction_id=x", "user_id"),
        ("?transaction_id=x&user_id=", "user_id"),
    ] {
        let (status, answer) = shop.get(shop.order.url(&format!("/v1/order{query}"))).await?;
        assert_eq!((status.as_u16(), &answer["field"]), (400, &json!(field)), "{query}");
    }
    for path in ["order/%ED%95%9C/events", "order/%ED%95%9C/events/stream", "sagas/%ED%95%9C"] {
        let (status, answer) = shop.get(shop.order.url(&format!("/v1/{path}"))).await?;
        assert_eq!(
            (status.as_u16(), answer),
            (404, json!({ "error": "data not found" })),
            "{path}"
        );
    }
    // Nothing that a query says becomes part of a statement, or too much for one.
    for id in ["x'%20or%20'1'='1", "%00", "%ED%95%9C", &"x".repeat(5_000)] {
        let path = format!("/v1/order?transaction_id={id}&user_id=user");
        let (status, answer) = shop.get(shop.order.url(&path)).await?;
        assert_eq!((status.as_u16(), answer), (404, json!({ "error": "data not found" })), "{id}");
    }
    Ok(())
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_as_json() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = crate::stage::shared(Style::Choreography).await?;
    let client = reqwest::Client::new();

    for service in shop.services() {
        for path in ["/v2", "/v1", "/v1/orders", "/v1/order/", "/v1/inventory/1", "/.env"] {
            let (status, answer) = shop.get(service.url(path)).await?;
            assert_eq!(status, 404, "{} {path}", service.name());
            assert!(answer["error"].is_string(), "{answer}");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let request = client.request(method.parse()?, service.url("/healthz"));
            let answer = request.send().await?;
            assert_eq!(answer.status(), 405, "{} {method}", service.name());
            assert!(answer.json::<Value>().await?["error"].is_string());
        }
    }
    for url in [shop.order.url("/v1/order"), shop.inventory.url("/v1/inventory")] {
        let answer = client.delete(&url).send().await?;
        assert_eq!(answer.status(), 405, "{url}");
        assert!(answer.json::<Value>().await?["error"].is_string());
    }
    Ok(())
}
