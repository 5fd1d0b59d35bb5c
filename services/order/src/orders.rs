//! The table `customer_order`: what was ordered, and what it has come to.

use rowpost_outbox::{MySql, MySqlPool, Transaction};
use serde::{Deserialize, Serialize};
use shop::{Message, Status, message::is_transaction_id};

/// As `GET /v1/order` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub(crate) struct Order {
    pub(crate) transaction_id: String,
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) addr: String,
    pub(crate) tel: String,
    pub(crate) email: String,
    pub(crate) status: String,
    pub(crate) updated: String,
}

/// With what tells an older state from a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub(crate) struct Versioned {
    #[serde(flatten)]
    #[sqlx(flatten)]
    pub(crate) order: Order,
    /// 1, and one more with each status.
    pub(crate) version: u32,
}

/// A fraction of a second has as many digits as the column.
const COLUMNS: &str = "transaction_id, user_id, name, addr, tel, email, status, \
                       date_format(updated, '%Y-%m-%dT%H:%i:%s.%fZ') as updated";

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

/// An order ends once. Whether it has now.
pub(crate) async fn end(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    status: Status,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query(
        "update customer_order set status = ?, version = version + 1 \
         where transaction_id = ? and status = ?",
    )
    .bind(status.as_str())
    .bind(transaction_id)
    .bind(Status::OrderCreated.as_str())
    .execute(&mut **transaction)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// As the transaction leaves it.
pub(crate) async fn versioned(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
) -> Result<Versioned, sqlx::Error> {
    let sql = format!("select {COLUMNS}, version from customer_order where transaction_id = ?");
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(transaction_id)
        .fetch_one(&mut **transaction)
        .await
}

pub(crate) async fn find(
    pool: &MySqlPool,
    transaction_id: &str,
    user_id: &str,
) -> Result<Option<Order>, sqlx::Error> {
    if !is_transaction_id(transaction_id) {
        return Ok(None);
    }
    let sql =
        format!("select {COLUMNS} from customer_order where transaction_id = ? and user_id = ?");
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(transaction_id)
        .bind(user_id)
        .fetch_optional(pool)
        .await
}
