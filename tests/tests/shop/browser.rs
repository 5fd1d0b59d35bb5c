//! A real browser: headless Chromium over `chromedriver`, both Debian's, each with a fresh profile.
//!
//! fantoccini, because WebDriver is what all browsers speak and its generated part is small; a client of
//! Chromium's own protocol is a hundred thousand lines to compile.

use std::{
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use anyhow::{Context, Result};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rowpost_servers::{
    cache::Cache,
    command, ports,
    process::{self, Lifetime, ProcessId},
    run_directory,
};
use rowpost_tests::{eventually, shop::LONG};
use serde_json::{Value, json};
use tempfile::TempDir;

const ADVICE: &str = "the tests of the shop's page need a browser; on Debian: \
                      apt-get install chromium chromium-driver";

pub(crate) struct Browser {
    client: Client,
    driver: Driver,
    http: reqwest::Client,
    _profile: TempDir,
}

/// Ends with the test; and the browser with it, which waits at the other end of a pipe.
struct Driver {
    url: String,
    child: Child,
    id: ProcessId,
}

impl Driver {
    fn start(program: &Path) -> Result<Self> {
        let port = ports::free()?;
        let log = run_directory::subfolder(&Cache::open()?, "browser")?.join("chromedriver.log");
        let mut command = std::process::Command::new(program);
        command.arg(format!("--port={port}"));
        let (child, id) = process::spawn(&command, &log, Lifetime::Tied)?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), child, id })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Err(error) = self.id.kill9().and_then(|()| Ok(self.child.wait()?)) {
            eprintln!("cannot stop the browser: {error:#}");
        }
    }
}

/// The browser and its driver.
fn programs(find: impl Fn(&str) -> Option<PathBuf>) -> Result<(PathBuf, PathBuf)> {
    let mut browsers = ["chromium", "chromium-browser", "google-chrome"].into_iter();
    let browser = browsers.find_map(&find).context(ADVICE)?;
    Ok((browser, find("chromedriver").context(ADVICE)?))
}

#[test]
fn missing_browser_is_named_with_what_to_install() {
    for missing in ["chromium", "chromedriver"] {
        let find =
            |name: &str| (!name.starts_with(missing) && name != "google-chrome").then(PathBuf::new);

        let error = programs(find).unwrap_err().to_string();

        assert!(error.contains("apt-get install chromium chromium-driver"), "{error}");
    }
}

impl Browser {
    /// Looks at `url`.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let (chromium, driver) = programs(command::find)?;
        let driver = Driver::start(&driver)?;
        let http = reqwest::Client::builder().timeout(LONG).build()?;
        eventually("the driver is ready", LONG, async || {
            let answer = http.get(format!("{}/status", driver.url)).send().await?;
            Ok::<_, anyhow::Error>(answer.status().is_success())
        })
        .await;
        let profile = tempfile::tempdir()?;
        let user_data = format!("--user-data-dir={}", profile.path().display());
        let capabilities = json!({
            "goog:chromeOptions": {
                "binary": chromium,
                "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update",
                    "--disable-sync", "--remote-debugging-pipe", "--window-size=1280,1000", user_data,
                ],
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url)
            .await
            .context("the browser does not start")?;
        let browser = Self { client, driver, http, _profile: profile };
        browser.client.goto(url).await?;
        browser.run("window.isTheSamePage = true").await?;
        browser.sees("#connection", "live").await;
        Ok(browser)
    }

    pub(crate) async fn click(&self, selector: &str) -> Result<()> {
        Ok(self.client.find(Locator::Css(selector)).await?.click().await?)
    }

    /// As a person does it: empties the field and types, and leaves it by the tabulator.
    pub(crate) async fn type_in(&self, id: &str, text: &str) -> Result<()> {
        let field = self.client.find(Locator::Id(id)).await?;
        field.clear().await?;
        field.send_keys(&format!("{text}\t")).await?;
        Ok(())
    }

    pub(crate) async fn run(&self, script: &str) -> Result<Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// The text of each element; or, behind an `@`, an attribute: `#steps li@data-status`.
    pub(crate) async fn texts(&self, selector: &str) -> Result<Vec<String>> {
        let (selector, attribute) = match selector.split_once('@') {
            Some((selector, attribute)) => (selector, Some(attribute)),
            None => (selector, None),
        };
        let script = "const [selector, attribute] = arguments; \
             return [...document.querySelectorAll(selector)].map((element) => \
             attribute ? element.getAttribute(attribute) : element.innerText.trim())";
        let texts = self.client.execute(script, vec![json!(selector), json!(attribute)]).await?;
        Ok(serde_json::from_value(texts)?)
    }

    /// Waits until the first element's text is this.
    pub(crate) async fn sees(&self, selector: &str, text: &str) {
        self.sees_all(selector, &[text]).await;
    }

    /// Waits until the elements' texts are these.
    pub(crate) async fn sees_all(&self, selector: &str, expected: &[&str]) {
        let mut last = Vec::new();
        let what = format!("{selector} is {expected:?}");
        eventually(&what, Duration::from_secs(60), async || {
            last = self.texts(selector).await?;
            anyhow::ensure!(last == expected, "it is {last:?}");
            Ok(true)
        })
        .await;
    }

    /// That nobody has loaded the page anew.
    pub(crate) async fn assert_same_page(&self) -> Result<()> {
        assert_eq!(
            self.run("return window.isTheSamePage").await?,
            true,
            "the page was loaded anew"
        );
        Ok(())
    }

    /// Nothing that the console shows in red or yellow. `network`: nor requests that have failed.
    pub(crate) async fn assert_no_errors(&self, network: bool) -> Result<()> {
        let session = self.client.session_id().await?.context("there is no session")?;
        let url = format!("{}/session/{session}/se/log", self.driver.url);
        let request = self.http.post(url).json(&json!({ "type": "browser" }));
        let answer: Value = request.send().await?.json().await?;
        let entries = answer["value"].as_array().context("there is no log")?;
        let errors: Vec<&Value> = entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .filter(|entry| network || entry["source"] != "network")
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        Ok(())
    }
}
