//! What a customer asks of the shop, and what a test wants to know.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{LONG, Shop};
use crate::eventually;

/// A customer's order.
#[derive(Debug, Clone)]
pub struct Order {
    pub name: String,
    pub item: i32,
    pub quantity: i64,
}

impl Order {
    pub fn of(item: i32, quantity: i64) -> Self {
        Self { name: "Hong Gil Dong".to_owned(), item, quantity }
    }

    /// The gateway knows customers by their names.
    #[must_use]
    pub fn by(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub fn body(&self) -> Value {
        json!({
            "order": {
                "user_id": "user", "name": self.name, "addr": "29, Hansil-ro",
                "tel": "01012341234", "email": "hong@gil.com",
            },
            "inventory": { "id": self.item, "quantity": self.quantity },
        })
    }
}

/// What an order has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Complete,
    Cancelled,
}

impl Shop {
    pub async fn get(&self, url: String) -> Result<(StatusCode, Value)> {
        let answer = self.http.get(url).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    pub async fn post(&self, url: String, body: &Value) -> Result<(StatusCode, Value)> {
        let answer = self.http.post(url).json(body).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    pub async fn post_text(&self, url: String, body: String) -> Result<(StatusCode, Value)> {
        let answer = self.http.post(url).body(body).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// The order's transaction id.
    pub async fn place(&self, order: &Order) -> Result<String> {
        let (status, answer) = self.post(self.order.url("/v1/order"), &order.body()).await?;
        ensure!(status == StatusCode::OK, "{status}: {answer}");
        ensure!(answer["status"] == "ORDER_CREATED" && answer["user_id"] == "user", "{answer}");
        Ok(answer["transaction_id"].as_str().context("no transaction_id")?.to_owned())
    }

    pub async fn show(&self, transaction_id: &str) -> Result<Value> {
        let path = format!("/v1/order?transaction_id={transaction_id}&user_id=user");
        Ok(self.get(self.order.url(&path)).await?.1)
    }

    /// # Panics
    /// If it has not ended within [`LONG`].
    pub async fn ended(&self, transaction_id: &str) -> Ended {
        let mut ended = None;
        eventually(&format!("order {transaction_id} ends"), LONG, async || {
            let order = self.show(transaction_id).await?;
            ended = match order["status"].as_str() {
                Some("ORDER_COMPLETE") => Some(Ended::Complete),
                Some("ORDER_CANCEL") => Some(Ended::Cancelled),
                _ => None,
            };
            Ok::<_, anyhow::Error>(ended.is_some())
        })
        .await;
        ended.expect("it has ended")
    }

    /// Why an order was cancelled.
    pub async fn reason(&self, transaction_id: &str) -> Result<String> {
        let saga = self.saga(transaction_id).await?;
        Ok(saga["reason"].as_str().context("no reason")?.to_owned())
    }

    /// Where an order's saga stands.
    pub async fn saga(&self, transaction_id: &str) -> Result<Value> {
        Ok(self.get(self.order.url(&format!("/v1/sagas/{transaction_id}"))).await?.1)
    }

    /// The order's log, once it has so many events.
    pub async fn log(&self, transaction_id: &str, events: usize) -> Vec<Value> {
        let mut lines = Vec::new();
        eventually("the log has the events", LONG, async || {
            let url = self.order.url(&format!("/v1/order/{transaction_id}/events"));
            let (_, log) = self.get(url).await?;
            lines = log.as_array().cloned().unwrap_or_default();
            Ok::<_, anyhow::Error>(lines.len() >= events)
        })
        .await;
        lines
    }

    /// `by status` of each event in the order's log, once there are so many.
    pub async fn story(&self, transaction_id: &str, events: usize) -> Vec<String> {
        let text = |line: &Value, field: &str| line[field].as_str().unwrap_or("?").to_owned();
        let log = self.log(transaction_id, events).await;
        log.iter().map(|line| format!("{} {}", text(line, "by"), text(line, "status"))).collect()
    }

    /// The gateway misbehaves from now on; `{}` ends it.
    pub async fn behave(&self, behaviour: Value) -> Result<()> {
        let request = self.http.put(self.gateway.url("/v1/behaviour")).json(&behaviour);
        let answer = request.send().await?;
        ensure!(answer.status() == StatusCode::OK, "{}", answer.text().await?);
        Ok(())
    }

    /// What the gateway says of the order; `Null` if it has never heard of it.
    pub async fn charge(&self, transaction_id: &str) -> Result<Value> {
        let url = self.gateway.url(&format!("/v1/charges/{transaction_id}"));
        let (status, entry) = self.get(url).await?;
        Ok(if status == StatusCode::NOT_FOUND { Value::Null } else { entry })
    }

    /// An item of the test's own.
    pub async fn add_item(&self, price: i32, quantity: i32) -> Result<i32> {
        let (inventory, order) = (self.schema("inventory"), self.schema("order"));
        let mut connection = self.mysql.connect().await?;
        use mysql_async::prelude::Queryable as _;
        connection
            .query_drop(format!(
                "insert into {inventory}.inventory (name, price, quantity) \
                 values ('test', {price}, {quantity})"
            ))
            .await?;
        let id = i32::try_from(connection.last_insert_id().context("no id")?)?;
        connection.query_drop(format!("insert into {order}.item (id) values ({id})")).await?;
        connection.disconnect().await?;
        Ok(id)
    }

    pub async fn stock(&self, item: i32) -> Result<i64> {
        let (_, rows) = self.get(self.inventory.url("/v1/inventory")).await?;
        let rows = rows.as_array().context("no array")?;
        let row = rows.iter().find(|row| row["id"] == item).context("no such item")?;
        row["quantity"].as_i64().context("no quantity")
    }

    /// What an order has taken from the stock, and given back.
    pub async fn moved(&self, transaction_id: &str) -> Result<Vec<i64>> {
        let (_, history) = self.get(self.inventory.url("/v1/inventory_history")).await?;
        let rows = history.as_array().context("no array")?.iter();
        let rows = rows.filter(|row| row["transaction_id"] == *transaction_id);
        rows.map(|row| row["quantity"].as_i64().context("no quantity")).collect()
    }

    /// `(transaction id, status)` of every order, as MySQL has them.
    pub async fn orders(&self) -> Result<Vec<(String, String)>> {
        use mysql_async::prelude::Queryable as _;
        let order = self.schema("order");
        let mut connection = self.mysql.connect().await?;
        let query = format!("select transaction_id, status from {order}.customer_order");
        let orders = connection.query(query).await?;
        connection.disconnect().await?;
        Ok(orders)
    }

    /// Everything of this item has a place: what there was at first is there, or sold; each order has
    /// ended; each complete one was charged once, each cancelled one is not charged.
    pub async fn assert_balanced(&self, item: i32, first: i64) -> Result<()> {
        use mysql_async::prelude::Queryable as _;
        let (inventory, order) = (self.schema("inventory"), self.schema("order"));
        let mut connection = self.mysql.connect().await?;
        let orders: Vec<(String, String, i64)> = connection
            .query(format!(
                "select o.transaction_id, o.status, \
                        cast(s.message->>'$.inventory.quantity' as signed) \
                 from {order}.customer_order o join {order}.saga s using (transaction_id) \
                 where s.message->>'$.inventory.id' = '{item}'"
            ))
            .await?;
        let moved: Option<i64> = connection
            .query_first(format!(
                "select cast(coalesce(sum(quantity), 0) as signed) \
                 from {inventory}.inventory_history where inventory_id = {item}"
            ))
            .await?;
        connection.disconnect().await?;
        ensure!(!orders.is_empty(), "nobody has ordered {item}");
        let mut sold = 0;
        for (id, status, quantity) in &orders {
            let charge = self.charge(id).await?;
            match &**status {
                "ORDER_COMPLETE" => {
                    sold += quantity;
                    let is_charged = charge["status"] == "charged" && charge["times_charged"] == 1;
                    ensure!(is_charged, "{id} is complete, and its charge is {charge}");
                }
                "ORDER_CANCEL" => {
                    ensure!(charge["status"] != "charged", "{id} is cancelled, and charged");
                }
                other => anyhow::bail!("{id} is {other}"),
            }
        }
        let left = self.stock(item).await?;
        ensure!(left + sold == first, "{left} left, {sold} sold, of {first}");
        ensure!(moved == Some(-sold), "the history says {moved:?}, sold were {sold}");
        Ok(())
    }
}
