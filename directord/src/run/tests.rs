//! The loop as a whole: nothing that is slow may hold it up.

mod bed;

use crate::control::{Answer, Question};
use bed::*;

#[test]
fn a_kernel_that_does_not_answer_holds_up_a_reload_and_nothing_else() {
    let (_a, first) = server();
    let (_b, second) = server();
    let bed = Bed::start(&section("", &[first]), false);
    let one = [format!("127.0.0.1:{first} 5")];
    bed.until("the first server", || bed.kernel.destinations() == one);
    bed.kernel.hold_up(true);
    bed.configure(&section("", &[first, second]));
    let reload = bed.asking(Question::Reload);
    bed.until("the table is to be read", || bed.kernel.is_waited_for());
    for _ in 0..3 {
        assert!(bed.mode().unwrap().active);
    }
    // A second wish meanwhile, for what the file says by then.
    bed.configure(&section("", &[second]));
    let again = bed.asking(Question::Reload);
    assert!(bed.mode().unwrap().active);
    bed.kernel.hold_up(false);
    for asked in [reload, again] {
        assert_eq!(asked.join().unwrap().unwrap(), Answer::End);
    }
    let last = [format!("127.0.0.1:{second} 5")];
    bed.until("the second server alone", || bed.kernel.destinations() == last);
}
