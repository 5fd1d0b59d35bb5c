//! The page, in a browser.

use anyhow::Result;
use futures_util::future;
use rowpost_tests::{
    eventually, needs,
    shop::{LONG, Shop, Style},
    tier::Tier,
};
use serde_json::Value;

use crate::{browser::Browser, stage::shared};

/// Of the order that is shown; until the next one is, it is the one before.
const CUSTOMER: &str = "#story-head .facts div:first-child dd";

async fn open(shop: &Shop) -> Result<Browser> {
    Browser::open(&shop.order.url("/")).await
}

/// Fills in the form and sends it.
async fn place(browser: &Browser, item: i32, quantity: u32, name: &str) -> Result<()> {
    browser.click(&format!("[data-item=\"{item}\"] input")).await?;
    browser.type_in("inventory.quantity", &quantity.to_string()).await?;
    browser.type_in("order.name", name).await?;
    browser.click("#place").await
}

fn stock(item: i32) -> String {
    format!("[data-item=\"{item}\"] .left")
}

async fn order_is_placed_and_every_step_is_seen(style: Style) -> Result<()> {
    let shop = shared(style).await?;
    let item = shop.add_item(30_000, 100).await?;
    let browser = open(shop).await?;

    browser.sees(&stock(item), "100 left").await;
    place(&browser, item, 5, "Hong Gil Dong").await?;

    let (statuses, topics, by): (&[&str], &[&str], &[&str]) = match style {
        Style::Choreography => (
            &["ORDER_CREATED", "INVENTORY_RESERVED", "PAYMENT_COMPLETE"],
            &["inventory", "payment", "order"],
            &["order", "inventory", "payment"],
        ),
        Style::Orchestration => (
            &["RESERVE_INVENTORY", "INVENTORY_RESERVED", "CHARGE_PAYMENT", "PAYMENT_COMPLETE"],
            &[
                "shop.inventory.commands",
                "shop.order.replies",
                "shop.payment.commands",
                "shop.order.replies",
            ],
            &["order", "inventory", "order", "payment"],
        ),
    };
    browser.sees_all("#steps li@data-status", statuses).await;
    browser.sees_all("#steps .says code:last-child", topics).await;
    browser.sees_all("#steps .who@data-by", by).await;
    browser.sees("#story-head .pill", "✓ complete").await;
    browser.sees("#story-state", "The order is complete. 150,000 is charged.").await;
    browser.sees("#story-head@data-style", style.as_str()).await;
    browser.sees(&stock(item), "95 left").await;
    let since = browser.texts("#steps .since").await?;
    assert_eq!(since.len(), statuses.len());
    assert_eq!(since[0], "");
    assert!(since[1..].iter().all(|since| since.starts_with('+')), "{since:?}");
    let times = browser.texts("#steps time").await?;
    assert!(times.iter().all(|time| time.len() == "12:34:56.789".len()), "{times:?}");
    browser.sees("#recent .order[aria-current] .pill", "✓ complete").await;
    let hint = &browser.texts("#style").await?[0];
    assert!(hint.contains(style.as_str()), "{hint}");
    browser.assert_same_page().await?;
    browser.assert_no_errors(true).await
}

#[tokio::test]
async fn order_is_placed_and_every_step_is_seen_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    order_is_placed_and_every_step_is_seen(Style::Choreography).await
}

#[tokio::test]
async fn order_is_placed_and_every_step_is_seen_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    order_is_placed_and_every_step_is_seen(Style::Orchestration).await
}

async fn gateway_is_made_to_refuse_and_the_way_back_is_seen(style: Style) -> Result<()> {
    let shop = Shop::start(&format!("page{}", &style.as_str()[..2]), style).await?;
    let item = shop.add_item(1_000, 100).await?;
    let browser = open(&shop).await?;

    browser.sees("#gateway-now", "Now it accepts every payment.").await;
    browser.type_in("refuse_above", "3999").await?;
    browser.sees("#gateway-now", "Now it refuses amounts above 3,999.").await;
    place(&browser, item, 4, "Nobody").await?;

    let (statuses, kinds): (&[&str], &[&str]) = match style {
        Style::Choreography => (
            &["ORDER_CREATED", "INVENTORY_RESERVED", "ORDER_CANCEL", "ORDER_CANCEL"],
            &["forward", "forward", "refused", "back"],
        ),
        Style::Orchestration => (
            &[
                "RESERVE_INVENTORY",
                "INVENTORY_RESERVED",
                "CHARGE_PAYMENT",
                "PAYMENT_REFUSED",
                "RELEASE_INVENTORY",
                "INVENTORY_RELEASED",
            ],
            &["forward", "forward", "forward", "refused", "back", "back"],
        ),
    };
    browser.sees_all("#steps li@data-status", statuses).await;
    browser.sees_all("#steps li@data-kind", kinds).await;
    browser.sees("#story-head .pill", "✕ cancelled").await;
    let reason = "the amount 4000 is above the limit of 3999";
    browser.sees("#story-reason", &format!("Why: {reason}")).await;
    browser.sees("#steps [data-kind=refused] .why", reason).await;
    browser.sees("#steps [data-kind=refused] .tag", "refused").await;
    let tags = browser.texts("#steps [data-kind=back] .tag").await?;
    assert!(!tags.is_empty() && tags.iter().all(|tag| tag == "compensation"), "{tags:?}");
    assert_eq!(browser.texts("#steps li:last-child .title").await?, ["Stock given back"]);
    browser.sees(&stock(item), "100 left").await;

    browser.click("[name=gateway][value=down]").await?;
    browser.sees("#gateway-now", "Now it is down.").await;
    place(&browser, item, 4, "Somebody").await?;
    browser.sees("#story-state", "In progress: charge payment…").await;
    browser.sees(&stock(item), "96 left").await;
    browser.click("[name=gateway][value=behave]").await?;
    browser.sees("#story-head .pill", "✓ complete").await;

    browser.type_in("delay_ms", "1200").await?;
    browser.sees("#gateway-now", "Now it answers after 1.2 s.").await;
    place(&browser, item, 1, "Patient").await?;
    browser.sees(CUSTOMER, "Patient").await;
    browser.sees("#story-head .pill", "✓ complete").await;
    // The log may hear of it after the order.
    browser.sees("#steps li:last-child@data-status", "PAYMENT_COMPLETE").await;
    let charged = browser.texts("#steps li:last-child .since").await?;
    assert!(charged[0].ends_with(" s"), "it took {charged:?}");
    browser.assert_same_page().await?;
    browser.assert_no_errors(true).await
}

#[tokio::test]
async fn gateway_is_made_to_refuse_and_the_way_back_is_seen_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    gateway_is_made_to_refuse_and_the_way_back_is_seen(Style::Choreography).await
}

#[tokio::test]
async fn gateway_is_made_to_refuse_and_the_way_back_is_seen_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    gateway_is_made_to_refuse_and_the_way_back_is_seen(Style::Orchestration).await
}

#[tokio::test]
async fn order_out_of_stock_says_what_is_left() -> Result<()> {
    needs!(Tier::Mysql9);
    for style in [Style::Choreography, Style::Orchestration] {
        let shop = shared(style).await?;
        let item = shop.add_item(1_000, 10).await?;
        let browser = open(shop).await?;

        place(&browser, item, 11, "Hong Gil Dong").await?;

        let reason = "out of stock: 11 of test wanted, 10 left";
        browser.sees("#story-reason", &format!("Why: {reason}")).await;
        browser.sees("#story-head .pill", "✕ cancelled").await;
        browser.sees_all("#steps li@data-kind", &["forward", "refused"]).await;
        browser.sees("#steps li:last-child .title", "Out of stock").await;
        browser.sees(&stock(item), "10 left").await;
        browser.assert_no_errors(true).await?;
    }
    Ok(())
}

#[tokio::test]
async fn bad_input_is_answered_at_its_field() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Choreography).await?;
    let browser = open(shop).await?;
    let cases = [
        ("inventory.quantity", "0", "1", "Must be a whole number from 1 to 1000000, and is 0"),
        ("inventory.quantity", "1.5", "1", "Must be a whole number from 1 to 1000000, and is 1.5"),
        (
            "inventory.quantity",
            "many",
            "1",
            "Must be a whole number from 1 to 1000000, and is \"many\"",
        ),
        ("inventory.quantity", "", "1", "Is missing"),
        ("order.name", " ", "Hong", "Is empty"),
        ("order.email", "", "hong@gil.com", "Is empty"),
    ];
    for (field, bad, good, error) in cases {
        browser.type_in(field, bad).await?;
        browser.click("#place").await?;

        let shown = format!("[id=\"{field}-problem\"]:not([hidden])");
        browser.sees(&shown, error).await;
        browser.sees_all("[aria-invalid]@id", &[field]).await;
        let focus = browser.run("return document.activeElement.id").await?;
        assert_eq!(focus, *field, "where it is to be mended");

        browser.type_in(field, good).await?;
        browser.sees_all("[aria-invalid]@id", &[]).await;
    }
    assert_eq!(browser.run("return location.hash").await?, "", "no order was taken");
    browser.assert_no_errors(false).await
}

#[tokio::test]
async fn page_goes_on_by_itself_after_the_order_service_was_killed() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut shop = Shop::start("pagekill", Style::Choreography).await?;
    let item = shop.add_item(1_000, 100).await?;
    shop.payment.kill9()?;
    let browser = open(&shop).await?;
    place(&browser, item, 1, "Hong Gil Dong").await?;
    let first = ["ORDER_CREATED", "INVENTORY_RESERVED"];
    browser.sees_all("#steps li@data-status", &first).await;

    shop.order.kill9()?;
    browser.sees("#connection", "connection lost, trying again…").await;
    shop.payment.start_again()?;
    shop.order.start_again()?;

    browser.sees("#connection", "live").await;
    let all = ["ORDER_CREATED", "INVENTORY_RESERVED", "PAYMENT_COMPLETE"];
    browser.sees_all("#steps li@data-status", &all).await;
    browser.sees("#story-head .pill", "✓ complete").await;
    place(&browser, item, 1, "Next").await?;
    browser.sees(CUSTOMER, "Next").await;
    browser.sees_all("#steps li@data-status", &all).await;
    browser.assert_same_page().await?;
    browser.assert_no_errors(false).await
}

#[tokio::test]
async fn two_customers_at_once_see_their_own_order_and_each_others_in_the_list() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Orchestration).await?;
    let item = shop.add_item(1_000, 10).await?;
    let (one, other) = future::try_join(open(shop), open(shop)).await?;

    future::try_join(place(&one, item, 1, "Ann of two"), place(&other, item, 2, "Bob of two"))
        .await?;

    for (browser, thing) in [(&one, "1 × test"), (&other, "2 × test")] {
        browser.sees("#story-head .pill", "✓ complete").await;
        browser.sees("#recent .order[aria-current] .thing", thing).await;
        browser.sees(&stock(item), "7 left").await;
        eventually("both are in the list", LONG, async || {
            let names = browser.texts("#recent .name").await?;
            let has = |name: &str| names.iter().any(|shown| shown == name);
            Ok::<_, anyhow::Error>(has("Ann of two") && has("Bob of two"))
        })
        .await;
        browser.assert_no_errors(true).await?;
    }
    Ok(())
}

#[tokio::test]
async fn markup_in_an_order_is_shown_as_text() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Choreography).await?;
    let item = shop.add_item(1_000, 10).await?;
    let browser = open(shop).await?;
    let name = "<img src=x onerror=\"window.isHacked=1\"><b>Kim</b>";

    place(&browser, item, 1, name).await?;

    browser.sees("#story-head .pill", "✓ complete").await;
    browser.sees(CUSTOMER, name).await;
    browser.sees("#recent .order[aria-current] .name", name).await;
    assert_eq!(browser.texts("main img, main b").await?, Vec::<String>::new());
    assert_eq!(browser.run("return window.isHacked ?? null").await?, Value::Null);
    let refused = browser.run("document.body.innerHTML = '<i>x</i>'").await;
    assert!(refused.is_err(), "the policy forbids to make HTML of a text");
    Ok(())
}

async fn stuck_orders_are_retried_and_compensated_on_the_page(style: Style) -> Result<()> {
    let variables = [("order", vec![("SHOP_STEP_DEADLINE", "2s".to_owned())])].into();
    let name = format!("pagest{}", &style.as_str()[..2]);
    let mut shop = Shop::start_with(&name, style, &variables).await?;
    let item = shop.add_item(1_000, 100).await?;
    shop.payment.kill9()?;
    let browser = open(&shop).await?;
    for customer in ["Given Up", "Wanted"] {
        place(&browser, item, 1, customer).await?;
        browser.sees(CUSTOMER, customer).await;
    }

    browser.sees_all("#stuck .name", &["Given Up", "Wanted"]).await;
    browser.click("#stuck [aria-label=\"Compensate the order of Given Up\"]").await?;
    browser.sees("#stuck-said", "The order is being undone.").await;
    browser.sees("#story-reason", "Why: cancelled by hand").await;
    browser.sees("#story-head .pill", "↩ being undone").await;
    browser.sees_all("#stuck .name", &["Given Up", "Wanted"]).await;
    browser.click("#stuck [aria-label=\"Retry the order of Wanted\"]").await?;
    browser.sees("#stuck-said", "What is in progress was asked for again.").await;
    shop.payment.start_again()?;

    browser.sees_all("#recent .pill", &["✓ complete", "✕ cancelled"]).await;
    browser.sees_all("#stuck .name", &[]).await;
    browser.sees("#stuck-none", "No order waits longer than it should.").await;
    shop.assert_balanced(item, 100).await?;
    browser.assert_no_errors(true).await
}

#[tokio::test]
async fn stuck_orders_are_retried_and_compensated_on_the_page_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    stuck_orders_are_retried_and_compensated_on_the_page(Style::Choreography).await
}

#[tokio::test]
async fn stuck_orders_are_retried_and_compensated_on_the_page_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    stuck_orders_are_retried_and_compensated_on_the_page(Style::Orchestration).await
}

#[tokio::test]
async fn page_says_what_is_not_configured_and_takes_orders_all_the_same() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut shop = Shop::start("pagebare", Style::Choreography).await?;
    shop.order.kill9()?;
    shop.order.unset("SHOP_INVENTORY_URL");
    shop.order.unset("SHOP_GATEWAY_URL");
    shop.order.start_again()?;
    shop.wait_ready().await;
    let browser = open(&shop).await?;

    let stock = "Stock is not configured: the order service has no SHOP_INVENTORY_URL.";
    browser.sees("#items .quiet", stock).await;
    let gateway = "Not configured: the order service has no SHOP_GATEWAY_URL.";
    browser.sees("#gateway-now", gateway).await;
    browser.click("#place").await?;

    browser.sees("#story-head .pill", "✓ complete").await;
    browser.assert_no_errors(true).await
}
