//! Finding routes by host and path.
//!
//! Hosts lead to buckets: one a name, one a `*.suffix`, one for routes without hosts. In a bucket routes are listed under
//! the path they are for, and those that do not name one (none at all, an ending, an expression) are listed apart. A
//! request looks at the buckets of its host, and in each at as many lists as its path has segments, no deeper than the
//! longest path written. Every list is in the order of the file, so a search may stop at the first route behind the best
//! one so far.

use transom_config::{HttpRoute, PathMatch, ServerName};

use crate::by_name::ByName;
use crate::listener::{dots, suffixes};

#[derive(Debug, Default)]
pub(super) struct Index {
    exact: ByName<Box<str>, Bucket>,
    /// For `*.example.com`, as `.example.com`.
    below: ByName<Box<str>, Bucket>,
    /// Dots in the longest key of `below`.
    dots: usize,
    any: Bucket,
}

/// Places of routes; each list in the order of the file.
#[derive(Debug, Default)]
struct Bucket {
    /// By the path they are for, itself or with all below it.
    by_path: ByName<Box<str>, Vec<usize>>,
    /// Segments of the longest key of `by_path`.
    depth: usize,
    /// For any path.
    anywhere: Vec<usize>,
}

impl Index {
    pub(super) fn new(routes: &[HttpRoute]) -> Self {
        let mut index = Self::default();
        for (place, route) in routes.iter().enumerate() {
            let paths = &route.matches.paths;
            if route.matches.hosts.is_empty() {
                index.any.add(place, paths);
            }
            for host in &route.matches.hosts {
                index.bucket(host).add(place, paths);
            }
        }
        index
    }

    fn bucket(&mut self, host: &ServerName) -> &mut Bucket {
        match host {
            ServerName::Exact(name) => self.exact.entry(name.clone()).or_default(),
            ServerName::Below(suffix) => {
                self.dots = self.dots.max(dots(suffix));
                self.below.entry(suffix.clone()).or_default()
            }
        }
    }

    /// The first route in the file for this host and path that `takes` the request.
    pub(super) fn first(
        &self,
        host: Option<&str>,
        path: &str,
        takes: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut search = Search { path, takes, best: usize::MAX };
        search.look(&self.any);
        if let Some(host) = host {
            self.exact.get(host).into_iter().for_each(|bucket| search.look(bucket));
            let below = suffixes(host).take(self.dots);
            below.filter_map(|suffix| self.below.get(suffix)).for_each(|bucket| search.look(bucket));
        }
        (search.best != usize::MAX).then_some(search.best)
    }
}

impl Bucket {
    fn add(&mut self, place: usize, paths: &[PathMatch]) {
        if paths.is_empty() {
            return push(&mut self.anywhere, place);
        }
        for path in paths {
            match path {
                PathMatch::Below(path) | PathMatch::Exact(path) => {
                    self.depth = self.depth.max(segments(path));
                    push(self.by_path.entry(path.clone()).or_default(), place);
                }
                PathMatch::Suffix(_) | PathMatch::Regex(_) => push(&mut self.anywhere, place),
            }
        }
    }
}

/// A route may come to a list twice: by two of its paths.
fn push(list: &mut Vec<usize>, place: usize) {
    if list.last() != Some(&place) {
        list.push(place);
    }
}

fn segments(path: &str) -> usize {
    if path == "/" { 0 } else { path.bytes().filter(|byte| *byte == b'/').count() }
}

struct Search<'a, T> {
    path: &'a str,
    takes: T,
    best: usize,
}

impl<T: Fn(usize) -> bool> Search<'_, T> {
    fn look(&mut self, bucket: &Bucket) {
        self.look_at(&bucket.anywhere);
        if bucket.by_path.is_empty() {
            return;
        }
        if let Some(list) = bucket.by_path.get("/") {
            self.look_at(list);
        }
        let path = self.path;
        let ends = path.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]).take(bucket.depth) {
            if let Some(list) = path.get(..end).and_then(|prefix| bucket.by_path.get(prefix)) {
                self.look_at(list);
            }
        }
    }

    fn look_at(&mut self, list: &[usize]) {
        for place in list.iter().copied().take_while(|place| *place < self.best) {
            if (self.takes)(place) {
                self.best = place;
                return;
            }
        }
    }
}
