//! Consumers and producers of the reference's sample in the place of ours.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use rowpost_tests::{
    eventually, needs,
    shop::{Ended, LONG, Order, SampleConsumer, SampleProducer, SampleService, Shop, Style},
    tier::Tier,
};
use serde_json::{Value, json};

use crate::stage::REFUSED;

/// Longer than the group of a service takes to leave.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Events of this service that it could not work with.
fn assert_no_dead_letters(shop: &Shop) -> Result<()> {
    for service in shop.services() {
        let log = service.log_text()?;
        assert!(!log.contains("event given up"), "{}: {log}", service.name());
    }
    Ok(())
}

/// The sample adds to what it got, and passes it on.
fn next(event: &Value, status: &str) -> Value {
    let mut next = event.clone();
    next["status"] = json!(status);
    next["handled_by"] = json!({ "host": "sample", "attempt": 1.5 });
    next
}

#[tokio::test]
async fn payment_service_of_the_sample_takes_the_place_of_ours() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut shop = Shop::start("samplep", Style::Choreography).await?;
    let item = shop.add_item(1_500, 10).await?;
    assert_eq!(shop.payment.terminate(STOP_WITHIN).await?.code(), Some(0));
    let payment = SampleService::start(&shop, "payment", &["payment"], |event| {
        if event["status"] != "INVENTORY_RESERVED" {
            return None;
        }
        assert_eq!(event["payment"]["total_price"], 4_500);
        Some(match event["order"]["name"] == REFUSED {
            true => ("inventory", None, next(event, "ORDER_CANCEL")),
            false => ("order", None, next(event, "PAYMENT_COMPLETE")),
        })
    })?;

    let paid = shop.place(&Order::of(item, 3)).await?;
    let refused = shop.place(&Order::of(item, 3).by(REFUSED)).await?;

    assert_eq!(shop.ended(&paid).await, Ended::Complete);
    assert_eq!(shop.ended(&refused).await, Ended::Cancelled);
    payment.assert_running();
    assert_eq!(shop.stock(item).await?, 7);
    assert_eq!(shop.moved(&paid).await?, [-3]);
    assert_eq!(shop.moved(&refused).await?, [-3, 3]);
    assert_eq!(shop.story(&paid, 3).await.last().context("no story")?, "payment PAYMENT_COMPLETE");
    let story = shop.story(&refused, 4).await;
    assert!(story.contains(&"payment ORDER_CANCEL".to_owned()), "{story:?}");
    assert_no_dead_letters(&shop)
}

#[tokio::test]
async fn inventory_of_the_sample_takes_the_place_of_ours() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut shop = Shop::start("samplei", Style::Choreography).await?;
    shop.behave(json!({ "refuse_name": REFUSED })).await?;
    assert_eq!(shop.inventory.terminate(STOP_WITHIN).await?.code(), Some(0));
    let inventory = SampleService::start(&shop, "inventory", &["inventory"], |event| {
        if event["status"] == "ORDER_CANCEL" {
            return Some(("order", Some("any".to_owned()), next(event, "ORDER_CANCEL")));
        }
        let mut reserved = next(event, "INVENTORY_RESERVED");
        let quantity = event["inventory"]["quantity"].as_i64()?;
        reserved["payment"] = json!({ "total_price": 30_000 * quantity, "currency": "KRW" });
        Some(("payment", None, reserved))
    })?;

    let paid = shop.place(&Order::of(2, 2)).await?;
    let refused = shop.place(&Order::of(2, 2).by(REFUSED)).await?;

    assert_eq!(shop.ended(&paid).await, Ended::Complete);
    assert_eq!(shop.ended(&refused).await, Ended::Cancelled);
    inventory.assert_running();
    let charge = shop.charge(&paid).await?;
    assert_eq!((&charge["amount"], &charge["times_charged"]), (&json!(60_000), &json!(1)));
    assert_eq!(shop.charge(&refused).await?["times_charged"], 0);
    assert_eq!(shop.reason(&refused).await?, "the card of this name is refused");
    assert_no_dead_letters(&shop)
}

#[tokio::test]
async fn order_service_of_the_sample_takes_the_place_of_ours() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut shop = Shop::start("sampleo", Style::Choreography).await?;
    shop.behave(json!({ "refuse_name": REFUSED })).await?;
    let item = shop.add_item(1_000, 10).await?;
    assert_eq!(shop.order.terminate(STOP_WITHIN).await?.code(), Some(0));
    let (producer, consumer) =
        (SampleProducer::new(&shop)?, SampleConsumer::new(&shop, "sample", &["order"])?);
    let orders = [
        ("0b6a3f34-7d0e-4a57-9f5e-000000000001", Order::of(item, 4), "PAYMENT_COMPLETE"),
        ("0b6a3f34-7d0e-4a57-9f5e-000000000002", Order::of(item, 4).by(REFUSED), "ORDER_CANCEL"),
        ("0b6a3f34-7d0e-4a57-9f5e-000000000003", Order::of(item, 11), "ORDER_CANCEL"),
    ];

    // Each of them twice: the sample's producer has no idempotence, and its records have no id.
    for (id, order, _) in &orders {
        let mut event = next(&order.body(), "ORDER_CREATED");
        event["transaction_id"] = json!(id);
        for key in [None, Some("user")] {
            producer.write("inventory", key, &event).await?;
        }
    }

    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    while told.len() < orders.len() {
        let reading = tokio::time::timeout(LONG, consumer.read()).await;
        let (_, event) = reading.with_context(|| format!("only {told:#?}"))??;
        let id = event["transaction_id"].as_str().context("no transaction_id")?.to_owned();
        told.entry(id).or_default().push(event);
    }
    for (id, order, status) in &orders {
        for event in &told[*id] {
            assert_eq!(event["status"], *status, "{event}");
            for (field, value) in order.body().as_object().context("no object")? {
                assert_eq!(event[field], *value, "the order is passed on");
            }
            assert_eq!(event["handled_by"], json!({ "host": "sample", "attempt": 1.5 }));
        }
    }
    eventually("stock is balanced", LONG, async || {
        shop.stock(item).await.is_ok_and(|left| left == 6)
    })
    .await;
    let [(paid, ..), (refused, ..), (short, ..)] = orders;
    assert_eq!(shop.moved(paid).await?, [-4]);
    assert_eq!(shop.moved(refused).await?, [-4, 4]);
    assert_eq!(shop.moved(short).await?, [0; 0]);
    assert_eq!(shop.charge(paid).await?["times_charged"], 1);
    let reason = told[short][0]["reason"].as_str().context("no reason")?;
    assert!(reason.starts_with("out of stock: 11 of test wanted, "), "{reason}");
    for service in [&shop.inventory, &shop.payment] {
        assert!(!service.log_text()?.contains("event given up"), "{}", service.name());
    }
    Ok(())
}
