//! The shop as a whole: schemas, accounts, topics, the relay, the four services as processes.
//!
//! Several shops share one MySQL server and one broker: each has a prefix of its own for its schemas,
//! accounts, topics and consumer groups.

mod client; // what a customer and a test ask for
mod duplicator; // every record once more
mod sample; // the topics as the reference's sample uses them
mod service; // one process

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

pub use ::shop::Style;
use ::shop::Topic;

pub use self::{
    client::{Ended, Order},
    duplicator::Duplicator,
    sample::{SampleConsumer, SampleProducer, SampleService},
    service::Service,
};
use crate::{
    KafkaBroker, MysqlServer, Relay, Setup, eventually, http,
    outbox::{sql, workspace},
    relay::RelayConfig,
};

/// Longer than anything takes on a busy machine of two cores.
pub const LONG: std::time::Duration = std::time::Duration::from_secs(120);

const PARTITIONS: i32 = 3;

pub struct Shop {
    pub mysql: &'static MysqlServer,
    pub kafka: &'static KafkaBroker,
    pub relay: Relay,
    pub gateway: Service,
    pub order: Service,
    pub inventory: Service,
    pub payment: Service,
    pub(crate) http: reqwest::Client,
    prefix: String,
}

/// Service → its flags' variables; `relay` → its keys.
pub type Variables = BTreeMap<&'static str, Vec<(&'static str, String)>>;

impl Shop {
    /// With the deadlines that a person would have.
    pub async fn start(name: &str, style: Style) -> Result<Self> {
        Self::start_with(name, style, &Variables::new()).await
    }

    /// `name` must differ between the shops of a program.
    pub async fn start_with(name: &str, style: Style, variables: &Variables) -> Result<Self> {
        let mysql = MysqlServer::shared(Setup::Current).await?;
        Self::start_on(mysql, KafkaBroker::shared().await?, name, style, variables).await
    }

    /// On servers that are there already.
    pub async fn start_on(
        mysql: &'static MysqlServer,
        kafka: &'static KafkaBroker,
        name: &str,
        style: Style,
        variables: &Variables,
    ) -> Result<Self> {
        let prefix = format!("{name}{}_", std::process::id());
        for service in ["order", "inventory", "payment"] {
            create_schema(mysql, &prefix, service).await?;
        }
        create_topics(kafka, &prefix).await?;
        let mut config = relay_config(mysql, kafka, &prefix)?;
        for (key, text) in variables.get("relay").into_iter().flatten() {
            config.set_text(key, text);
        }
        let relay = Relay::start(config).await?;
        let start = async |service: &'static str, mut given: Vec<(&'static str, String)>| {
            given.extend(variables.get(service).cloned().unwrap_or_default());
            Service::start(service, given).await
        };
        let gateway = start("gateway", Vec::new()).await?;
        let common = |service: &str| -> Result<Vec<(&'static str, String)>> {
            let account = format!("{prefix}{service}");
            let url = mysql.url_as(&account, &format!("shop_{service}"))?;
            Ok(vec![
                ("SHOP_MYSQL_URL", format!("{}/{prefix}shop_{service}", url.trim_end_matches('/'))),
                ("SHOP_KAFKA", kafka.bootstrap().to_owned()),
                ("SHOP_TOPIC_PREFIX", prefix.clone()),
                ("SHOP_RELAY_SOURCE", prefix.trim_end_matches('_').to_owned()),
                // The least that the broker takes: how soon a killed member's partitions move on.
                ("SHOP_KAFKA_PROPERTY", "session.timeout.ms=6000".to_owned()),
            ])
        };
        let inventory = start("inventory", common("inventory")?).await?;
        let mut settings = common("payment")?;
        settings.push(("SHOP_GATEWAY", gateway.url("")));
        let payment = start("payment", settings).await?;
        let mut settings = common("order")?;
        settings.push(("SHOP_SAGA", style.as_str().to_owned()));
        settings.push(("SHOP_INVENTORY_URL", inventory.url("")));
        settings.push(("SHOP_GATEWAY_URL", gateway.url("")));
        let order = start("order", settings).await?;
        relay.wait_ready(LONG).await;
        let http = http::shared_client(LONG)?;
        let shop = Self { mysql, kafka, relay, gateway, order, inventory, payment, http, prefix };
        shop.wait_ready().await;
        Ok(shop)
    }

    /// Until all four say that they are.
    pub async fn wait_ready(&self) {
        for service in self.services() {
            eventually(&format!("{} is ready", service.name()), LONG, async || {
                service.assert_running();
                let answer = self.http.get(service.url("/readyz")).send().await?;
                Ok::<_, anyhow::Error>(answer.status().is_success())
            })
            .await;
        }
    }

    /// In the order of their starts.
    pub fn services(&self) -> [&Service; 4] {
        [&self.gateway, &self.inventory, &self.payment, &self.order]
    }

    /// The name of a schema, as in `from {…}.payment`.
    pub fn schema(&self, service: &str) -> String {
        format!("{}shop_{service}", self.prefix)
    }

    /// The name of a topic.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// New orders are led the other way from now on; those that are on their way keep theirs.
    pub async fn change_style(&mut self, style: Style) -> Result<()> {
        self.order.set("SHOP_SAGA", style.as_str());
        let status = self.order.terminate(LONG).await?;
        ensure!(status.success(), "the order service has not ended well: {status}");
        self.order.start_again()?;
        self.wait_ready().await;
        Ok(())
    }

    /// By its name: to be killed.
    pub fn service_mut(&mut self, name: &str) -> Result<&mut Service> {
        Ok(match name {
            "gateway" => &mut self.gateway,
            "order" => &mut self.order,
            "inventory" => &mut self.inventory,
            "payment" => &mut self.payment,
            other => anyhow::bail!("there is no service {other}"),
        })
    }
}

/// The migrations as an operator runs them, the account's last.
async fn create_schema(mysql: &MysqlServer, prefix: &str, service: &str) -> Result<()> {
    let mut files = vec![
        "outbox/0001_outbox.sql".to_owned(),
        "outbox/0002_headers.sql".to_owned(),
        "inbox/0001_inbox.sql".to_owned(),
    ];
    let folder = workspace().join("sql/shop").join(service);
    let mut own: Vec<String> = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    own.sort_unstable();
    files.extend(own.into_iter().map(|file| format!("shop/{service}/{file}")));
    let schema = format!("{prefix}shop_{service}");
    let mut script = format!("create database `{schema}`; use `{schema}`;");
    for file in files {
        let account = format!("'shop_{service}'@");
        script.push_str(&sql(&file)?.replace(&account, &format!("'{prefix}{service}'@")));
    }
    mysql.exec(script).await
}

async fn create_topics(kafka: &KafkaBroker, prefix: &str) -> Result<()> {
    let view = "shop.order.status";
    for topic in Topic::ALL.map(Topic::name).into_iter().chain([view]) {
        kafka.create_topic(&format!("{prefix}{topic}"), PARTITIONS, &[]).await?;
    }
    for group in ["order", "order-log", "order-view", "inventory", "payment"] {
        kafka.create_topic(&format!("{prefix}{group}.dead-letter"), 1, &[]).await?;
    }
    Ok(())
}

/// The headers as the library's README has them.
fn relay_config(mysql: &MysqlServer, kafka: &KafkaBroker, prefix: &str) -> Result<RelayConfig> {
    let readme = std::fs::read_to_string(workspace().join("services/outbox/README.md"))?;
    let (_, rest) = readme.split_once("additional = [").context("the README has no headers")?;
    let (headers, _) = rest.split_once("\n]").context("the headers have no end")?;
    let headers = headers.replace('\n', " ");
    let source = prefix.trim_end_matches('_');
    let mut config = RelayConfig::new(mysql, kafka, source)?;
    config.set(
        "outbox",
        format!(
            "[{{ table = \"{prefix}*.outbox\", topic = \"{prefix}${{aggregatetype}}\", \
             additional = [{headers}] }}]"
        ),
    );
    Ok(config)
}
