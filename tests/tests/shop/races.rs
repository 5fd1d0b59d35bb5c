//! Two that want to move the same order at the same moment.

use std::time::Duration;

use anyhow::Result;
use mysql_async::prelude::Queryable as _;
use rowpost_tests::{
    eventually, needs,
    shop::{Ended, LONG, Order, Shop, Style, Variables},
    tier::Tier,
};
use serde_json::json;

async fn phase(shop: &Shop, id: &str) -> Result<String> {
    let saga = shop.saga(id).await?;
    Ok(saga["phase"].as_str().unwrap_or_default().to_owned())
}

/// As another order service, or a handler in the middle of its transaction.
#[tokio::test]
async fn watchdog_leaves_alone_what_another_has_in_hand() -> Result<()> {
    needs!(Tier::Mysql9);
    let order =
        vec![("SHOP_STEP_DEADLINE", "1s".to_owned()), ("SHOP_SAGA_DEADLINE", "3s".to_owned())];
    let mut shop =
        Shop::start_with("hand", Style::Orchestration, &Variables::from([("order", order)]))
            .await?;
    let item = shop.add_item(1_000, 10).await?;
    shop.inventory.kill9()?;
    let table = format!("{}.saga", shop.schema("order"));

    let held = shop.place(&Order::of(item, 1)).await?;
    let mut connection = shop.mysql.connect().await?;
    connection.query_drop("begin").await?;
    let lock = format!("select * from {table} where transaction_id = '{held}' for update");
    connection.query_drop(lock).await?;
    let free = shop.place(&Order::of(item, 1)).await?;
    // It is due later than the one that is held.
    eventually("the watchdog goes on with the others", Duration::from_secs(20), async || {
        Ok::<_, anyhow::Error>(phase(&shop, &free).await? == "backward")
    })
    .await;
    assert_eq!(phase(&shop, &held).await?, "forward");
    connection.query_drop("rollback").await?;
    connection.disconnect().await?;
    eventually("then it takes that one too", LONG, async || {
        Ok::<_, anyhow::Error>(phase(&shop, &held).await? == "backward")
    })
    .await;

    shop.inventory.start_again()?;
    assert_eq!(shop.ended(&held).await, Ended::Cancelled);
    assert_eq!(shop.ended(&free).await, Ended::Cancelled);
    shop.assert_balanced(item, 10).await
}

/// The charge is made, and its answer is on the way.
async fn order_given_up_while_the_gateway_is_asked_is_refunded(style: Style) -> Result<()> {
    let name = format!("givenup{}", &style.as_str()[..2]);
    // No watchdog mends it.
    let order = vec![("SHOP_STEP_DEADLINE", "10min".to_owned())];
    let shop = Shop::start_with(&name, style, &Variables::from([("order", order)])).await?;
    let item = shop.add_item(1_000, 10).await?;
    shop.behave(json!({ "delay_ms": 1_500 })).await?;

    let id = shop.place(&Order::of(item, 1)).await?;
    let schema = shop.schema("payment");
    let attempts = format!("select attempts from {schema}.payment where transaction_id = '{id}'");
    eventually("the gateway is asked", LONG, async || {
        Ok::<_, anyhow::Error>(shop.mysql.value::<u32>(&attempts).await? == 1)
    })
    .await;
    let url = shop.order.url(&format!("/v1/sagas/{id}/compensate"));
    let (status, saga) = shop.post(url, &json!({})).await?;
    assert_eq!(status, 200, "{saga}");

    assert_eq!(shop.ended(&id).await, Ended::Cancelled);
    eventually("the money is given back", LONG, async || {
        Ok::<_, anyhow::Error>(shop.charge(&id).await?["status"] == "refunded")
    })
    .await;
    let story: &[&str] = match style {
        Style::Choreography => &[
            "order ORDER_CREATED",
            "inventory INVENTORY_RESERVED",
            "order ORDER_CANCEL",
            "payment ORDER_CANCEL",
            "inventory ORDER_CANCEL",
        ],
        Style::Orchestration => &[
            "order RESERVE_INVENTORY",
            "inventory INVENTORY_RESERVED",
            "order CHARGE_PAYMENT",
            "order REFUND_PAYMENT",
            "payment PAYMENT_REFUNDED",
            "order RELEASE_INVENTORY",
            "inventory INVENTORY_RELEASED",
        ],
    };
    assert_eq!(shop.story(&id, story.len()).await, story, "the last step is undone first");
    assert_eq!(shop.stock(item).await?, 10);
    shop.assert_balanced(item, 10).await
}

#[tokio::test]
async fn order_given_up_while_the_gateway_is_asked_is_refunded_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    order_given_up_while_the_gateway_is_asked_is_refunded(Style::Choreography).await
}

#[tokio::test]
async fn order_given_up_while_the_gateway_is_asked_is_refunded_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    order_given_up_while_the_gateway_is_asked_is_refunded(Style::Orchestration).await
}
