//! The pretend Exchange server for people: `cargo run -p transom-testkit --example fake_exchange -- NAME [CA-FILE]`.
//!
//! Without a file it speaks plain HTTP; with one also HTTPS, and writes the authority that signed its certificate there.
//! It serves until its input ends, and takes orders there: `break mapi`, `mend`, `connections`, … (see `orders.rs`).
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::io::{self, BufRead};

use transom_testkit::ca::Authority;
use transom_testkit::fake_exchange::{ANY, FakeExchange, Options, Service, USERS};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "EX1".to_owned());
    let mut options = Options::new(&name);
    options.services.extend([(Service::Smtp, ANY), (Service::Imap, ANY), (Service::Pop, ANY)]);
    if let Some(file) = arguments.next() {
        let authority = Authority::new("Authority of the pretend Exchange")?;
        authority.write(file)?;
        options.leaf = Some(authority.leaf(&["localhost", "mail.example.com", "127.0.0.1"])?);
        options.services.push((Service::Https, ANY));
    }
    let services: Vec<Service> = options.services.iter().map(|(service, _)| *service).collect();
    let exchange = FakeExchange::start(options)?;
    for service in services {
        let address = exchange.address_of(service).map(|address| address.to_string());
        println!("{service:?} {}", address.unwrap_or_default());
    }
    for (user, password) in USERS {
        println!("user LAB\\{user} {password}");
    }
    for line in io::stdin().lock().lines() {
        println!("{}", exchange.order(&line?));
    }
    Ok(())
}
