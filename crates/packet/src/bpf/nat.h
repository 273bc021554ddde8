/* Network address translation: the destination on the way in, the source on the way out. Every flow has two
 * table entries, because only a table can say which VIP and which client port a reply belongs to. */
#pragma once
#include "forward.h"
#include "shield/track.h"

/* The address part of the rewrite is the caller's. */
INLINE void rewrite_port(struct packet *packet, u16 *port, u16 to, u16 delta)
{
	*port = to;
	if (packet->protocol == PROTOCOL_TCP) {
		struct tcp *tcp = packet->body;
		tcp->checksum = adjusted(tcp->checksum, delta);
		return;
	}
	struct udp *udp = packet->body;
	if (!udp->checksum) /* the sender made none: RFC 768 */
		return;
	u16 checksum = adjusted(udp->checksum, delta);
	udp->checksum = checksum ? checksum : 0xffff;
}

INLINE u16 *source_port(struct packet *packet)
{
	return packet->body;
}

INLINE u16 *destination_port(struct packet *packet)
{
	return (u16 *)packet->body + 1;
}

INLINE void note_closing(struct packet *packet, u8 *closing)
{
	if (unlikely(packet->flags & (TCP_FIN | TCP_RST)) && !*closing)
		*closing = 1;
}

INLINE u8 *replier(u64 address, u32 port)
{
	u32 row = 0;
	struct repliers *all = map_lookup(&repliers, &row);
	return all ? &all->seen[((address << 16 | port) * MIX_A) >> 48] : 0;
}

INLINE u8 *replier6(const u32 *address, u32 port)
{
	return replier((u64)(address[0] ^ address[2]) << 16 ^ address[1] ^ address[3], port);
}

/* Shared by all CPUs: written once, then only read. */
INLINE void expect_replies(u8 *seen)
{
	if (seen && !*seen)
		*seen = 1;
}

INLINE int may_reply(const u8 *seen)
{
	return seen && *seen;
}

/* As the ring says; entries are the NAT tables' matter. */
INLINE int choose_by_ring(struct packet *packet, u32 word, struct choice *choice)
{
	if ((word & WORD_CHANGED) && packet->protocol == PROTOCOL_TCP && !opens_flow(packet))
		take_older(choice, word);
	else
		take(choice, WORD_CURRENT(word));
	return choice->server != 0;
}

/* May a flow take the reply entry that another VIP's flow has? Only when that one has ended. */
INLINE int clashes(struct packet *packet, u8 direction, u8 closing, int same_vip)
{
	return direction == TO_CLIENT && !same_vip && !closing && packet->protocol == PROTOCOL_TCP;
}

INLINE void macs_back(struct packet *packet, u32 *macs)
{
	struct ethernet *ethernet = packet->ethernet;
	macs[0] = ethernet->source[0] | (u32)ethernet->source[1] << 16;
	macs[1] = ethernet->source[2] | (u32)ethernet->destination[0] << 16;
	macs[2] = ethernet->destination[1] | (u32)ethernet->destination[2] << 16;
}

/* Both entries of a new flow; 0 and a reason in the packet if it may not be. */
INLINE struct nat4 *open4(struct xdp_md *ctx, struct packet *packet, const struct flow4 *flow, u32 word)
{
	struct choice choice = {};
	packet->reason = REASON_NO_SERVER;
	if (!choose_by_ring(packet, word, &choice))
		return 0;
	struct server *server = choice.server;
	u16 port = flow->ports >> 16;
	struct flow4 reply_flow = {server->address[0], flow->source, flow->ports << 16 | server->port, flow->protocol};
	struct nat4 *other = map_lookup(&nats4, &reply_flow);
	packet->reason = REASON_NAT_CLASH;
	if (other && clashes(packet, other->direction, other->closing,
			     other->address == flow->destination && other->port == port))
		return 0;
	packet->reason = REASON_FLOW_RATE;
	if (!within_budget())
		return 0;
	u16 there = delta32(flow->destination, server->address[0]);
	u16 back = delta32(server->address[0], flow->destination);
	struct nat4 request = {
		.address = server->address[0], .port = server->port,
		.header_delta = fold32((u32)there + AGED), .body_delta = delta16(port, server->port, there),
		.server = choice.number, .epoch = server->epoch, .direction = TO_SERVER,
	};
	struct nat4 reply = {
		.address = flow->destination, .port = port,
		.header_delta = fold32((u32)back + AGED), .body_delta = delta16(server->port, port, back),
		.server = choice.number, .epoch = server->epoch, .direction = TO_CLIENT,
		.interface = ctx->ingress_ifindex,
	};
	macs_back(packet, reply.macs);
	expect_replies(replier(server->address[0], server->port));
	map_update(&nats4, &reply_flow, &reply, UPDATE_ANY);
	map_update(&nats4, flow, &request, UPDATE_ANY);
	return map_lookup(&nats4, flow);
}

/* Does an entry still say where the packet goes? A SYN begins anew when its slot has another server now. */
INLINE int holds(struct packet *packet, struct server *server, u32 epoch)
{
	return server && server->epoch == epoch && likely(!opens_flow(packet));
}

INLINE int reopens(struct server *server, u32 number, u32 epoch, u32 word)
{
	return !server || server->epoch != epoch || WORD_CURRENT(word) != number;
}

INLINE int nat4(struct xdp_md *ctx, struct packet *packet, struct vip *vip)
{
	struct flow4 flow;
	flow_of4(packet, &flow);
	struct nat4 *entry = map_lookup(&nats4, &flow);
	struct server *server = 0;
	int opened = 0;
	if (likely(entry))
		server = live(entry->server);
	if (unlikely(!entry || !holds(packet, server, entry->epoch))) {
		if (packet->strict && !entry && stray(packet) != GO_ON)
			return XDP_DROP;
		u32 word = ring_word(vip, hash4(packet, vip));
		opened = !entry || reopens(server, entry->server, entry->epoch, word);
		if (opened)
			entry = open4(ctx, packet, &flow, word);
		if (!entry)
			return XDP_DROP;
		server = live(entry->server);
		if (!server)
			return drop(packet, REASON_NO_SERVER);
	}
	note_closing(packet, &entry->closing);
	struct ip4 *ip = packet->ip4;
	ip->destination = entry->address;
	ip->checksum = adjusted(ip->checksum, entry->header_delta);
	rewrite_port(packet, destination_port(packet), entry->port, entry->body_delta);
	ip->ttl--;
	set_macs(packet->ethernet, server->macs);
	count_choice(packet, vip, entry->server, opened);
	return leave(ctx, packet, server->interface, REASON_NAT);
}

/* An ICMP error about a reply: the server that sent it under the VIP's name gets it, and reads its own name in
 * the quote. The quoted header's checksum moves against its address, so that only the port moves the message's. */
INLINE int nat_error4(struct xdp_md *ctx, struct packet *packet, struct vip *vip)
{
	struct flow4 flow;
	flow_of4(packet, &flow);
	struct nat4 *entry = map_lookup(&nats4, &flow);
	struct server *server = entry ? live(entry->server) : 0;
	if (!server || server->epoch != entry->epoch)
		return pass(packet, REASON_OTHER_PROTOCOL);
	struct ip4 *ip = packet->ip4;
	struct icmp *icmp = packet->body;
	struct ip4 *quote = (void *)(icmp + 1);
	u16 *port = (void *)(quote + 1);
	u16 there = *port;
	ip->destination = entry->address;
	ip->checksum = adjusted(ip->checksum, entry->header_delta);
	quote->checksum = adjusted(quote->checksum, delta32(quote->source, entry->address));
	quote->source = entry->address;
	*port = entry->port;
	icmp->checksum = adjusted(icmp->checksum, delta16(there, entry->port, 0));
	ip->ttl--;
	set_macs(packet->ethernet, server->macs);
	count_choice(packet, vip, entry->server, 0);
	return leave(ctx, packet, server->interface, REASON_NAT);
}

/* No VIP's packet: a server's reply, or the kernel's matter. */
INLINE int nat_reply4(struct xdp_md *ctx, struct packet *packet)
{
	if (packet->about || !may_reply(replier(packet->source, packet->ports & 0xffff)))
		return to_stack(ctx, packet, REASON_NO_VIP);
	struct flow4 flow;
	flow_of4(packet, &flow);
	struct nat4 *entry = map_lookup(&nats4, &flow);
	if (!entry || entry->direction != TO_CLIENT)
		return to_stack(ctx, packet, REASON_NO_VIP);
	struct ip4 *ip = packet->ip4;
	if (ip->ttl <= 1)
		return pass(packet, REASON_TTL);
	note_closing(packet, &entry->closing);
	ip->source = entry->address;
	ip->checksum = adjusted(ip->checksum, entry->header_delta);
	rewrite_port(packet, source_port(packet), entry->port, entry->body_delta);
	ip->ttl--;
	set_macs(packet->ethernet, entry->macs);
	count_reply(&server_traffic, entry->server, packet->length);
	return leave(ctx, packet, entry->interface, REASON_NAT_REPLY);
}

INLINE struct nat6 *open6(struct xdp_md *ctx, struct packet *packet, const struct flow6 *flow, u32 word)
{
	struct choice choice = {};
	packet->reason = REASON_NO_SERVER;
	if (!choose_by_ring(packet, word, &choice))
		return 0;
	struct server *server = choice.server;
	u16 port = flow->ports >> 16;
	struct flow6 reply_flow WHOLE_WORDS = {.ports = flow->ports << 16 | server->port, .protocol = flow->protocol};
	struct nat6 request WHOLE_WORDS = {.port = server->port, .server = choice.number, .epoch = server->epoch};
	struct nat6 reply WHOLE_WORDS = {.port = port, .server = choice.number, .epoch = server->epoch, .direction = TO_CLIENT};
	copy_address(request.address, server->address);
	copy_address(reply_flow.source, server->address);
	copy_address(reply_flow.destination, flow->source);
	copy_address(reply.address, flow->destination);
	struct nat6 *other = map_lookup(&nats6, &reply_flow);
	packet->reason = REASON_NAT_CLASH;
	if (other && clashes(packet, other->direction, other->closing,
			     same6(other->address, flow->destination) && other->port == port))
		return 0;
	packet->reason = REASON_FLOW_RATE;
	if (!within_budget())
		return 0;
	request.body_delta = delta16(port, server->port, delta128(flow->destination, server->address));
	reply.body_delta = delta16(server->port, port, delta128(server->address, flow->destination));
	reply.interface = ctx->ingress_ifindex;
	macs_back(packet, reply.macs);
	expect_replies(replier6(server->address, server->port));
	map_update(&nats6, &reply_flow, &reply, UPDATE_ANY);
	map_update(&nats6, flow, &request, UPDATE_ANY);
	return map_lookup(&nats6, flow);
}

INLINE int nat6(struct xdp_md *ctx, struct packet *packet, struct vip *vip)
{
	struct flow6 flow WHOLE_WORDS;
	flow_of6(packet, &flow);
	struct nat6 *entry = map_lookup(&nats6, &flow);
	struct server *server = 0;
	int opened = 0;
	if (likely(entry))
		server = live(entry->server);
	if (unlikely(!entry || !holds(packet, server, entry->epoch))) {
		if (packet->strict && !entry && stray(packet) != GO_ON)
			return XDP_DROP;
		u32 word = ring_word(vip, hash6(packet, vip));
		opened = !entry || reopens(server, entry->server, entry->epoch, word);
		if (opened)
			entry = open6(ctx, packet, &flow, word);
		if (!entry)
			return XDP_DROP;
		server = live(entry->server);
		if (!server)
			return drop(packet, REASON_NO_SERVER);
	}
	note_closing(packet, &entry->closing);
	struct ip6 *ip = packet->ip6;
	copy_address(ip->destination, entry->address);
	rewrite_port(packet, destination_port(packet), entry->port, entry->body_delta);
	ip->hop_limit--;
	set_macs(packet->ethernet, server->macs);
	count_choice(packet, vip, entry->server, opened);
	return leave(ctx, packet, server->interface, REASON_NAT);
}

/* As for IPv4; the message's checksum covers the addresses of both headers. */
INLINE int nat_error6(struct xdp_md *ctx, struct packet *packet, struct vip *vip)
{
	struct flow6 flow WHOLE_WORDS;
	flow_of6(packet, &flow);
	struct nat6 *entry = map_lookup(&nats6, &flow);
	struct server *server = entry ? live(entry->server) : 0;
	if (!server || server->epoch != entry->epoch)
		return pass(packet, REASON_OTHER_PROTOCOL);
	struct ip6 *ip = packet->ip6;
	struct icmp *icmp = packet->body;
	struct ip6 *quote = (void *)(icmp + 1);
	u16 *port = (void *)(quote + 1);
	u16 delta = delta128(ip->destination, entry->address);
	icmp->checksum = adjusted(icmp->checksum, delta16(*port, entry->port, fold32((u32)delta + delta)));
	copy_address(ip->destination, entry->address);
	copy_address(quote->source, entry->address);
	*port = entry->port;
	ip->hop_limit--;
	set_macs(packet->ethernet, server->macs);
	count_choice(packet, vip, entry->server, 0);
	return leave(ctx, packet, server->interface, REASON_NAT);
}

INLINE int nat_reply6(struct xdp_md *ctx, struct packet *packet)
{
	if (packet->about || !may_reply(replier6(packet->source6, packet->ports & 0xffff)))
		return to_stack(ctx, packet, REASON_NO_VIP);
	struct flow6 flow WHOLE_WORDS;
	flow_of6(packet, &flow);
	struct nat6 *entry = map_lookup(&nats6, &flow);
	if (!entry || entry->direction != TO_CLIENT)
		return to_stack(ctx, packet, REASON_NO_VIP);
	struct ip6 *ip = packet->ip6;
	if (ip->hop_limit <= 1)
		return pass(packet, REASON_TTL);
	note_closing(packet, &entry->closing);
	copy_address(ip->source, entry->address);
	rewrite_port(packet, source_port(packet), entry->port, entry->body_delta);
	ip->hop_limit--;
	set_macs(packet->ethernet, entry->macs);
	count_reply(&server_traffic, entry->server, packet->length);
	return leave(ctx, packet, entry->interface, REASON_NAT_REPLY);
}
