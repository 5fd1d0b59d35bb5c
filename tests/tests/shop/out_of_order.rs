//! Messages that overtake each other, and old ones behind new ones. Topics have no order among them,
//! and a record may be written again long after its time.

use std::time::Duration;

use anyhow::{Context, Result};
use rowpost_tests::{
    eventually, needs,
    shop::{Ended, LONG, Order, SampleProducer, Shop, Style, Variables},
    tier::Tier,
};
use serde_json::{Value, json};

use crate::stage::{REFUSED, shared};

const STOP_WITHIN: Duration = Duration::from_secs(30);

/// The order's message with another status, as our own would write it; without a header it is not known
/// for a copy.
async fn message(shop: &Shop, id: &str, status: &str) -> Result<Value> {
    let saga = format!("{}.saga", shop.schema("order"));
    let sql = format!("select cast(message as char) from {saga} where transaction_id = '{id}'");
    let mut message: Value = serde_json::from_str(&shop.mysql.value::<String>(&sql).await?)?;
    message["status"] = json!(status);
    Ok(message)
}

/// Until a service has noted what is to become of the order.
async fn noted(shop: &Shop, service: &str, table: &str, id: &str, state: &str) {
    let table = format!("{}.{table}", shop.schema(service));
    let sql = format!("select state from {table} where transaction_id = '{id}'");
    eventually(&format!("{service} says {state}"), LONG, async || {
        Ok::<_, anyhow::Error>(shop.mysql.value::<String>(&sql).await? == state)
    })
    .await;
}

/// While the relay stands still, what a service has told is still in its outbox.
async fn answered_twice(shop: &Shop, service: &str, id: &str) {
    let outbox = format!("{}.outbox", shop.schema(service));
    let sql = format!("select count(*) from {outbox} where aggregateid = '{id}'");
    eventually(&format!("{service} tells its end again"), LONG, async || {
        Ok::<_, anyhow::Error>(shop.mysql.value::<u64>(&sql).await? == 2)
    })
    .await;
}

/// While the relay stands still, what undoes a step gets to its service before what asks for it.
async fn what_undoes_a_step_overtakes_what_asks_for_it(style: Style) -> Result<()> {
    let name = format!("over{}", &style.as_str()[..2]);
    // The orchestrator has not asked for the stock to be released: what it makes of an order that can
    // never be reserved, it makes at its deadline.
    let order =
        vec![("SHOP_STEP_DEADLINE", "2s".to_owned()), ("SHOP_SAGA_DEADLINE", "8s".to_owned())];
    let mut shop = Shop::start_with(&name, style, &Variables::from([("order", order)])).await?;
    let item = shop.add_item(1_000, 10).await?;
    let producer = SampleProducer::new(&shop)?;
    let ([cancel_topic, cancel], [refund_topic, refund]) = match style {
        Style::Choreography => (["inventory", "ORDER_CANCEL"], ["payment", "ORDER_CANCEL"]),
        Style::Orchestration => (
            ["shop.inventory.commands", "RELEASE_INVENTORY"],
            ["shop.payment.commands", "REFUND_PAYMENT"],
        ),
    };
    shop.relay.terminate(STOP_WITHIN).await?;

    let released = shop.place(&Order::of(item, 2)).await?;
    let refunded = shop.place(&Order::of(item, 3)).await?;
    // Each of them twice, as by somebody who has not heard the answer.
    for _ in 0..2 {
        let event = message(&shop, &released, cancel).await?;
        producer.write(cancel_topic, Some(&released), &event).await?;
        let event = message(&shop, &refunded, refund).await?;
        producer.write(refund_topic, Some(&refunded), &event).await?;
    }
    noted(&shop, "inventory", "reservation", &released, "RELEASED").await;
    noted(&shop, "payment", "payment", &refunded, "REVERSED").await;
    answered_twice(&shop, "inventory", &released).await;
    answered_twice(&shop, "payment", &refunded).await;
    shop.relay.start_again()?;

    for id in [&released, &refunded] {
        assert_eq!(shop.ended(id).await, Ended::Cancelled);
        assert!(shop.charge(id).await?.is_null(), "the gateway was never asked");
    }
    eventually("nothing stays reserved", LONG, async || {
        Ok::<_, anyhow::Error>(shop.stock(item).await? == 10)
    })
    .await;
    assert_eq!(shop.moved(&released).await?, [0; 0]);
    assert_eq!(shop.moved(&refunded).await?, [-3, 3]);
    shop.assert_balanced(item, 10).await
}

#[tokio::test]
async fn what_undoes_a_step_overtakes_what_asks_for_it_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    what_undoes_a_step_overtakes_what_asks_for_it(Style::Choreography).await
}

#[tokio::test]
async fn what_undoes_a_step_overtakes_what_asks_for_it_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    what_undoes_a_step_overtakes_what_asks_for_it(Style::Orchestration).await
}

/// All of an ended order's messages, once more and the last one first, as new records: each service that
/// is asked answers again, and nothing else comes of it.
async fn messages_of_ended_orders_change_nothing(style: Style) -> Result<()> {
    let shop = shared(style).await?;
    let item = shop.add_item(1_000, 10).await?;
    let producer = SampleProducer::new(shop)?;
    // Copies, and their answers, and the answers to those: see the tables of services/shop/README.md.
    let (complete, cancelled, more) = match style {
        Style::Choreography => (3, 4, [3 + 3, 4 + 4]),
        Style::Orchestration => (4, 6, [4 + 2, 6 + 3]),
    };

    let paid = shop.place(&Order::of(item, 2)).await?;
    let refused = shop.place(&Order::of(item, 3).by(REFUSED)).await?;
    assert_eq!(shop.ended(&paid).await, Ended::Complete);
    assert_eq!(shop.ended(&refused).await, Ended::Cancelled);
    for (id, events, more) in [(&paid, complete, more[0]), (&refused, cancelled, more[1])] {
        let mut log = shop.log(id, events).await;
        log.reverse();
        for line in &log {
            let topic = line["topic"].as_str().context("no topic")?;
            producer.write(topic, None, &line["message"]).await?;
        }
        let told = shop.log(id, events + more).await;
        assert_eq!(told.len(), events + more, "{told:#?}");
    }

    assert_eq!(shop.ended(&paid).await, Ended::Complete);
    assert_eq!(shop.ended(&refused).await, Ended::Cancelled);
    assert_eq!(shop.moved(&paid).await?, [-2]);
    assert_eq!(shop.moved(&refused).await?, [-3, 3]);
    assert_eq!(shop.charge(&paid).await?["times_charged"], 1);
    shop.assert_balanced(item, 10).await
}

#[tokio::test]
async fn messages_of_ended_orders_change_nothing_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    messages_of_ended_orders_change_nothing(Style::Choreography).await
}

#[tokio::test]
async fn messages_of_ended_orders_change_nothing_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    messages_of_ended_orders_change_nothing(Style::Orchestration).await
}

/// While the second step is in progress, all that belongs to the first comes again, with the other
/// outcome too.
async fn message_of_an_older_step_moves_nothing_back(style: Style) -> Result<()> {
    let name = format!("older{}", &style.as_str()[..2]);
    let shop = Shop::start(&name, style).await?;
    let item = shop.add_item(1_000, 10).await?;
    let producer = SampleProducer::new(&shop)?;
    shop.behave(json!({ "is_down": true })).await?;
    let id = shop.place(&Order::of(item, 2)).await?;
    noted(&shop, "payment", "payment", &id, "CHARGING").await;
    let (older, events): (&[(&str, &str)], _) = match style {
        // The last one comes to be known as paid while it is not known as reserved.
        Style::Choreography => {
            (&[("inventory", "ORDER_CREATED"), ("payment", "INVENTORY_RESERVED")], 5)
        }
        Style::Orchestration => (
            &[
                ("shop.inventory.commands", "RESERVE_INVENTORY"),
                ("shop.order.replies", "INVENTORY_RESERVED"),
                ("shop.order.replies", "INVENTORY_REFUSED"),
                ("shop.order.replies", "INVENTORY_RELEASED"),
                ("shop.order.replies", "PAYMENT_REFUNDED"),
            ],
            9,
        ),
    };

    shop.log(&id, if style == Style::Choreography { 2 } else { 3 }).await;
    for (topic, status) in older {
        let mut event = message(&shop, &id, status).await?;
        event["payment"] = json!({ "total_price": 2_000 });
        producer.write(topic, None, &event).await?;
    }
    shop.log(&id, events).await;

    let saga = shop.saga(&id).await?;
    assert_eq!((&saga["phase"], &saga["step"]), (&json!("forward"), &json!("charge payment")));
    shop.behave(json!({})).await?;
    assert_eq!(shop.ended(&id).await, Ended::Complete);
    assert_eq!(shop.moved(&id).await?, [-2]);
    assert_eq!(shop.charge(&id).await?["times_charged"], 1);
    shop.assert_balanced(item, 10).await
}

#[tokio::test]
async fn message_of_an_older_step_moves_nothing_back_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    message_of_an_older_step_moves_nothing_back(Style::Choreography).await
}

#[tokio::test]
async fn message_of_an_older_step_moves_nothing_back_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    message_of_an_older_step_moves_nothing_back(Style::Orchestration).await
}

/// While nobody undoes the last step, all that the steps have ever answered comes once more.
#[tokio::test]
async fn old_reply_does_not_turn_an_order_forward_again() -> Result<()> {
    needs!(Tier::Mysql9);
    // No watchdog mends it.
    let order = vec![("SHOP_STEP_DEADLINE", "10min".to_owned())];
    let variables = Variables::from([("order", order)]);
    let mut shop = Shop::start_with("oldreply", Style::Orchestration, &variables).await?;
    let item = shop.add_item(1_000, 10).await?;
    let producer = SampleProducer::new(&shop)?;
    shop.payment.terminate(STOP_WITHIN).await?;
    let id = shop.place(&Order::of(item, 2)).await?;
    shop.log(&id, 3).await;
    let url = shop.order.url(&format!("/v1/sagas/{id}/compensate"));
    let (status, saga) = shop.post(url, &json!({})).await?;
    assert_eq!((status.as_u16(), &saga["phase"]), (200, &json!("backward")), "{saga}");

    for status in
        ["PAYMENT_COMPLETE", "PAYMENT_REFUSED", "INVENTORY_RESERVED", "INVENTORY_RELEASED"]
    {
        let reply = message(&shop, &id, status).await?;
        producer.write("shop.order.replies", Some(&id), &reply).await?;
    }
    // Behind them in their partition: what is given up shows that they have been seen.
    producer.write("shop.order.replies", Some(&id), &json!("no message")).await?;
    let given_up = format!("consumer=\"{}\"", shop.topic("order"));
    eventually("all are seen", LONG, async || {
        let log = shop.order.log_text()?;
        let mut lines = log.lines().filter(|line| line.contains("event given up"));
        Ok::<_, anyhow::Error>(lines.any(|line| line.contains(&given_up)))
    })
    .await;

    let saga = shop.saga(&id).await?;
    assert_eq!((&saga["phase"], &saga["step"]), (&json!("backward"), &json!("charge payment")));
    shop.payment.start_again()?;
    assert_eq!(shop.ended(&id).await, Ended::Cancelled);
    assert_eq!(shop.moved(&id).await?, [-2, 2]);
    shop.assert_balanced(item, 10).await
}
