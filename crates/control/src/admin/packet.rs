//! The packet plane: what it counted, and the flows in its tables.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use transom_state::{PacketFlow, PacketServerCounts, PacketTraffic, VipCounts, World};

use super::answer::Answer;
use crate::Command;
use crate::shared::Shared;

/// Flows in an answer unless told.
const FLOWS: usize = 100;
/// Flows in an answer at most.
const FLOWS_MAX: usize = 100_000;

/// `GET /api/v1/packet`
pub(super) fn counts(world: &World) -> Value {
    let counts = world.totals.packets.load_full().unwrap_or_default();
    let reasons = counts.reasons.iter();
    let reasons =
        reasons.map(|one| json!({ "reason": one.reason, "outcome": one.outcome, "packets": one.packets }));
    let faults = counts.faults.iter().map(|(code, count)| json!({ "code": code, "count": count }));
    json!({
        "generation": world.generation,
        "listeners": counts.vips.iter().map(vip).collect::<Vec<_>>(),
        "servers": counts.servers.iter().map(server).collect::<Vec<_>>(),
        "reasons": reasons.collect::<Vec<_>>(),
        "faults": faults.collect::<Vec<_>>(),
    })
}

fn vip(vip: &VipCounts) -> Value {
    json!({
        "name": &*vip.listener,
        "address": vip.address,
        "mode": vip.mode.word(),
        "pool": &*vip.pool,
        "ring_hash": format!("{:016x}", vip.ring_hash),
        "traffic": traffic(&vip.traffic),
    })
}

fn server(server: &PacketServerCounts) -> Value {
    json!({
        "pool": &*server.pool,
        "name": &*server.server,
        "mode": server.mode.word(),
        "reached": server.reached,
        "traffic": traffic(&server.traffic),
    })
}

fn traffic(traffic: &PacketTraffic) -> Value {
    json!({
        "packets": traffic.packets,
        "bytes": traffic.bytes,
        "reply_packets": traffic.reply_packets,
        "reply_bytes": traffic.reply_bytes,
        "flows_total": traffic.flows,
    })
}

/// `GET /api/v1/flows`
pub(super) async fn flows(shared: &Shared, query: &str) -> Answer {
    let most = match limit(query) {
        Ok(most) => most,
        Err(sentence) => return Answer::bad_request(sentence),
    };
    let (answer, flows) = oneshot::channel();
    if shared.commands.send(Command::Flows(most, answer)).await.is_err() {
        return Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is about to stop");
    }
    match flows.await {
        Ok(Ok(flows)) => Answer::json(&json!({ "flows": flows.iter().map(flow).collect::<Vec<_>>() })),
        Ok(Err(sentence)) => Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "no-flows", sentence),
        Err(_) => {
            Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is about to stop")
        }
    }
}

fn flow(flow: &PacketFlow) -> Value {
    json!({
        "protocol": flow.transport.word(),
        "client": flow.client.to_string(),
        "address": flow.vip.to_string(),
        "pool": flow.server.as_ref().map(|(pool, _)| &**pool),
        "server": flow.server.as_ref().map(|(_, server)| &**server),
    })
}

fn limit(query: &str) -> Result<usize, String> {
    let mut most = FLOWS;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some(value) = pair.strip_prefix("limit=") else {
            return Err(format!("{pair:?} is not known here; `limit` is"));
        };
        let number = value.parse().ok().filter(|number| (1..=FLOWS_MAX).contains(number));
        most = number.ok_or_else(|| format!("`limit` is a number from 1 to {FLOWS_MAX}"))?;
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_in_its_range() {
        assert_eq!((limit(""), limit("limit=7")), (Ok(100), Ok(7)));
        for query in ["limit=0", "limit=100001", "limit=x", "after=3", "limit"] {
            assert!(limit(query).is_err(), "{query}");
        }
    }
}
