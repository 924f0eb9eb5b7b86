//! Two cores on a perfect network: every datagram takes 100 µs, every job 1 ms unless a test says otherwise.

use super::super::*;
use crate::wire::Message;
use std::time::Duration;

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const FLIGHT: Duration = Duration::from_micros(100);
pub(super) const KEYS: [&str; 2] = ["192.0.2.100/24/eth0", "192.0.2.101/24/eth0"];
const NAMES: [&str; 2] = ["alpha", "beta"];

pub(super) fn settings(node: usize, auto_failback: Failback, generation: u64) -> Settings {
    Settings {
        me: NAMES[node].to_owned(),
        nodes: NAMES.map(str::to_owned).to_vec(),
        links: vec!["eth0".to_owned()],
        uuid: [node as u8 + 1; 16],
        generation,
        peer_generation: 0,
        keepalive: ms(200),
        deadtime: ms(1_000),
        warntime: ms(500),
        initdead: ms(2_000),
        auto_failback,
        configuration: ConfigHash { ha_cf: 1, haresources: 1 },
        group_keys: vec![KEYS[node].to_owned()],
        ipfail: false,
        fencing: false,
        fence_stuck: false,
        rexmit_delay: ms(250),
        ttl: 3,
        seed: node as u64 + generation,
    }
}

enum Due {
    Deliver(usize, Message),
    Done(usize, JobId, JobKind, usize),
}

pub(super) struct Pair {
    pub(super) now: Duration,
    pub(super) fencing: bool,
    /// Who was to be fenced, and by whom; the tests answer.
    pub(super) fences: Vec<(usize, String)>,
    failback: Failback,
    /// Both count ping nodes.
    pub(super) ipfail: bool,
    nodes: [Option<Cluster>; 2],
    generation: u64,
    /// What each node keeps of the other's.
    peer_generation: [u64; 2],
    due: Vec<(Duration, Due)>,
    left: [bool; 2],
    paused: Option<usize>,
    /// What runs in each kernel: `runs[node][home]`.
    pub(super) runs: [[bool; 2]; 2],
    pub(super) notices: [Vec<Notice>; 2],
    pub(super) scripts: [Vec<Message>; 2],
    pub(super) jobs: Vec<(usize, JobKind, String)>,
    /// Those of them that remove addresses first.
    pub(super) yielding: Vec<(usize, String)>,
    /// Those of them that were cancelled: they end at once, and nothing of them is left.
    pub(super) cancelled: Vec<(usize, JobId)>,
    pub(super) sent: Vec<String>,
    /// The most nodes that ran the same groups at the same time since the pair joined.
    pub(super) most_holders: usize,
    pub(super) job_time: Duration,
    pub(super) partition: bool,
    pub(super) mute: Option<usize>,
    /// This node cannot start the groups of this home.
    pub(super) broken: Option<(usize, usize)>,
    /// These nodes cannot start all groups of these homes.
    pub(super) partly: Vec<(usize, usize)>,
    /// Starting the groups of this home on this node fails and leaves something running.
    pub(super) interrupted: Option<(usize, usize)>,
    /// Stopping the groups of this home on this node fails.
    pub(super) stuck: Option<(usize, usize)>,
    /// So many datagrams are lost.
    pub(super) lose: usize,
    last_beat: [Duration; 2],
}

impl Pair {
    pub(super) fn new(failback: Failback) -> Pair {
        Pair {
            now: ms(5_000),
            fencing: false,
            fences: Vec::new(),
            failback,
            ipfail: false,
            nodes: [None, None],
            generation: 100,
            peer_generation: [0; 2],
            due: Vec::new(),
            left: [false; 2],
            paused: None,
            runs: [[false; 2]; 2],
            notices: [Vec::new(), Vec::new()],
            scripts: [Vec::new(), Vec::new()],
            jobs: Vec::new(),
            yielding: Vec::new(),
            cancelled: Vec::new(),
            sent: Vec::new(),
            most_holders: 0,
            job_time: ms(1),
            partition: false,
            mute: None,
            broken: None,
            partly: Vec::new(),
            interrupted: None,
            stuck: None,
            lose: 0,
            last_beat: [Duration::ZERO; 2],
        }
    }

    /// Both up, each with its own groups.
    pub(super) fn joined(failback: Failback) -> Pair {
        Pair::new(failback).join()
    }

    /// The same, with a device that can fence.
    pub(super) fn joined_with_fencing(failback: Failback) -> Pair {
        Pair { fencing: true, ..Pair::new(failback) }.join()
    }

    fn join(self) -> Pair {
        let mut pair = self;
        pair.start(0);
        pair.start(1);
        pair.run(ms(3_000));
        assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
        pair.most_holders = 0;
        pair.notices = [Vec::new(), Vec::new()];
        pair.jobs.clear();
        pair.sent.clear();
        pair
    }

    pub(super) fn start(&mut self, node: usize) {
        self.generation += 1;
        let peer_generation = self.peer_generation[node];
        let (ipfail, fencing) = (self.ipfail, self.fencing);
        let settings =
            Settings { peer_generation, ipfail, fencing, ..settings(node, self.failback, self.generation) };
        self.nodes[node] = Some(Cluster::new(settings, self.time()));
        self.left[node] = false;
        self.perform(node);
    }

    pub(super) fn power_off(&mut self, node: usize) {
        self.kill(node);
        self.runs[node] = [false; 2];
    }

    /// The daemon is gone, the kernel's addresses stay.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
        self.due.retain(|(_, due)| !matches!(due, Due::Done(n, ..) if *n == node));
    }

    pub(super) fn pause(&mut self, node: usize, time: Duration) {
        self.paused = Some(node);
        self.run(time);
    }

    pub(super) fn wake(&mut self, node: usize) {
        self.paused = None;
        self.event(node, Event::Timer);
    }

    pub(super) fn event(&mut self, node: usize, event: Event) {
        let time = self.time();
        if let Some(cluster) = self.nodes[node].as_mut() {
            cluster.handle(event, time);
            self.perform(node);
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(super) fn run_until(&mut self, end: Duration) {
        loop {
            let timer = |node: usize| {
                let cluster = self.nodes[node].as_ref().filter(|_| self.paused != Some(node))?;
                Some((cluster.next_deadline().max(self.now), node))
            };
            let timer = [timer(0), timer(1)].into_iter().flatten().min();
            let queued = self
                .due
                .iter()
                .enumerate()
                .min_by_key(|(_, (at, _))| *at)
                .map(|(index, (at, _))| (*at, index));
            let next = [timer.map(|(at, _)| at), queued.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
            match (queued, timer) {
                (Some((at, index)), _) if at <= next => match self.due.remove(index).1 {
                    Due::Deliver(to, _) if self.paused == Some(to) => {}
                    Due::Deliver(to, message) => self.event(to, Event::Received { link: 0, message }),
                    Due::Done(node, id, kind, home) => self.done(node, id, kind, home),
                },
                (_, Some((_, node))) => self.event(node, Event::Timer),
                _ => break,
            }
            for home in 0..2 {
                let holders = self.runs.iter().filter(|runs| runs[home]).count();
                self.most_holders = self.most_holders.max(holders);
            }
        }
        self.now = end;
    }

    fn done(&mut self, node: usize, id: JobId, kind: JobKind, home: usize) {
        let take = kind == JobKind::Take;
        let broken = take && self.broken == Some((node, home));
        let give = matches!(kind, JobKind::Give | JobKind::Clear);
        let stuck = give && self.stuck == Some((node, home));
        let cancelled = self.cancelled.contains(&(node, id));
        let failed = broken || stuck || cancelled || take && self.interrupted == Some((node, home));
        if give && !stuck || broken || cancelled {
            self.runs[node][home] = false;
        }
        let partly = take && self.partly.contains(&(node, home));
        let outcome =
            JobOutcome { done: usize::from(!failed), failed: usize::from(failed || partly), began: true };
        self.event(node, Event::JobDone { id, outcome });
    }

    fn perform(&mut self, node: usize) {
        while let Some(action) = self.nodes[node].as_mut().and_then(Cluster::poll_action) {
            match action {
                Action::Send(message) => self.send(node, message),
                Action::Start(job) => {
                    let home = usize::from(job.home != NAMES[0]);
                    if job.addresses_first {
                        self.yielding.push((node, job.home.clone()));
                    }
                    self.jobs.push((node, job.kind, job.home));
                    self.runs[node][home] |= job.kind == JobKind::Take;
                    self.due.push((self.now + self.job_time, Due::Done(node, job.id, job.kind, home)));
                }
                Action::Cancel(id) => {
                    self.cancelled.push((node, id));
                    for (at, due) in &mut self.due {
                        if matches!(due, Due::Done(of, job, ..) if (*of, *job) == (node, id)) {
                            *at = self.now + ms(1);
                        }
                    }
                }
                Action::Fence { node: whom } => self.fences.push((node, whom)),
                Action::Notice(notice) => self.notices[node].push(notice),
                Action::Script(message) => self.scripts[node].push(message),
                Action::SavePeerGeneration { generation, .. } => self.peer_generation[node] = generation,
                Action::SaveGeneration(generation) => self.generation = self.generation.max(generation),
                Action::Exit => {
                    self.left[node] = true;
                    self.nodes[node] = None;
                }
            }
        }
    }

    fn send(&mut self, from: usize, message: Message) {
        if message.kind() == "status" {
            self.last_beat[from] = self.now;
        }
        self.sent.push(message.kind().to_owned());
        if self.lose > 0 {
            self.lose -= 1;
        } else if !self.partition && self.mute != Some(from) {
            self.due.push((self.now + FLIGHT, Due::Deliver(1 - from, message)));
        }
    }

    fn time(&self) -> Time {
        Time { mono: self.now, epoch: 1_700_000_000 }
    }

    pub(super) fn cluster(&self, node: usize) -> &Cluster {
        self.nodes[node].as_ref().expect("the node runs")
    }

    /// What each node holds; nothing where no daemon runs.
    pub(super) fn holds(&self) -> [Set; 2] {
        [0, 1].map(|node| {
            let Some(cluster) = self.nodes[node].as_ref() else { return Set::NONE };
            let snapshot = cluster.snapshot();
            let held = |index: usize| snapshot.shares[index].wanted && snapshot.shares[index].settled;
            Set { local: held(LOCAL), foreign: held(FOREIGN) }
        })
    }

    pub(super) fn stable(&self) -> bool {
        self.nodes.iter().flatten().all(|cluster| cluster.snapshot().stable)
    }

    pub(super) fn left(&self, node: usize) -> bool {
        self.left[node]
    }

    pub(super) fn last_beat(&self, node: usize) -> Duration {
        self.last_beat[node]
    }
}
