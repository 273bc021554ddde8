//! `docs`: the pages that are written by the code they describe.

use std::fs;

use anyhow::{Context, Result};

use crate::shell::root;

/// Whether to write or only to look.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only say which pages are stale.
    #[arg(long)]
    check: bool,
}

/// The section of docs/operate.md that is generated: from this line to the end.
const ADMIN_API: &str = "## The admin API";

const FAULTS: &str = "\
# Faults

When a connection or a request does not do what its client asked for, one of these words says why. It stands in the
access log (`fault`), in `transom_faults_total{code}` and in answers made by us (`Transom-Fault`). A word never changes
its meaning; new ones may come.

*Whose doing* is `client`, `server`, or `us`: this program, its configuration, or the machine it runs on.

";

/// A page and what it should say.
struct Page {
    path: &'static str,
    text: String,
}

/// The command line.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let stale = stale()?;
    for page in &stale {
        if options.check {
            println!("{} is stale: ./x docs writes it", page.path);
        } else {
            let path = root().join(page.path);
            fs::write(&path, &page.text).with_context(|| page.path.to_owned())?;
            println!("{} written", page.path);
        }
    }
    Ok(stale.is_empty() || !options.check)
}

/// The paths of the pages that do not say what they should.
pub(crate) fn stale_paths() -> Result<Vec<&'static str>> {
    Ok(stale()?.into_iter().map(|page| page.path).collect())
}

const PACKET_FAULTS: &str = "
## Of the packet plane

These stand in the program log and in `transom_packet_faults_total{code}`: packets have no access log. Why a packet was
dropped is in `transom_packet_verdicts_total{reason}`.

";

fn faults() -> String {
    let (connections, packets) = (transom_state::fault::reference(), transom_packet::fault::reference());
    format!("{FAULTS}{connections}{PACKET_FAULTS}{packets}")
}

fn stale() -> Result<Vec<Page>> {
    let mut pages = pages()?;
    pages.retain(|page| fs::read_to_string(root().join(page.path)).ok().as_deref() != Some(&*page.text));
    Ok(pages)
}

fn pages() -> Result<Vec<Page>> {
    let operate = "docs/operate.md";
    let written = fs::read_to_string(root().join(operate)).unwrap_or_else(|_| "# Operate\n".to_owned());
    let schema = serde_json::to_string_pretty(&transom_config::json_schema())?;
    Ok(vec![
        Page { path: "docs/reference.md", text: transom_config::reference() },
        Page { path: "docs/transom.schema.json", text: schema + "\n" },
        Page { path: "docs/faults.md", text: faults() },
        Page { path: "docs/coming-from.md", text: transom_import::coming_from() },
        Page { path: "docs/metrics.md", text: transom_control::metrics::reference() },
        Page { path: operate, text: with_section(&written, ADMIN_API, &transom_control::admin_reference()) },
    ])
}

/// The page with its last section, which begins with the line `heading`, replaced or added.
fn with_section(page: &str, heading: &str, section: &str) -> String {
    let mut kept: String =
        page.split_inclusive('\n').take_while(|line| line.trim_end() != heading).collect::<String>();
    kept.truncate(kept.trim_end().len());
    format!("{kept}\n\n{}\n", section.trim_end())
}

#[cfg(test)]
mod tests {
    use super::{ADMIN_API, FAULTS, pages, with_section};

    #[test]
    fn the_last_section_is_replaced_or_added() {
        let section = "## The admin API\n\nnew\n";
        let expected = "# Operate\n\ntext\n\n## The admin API\n\nnew\n";
        for page in
            ["# Operate\n\ntext\n", "# Operate\n\ntext\n\n## The admin API\n\nold\n### older\n", expected]
        {
            assert_eq!(with_section(page, ADMIN_API, section), expected);
        }
    }

    #[test]
    fn every_fault_has_its_line() {
        let page = format!("{FAULTS}{}", transom_state::fault::reference());
        for fault in transom_state::Fault::ALL {
            assert!(page.contains(&format!("| `{}` |", fault.code())), "{}", fault.code());
        }
    }

    #[test]
    fn the_generated_section_begins_with_its_heading() {
        assert!(transom_control::admin_reference().starts_with(ADMIN_API));
        assert!(pages().unwrap().iter().all(|page| page.text.ends_with('\n')));
    }
}
