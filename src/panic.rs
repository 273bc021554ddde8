//! What happens when the program is wrong about itself.
//!
//! A worker thread that dies would leave its share of the kernel's connections unanswered, silently. So the process
//! ends, and the keeper (or systemd) starts it anew on the same sockets.

use std::panic::PanicHookInfo;

/// How the threads of the data plane are named.
const DATA_PLANE: &str = "worker-";

/// From here on a panic is logged, and ends the process when it happens in the data plane or on the main thread.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        log::error!("a mistake in the program, please report it: {} (thread {name})", sentence(info));
        if name.starts_with(DATA_PLANE) || name == "main" {
            std::process::abort();
        }
    }));
}

fn sentence(info: &PanicHookInfo<'_>) -> String {
    let said = info.payload_as_str().unwrap_or("no words");
    info.location().map_or_else(|| said.to_owned(), |place| format!("{said} at {place}"))
}
