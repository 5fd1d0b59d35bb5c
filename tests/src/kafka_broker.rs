//! A real Kafka broker for a test.

use std::{
    env,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
};
use rowpost_servers::{
    kafka::{self, BrokerOptions, Ports, Role},
    ports,
    process::Lifetime,
    server::Server,
};
use tokio::sync::OnceCell;

use crate::control::{self, Control, Native};

/// Names a broker that is there already.
const KAFKA_VARIABLE: &str = "ROWPOST_TEST_KAFKA";

/// Longer than any test: a broker that stands still on a busy machine must not be taken for dead, which
/// would lose it the markers of committed transactions (`kafka::Role` says how).
const SESSION_TIMEOUT: (&str, &str) = ("broker.session.timeout.ms", "600000");

/// A broker that goes with the test.
#[derive(Debug)]
pub struct KafkaBroker {
    bootstrap: String,
    options: BrokerOptions,
    control: Control,
    /// What may be killed has a controller that is not.
    controller: Option<Controller>,
}

#[derive(Debug)]
struct Controller {
    port: u16,
    /// Held: it goes when the broker goes.
    _process: Native,
    /// Since the last start the broker was killed.
    is_broker_killed: AtomicBool,
}

impl KafkaBroker {
    /// One broker per test process, for tests that do not kill it. Each takes topics of its own.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<KafkaBroker> = OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start_with(BrokerOptions::default())).await
    }

    /// A broker of the test's own, with further listeners, users or properties. It can be stopped, not
    /// killed.
    pub async fn start_with(options: BrokerOptions) -> Result<Self> {
        let is_plain = options == BrokerOptions::default();
        if let Ok(bootstrap) = env::var(KAFKA_VARIABLE) {
            if !is_plain {
                bail!("this test needs a broker of its own, which {KAFKA_VARIABLE} cannot give");
            }
            return Ok(Self::at(bootstrap));
        }
        #[cfg(feature = "containers")]
        if is_plain {
            let (bootstrap, control) = crate::containers::kafka().await?;
            return Ok(Self { bootstrap, options, control, controller: None });
        }
        let ports = Ports { plaintext: ports::free()?, controller: ports::free()? };
        let bootstrap = format!("127.0.0.1:{}", ports.plaintext);
        let native = start(Role::Combined, &options, &ports).await?;
        Ok(Self { bootstrap, options, control: Control::Native(native), controller: None })
    }

    /// A broker of the test's own that can be killed. Native, also where others are containers.
    pub async fn start_killable() -> Result<Self> {
        if let Ok(bootstrap) = env::var(KAFKA_VARIABLE) {
            return Ok(Self::at(bootstrap));
        }
        let options = BrokerOptions::default();
        let ports = Ports { plaintext: ports::free()?, controller: ports::free()? };
        let bootstrap = format!("127.0.0.1:{}", ports.plaintext);
        let process = start(Role::Controller, &options, &ports).await?;
        let native = start(Role::Broker, &options, &ports).await?;
        let controller = Controller {
            port: ports.controller,
            _process: process,
            is_broker_killed: AtomicBool::new(false),
        };
        let (control, controller) = (Control::Native(native), Some(controller));
        Ok(Self { bootstrap, options, control, controller })
    }

    /// A broker that is there already.
    pub fn at(bootstrap: String) -> Self {
        let control = Control::Address { variable: KAFKA_VARIABLE };
        Self { bootstrap, options: BrokerOptions::default(), control, controller: None }
    }

    /// The plaintext listener.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// One of the further listeners; their names are in `rowpost_servers::kafka::security`.
    pub fn listener(&self, name: &str) -> Result<String> {
        self.options.address(name).with_context(|| format!("the broker has no listener {name}"))
    }

    /// Settings of a client that comes back soon after the broker was away.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("broker.address.family", "v4")
            .set("reconnect.backoff.max.ms", "500");
        config
    }

    pub async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create()?;
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        let [outcome] = <[_; 1]>::try_from(admin.create_topics([&topic], &options).await?)
            .map_err(|outcomes| anyhow::anyhow!("one topic, {} answers", outcomes.len()))?;
        match outcome {
            Ok(_) => Ok(()),
            Err((name, code)) => Err(code).with_context(|| format!("cannot create topic {name}")),
        }
    }

    /// Deletes a topic; it need not be there.
    pub async fn delete_topic(&self, name: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create()?;
        for outcome in admin.delete_topics(&[name], &AdminOptions::new()).await? {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => {
                    return Err(code).with_context(|| format!("cannot delete topic {name}"));
                }
            }
        }
        Ok(())
    }

    /// Has the broker delete everything before `offset`, as retention would.
    pub async fn delete_records(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create()?;
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let deleted = admin.delete_records(&before, &AdminOptions::new()).await?;
        for answer in deleted.elements() {
            answer.error().with_context(|| format!("cannot delete records of {topic}"))?;
        }
        Ok(())
    }

    /// The broker's log, for a native broker.
    pub fn log(&self) -> Option<PathBuf> {
        self.control.directory().map(|directory| directory.join("broker.log"))
    }

    pub async fn pid(&self) -> Result<Option<i32>> {
        self.control.pid().await
    }

    /// SIGKILL, in the middle of whatever it does. Only for `start_killable`.
    pub async fn kill9(&self) -> Result<()> {
        let Some(controller) = &self.controller else {
            let Control::Address { .. } = self.control else {
                bail!("a broker to be killed must come from `KafkaBroker::start_killable`");
            };
            return self.control.kill9().await;
        };
        self.control.kill9().await?;
        controller.is_broker_killed.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub async fn stop(&self) -> Result<()> {
        self.control.stop().await
    }

    /// After `kill9` or `stop`: with its data, on its ports.
    pub async fn start_again(&self) -> Result<()> {
        if let Some(Controller { port, is_broker_killed, .. }) = &self.controller
            && is_broker_killed.swap(false, Ordering::Relaxed)
        {
            let port = *port;
            control::blocking(move || kafka::forget_killed_broker(port)).await?;
        }
        self.control.start().await
    }

    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// As a network that swallows every packet, until `resume`.
    pub async fn pause(&self) -> Result<()> {
        self.control.pause().await
    }

    pub async fn resume(&self) -> Result<()> {
        self.control.resume().await
    }
}

async fn start(role: Role, options: &BrokerOptions, ports: &Ports) -> Result<Native> {
    let (mut options, ports) = (options.clone(), ports.clone());
    let (name, value) = SESSION_TIMEOUT;
    options.properties.insert(0, (name.to_owned(), value.to_owned()));
    control::start_native("kafka", move |cache, directory| {
        Server::start(kafka::plan(cache, role, &options, directory, &ports)?, Lifetime::Tied)
    })
    .await
}
