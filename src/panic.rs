//! What happens when the program is wrong about itself.
//!
//! A panic is logged. One that a connection caused costs that connection: the worker's loop catches it. The loop itself
//! ends the process when it panics (a worker thread that is gone would leave its share of the kernel's connections
//! unanswered, silently), and so does the main thread: the keeper, or systemd, starts it anew.

use std::panic::PanicHookInfo;

/// From here on a panic is logged, and ends the process when it happens on the main thread. This runs before anybody
/// can catch the panic, so nothing that may be caught is ended here.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        log::error!("a mistake in the program, please report it: {} (thread {name})", sentence(info));
        if name == "main" {
            std::process::abort();
        }
    }));
}

fn sentence(info: &PanicHookInfo<'_>) -> String {
    let said = info.payload_as_str().unwrap_or("no words");
    info.location().map_or_else(|| said.to_owned(), |place| format!("{said} at {place}"))
}
