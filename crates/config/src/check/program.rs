//! `[process]`, `[limits]`, `[log]`, `[admin]`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Checker;
use crate::file::{Fields, Value};
use crate::model::root::{ADMIN, LIMITS, LOG, PROCESS};
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::{AccessFormat, AccessLog, Admin, Level, Limits, Log, Name, Process, Role, User, words};

/// Bytes of the path of a unix socket at most (unix(7): `sun_path` has 108 with the final zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// `[process]`
pub(super) fn process(root: &Fields) -> Process {
    let fields = root.table("process", &PROCESS);
    Process { user: fields.text("user").map(str::to_owned), drain: fields.duration("drain") }
}

/// `[log]`
pub(super) fn log(root: &Fields) -> Log {
    let fields = root.table("log", &LOG);
    let format = fields.word("format", words::FORMATS).unwrap_or(AccessFormat::Json);
    Log {
        access: AccessLog { sink: fields.sink("access"), format },
        program: fields.sink("program"),
        level: fields.word("level", words::LEVELS).unwrap_or(Level::Info),
    }
}

impl Checker<'_> {
    /// `[limits]`
    pub(super) fn limits(&self, root: &Fields) -> Limits {
        let fields = root.table("limits", &LIMITS);
        Limits { connections: fields.integer("connections").and_then(|n| u32::try_from(n).ok()) }
    }

    /// `[admin]`
    pub(super) fn admin(&mut self, root: &Fields) -> Admin {
        let fields = root.table("admin", &ADMIN);
        let socket = fields.text("socket").map(PathBuf::from);
        if let Some(path) = &socket
            && path.as_os_str().len() > SOCKET_PATH_BYTES_MAX
        {
            let message = format!("the path of a unix socket has at most {SOCKET_PATH_BYTES_MAX} bytes");
            self.fault(
                Code::BadPath,
                fields.place("socket"),
                message,
                "choose a shorter path, below /run perhaps",
            );
        }
        let bind = match fields.given("bind").map(|item| &item.value) {
            Some(Value::Bind(address)) => Some(*address),
            _ => None,
        };
        let users = self.users(&fields);
        let nobody = fields.list("users").is_empty()
            && fields.written("users").is_none_or(|entry| entry.item.is_some());
        match bind {
            Some(address) if !address.ip().is_loopback() && nobody => {
                self.fault(
                    Code::AdminExposed,
                    fields.place("bind"),
                    format!("whoever reaches {address} could look into the program: there are no `users`"),
                    format!("add `users = [{{ name = …, password-hash = … }}]`, or bind \"127.0.0.1:{}\"", address.port()),
                );
            }
            None if !users.is_empty() && fields.written("bind").is_none() => self.fault(
                Code::UnusedUsers,
                fields.place("users"),
                "the users are asked for at the admin address only, and there is none",
                "add `bind = \"127.0.0.1:8404\"`, or take `users` out: over the unix socket its permissions decide",
            ),
            _ => {}
        }
        Admin { socket, bind, users }
    }

    fn users(&mut self, admin: &Fields) -> Vec<User> {
        let mut seen: HashMap<Name, Span> = HashMap::new();
        let mut users = Vec::new();
        for fields in admin.tables("users") {
            let name: Name = fields.text("name").unwrap_or_default().into();
            let span = fields.place("name");
            if let Some(first) = seen.get(&name).filter(|_| !name.is_empty()) {
                let fault = Fault::new(Code::DuplicateName, span, format!("there are two users `{name}`"));
                self.report.push(fault.remedy("keep one of them").also(*first, "first here"));
            }
            seen.entry(name.clone()).or_insert(span);
            let role = fields.word("role", words::ROLES).unwrap_or(Role::Viewer);
            if let Some(Value::PasswordHash(hash)) = fields.given("password-hash").map(|item| &item.value) {
                users.push(User { name, password_hash: hash.clone(), role });
            }
        }
        users
    }
}
