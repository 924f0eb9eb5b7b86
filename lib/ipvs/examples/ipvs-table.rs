//! Prints the IPVS table like `ipvsadm -Ln --nosort`, or with `--save` like `ipvsadm -Sn`,
//! in the kernel's order.
use ipvs::{Client, DestinationEntry, Error, Service, ipvsadm};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let save = std::env::args().nth(1).is_some_and(|argument| argument == "--save");
    match table(save) {
        // a reader that went away is no error of ours
        Ok(text) => {
            std::io::stdout().write_all(text.as_bytes()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("ipvs-table: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("ipvs-table: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn table(save: bool) -> Result<String, Error> {
    let mut client = Client::connect()?;
    let mut text = String::new();
    if !save {
        text += &format!("IP Virtual Server version {}\n", client.info()?);
        text += "Prot LocalAddress:Port Scheduler Flags\n";
        text += "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n";
    }
    for entry in client.services()? {
        let service = entry.service;
        let reals = client.destinations(&service.key)?;
        if save {
            text += &format!("{}\n", ipvsadm::service_line(&service));
            for real in reals {
                text += &format!("{}\n", ipvsadm::destination_line(&service.key, &real.destination));
            }
        } else {
            text += &service_row(&service);
            text.extend(reals.iter().map(real_row));
        }
    }
    Ok(text)
}

fn service_row(service: &Service) -> String {
    let key = service.key.to_string();
    let (kind, rest) = key.split_once(' ').unwrap_or((&key, ""));
    let mut row = format!("{kind:<4} {rest} {}", service.scheduler);
    let flags = service.scheduler_flags.list(&service.scheduler);
    if !flags.is_empty() {
        row += &format!(" ({flags})");
    }
    if let Some(persistence) = &service.persistence {
        row += &format!(" persistent {}", persistence.timeout);
        if !persistence.netmask.is_host() {
            row += &format!(" mask {}", persistence.netmask);
        }
        if let Some(engine) = &persistence.engine {
            row += &format!(" pe {engine}");
        }
    }
    if service.one_packet {
        row += " ops";
    }
    row + "\n"
}

fn real_row(entry: &DestinationEntry) -> String {
    let real = &entry.destination;
    format!(
        "  -> {:<28} {:<7} {:<6} {:<10} {:<10}\n",
        real.key.to_string(),
        real.forwarding,
        real.weight,
        entry.connections.active,
        entry.connections.inactive
    )
}
