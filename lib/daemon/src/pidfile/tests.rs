use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::scratch::Scratch;

#[test]
fn it_is_held_while_it_lives_and_gone_afterwards() {
    let scratch = Scratch::new();
    let path = scratch.path("d.pid");
    assert_eq!((read(&path), running(&path)), (None, None));

    let held = create(&path).unwrap();
    let own = std::process::id();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{own}\n"));
    assert_eq!((read(&path), running(&path)), (Some(own), Some(own)));
    assert!(matches!(create(&path), Err(PidFileError::Held(pid)) if pid == own));
    assert_eq!(read(&path), Some(own), "a second start changes nothing");

    drop(held);
    assert!(!path.exists());
    assert_eq!(running(&path), None);
}

#[test]
fn a_file_left_by_a_crash_is_taken_over() {
    let scratch = Scratch::new();
    let path = scratch.path("d.pid");
    // Process 1 lives, but does not hold the file; and the text is longer than what will replace it.
    std::fs::write(&path, "1\nmore text than any process id has\n").unwrap();
    assert_eq!((read(&path), running(&path)), (Some(1), None));
    let _held = create(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
}

#[test]
fn a_file_that_is_not_ours_any_more_is_not_removed() {
    let scratch = Scratch::new();
    let path = scratch.path("d.pid");
    let held = create(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let successor = create(&path).unwrap();
    drop(held);
    assert_eq!(running(&path), Some(std::process::id()));
    drop(successor);
    assert!(!path.exists());
}

#[test]
fn nonsense_is_no_process_id() {
    let scratch = Scratch::new();
    let path = scratch.path("d.pid");
    for text in ["", "\n", "0\n", "-4\n", "abc\n", "99999999999\n", "\u{0}\u{0}"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path), None, "{text:?}");
    }
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert_eq!(read(&path), None);
    std::fs::write(&path, " 812 \n").unwrap();
    assert_eq!(read(&path), Some(812));
}

/// The question takes the lock for an instant; that must not make a start fail.
#[test]
fn a_start_is_not_disturbed_by_those_who_ask() {
    let scratch = Scratch::new();
    let path = scratch.path("d.pid");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = running(&path);
            }
        });
        let results: Vec<_> = (0..200).map(|_| create(&path).map(drop)).collect();
        stop.store(true, Ordering::Relaxed);
        for result in results {
            result.unwrap();
        }
    });
}

/// Of many that start at the same time exactly one gets the file, however often they come and go.
#[test]
fn at_most_one_holds_it() {
    let scratch = Scratch::new();
    let path = scratch.path("d.pid");
    let holders = std::sync::atomic::AtomicU32::new(0);
    let successes = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    if let Ok(held) = create(&path) {
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        successes.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(held);
                    }
                }
            });
        }
    });
    assert!(successes.into_inner() > 0);
}

#[test]
fn errors_name_the_file() {
    let path = Path::new("/nonexistent/folder/d.pid");
    let error = create(path).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/folder/d.pid"), "{error}");
}

#[test]
fn a_link_leads_to_the_file_and_outlives_it() {
    let scratch = Scratch::new();
    let (link, folder) = (scratch.path("d.pid"), scratch.path("own"));
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("own/d.pid", &link).unwrap();
    assert_eq!((read(&link), running(&link)), (None, None));
    for _ in 0..2 {
        let held = create(&link).unwrap();
        assert_eq!(running(&link), Some(std::process::id()));
        drop(held);
        assert!(!link.exists() && link.symlink_metadata().is_ok());
    }
    // What the folder's owner puts there leads nowhere.
    let dear = scratch.path("dear");
    std::fs::write(&dear, "dear").unwrap();
    std::os::unix::fs::symlink(&dear, folder.join("d.pid")).unwrap();
    assert!(matches!(create(&link), Err(PidFileError::Io(_))));
    assert_eq!(std::fs::read_to_string(&dear).unwrap(), "dear");
}
