//! What the services stand on goes away while orders flow: the relay, MySQL, Kafka.

use std::time::Duration;

use anyhow::{Context, Result};
use rowpost_tests::{
    KafkaBroker, MysqlServer, Setup, needs,
    shop::{LONG, Shop, Style},
    tier::Tier,
};
use serde_json::json;

use crate::{
    load::{Customers, all_have_ended},
    stage::REFUSED,
};

/// Between two faults: long enough for orders to flow again.
const FLOW: Duration = Duration::from_secs(2);
/// How long what was killed is away: longer than a single attempt to reach it.
const AWAY: Duration = Duration::from_millis(1_500);

/// Some twenty orders in a second: they are to meet the faults, not to outlast them.
const PAUSE: Duration = Duration::from_millis(200);

async fn killed_relay_mysql_and_kafka_lose_no_order_and_charge_nobody_twice(
    style: Style,
) -> Result<()> {
    // Nobody else's: they are killed. The program's end is theirs.
    let mysql: &'static MysqlServer =
        Box::leak(Box::new(MysqlServer::start(Setup::Current).await?));
    let kafka: &'static KafkaBroker = Box::leak(Box::new(KafkaBroker::start_killable().await?));
    let name = format!("servers{}", &style.as_str()[..2]);
    // What is lost would hang: no watchdog asks again.
    let order = vec![("SHOP_STEP_DEADLINE", "10min".to_owned())];
    let variables = [("order", order)].into();
    let mut shop = Shop::start_on(mysql, kafka, &name, style, &variables).await?;
    shop.behave(json!({ "refuse_name": REFUSED })).await?;
    let item = shop.add_item(1_000, 10_000).await?;
    let customers = Customers::start_with(&shop, item, PAUSE);

    tokio::time::sleep(FLOW).await;
    shop.relay.kill9()?;
    tokio::time::sleep(AWAY).await;
    shop.relay.start_again()?;
    tokio::time::sleep(FLOW).await;
    mysql.kill9().await.context("MySQL")?;
    tokio::time::sleep(AWAY).await;
    mysql.start_again().await?;
    tokio::time::sleep(FLOW).await;
    kafka.kill9().await.context("Kafka")?;
    tokio::time::sleep(AWAY).await;
    kafka.start_again().await?;
    tokio::time::sleep(FLOW).await;
    let ids = customers.stop().await?;

    // None of them was started again by anybody.
    shop.relay.wait_ready(LONG).await;
    shop.wait_ready().await;
    eprintln!("{} orders", ids.len());
    assert!(ids.len() > 30, "the customers managed only {} orders", ids.len());
    all_have_ended(&shop, &ids).await?;
    shop.assert_balanced(item, 10_000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_relay_mysql_and_kafka_lose_no_order_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kill);
    killed_relay_mysql_and_kafka_lose_no_order_and_charge_nobody_twice(Style::Choreography).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_relay_mysql_and_kafka_lose_no_order_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kill);
    killed_relay_mysql_and_kafka_lose_no_order_and_charge_nobody_twice(Style::Orchestration).await
}
