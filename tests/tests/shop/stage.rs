//! One shop per style for all tests that do not mind each other.

use anyhow::Result;
use rowpost_tests::shop::{Shop, Style};
use tokio::sync::OnceCell;

/// Customers of this name are refused by the gateway of a shared shop.
pub(crate) const REFUSED: &str = "Nobody";

pub(crate) async fn shared(style: Style) -> Result<&'static Shop> {
    static CHOREOGRAPHY: OnceCell<Shop> = OnceCell::const_new();
    static ORCHESTRATION: OnceCell<Shop> = OnceCell::const_new();
    let cell = match style {
        Style::Choreography => &CHOREOGRAPHY,
        Style::Orchestration => &ORCHESTRATION,
    };
    cell.get_or_try_init(async || {
        let shop = Shop::start(&style.as_str()[..5], style).await?;
        shop.behave(serde_json::json!({ "refuse_name": REFUSED })).await?;
        Ok(shop)
    })
    .await
}
