//! The server-sent events, without a browser.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rowpost_tests::{
    needs,
    shop::{Ended, LONG, Order, Shop, Style},
    tier::Tier,
};

use crate::stage::shared;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Sent {
    event: String,
    id: Option<String>,
    data: String,
}

/// Reads until `is_enough`, or to the end.
async fn read(
    url: &str,
    last_event_id: Option<&str>,
    is_enough: impl Fn(&[Sent]) -> bool,
) -> Result<Vec<Sent>> {
    let client = reqwest::Client::builder().timeout(LONG).build()?;
    let mut request = client.get(url);
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let mut answer = request.send().await?;
    ensure!(answer.status().is_success(), "{}", answer.text().await?);
    let (mut text, mut sent) = (String::new(), Vec::new());
    while !is_enough(&sent) {
        let Some(chunk) = answer.chunk().await? else { break };
        text.push_str(std::str::from_utf8(&chunk)?);
        while let Some((block, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                let mut lines = block.lines();
                lines.find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
            };
            if let Some(event) = field("event:") {
                let data = field("data:").unwrap_or_default();
                sent.push(Sent { event, id: field("id:"), data });
            }
            text = rest.to_owned();
        }
    }
    Ok(sent)
}

fn steps(sent: &[Sent]) -> Vec<&Sent> {
    sent.iter().filter(|sent| sent.event == "step").collect()
}

fn has_ended(sent: &[Sent]) -> bool {
    sent.iter().any(|sent| sent.event == "end")
}

#[tokio::test]
async fn stream_that_was_cut_goes_on_behind_the_last_event() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Orchestration).await?;
    let item = shop.add_item(1_000, 10).await?;
    let id = shop.place(&Order::of(item, 1)).await?;
    let url = shop.order.url(&format!("/v1/order/{id}/events/stream"));

    let first = read(&url, None, |sent| steps(sent).len() >= 2).await?;
    let last = steps(&first)[1].id.clone().context("a step has an id")?;
    let all = read(&url, None, has_ended).await?;
    let rest = read(&url, Some(&last), has_ended).await?;

    assert_eq!(steps(&all).len(), 4);
    assert_eq!(steps(&rest), steps(&all)[2..]);
    let order = all.iter().rfind(|sent| sent.event == "order").context("no order")?;
    assert!(order.data.contains("\"phase\":\"complete\""), "{}", order.data);
    let unknown = read(&url, Some("no id of ours"), has_ended).await?;
    assert_eq!(steps(&unknown).len(), 4, "whoever has nothing gets all");
    Ok(())
}

#[tokio::test]
async fn order_that_is_not_there_has_no_stream() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = shared(Style::Choreography).await?;

    let (status, answer) = shop.get(shop.order.url("/v1/order/nobody/events/stream")).await?;

    assert_eq!((status.as_u16(), &answer["error"]), (404, &"data not found".into()));
    Ok(())
}

#[tokio::test]
async fn open_streams_do_not_hold_the_end_of_the_service() -> Result<()> {
    needs!(Tier::Mysql9);
    let mut shop = Shop::start("streams", Style::Choreography).await?;
    shop.behave(serde_json::json!({ "is_down": true })).await?;
    let item = shop.add_item(1_000, 10).await?;
    let id = shop.place(&Order::of(item, 1)).await?;
    let story = format!("/v1/order/{id}/events/stream");
    let paths = [story.clone(), "/page/orders/stream".to_owned()];
    let readers = paths.map(|path| {
        let url = shop.order.url(&path);
        tokio::spawn(async move { read(&url, None, |_| false).await })
    });
    rowpost_tests::eventually("the stream is read", LONG, async || {
        let sent = read(&shop.order.url(&story), None, |sent| steps(sent).len() >= 2).await?;
        Ok::<_, anyhow::Error>(steps(&sent).len() >= 2)
    })
    .await;

    let started = Instant::now();
    let status = shop.order.terminate(Duration::from_secs(20)).await?;

    assert_eq!(status.code(), Some(0));
    // The grace period is 10 s; the consumers leave their groups meanwhile.
    assert!(started.elapsed() < Duration::from_secs(8), "it took {:?}", started.elapsed());
    for reader in readers {
        assert!(!reader.await??.is_empty(), "a stream that was open has said something");
    }
    shop.order.start_again()?;
    shop.behave(serde_json::json!({})).await?;
    assert_eq!(shop.ended(&id).await, Ended::Complete);
    Ok(())
}
