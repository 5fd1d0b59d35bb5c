//! Orders and their ends.

use std::collections::BTreeMap;

use anyhow::Result;
use futures_util::future;
use rowpost_tests::{
    needs,
    shop::{Ended, Order, Style},
    tier::Tier,
};

use crate::stage::{REFUSED, shared};

async fn order_is_reserved_charged_and_complete(style: Style) -> Result<()> {
    let shop = shared(style).await?;
    let item = shop.add_item(30_000, 100).await?;

    let id = shop.place(&Order::of(item, 5)).await?;

    assert_eq!(shop.ended(&id).await, Ended::Complete);
    let order = shop.show(&id).await?;
    let expected = BTreeMap::from([
        ("transaction_id", &*id),
        ("user_id", "user"),
        ("name", "Hong Gil Dong"),
        ("addr", "29, Hansil-ro"),
        ("tel", "01012341234"),
        ("email", "hong@gil.com"),
        ("status", "ORDER_COMPLETE"),
    ]);
    for (field, value) in expected {
        assert_eq!(order[field], value, "{field}");
    }
    assert!(order["updated"].is_string(), "{order}");
    let charge = shop.charge(&id).await?;
    assert_eq!(charge["amount"], 150_000);
    assert_eq!(shop.stock(item).await?, 95);
    let story = match style {
        Style::Choreography => {
            vec!["order ORDER_CREATED", "inventory INVENTORY_RESERVED", "payment PAYMENT_COMPLETE"]
        }
        Style::Orchestration => vec![
            "order RESERVE_INVENTORY",
            "inventory INVENTORY_RESERVED",
            "order CHARGE_PAYMENT",
            "payment PAYMENT_COMPLETE",
        ],
    };
    assert_eq!(shop.story(&id, story.len()).await, story);
    shop.assert_balanced(item, 100).await
}

#[tokio::test]
async fn order_is_reserved_charged_and_complete_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    order_is_reserved_charged_and_complete(Style::Choreography).await
}

#[tokio::test]
async fn order_is_reserved_charged_and_complete_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    order_is_reserved_charged_and_complete(Style::Orchestration).await
}

async fn refused_payment_gives_the_stock_back(style: Style) -> Result<()> {
    let shop = shared(style).await?;
    let item = shop.add_item(1_000, 10).await?;

    let id = shop.place(&Order::of(item, 4).by(REFUSED)).await?;

    assert_eq!(shop.ended(&id).await, Ended::Cancelled);
    assert_eq!(shop.stock(item).await?, 10);
    assert_eq!(shop.moved(&id).await?, [-4, 4]);
    let story = match style {
        Style::Choreography => vec![
            "order ORDER_CREATED",
            "inventory INVENTORY_RESERVED",
            "payment ORDER_CANCEL",
            "inventory ORDER_CANCEL",
        ],
        Style::Orchestration => vec![
            "order RESERVE_INVENTORY",
            "inventory INVENTORY_RESERVED",
            "order CHARGE_PAYMENT",
            "payment PAYMENT_REFUSED",
            "order RELEASE_INVENTORY",
            "inventory INVENTORY_RELEASED",
        ],
    };
    assert_eq!(shop.story(&id, story.len()).await, story);
    assert_eq!(shop.reason(&id).await?, "the card of this name is refused");
    shop.assert_balanced(item, 10).await
}

#[tokio::test]
async fn refused_payment_gives_the_stock_back_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    refused_payment_gives_the_stock_back(Style::Choreography).await
}

#[tokio::test]
async fn refused_payment_gives_the_stock_back_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    refused_payment_gives_the_stock_back(Style::Orchestration).await
}

async fn one_of_fifty_parallel_orders_gets_the_last_item(style: Style) -> Result<()> {
    let shop = shared(style).await?;
    let item = shop.add_item(1_000, 1).await?;

    let order = Order::of(item, 1);
    let ids = future::try_join_all((0..50).map(|_| shop.place(&order))).await?;
    let ends = future::join_all(ids.iter().map(|id| shop.ended(id))).await;

    assert_eq!(ends.iter().filter(|end| **end == Ended::Complete).count(), 1);
    assert_eq!(shop.stock(item).await?, 0);
    shop.assert_balanced(item, 1).await?;
    let loser = ids.iter().zip(&ends).find(|(_, end)| **end == Ended::Cancelled);
    let (loser, _) = loser.expect("there are 49");
    assert!(shop.charge(loser).await?.is_null(), "an order out of stock never gets to the gateway");
    assert_eq!(shop.reason(loser).await?, "out of stock: 1 of test wanted, 0 left");
    Ok(())
}

#[tokio::test]
async fn one_of_fifty_parallel_orders_gets_the_last_item_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    one_of_fifty_parallel_orders_gets_the_last_item(Style::Choreography).await
}

#[tokio::test]
async fn one_of_fifty_parallel_orders_gets_the_last_item_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    one_of_fifty_parallel_orders_gets_the_last_item(Style::Orchestration).await
}
