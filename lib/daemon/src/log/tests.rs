use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::Level;

use super::*;
use crate::scratch::Scratch;

fn settings(targets: &[Target], level: Level) -> Settings {
    Settings { ident: "probe".to_string(), targets: targets.to_vec(), format: Format::Plain, level }
}

/// Runs `work` with a log of its own; it is flushed when `work` returns.
fn with_log(settings: Settings, syslog: &Path, capacity: usize, work: impl FnOnce(&Log)) {
    let (log, collector) = writer::start(settings, syslog.to_path_buf(), capacity).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(collector), || work(&log));
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn levels_reach_the_targets_they_are_for() {
    let scratch = Scratch::new();
    let (file, debug) = (scratch.path("log"), scratch.path("debug"));
    let targets = [Target::File(file.clone()), Target::DebugFile(debug.clone())];
    with_log(settings(&targets, Level::DEBUG), Path::new("/none"), CHANNEL, |_| {
        tracing::error!("e");
        tracing::warn!("w");
        tracing::info!("i");
        tracing::debug!("d");
        tracing::trace!("t");
    });
    assert_eq!(text(&file), "e\nw\ni\n");
    assert_eq!(text(&debug), "e\nw\ni\nd\n");
}

#[test]
fn fields_follow_the_message() {
    let scratch = Scratch::new();
    let file = scratch.path("log");
    with_log(settings(&[Target::File(file.clone())], Level::INFO), Path::new("/none"), CHANNEL, |_| {
        let error = io::Error::other("no route");
        tracing::info!(node = "beta", count = 3, up = true, "node {}", "beta");
        tracing::info!(text = "two words", empty = "", address = %"192.0.2.1", list = ?[1, 2], "m");
        tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "failed");
        tracing::info!(only = 1, fields = 2);
    });
    let expected = "node beta node=beta count=3 up=true\n\
                    m text=\"two words\" empty=\"\" address=192.0.2.1 list=[1, 2]\n\
                    failed error=no route\n\
                    only=1 fields=2\n";
    assert_eq!(text(&file), expected);
}

#[test]
fn a_file_that_was_renamed_or_removed_gets_a_successor() {
    let scratch = Scratch::new();
    let (file, old) = (scratch.path("log"), scratch.path("log.1"));
    with_log(settings(&[Target::File(file.clone())], Level::INFO), Path::new("/none"), CHANNEL, |log| {
        tracing::info!("one");
        log.flush();
        std::fs::rename(&file, &old).unwrap();
        log.reopen();
        log.flush();
        assert_eq!(text(&file), "", "the file is there again before the next line");
        tracing::info!("two");
        log.flush();
        assert_eq!((text(&old), text(&file)), ("one\n".to_string(), "two\n".to_string()));
        std::fs::remove_file(&file).unwrap(); // a rotation that tells nobody
        tracing::info!("three");
    });
    assert_eq!(text(&file), "three\n");
}

#[test]
fn other_settings_hold_for_what_comes_after_them() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.path("first"), scratch.path("second"));
    with_log(
        settings(&[Target::DebugFile(first.clone())], Level::INFO),
        Path::new("/none"),
        CHANNEL,
        |log| {
            for number in 0..100 {
                tracing::info!("{number}");
                tracing::debug!("not logged");
            }
            let mut other = settings(&[Target::DebugFile(second.clone())], Level::DEBUG);
            other.format = Format::Ldirectord { name: "www".to_string() };
            log.reconfigure(other);
            tracing::debug!("after");
        },
    );
    assert_eq!(text(&first).lines().count(), 100);
    let after = text(&second);
    assert!(
        after.starts_with('[') && after.ends_with(&format!("|www|{}] after\n", std::process::id())),
        "{after}"
    );
    assert_eq!(after.lines().count(), 1);
}

/// A FIFO without a reader stands for a disk that hangs: the log thread cannot even open it.
#[test]
fn a_target_that_hangs_keeps_nobody_waiting_and_the_loss_is_told() {
    let scratch = Scratch::new();
    let fifo = scratch.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    with_log(settings(&[Target::File(fifo.clone())], Level::INFO), Path::new("/none"), 8, |log| {
        let started = Instant::now();
        for number in 0..1000 {
            tracing::info!("line {number}");
        }
        log.reconfigure(settings(&[Target::File(fifo.clone())], Level::INFO));
        log.reopen();
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
        let dropped = log.dropped();
        assert!((900..1000).contains(&dropped), "{dropped}");

        let mut both_ends = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
        let mut reader = both_ends.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let (mut text, mut block) = (String::new(), [0; 4096]);
            while !text.ends_with("that is all\n") {
                let count = reader.read(&mut block).unwrap();
                text.push_str(std::str::from_utf8(&block[..count]).unwrap());
            }
            text
        });
        log.flush();
        both_ends.write_all(b"that is all\n").unwrap();
        let text = reader.join().unwrap();
        let admitted: u64 = text
            .lines()
            .filter_map(|line| line.strip_suffix(" lines were dropped: the log could not keep up"))
            .map(|count| count.parse::<u64>().unwrap())
            .sum();
        let written: Vec<&str> = text.lines().filter(|line| line.starts_with("line ")).collect();
        assert_eq!(admitted, dropped, "{text}");
        assert_eq!(written.len() as u64 + dropped, 1000, "{text}");
        let in_order: Vec<String> = (0..written.len()).map(|number| format!("line {number}")).collect();
        assert_eq!(written[..8], in_order[..8], "{text}");
        assert!(text.ends_with("dropped: the log could not keep up\nthat is all\n"), "{text}");
        log.reconfigure(settings(&[], Level::INFO)); // its end waits for nothing
    });
}

#[test]
fn a_file_that_cannot_be_written_for_a_while() {
    let scratch = Scratch::new();
    let (good, bad) = (scratch.path("good"), scratch.path("folder/bad"));
    let targets = [Target::File(good.clone()), Target::File(bad.clone())];
    let error = sink::check(&targets).unwrap_err();
    assert!(error.to_string().contains("folder/bad"), "{error}");
    with_log(settings(&targets, Level::INFO), Path::new("/none"), CHANNEL, |log| {
        tracing::info!("one");
        log.reopen();
        tracing::info!("two");
        log.flush();
        std::fs::create_dir(scratch.path("folder")).unwrap();
        tracing::info!("three");
    });
    let good = text(&good);
    assert!(good.starts_with("one\ncannot open log file ") && good.ends_with("two\nthree\n"), "{good}");
    let bad = text(&bad);
    assert!(
        bad.contains("lines could not be written here: No such file") && bad.ends_with("\nthree\n"),
        "{bad}"
    );
}

#[test]
fn a_full_disk_stops_nothing() {
    let scratch = Scratch::new();
    let good = scratch.path("good");
    let targets = [Target::File("/dev/full".into()), Target::File(good.clone())];
    sink::check(&targets).unwrap();
    with_log(settings(&targets, Level::INFO), Path::new("/none"), CHANNEL, |_| {
        for number in 0..1000 {
            tracing::info!("{number}");
        }
    });
    assert_eq!(text(&good).lines().count(), 1000);
}

fn receive(socket: &UnixDatagram) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut datagram = vec![0; 65536];
    let count = socket.recv(&mut datagram).unwrap();
    String::from_utf8(datagram[..count].to_vec()).unwrap()
}

#[test]
fn syslog_gets_datagrams_and_may_be_restarted() {
    let scratch = Scratch::new();
    let socket = scratch.path("log");
    let target = [Target::Syslog(Facility::Local3)];
    let daemon = UnixDatagram::bind(&socket).unwrap();
    with_log(settings(&target, Level::DEBUG), &socket, CHANNEL, |log| {
        tracing::warn!("late heartbeat");
        let first = receive(&daemon);
        let end = format!(" probe[{}]: late heartbeat", std::process::id());
        assert!(first.starts_with("<156>") && first.ends_with(&end), "{first}"); // 19 * 8 + 4
        assert_eq!(first.len(), "<156>Nov 20 20:14:56".len() + end.len());

        drop(daemon);
        std::fs::remove_file(&socket).unwrap();
        let daemon = UnixDatagram::bind(&socket).unwrap();
        tracing::debug!("{}", "x".repeat(100_000));
        let second = receive(&daemon);
        assert!(
            second.starts_with("<159>") && second.ends_with("xxx") && second.len() <= 8192,
            "{}",
            second.len()
        );

        drop(daemon);
        std::fs::remove_file(&socket).unwrap();
        tracing::info!("nobody hears this");
        log.flush();
        let daemon = UnixDatagram::bind(&socket).unwrap();
        std::thread::sleep(Duration::from_millis(1100)); // the time between two tries
        tracing::info!("back");
        let apology = receive(&daemon);
        assert!(apology.contains("1 lines could not be written here"), "{apology}");
        assert!(receive(&daemon).ends_with(": back"));
    });
}

#[test]
fn a_syslog_daemon_that_hangs_does_not_hold_up_a_file() {
    let scratch = Scratch::new();
    let (socket, file) = (scratch.path("log"), scratch.path("file"));
    let _never_read = UnixDatagram::bind(&socket).unwrap();
    let targets = [Target::Syslog(Facility::Daemon), Target::File(file.clone())];
    let started = Instant::now();
    with_log(settings(&targets, Level::INFO), &socket, CHANNEL, |_| {
        for number in 0..5000 {
            tracing::info!("{number}");
        }
    });
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(text(&file).lines().count(), 5000);
}

#[test]
fn facilities_have_their_names_and_numbers() {
    for (name, facility) in Facility::ALL {
        assert_eq!(name.parse(), Ok(facility));
        assert_eq!(name.to_uppercase().parse(), Ok(facility));
        assert_eq!(format!("{facility:?}").to_lowercase(), name);
    }
    assert_eq!("security".parse(), Ok(Facility::Auth));
    assert_eq!((Facility::Daemon as u8, Facility::Local7 as u8), (3, 23));
    let error = "local8".parse::<Facility>().unwrap_err().to_string();
    assert!(error.contains("\"local8\"") && error.contains("local0 to local7"), "{error}");
}

#[test]
fn many_threads_at_once_lose_nothing_that_is_not_counted() {
    let scratch = Scratch::new();
    let file = scratch.path("log");
    let (log, collector) =
        writer::start(settings(&[Target::File(file.clone())], Level::INFO), "/none".into(), 64).unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(collector));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..2000).for_each(|number| tracing::info!("{thread} {number}"));
                });
            });
        }
    });
    log.flush();
    let written = text(&file).lines().filter(|line| !line.contains("dropped")).count() as u64;
    assert_eq!(written + log.dropped(), 8000);
}
