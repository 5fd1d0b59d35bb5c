//! A port and a folder → the XML of which Jetty makes the server.
//!
//! SERVER: DynamoDB Local's own `main` listens on every address of the machine and has no option
//! against it. It is a Jetty handler, and Jetty can be told by a file where to listen.

use std::path::Path;

/// Arguments in the order of the constructors: port (of its telemetry, which is not set up here), in
/// memory, folder, shared by all regions and credentials, slow to make tables.
pub(super) fn text(data: &Path, port: u16) -> String {
    let data = escaped(&data.display().to_string());
    format!(
        r#"<?xml version="1.0"?>
<!DOCTYPE Configure PUBLIC "-//Jetty//Configure//EN" "https://jetty.org/configure_12_0.dtd">
<Configure id="Server" class="org.eclipse.jetty.server.Server">
  <Arg><New class="java.net.InetSocketAddress">
    <Arg type="String">127.0.0.1</Arg><Arg type="int">{port}</Arg>
  </New></Arg>
  <Set name="handler">
    <New class="com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBServerHandler">
      <Arg><New class="com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBRequestHandler">
        <Arg type="int">0</Arg>
        <Arg type="boolean">false</Arg>
        <Arg type="String">{data}</Arg>
        <Arg type="boolean">true</Arg>
        <Arg type="boolean">false</Arg>
      </New></Arg>
      <Arg/>
    </New>
  </Set>
</Configure>
"#
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_put_on_loopback_with_its_folder() {
        let text = text(Path::new("/tmp/a&b"), 17_999);

        assert!(text.contains("127.0.0.1</Arg><Arg type=\"int\">17999<"), "{text}");
        assert!(text.contains(">/tmp/a&amp;b<"), "{text}");
    }
}
