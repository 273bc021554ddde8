//! Which file is served or checked: ours, or another product's.

use std::path::PathBuf;

use clap::Args;

use crate::gather::Request;

/// One of the two.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Named {
    /// The configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A haproxy.cfg in its place, imported in memory; an ALOHA's file or a squid.conf will do as well
    #[arg(long, value_name = "FILE")]
    haproxy: Option<PathBuf>,
}

impl Named {
    /// What is asked for.
    pub(crate) fn request(&self, zone: Option<String>, workers: Option<u16>) -> Request {
        let foreign = self.haproxy.is_some();
        let path = self.config.clone().or_else(|| self.haproxy.clone()).unwrap_or_default();
        Request { path, foreign, zone, workers }
    }
}
