//! Prints the IPVS table like `ipvsadm -Ln --nosort`, or with `--save` like `ipvsadm -Sn`,
//! in the kernel's order.
use ipvs::{Client, Error, ipvsadm, listing};
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
    let table = client.table()?;
    if !save {
        return Ok(listing::unsorted(&client.info()?, &table));
    }
    let mut text = String::new();
    for (entry, reals) in table {
        text += &format!("{}\n", ipvsadm::service_line(&entry.service));
        for real in reals {
            text += &format!("{}\n", ipvsadm::destination_line(&entry.service.key, &real.destination));
        }
    }
    Ok(text)
}
