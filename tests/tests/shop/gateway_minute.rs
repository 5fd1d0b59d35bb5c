//! The gateway is away for a minute: longer than the payment service's charge deadline of 30 s, which
//! is left as it is.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{
    eventually, needs,
    shop::{Ended, LONG, Order, Shop, Style},
    tier::Tier,
};
use serde_json::json;

/// Behind the deadline of the orders before it; 15 s before the gateway's return.
const SECOND_ORDERS_AFTER: Duration = Duration::from_secs(45);
const THE_REST: Duration = Duration::from_secs(15);

/// How it is away.
enum Away {
    /// It says 503 at once.
    Down,
    /// It stands still: connections open, and nothing is ever answered.
    Frozen,
}

async fn minute_without_a_gateway(style: Style, away: Away) -> Result<()> {
    let shop = Shop::start(&format!("minute{}", &style.as_str()[..2]), style).await?;
    let item = shop.add_item(1_000, 100).await?;
    let order = Order::of(item, 1);
    let before = shop.place(&order).await?;
    assert_eq!(shop.ended(&before).await, Ended::Complete);
    match away {
        Away::Down => shop.behave(json!({ "is_down": true })).await?,
        Away::Frozen => shop.gateway.pause()?,
    }

    let mut early = Vec::new();
    for _ in 0..5 {
        early.push(shop.place(&order).await?);
    }
    tokio::time::sleep(SECOND_ORDERS_AFTER).await;
    let mut late = Vec::new();
    for _ in 0..5 {
        late.push(shop.place(&order).await?);
    }
    tokio::time::sleep(THE_REST).await;
    for id in early.iter().chain(&late) {
        // Nobody knows yet whether they are charged, so none has ended.
        assert_eq!(shop.show(id).await?["status"], "ORDER_CREATED");
    }
    match away {
        Away::Down => shop.behave(json!({})).await?,
        Away::Frozen => shop.gateway.resume()?,
    }

    for id in &early {
        assert_eq!(shop.ended(id).await, Ended::Cancelled);
        assert_eq!(shop.reason(id).await?, "the payment gateway has not answered in time");
    }
    for id in &late {
        assert_eq!(shop.ended(id).await, Ended::Complete);
    }
    eventually("what was cancelled is given back", LONG, async || {
        shop.stock(item).await.is_ok_and(|left| left == 94)
    })
    .await;
    let after = shop.place(&order).await?;
    assert_eq!(shop.ended(&after).await, Ended::Complete);
    shop.assert_balanced(item, 100).await
}

/// Both styles beside each other: they mostly wait.
#[tokio::test]
async fn minute_without_a_gateway_charges_each_order_once_or_not_at_all() -> Result<()> {
    needs!(Tier::Mysql9);
    tokio::try_join!(
        minute_without_a_gateway(Style::Choreography, Away::Down),
        minute_without_a_gateway(Style::Orchestration, Away::Frozen),
    )?;
    Ok(())
}
