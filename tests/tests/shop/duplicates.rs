//! Each message comes twice.

use anyhow::Result;
use futures_util::future;
use rowpost_tests::{
    eventually, needs,
    shop::{Duplicator, Ended, LONG, Order, Shop, Style},
    tier::Tier,
};
use serde_json::json;

async fn message_that_comes_twice_has_its_effect_once(style: Style) -> Result<()> {
    let log = vec![("SHOP_LOG", "rowpost_outbox=debug,info".to_owned())];
    let variables = ["order", "inventory", "payment"].map(|service| (service, log.clone())).into();
    let name = format!("twice{}", &style.as_str()[..2]);
    let shop = Shop::start_with(&name, style, &variables).await?;
    shop.behave(json!({ "refuse_name": "Nobody" })).await?;
    let item = shop.add_item(1_000, 1_000).await?;
    let _duplicator = Duplicator::start(&shop)?;

    let orders = (0..30).map(|number| match number % 3 {
        0 => Order::of(item, 1).by("Nobody"),
        _ => Order::of(item, 1),
    });
    let orders: Vec<Order> = orders.collect();
    let ids = future::try_join_all(orders.iter().map(|order| shop.place(order))).await?;
    let ends = future::join_all(ids.iter().map(|id| shop.ended(id))).await;

    // Each topic has two groups: the service that it is for, and the order service's log.
    eventually("every message has come twice", LONG, async || {
        Ok::<_, anyhow::Error>(duplicates(&shop)? >= 2 * outbox_rows(&shop).await?)
    })
    .await;
    for (id, end) in ids.iter().zip(&ends) {
        assert_eq!(shop.ended(id).await, *end, "an order ends once");
    }
    assert!(ends.contains(&Ended::Complete) && ends.contains(&Ended::Cancelled));
    let each = match style {
        Style::Choreography => 20 * 3 + 10 * 4,
        Style::Orchestration => 20 * 4 + 10 * 6,
    };
    assert_eq!(outbox_rows(&shop).await?, each, "copies have no answers");
    shop.assert_balanced(item, 1_000).await
}

#[tokio::test]
async fn message_that_comes_twice_has_its_effect_once_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    message_that_comes_twice_has_its_effect_once(Style::Choreography).await
}

#[tokio::test]
async fn message_that_comes_twice_has_its_effect_once_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    message_that_comes_twice_has_its_effect_once(Style::Orchestration).await
}

/// Those of the saga. What tells the view of an order is not among them: nobody copies it here.
async fn outbox_rows(shop: &Shop) -> Result<u64> {
    let mut rows = 0;
    for service in ["order", "inventory", "payment"] {
        let outbox = format!("{}.outbox", shop.schema(service));
        let sql =
            format!("select count(*) from {outbox} where aggregatetype <> 'shop.order.status'");
        rows += shop.mysql.value::<u64>(&sql).await?;
    }
    Ok(rows)
}

/// Deliveries that an inbox has recognised, over all services and groups.
fn duplicates(shop: &Shop) -> Result<u64> {
    let mut count = 0;
    for service in [&shop.order, &shop.inventory, &shop.payment] {
        let log = service.log_text()?;
        count += log.lines().filter(|line| line.contains("outcome=Duplicate")).count() as u64;
    }
    Ok(count)
}
