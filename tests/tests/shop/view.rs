//! The view of the orders in DynamoDB, with a real DynamoDB Local.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    producer::{FutureProducer, FutureRecord},
};
use rowpost_tests::{
    DynamodbStore,
    dynamodb_store::Attributes,
    eventually, needs,
    shop::{Ended, LONG, Order, Shop, Style, Variables},
    tier::Tier,
};
use serde_json::{Value, json};

use crate::stage::REFUSED;

/// More than a handler's record gets before it is a dead letter.
const ATTEMPTS: usize = 10;

struct Viewed {
    shop: Shop,
    table: String,
}

async fn start(name: &str, style: Style, store: &DynamodbStore) -> Result<Viewed> {
    let table = format!("{name}{}_order", std::process::id());
    let mut settings = store.variables(&table);
    settings.push(("SHOP_LOG", "shop_order=debug,info".to_owned()));
    let shop = Shop::start_with(name, style, &Variables::from([("order", settings)])).await?;
    shop.behave(json!({ "refuse_name": REFUSED })).await?;
    Ok(Viewed { shop, table })
}

impl Viewed {
    /// The item, once it has this status.
    async fn item(&self, store: &DynamodbStore, id: &str, status: &str) -> Attributes {
        let mut item = Attributes::new();
        eventually(&format!("the item of {id} says {status}"), LONG, async || {
            item = store.item(&self.table, id, "user").await?.unwrap_or_default();
            Ok::<_, anyhow::Error>(item.get("status").is_some_and(|found| found == status))
        })
        .await;
        item
    }

    /// The row, in the words of an item.
    async fn row(&self, id: &str) -> Result<Attributes> {
        let row: String = self
            .shop
            .mysql
            .value(&format!(
                "select json_object('transaction_id', transaction_id, 'user_id', user_id, \
                        'name', name, 'addr', addr, 'tel', tel, 'email', email, \
                        'status', status, 'version', cast(version as char), \
                        'updated', date_format(updated, '%Y-%m-%dT%H:%i:%s.%fZ')) \
                 from {}.customer_order where transaction_id = '{id}'",
                self.shop.schema("order")
            ))
            .await?;
        Ok(serde_json::from_str(&row)?)
    }

    /// As the client gets it, to the byte.
    async fn answer(&self, id: &str, user: &str) -> Result<(u16, String)> {
        let path = format!("/v1/order?transaction_id={id}&user_id={user}");
        let answer = reqwest::get(self.shop.order.url(&path)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Straight to the topic, as no relay would: partition 0, in this order.
    async fn produce(&self, events: &[Value]) -> Result<()> {
        let producer: FutureProducer = self.shop.kafka.client().create()?;
        let topic = self.shop.topic("shop.order.status");
        for event in events {
            let payload = event.to_string();
            let record = FutureRecord::to(&topic).partition(0).key("k").payload(&payload);
            producer.send(record, LONG).await.map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    async fn dead_letters(&self) -> Result<i64> {
        let (client, topic) = (self.shop.kafka.client(), self.shop.topic("order-view.dead-letter"));
        tokio::task::spawn_blocking(move || {
            let reader: BaseConsumer = client.create()?;
            Ok(reader.fetch_watermarks(&topic, 0, LONG)?.1)
        })
        .await?
    }

    async fn readiness(&self) -> Result<Value> {
        let (status, said) = self.shop.get(self.shop.order.url("/readyz")).await?;
        assert_eq!(status, 200, "{said}");
        assert_eq!(said["status"], "ready", "{said}");
        Ok(said["view"].clone())
    }
}

async fn orders_are_in_the_view_to_their_end_and_answered_as_from_mysql(
    style: Style,
) -> Result<()> {
    let store = DynamodbStore::shared().await?;
    let name = format!("view{}", &style.as_str()[..2]);
    let mut viewed = start(&name, style, store).await?;
    let item = viewed.shop.add_item(1_000, 10).await?;

    let bought = viewed.shop.place(&Order::of(item, 1)).await?;
    let refused = viewed.shop.place(&Order::of(item, 1).by(REFUSED)).await?;
    let mut answers = BTreeMap::new();
    for (id, status) in [(&bought, "ORDER_COMPLETE"), (&refused, "ORDER_CANCEL")] {
        let found = viewed.item(store, id, status).await;
        assert_eq!(found, viewed.row(id).await?);
        assert_eq!(found["version"], "2");
        answers.insert(id.clone(), viewed.answer(id, "user").await?);
    }
    // A stranger's order is none, in the view as in MySQL.
    assert_eq!(viewed.answer(&bought, "stranger").await?.0, 404);
    assert_eq!(viewed.readiness().await?, json!({ "status": "ready", "table": viewed.table }));
    assert_eq!(viewed.dead_letters().await?, 0);

    // What the view does not have yet is there all the same.
    viewed.shop.relay.pause()?;
    let new = viewed.shop.place(&Order::of(item, 1)).await?;
    let shown = viewed.shop.show(&new).await;
    let in_view = store.item(&viewed.table, &new, "user").await;
    viewed.shop.relay.resume()?;
    assert_eq!((&shown?["status"], in_view?), (&json!("ORDER_CREATED"), None));
    viewed.item(store, &new, "ORDER_COMPLETE").await;

    // It is the item that is shown.
    store.set(&viewed.table, &bought, "addr", "told by the view").await?;
    assert_eq!(viewed.shop.show(&bought).await?["addr"], "told by the view");

    let order = &mut viewed.shop.order;
    order.terminate(Duration::from_secs(20)).await?;
    order.unset("SHOP_DYNAMODB_ENDPOINT");
    order.start_again()?;
    viewed.shop.wait_ready().await;
    for (id, answer) in answers {
        assert_eq!(viewed.answer(&id, "user").await?, answer, "the other is MySQL's");
    }
    assert_eq!(viewed.readiness().await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn orders_are_in_the_view_to_their_end_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka, Tier::Dynamodb);
    orders_are_in_the_view_to_their_end_and_answered_as_from_mysql(Style::Choreography).await
}

#[tokio::test]
async fn orders_are_in_the_view_to_their_end_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka, Tier::Dynamodb);
    orders_are_in_the_view_to_their_end_and_answered_as_from_mysql(Style::Orchestration).await
}

fn told(id: &str, status: &str, version: u32) -> Value {
    json!({
        "transaction_id": id, "user_id": "user", "name": "n", "addr": "a", "tel": "t",
        "email": "e", "status": status, "updated": format!("at {version}"), "version": version,
    })
}

#[tokio::test]
async fn item_never_goes_back_and_what_is_no_event_of_an_order_does_not_stand_in_the_way()
-> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka, Tier::Dynamodb);
    let store = DynamodbStore::shared().await?;
    let viewed = start("viewback", Style::Choreography, store).await?;
    let (created, ended) = (told("a", "ORDER_CREATED", 1), told("a", "ORDER_COMPLETE", 2));

    viewed.produce(&[created.clone(), created.clone(), told("end1", "ORDER_CREATED", 1)]).await?;
    viewed.item(store, "end1", "ORDER_CREATED").await;
    assert_eq!(viewed.item(store, "a", "ORDER_CREATED").await["version"], "1");

    let mut late = told("b", "ORDER_COMPLETE", 2);
    late["name"] = json!("first");
    let mut same_version = ended.clone();
    same_version["name"] = json!("again");
    viewed.produce(&[ended.clone(), created.clone(), ended, same_version, created]).await?;
    viewed.produce(&[late, told("b", "ORDER_CREATED", 1)]).await?;
    // No order, a key that DynamoDB does not take, no JSON object.
    viewed.produce(&[json!({ "x": 1 }), told("", "ORDER_CREATED", 1), json!(7)]).await?;
    viewed.produce(&[told("end2", "ORDER_CREATED", 1)]).await?;
    viewed.item(store, "end2", "ORDER_CREATED").await;

    let item = viewed.item(store, "a", "ORDER_COMPLETE").await;
    assert_eq!((&*item["version"], &*item["name"], &*item["updated"]), ("2", "n", "at 2"));
    assert_eq!(viewed.item(store, "b", "ORDER_COMPLETE").await["name"], "first");
    assert_eq!(viewed.dead_letters().await?, 3);
    Ok(())
}

#[tokio::test]
async fn store_that_is_away_is_waited_for_and_mysql_answers_meanwhile() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka, Tier::Dynamodb, Tier::Kill);
    let store = DynamodbStore::start().await?;
    let viewed = start("viewaway", Style::Orchestration, &store).await?;
    let item = viewed.shop.add_item(1_000, 10).await?;
    let before = viewed.shop.place(&Order::of(item, 1)).await?;
    viewed.item(&store, &before, "ORDER_COMPLETE").await;

    store.kill9().await?;
    viewed.shop.behave(json!({ "is_down": true })).await?;
    let during = viewed.shop.place(&Order::of(item, 1)).await?;
    assert_eq!(viewed.shop.show(&during).await?["status"], "ORDER_CREATED");
    viewed.shop.behave(json!({})).await?;
    assert_eq!(viewed.shop.ended(&during).await, Ended::Complete);
    assert_eq!(viewed.shop.show(&before).await?["status"], "ORDER_COMPLETE");
    let view = viewed.readiness().await?;
    assert_eq!(view["status"], "away");
    // On a busy machine the client's own attempts may take longer than the look.
    let is_named = |error: &str| error.contains("endpoint") || error.contains("has not answered");
    assert!(view["error"].as_str().is_some_and(is_named), "{view}");
    eventually("it was tried more often than a record's own fault allows", LONG, async || {
        let log = viewed.shop.order.log_text()?;
        let tries = log.lines().filter(|line| line.contains("event not processed, tried again"));
        Ok::<_, anyhow::Error>(tries.count() >= ATTEMPTS)
    })
    .await;
    store.start_again().await?;

    for id in [&before, &during] {
        let found = viewed.item(&store, id, "ORDER_COMPLETE").await;
        assert_eq!(found, viewed.row(id).await?);
    }
    // It stands still: connections are there, nothing answers.
    store.pause().await?;
    let answered = viewed.shop.show(&during).await;
    store.resume().await?;
    assert_eq!(answered?["status"], "ORDER_COMPLETE");
    assert_eq!(viewed.dead_letters().await?, 0);
    Ok(())
}

#[tokio::test]
async fn view_is_built_again_from_its_topic_and_its_settings_are_checked() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka, Tier::Dynamodb);
    let store = DynamodbStore::shared().await?;
    let mut viewed = start("viewagain", Style::Choreography, store).await?;
    let item = viewed.shop.add_item(1_000, 10).await?;
    let id = viewed.shop.place(&Order::of(item, 1)).await?;
    let first = viewed.item(store, &id, "ORDER_COMPLETE").await;

    viewed.shop.order.terminate(Duration::from_secs(20)).await?;
    store.delete_table(&viewed.table).await?;
    forget_offsets(&viewed).await?;
    viewed.shop.order.start_again()?;

    assert_eq!(viewed.item(store, &id, "ORDER_COMPLETE").await, first);
    viewed.shop.order.terminate(Duration::from_secs(20)).await?;
    bad_settings_end_the_service_and_are_named(store, &mut viewed).await
}

/// As `kafka-consumer-groups --delete` does.
async fn forget_offsets(viewed: &Viewed) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = viewed.shop.kafka.client().create()?;
    let group = viewed.shop.topic("order-view");
    let [deleted] = <[_; 1]>::try_from(admin.delete_groups(&[&group], &AdminOptions::new()).await?)
        .map_err(|_| anyhow::anyhow!("one group, one answer"))?;
    deleted.map_err(|(_, code)| code).context("group not deleted")?;
    Ok(())
}

async fn bad_settings_end_the_service_and_are_named(
    store: &DynamodbStore,
    viewed: &mut Viewed,
) -> Result<()> {
    let foreign = format!("{}_foreign", viewed.table);
    let request = json!({
        "TableName": foreign, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "N" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
    });
    store.ask("CreateTable", &request).await?;
    let no_store = viewed.shop.gateway.url("");
    for (variable, value, named) in [
        ("SHOP_DYNAMODB_ENDPOINT", "localhost:8000", "--dynamodb-endpoint is `localhost:8000`"),
        ("SHOP_DYNAMODB_ENDPOINT", &*no_store, "refuses to describe the table"),
        ("SHOP_DYNAMODB_TABLE", &*foreign, "has the key id (N, HASH), and the view"),
        ("AWS_REGION", "", "the variable AWS_REGION is not"),
        ("AWS_SECRET_ACCESS_KEY", "", "the variable AWS_SECRET_ACCESS_KEY is not"),
    ] {
        let order = &mut viewed.shop.order;
        let before = order.log_text()?.len();
        order.set(variable, value);
        order.start_again()?;

        let status = order.wait_exit(LONG).await?;

        let log = order.log_text()?;
        let said = log.get(before..).unwrap_or_default();
        assert_eq!(status.code(), Some(1), "{variable}={value}: {said}");
        assert!(said.contains(named), "{variable}={value}: {said}");
        for (variable, value) in store.variables(&viewed.table) {
            order.set(variable, value);
        }
    }
    Ok(())
}
