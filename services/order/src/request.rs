//! A client's order → a message, or the name of the field that is wrong.

use serde_json::{Map, Value};
use shop::{ApiError, Fields, InvalidField, Message, Status};

/// As long as the columns of `customer_order`.
const CUSTOMER: [(&str, usize); 5] =
    [("user_id", 100), ("name", 100), ("addr", 255), ("tel", 50), ("email", 254)];

/// More of one item than anybody orders; a thousand times less than an `int` holds.
const QUANTITY_MAX: i64 = 1_000_000;

/// Checks what can be checked without a database.
pub(crate) fn message(
    body: Map<String, Value>,
    transaction_id: String,
) -> Result<Message, ApiError> {
    check(&body)?;
    let mut body = body;
    // What the services say, a client does not.
    for ours in ["payment", "reason"] {
        body.remove(ours);
    }
    body.insert("transaction_id".to_owned(), transaction_id.into());
    body.insert("status".to_owned(), Status::OrderCreated.as_str().into());
    serde_json::from_value(Value::Object(body)).map_err(|error| {
        ApiError::new(axum::http::StatusCode::BAD_REQUEST, format!("not an order: {error}"))
    })
}

fn check(body: &Map<String, Value>) -> Result<(), InvalidField> {
    let body = Fields::of_body(body);
    let customer = body.object("order")?;
    for (field, chars_max) in CUSTOMER {
        customer.text(field, chars_max)?;
    }
    let item = body.object("inventory")?;
    item.integer("id", 1..=i64::from(i32::MAX))?;
    item.integer("quantity", 1..=QUANTITY_MAX)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use serde_json::json;

    use super::*;

    fn order() -> Value {
        json!({
            "order": {"user_id": "user", "name": "Hong Gil Dong", "addr": "29, Hansil-ro",
                      "tel": "01012341234", "email": "hong@gil.com"},
            "inventory": {"id": 2, "quantity": 5},
        })
    }

    fn taken(body: Value) -> Result<Message, ApiError> {
        message(body.as_object().unwrap().clone(), "a-1".to_owned())
    }

    #[test]
    fn event_is_the_whole_request_with_id_and_status() {
        let mut body = order();
        body["coupon"] = json!("X");
        body["transaction_id"] = json!("of the client");
        body["payment"] = json!("of the client");

        let event = serde_json::to_value(taken(body).unwrap()).unwrap();

        let mut expected = order();
        expected["coupon"] = json!("X");
        expected["transaction_id"] = json!("a-1");
        expected["status"] = json!("ORDER_CREATED");
        assert_eq!(event, expected);
    }

    #[test]
    fn every_field_is_required() {
        let customer = CUSTOMER.map(|(field, _)| field);
        for (object, fields) in [("order", &customer[..]), ("inventory", &["id", "quantity"])] {
            for field in fields {
                let mut body = order();
                body[object].as_object_mut().unwrap().remove(*field);

                let error = format!("{:?}", taken(body).unwrap_err());

                assert!(error.contains(&format!("{object}.{field} is missing")), "{error}");
            }
        }
    }

    #[test]
    fn quantity_is_a_whole_number_of_a_sane_size() {
        for quantity in [json!(0), json!(-1), json!(1.5), json!("5"), json!(1_000_001), json!(1e30)]
        {
            let mut body = order();
            body["inventory"]["quantity"] = quantity.clone();

            let error = taken(body).unwrap_err();

            assert!(format!("{error:?}").contains("inventory.quantity"), "{quantity}");
            assert_eq!(error.into_response().status(), 400);
        }
    }
}
