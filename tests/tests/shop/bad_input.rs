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

#[tokio::test]
async fn bad_order_is_refused_by_the_name_of_its_field_and_nothing_is_written() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = Shop::start("input", Style::Choreography).await?;
    let good = Order::of(2, 5).body();
    let mut cases: Vec<(Value, &str)> = Vec::new();
    for path in ["/order/user_id", "/order/email", "/inventory/id", "/inventory/quantity"] {
        let mut body = good.clone();
        *body.pointer_mut(path).expect("it is there") = Value::Null;
        cases.push((body, path));
    }
    for quantity in [json!(0), json!(-3), json!(1.5), json!("5"), json!(4_000_000_000_u32)] {
        let mut body = good.clone();
        body["inventory"]["quantity"] = quantity;
        cases.push((body, "/inventory/quantity"));
    }
    for (path, value) in [
        ("/inventory/id", json!(99)),
        ("/order/name", json!("x".repeat(101))),
        ("/order/tel", json!(1)),
        ("/order", json!([])),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(path).expect("it is there") = value;
        cases.push((body, path));
    }

    for (body, path) in cases {
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

    let (status, answer) = shop.get(shop.order.url("/v1/order?user_id=user")).await?;
    assert_eq!((status.as_u16(), &answer["field"]), (400, &json!("transaction_id")));

    for path in ["/v2", "/v1/orders"] {
        let (status, answer) = shop.get(shop.order.url(path)).await?;
        assert_eq!(status, 404);
        assert!(answer["error"].is_string());
    }
    Ok(())
}
