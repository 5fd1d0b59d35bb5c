//! An order and its saga in one row, as the page shows it.

use rowpost_outbox::MySqlPool;
use serde::Serialize;
use shop::message::is_transaction_id;

use crate::saga::store::step_name;

/// As many as a person looks at.
const SHOWN_MAX: u32 = 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(crate) struct OrderRow {
    pub(crate) transaction_id: String,
    user_id: String,
    name: String,
    status: String,
    style: String,
    phase: String,
    #[serde(serialize_with = "step_name")]
    step: u8,
    reason: Option<String>,
    late: u32,
    item: Option<i64>,
    quantity: Option<i64>,
    total_price: Option<i64>,
    created_at: String,
    updated_at: String,
}

impl OrderRow {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(&*self.phase, "complete" | "cancelled")
    }
}

/// ORDER of the join: from the newest order downwards along its primary key, and no further than the
/// limit.
const SELECT: &str = "select o.transaction_id, o.user_id, o.name, o.status, s.style, s.phase, s.step, \
     s.reason, s.late, \
     cast(json_unquote(json_extract(s.message, '$.inventory.id')) as signed) as item, \
     cast(json_unquote(json_extract(s.message, '$.inventory.quantity')) as signed) as quantity, \
     cast(json_unquote(json_extract(s.message, '$.payment.total_price')) as signed) as total_price, \
     date_format(o.created_at, '%Y-%m-%dT%H:%i:%s.%fZ') as created_at, \
     date_format(s.updated_at, '%Y-%m-%dT%H:%i:%s.%fZ') as updated_at";

pub(crate) async fn recent(pool: &MySqlPool) -> Result<Vec<OrderRow>, sqlx::Error> {
    let sql = format!(
        "{SELECT} from customer_order o straight_join saga s \
         on s.transaction_id = o.transaction_id order by o.transaction_id desc limit {SHOWN_MAX}"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await
}

/// Those that have missed a deadline and not moved since, the longest due first.
pub(crate) async fn stuck(pool: &MySqlPool) -> Result<Vec<OrderRow>, sqlx::Error> {
    let sql = format!(
        "{SELECT} from saga s join customer_order o on o.transaction_id = s.transaction_id \
         where s.due_at is not null and s.late > 0 order by s.deadline_at limit {SHOWN_MAX}"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await
}

pub(crate) async fn one(
    pool: &MySqlPool,
    transaction_id: &str,
) -> Result<Option<OrderRow>, sqlx::Error> {
    if !is_transaction_id(transaction_id) {
        return Ok(None);
    }
    let sql = format!(
        "{SELECT} from customer_order o join saga s on s.transaction_id = o.transaction_id \
         where o.transaction_id = ?"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(transaction_id).fetch_optional(pool).await
}
