//! The demonstration: two directors, two web servers and a client outside, and everything that may happen to them in a year.
//!
//! ```text
//!                   client 198.51.100.10
//!                     │
//!                   router ───────────────────┐
//!                     │ 203.0.113.192/28      │ 192.168.0.0/24
//!       eth1 ┌────────┴───────┐ eth1          │
//!        xvm249             xvm250            │       virtual address 203.0.113.202 on eth1 of one of them
//!       eth0 └────────┬───────┘ eth0          │
//!                     ├───────────────────────┤       heartbeats on eth0
//!                   web1 192.168.0.1    web2 192.168.0.2        hold the virtual address on lo, answer the client directly
//! ```

mod warm;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::arp::ArpWatcher;
use crate::failure::{Result, check, fail};
use crate::moment::{Moment, hold_for, millis, wait_until};
use crate::node::{Node, Spec};
use crate::pair::{self, Files};
use crate::probe::{Prober, Sample, longest_outage};
use crate::timeline::Timeline;
use crate::web;
use crate::world::Lab;

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 202);
const SERVERS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)), IpAddr::V4(Ipv4Addr::new(192, 168, 0, 2))];
const WEB: [&str; 2] = ["web1", "web2"];
const FALLBACK: [&str; 2] = ["fallback xvm249", "fallback xvm250"];

/// How often the client asks for a page, and pings. A User-Mode Linux kernel has one processor for all nodes.
const REQUEST_EVERY: Duration = Duration::from_millis(20);
const PING_EVERY: Duration = Duration::from_millis(5);
/// A request without an answer by then has failed.
const REQUEST_LIMIT: Duration = Duration::from_millis(500);
/// What a slow machine may need on top of what the timers say.
const PATIENCE: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

/// Which timers the pair has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The files as they were published.
    Published,
    /// keepalive 100 ms, deadtime 500 ms.
    Fast,
}

impl Profile {
    /// The pair's files.
    pub fn files(self) -> Files {
        let published = include_str!("../demo-files/ha.cf");
        Files {
            ha_cf: match self {
                Self::Published => published.to_owned(),
                Self::Fast => published
                    .replace("keepalive 2\n", "keepalive 100ms\n")
                    .replace("deadtime 10\n", "deadtime 500ms\n")
                    .replace("warntime 10\n", "warntime 300ms\n")
                    .replace("initdead 10\n", "initdead 500ms\n"),
            },
            authkeys: include_str!("../demo-files/authkeys").to_owned(),
            haresources: include_str!("../demo-files/haresources").to_owned(),
            others: vec![(
                "ldirectord.cf".to_owned(),
                include_str!("../demo-files/ldirectord.cf").to_owned(),
            )],
        }
    }

    fn deadtime(self) -> Duration {
        match self {
            Self::Published => Duration::from_secs(10),
            Self::Fast => Duration::from_millis(500),
        }
    }

    /// The longest that anything the pair does by itself may take.
    fn limit(self) -> Duration {
        self.deadtime() * 2 + PATIENCE
    }
}

/// The nodes and what watches them.
struct Story {
    lab: Lab,
    profile: Profile,
    one: Node,
    two: Node,
    web: [Node; 2],
    requests: Prober,
    pings: Prober,
    announcements: ArpWatcher,
    time: Timeline,
}

/// Play and check it all; with `keep` the pair is left running in `directory`.
pub fn play(profile: Profile, directory: PathBuf, keep: bool) -> Result<()> {
    let mut story = Story::set_up(profile, directory)?;
    let played = story.chapters().and_then(|()| if keep { story.leave_running() } else { Ok(()) });
    if let Err(failure) = &played {
        story.time.saw(&format!("FAILED: {failure}"));
        println!("\n{}", story.state());
    }
    println!("\nMeasured ({:?} timers):\n{}", profile, story.time.summary());
    if keep {
        story.lab.keep()?;
    }
    played
}

impl Story {
    fn set_up(profile: Profile, directory: PathBuf) -> Result<Self> {
        let time = Timeline::new();
        time.step("Set-up: two directors, two web servers, a router and a client outside");
        let mut lab = Lab::at(directory)?;
        ["inside", "outside", "internet"].iter().try_for_each(|switch| lab.switch(switch))?;
        let files = profile.files();

        let router = lab.boot(
            Spec::new("router")
                .link("eth0", "internet", &["198.51.100.1/24"])
                .link("eth1", "outside", &["203.0.113.193/28"])
                .link("eth2", "inside", &["192.168.0.254/24"])
                .boot("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.send_redirects=0"),
        )?;
        let client = lab.boot(
            Spec::new("client")
                .link("eth0", "internet", &["198.51.100.10/24"])
                .boot("ip route add default via 198.51.100.1"),
        )?;
        let server = |name: &str, address: IpAddr| -> Result<Spec> {
            Ok(Spec::new(name)
                .link("eth0", "inside", &[&format!("{address}/24")])
                .boot("ip route add default via 192.168.0.254")
                .boot(web::direct_routing(&VIRTUAL.to_string()))
                .boot(web::boot_line(name, "80")?))
        };
        let web = [lab.boot(server(WEB[0], SERVERS[0])?)?, lab.boot(server(WEB[1], SERVERS[1])?)?];
        let mut director = |name: &str, inside: &str, outside: &str, fallback: &str| -> Result<Node> {
            let spec = Spec::new(name)
                .link("eth0", "inside", &[inside])
                .link("eth1", "outside", &[outside])
                .boot("ip route add default via 203.0.113.193")
                .boot(web::boot_line(fallback, "80")?)
                .service(pair::START);
            let node = lab.node(spec)?;
            files.install(&node)?;
            node.power_on()?;
            Ok(node)
        };
        let one = director("xvm249", "192.168.0.249/24", "203.0.113.203/28", FALLBACK[0])?;
        let two = director("xvm250", "192.168.0.250/24", "203.0.113.204/28", FALLBACK[1])?;

        let announcements = ArpWatcher::start(&router)?;
        let requests = Prober::http(&client, (VIRTUAL, 80).into(), REQUEST_EVERY, REQUEST_LIMIT)?;
        let pings = Prober::icmp(&client, VIRTUAL.into(), PING_EVERY, REQUEST_LIMIT)?;
        time.saw(&format!(
            "the client asks for a page every {}, and pings every {}",
            millis(REQUEST_EVERY),
            millis(PING_EVERY)
        ));
        Ok(Self { lab, profile, one, two, web, requests, pings, announcements, time })
    }

    fn chapters(&mut self) -> Result<()> {
        self.both_start()?;
        self.a_server_dies_and_returns()?;
        self.all_servers_die_and_return()?;
        self.power_fails()?;
        self.power_returns()?;
        self.moved_by_hand()?;
        self.both_stop()?;
        self.directors_on_standby()
    }

    fn both_start(&mut self) -> Result<()> {
        self.time.step("Both directors start heartbeat");
        let begin = Moment::now();
        self.one.start_services()?;
        self.two.start_services()?;
        self.served_by_first(begin)?;
        let first = self.requests.wait_answer(begin, &WEB, PATIENCE)?;
        self.time.measured_span("cold start until the first page", first.end.since(begin));
        self.balanced()
    }

    fn a_server_dies_and_returns(&mut self) -> Result<()> {
        self.time.step("The web server on web1 stops");
        web::stop(&self.web[0])?;
        let stopped = Moment::now();
        let seen =
            wait_until(PATIENCE, "weight of web1 is 0", || Ok(self.one.weight(SERVERS[0])? == Some(0)))?;
        self.time.saw_at(seen, "xvm249 gives web1 weight 0");
        self.time.measured_span("server's end to weight 0", seen.since(stopped));
        self.errors_end(seen)?;
        let failed: Vec<Sample> =
            self.requests.since(stopped).into_iter().filter(|sample| sample.answer.is_err()).collect();
        self.time.measured("requests that failed meanwhile", failed.len().to_string());

        self.time.step("The web server on web1 returns");
        web::restart(&self.web[0])?;
        let started = Moment::now();
        let seen =
            wait_until(PATIENCE, "weight of web1 is 1", || Ok(self.one.weight(SERVERS[0])? == Some(1)))?;
        self.time.saw_at(seen, "xvm249 gives web1 weight 1");
        self.time.measured_span("server's return to weight 1", seen.since(started));
        self.balanced()
    }

    fn all_servers_die_and_return(&mut self) -> Result<()> {
        self.time.step("Both web servers stop");
        self.web.iter().try_for_each(web::stop)?;
        let stopped = Moment::now();
        let page = self.requests.wait_answer(stopped, &FALLBACK, PATIENCE)?;
        self.time
            .saw_at(page.end, &format!("the client gets the page \"{}\"", page.answer.unwrap_or_default()));
        self.time.measured_span("both servers' end to the fallback page", page.end.since(stopped));
        self.errors_end(Moment::now())?;

        self.time.step("Both web servers return");
        self.web.iter().try_for_each(web::restart)?;
        self.weights_are_one(&self.one)?;
        self.balanced()
    }

    fn power_fails(&mut self) -> Result<()> {
        self.time.step("xvm249 loses its power");
        let mac = self.two.mac("eth1")?;
        let cut = self.one.power_off()?;
        let two = self.two.clone();
        self.takes_over(&two, "power failure")?;
        let claim = self.announcements.wait_announcement(VIRTUAL, &mac, cut, PATIENCE)?;
        self.time.saw_at(claim.at, &format!("{mac} (xvm250) announces it by an ARP {}", claim.operation));
        self.time.measured_span("power cut to the announcement", claim.at.since(cut));
        self.moved("power failure", cut)
    }

    fn power_returns(&mut self) -> Result<()> {
        self.time.step("xvm249 returns: the group fails back to its home");
        self.one.power_on()?;
        let begin = Moment::now();
        self.one.start_services()?;
        self.served_by_first(begin)?;
        self.moved("fail-back", begin)
    }

    fn moved_by_hand(&mut self) -> Result<()> {
        self.time.step("hb_standby on xvm249: moved by hand");
        let mac = self.two.mac("eth1")?;
        let begin = Moment::now();
        let two = self.two.clone();
        pair::standby(&self.one, "all")?;
        self.takes_over(&two, "stand-by by hand")?;
        let claim = self.announcements.wait_announcement(VIRTUAL, &mac, begin, PATIENCE)?;
        self.time.saw_at(claim.at, &format!("{mac} (xvm250) announces it"));
        self.no_table(&self.one)?;
        self.moved("stand-by by hand", begin)
    }

    fn both_stop(&mut self) -> Result<()> {
        self.time.step("Both directors stop heartbeat");
        pair::stop(&self.one)?;
        self.time.saw("xvm249 has stopped");
        pair::stop(&self.two)?;
        self.time.saw("xvm250 has stopped");
        for node in [&self.one, &self.two] {
            check(!node.holds(VIRTUAL.into())?, || {
                format!("{} still holds the virtual address", node.name())
            })?;
            self.no_table(node)?;
            for program in ["heartbeatd", "directord", "ha-resources"] {
                let left = || Ok(node.pids_of(program)?.is_empty());
                wait_until(PATIENCE, &format!("no {program} is left on {}", node.name()), left)?;
            }
        }
        self.time.saw("no address, no virtual service and no process is left");
        Ok(())
    }

    fn leave_running(&mut self) -> Result<()> {
        self.time.step("Both directors start again, to be left running");
        let begin = Moment::now();
        self.one.start_services()?;
        self.two.start_services()?;
        self.served_by_first(begin)
    }

    /// xvm249 has the address, has announced it, and balances.
    fn served_by_first(&self, since: Moment) -> Result<()> {
        let held = pair::wait_holder(VIRTUAL.into(), &self.one, &self.two, self.profile.limit())?;
        self.time.saw_at(held, "xvm249 holds 203.0.113.202");
        let claim = self.announcements.wait_announcement(VIRTUAL, &self.one.mac("eth1")?, since, PATIENCE)?;
        self.time
            .saw_at(claim.at, &format!("{} (xvm249) announces it by an ARP {}", claim.mac, claim.operation));
        self.weights_are_one(&self.one)?;
        self.no_table(&self.two)
    }

    fn weights_are_one(&self, node: &Node) -> Result<()> {
        let all = || -> Result<bool> {
            Ok(node.weight(SERVERS[0])? == Some(1) && node.weight(SERVERS[1])? == Some(1))
        };
        let seen = wait_until(PATIENCE, &format!("both servers have weight 1 on {}", node.name()), all)?;
        self.time
            .saw_at(seen, &format!("both servers have weight 1 in the kernel's table of {}", node.name()));
        Ok(())
    }

    fn no_table(&self, node: &Node) -> Result<()> {
        let empty = || Ok(node.ipvs()?.is_empty());
        wait_until(PATIENCE, &format!("no virtual service is left on {}", node.name()), empty).map(drop)
    }

    /// The client's requests are answered by both servers in turn: half of them each.
    fn balanced(&self) -> Result<()> {
        let enough = 20;
        let begin = Moment::now();
        let mut last = Vec::new();
        let seen = wait_until(PATIENCE, "the requests alternate between web1 and web2", || {
            let mut samples = self.requests.since(begin);
            samples.sort_by_key(|sample| sample.start);
            last = samples.iter().rev().take(enough).map(|sample| sample.answer.clone()).collect();
            let by = |name: &str| last.iter().filter(|answer| answer.as_deref() == Ok(name)).count();
            let (first, second) = (by(WEB[0]), by(WEB[1]));
            if first + second == enough && first.abs_diff(second) <= 2 {
                return Ok(true);
            }
            fail(format!(
                "of the last {} requests web1 answered {first}, web2 {second}; last: {:?}",
                last.len(),
                last.first()
            ))
        })?;
        self.time.saw_at(seen, "the client's requests alternate between web1 and web2");
        Ok(())
    }

    /// No request made after `moment` fails, for a second.
    fn errors_end(&self, moment: Moment) -> Result<()> {
        let settled = moment.plus(REQUEST_LIMIT);
        hold_for(REQUEST_LIMIT + SECOND, "the client's errors have ended", || {
            let failed = self.requests.since(settled).into_iter().find(|sample| sample.answer.is_err());
            check(failed.is_none(), || {
                format!("a request failed {:?}", failed.and_then(|sample| sample.answer.err()))
            })?;
            Ok(true)
        })?;
        self.time.saw("the client's errors have ended");
        Ok(())
    }

    /// After a move: the client is served again, and this was its outage.
    fn moved(&mut self, name: &str, begin: Moment) -> Result<()> {
        self.balanced()?;
        let outage = |samples: &[Sample], real: bool| -> String {
            let near: Vec<Sample> =
                samples.iter().filter(|sample| sample.end.plus(SECOND) >= begin).cloned().collect();
            let counts = |name: &str| !real || WEB.contains(&name);
            let text =
                |outage: crate::probe::Outage| format!("{} ({} lost)", millis(outage.span()), outage.lost);
            longest_outage(&near, counts).map_or("none".to_owned(), text)
        };
        let pages = outage(&self.requests.samples(), true);
        let pings = outage(&self.pings.samples(), false);
        self.time.measured(&format!("{name}: outage of the service"), pages);
        self.time.measured(&format!("{name}: outage of the address"), pings);
        Ok(())
    }

    /// What there is to see when a step did not happen.
    fn state(&self) -> String {
        let mut text = String::new();
        for node in [&self.one, &self.two].into_iter().filter(|node| node.pid().is_some()) {
            let look = "ip -brief -4 address; ipvsadm -Ln; ps -eo pid,stat,etime,args";
            text += &format!(
                "--- {}\n{}",
                node.name(),
                node.sh(look).unwrap_or_else(|failure| failure.to_string())
            );
        }
        let samples = self.requests.samples();
        let last: Vec<_> = samples.iter().rev().take(5).map(|sample| &sample.answer).collect();
        format!("{text}--- the client's last requests: {last:?}\n{}", self.lab.evidence(40))
    }
}
