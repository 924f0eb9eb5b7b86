//! Which servers an administrator means by a word.

use super::Director;
use crate::config::{RealServer, VirtualService};
use crate::control::Selection;
use config::nearest;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// A service and a real server, by position in the plan.
pub type Place = (usize, usize);

/// Some servers of one service, by position in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The service.
    pub service: usize,
    /// Its servers.
    pub servers: Vec<usize>,
}

impl Director {
    /// The servers of a selection.
    ///
    /// # Errors
    /// No such service, or no such server in it; with the nearest that there is.
    pub fn select(&self, of: &Selection) -> Result<Vec<Place>, String> {
        let services = self.plan.services.iter().enumerate();
        let services: Vec<(usize, &VirtualService)> = services
            .filter(|(_, service)| of.service.as_ref().is_none_or(|word| is_service(service, word)))
            .collect();
        if let (Some(word), true) = (&of.service, services.is_empty()) {
            return Err(self.no_service(word));
        }
        let mut places = Vec::new();
        for (at, service) in &services {
            let reals = service.reals.iter().enumerate();
            let chosen = reals.filter(|(_, real)| of.real.as_ref().is_none_or(|word| is_real(real, word)));
            places.extend(chosen.map(|(number, _)| (*at, number)));
        }
        match &of.real {
            Some(word) if places.is_empty() => Err(no_real(word, of, &services)),
            _ => Ok(places),
        }
    }

    /// A selection in pieces of so many servers at most. Services without a server are among them if all are selected.
    pub fn pieces(&self, places: &[Place], size: usize) -> VecDeque<Piece> {
        let all = places.len() == self.count().1;
        let (mut pieces, mut rest) = (VecDeque::new(), places);
        for service in 0..self.plan.services.len() {
            let (own, others) = rest.split_at(rest.iter().take_while(|(at, _)| *at == service).count());
            rest = others;
            if all && own.is_empty() {
                pieces.push_back(Piece { service, servers: Vec::new() });
            }
            let numbers = |chunk: &[Place]| chunk.iter().map(|(_, number)| *number).collect();
            pieces.extend(own.chunks(size).map(|chunk| Piece { service, servers: numbers(chunk) }));
        }
        pieces
    }

    fn no_service(&self, word: &str) -> String {
        let names: Vec<String> = self.plan.services.iter().flat_map(service_names).collect();
        format!("no virtual service \"{word}\"{}", hint(word, &names))
    }
}

fn no_real(word: &str, of: &Selection, services: &[(usize, &VirtualService)]) -> String {
    let reals = services.iter().flat_map(|(_, service)| &service.reals);
    let names: Vec<String> = reals.flat_map(real_names).collect();
    let place = of.service.as_ref().map_or(String::new(), |service| format!(" in {service}"));
    format!("no real server \"{word}\"{place}{}", hint(word, &names))
}

/// The nearest name, or where all of them are.
fn hint(word: &str, names: &[String]) -> String {
    match nearest(word, names.iter().map(String::as_str)) {
        Some(name) => format!("; did you mean {name}?"),
        None => "; \"directord show\" names all".to_owned(),
    }
}

fn is_service(service: &VirtualService, word: &str) -> bool {
    let same_socket = || word.parse::<SocketAddr>().is_ok_and(|socket| socket.to_string() == service.shown());
    service_names(service).iter().any(|name| name.eq_ignore_ascii_case(word)) || same_socket()
}

fn service_names(service: &VirtualService) -> Vec<String> {
    let mut names = vec![service.id(), service.shown()];
    names.extend(service.name.clone());
    names
}

fn is_real(real: &RealServer, word: &str) -> bool {
    if let Ok(socket) = word.parse::<SocketAddr>() {
        return socket == real.shown();
    }
    if let Ok(address) = word.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return address == real.address;
    }
    real_names(real).iter().any(|name| name.eq_ignore_ascii_case(word))
}

fn real_names(real: &RealServer) -> Vec<String> {
    let mut names = vec![real.shown().to_string(), real.address.to_string()];
    if let Some(name) = &real.name {
        names.extend([format!("{name}:{}", real.port), name.to_string()]);
    }
    names
}
