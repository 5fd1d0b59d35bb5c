//! The smallest service: takes an order from the command line, and ships the orders that it hears of.
//!
//! `cargo run -p rowpost-outbox --example smallest -- mysql://root@127.0.0.1/shop 127.0.0.1:9092`,
//! with a relay that reads `shop.outbox`.

use std::{env, error::Error};

use rdkafka::ClientConfig;
use rowpost_outbox::{
    CancellationToken, Consumer, ConsumerConfig, Event, Handler, HandlerError, Headers, MySql,
    MySqlPool, Outbox, Received, Transaction, schema,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    order_id: String,
}

impl Event for OrderPlaced {
    fn aggregate_type(&self) -> &str {
        "order"
    }
    fn aggregate_id(&self) -> &str {
        &self.order_id
    }
    fn event_type(&self) -> &str {
        "OrderPlaced"
    }
}

struct Shipping;

impl Handler for Shipping {
    async fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> Result<(), HandlerError> {
        let order: OrderPlaced = event.json()?;
        sqlx::query("insert into shipment (order_id) values (?)")
            .bind(order.order_id)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(brokers)) = (arguments.next(), arguments.next()) else {
        return Err("give the URL of a MySQL schema and a Kafka broker".into());
    };
    let pool = MySqlPool::connect(&url).await?;
    schema::install(&mut *pool.acquire().await?).await?;
    for table in ["placed", "shipment"] {
        let sql = format!("create table if not exists {table} (order_id char(36) primary key)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await?;
    }

    // Its state and the event, or neither.
    let order = OrderPlaced { order_id: uuid::Uuid::now_v7().to_string() };
    let mut transaction = pool.begin().await?;
    sqlx::query("insert into placed (order_id) values (?)")
        .bind(&order.order_id)
        .execute(&mut *transaction)
        .await?;
    Outbox::default().append(&mut transaction, &order, &Headers::default()).await?;
    transaction.commit().await?;

    let mut kafka = ClientConfig::new();
    kafka.set("bootstrap.servers", brokers);
    let config = ConsumerConfig::new("shipping", ["outbox.event.order"]);
    let stop = CancellationToken::new();
    let consumer = tokio::spawn(Consumer::new(&kafka, pool, config, Shipping)?.run(stop.clone()));
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    Ok(consumer.await??)
}
