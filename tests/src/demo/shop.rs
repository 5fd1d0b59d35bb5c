//! A hundred orders through the whole shop → each at its right end, and nothing bought that is not paid.
//!
//! ```text
//! customers ─POST─▶ order ─▶ relay ─▶ inventory ─▶ relay ─▶ payment ─▶ gateway
//!                     └────▶ relay ─▶ view in DynamoDB
//!    every tenth is refused by the gateway; some want what is sold out
//! ```

use std::{fmt, time::Duration};

use anyhow::{Context, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Run,
    text::{Tone, duration, latency, say, toned},
    track::Latencies,
};
use crate::{
    DynamodbStore, KafkaBroker, MysqlServer, Setup, eventually,
    shop::{Ended, LONG, Order, Shop, Style, Variables},
};

const ORDERS: u32 = 100;
/// Customers at the same time.
const CUSTOMERS: usize = 10;

/// Customers of this name have no credit.
const REFUSED: &str = "Nobody";
/// As all orders of the harness have it.
const CUSTOMER: &str = "user";
/// The view's table.
const VIEW: &str = "demo-order";
const PRICE: i32 = 30_000;
const PLENTY: i32 = 1_000;
/// Fewer than are wanted of it.
const FEW: i32 = 5;

/// One of a hundred orders: what is asked, and how it must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Of what there is plenty, by somebody who can pay.
    Plain,
    /// By somebody who cannot.
    Unpaid,
    /// Of what there is little: the first come, the first served.
    Scarce,
}

impl Wish {
    fn of(number: u32) -> Self {
        match number % 10 {
            3 => Self::Unpaid,
            6 | 9 => Self::Scarce,
            _ => Self::Plain,
        }
    }
}

/// An order that has ended.
struct Placed {
    wish: Wish,
    id: String,
    ended: Ended,
}

/// How many orders came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ends {
    complete: u32,
    refused: u32,
    out_of_stock: u32,
    /// None of these, or not the one that the wish must have.
    wrong: u32,
}

impl Ends {
    fn expected() -> Self {
        let count = |wish| (0..ORDERS).filter(|number| Wish::of(*number) == wish).count();
        let count = |wish| u32::try_from(count(wish)).unwrap_or(u32::MAX);
        let few = FEW.unsigned_abs();
        Self {
            complete: count(Wish::Plain) + few,
            refused: count(Wish::Unpaid),
            out_of_stock: count(Wish::Scarce) - few,
            wrong: 0,
        }
    }

    /// `reason` of a cancelled order.
    fn add(&mut self, wish: Wish, reason: Option<&str>) {
        let end = match (wish, reason) {
            (Wish::Plain | Wish::Scarce, None) => &mut self.complete,
            (Wish::Unpaid, Some(reason)) if reason.contains("refused") => &mut self.refused,
            (Wish::Scarce, Some(reason)) if reason.contains("out of stock") => {
                &mut self.out_of_stock
            }
            (Wish::Plain | Wish::Unpaid | Wish::Scarce, _) => &mut self.wrong,
        };
        *end += 1;
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { complete, refused, out_of_stock, wrong } = self;
        write!(
            formatter,
            "{complete} complete, {refused} refused by the gateway, {out_of_stock} out of stock"
        )?;
        if *wrong > 0 { write!(formatter, ", {wrong} at a wrong end") } else { Ok(()) }
    }
}

/// The shop, unless it is left out; true when all is right in every style.
pub(super) async fn show(run: &Run) -> Result<(Option<Shop>, bool)> {
    let Some(first) = run.styles.first() else { return Ok((None, true)) };
    if run.servers.setup == Setup::Reference {
        say("\nThe shop needs MySQL 8.0 or newer (skip locked): left out.");
        return Ok((None, true));
    }
    let view = DynamodbStore::start().await?;
    let settings = Variables::from([("order", view.variables(VIEW))]);
    // They live as long as the program.
    let mysql = MysqlServer::at(run.servers.setup, run.servers.mysql_url.clone()).await?;
    let kafka = KafkaBroker::at(run.servers.kafka.clone());
    let (mysql, kafka) = (Box::leak(Box::new(mysql)), Box::leak(Box::new(kafka)));
    let mut shop = Shop::start_on(mysql, kafka, "demo", *first, &settings).await?;
    shop.behave(json!({ "refuse_name": REFUSED })).await?;
    let mut is_good = true;
    for (number, style) in run.styles.iter().enumerate() {
        if number > 0 {
            shop.change_style(*style).await?;
        }
        is_good &= in_style(&shop, *style, &view).await?;
    }
    Ok((Some(shop), is_good))
}

async fn in_style(shop: &Shop, style: Style, view: &DynamodbStore) -> Result<bool> {
    let who_leads = match style {
        Style::Choreography => "choreography: each service tells the next",
        Style::Orchestration => "orchestration: the order service tells each",
    };
    say("");
    say(toned(Tone::Heading, &format!("{ORDERS} orders through the shop, {who_leads}")));
    let plenty = shop.add_item(PRICE, PLENTY).await?;
    let few = shop.add_item(PRICE, FEW).await?;
    let placed: Vec<Placed> = stream::iter(0..ORDERS)
        .map(async |number| {
            let wish = Wish::of(number);
            let order = match wish {
                Wish::Plain => Order::of(plenty, 2),
                Wish::Unpaid => Order::of(plenty, 2).by(REFUSED),
                Wish::Scarce => Order::of(few, 1),
            };
            let id = shop.place(&order).await?;
            let ended = shop.ended(&id).await;
            Ok::<_, anyhow::Error>(Placed { wish, id, ended })
        })
        .buffer_unordered(CUSTOMERS)
        .try_collect()
        .await?;

    let (mut ends, mut times) = (Ends::default(), Latencies::default());
    for Placed { wish, id, ended } in &placed {
        let reason = match ended {
            Ended::Complete => None,
            Ended::Cancelled => Some(shop.reason(id).await?),
        };
        ends.add(*wish, reason.as_deref());
        times.add(took(&shop.log(id, steps(style, *wish, ended)).await)?);
    }
    let [p50, max] = [times.quantile(0.5), times.greatest()].map(latency);
    say(format!("  from an order's first commit to its last: p50 {p50}, max {max}"));
    let refused = placed.iter().find(|order| order.wish == Wish::Unpaid);
    tell(shop, style, refused.context("no order was refused")?).await?;
    compare(shop, view).await?;
    Ok(judge(shop, style, &ends, [(plenty, PLENTY), (few, FEW)]).await)
}

/// Events in the log of an order that has ended as it should.
fn steps(style: Style, wish: Wish, ended: &Ended) -> usize {
    match (style, wish, ended) {
        (Style::Choreography, _, Ended::Complete) => 3,
        (Style::Choreography, Wish::Unpaid, Ended::Cancelled) => 4,
        (Style::Choreography, Wish::Plain | Wish::Scarce, Ended::Cancelled) => 2,
        (Style::Orchestration, _, Ended::Complete) => 4,
        (Style::Orchestration, Wish::Unpaid, Ended::Cancelled) => 6,
        (Style::Orchestration, Wish::Plain | Wish::Scarce, Ended::Cancelled) => 2,
    }
}

/// Until the view says of each order in MySQL what MySQL says: the last events come to it over Kafka
/// when their orders have ended.
async fn compare(shop: &Shop, view: &DynamodbStore) -> Result<()> {
    let orders = shop.orders().await?;
    for (id, status) in &orders {
        eventually(&format!("the view says that {id} is {status}"), LONG, async || {
            let item = view.item(VIEW, id, CUSTOMER).await?;
            let seen = item.as_ref().and_then(|item| item.get("status"));
            Ok::<_, anyhow::Error>(seen == Some(status))
        })
        .await;
    }
    say(format!("  the view in DynamoDB says of all {} orders what MySQL says", orders.len()));
    Ok(())
}

/// The saga of one order that the gateway has refused, step by step.
async fn tell(shop: &Shop, style: Style, order: &Placed) -> Result<()> {
    let Placed { wish, id, ended } = order;
    let log = shop.log(id, steps(style, *wish, ended)).await;
    say(format!("  one of them, step by step: {id}"));
    let first = at(log.first().context("the log is empty")?)?;
    for event in &log {
        let text = |field: &str| event[field].as_str().unwrap_or("?");
        let after = format!("+{}", duration(since(first, at(event)?)));
        let reason = event["message"]["reason"].as_str();
        let reason = reason.map(|reason| format!("   {reason}")).unwrap_or_default();
        let (by, status, topic) = (text("by"), text("status"), text("topic"));
        say(format!("    {after:>9}  {by:<9}  {status:<18}  to {topic}{reason}"));
    }
    Ok(())
}

async fn judge(shop: &Shop, style: Style, ends: &Ends, items: [(i32, i32); 2]) -> bool {
    let mut faults = Vec::new();
    for (item, first) in items {
        if let Err(fault) = shop.assert_balanced(item, i64::from(first)).await {
            faults.push(format!("{fault:#}"));
        }
    }
    let is_good = faults.is_empty() && *ends == Ends::expected();
    let balance = match faults.is_empty() {
        true => {
            "what was sold and what is left is what there was; each complete order is charged \
                 once, no other"
        }
        false => "stock and charges do not add up",
    };
    let tone = if is_good { Tone::Good } else { Tone::Bad };
    let style = style.as_str();
    say(toned(tone, &format!("verdict: {ORDERS} orders in {style}: {ends}; {balance}")));
    if *ends != Ends::expected() {
        say(format!("  expected were {}", Ends::expected()));
    }
    faults.iter().for_each(|fault| say(format!("  {fault}")));
    is_good
}

/// From the first commit in an order's log to the last.
fn took(log: &[Value]) -> Result<Duration> {
    let (Some(first), Some(last)) = (log.first(), log.last()) else { return Ok(Duration::ZERO) };
    Ok(since(at(first)?, at(last)?))
}

fn at(event: &Value) -> Result<Timestamp> {
    let at = event["at"].as_str().context("an event has no time")?;
    at.parse().with_context(|| format!("an event's time is `{at}`"))
}

/// Zero where the log has an event behind its cause and the clock has not.
fn since(first: Timestamp, last: Timestamp) -> Duration {
    Duration::try_from(last.duration_since(first)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundred_orders_have_all_three_ends() {
        let Ends { complete, refused, out_of_stock, wrong } = Ends::expected();

        assert_eq!((complete, refused, out_of_stock, wrong), (75, 10, 15, 0));
        assert_eq!(complete + refused + out_of_stock, ORDERS);
    }

    #[test]
    fn end_that_the_wish_must_not_have_is_wrong() {
        for (wish, reason) in [
            (Wish::Unpaid, None),
            (Wish::Plain, Some("the card of this name is refused")),
            (Wish::Plain, Some("out of stock: 2 of test wanted, 0 left")),
            (Wish::Scarce, Some("the order has not come to its end in time")),
        ] {
            let mut ends = Ends::default();

            ends.add(wish, reason);

            assert_eq!(ends, Ends { wrong: 1, ..Ends::default() }, "{wish:?} {reason:?}");
            assert!(ends.to_string().ends_with("1 at a wrong end"));
        }
    }
}
