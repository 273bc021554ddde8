//! `/status`: a page for people, without scripts. What is wrong comes first, in sentences.

use std::fmt::{self, Display, Write as _};
use std::time::{Duration, Instant, SystemTime};

use transom_state::{AdminState, Condition, Pool, Server, World};

use crate::shared::Shared;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222;background:#fff}\
table{border-collapse:collapse;margin:.5em 0 1.5em}th,td{text-align:left;padding:.25em .8em;border-bottom:1px solid #ddd;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#a40000;font-weight:600}.off{color:#8a5a00}.good{color:#1a6b1a}";

/// The whole page.
pub(super) fn page(shared: &Shared, world: &World, now: Instant) -> String {
    let mut page = String::with_capacity(16 * 1024);
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, shared, world, now);
    page
}

fn write_page(page: &mut String, shared: &Shared, world: &World, now: Instant) -> fmt::Result {
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"10\"><title>Transom</title>\
         <style>{STYLE}</style></head><body>\n<h1>Transom</h1>\n"
    )?;
    let up = SystemTime::now().duration_since(shared.started).unwrap_or_default();
    let connections = world.totals.gate().used();
    let (generation, version, up) = (world.generation, env!("CARGO_PKG_VERSION"), Ago(up));
    writeln!(
        page,
        "<p>Version {version}, up for {up}, configuration {generation}, {connections} client connections.</p>"
    )?;
    wrong(page, shared, world, now)?;
    listeners(page, shared, world)?;
    pools(page, world)?;
    servers(page, world, now)?;
    stick_tables(page, world)?;
    faults(page, world)?;
    page.write_str("</body></html>\n")
}

/// What is wrong, most urgent first.
fn wrong(page: &mut String, shared: &Shared, world: &World, now: Instant) -> fmt::Result {
    let sentences = sentences(shared, world, now);
    if sentences.is_empty() {
        return page.write_str("<p class=\"good\">Nothing is wrong.</p>\n");
    }
    page.write_str("<h2>What is wrong</h2>\n<ul>\n")?;
    for sentence in sentences {
        writeln!(page, "<li class=\"bad\">{}</li>", Escaped(sentence))?;
    }
    page.write_str("</ul>\n")
}

fn sentences(shared: &Shared, world: &World, now: Instant) -> Vec<String> {
    let mut sentences = Vec::new();
    if shared.is_draining() {
        sentences.push("The program is about to stop and accepts no new connections.".to_owned());
    }
    for pool in world.pools().iter().filter(|pool| !pool.is_usable()) {
        sentences.push(format!("Pool {} has no usable server: its clients are turned away.", pool.name()));
    }
    for pool in world.pools() {
        sentences.extend(pool.servers().iter().filter_map(|server| server_sentence(pool, server, now)));
    }
    for (host, why) in shared.failing_names.list() {
        sentences.push(format!("The name {host} does not resolve: {why}."));
    }
    for pool in world.pools().iter().filter(|pool| pool.waiting() > 0) {
        sentences.push(format!("{} clients wait in the queue of pool {}.", pool.waiting(), pool.name()));
    }
    let gate = world.totals.gate();
    if gate.limit().is_some_and(|limit| gate.used() >= limit) {
        sentences.push(format!("The limit of {} client connections is reached.", gate.used()));
    }
    sentences
}

fn server_sentence(pool: &Pool, server: &Server, now: Instant) -> Option<String> {
    if server.admin() == AdminState::Maint || server.condition() != Condition::Down {
        return None;
    }
    let since = Ago(now.saturating_duration_since(server.since()));
    let mut sentence = format!("Server {}/{} is down for {since}", pool.name(), server.name());
    if let Some(last) = server.last_probe()
        && let Err(fault) = last.result.outcome
    {
        let _ = write!(sentence, ": {} ({fault})", last.result.detail);
    }
    sentence.push('.');
    Some(sentence)
}

fn listeners(page: &mut String, shared: &Shared, world: &World) -> fmt::Result {
    page.write_str(
        "<h2>Listeners</h2>\n<table><tr><th>Name<th>Address<th class=\"n\">Connections<th class=\"n\">In all\
         <th class=\"n\">Refused<th class=\"n\">Bytes in<th class=\"n\">Bytes out</tr>\n",
    )?;
    for listener in world.listeners() {
        let addresses = shared.addresses(listener.name());
        let addresses = if addresses.is_empty() { &listener.config.bind } else { &addresses };
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let (gate, counters) = (listener.gate(), listener.counters());
        writeln!(
            page,
            "<tr><td>{}<td>{}<td class=\"n\">{}{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}</tr>",
            Escaped(listener.name()),
            Escaped(addresses.join(" ")),
            gate.used(),
            Of(gate.limit()),
            counters.connections.sum(),
            counters.refused.sum(),
            Bytes(counters.bytes_in.sum()),
            Bytes(counters.bytes_out.sum()),
        )?;
    }
    page.write_str("</table>\n")
}

fn pools(page: &mut String, world: &World) -> fmt::Result {
    page.write_str(
        "<h2>Pools</h2>\n<table><tr><th>Name<th>Usable<th class=\"n\">Servers<th class=\"n\">Waiting\
         <th class=\"n\">Clients in all</tr>\n",
    )?;
    for pool in world.pools() {
        let usable = if pool.is_usable() { "<td class=\"good\">yes" } else { "<td class=\"bad\">no" };
        writeln!(
            page,
            "<tr><td>{}{usable}<td class=\"n\">{}<td class=\"n\">{} of {}<td class=\"n\">{}</tr>",
            Escaped(pool.name()),
            pool.servers().len(),
            pool.waiting(),
            pool.config.queue.size,
            pool.counters().chosen.sum(),
        )?;
    }
    page.write_str("</table>\n")
}

fn servers(page: &mut String, world: &World, now: Instant) -> fmt::Result {
    page.write_str(
        "<h2>Servers</h2>\n<table><tr><th>Pool<th>Server<th>Address<th>Condition<th>Admin state<th class=\"n\">Weight\
         <th class=\"n\">Connections<th class=\"n\">In all<th class=\"n\">Failures<th>Last health check</tr>\n",
    )?;
    for pool in world.pools() {
        for server in pool.servers() {
            server_row(page, pool, server, now)?;
        }
    }
    page.write_str("</table>\n")
}

fn server_row(page: &mut String, pool: &Pool, server: &Server, now: Instant) -> fmt::Result {
    let config = server.config();
    let since = Ago(now.saturating_duration_since(server.since()));
    let condition = match server.condition() {
        Condition::Down => "bad",
        Condition::Up => "good",
        Condition::Unknown => "off",
    };
    let admin = if server.admin() == AdminState::Ready { "" } else { "off" };
    let (counters, backup) = (server.counters(), if config.backup { " (backup)" } else { "" });
    write!(
        page,
        "<tr><td>{}<td>{}{backup}<td>{}<td class=\"{condition}\">{} for {since}<td class=\"{admin}\">{}\
         <td class=\"n\">{}<td class=\"n\">{}{}<td class=\"n\">{}<td class=\"n\">{}<td>",
        Escaped(pool.name()),
        Escaped(server.name()),
        Escaped(&config.address),
        server.condition(),
        server.admin(),
        server.weight(),
        server.connections(),
        Of(config.connections),
        counters.connections.sum(),
        counters.failures.sum(),
    )?;
    match server.last_probe() {
        None => page.write_str("none")?,
        Some(last) => {
            let ago = Ago(now.saturating_duration_since(last.at));
            match last.result.outcome {
                Ok(()) => {
                    let took = last.result.took.as_secs_f64() * 1000.0;
                    write!(page, "passed {ago} ago in {took:.1} ms")?;
                }
                Err(fault) => write!(page, "failed {ago} ago: {} ({fault})", Escaped(last.result.detail))?,
            }
        }
    }
    page.write_str("</tr>\n")
}

fn stick_tables(page: &mut String, world: &World) -> fmt::Result {
    if world.stick_tables().is_empty() {
        return Ok(());
    }
    page.write_str(
        "<h2>Stick tables</h2>\n<table><tr><th>Name<th class=\"n\">Entries<th class=\"n\">Pushed out\
         <th class=\"n\">Expired</tr>\n",
    )?;
    for table in world.stick_tables() {
        writeln!(
            page,
            "<tr><td>{}<td class=\"n\">{} of {}<td class=\"n\">{}<td class=\"n\">{}</tr>",
            Escaped(table.name()),
            table.len(),
            table.size(),
            table.evicted(),
            table.expired(),
        )?;
    }
    page.write_str("</table>\n")
}

fn faults(page: &mut String, world: &World) -> fmt::Result {
    let counted: Vec<_> = world.totals.faults.iter().filter(|(_, count)| *count > 0).collect();
    if counted.is_empty() {
        return page.write_str("<p>No faults since the start.</p>\n");
    }
    page.write_str(
        "<h2>Faults since the start</h2>\n<table><tr><th>Code<th class=\"n\">Count<th>Meaning<th>Remedy</tr>\n",
    )?;
    for (fault, count) in counted {
        writeln!(
            page,
            "<tr><td>{fault}<td class=\"n\">{count}<td>{}<td>{}</tr>",
            Escaped(fault.meaning()),
            Escaped(fault.remedy()),
        )?;
    }
    page.write_str("</table>\n")
}

/// Text between tags: nothing in it is markup.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// ` of 10`, or nothing where there is no limit.
struct Of(Option<u32>);

impl Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |limit| write!(f, " of {limit}"))
    }
}

/// `3 min`: a time at a glance.
struct Ago(Duration);

impl Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..=119 => write!(f, "{seconds} s"),
            seconds @ 120..=7199 => write!(f, "{} min", seconds / 60),
            seconds @ 7200..=172_799 => write!(f, "{} h", seconds / 3600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}

/// `1.5 MiB`: an amount at a glance.
struct Bytes(u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{}", self.0);
        }
        let power = (self.0.ilog2() / 10) as usize;
        let amount = self.0 as f64 / 1024_f64.powi(power as i32);
        write!(f, "{amount:.1} {}", units[power - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let text = Escaped("<script>alert('x')</script>&\"").to_string();
        assert_eq!(text, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;");
    }

    #[test]
    fn amounts_are_rounded_for_reading() {
        let table =
            [(0, "0"), (1023, "1023"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB"), (u64::MAX, "16.0 EiB")];
        for (bytes, want) in table {
            assert_eq!(Bytes(bytes).to_string(), want);
        }
        let table = [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")];
        for (seconds, want) in table {
            assert_eq!(Ago(Duration::from_secs(seconds)).to_string(), want);
        }
    }
}
