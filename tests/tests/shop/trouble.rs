//! A gateway in trouble, services that are away, and what becomes of the orders meanwhile.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{
    eventually, needs,
    shop::{Ended, LONG, Order, Shop, Style, Variables},
    tier::Tier,
};
use serde_json::{Value, json};

fn settings(order: &[(&'static str, &str)], payment: &[(&'static str, &str)]) -> Variables {
    let owned = |settings: &[(&'static str, &str)]| {
        settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    [("order", owned(order)), ("payment", owned(payment))].into()
}

#[tokio::test]
async fn gateway_in_trouble_delays_orders_and_charges_them_once() -> Result<()> {
    needs!(Tier::Mysql9);
    let settings = settings(&[], &[("SHOP_GATEWAY_TIMEOUT", "300ms")]);
    let shop = Shop::start_with("slow", Style::Choreography, &settings).await?;
    let item = shop.add_item(1_000, 100).await?;

    for behaviour in [
        json!({ "errors": 2 }),
        json!({ "lost_answers": 2 }),
        json!({ "timeouts": 2 }),
        json!({ "delay_ms": 100 }),
    ] {
        shop.behave(behaviour.clone()).await?;
        let id = shop.place(&Order::of(item, 1)).await?;

        assert_eq!(shop.ended(&id).await, Ended::Complete, "{behaviour}");
        let charge = shop.charge(&id).await?;
        assert_eq!(charge["times_charged"], 1, "{behaviour}");
        let is_repeated = behaviour.get("lost_answers").or(behaviour.get("timeouts")).is_some();
        let requests = if is_repeated { 3 } else { 1 };
        assert_eq!(charge["requests"], requests, "{behaviour}");
    }

    shop.behave(json!({ "is_down": true })).await?;
    let id = shop.place(&Order::of(item, 1)).await?;
    eventually("the gateway was asked", LONG, async || attempts(&shop, &id).await.unwrap_or(0) > 1)
        .await;
    assert_eq!(shop.show(&id).await?["status"], "ORDER_CREATED");
    shop.behave(json!({})).await?;
    assert_eq!(shop.ended(&id).await, Ended::Complete);
    shop.assert_balanced(item, 100).await
}

async fn attempts(shop: &Shop, id: &str) -> Result<i64> {
    let schema = shop.schema("payment");
    let sql = format!("select attempts from {schema}.payment where transaction_id = '{id}'");
    shop.mysql.value(&sql).await
}

async fn charge_without_an_answer_is_reversed_and_the_order_cancelled(style: Style) -> Result<()> {
    let payment = [("SHOP_GATEWAY_TIMEOUT", "300ms"), ("SHOP_CHARGE_DEADLINE", "1s")];
    let name = format!("mute{}", &style.as_str()[..2]);
    let shop = Shop::start_with(&name, style, &settings(&[], &payment)).await?;
    let item = shop.add_item(1_000, 100).await?;
    shop.behave(json!({ "timeouts": 1_000 })).await?;

    let id = shop.place(&Order::of(item, 1)).await?;
    eventually("it is charged, and nobody knows", LONG, async || {
        Ok::<_, anyhow::Error>(shop.charge(&id).await?["status"] == "charged")
    })
    .await;

    // The refund is done at the first request too, but only an answer counts.
    eventually("the payment service gives up charging", LONG, async || {
        Ok::<_, anyhow::Error>(shop.charge(&id).await?["status"] == "refunded")
    })
    .await;
    assert_eq!(shop.show(&id).await?["status"], "ORDER_CREATED");
    shop.behave(json!({})).await?;

    assert_eq!(shop.ended(&id).await, Ended::Cancelled);
    let saga = shop.saga(&id).await?;
    assert_eq!(saga["reason"], "the payment gateway has not answered in time");
    assert_eq!(shop.stock(item).await?, 100);
    shop.assert_balanced(item, 100).await
}

#[tokio::test]
async fn charge_without_an_answer_is_reversed_and_the_order_cancelled_in_choreography() -> Result<()>
{
    needs!(Tier::Mysql9);
    charge_without_an_answer_is_reversed_and_the_order_cancelled(Style::Choreography).await
}

#[tokio::test]
async fn charge_without_an_answer_is_reversed_and_the_order_cancelled_in_orchestration()
-> Result<()> {
    needs!(Tier::Mysql9);
    charge_without_an_answer_is_reversed_and_the_order_cancelled(Style::Orchestration).await
}

async fn stuck(shop: &Shop) -> Result<Vec<String>> {
    let (_, rows) = shop.get(shop.order.url("/v1/sagas/stuck")).await?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    Ok(rows.iter().filter_map(|row| row["transaction_id"].as_str().map(str::to_owned)).collect())
}

async fn by_hand(shop: &Shop, id: &str, what: &str) -> Result<(u16, Value)> {
    let url = shop.order.url(&format!("/v1/sagas/{id}/{what}"));
    let (status, answer) = shop.post(url, &json!({})).await?;
    Ok((status.as_u16(), answer))
}

async fn stuck_sagas_are_listed_and_retried_or_compensated_by_hand(style: Style) -> Result<()> {
    let name = format!("stuck{}", &style.as_str()[..2]);
    // Only a person moves them: the second deadline would be 8 s later.
    let order = [("SHOP_STEP_DEADLINE", "8s")];
    let mut shop = Shop::start_with(&name, style, &settings(&order, &[])).await?;
    let item = shop.add_item(1_000, 100).await?;
    shop.payment.kill9()?;

    let given_up = shop.place(&Order::of(item, 1)).await?;
    let wanted = shop.place(&Order::of(item, 1)).await?;
    eventually("both are stuck", LONG, async || {
        let stuck = stuck(&shop).await?;
        Ok::<_, anyhow::Error>(stuck.contains(&given_up) && stuck.contains(&wanted))
    })
    .await;
    let (status, saga) = by_hand(&shop, &given_up, "compensate").await?;
    assert_eq!((status, &saga["phase"]), (200, &json!("backward")), "{saga}");
    assert_eq!(saga["reason"], "cancelled by hand");
    assert_eq!(by_hand(&shop, &given_up, "compensate").await?.0, 409);
    assert_eq!(by_hand(&shop, &wanted, "retry").await?.0, 200);
    assert_eq!(by_hand(&shop, "nobody", "retry").await?.0, 404);
    shop.payment.start_again()?;

    assert_eq!(shop.ended(&given_up).await, Ended::Cancelled);
    assert_eq!(shop.ended(&wanted).await, Ended::Complete);
    for (id, what) in [(&given_up, "retry"), (&wanted, "retry"), (&wanted, "compensate")] {
        assert_eq!(by_hand(&shop, id, what).await?.0, 409, "{what}");
    }
    assert_eq!(stuck(&shop).await?, Vec::<String>::new());
    shop.assert_balanced(item, 100).await
}

#[tokio::test]
async fn stuck_sagas_are_listed_and_retried_or_compensated_by_hand_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    stuck_sagas_are_listed_and_retried_or_compensated_by_hand(Style::Choreography).await
}

#[tokio::test]
async fn stuck_sagas_are_listed_and_retried_or_compensated_by_hand_in_orchestration() -> Result<()>
{
    needs!(Tier::Mysql9);
    stuck_sagas_are_listed_and_retried_or_compensated_by_hand(Style::Orchestration).await
}

async fn order_past_its_deadline_is_cancelled_by_itself(style: Style) -> Result<()> {
    let name = format!("late{}", &style.as_str()[..2]);
    let order = [("SHOP_STEP_DEADLINE", "1s"), ("SHOP_SAGA_DEADLINE", "2s")];
    let mut shop = Shop::start_with(&name, style, &settings(&order, &[])).await?;
    let item = shop.add_item(1_000, 100).await?;
    // In order: what is in hand is finished.
    assert_eq!(shop.inventory.terminate(Duration::from_secs(20)).await?.code(), Some(0));

    let id = shop.place(&Order::of(item, 1)).await?;
    eventually("it turns back", LONG, async || {
        let saga = shop.saga(&id).await?;
        Ok::<_, anyhow::Error>(saga["phase"] == "backward")
    })
    .await;
    shop.inventory.start_again()?;

    assert_eq!(shop.ended(&id).await, Ended::Cancelled);
    let saga = shop.saga(&id).await?;
    assert_eq!(saga["reason"], "the order has not come to its end in time");
    shop.assert_balanced(item, 100).await?;
    for service in ["order", "payment", "gateway"] {
        let service = shop.service_mut(service)?;
        assert_eq!(service.terminate(Duration::from_secs(20)).await?.code(), Some(0));
    }
    Ok(())
}

#[tokio::test]
async fn order_past_its_deadline_is_cancelled_by_itself_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    order_past_its_deadline_is_cancelled_by_itself(Style::Choreography).await
}

#[tokio::test]
async fn order_past_its_deadline_is_cancelled_by_itself_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    order_past_its_deadline_is_cancelled_by_itself(Style::Orchestration).await
}
