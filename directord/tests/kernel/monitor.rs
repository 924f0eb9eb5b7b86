//! Monitor files: the result of every check.

use crate::Test;
use crate::bed::*;
use std::time::Duration;

pub const TESTS: &[Test] = &[("a_monitor_file_has_every_result", a_monitor_file_has_every_result)];

/// For what takes no time at all; a busy machine may take its own.
const LONG: Duration = Duration::from_secs(30);

fn a_monitor_file_has_every_result() {
    let bed = Bed::new();
    let a = Server::start("192.0.2.11");
    let (file, rest) = (bed.config().with_file_name("checks"), bed.config().with_file_name("maintenance"));
    std::fs::create_dir(&rest).unwrap();
    let options = format!("monitorfile=\"{}\"", file.display());
    let text = section(VIP, &options, &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&format!("maintenancedir={}\n{text}", rest.display()));
    bed.ok("start");
    let named = |server: &str, end: &str| {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let key = format!("] [{}] negotiate http tcp {server} 8080 5 masq / ok {end}", bed.pid());
        text.lines().filter(|line| line.starts_with('[') && line.ends_with(&key)).count()
    };
    bed.until("every check is written", LONG, |_| {
        named("192.0.2.11", "[up] 200 OK") >= 2 && named("192.0.2.12", "[down] connection refused") >= 2
    });
    a.stop();
    bed.until("so is a death", LONG, |_| named("192.0.2.11", "[down] connection refused") >= 1);
    std::fs::write(rest.join("192.0.2.12"), "").unwrap();
    bed.until("and maintenance", LONG, |_| named("192.0.2.12", "[down] Server in maintenance") >= 1);
    // A folder in its place is told of once, and that is all.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    bed.until("a failure is told of", LONG, |bed| bed.log().contains("cannot be written: Is a directory"));
    std::fs::remove_dir(&file).unwrap();
    bed.until("it goes on", LONG, |bed| bed.log().contains("is written again"));
    assert_eq!(bed.log().matches("cannot be written").count(), 1, "{}", bed.log());
    bed.ok("stop");
}
