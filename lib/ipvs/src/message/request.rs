//! Everything that can be asked, as bytes.
use super::{command, daemon, destination, service, settings, top};
use crate::codec::Writer;
use crate::{
    Destination, DestinationKey, Invalid, Object, Operation, Service, ServiceKey, SyncDaemon, SyncRole,
    Timeouts,
};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_VERSION: u8 = 2;
const IPVS_VERSION: u8 = 1;

/// A request to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// The number of the family called IPVS; asking loads the module where that is possible.
    FamilyId,
    /// All services.
    Services,
    /// One service.
    Service(&'a ServiceKey),
    /// A new service.
    AddService(&'a Service),
    /// Other values for a service; its destinations and connections stay.
    UpdateService(&'a Service),
    /// A service and its destinations go.
    DeleteService(&'a ServiceKey),
    /// All destinations of a service; none if there is no such service.
    Destinations(&'a ServiceKey),
    /// A new destination.
    AddDestination(&'a ServiceKey, &'a Destination),
    /// Other values for a destination; its connections stay.
    UpdateDestination(&'a ServiceKey, &'a Destination),
    /// A destination goes.
    DeleteDestination(&'a ServiceKey, &'a DestinationKey),
    /// All running sync daemons.
    Daemons,
    /// A sync daemon starts.
    StartDaemon(&'a SyncDaemon),
    /// A sync daemon stops.
    StopDaemon(SyncRole),
    /// The timeouts of the connection table.
    Timeouts,
    /// Other timeouts; those that are 0 stay.
    SetTimeouts(&'a Timeouts),
    /// Version and size.
    Info,
    /// Counters of all services, or of one and its destinations, go to 0.
    Zero(Option<&'a ServiceKey>),
    /// All services and destinations go.
    Flush,
}

impl Request<'_> {
    /// The bytes to send. `family` is the answer to [`Request::FamilyId`], and not used for that itself.
    ///
    /// # Errors
    /// What the kernel would take wrongly, or refuse without saying why.
    pub fn encode(&self, family: u16, sequence: u32) -> Result<Vec<u8>, Invalid> {
        let (kind, version) = match self {
            Request::FamilyId => (GENL_ID_CTRL, CTRL_VERSION),
            _ => (family, IPVS_VERSION),
        };
        let mut body = Writer::default();
        body.raw(&[self.command(), version, 0, 0]);
        self.write_body(&mut body)?;
        let body = body.into_bytes();
        let mut out = Writer::default();
        let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
        let flags = NLM_F_REQUEST | if self.is_dump() { NLM_F_DUMP } else { NLM_F_ACK };
        out.raw(&length.to_ne_bytes());
        out.raw(&kind.to_ne_bytes());
        out.raw(&flags.to_ne_bytes());
        out.raw(&sequence.to_ne_bytes());
        out.raw(&[0; 4]); // port: the kernel knows the sender
        out.raw(&body);
        Ok(out.into_bytes())
    }

    /// Whether it is answered by a list.
    pub fn is_dump(&self) -> bool {
        matches!(self, Request::Services | Request::Destinations(_) | Request::Daemons)
    }

    /// Whether it changes nothing, so that it may be asked again.
    pub fn is_read(&self) -> bool {
        matches!(self.operation(), Operation::Read | Operation::Connect)
    }

    /// What is asked.
    pub fn operation(&self) -> Operation {
        match self {
            Request::FamilyId => Operation::Connect,
            Request::Services | Request::Service(_) | Request::Destinations(_) => Operation::Read,
            Request::Daemons | Request::Timeouts | Request::Info => Operation::Read,
            Request::AddService(_) | Request::AddDestination(..) => Operation::Add,
            Request::UpdateService(_) | Request::UpdateDestination(..) => Operation::Update,
            Request::DeleteService(_) | Request::DeleteDestination(..) => Operation::Delete,
            Request::StartDaemon(_) => Operation::Start,
            Request::StopDaemon(_) => Operation::Stop,
            Request::SetTimeouts(_) => Operation::Set,
            Request::Zero(_) => Operation::Zero,
            Request::Flush => Operation::Flush,
        }
    }

    /// What it is about.
    pub fn object(&self) -> Object {
        match self {
            Request::FamilyId | Request::Services | Request::Info | Request::Flush | Request::Zero(None) => {
                Object::Table
            }
            Request::Service(key) | Request::DeleteService(key) | Request::Zero(Some(key)) => {
                Object::Service((*key).clone())
            }
            Request::AddService(service) | Request::UpdateService(service) => {
                Object::Service(service.key.clone())
            }
            Request::Destinations(key) => Object::Destinations((*key).clone()),
            Request::AddDestination(key, to) | Request::UpdateDestination(key, to) => {
                Object::Destination((*key).clone(), to.key)
            }
            Request::DeleteDestination(key, to) => Object::Destination((*key).clone(), **to),
            Request::Daemons => Object::Daemons,
            Request::StartDaemon(daemon) => Object::Daemon(daemon.role),
            Request::StopDaemon(role) => Object::Daemon(*role),
            Request::Timeouts | Request::SetTimeouts(_) => Object::Timeouts,
        }
    }

    fn command(&self) -> u8 {
        match self {
            Request::FamilyId => CTRL_CMD_GETFAMILY,
            Request::Services | Request::Service(_) => command::GET_SERVICE,
            Request::AddService(_) => command::NEW_SERVICE,
            Request::UpdateService(_) => command::SET_SERVICE,
            Request::DeleteService(_) => command::DEL_SERVICE,
            Request::Destinations(_) => command::GET_DEST,
            Request::AddDestination(..) => command::NEW_DEST,
            Request::UpdateDestination(..) => command::SET_DEST,
            Request::DeleteDestination(..) => command::DEL_DEST,
            Request::Daemons => command::GET_DAEMON,
            Request::StartDaemon(_) => command::NEW_DAEMON,
            Request::StopDaemon(_) => command::DEL_DAEMON,
            Request::Timeouts => command::GET_CONFIG,
            Request::SetTimeouts(_) => command::SET_CONFIG,
            Request::Info => command::GET_INFO,
            Request::Zero(_) => command::ZERO,
            Request::Flush => command::FLUSH,
        }
    }

    fn write_body(&self, out: &mut Writer) -> Result<(), Invalid> {
        match self {
            Request::FamilyId => out.text(CTRL_ATTR_FAMILY_NAME, "IPVS"),
            Request::Services | Request::Daemons | Request::Timeouts | Request::Info => {}
            Request::Flush | Request::Zero(None) => {}
            Request::Service(key) | Request::DeleteService(key) | Request::Zero(Some(key)) => {
                write_service_key(out, key);
            }
            Request::Destinations(key) => write_service_key(out, key),
            Request::AddService(one) | Request::UpdateService(one) => {
                service::check(one)?;
                out.nest(top::SERVICE, |nest| service::write(nest, one));
            }
            Request::AddDestination(key, to) | Request::UpdateDestination(key, to) => {
                write_service_key(out, key);
                out.nest(top::DEST, |nest| destination::write(nest, to));
            }
            Request::DeleteDestination(key, to) => {
                write_service_key(out, key);
                out.nest(top::DEST, |nest| destination::write_key(nest, to));
            }
            Request::StartDaemon(one) => {
                daemon::check(one)?;
                out.nest(top::DAEMON, |nest| daemon::write(nest, one));
            }
            Request::StopDaemon(role) => out.nest(top::DAEMON, |nest| daemon::write_role(nest, *role)),
            Request::SetTimeouts(timeouts) => {
                settings::check_timeouts(timeouts)?;
                settings::write_timeouts(out, timeouts);
            }
        }
        Ok(())
    }
}

fn write_service_key(out: &mut Writer, key: &ServiceKey) {
    out.nest(top::SERVICE, |nest| service::write_key(nest, key));
}
