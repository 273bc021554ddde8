//! What later releases own. Each is an error that says so: a key that is read and then ignored would be worse than one
//! that is refused.

use super::Later;

pub(crate) const ACME: Later = Later {
    what: "ordering certificates comes with a release after the one that terminates HTTP",
    instead: "let the client that you order them with go on, and name its files: `chain` and `key`",
};

pub(crate) const SHIELD: Later = Later {
    what: "the packet shield comes with the packet data plane",
    instead: "take it out; `allow`, `refuse` and `limits` of a listener work on connections",
};

pub(crate) const CLUSTER: Later = Later {
    what: "sharing state between nodes comes with the release that forms clusters",
    instead: "take it out; each node keeps its own stick tables, and `balance = \"hash\"` chooses alike on all of them",
};

pub(crate) const NODE: Later = Later {
    what: "several nodes in one file come with the release that forms clusters",
    instead: "give each node a file of its own; `include` holds what they share, `zone` says where each stands",
};
