//! One trace from the request to the last handler, through outbox, relay and Kafka.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rowpost_tests::{
    collector::{Collector, Span, tree},
    eventually, needs,
    open_metrics::Exposition,
    shop::{Ended, LONG, Order, Shop, Style, Variables},
    tier::Tier,
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

/// The caller's span in every test; its traces differ.
const CALLER: &str = "00f067aa0ba902b7";

struct Traced {
    shop: Shop,
    collector: Collector,
    prefix: String,
    /// Whoever has the gateway misbehave is alone meanwhile.
    gateway: Mutex<()>,
}

fn exporting(endpoint: &str) -> Variables {
    let service = || {
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
        ]
    };
    let mut variables: Variables =
        ["gateway", "inventory", "payment", "order"].map(|name| (name, service())).into();
    variables.insert("relay", vec![("tracing.otlp_endpoint", endpoint.to_owned())]);
    variables
}

async fn traced(style: Style) -> Result<&'static Traced> {
    static CHOREOGRAPHY: OnceCell<Traced> = OnceCell::const_new();
    static ORCHESTRATION: OnceCell<Traced> = OnceCell::const_new();
    let cell = match style {
        Style::Choreography => &CHOREOGRAPHY,
        Style::Orchestration => &ORCHESTRATION,
    };
    cell.get_or_try_init(async || {
        let collector = Collector::start()?;
        let name = format!("traced{}", &style.as_str()[..2]);
        let shop = Shop::start_with(&name, style, &exporting(&collector.endpoint())).await?;
        let prefix = shop.topic("");
        Ok(Traced { shop, collector, prefix, gateway: Mutex::default() })
    })
    .await
}

/// Of a trace of the test's own.
fn traceparent(trace_id: &str, flags: &str) -> String {
    format!("00-{trace_id}-{CALLER}-{flags}")
}

fn new_trace_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

async fn place(shop: &Shop, item: i32, traceparent: &str) -> Result<String> {
    let request = reqwest::Client::new().post(shop.order.url("/v1/order"));
    let request = request.header("traceparent", traceparent).json(&Order::of(item, 1).body());
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(answer["transaction_id"].as_str().context("no transaction_id")?.to_owned())
}

impl Traced {
    fn tree(&self, trace_id: &str) -> Vec<String> {
        let shown =
            |span: &Span| format!("{}: {}", span.service, span.name.replace(&self.prefix, ""));
        tree(&self.collector.trace(trace_id), &shown)
    }

    /// # Panics
    /// With what there is, if it is not this in time.
    async fn assert_tree(&self, trace_id: &str, expected: &str) {
        let expected: Vec<&str> = expected.lines().collect();
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.tree(trace_id) != expected && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seen = self.tree(trace_id).join("\n");
        assert_eq!(seen, expected.join("\n"), "\n{seen}");
    }

    /// Once it has come.
    async fn span(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> Span {
        let mut found = None;
        eventually(what, Duration::from_secs(30), async || {
            found = self.collector.spans().into_iter().find(|span| is_it(span));
            found.is_some()
        })
        .await;
        found.expect("it was found")
    }
}

/// The trees begin with the caller's: the caller's own span is not exported.
const CHOREOGRAPHY: &str = "\
shop-order: POST /v1/order
  shop-order: create inventory
    rowpost: send inventory
    shop-inventory: process inventory
      shop-inventory: create payment
        rowpost: send payment
        shop-order: process payment
        shop-payment: process payment
          shop-payment: charge
            shop-payment: POST /v1/charges
              shop-gateway: POST /v1/charges
            shop-payment: create order
              rowpost: send order
              shop-order: process order
              shop-order: process order
                shop-order: create shop.order.status
                  rowpost: send shop.order.status
    shop-order: process inventory
  shop-order: create shop.order.status
    rowpost: send shop.order.status";

const ORCHESTRATION: &str = "\
shop-order: POST /v1/order
  shop-order: create shop.inventory.commands
    rowpost: send shop.inventory.commands
    shop-inventory: process shop.inventory.commands
      shop-inventory: create shop.order.replies
        rowpost: send shop.order.replies
        shop-order: process shop.order.replies
        shop-order: process shop.order.replies
          shop-order: create shop.payment.commands
            rowpost: send shop.payment.commands
            shop-order: process shop.payment.commands
            shop-payment: process shop.payment.commands
              shop-payment: charge
                shop-payment: POST /v1/charges
                  shop-gateway: POST /v1/charges
                shop-payment: create shop.order.replies
                  rowpost: send shop.order.replies
                  shop-order: process shop.order.replies
                  shop-order: process shop.order.replies
                    shop-order: create shop.order.status
                      rowpost: send shop.order.status
    shop-order: process shop.inventory.commands
  shop-order: create shop.order.status
    rowpost: send shop.order.status";

async fn trace_goes_from_the_request_to_the_last_handler(style: Style) -> Result<()> {
    let traced = traced(style).await?;
    let item = traced.shop.add_item(1_000, 10).await?;
    let _alone = traced.gateway.lock().await;
    let trace_id = new_trace_id();

    let id = place(&traced.shop, item, &traceparent(&trace_id, "01")).await?;

    assert_eq!(traced.shop.ended(&id).await, Ended::Complete);
    let expected = match style {
        Style::Choreography => CHOREOGRAPHY,
        Style::Orchestration => ORCHESTRATION,
    };
    traced.assert_tree(&trace_id, expected).await;
    let spans = traced.collector.trace(&trace_id);
    let request = spans.iter().find(|span| span.kind == "SERVER" && span.service == "shop-order");
    assert_eq!(request.context("no request")?.parent_id, CALLER, "the client's trace goes on");
    for span in &spans {
        assert!(kinds(&span.name).contains(&&*span.kind), "{} is {}", span.name, span.kind);
        assert!(!span.is_error && span.began <= span.ended, "{span:?}");
        let shown = format!("{span:?}");
        for personal in ["Hong", "hong@gil.com", "01012341234", "Hansil"] {
            assert!(!shown.contains(personal), "{shown}");
        }
    }
    // An order without a trace begins one.
    let id = traced.shop.place(&Order::of(item, 1)).await?;
    let created = |span: &Span| {
        let of_order = span.attributes.get("messaging.message.conversation_id") == Some(&id);
        of_order && span.service == "shop-order" && span.name.starts_with("create ")
    };
    let created = traced.span("the order's first event", created).await;
    traced.assert_tree(&created.trace_id, expected).await;
    let all = traced.collector.trace(&created.trace_id);
    assert_eq!(all.iter().filter(|span| span.parent_id.is_empty()).count(), 1);
    Ok(())
}

fn kinds(name: &str) -> &'static [&'static str] {
    match name.split(' ').next().unwrap_or_default() {
        "create" | "send" => &["PRODUCER"],
        "process" => &["CONSUMER"],
        "charge" => &["INTERNAL"],
        _ => &["SERVER", "CLIENT"],
    }
}

#[tokio::test]
async fn trace_goes_from_the_request_to_the_last_handler_in_choreography() -> Result<()> {
    needs!(Tier::Mysql9);
    trace_goes_from_the_request_to_the_last_handler(Style::Choreography).await
}

#[tokio::test]
async fn trace_goes_from_the_request_to_the_last_handler_in_orchestration() -> Result<()> {
    needs!(Tier::Mysql9);
    trace_goes_from_the_request_to_the_last_handler(Style::Orchestration).await
}

#[tokio::test]
async fn relays_span_is_of_the_record_from_its_commit_to_kafka() -> Result<()> {
    needs!(Tier::Mysql9);
    let traced = traced(Style::Choreography).await?;
    let shop = &traced.shop;
    let item = shop.add_item(1_000, 10).await?;
    let trace_id = new_trace_id();

    let id = place(shop, item, &traceparent(&trace_id, "01")).await?;

    let of_trace = |span: &Span| span.trace_id == trace_id && span.service == "rowpost";
    let sent = traced.span("the relay's span", |span| of_trace(span)).await;
    let schema = shop.schema("order");
    let row = format!(
        "select concat(id, ' ', traceparent) from {schema}.outbox \
         where aggregateid = '{id}' and aggregatetype = 'inventory'"
    );
    let row: String = shop.mysql.value(&row).await?;
    let (event_id, carried) = row.split_once(' ').context("no traceparent")?;
    assert_eq!(carried, format!("00-{trace_id}-{}-01", sent.parent_id), "the row's own span");
    let attribute = |name: &str| sent.attributes.get(name).map_or("", String::as_str);
    assert_eq!(attribute("messaging.message.id"), event_id);
    assert_eq!(attribute("messaging.destination.name"), shop.topic("inventory"));
    assert_eq!(attribute("rowpost.table"), format!("{schema}.outbox"));
    assert!(attribute("rowpost.binlog.coordinates").contains(':'), "{sent:?}");
    assert!(attribute("rowpost.gtids").contains(':'), "{sent:?}");
    let took = Duration::from_nanos(sent.ended - sent.began);
    assert!(took > Duration::ZERO && took < Duration::from_secs(60), "{took:?}");
    Ok(())
}

#[tokio::test]
async fn who_does_not_sample_is_not_recorded_and_the_trace_goes_on() -> Result<()> {
    needs!(Tier::Mysql9);
    let traced = traced(Style::Choreography).await?;
    let shop = &traced.shop;
    let item = shop.add_item(1_000, 10).await?;
    let _alone = traced.gateway.lock().await;
    let (silent, loud) = (new_trace_id(), new_trace_id());

    let id = place(shop, item, &traceparent(&silent, "00")).await?;
    assert_eq!(shop.ended(&id).await, Ended::Complete);
    place(shop, item, &traceparent(&loud, "01")).await?;

    // By then those before it would have come too.
    traced.assert_tree(&loud, CHOREOGRAPHY).await;
    assert_eq!(traced.collector.trace(&silent), []);
    for service in ["order", "inventory", "payment"] {
        let schema = shop.schema(service);
        let sql = format!("select traceparent from {schema}.outbox where aggregateid = '{id}'");
        let carried: String = shop.mysql.value(&sql).await?;
        assert!(carried.starts_with(&format!("00-{silent}-")), "{service}: {carried}");
        assert!(carried.ends_with("-00"), "{service}: {carried}");
    }
    Ok(())
}

#[tokio::test]
async fn attempts_that_fail_are_spans_of_their_own_with_an_error() -> Result<()> {
    needs!(Tier::Mysql9);
    let traced = traced(Style::Orchestration).await?;
    let shop = &traced.shop;
    let item = shop.add_item(1_000, 10).await?;
    let _alone = traced.gateway.lock().await;
    let trace_id = new_trace_id();

    shop.behave(json!({ "errors": 1 })).await?;
    let id = place(shop, item, &traceparent(&trace_id, "01")).await?;
    assert_eq!(shop.ended(&id).await, Ended::Complete);
    shop.behave(json!({})).await?;

    let expected = ORCHESTRATION.replace(
        "              shop-payment: charge\n",
        "              shop-payment: charge\n                shop-payment: POST /v1/charges\n\
         \x20                 shop-gateway: POST /v1/charges\n              shop-payment: charge\n",
    );
    traced.assert_tree(&trace_id, &expected).await;
    let spans = traced.collector.trace(&trace_id);
    let mut attempts: Vec<&Span> = spans.iter().filter(|span| span.name == "charge").collect();
    attempts.sort_by_key(|span| span.began);
    let seen: Vec<_> = attempts.iter().map(|span| (span.is_error, span.events.join(" "))).collect();
    assert_eq!(seen, [(true, "retry".to_owned()), (false, String::new())]);
    let calls: Vec<&Span> = spans.iter().filter(|span| span.kind == "CLIENT").collect();
    assert_eq!(calls.iter().filter(|span| span.is_error).count(), 1, "{calls:?}");
    Ok(())
}

#[tokio::test]
async fn record_that_is_given_up_says_so_in_its_trace() -> Result<()> {
    needs!(Tier::Mysql9);
    let traced = traced(Style::Orchestration).await?;
    let shop = &traced.shop;
    let trace_id = new_trace_id();
    let schema = shop.schema("order");

    shop.mysql
        .exec(format!(
            "insert into {schema}.outbox (id, aggregatetype, aggregateid, type, payload, traceparent) \
             values (uuid(), 'inventory', 'x', 'X', '{{\"name\": \"Hong\"}}', '{}')",
            traceparent(&trace_id, "01")
        ))
        .await?;

    let is_given_up = |span: &Span| {
        span.trace_id == trace_id && span.service == "shop-inventory" && span.kind == "CONSUMER"
    };
    let span = traced.span("the inventory's attempt", is_given_up).await;
    assert_eq!((span.is_error, &*span.events), (true, &["dead letter".to_owned()][..]));
    assert_eq!(span.parent_id, CALLER);
    assert_eq!(span.attributes["error.type"], "permanent");
    assert!(!format!("{span:?}").contains("Hong"), "{span:?}");
    Ok(())
}

/// Whoever connects waits for ever; the relay's finds nobody at all.
#[tokio::test]
async fn collector_that_is_away_or_deaf_costs_spans_and_nothing_else() -> Result<()> {
    needs!(Tier::Mysql9);
    let deaf = TcpListener::bind("127.0.0.1:0")?;
    let away = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut variables = exporting(&format!("http://{}", deaf.local_addr()?));
    variables.insert("relay", vec![("tracing.otlp_endpoint", format!("http://{away}"))]);
    let mut shop = Shop::start_with("deaf", Style::Choreography, &variables).await?;
    let item = shop.add_item(1_000, 100).await?;

    for _ in 0..5 {
        let id = place(&shop, item, &traceparent(&new_trace_id(), "01")).await?;
        assert_eq!(shop.ended(&id).await, Ended::Complete);
    }

    eventually("lost spans are counted", LONG, async || {
        let metrics = Exposition::parse(&shop.relay.get("/metrics").await?.body)?;
        let (lost, taken) = ("rowpost_spans_lost_total", "rowpost_spans_exported_total");
        ensure!(metrics.sum(taken) == Some(0.0), "somebody has taken spans");
        Ok::<_, anyhow::Error>(metrics.sum(lost).unwrap_or(0.0) >= 1.0)
    })
    .await;
    let started = Instant::now();
    ensure!(shop.gateway.terminate(LONG).await?.success());
    // Nothing is in its hands but spans.
    assert!(started.elapsed() < Duration::from_secs(3), "gateway: {:?}", started.elapsed());
    let started = Instant::now();
    ensure!(shop.relay.terminate(LONG).await?.success());
    assert!(started.elapsed() < Duration::from_secs(5), "relay: {:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn without_a_collector_the_clients_span_is_handed_on_as_it_is() -> Result<()> {
    needs!(Tier::Mysql9);
    let shop = crate::stage::shared(Style::Choreography).await?;
    let item = shop.add_item(1_000, 10).await?;
    let trace_id = new_trace_id();

    let id = place(shop, item, &traceparent(&trace_id, "01")).await?;
    assert_eq!(shop.ended(&id).await, Ended::Complete);

    let mut carried = Vec::new();
    for service in ["order", "inventory", "payment"] {
        let schema = shop.schema(service);
        let sql = format!("select traceparent from {schema}.outbox where aggregateid = '{id}'");
        carried.push(shop.mysql.value::<String>(&sql).await?);
    }
    assert!(carried[0].starts_with(&format!("00-{trace_id}-")), "{carried:?}");
    assert!(carried.iter().all(|other| *other == carried[0]), "no span begins: {carried:?}");
    let metrics = Exposition::parse(&shop.relay.get("/metrics").await?.body)?;
    assert_eq!(metrics.sum("rowpost_spans_exported_total"), Some(0.0));
    assert_eq!(metrics.sum("rowpost_spans_lost_total"), Some(0.0));
    Ok(())
}
