//! Customers who order all the time, whatever happens to the shop.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::shop::{LONG, Order, Shop};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stage::REFUSED;

const CUSTOMERS: usize = 4;

/// Between two orders of one customer.
const PAUSE: Duration = Duration::from_millis(15);

pub(crate) struct Customers {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Customers {
    /// One of them has a card that is refused.
    pub(crate) fn start(shop: &Shop, item: i32) -> Self {
        Self::start_with(shop, item, PAUSE)
    }

    pub(crate) fn start_with(shop: &Shop, item: i32, pause: Duration) -> Self {
        let (stop, url) = (CancellationToken::new(), shop.order.url("/v1/order"));
        let tasks = (0..CUSTOMERS).map(|number| {
            let order = Order::of(item, 1).by(if number == 0 { REFUSED } else { "Hong Gil Dong" });
            tokio::spawn(customer(url.clone(), order, pause, stop.clone()))
        });
        let tasks = tasks.collect();
        Self { stop, tasks }
    }

    /// The orders that were confirmed to them.
    pub(crate) async fn stop(self) -> Result<Vec<String>> {
        self.stop.cancel();
        let mut ids = Vec::new();
        for task in self.tasks {
            ids.extend(task.await?);
        }
        Ok(ids)
    }
}

/// A service that is being killed may not answer, and one without its database says no.
async fn customer(
    url: String,
    order: Order,
    pause: Duration,
    stop: CancellationToken,
) -> Vec<String> {
    let client = reqwest::Client::builder().timeout(LONG).build().expect("a client");
    let mut ids = Vec::new();
    while !stop.is_cancelled() {
        let answer = client.post(&url).json(&order.body()).send().await;
        if let Ok(answer) = answer
            && let Ok(body) = answer.json::<Value>().await
            && let Some(id) = body["transaction_id"].as_str()
        {
            ids.push(id.to_owned());
        }
        tokio::time::sleep(pause).await;
    }
    ids
}

/// What was confirmed is there, and has ended; so has what was taken without an answer.
pub(crate) async fn all_have_ended(shop: &Shop, confirmed: &[String]) -> Result<()> {
    let all = all_orders(shop).await?;
    for id in &all {
        shop.ended(id).await;
    }
    assert!(confirmed.iter().all(|id| all.contains(id)), "an order that was confirmed is lost");
    Ok(())
}

async fn all_orders(shop: &Shop) -> Result<Vec<String>> {
    use mysql_async::prelude::Queryable as _;
    let mut connection = shop.mysql.connect().await?;
    let sql = format!("select transaction_id from {}.customer_order", shop.schema("order"));
    let ids = connection.query(sql).await?;
    connection.disconnect().await?;
    Ok(ids)
}
