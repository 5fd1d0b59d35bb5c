//! Stock set aside for orders and taken back.
//!
//! Promises:
//! - an order's stock is set aside at most once and taken back at most once, however often and in
//!   whatever order it is asked: `reservation` has one row for each order, and its state decides;
//! - the stock is never negative: the update that takes says how much must be there.

use rowpost_outbox::{MySql, Transaction};
use shop::{Item, message};

/// What an order has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reservation {
    Reserved { total_price: i64 },
    Refused { reason: String },
    Released { reason: Option<String> },
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    inventory_id: Option<i32>,
    quantity: Option<i32>,
    state: String,
    total_price: Option<i64>,
    reason: Option<String>,
}

const RESERVED: &str = "RESERVED";
const REFUSED: &str = "REFUSED";
const RELEASED: &str = "RELEASED";

/// Takes the stock, unless this order has been here before: then it says what came of it.
pub(crate) async fn reserve(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    item: &Item,
) -> Result<Reservation, sqlx::Error> {
    let reserved = Row {
        inventory_id: Some(item.id),
        quantity: Some(item.quantity),
        state: RESERVED.to_owned(),
        total_price: None,
        reason: None,
    };
    // ORDER: first the row that decides; another delivery of the same order waits for it.
    if !insert(transaction, transaction_id, &reserved).await? {
        return recall(transaction, transaction_id).await;
    }
    match take(transaction, item).await? {
        Ok(total_price) => {
            sqlx::query("update reservation set total_price = ? where transaction_id = ?")
                .bind(total_price)
                .bind(transaction_id)
                .execute(&mut **transaction)
                .await?;
            record(transaction, transaction_id, item.id, -item.quantity).await?;
            Ok(Reservation::Reserved { total_price })
        }
        Err(reason) => {
            sqlx::query("update reservation set state = ?, reason = ? where transaction_id = ?")
                .bind(REFUSED)
                .bind(&reason)
                .bind(transaction_id)
                .execute(&mut **transaction)
                .await?;
            Ok(Reservation::Refused { reason })
        }
    }
}

/// Takes the stock back if there is any, and sees to it that the order never gets any later.
pub(crate) async fn release(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    reason: Option<&str>,
) -> Result<Reservation, sqlx::Error> {
    let reason = reason.map(message::cut);
    let never_asked = Row {
        inventory_id: None,
        quantity: None,
        state: RELEASED.to_owned(),
        total_price: None,
        reason: reason.clone(),
    };
    if insert(transaction, transaction_id, &never_asked).await? {
        return Ok(Reservation::Released { reason });
    }
    let row = locked(transaction, transaction_id).await?;
    let (RESERVED, Some(id), Some(quantity)) = (&*row.state, row.inventory_id, row.quantity) else {
        return Ok(row.into());
    };
    sqlx::query("update reservation set state = ?, reason = ? where transaction_id = ?")
        .bind(RELEASED)
        .bind(&reason)
        .bind(transaction_id)
        .execute(&mut **transaction)
        .await?;
    sqlx::query("update inventory set quantity = quantity + ? where id = ?")
        .bind(quantity)
        .bind(id)
        .execute(&mut **transaction)
        .await?;
    record(transaction, transaction_id, id, quantity).await?;
    Ok(Reservation::Released { reason })
}

/// The price of what was taken, or why nothing was.
async fn take(
    transaction: &mut Transaction<'_, MySql>,
    item: &Item,
) -> Result<Result<i64, String>, sqlx::Error> {
    let Item { id, quantity, .. } = item;
    // A negative one would add to the stock.
    if *quantity < 1 {
        return Ok(Err(format!("{quantity} is no quantity")));
    }
    let taken =
        sqlx::query("update inventory set quantity = quantity - ? where id = ? and quantity >= ?")
            .bind(quantity)
            .bind(id)
            .bind(quantity)
            .execute(&mut **transaction)
            .await?;
    let item: Option<(String, i32, i32)> =
        sqlx::query_as("select name, price, quantity from inventory where id = ?")
            .bind(id)
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(match item {
        Some((_, price, _)) if taken.rows_affected() == 1 => {
            Ok(i64::from(price) * i64::from(*quantity))
        }
        Some((name, _, left)) => {
            Err(format!("out of stock: {quantity} of {name} wanted, {left} left"))
        }
        None => Err(format!("there is no item {id}")),
    })
}

/// Whether there was none.
async fn insert(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    row: &Row,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "insert into reservation (transaction_id, inventory_id, quantity, state, reason) \
         values (?, ?, ?, ?, ?)",
    )
    .bind(transaction_id)
    .bind(row.inventory_id)
    .bind(row.quantity)
    .bind(&row.state)
    .bind(&row.reason)
    .execute(&mut **transaction)
    .await;
    match inserted {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn recall(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
) -> Result<Reservation, sqlx::Error> {
    Ok(locked(transaction, transaction_id).await?.into())
}

async fn locked(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
) -> Result<Row, sqlx::Error> {
    sqlx::query_as(
        "select inventory_id, quantity, state, total_price, reason from reservation \
         where transaction_id = ? for update",
    )
    .bind(transaction_id)
    .fetch_one(&mut **transaction)
    .await
}

async fn record(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    inventory_id: i32,
    quantity: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into inventory_history (transaction_id, inventory_id, quantity) values (?, ?, ?)",
    )
    .bind(transaction_id)
    .bind(inventory_id)
    .bind(quantity)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl From<Row> for Reservation {
    fn from(row: Row) -> Self {
        match (&*row.state, row.total_price) {
            (RESERVED, Some(total_price)) => Self::Reserved { total_price },
            (REFUSED, _) => Self::Refused { reason: row.reason.unwrap_or_default() },
            _ => Self::Released { reason: row.reason },
        }
    }
}
