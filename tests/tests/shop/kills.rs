//! Each service is killed with SIGKILL at random moments under load.
//!
//! Not the gateway: it keeps its charges in memory, which no payment provider does.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{
    Random, needs,
    shop::{Ended, LONG, Order, Shop, Style},
    tier::Tier,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const KILLS: u32 = 9;
/// A start takes some 100 ms, so kills fall into starts, rebalances, and full flow.
const LIFE_MAX_MS: u32 = 800;

async fn kills_lose_no_order_and_charge_nobody_twice(style: Style) -> Result<()> {
    let name = format!("kills{}", &style.as_str()[..2]);
    // The load must not run into deadlines: what brings it to its end is not the watchdog.
    let mut shop = Shop::start(&name, style).await?;
    shop.behave(json!({ "refuse_name": "Nobody", "delay_ms": 20 })).await?;
    let item = shop.add_item(1_000, 10_000).await?;
    let mut random = Random::from_environment();
    let (stop, url) = (CancellationToken::new(), shop.order.url("/v1/order"));
    let customers: Vec<_> =
        (0..4).map(|number| customer(url.clone(), item, number, &stop)).collect();

    for round in 0..KILLS {
        let service = ["order", "inventory", "payment"][round as usize % 3];
        let life = Duration::from_millis(u64::from(random.below(LIFE_MAX_MS)));
        tokio::time::sleep(life).await;
        let service = shop.service_mut(service)?;
        service.kill9()?;
        service.start_again()?;
    }
    shop.wait_ready().await;
    stop.cancel();
    let mut ids = Vec::new();
    for customer in customers {
        ids.extend(customer.await?);
    }

    let mut complete = 0;
    for id in &ids {
        complete += u32::from(shop.ended(id).await == Ended::Complete);
    }
    eprintln!("{KILLS} kills, {} orders, {complete} complete", ids.len());
    assert!(ids.len() > 50, "the customers managed only {} orders", ids.len());
    // Those whose answer a kill has swallowed, too.
    let all: Vec<String> = all_orders(&shop).await?;
    for id in &all {
        shop.ended(id).await;
    }
    assert!(ids.iter().all(|id| all.contains(id)), "an order that was confirmed is lost");
    shop.assert_balanced(item, 10_000).await
}

/// Orders until told to stop; a service that is being killed may not answer.
fn customer(
    url: String,
    item: i32,
    number: usize,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<Vec<String>> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let client = reqwest::Client::builder().timeout(LONG).build().expect("a client");
        let order = Order::of(item, 1).by(if number == 0 { "Nobody" } else { "Hong Gil Dong" });
        let mut ids = Vec::new();
        while !stop.is_cancelled() {
            let answer = client.post(&url).json(&order.body()).send().await;
            if let Ok(answer) = answer
                && let Ok(body) = answer.json::<serde_json::Value>().await
                && let Some(id) = body["transaction_id"].as_str()
            {
                ids.push(id.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        ids
    })
}

async fn all_orders(shop: &Shop) -> Result<Vec<String>> {
    use mysql_async::prelude::Queryable as _;
    let mut connection = shop.mysql.connect().await?;
    let sql = format!("select transaction_id from {}.customer_order", shop.schema("order"));
    let ids = connection.query(sql).await?;
    connection.disconnect().await?;
    Ok(ids)
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
