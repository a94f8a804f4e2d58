//! What one core decides. Run with `--ignored --nocapture`.

use std::time::Instant;

use super::host::{Shop, T0, VOUCHER, click, rules};

#[test]
#[ignore = "a measurement: its figure is for the bench report"]
#[allow(clippy::print_stdout, clippy::cast_precision_loss)]
fn decisions_per_second() {
    let pack = rules(&format!("    cap: [{{scope: person, max: 1, per: P7D}}]\n{VOUCHER}")).replace(
        "when: signal.lingering_return",
        "when: \"signal.lingering_return && profile.segment == 'gold' && event.url.startsWith('/p/') && now > 0\"",
    );
    let mut shop = Shop::new(&pack);
    let history: Vec<String> =
        (0..20).map(|p| format!(r#"{{"product_id":"x{p}","last_viewed_at":{T0},"sessions":2}}"#)).collect();
    for person in 0..1000 {
        let row = format!(
            r#"{{"name":"N","segment":"gold","consent":{{"marketing":true}},"history":[{}]}}"#,
            history.join(",")
        );
        shop.customer(&format!("c{person}"), &row);
    }
    let clicks: Vec<String> = (0..100_000_i64)
        .map(|n| {
            let (person, kind) = (n % 1000, if n % 4 == 0 { "product_view" } else { "heartbeat" });
            let (session, page) = (format!("s{}", n / 20_000), format!("p{}", n / 4000));
            let product = format!("x{}", (n / 4000) % 40);
            click(&format!("c{person}"), &format!("e{n}"), &session, kind, &page, &product, T0 + n * 10)
        })
        .collect();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    for text in &clicks {
        shop.send("", text, T0).unwrap();
        shop.out.clear();
    }
    let (elapsed, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let rate = |seconds: f64| clicks.len() as f64 / seconds;
    println!(
        "{:.0} decisions/s, {:.0} for each second of CPU, JSON parsing of the click included",
        rate(elapsed),
        rate(cpu)
    );
}

/// The CPU time of this thread so far, from the kernel.
#[allow(clippy::cast_precision_loss)]
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<u64>().unwrap() as f64 / 1e9
}
