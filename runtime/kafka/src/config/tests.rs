use super::*;

fn config(role: Role, java: &[(&str, &str)]) -> ClientConfig {
    let bootstrap = ClientConfig::new(role, &Props::new()).set("bootstrap.servers", "127.0.0.1:9092");
    java.iter().fold(bootstrap, |config, (name, value)| config.set(name, value))
}

/// The settings under librdkafka's names, after checking that librdkafka takes them.
fn native(role: Role, java: &[(&str, &str)]) -> Props {
    let settings = config(role, java).translate().unwrap();
    match role {
        Role::Producer => drop(tributary_librdkafka::Client::producer(&settings).unwrap()),
        Role::Consumer => drop(tributary_librdkafka::Client::consumer(&settings).unwrap()),
        Role::Admin => drop(tributary_librdkafka::Client::admin(&settings).unwrap()),
    }
    settings.into_iter().map(|setting| (setting.name, setting.value)).collect()
}

#[track_caller]
fn check(role: Role, java: &[(&str, &str)], expected: &[(&str, &str)]) {
    let native = native(role, java);
    for (name, value) in expected {
        assert_eq!(native.get(*name).map(String::as_str), Some(*value), "{name}");
    }
}

#[track_caller]
fn refused(role: Role, java: &[(&str, &str)], message: &str) {
    let error = config(role, java).validate().unwrap_err();
    assert_eq!(error.kind(), tributary_api::ErrorKind::Config);
    assert!(error.to_string().contains(message), "{error}");
    assert!(error.property().is_some_and(|name| message.contains(name) || java.iter().any(|(java, _)| *java == name)));
}

#[test]
fn keys_get_javas_partitions_whatever_is_configured() {
    check(Role::Producer, &[], &[("partitioner", "murmur2_random"), ("enable.idempotence", "true"), ("acks", "all")]);
    check(Role::Producer, &[], &[("message.max.bytes", "1048576")]);
    check(Role::Producer, &[("partitioner.class", "com.example.Mine")], &[("partitioner", "murmur2_random")]);
}

#[test]
fn producer_names_are_translated() {
    check(
        Role::Producer,
        &[
            ("acks", "-1"),
            ("batch.size", "131072"),
            ("linger.ms", "7"),
            ("buffer.memory", "67108864"),
            ("compression.type", "ZSTD"),
            ("compression.zstd.level", "5"),
            ("delivery.timeout.ms", "2147483647"),
            ("request.timeout.ms", "40000"),
            ("max.request.size", "2000000"),
            ("metadata.max.age.ms", "60000"),
            ("send.buffer.bytes", "-1"),
        ],
        &[
            ("acks", "all"),
            ("batch.size", "131072"),
            ("linger.ms", "7"),
            ("queue.buffering.max.kbytes", "65536"),
            ("compression.type", "zstd"),
            ("compression.level", "5"),
            ("message.timeout.ms", "0"),
            ("request.timeout.ms", "40000"),
            ("socket.timeout.ms", "40000"),
            ("message.max.bytes", "2000000"),
            ("topic.metadata.refresh.interval.ms", "60000"),
            ("metadata.max.age.ms", "180000"),
            ("socket.send.buffer.bytes", "0"),
        ],
    );
}

#[test]
fn consumer_names_are_translated() {
    check(
        Role::Consumer,
        &[
            ("group.id", "g"),
            ("auto.offset.reset", "EARLIEST"),
            ("fetch.max.wait.ms", "100"),
            ("max.poll.interval.ms", "2147483647"),
            ("enable.auto.commit", "true"),
            ("isolation.level", "READ_COMMITTED"),
        ],
        &[
            ("group.id", "g"),
            ("auto.offset.reset", "earliest"),
            ("fetch.wait.max.ms", "100"),
            ("max.poll.interval.ms", "86400000"),
            ("enable.auto.commit", "false"),
            ("isolation.level", "read_committed"),
            ("fetch.queue.backoff.ms", "10"),
        ],
    );
    check(Role::Consumer, &[("group.id", "g"), ("auto.offset.reset", "none")], &[("auto.offset.reset", "error")]);
    // Java's default where the two differ.
    check(Role::Consumer, &[("group.id", "g")], &[("isolation.level", "read_uncommitted")]);
}

#[test]
fn settings_of_another_role_are_passed_over() {
    let java = [("group.id", "g"), ("session.timeout.ms", "10000"), ("linger.ms", "3"), ("acks", "1")];
    let admin = native(Role::Admin, &java);
    assert!(["group.id", "session.timeout.ms", "linger.ms", "acks"].iter().all(|name| !admin.contains_key(*name)));
}

#[test]
fn assignors_by_class_name() {
    let strategy = |value: &str| {
        let native = native(Role::Consumer, &[("group.id", "g"), ("partition.assignment.strategy", value)]);
        native["partition.assignment.strategy"].clone()
    };
    assert_eq!(strategy("org.apache.kafka.clients.consumer.RangeAssignor"), "range");
    assert_eq!(strategy("range, org.apache.kafka.clients.consumer.RoundRobinAssignor"), "range,roundrobin");
    let java_default = "org.apache.kafka.clients.consumer.RangeAssignor,\
                        org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    assert_eq!(strategy(java_default), "cooperative-sticky");
    assert_eq!(strategy("com.example.Mine"), "cooperative-sticky");
}

#[test]
fn the_new_group_protocol_uses_the_brokers_timeouts() {
    let java = [("group.id", "g"), ("group.protocol", "CONSUMER"), ("session.timeout.ms", "10000")];
    let native = native(Role::Consumer, &java);
    assert_eq!(native["group.protocol"], "consumer");
    assert!(!native.contains_key("session.timeout.ms") && !native.contains_key("partition.assignment.strategy"));
}

#[test]
fn idempotence_is_switched_off_by_conflicting_settings_unless_set() {
    for other in [("acks", "1"), ("retries", "0"), ("max.in.flight.requests.per.connection", "6")] {
        check(Role::Producer, &[other], &[("enable.idempotence", "false")]);
        refused(Role::Producer, &[other, ("enable.idempotence", "true")], "enable.idempotence is true but");
        refused(Role::Producer, &[other, ("transactional.id", "t")], "transactional.id is set but");
    }
    check(Role::Producer, &[("max.in.flight.requests.per.connection", "1")], &[("enable.idempotence", "true")]);
    check(Role::Producer, &[("enable.idempotence", "false")], &[("enable.idempotence", "false")]);
}

#[test]
fn transactions_are_not_slowed_down_by_back_off() {
    check(
        Role::Producer,
        &[("transactional.id", "t"), ("transaction.timeout.ms", "9000"), ("delivery.timeout.ms", "2147483647")],
        &[("retry.backoff.ms", "1"), ("retry.backoff.max.ms", "2"), ("linger.ms", "0"), ("message.timeout.ms", "9000")],
    );
    check(Role::Producer, &[("transactional.id", "t"), ("linger.ms", "4")], &[("linger.ms", "4")]);
}

#[test]
fn back_off_bounds_follow_what_they_bound() {
    check(Role::Admin, &[("reconnect.backoff.ms", "5000")], &[("reconnect.backoff.max.ms", "5000")]);
    check(Role::Producer, &[("retry.backoff.ms", "5000")], &[("retry.backoff.max.ms", "5000")]);
}

#[test]
fn passwords_come_out_of_the_login_module() {
    let plain = |jaas: &str| {
        let java = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", jaas)];
        let native = native(Role::Admin, &java);
        (native["sasl.username"].clone(), native["sasl.password"].clone())
    };
    let expected = |user: &str, password: &str| (user.to_owned(), password.to_owned());
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    assert_eq!(plain(&format!("{module} username=\"alice\" password=\"s3cret\";")), expected("alice", "s3cret"));
    assert_eq!(
        plain(&format!("{module}\n  username = 'al ice'\n  password=\"a;b=\\\"c\\\\\";")),
        expected("al ice", "a;b=\"c\\")
    );
    assert_eq!(plain(&format!("{module} username=alice password=plain ;")), expected("alice", "plain"));
}

#[test]
fn scram_and_unsecured_tokens() {
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"p\";";
    check(
        Role::Producer,
        &[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.jaas.config", module)],
        &[("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.username", "u"), ("security.protocol", "sasl_ssl")],
    );
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                  unsecuredLoginStringClaim_sub=\"alice\";";
    check(
        Role::Producer,
        &[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "OAUTHBEARER"), ("sasl.jaas.config", module)],
        &[("enable.sasl.oauthbearer.unsecure.jwt", "true"), ("sasl.oauthbearer.config", "principal=alice")],
    );
}

#[test]
fn credentials_that_cannot_be_read_are_refused_without_being_shown() {
    for jaas in ["", "Module", "Module required username=\"u", "Module required username password=hunter2;"] {
        let java = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", jaas)];
        let error = config(Role::Admin, &java).validate().unwrap_err().to_string();
        assert!(error.contains("sasl.jaas.config") && !error.contains("hunter2"), "{error}");
    }
    let kerberos = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "GSSAPI")];
    refused(Role::Admin, &kerberos, "GSSAPI is not supported");
}

#[test]
fn stores_in_pem_and_pkcs12_are_used_and_java_stores_refused() {
    let translated = |java: &[(&str, &str)]| -> Props {
        let java = [&[("security.protocol", "SSL")], java].concat();
        let settings = config(Role::Admin, &java).translate().unwrap();
        settings.into_iter().map(|setting| (setting.name, setting.value)).collect()
    };
    let pem = translated(&[("ssl.truststore.type", "PEM"), ("ssl.truststore.location", "/etc/ca")]);
    assert_eq!(pem["ssl.ca.location"], "/etc/ca");
    let inline = translated(&[
        ("ssl.truststore.certificates", "CA"),
        ("ssl.keystore.certificate.chain", "CERT"),
        ("ssl.keystore.key", "KEY"),
        ("ssl.key.password", "p"),
    ]);
    let inlined = ["ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem", "ssl.key.password"];
    assert_eq!(inlined.map(|name| inline[name].as_str()), ["CA", "CERT", "KEY", "p"]);
    let file = translated(&[("ssl.keystore.location", "/etc/me.pem")]);
    assert_eq!(
        (&file["ssl.certificate.location"], &file["ssl.key.location"]),
        (&"/etc/me.pem".into(), &"/etc/me.pem".into())
    );
    let pkcs12 = translated(&[("ssl.keystore.location", "/etc/me.p12"), ("ssl.keystore.password", "p")]);
    assert_eq!(pkcs12["ssl.keystore.location"], "/etc/me.p12");
    assert_eq!(pem["ssl.endpoint.identification.algorithm"], "https");
    assert_eq!(
        translated(&[("ssl.endpoint.identification.algorithm", "")])["ssl.endpoint.identification.algorithm"],
        "none"
    );
    let refused_store = |name: &str, file: &str| {
        refused(Role::Admin, &[("security.protocol", "SSL"), (name, file)], "keytool");
    };
    refused_store("ssl.truststore.location", "/etc/trust.jks");
    refused_store("ssl.truststore.location", "/etc/trust.p12");
    refused_store("ssl.keystore.location", "/etc/me.jks");
}

#[test]
fn properties_without_effect_are_reported_and_never_refused() {
    let config = config(
        Role::Producer,
        &[
            ("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer"),
            ("interceptor.classes", "com.example.Audit"),
            ("metrics.num.samples", "2"),
            ("no.such.setting", "x"),
            ("linger.ms", "1"),
            ("max.block.ms", "9223372036854775807"),
            ("sasl.jaas.config", "not used without sasl"),
        ],
    );
    assert_eq!(config.ignored(), ["interceptor.classes", "key.serializer", "metrics.num.samples", "no.such.setting"]);
    config.validate().unwrap();
}

#[test]
fn native_names_win() {
    check(
        Role::Producer,
        &[("librdkafka.queue.buffering.max.messages", "7")],
        &[("queue.buffering.max.messages", "7")],
    );
    let config = config(Role::Producer, &[("linger.ms", "3")]).set_native("linger.ms", 9);
    let settings = config.translate().unwrap();
    assert_eq!(settings.iter().find(|setting| setting.name == "linger.ms").unwrap().value, "9");
}

#[test]
fn a_wrong_value_is_named_as_the_user_wrote_it() {
    refused(Role::Producer, &[("linger.ms", "soon")], "linger.ms is \"soon\": write a whole number");
    refused(Role::Consumer, &[("auto.offset.reset", "sideways")], "earliest, latest or none");
    refused(Role::Producer, &[("enable.idempotence", "perhaps")], "write true or false");
    for (role, name) in [
        (Role::Producer, "max.block.ms"),
        (Role::Consumer, "default.api.timeout.ms"),
        (Role::Consumer, "max.poll.interval.ms"),
        (Role::Admin, "default.api.timeout.ms"),
        (Role::Admin, "request.timeout.ms"),
    ] {
        refused(role, &[(name, "soon")], &format!("{name} is \"soon\""));
    }
    let no_broker = ClientConfig::new(Role::Admin, &Props::new()).validate().unwrap_err();
    assert!(no_broker.to_string().contains("bootstrap.servers is missing"));
    let error = config(Role::Producer, &[("acks", "many")]).validate().unwrap_err();
    assert!(error.to_string().contains("cannot use acks"), "{error}");
    assert_eq!(error.property(), Some("acks"));
}

#[test]
fn secrets_are_not_in_debug() {
    let jaas = "Module required username=\"u\" password=\"hunter2\";";
    let config = config(Role::Producer, &[("sasl.jaas.config", jaas), ("ssl.key.password", "hunter2")])
        .set("ssl.keystore.key", "hunter2")
        .set("sasl.oauthbearer.client.credentials.client.secret", "hunter2")
        .set("linger.ms", 5)
        .set_native("sasl.password", "hunter2");
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("linger.ms"), "{shown}");
}

#[test]
fn security_properties_without_effect_are_refused_by_name() {
    for name in
        ["security.providers", "ssl.engine.factory.class", "ssl.cipher.suites", "sasl.login.callback.handler.class"]
    {
        let java = Props::from([(name.to_owned(), "X".to_owned())]);
        let message = ClientConfig::new(Role::Consumer, &java).validate().unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    let protocols = |value: &str| {
        let servers = ("bootstrap.servers".to_owned(), "a:1".to_owned());
        let java = Props::from([servers, ("ssl.enabled.protocols".to_owned(), value.to_owned())]);
        ClientConfig::new(Role::Admin, &java).validate()
    };
    assert!(protocols("TLSv1.2, TLSv1.3").is_ok() && protocols("TLSv1.3").is_err());
}
