//! Each message comes twice.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use futures_util::future;
use mysql_async::prelude::Queryable as _;
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
        let (duplicates, rows) = (duplicates(&shop)?, outbox_rows(&shop).await?);
        let is_doubled = |(topic, rows): (&String, &u64)| {
            duplicates.get(&shop.topic(topic)).is_some_and(|duplicates| *duplicates >= 2 * rows)
        };
        Ok::<_, anyhow::Error>(rows.iter().all(is_doubled))
    })
    .await;
    for (id, end) in ids.iter().zip(&ends) {
        assert_eq!(shop.ended(id).await, *end, "an order ends once");
    }
    assert!(ends.contains(&Ended::Complete) && ends.contains(&Ended::Cancelled));
    // 20 are complete, 10 are refused.
    let each: &[(&str, u64)] = match style {
        Style::Choreography => &[("inventory", 30 + 10), ("order", 20 + 10), ("payment", 30)],
        Style::Orchestration => &[
            ("shop.inventory.commands", 30 + 10),
            ("shop.order.replies", 30 + 30 + 10),
            ("shop.payment.commands", 30),
        ],
    };
    let each: BTreeMap<String, u64> =
        each.iter().map(|(topic, rows)| ((*topic).to_owned(), *rows)).collect();
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

/// Those of the saga, by their topics. What tells the view of an order is not among them: nobody copies
/// it here.
async fn outbox_rows(shop: &Shop) -> Result<BTreeMap<String, u64>> {
    let mut rows = BTreeMap::new();
    let mut connection = shop.mysql.connect().await?;
    for service in ["order", "inventory", "payment"] {
        let sql = format!(
            "select aggregatetype, count(*) from {}.outbox \
             where aggregatetype <> 'shop.order.status' group by aggregatetype",
            shop.schema(service)
        );
        for (topic, count) in connection.query::<(String, u64), _>(sql).await? {
            *rows.entry(topic).or_default() += count;
        }
    }
    connection.disconnect().await?;
    Ok(rows)
}

/// Deliveries that an inbox has recognised, by their topics, over all services and groups.
fn duplicates(shop: &Shop) -> Result<BTreeMap<String, u64>> {
    let mut count = BTreeMap::new();
    for service in [&shop.order, &shop.inventory, &shop.payment] {
        let log = service.log_text()?;
        for line in log.lines().filter(|line| line.contains("outcome=Duplicate")) {
            let (_, rest) = line.split_once("topic=\"").context("no topic")?;
            let (topic, _) = rest.split_once('"').context("no end of the topic")?;
            *count.entry(topic.to_owned()).or_default() += 1;
        }
    }
    Ok(count)
}
