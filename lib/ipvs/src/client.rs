//! The client: one method for each thing the kernel can do.
use crate::codec::Malformed;
use crate::error::errno;
use crate::message::{
    Exchange, Progress, Request, parse_daemon, parse_destination, parse_family_id, parse_info, parse_service,
    parse_timeouts,
};
use crate::socket::{Received, Socket};
use crate::{
    Destination, DestinationEntry, DestinationKey, Error, Forwarding, Info, Reason, Refused, Service,
    ServiceEntry, ServiceKey, SyncDaemon, SyncRole, Timeouts,
};

/// How often a read is tried when the table changes under it or its answer is lost.
const ATTEMPTS: u32 = 5;

/// A connection to the IPVS of the network namespace that the calling thread was in at [`Client::connect`].
///
/// Every method blocks until the kernel has answered. All but reads need `CAP_NET_ADMIN`, and so do reads.
pub struct Client {
    socket: Socket,
    family: u16,
    sequence: u32,
    /// An exchange was given up before its end: the next one needs a new socket.
    stale: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("family", &self.family)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a socket and finds IPVS, which loads the module `ip_vs` where that is possible.
    ///
    /// # Errors
    /// [`Error::NoIpvs`] if the kernel has none.
    pub fn connect() -> Result<Client, Error> {
        let socket = Socket::open().map_err(Error::Socket)?;
        let mut client = Client { socket, family: 0, sequence: 0, stale: false };
        client.family = client.find_family()?;
        Ok(client)
    }

    /// All virtual services with their counters, in the kernel's order.
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        self.read(&Request::Services, parse_service)
    }

    /// One virtual service; `None` if there is none of that key.
    pub fn service(&mut self, key: &ServiceKey) -> Result<Option<ServiceEntry>, Error> {
        match self.read(&Request::Service(key), parse_service) {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(error) if error.reason() == Some(&Reason::NoService) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The real servers of a service with their counters, in the kernel's order.
    ///
    /// # Errors
    /// [`Reason::NoService`] if there is no such service.
    pub fn destinations(&mut self, service: &ServiceKey) -> Result<Vec<DestinationEntry>, Error> {
        let family = service.family();
        let entries = self.read(&Request::Destinations(service), |bytes| parse_destination(bytes, family))?;
        if entries.is_empty() {
            // the kernel answers an empty list for a service that it does not have
            self.read(&Request::Service(service), parse_service)?;
        }
        Ok(entries)
    }

    /// Adds a virtual service, without real servers.
    ///
    /// # Errors
    /// [`Reason::Exists`], [`Reason::NoScheduler`], [`Error::Invalid`].
    pub fn add_service(&mut self, service: &Service) -> Result<(), Error> {
        self.edit(&Request::AddService(service))
    }

    /// Gives a virtual service other values. Its real servers and connections stay.
    ///
    /// # Errors
    /// [`Reason::NoService`], [`Reason::NoScheduler`], [`Error::Invalid`].
    pub fn update_service(&mut self, service: &Service) -> Result<(), Error> {
        self.edit(&Request::UpdateService(service))
    }

    /// Deletes a virtual service with its real servers.
    ///
    /// # Errors
    /// [`Reason::NoService`].
    pub fn delete_service(&mut self, service: &ServiceKey) -> Result<(), Error> {
        self.edit(&Request::DeleteService(service))
    }

    /// Adds a real server. One that was deleted while it had connections comes back with them.
    ///
    /// # Errors
    /// [`Reason::Exists`], [`Reason::NoService`], [`Reason::Weight`], [`Reason::Thresholds`], and the reasons
    /// about addresses and families.
    pub fn add_destination(&mut self, service: &ServiceKey, destination: &Destination) -> Result<(), Error> {
        self.edit(&Request::AddDestination(service, destination))
            .map_err(|e| self.name_sync(e, service, destination))
    }

    /// Gives a real server other values: all of them, thresholds, forwarding and tunnel too. Its connections stay.
    ///
    /// # Errors
    /// [`Reason::NoDestination`], [`Reason::NoService`], and those of [`Client::add_destination`].
    pub fn update_destination(
        &mut self,
        service: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), Error> {
        self.edit(&Request::UpdateDestination(service, destination))
            .map_err(|e| self.name_sync(e, service, destination))
    }

    /// Deletes a real server. What becomes of its connections is the sysctl `net.ipv4.vs.expire_nodest_conn`'s to say.
    ///
    /// # Errors
    /// [`Reason::NoDestination`], [`Reason::NoService`].
    pub fn delete_destination(&mut self, service: &ServiceKey, key: &DestinationKey) -> Result<(), Error> {
        self.edit(&Request::DeleteDestination(service, key))
    }

    /// The timeouts of the connection table.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.read_one(&Request::Timeouts, parse_timeouts)
    }

    /// Sets the timeouts, for connections from now on. One that is 0 stays as it is.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.edit(&Request::SetTimeouts(timeouts))
    }

    /// The running sync daemons: none, one, or one of each role.
    pub fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.read(&Request::Daemons, parse_daemon)
    }

    /// Starts a sync daemon. The kernel rounds a short maximum length up.
    ///
    /// # Errors
    /// [`Reason::Exists`] if one of this role runs, [`Reason::NoInterface`], [`Reason::MixedFamilies`].
    pub fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        self.edit(&Request::StartDaemon(daemon)).map_err(|e| self.name_mixed(e))
    }

    /// Stops the sync daemon of a role.
    ///
    /// # Errors
    /// [`Reason::NotRunning`].
    pub fn stop_daemon(&mut self, role: SyncRole) -> Result<(), Error> {
        match self.edit(&Request::StopDaemon(role)) {
            // the kernel stops a daemon whose thread has not run yet, but does not say so
            Err(Error::AnswerLost { .. }) if self.daemons()?.iter().all(|daemon| daemon.role != role) => {
                Ok(())
            }
            result => result,
        }
    }

    /// Version and size of the kernel's IPVS.
    pub fn info(&mut self) -> Result<Info, Error> {
        self.read_one(&Request::Info, parse_info)
    }

    /// Deletes every service and real server of this network namespace. Their connections are cut: a program
    /// that shares the table with others deletes what is its own instead.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.edit(&Request::Flush)
    }

    /// Zeroes the counters of a service and its real servers, or of all.
    ///
    /// # Errors
    /// [`Reason::NoService`].
    pub fn zero(&mut self, service: Option<&ServiceKey>) -> Result<(), Error> {
        self.edit(&Request::Zero(service))
    }

    /// A request that is answered by an acknowledgement.
    fn edit(&mut self, request: &Request<'_>) -> Result<(), Error> {
        match self.ask_again(request, &mut |_| {})? {
            Answer::Done => Ok(()),
            Answer::Refused(refused) => Err(Error::Refused(Box::new(refused))),
            Answer::Interrupted | Answer::Lost => {
                Err(Error::AnswerLost { operation: request.operation(), object: request.object() })
            }
        }
    }

    /// A request that is answered by messages. It starts again if the table changed meanwhile.
    fn read<T>(
        &mut self,
        request: &Request<'_>,
        parse: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Error> {
        let mut lost = false;
        for _ in 0..ATTEMPTS {
            let mut entries = Vec::new();
            let mut problem = None;
            let answer = self.ask_again(request, &mut |bytes| match parse(bytes) {
                Ok(entry) => entries.push(entry),
                Err(error) => problem = problem.take().or(Some(error)),
            })?;
            match answer {
                Answer::Done => {
                    return match problem {
                        None => Ok(entries),
                        Some(problem) => Err(Error::Garbled { operation: request.operation(), problem }),
                    };
                }
                Answer::Refused(refused) if refused.errno == errno::EBUSY && request.is_dump() => {}
                Answer::Refused(refused) => return Err(Error::Refused(Box::new(refused))),
                Answer::Interrupted => lost = false,
                Answer::Lost => lost = true,
            }
        }
        Err(match lost {
            true => Error::AnswerLost { operation: request.operation(), object: request.object() },
            false => Error::Unsteady { object: request.object() },
        })
    }

    fn read_one<T>(
        &mut self,
        request: &Request<'_>,
        parse: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        self.read(request, parse)?.into_iter().next().ok_or(Error::Garbled {
            operation: request.operation(),
            problem: Malformed::Missing("the answer"),
        })
    }

    /// Asks; and once more if ENOENT means that the module was loaded anew and the family has another number.
    fn ask_again(&mut self, request: &Request<'_>, message: &mut dyn FnMut(&[u8])) -> Result<Answer, Error> {
        let answer = self.ask(request, message)?;
        match &answer {
            Answer::Refused(refused) if refused.errno == errno::ENOENT && *request != Request::FamilyId => {
                let family = self.find_family()?;
                if family == self.family {
                    return Ok(answer);
                }
                self.family = family;
                self.ask(request, message)
            }
            _ => Ok(answer),
        }
    }

    fn find_family(&mut self) -> Result<u16, Error> {
        self.read_one(&Request::FamilyId, parse_family_id).map_err(|error| match error {
            Error::Refused(refused) if refused.errno == errno::ENOENT => Error::NoIpvs,
            other => other,
        })
    }

    /// Sends one request and receives to the end of its answers.
    fn ask(&mut self, request: &Request<'_>, message: &mut dyn FnMut(&[u8])) -> Result<Answer, Error> {
        if self.stale {
            // a dump that was not received to its end would make the kernel answer EBUSY to the next
            self.socket = Socket::open().map_err(Error::Socket)?;
        }
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let bytes = request.encode(self.family, self.sequence).map_err(|problem| Error::Invalid {
            operation: request.operation(),
            object: request.object(),
            problem,
        })?;
        self.stale = true;
        self.socket.send(&bytes).map_err(Error::Socket)?;
        let mut exchange = Exchange::new(self.sequence);
        loop {
            let datagram = match self.socket.receive().map_err(Error::Socket)? {
                Received::Datagram(datagram) => datagram,
                Received::Lost => return Ok(Answer::Lost),
            };
            let progress = exchange
                .feed(datagram, &mut *message)
                .map_err(|problem| Error::Garbled { operation: request.operation(), problem })?;
            let answer = match progress {
                Progress::More => continue,
                Progress::Lost => return Ok(Answer::Lost),
                Progress::Done => Answer::Done,
                Progress::Interrupted => Answer::Interrupted,
                Progress::Refused { errno, detail } => Answer::Refused(Refused {
                    operation: request.operation(),
                    object: request.object(),
                    reason: Reason::of(request, errno),
                    errno,
                    detail,
                }),
            };
            self.stale = false;
            return Ok(answer);
        }
    }

    /// EINVAL for a real server of the other family may be due to a running sync daemon: looks for one.
    fn name_sync(&mut self, error: Error, service: &ServiceKey, destination: &Destination) -> Error {
        let mixed = service.family() != destination.key.family();
        let tunnel = matches!(destination.forwarding, Forwarding::Tunnel(_));
        if !mixed || !tunnel {
            return error;
        }
        replace_rejected(error, || Some(Reason::MixedWhileSyncing(self.daemons().ok()?.first()?.role)))
    }

    /// EINVAL for a sync daemon is mostly due to a service with mixed families: looks for one.
    fn name_mixed(&mut self, error: Error) -> Error {
        replace_rejected(error, || Some(Reason::MixedFamilies { found: Some(self.find_mixed()?) }))
    }

    fn find_mixed(&mut self) -> Option<(ServiceKey, DestinationKey)> {
        for entry in self.services().ok()? {
            let service = entry.service.key;
            let keys = self.destinations(&service).unwrap_or_default().into_iter().map(|e| e.destination.key);
            if let Some(key) = keys.into_iter().find(|key| key.family() != service.family()) {
                return Some((service, key));
            }
        }
        None
    }
}

/// How an exchange ended.
enum Answer {
    Done,
    Refused(Refused),
    Interrupted,
    Lost,
}

/// Gives a refusal without a known cause the one that was found, if it was.
fn replace_rejected(error: Error, find: impl FnOnce() -> Option<Reason>) -> Error {
    match error {
        Error::Refused(mut refused) if refused.reason == Reason::Rejected => {
            if let Some(reason) = find() {
                refused.reason = reason;
            }
            Error::Refused(refused)
        }
        other => other,
    }
}
