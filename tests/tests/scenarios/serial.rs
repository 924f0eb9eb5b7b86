//! A serial line as the only way between the nodes, and beside a network.

use lab::serial::Cable;
use lab::{Result, check, pair, wait_until};

use crate::old::{check_old_log, old, start_old};
use crate::world::{ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Media, Options, Pair, SECOND};

/// Below `/etc/ha.d`, so that ha.cf is the same on both nodes.
const LINE: &str = "/etc/ha.d/serial0";

fn boot(media: Media) -> Result<(Pair, Cable)> {
    let pair = Pair::new(Options { media, failback: "off", deadtime: SECOND * 3, ..Options::default() })?;
    let cable = Cable::between(&pair.alpha, &pair.beta, LINE)?;
    Ok((pair, cable))
}

#[test]
fn a_serial_line_alone_carries_a_pair() -> Result<()> {
    let (pair, cable) = boot(Media::Serial)?;
    pair::start(&pair.alpha)?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME)?;
    pair::standby(&pair.alpha, "all")?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair::takeover(&pair.alpha, "local")?;
    pair.wait_placed(AT_HOME)?;
    check(cable.bytes() > 0, || "nothing has passed the cable".to_owned())?;
    check(pair.cl_status(&pair.alpha, &["listhblinks", "beta"])? == LINE, || {
        "no link has its name".to_owned()
    })?;
    pair::stop(&pair.beta)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair.never_two_holders()
}

#[test]
fn a_pulled_serial_line_is_dead_and_comes_back() -> Result<()> {
    let (pair, cable) = boot(Media::SerialToo)?;
    pair::start(&pair.alpha)?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME)?;
    let link = |wanted: &str| {
        let what = format!("the serial line is {wanted}");
        let state = || Ok(pair.cl_status(&pair.alpha, &["hblinkstatus", "beta", LINE])? == wanted);
        wait_until(LIMIT, &what, state).map(drop)
    };
    link("up")?;
    // either way keeps the nodes together
    pair.alpha.cut("eth0")?;
    pair.stays_placed(AT_HOME, SECOND * 5)?;
    pair.alpha.heal("eth0")?;
    cable.pull();
    link("dead")?;
    pair.stays_placed(AT_HOME, SECOND * 5)?;
    let log = pair.alpha.sh("cat /var/log/ha-log")?;
    check(!log.contains("nothing heard"), || log.clone())?;
    cable.plug();
    link("up")?;
    pair.alpha.cut("eth0")?;
    pair.stays_placed(AT_HOME, SECOND * 5)?;
    pair.never_two_holders()
}

/// The old heartbeat takes a pseudo-terminal for a serial line, too.
fn with_an_old_node(ours: usize) -> Result<()> {
    let (pair, _cable) = boot(Media::Serial)?;
    let (new, aged) = (pair.nodes()[ours], pair.nodes()[1 - ours]);
    start_old(aged)?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;
    pair.wait_status(new, aged.name(), "active")?;
    let sees =
        || Ok(old(aged, &format!("cl_status hblinkstatus {} {LINE} || true", new.name()))?.trim() == "up");
    wait_until(LIMIT, "the old node's line to ours is up", sees)?;
    pair::standby(new, "all")?;
    pair.wait_placed([aged.name(); 2])?;
    let given = || {
        old(aged, "/usr/share/heartbeat/hb_standby foreign")?;
        std::thread::sleep(SECOND);
        Ok(pair.placement()? == AT_HOME.map(Some))
    };
    wait_until(LIMIT, "the old node gives ours back", given)?;
    pair.never_two_holders()?;
    check_old_log(aged)
}

#[test]
fn a_serial_line_to_an_old_second_node() -> Result<()> {
    with_an_old_node(0)
}

#[test]
fn a_serial_line_to_an_old_first_node() -> Result<()> {
    with_an_old_node(1)
}
