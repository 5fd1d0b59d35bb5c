//! The table `customer_order`: what was ordered, and what it has come to.

use rowpost_outbox::{MySql, MySqlPool, Transaction};
use serde::Serialize;
use shop::{Message, Status};

/// As `GET /v1/order` answers it.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Order {
    transaction_id: String,
    user_id: String,
    name: String,
    addr: String,
    tel: String,
    email: String,
    status: String,
    updated: String,
}

/// Whether there is such an item.
pub(crate) async fn is_known(
    transaction: &mut Transaction<'_, MySql>,
    item_id: i32,
) -> Result<bool, sqlx::Error> {
    let found: Option<i32> = sqlx::query_scalar("select id from item where id = ?")
        .bind(item_id)
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(found.is_some())
}

pub(crate) async fn insert(
    transaction: &mut Transaction<'_, MySql>,
    message: &Message,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into customer_order (transaction_id, user_id, name, addr, tel, email, status) \
         values (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&message.transaction_id)
    .bind(message.customer("user_id"))
    .bind(message.customer("name"))
    .bind(message.customer("addr"))
    .bind(message.customer("tel"))
    .bind(message.customer("email"))
    .bind(message.status.as_str())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// An order ends once.
pub(crate) async fn end(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    status: Status,
) -> Result<(), sqlx::Error> {
    sqlx::query("update customer_order set status = ? where transaction_id = ? and status = ?")
        .bind(status.as_str())
        .bind(transaction_id)
        .bind(Status::OrderCreated.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

pub(crate) async fn find(
    pool: &MySqlPool,
    transaction_id: &str,
    user_id: &str,
) -> Result<Option<Order>, sqlx::Error> {
    sqlx::query_as(
        "select transaction_id, user_id, name, addr, tel, email, status, \
                date_format(updated, '%Y-%m-%dT%H:%i:%s.%fZ') as updated \
         from customer_order where transaction_id = ? and user_id = ?",
    )
    .bind(transaction_id)
    .bind(user_id)
    .fetch_optional(pool)
    .await
}
