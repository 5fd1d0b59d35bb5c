//! Each service is killed with SIGKILL at random moments under load.
//!
//! Not the gateway: it keeps its charges in memory, which no payment provider does.

use std::time::Duration;

use anyhow::Result;
use mysql_async::prelude::Queryable as _;
use rowpost_tests::{
    Random, eventually, needs,
    shop::{Ended, LONG, Order, Shop, Style},
    tier::Tier,
};
use serde_json::json;

use crate::{
    load::{Customers, all_have_ended},
    stage::REFUSED,
};

const KILLS: u32 = 9;
/// A start takes some 100 ms, so kills fall into starts, rebalances, and full flow.
const LIFE_MAX_MS: u32 = 800;

/// Longer than Kafka's clients wait between two commits of their offsets.
const COMMITTED_WITHIN: Duration = Duration::from_secs(6);

async fn kills_lose_no_order_and_charge_nobody_twice(style: Style) -> Result<()> {
    let name = format!("kills{}", &style.as_str()[..2]);
    // What a kill has lost would hang: no watchdog asks again.
    let order = vec![("SHOP_STEP_DEADLINE", "10min".to_owned())];
    let mut shop = Shop::start_with(&name, style, &[("order", order)].into()).await?;
    shop.behave(json!({ "refuse_name": REFUSED, "delay_ms": 20 })).await?;
    let item = shop.add_item(1_000, 10_000).await?;
    let mut random = Random::from_environment();
    let customers = Customers::start(&shop, item);

    for round in 0..KILLS {
        let service = ["order", "inventory", "payment"][round as usize % 3];
        let life = Duration::from_millis(u64::from(random.below(LIFE_MAX_MS)));
        tokio::time::sleep(life).await;
        let service = shop.service_mut(service)?;
        service.kill9()?;
        service.start_again()?;
    }
    shop.wait_ready().await;
    let ids = customers.stop().await?;

    eprintln!("{KILLS} kills, {} orders", ids.len());
    assert!(ids.len() > 50, "the customers managed only {} orders", ids.len());
    all_have_ended(&shop, &ids).await?;
    shop.assert_balanced(item, 10_000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_order_and_charge_nobody_twice_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    kills_lose_no_order_and_charge_nobody_twice(Style::Choreography).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_order_and_charge_nobody_twice_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    kills_lose_no_order_and_charge_nobody_twice(Style::Orchestration).await
}

/// It stands before a lock: nothing of it is committed, and so its offset must not be.
#[tokio::test]
async fn message_in_the_hands_of_a_service_that_is_killed_comes_again() -> Result<()> {
    needs!(Tier::Mysql9);
    let order = vec![("SHOP_STEP_DEADLINE", "10min".to_owned())];
    let variables = [("order", order)].into();
    let mut shop = Shop::start_with("inhand", Style::Choreography, &variables).await?;
    let item = shop.add_item(1_000, 10).await?;
    let schema = shop.schema("inventory");
    let mut connection = shop.mysql.connect().await?;
    connection.query_drop("begin").await?;
    let lock = format!("select * from {schema}.inventory where id = {item} for update");
    connection.query_drop(lock).await?;

    let id = shop.place(&Order::of(item, 1)).await?;
    let waiting = format!(
        "select count(*) from information_schema.processlist \
         where db = '{schema}' and info like 'update inventory%'"
    );
    eventually("the inventory stands before the lock", LONG, async || {
        Ok::<_, anyhow::Error>(shop.mysql.value::<u64>(&waiting).await? > 0)
    })
    .await;
    tokio::time::sleep(COMMITTED_WITHIN).await;
    shop.inventory.kill9()?;
    connection.query_drop("rollback").await?;
    connection.disconnect().await?;
    shop.inventory.start_again()?;

    assert_eq!(shop.ended(&id).await, Ended::Complete);
    shop.assert_balanced(item, 10).await
}
